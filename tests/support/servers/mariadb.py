"""A private MariaDB server."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
from support.servers.process import ServerProcess, find_binary, free_port, give_to, unprivileged_user

USER, PASSWORD = "app_user", "p@ss/word:#1"
_HOST = "127.0.0.1"
_START = f"""
CREATE DATABASE IF NOT EXISTS web;
CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;
"""


def _binary(*names: str) -> str:
    binary = find_binary(*names)
    if binary is None:
        pytest.skip("needs MariaDB (Debian: apt install mariadb-server)")
    return binary


@dataclass
class MariaDBServer:
    """The server and the ways to reach it."""

    process: ServerProcess
    port: int

    @property
    def url(self) -> str:
        return f"mysql+pymysql://{USER}:p%40ss%2Fword%3A%231@{_HOST}:{self.port}/web"

    def connect(self) -> pymysql.Connection[Any]:
        """A connection of the driver itself."""
        return pymysql.connect(
            host=_HOST, port=self.port, user=USER, password=PASSWORD, database="web", autocommit=True, read_timeout=20
        )


def _initialize(directory: Path, user: str | None) -> None:
    options = ["--no-defaults", f"--datadir={directory / 'data'}", "--auth-root-authentication-method=normal"]
    command = [_binary("mariadb-install-db", "mysql_install_db"), *options, "--skip-test-db", "--skip-name-resolve"]
    group = "nogroup" if user else None
    subprocess.run(command, check=True, capture_output=True, user=user, group=group, cwd=directory)


@contextlib.contextmanager
def mariadb_server() -> Iterator[MariaDBServer]:
    """A server with one user, who has a password."""
    binary, user, port = _binary("mariadbd", "mysqld"), unprivileged_user(), free_port()
    # Not below pytest's own directory, which each run of pytest closes to other users.
    holder = tempfile.TemporaryDirectory()
    directory = Path(holder.name)
    give_to(user, directory)
    _initialize(directory, user)
    (directory / "start.sql").write_text(_START)
    command = [binary, "--no-defaults", f"--datadir={directory / 'data'}", f"--socket={directory / 's'}"]
    command += [f"--port={port}", f"--bind-address={_HOST}", f"--init-file={directory / 'start.sql'}"]
    # A log that is written, but not flushed, survives a kill, though no loss of power.
    command += ["--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=32M", "--skip-name-resolve"]

    def answers() -> bool:
        with contextlib.closing(server.connect()) as connection:
            return connection.open

    process = ServerProcess(command, directory, answers, user=user)
    server = MariaDBServer(process, port)
    try:
        process.start()
        yield server
    finally:
        process.thaw()
        process.kill()
        holder.cleanup()


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDBServer]:
    """One for all tests that leave it as it was."""
    with mariadb_server() as server:
        yield server
