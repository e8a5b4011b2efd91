"""The WSGI servers that the tests run, each started by its own command with an application of any module."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.client import HOST
from support.servers.process import ServerProcess, free_port, give_to, unprivileged_user

_TESTS = Path(__file__).parents[2]
_PROGRAMS = Path(sys.executable).parent
#: Apache's processes are never root's, and the Python of these tests may stand where only root may read.
_AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
_AS_NOBODY += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


@dataclass(frozen=True)
class Start:
    """What a command is made of: ``module:name`` of the application, its port, how many processes, Python's path."""

    app: str
    port: int
    workers: int
    path: str

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"


Command = Callable[[Start], list[str]]


def _gunicorn(*options: str) -> Command:
    return lambda start: [
        *(sys.executable, "-m", "gunicorn", "--bind", start.address, "--workers", str(start.workers)),
        *("--graceful-timeout", "2", *options, start.app),
    ]


def _waitress(start: Start) -> list[str]:
    # Without a number of bytes, it waits for the second chunk of a stream before it sends the first.
    return [sys.executable, "-m", "waitress", "--listen", start.address, "--send-bytes", "1", start.app]


def _cheroot(start: Start) -> list[str]:
    return [sys.executable, "-m", "cheroot", "--bind", start.address, start.app]


def _of_a_library(name: str) -> Command:
    return lambda start: [sys.executable, "-m", "support.servers.wsgi_libraries", name, start.app, str(start.port)]


def _uwsgi(start: Start) -> list[str]:
    program = _program("uwsgi", "pip install pyuwsgi")
    # Without --die-on-term, the signal that ends all others makes it begin again.
    options = ["--master", "--need-app", "--die-on-term", "--threads", "4", "--processes", str(start.workers)]
    return [
        program,
        "--http",
        start.address,
        "--http-keepalive",
        "--http-auto-chunked",
        *options,
        "--module",
        start.app,
    ]


def _mod_wsgi(start: Start) -> list[str]:
    program = _program("mod_wsgi-express", "Debian: apt install apache2-bin apache2-dev; pip install mod_wsgi")
    module, _, name = start.app.partition(":")
    command = [program, "start-server", "--application-type", "module", module, "--callable-object", name]
    command += ["--host", HOST, "--port", str(start.port), "--processes", str(start.workers), "--threads", "4"]
    command += ["--log-to-terminal", "--server-root", "apache", "--working-directory", ".", "--locale", "C.UTF-8"]
    for place in start.path.split(os.pathsep):
        command += ["--python-path", place]
    return [*_AS_NOBODY, *command] if unprivileged_user() else command


COMMANDS: dict[str, Command] = {
    "gunicorn": _gunicorn("--worker-class", "sync"),
    "gunicorn gthread": _gunicorn("--worker-class", "gthread", "--threads", "4"),
    "gunicorn gevent": _gunicorn("--worker-class", "gevent"),
    "gunicorn --preload": _gunicorn("--worker-class", "gthread", "--threads", "4", "--preload"),
    "waitress": _waitress,
    "cheroot": _cheroot,
    "uwsgi": _uwsgi,
    "werkzeug": _of_a_library("werkzeug"),
    "wsgiref": _of_a_library("wsgiref"),
    "mod_wsgi": _mod_wsgi,
}
#: The servers that have but one process, whatever they are told.
OF_ONE_PROCESS = {"waitress", "cheroot", "werkzeug", "wsgiref"}
#: make test-servers names them all. Of Apache's, no test runs otherwise: to install it, a compiler is needed.
SERVERS = os.environ.get("SESSIONWARE_SERVERS", ",".join(name for name in COMMANDS if name != "mod_wsgi")).split(",")


def _program(name: str, cure: str) -> str:
    """The program beside this Python; without it the tests of the server are skipped, which is a failure in CI."""
    found = shutil.which(name, path=str(_PROGRAMS))
    if found is None:
        pytest.skip(f"needs {name} ({cure})")
    return found


@contextlib.contextmanager
def serving(
    server: str,
    app: str,
    directory: Path,
    *,
    workers: int = 1,
    places: Sequence[Path] = (),
    environment: dict[str, str] | None = None,
) -> Iterator[int]:
    """The port on which *server* serves *app*, ``module:name``, in *directory*, where ``log.txt`` is what it logs.

    The application's modules are in *places*.
    """
    path = os.pathsep.join([*map(str, places), str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    # gunicorn puts a socket for commands into the user's home.
    variables = {**os.environ, **(environment or {}), "PYTHONPATH": path, "HOME": str(directory)}
    port = free_port()
    command = COMMANDS[server](Start(app, port, workers, path))
    process = ServerProcess(command, directory, lambda: _listens(port), environment=variables)
    if server == "mod_wsgi":
        give_to(unprivileged_user(), directory)
    try:
        process.start()
        yield port
    finally:
        process.stop()
        # Workers outlive a master that had to be killed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _listens(port: int) -> bool:
    with socket.create_connection((HOST, port), timeout=1):
        return True
