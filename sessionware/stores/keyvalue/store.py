"""Sessions in any key/value object: a mapping, or a store of simplekv, minimalkv, cachelib or diskcache."""

from __future__ import annotations

import os
import re
import threading
import time
from typing import Any, ClassVar

from sessionware.exceptions import AlreadyExists, ConfigError, Conflict, Gone, StoreUnavailable
from sessionware.stores.contract import Entry, Version
from sessionware.stores.failures import guarded
from sessionware.stores.framing import Envelope, is_cut_off, new_version, unwrap, wrap
from sessionware.stores.keyvalue.adapters import Family, family_of
from sessionware.stores.sweeping import Clock, Upkeep

_guarded = guarded("the key/value store failed", Exception)
_STRIPES = 64

#: How often an entry that is cut off is looked at again, a quarter of a second in all: its writer gets on with it.
_PAUSES_SECONDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
#: After this long its writer is dead: as long as a client is asked to wait before it comes again.
_PATIENCE_SECONDS = float(StoreUnavailable.seconds_to_wait)
#: An entry of ours, or what a killed process has left beside it.
_is_own = re.compile(r"[0-9A-Za-z_-]{43}(\.[0-9a-f]{16})?", re.ASCII).fullmatch


class KeyValueStore:
    """Keeps entries in *obj*, under keys that begin with *prefix*, and touches no others.

    *obj* is any ``MutableMapping`` (a dict, a shelf, a dbm file), a store of simplekv or minimalkv, a cache of
    cachelib, or a ``Cache``, ``FanoutCache`` or ``Index`` of diskcache. Anything else, and a prefix with characters
    that the object does not take, is a :exc:`ConfigError`. Whatever the object raises is :exc:`StoreUnavailable`.

    ``atomic`` is ``False``: such objects have no compare-and-swap, so it holds between the threads of one process
    only, between several stores around one object too; then nothing is lost. Of two processes that write one session
    at the same moment, one may lose its change, without either being told; if one of them ends it, by a logout, a
    revocation or a new id, that may be undone. Where this matters, take a store of this package instead.

    A process killed while it saves leaves the old entry or the new one where the object replaces entries as a whole:
    those of diskcache, cachelib's ``FileSystemCache``, all over a server, and the ``FilesystemStore`` of simplekv and
    of minimalkv, for which this store writes the file itself and renames it. An object that writes in place (a class
    made from those two, a decorator around them, a mapping of yours over files) leaves an entry that is cut off; that
    session is lost. While one is cut off, it may be in the making by another process: it is read again for a quarter
    of a second, and is then :exc:`StoreUnavailable`, not missing. One that a process has seen cut off in the same
    place for five seconds is removed. That it is read while one write follows another, and is made of both, cannot be
    seen here: it does not open. Shelves and dbm files are for one process, and may be broken as a whole.

    What an object evicts is a session ended (cachelib's own keep 500 entries unless ``threshold`` says otherwise, a
    ``Cache`` of diskcache 1 GB unless ``size_limit`` does), and so is what cachelib fails to read in silence. cachelib,
    diskcache and shelves unpickle what they find: nobody else may be able to write there. Times to live are given to
    objects that have them; elsewhere writes and ``purge`` remove what has expired, or is cut off.
    """

    atomic = False
    option_help: ClassVar = {"obj": "the key/value object", "prefix": "what keys begin with"}

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
        #: What was cut off when it was last looked at: the bytes, and since when.
        self._cut_off: dict[str, tuple[object, float]] = {}

    @_guarded
    def load(self, key: str) -> Entry | None:
        """The entry under *key*; ``None`` also for what this store has not written."""
        name = self._prefix + key
        # Under the lock, because several objects write in place, and would show half an entry.
        with self._locked(name):
            envelope = self._read(name)
        return None if envelope is None else Entry(envelope.payload, envelope.version)

    @_guarded
    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`."""
        name = self._prefix + key
        with self._locked(name):
            if self._read(name) is not None:
                raise AlreadyExists
            version = self._write(name, payload, ttl)
        self._after_write()
        return version

    @_guarded
    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        name = self._prefix + key
        with self._locked(name):
            found = self._read(name)
            if found is None:
                raise Gone
            if found.version != version:
                raise Conflict
            new_version = self._write(name, payload, ttl)
        self._after_write()
        return new_version

    @_guarded
    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        name = self._prefix + key
        with self._locked(name):
            return self._remove(name)

    @_guarded
    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most; how many went. None, where the object cannot list its keys.

        Where it finds entries that are cut off, it waits for five seconds, and removes those that still are.
        """
        names = self._family.keys(self._prefix)
        removed = self._remove_those_over(names, limit)
        cut_off = [name for name in names if name in self._cut_off]
        if cut_off and removed != limit:
            time.sleep(_PATIENCE_SECONDS)
            removed += self._remove_those_over(cut_off, None if limit is None else limit - removed)
        return removed

    def _read(self, name: str) -> Envelope | None:
        data = self._look(name)
        if is_cut_off(data) and not self._remove_if_abandoned(name, data):
            raise StoreUnavailable("the entry is cut off: another process is writing it, or was killed while it did")
        return unwrap(data)

    def _look(self, name: str) -> object:
        """What stands there; if it is cut off, what another process makes of it meanwhile."""
        data = self._get(name)
        for pause in _PAUSES_SECONDS:
            if not is_cut_off(data):
                break
            time.sleep(pause)
            data = self._get(name)
        return data

    def _get(self, name: str) -> object:
        data = self._family.get(name)
        if self._cut_off and not is_cut_off(data):
            self._cut_off.pop(name, None)
        return data

    def _is_abandoned(self, name: str, data: object) -> bool:
        """Whether it has been cut off in the same place for so long that nobody is writing it any more."""
        now = time.monotonic()
        first, since = self._cut_off.setdefault(name, (data, now))
        if first != data:
            self._cut_off[name] = (data, now)
        return first == data and now - since >= _PATIENCE_SECONDS

    def _remove_if_abandoned(self, name: str, data: object) -> bool:
        if not self._is_abandoned(name, data):
            return False
        # Gone for every process, and not only for this one.
        self._family.delete(name)
        self._cut_off.pop(name, None)
        return True

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

    def _remove_those_over(self, names: list[str], limit: int | None) -> int:
        removed = 0
        for name in names:
            if removed == limit:
                break
            removed += self._remove_if_over(name)
        return removed

    def _remove_if_over(self, name: str) -> bool:
        """Remove it if it has expired or was abandoned. What is cut off is waited for only then: there may be many."""
        with self._locked(name):
            data = self._get(name)
            if is_cut_off(data) and _is_own(name.removeprefix(self._prefix)) and self._is_abandoned(name, data):
                data = self._look(name)
                return is_cut_off(data) and self._remove_if_abandoned(name, data)
            envelope = unwrap(data)
            return envelope is not None and envelope.is_expired(self._upkeep.now()) and self._remove(name)

    def _after_write(self) -> None:
        if not self._family.expires_entries:
            self._upkeep.after_write(self._sweep)

    @_guarded
    def _sweep(self, limit: int) -> None:
        """Look at *limit* keys more. They are listed anew only when all have been looked at: a list takes long."""
        if not self._unswept:
            self._unswept = self._family.keys(self._prefix)
        self._unswept, now = self._unswept[:-limit], self._unswept[-limit:]
        for name in now:
            self._remove_if_over(name)

    def _locked(self, name: str) -> threading.Lock:
        """The lock for *name*, one for all stores around the same object."""
        stripe = hash((self._object_id, name)) % _STRIPES
        return _locks.get(stripe) or _locks.setdefault(stripe, threading.Lock())


# Made at their first use, in each process: only then has gevent patched the class, or not.
_locks: dict[int, threading.Lock] = {}

if hasattr(os, "register_at_fork"):  # pragma: no branch
    os.register_at_fork(after_in_child=_locks.clear)
