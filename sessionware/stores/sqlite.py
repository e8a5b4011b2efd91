"""Sessions in an SQLite database, safe between threads and processes of one machine."""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import time
import weakref
from typing import Any, ClassVar
from urllib.parse import unquote

from sessionware.clock import Clock, current_time
from sessionware.exceptions import AlreadyExists, ConfigError, Conflict, Gone, RecordTooLarge
from sessionware.stores.contract import Duration, Entry, Version, seconds
from sessionware.stores.failures import guarded, told
from sessionware.stores.pools import PerProcess, Pool
from sessionware.stores.sweeping import Sweeping, expires_at
from sessionware.stores.urls import split

# The name is ours alone, so that the table can stand in an application's database. With a rowid it is faster than
# without: the payloads, of about a kilobyte, stay out of the tree of keys.
_CREATE_TABLE = """
    CREATE TABLE IF NOT EXISTS sessionware_sessions (
        key TEXT NOT NULL PRIMARY KEY, payload BLOB NOT NULL, version INTEGER NOT NULL, expires_at REAL
    )"""
_CREATE_INDEX = """
    CREATE INDEX IF NOT EXISTS sessionware_sessions_expiry ON sessionware_sessions (expires_at)
    WHERE expires_at IS NOT NULL"""
_LOAD = "SELECT payload, version FROM sessionware_sessions WHERE key = ?"
_INSERT = """
    INSERT INTO sessionware_sessions (key, payload, version, expires_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (key) DO NOTHING"""
_UPDATE = """
    UPDATE sessionware_sessions SET payload = ?, version = ?, expires_at = ? WHERE key = ? AND version = ?"""
_EXISTS = "SELECT 1 FROM sessionware_sessions WHERE key = ?"
_DELETE = "DELETE FROM sessionware_sessions WHERE key = ?"
_PURGE = """
    DELETE FROM sessionware_sessions WHERE key IN (
        SELECT key FROM sessionware_sessions WHERE expires_at <= ? LIMIT ?
    )"""

_PURGE_BATCH = 500
_WAL_RETRY_SECONDS = 1.0
_WAL_PAUSE_SECONDS = 0.01
_BUSY = "database is locked"

#: What a payload beyond SQLite's limit raises: usually, in Python 3.10, and beyond 2 GiB.
_TOO_LARGE = (sqlite3.DataError, sqlite3.InterfaceError, OverflowError)


class SQLiteStore:
    """Keeps entries in a table of the database at *path*, in WAL mode: readers never wait, writers wait in turn.

    A writer waits for *timeout* (seconds, or a string such as ``"5s"``) and then raises :exc:`StoreUnavailable`. The
    files are 0600 from their creation, whatever the umask. ``synchronous`` is NORMAL: a power failure may undo the last
    writes, but never tears one. The database must be on a local disk. Its directory must exist; otherwise this raises
    :exc:`ConfigError`. Nothing is opened before the first use, and a child never uses a connection of its parent.
    """

    backend_name = "sqlite"
    url_schemes = ("sqlite",)
    option_help: ClassVar = {"path": "the database file", "timeout": "how long a request waits for a locked database"}

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """``sqlite:///relative.db``, ``sqlite:////absolute.db``: the path is what follows the third slash."""
        parts, options = split(url, "sqlite:///path?option=value")
        if parts.netloc:
            raise ValueError(
                "a sqlite URL has three slashes for a relative path, four for an absolute one: sqlite:///sessions.db"
            )
        path = unquote(parts.path.removeprefix("/"))
        if not path.strip("/"):
            raise ValueError("the sqlite URL names no path")
        return {"path": path, **options}

    def __init__(self, path: str | os.PathLike[str], *, timeout: Duration = 5.0, clock: Clock | None = None) -> None:
        self._clock = clock or current_time
        self._sweeping = Sweeping()
        # SQLite's own record of a file's locks must not get into a child, where not even closing a connection is safe
        # (https://www.sqlite.org/howtocorrupt.html, 2.6).
        checked = _checked_path(os.fspath(path))
        self._place = f"the SQLite store at {checked}"
        self._pools = PerProcess(
            functools.partial(_make_pool, checked, seconds(timeout)),
            close_before_fork=Pool.close_idle,
        )
        # For a store that is dropped, or in use when the interpreter ends: Python warns of connections left open.
        weakref.finalize(self, _close, self._pools)

    @guarded
    def load(self, key: str) -> Entry | None:
        """The entry under *key*, or ``None``."""
        rows, _ = self._execute(_LOAD, (key,))
        return Entry(*rows[0]) if rows else None

    @guarded
    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`."""
        version = _new_version()
        _, count = self._execute(_INSERT, (key, payload, version, expires_at(ttl, self._clock())))
        if not count:
            raise AlreadyExists
        self._sweeping.after_write(self.purge)
        return version

    @guarded
    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        new_version = _new_version()
        _, count = self._execute(_UPDATE, (payload, new_version, expires_at(ttl, self._clock()), key, version))
        if not count:
            rows, _ = self._execute(_EXISTS, (key,))
            raise Conflict if rows else Gone
        self._sweeping.after_write(self.purge)
        return new_version

    @guarded
    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        return self._execute(_DELETE, (key,))[1] > 0

    @guarded
    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most, in transactions of 500; how many."""
        now = self._clock()
        removed = 0
        while limit is None or removed < limit:
            batch = _PURGE_BATCH if limit is None else min(limit - removed, _PURGE_BATCH)
            _, count = self._execute(_PURGE, (now, batch))
            removed += count
            if count < batch:
                break
        return removed

    def close(self) -> None:
        """Close the connections of this process that are not in use; the next call opens one again."""
        self._pools.get().close_idle()

    def _cause_of(self, error: Exception) -> Exception | None:
        if isinstance(error, _TOO_LARGE):
            return RecordTooLarge("the record is larger than SQLite takes")
        # The messages of sqlite3 have no parameters in them.
        words = str(error) if isinstance(error, sqlite3.Error) else ""
        return told(error, words=words) if isinstance(error, (sqlite3.Error, OSError)) else None

    def _execute(self, statement: str, parameters: tuple[Any, ...]) -> tuple[list[Any], int]:
        """The rows of one statement, which is a transaction by itself, and the number of those that it changed."""
        pool = self._pools.get()
        connection = pool.borrow()
        try:
            cursor = connection.execute(statement, parameters)
            # Fetching the last row ends the transaction.
            answer = cursor.fetchall(), cursor.rowcount
        except BaseException:
            pool.discard(connection)
            raise
        pool.give_back(connection)
        return answer


def _make_pool(path: str, timeout: float) -> Pool[sqlite3.Connection]:
    # There is no server that could end a connection.
    return Pool(
        functools.partial(_connect, path, timeout), sqlite3.Connection.close, has_ended=lambda connection: False
    )


def _close(pools: PerProcess[Pool[sqlite3.Connection]]) -> None:
    pool = pools.take()
    if pool is not None:
        pool.close_idle()


def _connect(path: str, timeout: float) -> sqlite3.Connection:
    _create_file(path)
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_CREATE_TABLE)
        connection.execute(_CREATE_INDEX)
    except BaseException:
        connection.close()
        raise
    return connection


def _checked_path(path: str) -> str:
    if not path or ":memory:" in path:
        raise ConfigError(
            "the SQLite store needs the path of a file, because each connection to a database in memory has a database"
            " of its own; for sessions in memory use the backend 'memory'"
        )
    # Absolute, because a server may change its directory after this.
    path = os.path.abspath(path)
    if os.path.isdir(path):
        raise ConfigError(f"the path of the SQLite store, {path}, is a directory; name a file in it")
    if not os.path.isdir(os.path.dirname(path)):
        raise ConfigError(f"the directory of the SQLite store, {os.path.dirname(path)}, does not exist; make it first")
    return path


def _create_file(path: str) -> None:
    """Make the database 0600 before SQLite opens it; SQLite gives its journals the same mode.

    An existing file is not opened, because closing it would drop the locks that this process has on it (POSIX).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the database to WAL mode; wait while another process does the same, for SQLite itself does not wait."""
    deadline = time.monotonic() + _WAL_RETRY_SECONDS
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            # Told by its message, because Python 3.10 does not give the code, and several codes mean "busy".
            if str(error) != _BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_WAL_PAUSE_SECONDS)
            continue
        if mode != "wal":
            raise sqlite3.OperationalError("the database cannot be in WAL mode; put it on a local disk")
        return


def _new_version() -> int:
    """63 random bits, because an INTEGER of SQLite has 64 with its sign."""
    return int.from_bytes(os.urandom(8), "big") >> 1
