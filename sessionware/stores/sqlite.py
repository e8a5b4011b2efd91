"""Sessions in an SQLite database, safe between threads and processes of one machine."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import weakref
from collections import deque
from typing import Any, ClassVar
from urllib.parse import unquote

from sessionware.exceptions import (
    AlreadyExists,
    ConfigError,
    Conflict,
    Gone,
    RecordTooLarge,
    SessionwareError,
    StoreUnavailable,
)
from sessionware.stores.contract import Duration, Entry, Version, seconds
from sessionware.stores.sweeping import Clock, Upkeep
from sessionware.stores.urls import split

# A name of our own, so that an application's database can serve, too. With its payloads of a kilobyte the table is
# faster with a rowid than without: the tree of keys stays small.
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

#: How a payload beyond SQLite's limit is refused: usually, by Python 3.10, and beyond 2 GiB.
_TOO_LARGE = (sqlite3.DataError, sqlite3.InterfaceError, OverflowError)
_FAILURES = (sqlite3.Error, OSError, OverflowError)


class SQLiteStore:
    """Keeps entries in a table of the database at *path*, in WAL mode: readers wait for nobody, writers in turn.

    A writer waits for *timeout* (seconds, or a text such as ``"5s"``) before it is :exc:`StoreUnavailable`. The files
    are 0600 from their creation, whatever the umask. ``synchronous`` is NORMAL: a power failure may undo the last
    writes, but never tears one. The database must be on a local disk, and its directory must exist, or it is a
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
        self._path = _checked_path(os.fspath(path))
        self._timeout = seconds(timeout)
        self._upkeep = Upkeep(clock)
        self._begin_pool()
        _stores.add(self)

    def _begin_pool(self) -> None:
        self._process = os.getpid()
        # Connections that nobody is using. Borrowed and given back instead of one per thread: a threading.local made
        # before gevent patches the world is shared by all greenlets. Both methods of a deque are atomic.
        self._idle: deque[sqlite3.Connection] = deque()
        # For a store that is dropped, or in use when the interpreter ends: Python complains of connections left open.
        weakref.finalize(self, _close_all, self._idle, self._process)

    def load(self, key: str) -> Entry | None:
        """The entry under *key*, or ``None``."""
        rows, _ = self._execute(_LOAD, (key,))
        return Entry(*rows[0]) if rows else None

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`."""
        version = _new_version()
        _, count = self._execute(_INSERT, (key, payload, version, self._upkeep.expires_at(ttl)))
        if not count:
            raise AlreadyExists
        self._upkeep.after_write(self.purge)
        return version

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        new_version = _new_version()
        _, count = self._execute(_UPDATE, (payload, new_version, self._upkeep.expires_at(ttl), key, version))
        if not count:
            rows, _ = self._execute(_EXISTS, (key,))
            raise Conflict if rows else Gone
        self._upkeep.after_write(self.purge)
        return new_version

    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        return self._execute(_DELETE, (key,))[1] > 0

    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most, in transactions of 500; how many went."""
        now = self._upkeep.now()
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
        self._leave_to_parent()
        _close_all(self._idle, self._process)

    def _execute(self, statement: str, parameters: tuple[Any, ...]) -> tuple[list[Any], int]:
        """The rows of one statement, which is a transaction by itself, and the number of those that it changed."""
        connection = self._borrow()
        try:
            cursor = connection.execute(statement, parameters)
            # To the last row, because that ends the transaction.
            answer = cursor.fetchall(), cursor.rowcount
        except _FAILURES as error:
            connection.close()
            raise _translated(error) from error
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def _borrow(self) -> sqlite3.Connection:
        self._leave_to_parent()
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _leave_to_parent(self) -> None:
        """After a fork, set the parent's connections aside, where nothing closes them."""
        if self._process != os.getpid():  # pragma: no cover - runs in children, where nothing is measured
            _inherited.append(self._idle)
            self._begin_pool()

    def _connect(self) -> sqlite3.Connection:
        with contextlib.ExitStack() as on_failure:
            try:
                _create_file(self._path)
                connection = sqlite3.connect(
                    self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
                )
                on_failure.callback(connection.close)
                _use_wal(connection)
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute(_CREATE_TABLE)
                connection.execute(_CREATE_INDEX)
            except _FAILURES as error:
                raise _translated(error) from error
            on_failure.pop_all()
        return connection


def _close_all(idle: deque[sqlite3.Connection], process: int) -> None:
    """Close the connections of *process*, if this is it; a child leaves those of its parent alone."""
    if process == os.getpid():
        with contextlib.suppress(IndexError):
            while True:
                idle.pop().close()


def _checked_path(path: str) -> str:
    if not path or ":memory:" in path:
        raise ConfigError(
            "the SQLite store needs the path of a file, because each connection to a database in memory has a database"
            " of its own; for sessions in memory take the backend 'memory'"
        )
    # Absolute, because a server may change its directory after this.
    path = os.path.abspath(path)
    if os.path.isdir(path):
        raise ConfigError(f"the path of the SQLite store, {path}, is a directory; name a file in it")
    if not os.path.isdir(os.path.dirname(path)):
        raise ConfigError(f"the directory of the SQLite store, {os.path.dirname(path)}, does not exist; make it first")
    return path


def _create_file(path: str) -> None:
    """Make the database 0600 before SQLite opens it; its journals get the same mode from SQLite.

    An existing file is not opened, for closing it would drop the locks that this process has on it (POSIX).
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the database to WAL mode. SQLite does not wait for others that do the same at this moment, so we do."""
    deadline = time.monotonic() + _WAL_RETRY_SECONDS
    while True:
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            # By its message: Python 3.10 does not tell the code, and there are several for "busy".
            if str(error) != _BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(_WAL_PAUSE_SECONDS)
            continue
        if mode != "wal":
            raise sqlite3.OperationalError("no WAL mode here; put the database on a local disk")
        return


def _new_version() -> int:
    """63 random bits, what an INTEGER of SQLite holds."""
    return int.from_bytes(os.urandom(8), "big") >> 1


def _translated(error: Exception) -> SessionwareError:
    """What the caller sees. The messages of sqlite3 have no parameters in them."""
    if isinstance(error, _TOO_LARGE):
        return RecordTooLarge("the record is larger than SQLite takes")
    return StoreUnavailable("the SQLite store failed")


#: The idle connections of parent processes. To close one here could destroy locks of the parent.
_inherited: list[deque[sqlite3.Connection]] = []
_stores: weakref.WeakSet[SQLiteStore] = weakref.WeakSet()


def _close_before_fork() -> None:
    """Leave a child no open connection: SQLite's own state about a file's locks would be inherited with it.

    (https://www.sqlite.org/howtocorrupt.html, 2.6: not even closing it in the child is safe.)
    """
    for store in list(_stores):
        store.close()


if hasattr(os, "register_at_fork"):  # pragma: no branch
    os.register_at_fork(before=_close_before_fork)
