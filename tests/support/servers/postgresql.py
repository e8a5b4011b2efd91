"""A private PostgreSQL server, whose processes are frozen and killed all together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from support.servers.process import (
    POLL_SECONDS,
    STOP_SECONDS,
    ServerProcess,
    find_binary,
    free_port,
    give_to,
    state_of,
    unprivileged_user,
)

USER, PASSWORD = "app_user", "p@ss/word:#1"
_HOST = "127.0.0.1"


def _binary(name: str) -> str:
    """Debian keeps each version's programs in a directory of their own; the newest first."""
    places = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    binary = find_binary(name, places=places)
    if binary is None:
        pytest.skip("needs PostgreSQL (Debian: apt install postgresql)")
    return os.path.realpath(binary)


class PostgreSQLProcess(ServerProcess):
    """Each connection has a process of its own, in a session of its own; a signal is for all of them."""

    def children(self) -> list[int]:
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def _signal(self, number: signal.Signals) -> None:
        super()._signal(number)
        if self.is_running:
            self._signal_children(number)

    def kill(self) -> None:
        if self.is_running:
            # So that it makes no more of them.
            self.freeze()
        children = self.children() if self.is_running else []
        super().kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        # The next start is refused as long as one of them has the shared memory.
        deadline = time.monotonic() + STOP_SECONDS
        while any(state_of(Path(f"/proc/{child}")) not in ("X", "Z") for child in children):
            assert time.monotonic() < deadline, "a process of the server does not end"
            time.sleep(POLL_SECONDS)

    def _signal_children(self, number: signal.Signals) -> None:
        for child in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, number)


@dataclass
class PostgreSQLServer:
    """The server and the ways to reach it."""

    process: PostgreSQLProcess
    port: int

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{USER}:p%40ss%2Fword%3A%231@{_HOST}:{self.port}/postgres"

    @property
    def arguments(self) -> str:
        """The same for the driver itself."""
        return f"host={_HOST} port={self.port} user={USER} password={PASSWORD} dbname=postgres"


def _initialize(directory: Path, user: str | None) -> None:
    password = directory / "password"
    password.write_text(PASSWORD)
    give_to(user, password)
    options = ["--username", USER, "--pwfile", str(password), "--auth", "scram-sha-256", "--encoding", "UTF8"]
    command = [_binary("initdb"), "--pgdata", str(directory / "data"), "--no-sync", "--locale", "C", *options]
    group = "nogroup" if user else None
    subprocess.run(command, check=True, capture_output=True, user=user, group=group, cwd=directory)


@contextlib.contextmanager
def postgresql_server() -> Iterator[PostgreSQLServer]:
    """A server with one user, who has a password."""
    binary, user, port = _binary("postgres"), unprivileged_user(), free_port()
    # Not below pytest's own directory, which each run of pytest closes to other users.
    holder = tempfile.TemporaryDirectory()
    directory = Path(holder.name)
    give_to(user, directory)
    _initialize(directory, user)
    settings = {"listen_addresses": _HOST, "unix_socket_directories": "", "fsync": "off", "max_connections": "60"}
    # In its own directory: a server that is killed leaves it behind, and a container has little shared memory.
    settings["dynamic_shared_memory_type"] = "mmap"
    command = [binary, "-D", str(directory / "data"), "-p", str(port)]
    command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def answers() -> bool:
        with psycopg.connect(server.arguments, connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)

    process = PostgreSQLProcess(command, directory, answers, user=user)
    server = PostgreSQLServer(process, port)
    try:
        process.start()
        yield server
    finally:
        process.thaw()
        process.kill()
        holder.cleanup()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """One for all tests that leave it as it was."""
    with postgresql_server() as server:
        yield server
