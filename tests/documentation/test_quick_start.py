"""The quick start, line by line as it is printed."""

from __future__ import annotations

import configparser
import contextlib
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

import pytest
from documentation.pages import QUICK_START, README, ROOT, blocks, commands, python_with
from support.servers.process import free_port

import sessionware

START_SECONDS = 60


def quick_start() -> list[str]:
    """The commands of the README after make's, as far as the one that serves ``hello.py``."""
    found = [command for command in commands(README) if not command.startswith("make ")]
    (served,) = [place for place, command in enumerate(found) if command.endswith("hello.py")]
    return found[: served + 1]


#: Does in the quick start's environment what ``pip install .`` would: lends it the packages of this one, among them the
#: one that is tested, and makes the commands that setup.cfg declares. Only there, if it was activated.
INSTALL = """
import pathlib, sys, sysconfig
assert pathlib.Path(sys.prefix).is_relative_to(pathlib.Path.cwd()), f"{sys.prefix} is another environment"
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
def hello(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The quick start in an empty directory, but for the port and the installation; the port."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SESSION_SECRET", raising=False)
    port = free_port()
    (tmp_path / "hello.py").write_text(python_with(README, "make_server").replace("8080", str(port)))
    write_install(tmp_path / "install.py")
    # A machine has python3, and perhaps no python: neither this environment's programs nor those of others are found.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "bin" / "python3").chmod(0o755)
    path = os.pathsep.join([str(tmp_path / "bin"), "/usr/bin", "/bin"])
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


def ask(port: int, cookie: str, path: str = "/") -> tuple[bytes, str]:
    connection = http.client.HTTPConnection("localhost", port, timeout=10)
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return body, str(answer.headers["Set-Cookie"]).partition(";")[0]


def test_the_quick_start_counts_visits(hello: int) -> None:
    body, cookie = ask(hello, "")

    assert body == b"visit 1\n"
    assert cookie.startswith("sid=")
    assert ask(hello, cookie)[0] == b"visit 2\n"


def test_the_quick_start_counts_no_request_that_a_browser_makes_by_itself(hello: int) -> None:
    _, cookie = ask(hello, "")

    _, other = ask(hello, cookie, "/favicon.ico")

    assert other == "None"
    assert ask(hello, cookie)[0] == b"visit 2\n"


def test_the_quick_start_begins_in_a_checkout_and_installs_it() -> None:
    assert commands(README)[:2] == ["make demo", "make test"]
    assert quick_start().count("pip install .") == 1


def test_the_manual_begins_with_the_quick_start_of_the_readme() -> None:
    assert blocks(QUICK_START, "python", "console")[:3] == blocks(README, "python", "console")[1:4]
