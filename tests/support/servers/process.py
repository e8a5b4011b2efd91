"""A private server of the tests: started from the system's binaries on a free port, in a directory of its own."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

START_SECONDS = 60.0
STOP_SECONDS = 60.0
POLL_SECONDS = 0.02
_HOST = "127.0.0.1"
#: Where the tests' servers listen: the system takes none of these for a connection that somebody opens.
_PORTS = range(10_000, 32_768)
#: How many of them one process of tests has. It gives each out again when it has given out all.
_PORTS_OF_A_PROCESS = 256
#: The states of a thread that does nothing any more.
_STOPPED = ("T", "t", "X", "Z")
#: Debian keeps the servers' own programs out of the path.
_FURTHER_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec")


def find_binary(*names: str, places: Sequence[str] = ()) -> str | None:
    """The first of *names* that this machine has, in its path or in *places*."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *_FURTHER_PLACES, *places])
    found = (shutil.which(name, path=path) for name in names)
    return next((binary for binary in found if binary), None)


def free_port() -> int:
    """A port of the loopback interface, which nothing else takes until the server that it is for does."""
    return next(port for port in _ports_of_this_process() if _is_free(port))


@functools.cache
def _ports_of_this_process() -> Iterator[int]:
    """Ports that no other process of tests gives out: it would find the first of them taken."""
    for first in _PORTS[::_PORTS_OF_A_PROCESS]:
        holder = socket.socket()
        if _binds(holder, first):
            # Open as long as the process is, and unknown to the garbage collector.
            holder.detach()
            return itertools.cycle(range(first + 1, first + _PORTS_OF_A_PROCESS))
        holder.close()
    raise RuntimeError(f"no ports are left from {_PORTS[0]} to {_PORTS[-1]}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return _binds(probe, port)


def _binds(holder: socket.socket, port: int) -> bool:
    try:
        holder.bind((_HOST, port))
    except OSError:
        return False
    return True


def unprivileged_user() -> str | None:
    """The user for a server that refuses to run as root; ``None`` if the tests do not run as root."""
    return "nobody" if os.geteuid() == 0 else None


def give_to(user: str | None, directory: Path) -> None:
    """Let *user* have *directory*, and reach it through those above."""
    if user is None:
        return
    owner = pwd.getpwnam(user)
    os.chown(directory, owner.pw_uid, owner.pw_gid)
    for parent in directory.parents:
        with contextlib.suppress(PermissionError):
            parent.chmod(parent.stat().st_mode | 0o111)


class ServerProcess:
    """One process of a server: start, wait until it answers, stop, freeze and kill."""

    def __init__(
        self,
        command: Sequence[str],
        directory: Path,
        answers: Callable[[], bool],
        *,
        user: str | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.command = list(command)
        self.directory = directory
        self._answers = answers
        self._user = user
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers; on failure the error shows its log."""
        log_path = self.directory / "log.txt"
        with log_path.open("ab") as log:
            self._process = self._spawn(log)
        deadline = time.monotonic() + START_SECONDS
        while not self._is_answering():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"{self.command[0]} did not start:\n{log_path.read_text(errors='replace')[-4000:]}")
            time.sleep(POLL_SECONDS)

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.command,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            user=self._user,
            group=None if self._user is None else pwd.getpwnam(self._user).pw_gid,
            extra_groups=None if self._user is None else [],
            env=self._environment,
            # A ^C ends pytest, not the servers: pytest stops them in order.
            start_new_session=True,
        )

    def _is_answering(self) -> bool:
        try:
            return self._answers()
        except Exception:  # noqa: BLE001 - each driver has errors of its own for "not yet"
            return False

    def stop(self) -> None:
        """Ask it to end, and make it if it does not."""
        if self._process is None:
            return
        self.thaw()
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, like a machine that loses its power."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open without an answer. This returns when every thread has stopped."""
        self._signal(signal.SIGSTOP)
        deadline = time.monotonic() + STOP_SECONDS
        tasks = Path(f"/proc/{self.pid}/task")
        while self.is_running and not all(state_of(task) in _STOPPED for task in tasks.iterdir()):
            assert time.monotonic() < deadline, "the server does not stop"
            time.sleep(POLL_SECONDS)

    def thaw(self) -> None:
        """SIGCONT: go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.is_running:
            os.kill(self.pid, number)


def state_of(task: Path) -> str:
    """The letter for the state of a process or a thread, ``X`` if it is gone: behind its name, which is in brackets."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"
