"""The families of key/value objects that can hold sessions: what each is called by, and what it takes."""

from __future__ import annotations

import contextlib
import math
import os
import re
import secrets
from collections.abc import Iterable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol

from sessionware.exceptions import StoreUnavailable

#: What memcached takes, the most particular of cachelib's backends.
_PRINTABLE = re.compile(r"[!-~]*")
#: What simplekv and minimalkv say.
_PORTABLE = re.compile(r"[0-9a-zA-Z\\`!\"#$%&'()+,\-.<=>?@\[\]^_{}~]*")
_ANYTHING = re.compile(r".*", re.DOTALL)

#: Longer than this, memcached takes for a date; simplekv's MemcacheStore, known by its client ``mc``, passes it on.
_MEMCACHED_LONGEST_SECONDS = 30 * 86400


class Family(Protocol):
    """What a store needs of a key/value object. The methods raise whatever the object raises."""

    @property
    def prefixes(self) -> re.Pattern[str]:
        """The prefixes that its keys can have."""
        ...

    @property
    def expires_entries(self) -> bool:
        """Whether the object drops entries by itself when their time is over."""
        ...

    def get(self, key: str) -> object:
        """What stands under *key*, or ``None``."""
        ...

    def put(self, key: str, data: bytes, ttl: float | None) -> None:
        """Store *data* for *ttl* seconds."""
        ...

    def delete(self, key: str) -> None:
        """Remove *key*, if it is there."""
        ...

    def keys(self, prefix: str) -> list[str]:
        """The keys that begin with *prefix*; none where the object cannot list them."""
        ...


@dataclass(frozen=True)
class Mapping:
    """A dict, a shelf, a dbm file, an ``Index`` of diskcache."""

    mapping: MutableMapping[Any, Any]
    prefixes = _ANYTHING
    expires_entries = False

    def get(self, key: str) -> object:
        return self.mapping.get(key)

    def put(self, key: str, data: bytes, ttl: float | None) -> None:
        self.mapping[key] = data

    def delete(self, key: str) -> None:
        self.mapping.pop(key, None)

    def keys(self, prefix: str) -> list[str]:
        return list(_with_prefix(list(self.mapping), prefix))


@dataclass(frozen=True)
class DiskCache:
    """A ``Cache`` or a ``FanoutCache`` of diskcache."""

    cache: Any
    prefixes = _ANYTHING
    expires_entries = True

    def get(self, key: str) -> object:
        # Not get(), which answers a timeout of a FanoutCache with the default, as if nothing were there.
        try:
            return self.cache[key]
        except KeyError:
            return None

    def put(self, key: str, data: bytes, ttl: float | None) -> None:
        _require(self.cache.set(key, data, expire=ttl))

    def delete(self, key: str) -> None:
        self.cache.delete(key)

    def keys(self, prefix: str) -> list[str]:
        return list(_with_prefix(self.cache, prefix))


@dataclass(frozen=True)
class CacheLib:
    """A cache of cachelib, in whole seconds and without a list of its keys."""

    cache: Any
    prefixes = _PRINTABLE
    expires_entries = True

    def get(self, key: str) -> object:
        return self.cache.get(key)

    def put(self, key: str, data: bytes, ttl: float | None) -> None:
        # Always explicit: the default is 300 seconds, and 0 is for ever.
        _require(self.cache.set(key, data, timeout=0 if ttl is None else _whole_seconds(ttl)))

    def delete(self, key: str) -> None:
        self.cache.delete(key)

    def keys(self, prefix: str) -> list[str]:
        return []


@dataclass(frozen=True)
class SimpleKV:
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

    def put(self, key: str, data: bytes, ttl: float | None) -> None:
        if not self.expires_entries:
            self.store.put(key, data)
        elif ttl is None or (ttl > _MEMCACHED_LONGEST_SECONDS and hasattr(self.store, "mc")):
            self.store.put(key, data, ttl_secs="forever")
        else:
            self.store.put(key, data, ttl_secs=_whole_seconds(ttl))

    def delete(self, key: str) -> None:
        self.store.delete(key)

    def keys(self, prefix: str) -> list[str]:
        return list(_with_prefix(self.store.keys(prefix), prefix))


class Files(SimpleKV):
    """A ``FilesystemStore`` of simplekv or minimalkv, whose own ``put`` empties a file and then fills it.

    Other processes would read half an entry, and a process killed in between would leave it. So an entry is written
    to a file beside it, with the permissions that the store would give it, and renamed. What a killed process leaves
    stands under a key that begins as the entry's does, and is removed as entries are.
    """

    def put(self, key: str, data: bytes, ttl: float | None) -> None:
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

    def _write(self, path: str, data: bytes) -> None:
        perm: int | None = self.store.perm
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if perm is None else perm)
        with open(descriptor, "wb") as file:
            file.write(data)
        if perm is not None:
            # What the umask has taken away.
            os.chmod(path, perm)


#: Known by name: a class made from these, or a decorator around them, may do more in ``put`` than to write a file.
_FILESYSTEM_STORES = {("simplekv.fs", "FilesystemStore"), ("minimalkv.fs", "FilesystemStore")}

#: The methods by which each is known, the most particular first; a mapping is known by its class.
_SHAPES: tuple[tuple[type[DiskCache | CacheLib | SimpleKV], tuple[str, ...]], ...] = (
    (DiskCache, ("get", "set", "delete", "touch", "expire", "__getitem__", "__iter__")),
    (CacheLib, ("get", "set", "delete", "add", "has", "get_dict")),
    (SimpleKV, ("get", "put", "delete", "iter_keys", "keys")),
)


def family_of(obj: Any) -> Family | None:
    """The family that *obj* belongs to, by its shape, so that no package is imported; ``None`` for a stranger."""
    if isinstance(obj, type):
        return None
    if isinstance(obj, MutableMapping):
        return Mapping(obj)
    if (type(obj).__module__, type(obj).__name__) in _FILESYSTEM_STORES:
        return Files(obj)
    for family, methods in _SHAPES:
        if all(callable(getattr(obj, name, None)) for name in methods):
            return family(obj)
    return None


def _with_prefix(keys: Iterable[object], prefix: str) -> Iterator[str]:
    """Keys of ours. A dbm file gives them as bytes, and an application may have keys of any type."""
    for key in keys:
        text = key.decode("latin-1") if isinstance(key, bytes) else key
        if isinstance(text, str) and text.startswith(prefix):
            yield text


def _whole_seconds(ttl: float) -> int:
    return max(1, math.ceil(ttl))


def _require(answer: object) -> None:
    """cachelib and FanoutCache swallow an error and answer False."""
    if answer is False:
        raise StoreUnavailable("the key/value store did not take the entry")
