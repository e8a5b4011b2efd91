"""Everything that the README prints works as printed."""

from __future__ import annotations

import configparser
import contextlib
import doctest
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docutils.core
import docutils.nodes
import pytest
from support.servers.process import free_port

import sessionware
from sessionware import ConfigError, Session, SessionMiddleware
from sessionware.cli.main import main
from sessionware.config.table import render_options

START_SECONDS = 60
ROOT = Path(__file__).parents[2]
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


def commands() -> list[str]:
    """What the page tells to type, from its first line to its last."""
    lines = [line for _, text in blocks("console") for line in text.splitlines()]
    return [line.removeprefix("$ ") for line in lines]


def quick_start() -> list[str]:
    """The commands that are not make's: all of them stand in the quick start."""
    return [command for command in commands() if not command.startswith("make ")]


def test_every_target_of_make_exists() -> None:
    targets = {command.split()[1] for command in commands() if command.startswith("make ")}

    assert targets
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


#: Does in the quick start's environment what ``pip install .`` would: lends it the packages of this one, among them the
#: one that is tested, and makes the commands that setup.cfg declares. Only there, if it was activated.
INSTALL = """
import pathlib, sys, sysconfig
assert pathlib.Path(sys.prefix).is_relative_to(pathlib.Path.cwd()), f"{sys.prefix} is somebody else's"
(pathlib.Path(sysconfig.get_path("purelib")) / "lent.pth").write_text("\\n".join(places))
for name, module, function in scripts:
    script = pathlib.Path(sysconfig.get_path("scripts")) / name
    script.write_text(f"#!{sys.executable}\\nimport sys, {module}\\nsys.exit({module}.{function}())\\n")
    script.chmod(0o755)
"""


def write_install(path: Path) -> None:
    places = [str(Path(sessionware.__file__).parents[1]), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    declared = configparser.ConfigParser()
    declared.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = declared["options.entry_points"]["console_scripts"].split("\n")
    scripts = [tuple(re.split(r"[ =:]+", line)) for line in lines if line]
    path.write_text(f"places, scripts = {places!r}, {scripts!r}\n{INSTALL}")


@pytest.fixture
def hello(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The quick start, line by line as it is printed, but for the port and the installation; the port."""
    monkeypatch.delenv("SESSION_SECRET")
    port = free_port()
    (place / "hello.py").write_text(python_with("make_server").replace("8080", str(port)))
    write_install(place / "install.py")
    # A machine has python3, and perhaps no python: neither this environment's programs nor those of others are found.
    (place / "bin").mkdir()
    (place / "bin" / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (place / "bin" / "python3").chmod(0o755)
    path = os.pathsep.join([str(place / "bin"), "/usr/bin", "/bin"])
    lines = ["python install.py" if line == "pip install ." else line for line in quick_start()]
    script = "\n".join(["set -e", *lines])
    with subprocess.Popen(["sh", "-c", script], env={**os.environ, "PATH": path}, start_new_session=True) as process:
        try:
            wait_for(process, port)
            yield port
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        assert process.poll() is None, "a command of the quick start has failed"
        assert time.monotonic() < deadline, "the server does not start"
        with contextlib.suppress(ConnectionError), socket.create_connection(("localhost", port), timeout=1):
            return
        time.sleep(0.05)


def ask(port: int, cookie: str) -> tuple[bytes, str]:
    connection = http.client.HTTPConnection("localhost", port, timeout=10)
    connection.request("GET", "/", headers={"Cookie": cookie})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return body, str(answer.headers["Set-Cookie"]).partition(";")[0]


def test_the_quick_start_counts_visits(hello: int) -> None:
    body, cookie = ask(hello, "")

    assert body == b"visit 1\n"
    assert cookie.startswith("sid=")
    assert ask(hello, cookie)[0] == b"visit 2\n"


def test_the_quick_start_begins_in_a_checkout_and_installs_it() -> None:
    assert commands()[:2] == ["make demo", "make test"]
    assert quick_start().count("pip install .") == 1


def test_the_store_of_ones_own_passes_the_suite(place: Path) -> None:
    program = python_with("class DictStore") + "\n\n" + python_with("class TestDictStore")
    (place / "test_dict_store.py").write_text(program)

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "test_dict_store.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout


def test_the_table_of_options_is_that_of_the_code() -> None:
    printed = README.partition(".. options: begin\n")[2].partition(".. options: end\n")[0]

    assert printed.strip() == render_options().strip(), "paste the result of sessionware.config.table.render_options()"


def test_the_configuration_of_gunicorn_is_that_of_the_examples() -> None:
    lines = python_with("preload_app").splitlines()

    given = (ROOT / "examples" / "gunicorn.conf.py").read_text(encoding="utf-8").splitlines()

    assert set(lines) <= set(given)


def test_every_file_that_is_named_exists() -> None:
    named = set(re.findall(r"``((?:examples|benchmarks)/[^`]*|[A-Z]+\.rst)``", README))

    assert named
    assert all(os.path.exists(ROOT / name) for name in named)


def table(section: str) -> list[list[docutils.nodes.Node]]:
    """The rows of the table in *section*, without its heading."""
    (found,) = [each for each in DOCUMENT.findall(docutils.nodes.section) if each["names"] == [section]]
    (body,) = found.findall(docutils.nodes.tbody)
    return [list(row.children) for row in body.findall(docutils.nodes.row)]


def literals(cell: docutils.nodes.Node) -> set[str]:
    return {literal.astext() for literal in cell.findall(docutils.nodes.literal)}


def names_in(cell: docutils.nodes.Node) -> set[str]:
    """The options and attributes of ``session`` there, but for the calls."""
    return {name for name in literals(cell) if re.fullmatch(r"session\.[a-z_.]+", name)}


#: In Beaker attributes of a session, and no options.
ATTRIBUTES = {"session.created", "session.last_accessed"}


@pytest.mark.parametrize(
    ("option", "successors"),
    [
        pytest.param(name, names_in(new), id=name)
        for old, new in table("coming from beaker")
        for name in sorted(names_in(old) - names_in(new) - ATTRIBUTES)
    ],
)
def test_an_option_of_beaker_is_a_fault_that_names_its_successor(option: str, successors: set[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(lambda environ, start_response: [], {option: "1", "session.backend": "memory"})

    message = str(caught.value)
    hint = re.search(r"did you mean (.*)\?", message)

    assert f"{option}: unknown option" in message
    assert hint is None if not successors or option == "session.auto" else hint is not None and hint[1] in successors


def test_what_takes_the_place_of_beakers_members_exists() -> None:
    given = " ".join(name for _, new in table("coming from beaker") for name in literals(new))
    members = set(re.findall(r"session\.(\w+_at|\w+(?=\())", given))

    assert {"clear", "invalidate", "save", "regenerate", "login", "created_at"} <= members
    assert all(hasattr(Session, name) for name in members)


def test_the_speed_of_every_row_is_within_its_aim_or_said_to_miss_it() -> None:
    missed = README.partition("Missed in this run:")[2].partition("\n\n")[0].replace("\n", " ")
    aims = [[cell.astext().replace(",", "") for cell in row[1:3]] for row in table("speed")]
    titles = [row[0].astext() for row in table("speed")]

    over = []
    for title, (mine, aim) in zip(titles, aims, strict=True):
        is_rate = title.endswith("per second")
        if aim and (float(mine) < float(aim) if is_rate else float(mine) > float(aim)):
            over.append(title)

    named = {
        f"{what}, {action}"
        for what, actions in re.findall(r"([^;(]+) \(([^)]*)\)", missed)
        for action in actions.split(" and ")
    }
    assert {title.strip() for title in named} == set(over)
