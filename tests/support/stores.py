"""The stores of the tests that need no server, and a store that records and disturbs operations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sessionware import RecordTooLarge, StoreUnavailable
from sessionware.stores import (
    Closable,
    Entry,
    FileStore,
    KeyValueStore,
    MemoryStore,
    Purgeable,
    SQLiteStore,
    Store,
    Version,
)
from sessionware.testing import FakeClock

OPERATIONS = ("load", "create", "replace", "delete")
#: The stores that need no server.
LOCAL_STORES = ("memory", "file", "sqlite", "keyvalue")

Happenings = defaultdict[str | int, list[Callable[[], object]]]


def local_store(name: str, directory: Path, clock: FakeClock | None = None) -> Store:
    """The store of this name in *directory*, as any process opens it."""
    makers: dict[str, Callable[[], Store]] = {
        "memory": lambda: MemoryStore(clock=clock),
        "file": lambda: FileStore(directory / "sessions", clock=clock),
        "sqlite": lambda: SQLiteStore(directory / "sessions.db", timeout=60, clock=clock),
        "keyvalue": lambda: KeyValueStore({}, clock=clock),
    }
    return makers[name]()


class RecordingStore:
    """A store around *inner* that notes its calls and the keys they were for.

    ``broken`` names the operations that raise ``failure``, and ``limit`` is the most bytes that an entry may have.
    ``before`` and ``after`` hold what shall happen once, before or after an operation takes effect: by the operation's
    name, for the next one of this name, or by its number, where 0 is the first one since :meth:`reset`.
    """

    def __init__(self, inner: Store | None = None) -> None:
        self.inner = MemoryStore() if inner is None else inner
        self.keys: list[str] = []
        self.failure: BaseException = StoreUnavailable("switched off")
        self.limit: int | None = None
        self.reset()

    def reset(self) -> None:
        """Cancel all that was to happen, and forget the calls, but not the keys."""
        self.calls: list[str] = []
        self.broken: set[str] = set()
        self.before: Happenings = defaultdict(list)
        self.after: Happenings = defaultdict(list)

    @contextmanager
    def down(self, *operations: str) -> Iterator[None]:
        """Let *operations* fail for a while, or all of them."""
        self.broken = set(operations or OPERATIONS)
        yield
        self.broken = set()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Do not count the operations in this block, and let nothing happen at them."""
        kept = self.calls, self.before, self.after
        self.calls, self.before, self.after = [], defaultdict(list), defaultdict(list)
        try:
            yield
        finally:
            self.calls, self.before, self.after = kept

    @contextmanager
    def _operation(self, name: str, key: str, payload: bytes = b"") -> Iterator[None]:
        number = len(self.calls)
        self.calls.append(name)
        self.keys.append(key)
        _happen(self.before, name, number)
        if name in self.broken:
            raise self.failure
        if self.limit is not None and len(payload) > self.limit:
            raise RecordTooLarge
        yield
        _happen(self.after, name, number)

    def load(self, key: str) -> Entry | None:
        with self._operation("load", key):
            return self.inner.load(key)

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        with self._operation("create", key, payload):
            return self.inner.create(key, payload, ttl)

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        with self._operation("replace", key, payload):
            return self.inner.replace(key, payload, ttl, version)

    def delete(self, key: str) -> bool:
        with self._operation("delete", key):
            return self.inner.delete(key)

    def purge(self, limit: int | None = None) -> int:
        assert isinstance(self.inner, Purgeable)
        return self.inner.purge(limit)

    def close(self) -> None:
        if isinstance(self.inner, Closable):
            self.inner.close()

    def plant(self, key: str, payload: bytes) -> None:
        """Put *payload* in the place of whatever is stored under *key*, as a person with access to the store can."""
        entry = self.inner.load(key)
        if entry is None:
            self.inner.create(key, payload, None)
        else:
            self.inner.replace(key, payload, None, entry.version)

    def held(self) -> dict[str, bytes]:
        """The payloads under all keys that were ever asked for."""
        entries = ((key, self.inner.load(key)) for key in dict.fromkeys(self.keys))
        return {key: entry.payload for key, entry in entries if entry is not None}


def _happen(happenings: Happenings, name: str, number: int) -> None:
    for which in (number, name):
        for happening in happenings.pop(which, ()):
            happening()
