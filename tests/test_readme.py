"""Everything that the README prints works as printed."""

from __future__ import annotations

import doctest
import http.client
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docutils.core
import docutils.nodes
import pytest

from sessionware.cli import main
from sessionware.option_table import render_options

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.rst").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DOCUMENT = docutils.core.publish_doctree(README, settings_overrides={"report_level": 2, "halt_level": 2})


def blocks(*languages: str) -> list[tuple[str, str]]:
    """The language and the text of every block, in the order of the page."""
    return [
        (language, block.astext())
        for block in DOCUMENT.findall(docutils.nodes.literal_block)
        for language in languages
        if language in block["classes"]
    ]


def python_with(words: str) -> str:
    """The block of Python in which *words* stand."""
    (found,) = [text for _, text in blocks("python") if words in text]
    return found


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """An empty directory to follow the README in, and a secret as it is made there."""
    main(["secret"])
    monkeypatch.setenv("SESSION_SECRET", capsys.readouterr().out.strip())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_two_commands_are_the_demo_and_the_tests() -> None:
    first = blocks("console")[0][1]

    assert first.splitlines() == ["$ make demo", "$ make test"]


def test_every_command_exists() -> None:
    commands = {line.removeprefix("$ ") for _, text in blocks("console") for line in text.splitlines()}

    targets = {command.split()[1] for command in commands if command.startswith("make ")}
    others = {command for command in commands if not command.startswith("make ")}

    assert others == {"SESSION_SECRET=$(sessionware secret) python hello.py"}
    assert all(re.search(rf"^{target}:", MAKEFILE, re.MULTILINE) for target in targets)


def test_every_snippet_runs_in_the_order_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    runner = doctest.DocTestRunner()

    for number, (language, text) in enumerate(blocks("python", "pycon")):
        if language == "python":
            # As the author of the README wrote it, not as the author of this test: no future imports.
            exec(compile(text, f"README.rst, snippet {number}", "exec", dont_inherit=True), names)
        else:
            examples = doctest.DocTestParser().get_doctest(text, names, f"snippet {number}", None, 0)
            runner.run(examples, clear_globs=False)
            names.update(examples.globs)

    assert runner.failures == 0, capsys.readouterr().out
    assert runner.tries > 0


@pytest.fixture
def hello(place: Path) -> Iterator[None]:
    """The quick start, saved and started as the page says."""
    (place / "hello.py").write_text(python_with("make_server"))
    process = subprocess.Popen([sys.executable, "hello.py"], stderr=subprocess.DEVNULL)
    yield
    process.kill()
    process.wait()


def ask(cookie: str) -> tuple[bytes, str]:
    connection = http.client.HTTPConnection("localhost", 8080, timeout=10)
    connection.request("GET", "/", headers={"Cookie": cookie})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return body, str(answer.headers["Set-Cookie"]).partition(";")[0]


def ask_patiently() -> tuple[bytes, str]:
    deadline = time.monotonic() + 20
    while True:
        try:
            return ask("")
        except ConnectionError:
            assert time.monotonic() < deadline, "the server does not start"


def test_the_quick_start_counts_visits(hello: None) -> None:
    body, cookie = ask_patiently()

    assert body == b"visit 1\n"
    assert cookie.startswith("sid=")
    assert ask(cookie)[0] == b"visit 2\n"


def test_the_store_of_ones_own_passes_the_suite(place: Path) -> None:
    program = python_with("class DictStore") + "\n\n" + python_with("class TestDictStore")
    (place / "test_dict_store.py").write_text(program)

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "test_dict_store.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


def test_the_table_of_options_is_that_of_the_code() -> None:
    printed = README.partition(".. options: begin\n")[2].partition(".. options: end\n")[0]

    assert printed.strip() == render_options().strip(), "paste the result of sessionware.option_table.render_options()"


def test_the_configuration_of_gunicorn_is_that_of_the_examples() -> None:
    lines = python_with("preload_app").splitlines()

    given = (ROOT / "examples" / "gunicorn.conf.py").read_text(encoding="utf-8").splitlines()

    assert set(lines) <= set(given)


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"``((?:examples|benchmarks)/[^`]*|[A-Z]+\.rst)``", README))

    assert named
    assert all(os.path.exists(ROOT / name) for name in named)
