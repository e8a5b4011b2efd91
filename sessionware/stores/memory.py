"""Sessions in the memory of one process."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from typing import Any

from sessionware.clock import Clock, current_time
from sessionware.exceptions import AlreadyExists, Conflict, Gone
from sessionware.stores.contract import Entry, Version
from sessionware.stores.pools import PerProcess
from sessionware.stores.sweeping import expires_at

_EXPIRED_CHECKS_PER_WRITE = 2
_PURGE_BATCH = 1000


class MemoryStore:
    """Keeps entries in a dict: for tests, for development, and for an application of one process.

    Everything is lost when the process ends, and after a fork every process has its own. Every write looks at two
    more entries and drops them if they have expired, so its cost does not grow with the number of sessions.
    """

    backend_name = "memory"

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or current_time
        self._entries: dict[str, Entry] = {}
        # Of the store and not of a key, whose versions must not begin again.
        self._versions = itertools.count()
        # In the order in which they were last looked at: the first has waited longest for a look.
        self._expiries: OrderedDict[str, float | None] = OrderedDict()
        # If another thread holds the lock at the moment of a fork, no thread of the child will ever let it go.
        self._locks = PerProcess(threading.Lock)

    def load(self, key: str) -> Entry | None:
        """The entry under *key*, or ``None``."""
        return self._entries.get(key)

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`."""
        now = self._clock()
        end = expires_at(ttl, now)
        with self._locks.get():
            self._drop_expired(_EXPIRED_CHECKS_PER_WRITE, now)
            if key in self._entries:
                raise AlreadyExists
            return self._put(key, payload, end)

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        now = self._clock()
        end = expires_at(ttl, now)
        with self._locks.get():
            entry = self._entries.get(key)
            if entry is None:
                raise Gone
            if entry.version != version:
                raise Conflict
            written = self._put(key, payload, end)
            self._drop_expired(_EXPIRED_CHECKS_PER_WRITE, now)
            return written

    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        with self._locks.get():
            self._expiries.pop(key, None)
            return self._entries.pop(key, None) is not None

    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most; how many. The lock is let go after every 1,000 looked at."""
        removed = 0
        unseen = len(self._expiries)
        while unseen > 0 and (limit is None or removed < limit):
            batch = min(unseen, _PURGE_BATCH)
            with self._locks.get():
                removed += self._drop_expired(batch, self._clock(), None if limit is None else limit - removed)
            unseen -= batch
        return removed

    def _put(self, key: str, payload: bytes, end: float | None) -> Version:
        version = next(self._versions)
        self._entries[key] = Entry(bytes(payload), version)
        self._expiries[key] = end
        return version

    def _drop_expired(self, checks: int, now: float, limit: int | None = None) -> int:
        """Look at the entries that have waited longest and drop those past their end; how many went."""
        removed = 0
        for _ in range(min(checks, len(self._expiries))):
            if removed == limit:
                break
            key, end = self._expiries.popitem(last=False)
            if end is not None and now >= end:
                removed += self._entries.pop(key, None) is not None
            else:
                self._expiries[key] = end
        return removed
