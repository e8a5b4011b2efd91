"""The command line makes secrets, and explains itself."""

from __future__ import annotations

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

from sessionware.cli.main import main
from sessionware.crypto.keys import read_secrets


def test_secret_prints_a_secret_that_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["secret"])

    printed = capsys.readouterr().out
    assert status == 0
    assert read_secrets(printed) == (printed.strip().encode(),)


def test_secret_never_prints_the_same_twice(capsys: pytest.CaptureFixture[str]) -> None:
    main(["secret"])
    main(["secret"])

    first, second = capsys.readouterr().out.split()
    assert first != second


@pytest.mark.parametrize("arguments", [[], ["sceret"], ["secret", "more"]])
def test_a_wrong_command_line_says_how_it_is_used(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2
    assert "usage: sessionware" in capsys.readouterr().err


def test_the_version_is_that_of_the_release(capsys: pytest.CaptureFixture[str]) -> None:
    setup = configparser.ConfigParser()
    setup.read(Path(__file__).parents[2] / "setup.cfg", encoding="utf-8")

    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert caught.value.code == 0
    assert capsys.readouterr().out == f"sessionware {setup['metadata']['version']}\n"


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "sessionware", "secret"], capture_output=True, text=True, check=True)

    assert len(done.stdout.strip()) >= 32
