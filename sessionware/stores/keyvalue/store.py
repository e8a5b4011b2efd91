"""Sessions in any key/value object: a mapping, or a store of simplekv, minimalkv, cachelib or diskcache."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any, ClassVar

from sessionware.clock import Clock, current_time
from sessionware.exceptions import AlreadyExists, ConfigError, Conflict, Gone, StoreUnavailable
from sessionware.stores.contract import Entry, Version
from sessionware.stores.failures import guarded, told
from sessionware.stores.framing import as_bytes, is_cut_off, new_version, pack, unpack
from sessionware.stores.keyvalue.adapters import Adapter, adapter_for, described, is_bound_to_its_thread
from sessionware.stores.pools import PerProcess
from sessionware.stores.sweeping import Sweeping, expires_at

#: How often an entry that is cut off is looked at again: a writer that lives is done within a quarter of a second.
_PAUSES_SECONDS = (0.001, 0.002, 0.004, 0.008, *(0.016,) * 15)
#: How long a session whose writer was killed is unavailable: until a client comes again as it was told to.
_PATIENCE_SECONDS = float(StoreUnavailable.seconds_to_wait)
#: What is added to the key of an entry that is cut off: there every process sees since when it has been.
_MARK = ".cut"
_MARK_SECONDS = 86400.0

#: The object itself may have removed an entry of so short a life at the next look.
_SHORT_TTL_SECONDS = 10.0

#: Of the random bytes that a key stands for.
_KEY_BYTES = 32

_STRIPES = 64
#: Of this module and not of a store, because several stores may be made around one object.
_locks = PerProcess(lambda: [threading.Lock() for _ in range(_STRIPES)])


class KeyValueStore:
    """Keeps entries in *obj*, under keys that begin with *prefix*, and touches no others.

    *obj* is any ``MutableMapping`` (a dict, a shelf, a dbm file), a store of simplekv or minimalkv, a cache of
    cachelib, or a ``Cache``, ``FanoutCache`` or ``Index`` of diskcache. Anything else raises :exc:`ConfigError`, and so
    does a prefix with characters that the object does not take. Whatever the object raises becomes
    :exc:`StoreUnavailable`; so does an object that does not give back the bytes it was given, at the first write of a
    process. A ``bytearray`` and a ``memoryview`` count as bytes.

    **Threads.** A dict, the objects of diskcache, and those over files and Redis are used by all threads at once, every
    other object by one after the other: a shelf, a dbm file and most caches in memory lose entries otherwise. The
    application must then leave the object to the store. A shelf or dbm file that Python 3.13 makes by default
    (``dbm.sqlite3``) works in the thread that opened it only, and is refused.

    **Not atomic.** Such objects cannot compare and swap, so ``atomic`` is ``False``. Threads of one process lose
    nothing, not even through several stores around one object. If two processes write one session at the same moment,
    one may lose its change, and neither is told; a logout or a new id may be undone in this way. Where this matters,
    use another store of this package.

    **Killed processes.** Where the object replaces entries as a whole, a process that is killed while it saves leaves
    the old entry or the new one. The objects of diskcache do, cachelib's ``FileSystemCache``, all that keep entries on
    a server, and the ``FilesystemStore`` of simplekv and of minimalkv, whose files this store itself writes and
    renames. An object that writes in place (a class made from those two, a decorator around them, your own mapping over
    files) leaves an entry that is cut off. A request that finds one looks again for a quarter of a second, because
    another process may be writing it, and then raises :exc:`StoreUnavailable`. If the entry is the same five seconds
    later, the next request removes it, and the session is gone. One that no request asks for again stays: ``purge``
    cannot tell it from one that is being written. Shelves and dbm files are for one process, and may break as a whole.

    **Expiry and eviction.** Objects that know times to live are given them; in the others, writes and ``purge`` remove
    what has expired. What an object evicts is a session that has ended: cachelib's own caches keep 500 entries unless
    ``threshold`` says otherwise, a ``Cache`` of diskcache 1 GB unless ``size_limit`` does. cachelib also answers that
    an entry is missing if it fails to read it.

    cachelib, diskcache and shelves unpickle what they find, so no other user may be able to write there.
    """

    atomic = False
    option_help: ClassVar = {"obj": "the key/value object", "prefix": "what keys begin with"}

    def __init__(self, obj: object, *, prefix: str = "sessionware-", clock: Clock | None = None) -> None:
        adapter = adapter_for(obj)
        if adapter is None:
            raise ConfigError(
                f"a KeyValueStore does not take {type(obj).__name__}; it takes a MutableMapping such as a dict,"
                " a store of simplekv or minimalkv, a cache of cachelib, or a Cache or FanoutCache of diskcache"
            )
        if is_bound_to_its_thread(obj):
            raise ConfigError(
                "this is a dbm.sqlite3 file, which refuses every thread but the thread that opened it; use the backend"
                " 'sqlite', or open the file by dbm.gnu or dbm.dumb, for example shelve.Shelf(dbm.dumb.open(path))"
            )
        if not prefix or not adapter.prefixes.fullmatch(prefix):
            raise ConfigError(f"the keys of this key/value object cannot begin with the prefix {prefix!r}")
        self._place = f"the key/value store over {described(obj)}"
        self._adapter: Adapter = adapter
        self._object_id = id(obj)
        self._prefix = prefix
        self._clock = clock or current_time
        self._sweeping = Sweeping()
        #: Whether the object has given back what this process has written.
        self._gives_back = False
        #: The keys that sweeps have not come to yet.
        self._unswept: list[str] = []

    @guarded
    def load(self, key: str) -> Entry | None:
        """The entry under *key*; ``None`` also for a value that this store has not written."""
        name = self._prefix + key
        # Under the lock, because several objects write in place, and would show half an entry.
        with self._locked(name):
            frame = unpack(self._read(name))
        return None if frame is None else Entry(frame.payload, frame.version)

    @guarded
    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`, also for a value of another program."""
        name = self._prefix + key
        with self._locked(name):
            found = self._read(name)
            if found is not None:
                if unpack(found) is None:
                    self._check_answer_for_missing_key()
                raise AlreadyExists
            version = self._write(name, payload, ttl)
            if not self._gives_back and (ttl is None or ttl > _SHORT_TTL_SECONDS):
                self._check_what_is_given_back(name)
        self._after_write()
        return version

    @guarded
    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        name = self._prefix + key
        with self._locked(name):
            found = unpack(self._read(name))
            if found is None:
                raise Gone
            if found.version != version:
                raise Conflict
            written = self._write(name, payload, ttl)
        self._after_write()
        return written

    @guarded
    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        name = self._prefix + key
        with self._locked(name):
            if unpack(self._read(name)) is None:
                return False
            self._remove(name)
            return True

    @guarded
    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most; how many. None, if the object cannot list its keys."""
        removed = 0
        for name in self._adapter.keys(self._prefix):
            if removed == limit:
                break
            removed += self._remove_if_expired(name)
        return removed

    def _cause_of(self, error: Exception) -> Exception | None:
        return told(error)

    def _unavailable(self, reason: str) -> StoreUnavailable:
        return StoreUnavailable(f"{self._place}: {reason}")

    def _get(self, name: str) -> object:
        return as_bytes(self._adapter.get(name))

    def _put(self, name: str, data: bytes, ttl: float | None) -> None:
        if not self._adapter.put(name, data, ttl):
            raise self._unavailable("did not take the entry")

    def _read(self, name: str) -> object:
        """The value under *name*, whatever it is, but for a frame that is cut off; ``None`` if nothing is there."""
        data = self._look(name)
        if not is_cut_off(data):
            return data
        if not self._is_abandoned(name, data):
            raise self._unavailable("the entry is cut off: another process is writing it, or was killed while it did")
        self._remove(name)
        self._adapter.delete(name + _MARK)
        return None

    def _look(self, name: str) -> object:
        """The value under *name*, or, if it is cut off, what its writer makes of it within a quarter of a second."""
        data = self._get(name)
        for pause in _PAUSES_SECONDS:
            if not is_cut_off(data):
                break
            time.sleep(pause)
            data = self._get(name)
        return data

    def _check_what_is_given_back(self, name: str) -> None:
        """Look whether the object gives back the frame that was just written.

        Not when the store is made: an object may be one of a server, which need not run then.
        """
        data = self._look(name)
        if unpack(data) is None:
            self._adapter.delete(name)
            raise self._unavailable(
                f"was given bytes and gave {_named(data)} back; sessions need an object that keeps bytes as they are"
            )
        self._gives_back = True

    def _check_answer_for_missing_key(self) -> None:
        """Look whether the object gives a value for each key, also for one that was just drawn."""
        data = self._get(self._prefix + secrets.token_urlsafe(_KEY_BYTES))
        if data is not None:
            raise self._unavailable(
                f"gave {_named(data)} for a key that it does not have; sessions need an object that raises KeyError, or"
                " gives None, for a missing key"
            )

    def _is_abandoned(self, name: str, data: Any) -> bool:
        """Whether a request found the same bytes so long ago that their writer must be dead; if none did, mark them.

        The mark has a key of its own, because a writer that is only slow goes on in the middle of the entry.
        """
        now = self._clock()
        mark = unpack(self._get(name + _MARK))
        if mark is not None and mark.payload == data and not mark.is_expired(now):
            return now >= mark.expires_at - _MARK_SECONDS + _PATIENCE_SECONDS
        self._put(name + _MARK, pack(data, new_version(), now + _MARK_SECONDS), _MARK_SECONDS)
        return False

    def _write(self, name: str, payload: bytes, ttl: float | None) -> Version:
        version = new_version()
        self._put(name, pack(payload, version, expires_at(ttl, self._clock())), ttl)
        return version

    def _remove(self, name: str) -> None:
        self._adapter.delete(name)
        if unpack(self._get(name)) is not None:
            # Several caches report a failure as if the key had been missing.
            raise self._unavailable("did not remove the entry")

    def _remove_if_expired(self, name: str) -> bool:
        with self._locked(name):
            frame = unpack(self._get(name))
            if frame is None or not frame.is_expired(self._clock()):
                return False
            self._remove(name)
            return True

    def _after_write(self) -> None:
        if not self._adapter.expires_entries:
            self._sweeping.after_write(self._sweep)

    @guarded
    def _sweep(self, limit: int) -> None:
        """Look at *limit* keys more. Listing them takes long, so it is done again only after all were looked at."""
        if not self._unswept:
            self._unswept = self._adapter.keys(self._prefix)
        self._unswept, names = self._unswept[:-limit], self._unswept[-limit:]
        for name in names:
            self._remove_if_expired(name)

    def _locked(self, name: str) -> threading.Lock:
        """The lock for *name*, the same in all stores around the same object."""
        return _locks.get()[hash((self._object_id, name)) % _STRIPES]


def _named(data: object) -> str:
    if data is None:
        return "nothing"
    if not isinstance(data, bytes):
        return type(data).__name__
    return "fewer bytes" if is_cut_off(data) else "other bytes"
