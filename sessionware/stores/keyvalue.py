"""Sessions in any key/value object: a mapping, or a store of simplekv, minimalkv, cachelib or diskcache."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from sessionware.exceptions import AlreadyExists, ConfigError, Conflict, Gone, StoreUnavailable
from sessionware.stores.base import Entry, Version
from sessionware.stores.envelope import Envelope, new_version, unwrap, wrap
from sessionware.stores.failures import unavailable
from sessionware.stores.families import Family, family_of
from sessionware.stores.upkeep import Clock, Upkeep

_FAILURE = "the key/value store failed"
_PAUSES_SECONDS = (0.001, 0.004, 0.016)
_STRIPES = 64


class KeyValueStore:
    """Keeps entries in *obj*, under keys that begin with *prefix*, and touches no others.

    *obj* is any ``MutableMapping`` (a dict, a shelf, a dbm file), a store of simplekv or minimalkv, a cache of
    cachelib, or a ``Cache``, ``FanoutCache`` or ``Index`` of diskcache. Anything else, and a prefix with characters
    that the object does not take, is a :exc:`ConfigError`. Whatever the object raises is :exc:`StoreUnavailable`.

    ``atomic`` is ``False``: such objects have no compare-and-swap, so it holds between the threads of one process
    only, between several stores around one object too; then nothing is lost. Of two processes that write one session
    at the same moment, one may lose its change, without either being told; if one of them ends it, by a logout, a
    revocation or a new id, that may be undone. Where this matters, take a store of this package instead.

    What an object evicts is a session ended (cachelib's own keep 500 entries unless ``threshold`` says otherwise, a
    ``Cache`` of diskcache 1 GB unless ``size_limit`` does), and so is what cachelib fails to read in silence. cachelib,
    diskcache and shelves unpickle what they find: nobody else may be able to write there. Times to live are given to
    objects that have them; elsewhere writes and ``purge`` remove what has expired.
    """

    atomic = False

    def __init__(self, obj: object, *, prefix: str = "sessionware-", clock: Clock | None = None) -> None:
        family = family_of(obj)
        if family is None:
            raise ConfigError(
                f"a KeyValueStore does not take {type(obj).__name__}; it takes a MutableMapping such as a dict,"
                " a store of simplekv or minimalkv, a cache of cachelib, or a Cache or FanoutCache of diskcache"
            )
        if not prefix or not family.prefixes.fullmatch(prefix):
            raise ConfigError(f"the keys of this key/value object cannot begin with the prefix {prefix!r}")
        self._family: Family = family
        self._object_id = id(obj)
        self._prefix = prefix
        self._upkeep = Upkeep(clock)
        self._unswept: list[str] = []

    def load(self, key: str) -> Entry | None:
        """The entry under *key*; ``None`` also for what this store has not written."""
        name = self._prefix + key
        # Under the lock, because several objects write in place, and would show half an entry.
        with self._locked(name), unavailable(_FAILURE, Exception):
            envelope = self._read(name)
        return None if envelope is None else Entry(envelope.payload, envelope.version)

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`."""
        name = self._prefix + key
        with self._locked(name), unavailable(_FAILURE, Exception):
            if self._read(name) is not None:
                raise AlreadyExists
            version = self._write(name, payload, ttl)
        self._after_write()
        return version

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        name = self._prefix + key
        with self._locked(name), unavailable(_FAILURE, Exception):
            found = self._read(name)
            if found is None:
                raise Gone
            if found.version != version:
                raise Conflict
            new_version = self._write(name, payload, ttl)
        self._after_write()
        return new_version

    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        name = self._prefix + key
        with self._locked(name), unavailable(_FAILURE, Exception):
            return self._remove(name)

    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most; how many went. None, where the object cannot list its keys."""
        removed = 0
        with unavailable(_FAILURE, Exception):
            for name in self._family.keys(self._prefix):
                if removed == limit:
                    break
                removed += self._remove_if_expired(name)
        return removed

    def _read(self, name: str) -> Envelope | None:
        """What stands there; what is not whole may be in the making, by another process, so it is read again."""
        data = self._family.get(name)
        envelope = unwrap(data)
        for pause in _PAUSES_SECONDS:
            if data is None or envelope is not None:
                break
            time.sleep(pause)
            data = self._family.get(name)
            envelope = unwrap(data)
        return envelope

    def _write(self, name: str, payload: bytes, ttl: float | None) -> Version:
        version = new_version()
        self._family.put(name, wrap(payload, version, self._upkeep.expires_at(ttl)), ttl)
        return version

    def _remove(self, name: str) -> bool:
        if self._read(name) is None:
            return False
        self._family.delete(name)
        if self._read(name) is not None:
            # Several caches report a failure as they report that nothing was there.
            raise StoreUnavailable("the key/value store did not remove the entry")
        return True

    def _remove_if_expired(self, name: str) -> bool:
        with self._locked(name):
            envelope = self._read(name)
            return envelope is not None and envelope.is_expired(self._upkeep.now()) and self._remove(name)

    def _after_write(self) -> None:
        if not self._family.expires_entries:
            self._upkeep.after_write(self._sweep)

    def _sweep(self, limit: int) -> None:
        """Look at *limit* keys more. They are listed anew only when all have been looked at: a list takes long."""
        with unavailable(_FAILURE, Exception):
            if not self._unswept:
                self._unswept = self._family.keys(self._prefix)
            self._unswept, now = self._unswept[:-limit], self._unswept[-limit:]
            for name in now:
                self._remove_if_expired(name)

    def _locked(self, name: str) -> threading.Lock:
        """The lock for *name*, one for all stores around the same object."""
        stripe = hash((self._object_id, name)) % _STRIPES
        return _locks.get(stripe) or _locks.setdefault(stripe, threading.Lock())


# Made at their first use, in each process: only then has gevent patched the class, or not.
_locks: dict[int, threading.Lock] = {}

if hasattr(os, "register_at_fork"):  # pragma: no branch
    os.register_at_fork(after_in_child=_locks.clear)
