"""One interface to the kinds of key/value objects that can hold sessions."""

from __future__ import annotations

import contextlib
import math
import os
import re
import secrets
import shelve
import threading
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from sessionware.stores.file import remove_leftover
from sessionware.stores.pools import PerProcess

#: What memcached takes, which takes less than any other backend of cachelib.
_PRINTABLE = re.compile(r"[!-~]*")
#: What simplekv and minimalkv allow.
_PORTABLE = re.compile(r"[0-9a-zA-Z\\`!\"#$%&'()+,\-.<=>?@\[\]^_{}~]*")
_ANYTHING = re.compile(r".*", re.DOTALL)

#: memcached takes a longer time for a date, and simplekv's MemcacheStore, which has a client ``mc``, passes it on.
_MEMCACHED_LONGEST_SECONDS = 30 * 86400

#: The name of a file that is not yet renamed to an entry's: what stands before the dot ends with a store's key.
_is_temporary = re.compile(r".*[0-9A-Za-z_-]{43}\.[0-9a-f]{16}", re.ASCII | re.DOTALL).fullmatch


class Adapter(Protocol):
    """What the store needs of a key/value object. The methods raise whatever the object raises."""

    @property
    def prefixes(self) -> re.Pattern[str]:
        """The prefixes that its keys can have."""
        ...

    @property
    def expires_entries(self) -> bool:
        """Whether the object itself removes entries that have reached their end."""
        ...

    def get(self, key: str) -> object:
        """The value under *key*, or ``None``."""
        ...

    def put(self, key: str, data: bytes, ttl: float | None) -> bool:
        """Store *data* for *ttl* seconds, and return whether the object says that it has."""
        ...

    def delete(self, key: str) -> None:
        """Remove *key*, if it is there."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with *prefix*; none if the object cannot list its keys."""
        ...


@dataclass(frozen=True)
class MappingAdapter:
    """A dict, a shelf, a dbm file, an ``Index`` of diskcache."""

    mapping: MutableMapping[Any, Any]
    prefixes = _ANYTHING
    expires_entries = False

    def get(self, key: str) -> object:
        return self.mapping.get(key)

    def put(self, key: str, data: bytes, ttl: float | None) -> bool:
        self.mapping[key] = data
        return True

    def delete(self, key: str) -> None:
        self.mapping.pop(key, None)

    def keys(self, prefix: str) -> list[str]:
        return list(_with_prefix(list(self.mapping), prefix))


@dataclass(frozen=True)
class DiskCacheAdapter:
    """A ``Cache`` or a ``FanoutCache`` of diskcache."""

    cache: Any
    prefixes = _ANYTHING
    expires_entries = True

    def get(self, key: str) -> object:
        # Not get(): of a FanoutCache that timed out it returns the default, as if the entry were missing.
        try:
            return self.cache[key]
        except KeyError:
            return None

    def put(self, key: str, data: bytes, ttl: float | None) -> bool:
        # A FanoutCache answers False instead of raising.
        return self.cache.set(key, data, expire=ttl) is not False

    def delete(self, key: str) -> None:
        self.cache.delete(key)

    def keys(self, prefix: str) -> list[str]:
        return list(_with_prefix(self.cache, prefix))


@dataclass(frozen=True)
class CachelibAdapter:
    """A cache of cachelib, in whole seconds and without a list of its keys."""

    cache: Any
    prefixes = _PRINTABLE
    expires_entries = True

    def get(self, key: str) -> object:
        return self.cache.get(key)

    def put(self, key: str, data: bytes, ttl: float | None) -> bool:
        # Always given, because the default is 300 seconds; 0 means no end. A failure is False and not raised.
        return self.cache.set(key, data, timeout=0 if ttl is None else _whole_seconds(ttl)) is not False

    def delete(self, key: str) -> None:
        self.cache.delete(key)

    def keys(self, prefix: str) -> list[str]:
        return []


@dataclass(frozen=True)
class SimpleKVAdapter:
    """A store of simplekv or minimalkv."""

    store: Any
    prefixes = _PORTABLE

    @property
    def expires_entries(self) -> bool:
        return bool(getattr(self.store, "ttl_support", False))

    def get(self, key: str) -> object:
        try:
            return self.store.get(key)
        except KeyError:
            return None

    def put(self, key: str, data: bytes, ttl: float | None) -> bool:
        if not self.expires_entries:
            self.store.put(key, data)
        elif ttl is None or (ttl > _MEMCACHED_LONGEST_SECONDS and hasattr(self.store, "mc")):
            self.store.put(key, data, ttl_secs="forever")
        else:
            self.store.put(key, data, ttl_secs=_whole_seconds(ttl))
        return True

    def delete(self, key: str) -> None:
        self.store.delete(key)

    def keys(self, prefix: str) -> list[str]:
        return list(_with_prefix(self.store.keys(prefix), prefix))


class SimpleKVFilesAdapter(SimpleKVAdapter):
    """A ``FilesystemStore`` of simplekv or minimalkv, whose own ``put`` empties a file and then fills it.

    Other processes would read half an entry, and a process killed in between would leave it. So an entry is written to
    a file beside it, with the permissions that the store would give it, and then renamed.
    """

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with *prefix*; files that killed processes left are removed after an hour."""
        names = super().keys(prefix)
        for name in filter(_is_temporary, names):
            remove_leftover(os.path.join(self.store.root, name))
        return [name for name in names if not _is_temporary(name)]

    def put(self, key: str, data: bytes, ttl: float | None) -> bool:
        path = os.path.join(self.store.root, key)
        temporary = f"{path}.{secrets.token_hex(8)}"
        os.makedirs(self.store.root, exist_ok=True)
        try:
            self._write(temporary, data)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        return True

    def _write(self, path: str, data: bytes) -> None:
        perm: int | None = self.store.perm
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if perm is None else perm)
        with open(descriptor, "wb") as file:
            file.write(data)
        if perm is not None:
            # The umask may have removed some of its bits.
            os.chmod(path, perm)


@dataclass(frozen=True)
class OneAtATime:
    """An adapter for an object that threads must not use at the same time: *adapter*, under a lock."""

    adapter: Adapter
    object_id: int

    @property
    def prefixes(self) -> re.Pattern[str]:
        return self.adapter.prefixes

    @property
    def expires_entries(self) -> bool:
        return self.adapter.expires_entries

    def get(self, key: str) -> object:
        with self._locked():
            return self.adapter.get(key)

    def put(self, key: str, data: bytes, ttl: float | None) -> bool:
        with self._locked():
            return self.adapter.put(key, data, ttl)

    def delete(self, key: str) -> None:
        with self._locked():
            self.adapter.delete(key)

    def keys(self, prefix: str) -> list[str]:
        with self._locked():
            return self.adapter.keys(prefix)

    def _locked(self) -> threading.Lock:
        """The lock of the object, the same in all stores around it; some objects share one."""
        return _object_locks.get()[hash(self.object_id) % _OBJECT_LOCKS]


_OBJECT_LOCKS = 64
_object_locks = PerProcess(lambda: [threading.Lock() for _ in range(_OBJECT_LOCKS)])

# Below, kinds are known by the name of the exact class: so no package is imported, and a class made from one of these,
# or a decorator around it, may do anything.

_FILESYSTEM_STORES = {("simplekv.fs", "FilesystemStore"), ("minimalkv.fs", "FilesystemStore")}

#: The objects that many threads may use at the same time. Of all others that is not known: a shelf breaks.
_THREAD_SAFE = {
    ("builtins", "dict"),
    ("diskcache.core", "Cache"),
    ("diskcache.fanout", "FanoutCache"),
    ("diskcache.persistent", "Index"),
    ("cachelib.file", "FileSystemCache"),
    ("cachelib.redis", "RedisCache"),
    ("simplekv.memory.redisstore", "RedisStore"),
    ("minimalkv.memory.redisstore", "RedisStore"),
    *_FILESYSTEM_STORES,
}

#: Where an object keeps its files.
_DIRECTORIES = {
    ("diskcache.core", "Cache"): "directory",
    ("diskcache.fanout", "FanoutCache"): "directory",
    ("diskcache.persistent", "Index"): "directory",
    ("cachelib.file", "FileSystemCache"): "_path",
    **dict.fromkeys(_FILESYSTEM_STORES, "root"),
}

#: What an SQLite database is that dbm.open and shelve.open make since Python 3.13.
_THREAD_BOUND = ("dbm.sqlite3", "_Database")

#: The methods that each kind has, the kind with the most first. A mapping is known by its class.
_METHODS: tuple[tuple[type[DiskCacheAdapter | CachelibAdapter | SimpleKVAdapter], tuple[str, ...]], ...] = (
    (DiskCacheAdapter, ("get", "set", "delete", "touch", "expire", "__getitem__", "__iter__")),
    (CachelibAdapter, ("get", "set", "delete", "add", "has", "get_dict")),
    (SimpleKVAdapter, ("get", "put", "delete", "iter_keys", "keys")),
)


def adapter_for(obj: Any) -> Adapter | None:
    """The adapter for *obj*; ``None`` if there is none."""
    adapter = _adapter_for(obj)
    if adapter is None or _kind(obj) in _THREAD_SAFE:
        return adapter
    return OneAtATime(adapter, id(obj))


def _adapter_for(obj: Any) -> Adapter | None:
    if isinstance(obj, type):
        return None
    if isinstance(obj, MutableMapping):
        return MappingAdapter(obj)
    if _kind(obj) in _FILESYSTEM_STORES:
        return SimpleKVFilesAdapter(obj)
    for adapter, methods in _METHODS:
        if all(callable(getattr(obj, name, None)) for name in methods):
            return adapter(obj)
    return None


def _kind(obj: object) -> tuple[str, str]:
    return type(obj).__module__, type(obj).__name__


def described(obj: object) -> str:
    """What *obj* is, and where its files are, for messages."""
    name = type(obj).__name__
    directory = getattr(obj, _DIRECTORIES.get(_kind(obj), ""), None)
    return f"a {name}" if directory is None else f"a {name} at {directory}"


def is_bound_to_its_thread(obj: object) -> bool:
    """Whether *obj* is a dbm file that refuses every other thread than the one that opened it, or a shelf over one."""
    file = getattr(obj, "dict", None) if isinstance(obj, shelve.Shelf) else obj
    return _kind(file) == _THREAD_BOUND


def _with_prefix(keys: Iterable[object], prefix: str) -> Iterator[str]:
    """The *keys* that begin with *prefix*. A dbm file gives bytes; an application may have keys of any type."""
    for key in keys:
        name = key.decode("latin-1") if isinstance(key, bytes) else key
        if isinstance(name, str) and name.startswith(prefix):
            yield name


def _whole_seconds(ttl: float) -> int:
    return max(1, math.ceil(ttl))
