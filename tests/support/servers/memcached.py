"""Private memcached servers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymemcache.client.base import Client  # type: ignore[import-untyped]
from support.servers.process import ServerProcess, find_binary, free_port, give_to, unprivileged_user

_MEGABYTES = 32


class Memcached(ServerProcess):
    """One server, on a port of the loopback interface or on a unix socket."""

    def __init__(self, directory: Path, *options: str, socket_path: Path | None = None) -> None:
        binary = find_binary("memcached")
        if binary is None:
            pytest.skip("memcached is not installed: apt install memcached")
        self.address: tuple[str, int] | str = ("127.0.0.1", free_port()) if socket_path is None else str(socket_path)
        user = unprivileged_user()
        give_to(user, directory)
        command = [binary, "-m", str(_MEGABYTES), "-U", "0", *self._place(), *options]
        super().__init__(command, directory, self._is_there, user=user)

    def _place(self) -> list[str]:
        if isinstance(self.address, str):
            return ["-s", self.address]
        return ["-l", self.address[0], "-p", str(self.address[1])]

    def _is_there(self) -> bool:
        client = self.client()
        try:
            return bool(client.version())
        finally:
            client.close()

    def client(self) -> Client:
        """A client of pymemcache, as an administrator would open one."""
        return Client(self.address, connect_timeout=5, timeout=5, default_noreply=False)

    @property
    def place(self) -> str:
        """How a URL names it: with a port, or by its path."""
        return self.address if isinstance(self.address, str) else f"{self.address[0]}:{self.address[1]}"

    @property
    def url(self) -> str:
        return f"memcached://{self.place}"


@contextmanager
def memcached(*options: str, on_socket: bool = False) -> Iterator[Memcached]:
    """A server that is stopped when the block ends, even by an error."""
    # Short, because the path of a unix socket has a limit.
    directory = Path(tempfile.mkdtemp(prefix="memcached-"))
    server = Memcached(directory, *options, socket_path=directory / "socket" if on_socket else None)
    try:
        server.start()
        yield server
    finally:
        # It has nothing to save, and takes a second to end when it is asked.
        server.kill()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def memcached_server() -> Iterator[Memcached]:
    """The server of most tests, none of which stops it or empties it."""
    with memcached() as server:
        yield server


@pytest.fixture(scope="session")
def memcached_cluster() -> Iterator[list[Memcached]]:
    """Three that every test shares."""
    with memcached() as first, memcached() as second, memcached() as third:
        yield [first, second, third]


@pytest.fixture(scope="session")
def memcached_on_socket() -> Iterator[Memcached]:
    """One on a unix socket, which every test shares."""
    with memcached(on_socket=True) as server:
        yield server


@pytest.fixture
def own_memcached() -> Iterator[Memcached]:
    """One of the test's own, to stop, freeze and kill."""
    with memcached() as server:
        yield server
