"""The stores of the tests by name, those with a server included, and how much is done in each."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cachelib
import diskcache  # type: ignore[import-untyped]
import minimalkv.fs
import pytest
import simplekv.fs  # type: ignore[import-untyped]
from support.objects import FilesOfOurs, FilesystemStoreOfOurs

from sessionware.stores import (
    FileStore,
    KeyValueStore,
    MemcachedStore,
    RedisStore,
    SQLAlchemyStore,
    SQLiteStore,
    Store,
)

#: Whether to run with the full counts, which take minutes.
IS_SOAK = bool(os.environ.get("SESSIONWARE_SOAK"))
#: A store's timeout where servers and tests share a busy machine.
PATIENCE_SECONDS = 30.0

#: The fixture of the server that a place needs.
_SERVERS = {
    "redis": "redis_server",
    "Cluster": "redis_cluster",
    "memcached": "memcached_server",
    "postgresql": "postgresql",
    "mariadb": "mariadb",
}

#: Key/value objects that keep files in a directory.
_FILE_OBJECTS: dict[str, Callable[[str], object]] = {
    "simplekv files": simplekv.fs.FilesystemStore,
    "minimalkv files": minimalkv.fs.FilesystemStore,
    "cachelib files": cachelib.FileSystemCache,
    "a class made from minimalkv's": FilesystemStoreOfOurs,
    "a mapping over files": FilesOfOurs,
}

StoreMaker = Callable[[], Store]


def in_places(*places: str) -> pytest.MarkDecorator:
    """Run a test in each of *places*."""
    return pytest.mark.parametrize("place", places)


def url_of(place: str, directory: Path, request: pytest.FixtureRequest) -> str:
    """The URL by which any process reaches *place*."""
    if place == "file":
        return f"file://{directory}/sessions"
    if place == "sqlite":
        return f"sqlite:///{directory}/sessions.db"
    return str(request.getfixturevalue(_SERVERS[place]).url)


def store_in(place: str, directory: Path, request: pytest.FixtureRequest) -> Store:
    """A new store in *place*, as any process would make it."""
    if place == "diskcache":
        cache = diskcache.Cache(str(directory / "cache"))
        request.addfinalizer(cache.close)
        return KeyValueStore(cache)
    if place == "sqlalchemy with sqlite":
        return SQLAlchemyStore(f"sqlite:///{directory}/alchemy.db", timeout=PATIENCE_SECONDS)
    if place in _FILE_OBJECTS:
        return KeyValueStore(_FILE_OBJECTS[place](str(directory / "objects")))
    if place == "keyvalue":
        return KeyValueStore({})
    if place == "file":
        return FileStore(directory / "sessions")
    if place == "sqlite":
        return SQLiteStore(directory / "sessions.db", timeout=PATIENCE_SECONDS)
    makers: dict[str, Callable[..., Any]] = {"redis": RedisStore, "Cluster": RedisStore, "memcached": MemcachedStore}
    store: Store = makers.get(place, SQLAlchemyStore)(url_of(place, directory, request), timeout=PATIENCE_SECONDS)
    return store
