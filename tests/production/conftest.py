"""The servers of these tests, and a store in each place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from production.places import StoreMaker, store_in
from servers.mariadb import mariadb
from servers.memcached import memcached_server
from servers.postgresql import postgresql
from servers.redis import redis_server

from sessionware.stores import Store
from sessionware.stores.base import Closable

__all__ = ["mariadb", "memcached_server", "postgresql", "redis_server"]


@pytest.fixture
def make_store(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StoreMaker]:
    """Makes stores that share what they keep, and are closed at the end."""
    made: list[Store] = []

    def make() -> Store:
        made.append(store_in(place, tmp_path, request))
        return made[-1]

    yield make
    for store in made:
        if isinstance(store, Closable):
            store.close()
