"""Any entry in a store's medium, whoever wrote it, is no session, and the calls of the store agree about it."""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fuzz.choices import Choices
from fuzz.values import wild_value
from support.browser import Site
from support.constants import COOKIE, SECRET

from sessionware.crypto.identifiers import handle_of, store_key
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSigner
from sessionware.stores import AlreadyExists, Entry, FileStore, KeyValueStore, SQLAlchemyStore, SQLiteStore, Store
from sessionware.stores.framing import as_bytes, is_cut_off, is_of_ours, pack, unpack
from sessionware.testing import FakeClock

_TOKEN = bytes(32)
_KEY = store_key(handle_of(_TOKEN))
_FRAME = pack(b"payload", bytes(range(16)), None)
_PLACES = ("mapping", "file", "sqlite", "sqlalchemy")
#: The file store looks into each of its 4096 directories.
_CALLS_FOR_A_PURGE = 64
_Write = Callable[[Any, Any, Any], None]


class _Place:
    """A store of one kind, a site over it, and a function that writes into its medium."""

    def __init__(self, store: Store, write: _Write) -> None:
        self.store = store
        self.write = write
        clock = FakeClock()
        self.site = Site(store, clock)
        self.cookie = CookieSigner(Keyring([SECRET.encode()]), Purpose.TOKEN_SIGN, COOKIE).sign(_TOKEN)


@functools.cache
def _place(name: str) -> _Place:
    directory, clock = Path(tempfile.mkdtemp(prefix="sessionware-fuzz-")), FakeClock()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    if name == "mapping":
        entries: dict[str, Any] = {}
        return _Place(KeyValueStore(entries, clock=clock), functools.partial(_write_item, entries))
    if name == "file":
        store: Store = FileStore(directory, clock=clock)
        return _Place(store, functools.partial(_write_file, _file_of(store, directory)))
    path = directory / "sessions.db"
    if name == "sqlite":
        store, table = SQLiteStore(path, clock=clock), "sessionware_sessions"
    else:
        store, table = SQLAlchemyStore(f"sqlite:///{path}"), "sessions"
    store.create(_KEY, b"a", None)
    return _Place(store, functools.partial(_write_row, sqlite3.connect(path, isolation_level=None), table))


def _file_of(store: Store, directory: Path) -> Path:
    store.create(_KEY, b"a mark", None)
    (path,) = (found for found in directory.rglob("*") if found.is_file() and b"a mark" in found.read_bytes())
    return path


def _write_item(entries: dict[str, Any], value: Any, *_: Any) -> None:
    entries[f"sessionware-{_KEY}"] = value


def _write_file(path: Path, value: Any, *_: Any) -> None:
    path.write_bytes(value if isinstance(value, (bytes, bytearray)) else str(value).encode("utf-8", "replace"))


def _write_row(database: sqlite3.Connection, table: str, payload: Any, version: Any, end: Any) -> None:
    if table == "sessions":
        # SQLAlchemy reads columns of the types that it writes.
        if not isinstance(payload, bytes):
            return
        version = version if isinstance(version, bytes) else b"version"
        end = end if isinstance(end, float) else None
    # What SQLite does not take, nobody has written.
    with contextlib.suppress(sqlite3.Error, OverflowError, UnicodeError), warnings.catch_warnings():
        # Python 3.12 and newer warn of a date.
        warnings.simplefilter("ignore", DeprecationWarning)
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        values = {**dict.fromkeys(columns, end), columns[0]: _KEY, columns[1]: payload, columns[2]: version}
        marks = ", ".join("?" * len(columns))
        database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", [values[name] for name in columns])


def check(data: bytes) -> None:
    choices = Choices(data)
    place = _place(choices.one_of(_PLACES))
    value = _written(choices)
    _check_frame(as_bytes(value))
    if is_cut_off(as_bytes(value)):
        return  # a store waits for the writer of such an entry
    place.write(value, wild_value(choices), wild_value(choices))
    answer = place.site.read(place.cookie)
    assert answer.status == 200
    assert answer.has_no_session
    _check_store(place.store, choices)


def _written(choices: Choices) -> Any:
    kind = choices.below(4)
    if kind == 0:
        return choices.rest()
    if kind == 1:
        return choices.edited(_FRAME)
    if kind == 2:
        return bytearray(choices.edited(_FRAME))
    return wild_value(choices)


def _check_frame(data: object) -> None:
    frame = unpack(data)
    if frame is not None:
        assert pack(frame.payload, frame.version, frame.expires_at) == data or frame.expires_at != frame.expires_at
        assert frame.is_expired(frame.expires_at) or frame.expires_at != frame.expires_at
    if isinstance(data, bytes):
        assert not (frame and is_cut_off(data))
        assert is_of_ours(data) in (True, False)


def _check_store(store: Any, choices: Choices) -> None:
    if choices.below(_CALLS_FOR_A_PURGE) == 1:
        store.purge(10)
    entry = store.load(_KEY)
    if entry is None:
        with contextlib.suppress(AlreadyExists):
            store.create(_KEY, b"new", 60)
    else:
        assert isinstance(entry, Entry)
        store.replace(_KEY, b"new", 60, entry.version)
        assert store.load(_KEY).payload == b"new"
    store.delete(_KEY)


def seeds() -> Iterable[bytes]:
    """In each place: nothing, a frame, a frame that is changed, another program's, and columns of other types."""
    for place in range(len(_PLACES)):
        for value in (b"\0", b"\1\0", b"\1\1\4\x1f\1", b"\2\0", b"\0swE1", b"\0garbage", b"\0" + _FRAME):
            yield bytes([place]) + value
        for kind in range(0, 34, 2):
            yield bytes([place, 3, 0, kind, 0, kind, 0, kind])
            yield bytes([place, 1, 0, 0, kind, 0, kind])
