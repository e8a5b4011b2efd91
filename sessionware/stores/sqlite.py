"""Sessions in an SQLite database, safe between threads and processes of one machine."""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import time
import weakref
from typing import Any, ClassVar, NamedTuple
from urllib.parse import unquote

from sessionware.clock import Clock, current_time
from sessionware.exceptions import AlreadyExists, ConfigError, Conflict, Gone, RecordTooLarge
from sessionware.stores.contract import Duration, Entry, Version, seconds
from sessionware.stores.failures import guarded, noting, told
from sessionware.stores.paths import absolute, check_directory, check_right_to, warn_of_other_users, written_path
from sessionware.stores.pools import PerProcess, Pool
from sessionware.stores.sweeping import END_SLACK, Sweeping, expires_at
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
# A row that another program has written may hold a value of any type in any column.
_LOAD = "SELECT CAST(payload AS BLOB), version, expires_at FROM sessionware_sessions WHERE key = ?"
_INSERT = """
    INSERT INTO sessionware_sessions (key, payload, version, expires_at) VALUES (?, ?, ?, ?)
    ON CONFLICT (key) DO NOTHING"""
_UPDATE = """
    UPDATE sessionware_sessions SET payload = ?, version = ?, expires_at = ? WHERE key = ? AND version = ?"""
# The index of the ends is a page of its own, which a write does not touch if it leaves the end alone.
_UPDATE_PAYLOAD = """
    UPDATE sessionware_sessions SET payload = ?, version = ? WHERE key = ? AND version = ?"""
_EXISTS = "SELECT 1 FROM sessionware_sessions WHERE key = ?"
_DELETE = "DELETE FROM sessionware_sessions WHERE key = ?"
_PURGE = """
    DELETE FROM sessionware_sessions WHERE key IN (
        SELECT key FROM sessionware_sessions WHERE expires_at <= ? LIMIT ?
    )"""

#: Each column with its place in the primary key.
_COLUMNS = {"key": 1, "payload": 0, "version": 0, "expires_at": 0}
_TABLE_FAULT = (
    "the table sessionware_sessions has another form than this store's; give the store a database of its own, or rename"
    " that table"
)

_PURGE_BATCH = 500
_WAL_RETRY_SECONDS = 1.0
_WAL_PAUSE_SECONDS = 0.01
_BUSY = "database is locked"
_STORE = "the SQLite store"

#: What a payload beyond SQLite's limit raises: usually, in Python 3.10, and beyond 2 GiB.
_TOO_LARGE = (sqlite3.DataError, sqlite3.InterfaceError, OverflowError)


class SQLiteStore:
    """Keeps entries in a table of the database at *path*, in WAL mode: readers never wait, writers wait in turn.

    A writer waits for *timeout* (seconds, or a string such as ``"5s"``) and then raises :exc:`StoreUnavailable`. The
    files are 0600 from their creation, whatever the umask. ``synchronous`` is NORMAL: a power failure may undo the last
    writes, but never tears one. A database that is removed or replaced while the store uses it is noticed at the next
    call. The database must be on a local disk.

    Its directory must exist. Raises :exc:`ConfigError` if this process has not the right to write there, or if what is
    at *path* cannot hold sessions. Nothing is created before the first use, no connection stays open before it, and a
    child never uses one of its parent.
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
            raise ValueError("the sqlite URL names no path; write sqlite:///sessions.db")
        return {"path": path, **options}

    def __init__(self, path: str | os.PathLike[str], *, timeout: Duration = 5.0, clock: Clock | None = None) -> None:
        self._clock = clock or current_time
        self._sweeping = Sweeping()
        checked = _checked_path(path)
        self._place = f"the SQLite store at {checked}"
        # SQLite's own record of a file's locks must not get into a child, where not even closing a connection is safe
        # (https://www.sqlite.org/howtocorrupt.html, 2.6).
        self._pools = PerProcess(
            functools.partial(_make_pool, checked, seconds(timeout)), close_before_fork=Pool.close_idle
        )
        # For a store that is dropped, or in use when the interpreter ends: Python warns of connections left open.
        weakref.finalize(self, _close, self._pools)

    @guarded
    def load(self, key: str) -> Entry | None:
        """The entry under *key*, or ``None``."""
        rows, _ = self._execute(_LOAD, (key,))
        if not rows:
            return None
        payload, number, end = rows[0]
        return Entry(payload, (number, end))

    @guarded
    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`."""
        number, end = _new_number(), expires_at(ttl, self._clock())
        _, count = self._execute(_INSERT, (key, payload, number, end))
        if not count:
            raise AlreadyExists
        self._sweeping.after_write(self.purge)
        return number, end

    @guarded
    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        # A version is a number, and the end that the entry has.
        former, former_end = version if type(version) is tuple else (None, None)
        number, end = _new_number(), _end_after(former_end, ttl, self._clock())
        if end == former_end:
            _, count = self._execute(_UPDATE_PAYLOAD, (payload, number, key, former))
        else:
            _, count = self._execute(_UPDATE, (payload, number, end, key, former))
        if not count:
            rows, _ = self._execute(_EXISTS, (key,))
            raise Conflict if rows else Gone
        self._sweeping.after_write(self.purge)
        return number, end

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
        database = pool.borrow()
        try:
            cursor = database.connection.execute(statement, parameters)
            # Fetching the last row ends the transaction.
            answer = cursor.fetchall(), cursor.rowcount
        except BaseException:
            pool.discard(database)
            raise
        pool.give_back(database)
        return answer


#: Which file stands at a path: its device and inode.
_File = tuple[int, int]


class _Database(NamedTuple):
    """A connection, and which files it has open."""

    connection: sqlite3.Connection
    file: _File | None
    #: By their paths.
    journals: dict[str, _File | None]


def _make_pool(path: str, timeout: float) -> Pool[_Database]:
    has_ended = functools.partial(_was_replaced, os.fsencode(path))
    return Pool(functools.partial(_open, path, timeout), _close_one, has_ended=has_ended)


def _file_at(path: str) -> _File | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _was_replaced(path: bytes, database: _Database) -> bool:
    """Whether another file than *database* is at *path* now, or none: what is written to the old one would be lost."""
    try:
        # Not by _file_at, because this is asked before every statement.
        found = os.stat(path)
        if (found.st_dev, found.st_ino) == database.file:
            return False
    except FileNotFoundError:
        pass
    _remove_journals(database)
    return True


def _remove_journals(database: _Database) -> None:
    """Remove the journals of a database that was removed, because SQLite would lay them over the one in its place.

    Other processes that have the old database open keep its journals, without their names, until they notice.
    """
    import fcntl

    directory = os.open(os.path.dirname(next(iter(database.journals))), os.O_RDONLY)
    try:
        # So that another process does not make the new journals between the comparison and the removal.
        fcntl.flock(directory, fcntl.LOCK_EX)
        for path, file in database.journals.items():
            if file is not None and _file_at(path) == file:
                os.unlink(path)
    finally:
        os.close(directory)


def _close_one(database: _Database) -> None:
    database.connection.close()


def _close(pools: PerProcess[Pool[_Database]]) -> None:
    pool = pools.take()
    if pool is not None:
        pool.close_idle()


def _open(path: str, timeout: float) -> _Database:
    with noting("opening it"):
        # SQLite itself follows links, and names the journals after the file at their end.
        target = os.path.realpath(path)
        _create_file(target)
        # Asked before SQLite opens it: if it is replaced in between, the next call notices that.
        file = _file_at(target)
        connection = _connect(target, timeout)
        return _Database(connection, file, {name: _file_at(name) for name in (f"{target}-wal", f"{target}-shm")})


def _connect(path: str, timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_CREATE_TABLE)
        if not _has_our_form(connection):
            raise sqlite3.OperationalError(_TABLE_FAULT)
        connection.execute(_CREATE_INDEX)
    except BaseException:
        connection.close()
        raise
    return connection


def _has_our_form(connection: sqlite3.Connection) -> bool:
    """Whether the table can hold sessions; true also if there is none yet."""
    columns = {name: place for _, name, _, _, _, place in connection.execute("PRAGMA table_info(sessionware_sessions)")}
    return not columns or columns == _COLUMNS


def _checked_path(path: str | os.PathLike[str]) -> str:
    written = written_path(path, store=_STORE)
    if not written or ":memory:" in written:
        raise ConfigError(
            "the SQLite store needs the path of a file, because each connection to a database in memory has a database"
            " of its own; for sessions in memory use the backend 'memory'"
        )
    found = absolute(path, store=_STORE)
    if os.path.isdir(found):
        raise ConfigError(f"the path of the SQLite store, {found}, is a directory; name a file in it")
    if os.path.exists(found) and not os.path.isfile(found):
        raise ConfigError(f"the path of the SQLite store, {found}, is no ordinary file; name one, or a new one")
    directory = os.path.dirname(os.path.realpath(found))
    if not os.path.isdir(directory):
        raise ConfigError(f"the directory of the SQLite store, {directory}, does not exist; make it first")
    # The journals are made beside the database.
    check_directory(directory, store=_STORE)
    for place in (directory, found):
        warn_of_other_users(place, store=_STORE)
    if os.path.exists(found):
        check_right_to(os.R_OK | os.W_OK, found, store=_STORE)
        _check_database(found)
    return found


def _check_database(path: str) -> None:
    """Raise :exc:`ConfigError` if the file at *path* is no database, or has a table that cannot hold sessions."""
    try:
        # Without waiting: what is in use now is looked at again at the first use. SQLite opens the file itself, because
        # closing a descriptor drops all locks that this process has on the file (POSIX).
        with contextlib.closing(sqlite3.connect(path, timeout=0)) as connection:
            fault = None if _has_our_form(connection) else _TABLE_FAULT
    except sqlite3.OperationalError:
        return
    except sqlite3.DatabaseError as error:
        fault = str(error)
    if fault is not None:
        raise ConfigError(f"the SQLite store cannot use {path}: {fault}")


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


def _end_after(former: float | None, ttl: float | None, now: float) -> float | None:
    """The end that a write gives its entry: never before *ttl* seconds are over, and if it may stay, the *former* one.

    A new end lies a little later, so that the writes that follow can leave it alone.
    """
    if ttl is None:
        return None
    earliest, latest = now + ttl, now + ttl * (1 + END_SLACK)
    return former if isinstance(former, (float, int)) and earliest <= former <= latest else latest


def _new_number() -> int:
    """63 random bits, because an INTEGER of SQLite has 64 with its sign."""
    return int.from_bytes(os.urandom(8), "big") >> 1
