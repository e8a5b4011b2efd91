"""Sessions in the memory of one process."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from typing import Any

from sessionware.exceptions import AlreadyExists, Conflict, Gone
from sessionware.stores.contract import Entry, Version
from sessionware.stores.sweeping import Clock, Upkeep

_EXPIRED_CHECKS_PER_WRITE = 2
_PURGE_BATCH = 1000
_VERSION_BYTES = 16

_stores: weakref.WeakSet[MemoryStore] = weakref.WeakSet()


class MemoryStore:
    """Keeps entries in a dict: for tests, for development, and for an application of one process.

    Everything is lost when the process ends, and after a fork every process has its own. Every write looks at two
    more entries and drops them if they have expired, so its cost does not grow with the number of sessions.
    """

    backend_name = "memory"

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._upkeep = Upkeep(clock)
        self._entries: dict[str, Entry] = {}
        # In the order in which they were last looked at: the front is what has waited longest for a check.
        self._expiries: OrderedDict[str, float | None] = OrderedDict()
        self._lock = threading.Lock()
        _stores.add(self)

    def load(self, key: str) -> Entry | None:
        """The entry under *key*, or ``None``."""
        return self._entries.get(key)

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`."""
        expires_at = self._upkeep.expires_at(ttl)
        with self._lock:
            self._drop_expired(_EXPIRED_CHECKS_PER_WRITE)
            if key in self._entries:
                raise AlreadyExists
            return self._put(key, payload, expires_at)

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        expires_at = self._upkeep.expires_at(ttl)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                raise Gone
            if entry.version != version:
                raise Conflict
            new_version = self._put(key, payload, expires_at)
            self._drop_expired(_EXPIRED_CHECKS_PER_WRITE)
            return new_version

    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        with self._lock:
            return self._remove(key)

    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most; how many went. The lock is let go after every 1,000 looked at."""
        removed = 0
        unseen = len(self._expiries)
        while unseen > 0 and (limit is None or removed < limit):
            batch = min(unseen, _PURGE_BATCH)
            with self._lock:
                removed += self._drop_expired(batch, None if limit is None else limit - removed)
            unseen -= batch
        return removed

    def _put(self, key: str, payload: bytes, expires_at: float | None) -> Version:
        version = os.urandom(_VERSION_BYTES)
        self._entries[key] = Entry(bytes(payload), version)
        self._expiries[key] = expires_at
        return version

    def _remove(self, key: str) -> bool:
        self._expiries.pop(key, None)
        return self._entries.pop(key, None) is not None

    def _drop_expired(self, checks: int, limit: int | None = None) -> int:
        """Look at the entries that have waited longest and drop those past their end; how many went."""
        now = self._upkeep.now()
        removed = 0
        for _ in range(min(checks, len(self._expiries))):
            if removed == limit:
                break
            key, expires_at = self._expiries.popitem(last=False)
            if expires_at is not None and now >= expires_at:
                removed += self._entries.pop(key, None) is not None
            else:
                self._expiries[key] = expires_at
        return removed


def _renew_locks() -> None:  # pragma: no cover - runs in children, where nothing is measured
    """A lock that another thread held at the moment of a fork would stay locked in the child for ever."""
    for store in _stores:
        store._lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # pragma: no branch
    os.register_at_fork(after_in_child=_renew_locks)
