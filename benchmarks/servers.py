"""Starts private servers for a run, on free ports, from the programs that this machine has.

If there are two processors, they run on another one than what is measured.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.processors import OTHERS, starting_on

# The tests start servers in the same way.
sys.path.append(str(Path(__file__).parents[1] / "tests"))

from support.servers.process import ServerProcess, find_binary, free_port, give_to, unprivileged_user

HOST = "127.0.0.1"
_NO_GROUP = "nogroup"


class Missing(Exception):
    """A program that this machine lacks; the message names the Debian package."""


@contextlib.contextmanager
def redis_url() -> Iterator[str]:
    """The URL of a Redis that writes nothing to disk."""
    port = free_port()
    command = [_binary("redis-server", "valkey-server"), "--port", str(port), "--bind", HOST, "--save", ""]
    with _running(command, port):
        yield f"redis://{HOST}:{port}/0"


@contextlib.contextmanager
def memcached_url() -> Iterator[str]:
    """The URL of a memcached."""
    port = free_port()
    with _running([_binary("memcached"), "-m", "64", "-U", "0", "-l", HOST, "-p", str(port)], port):
        yield f"memcached://{HOST}:{port}"


@contextlib.contextmanager
def postgresql_url() -> Iterator[str]:
    """The URL of a PostgreSQL that does not wait for the disk, whose time would hide that of a middleware."""
    port = free_port()
    settings = ("fsync=off", "synchronous_commit=off", "unix_socket_directories=", f"listen_addresses={HOST}")
    command = [_postgresql_binary("postgres"), "-D", "data", "-p", str(port)]
    with _running([*command, *(word for setting in settings for word in ("-c", setting))], port, _initialize):
        yield f"postgresql+psycopg://postgres@{HOST}:{port}/postgres"


SERVERS = {"redis": redis_url, "memcached": memcached_url, "postgresql": postgresql_url}


def start(stack: contextlib.ExitStack, names: Sequence[str]) -> dict[str, str]:
    """Start the servers in *names* until *stack* ends; their URLs. Prints a line for each that is not installed."""
    urls = {}
    for name in names:
        try:
            urls[name] = stack.enter_context(SERVERS[name]())
        except Missing as missing:
            print(f"left out: {name} ({missing})", file=sys.stderr)
    return urls


def address(url: str) -> tuple[str, int]:
    """Host and port in *url*."""
    parts = urlsplit(url)
    return parts.hostname or HOST, parts.port or 0


def _binary(*names: str) -> str:
    found = find_binary(*names)
    if found is None:
        raise Missing(f"no {names[0]} here; Debian: apt install {names[0]}")
    return found


def _postgresql_binary(name: str) -> str:
    # Debian has a directory of programs for each version of PostgreSQL; the newest is taken.
    places = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = find_binary(name, places=places)
    if found is None:
        raise Missing(f"no {name} here; Debian: apt install postgresql")
    return str(Path(found).resolve())


def _initialize(directory: Path, user: str | None) -> None:
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
    command = [_postgresql_binary("initdb"), "-D", "data", *options]
    group = None if user is None else _NO_GROUP
    subprocess.run(command, cwd=directory, check=True, capture_output=True, user=user, group=group)


@contextlib.contextmanager
def _running(
    command: Sequence[str], port: int, prepare: Callable[[Path, str | None], None] | None = None
) -> Iterator[None]:
    user = unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        give_to(user, directory)
        if prepare is not None:
            prepare(directory, user)
        process = ServerProcess(command, directory, lambda: _answers(port), user=user)
        with starting_on(OTHERS):
            process.start()
        try:
            yield
        finally:
            # The servers have nothing to save.
            process.kill()


def _answers(port: int) -> bool:
    with socket.create_connection((HOST, port), timeout=1):
        return True
