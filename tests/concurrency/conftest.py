"""The same tests over every store: a part of them, another one by each Python, or with SESSIONWARE_SOAK all."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from concurrency import world
from support.places import IS_SOAK, store_in

from sessionware.stores.contract import Closable

HERE = Path(__file__).parent
MEMORY = "memory"
OTHERS = ("file", "sqlite", "keyvalue", "redis", "Cluster", "memcached", "postgresql", "mariadb")
#: One test in so many is run; a hash of its name decides, so each test is run over some store besides memory.
PART = 1 if IS_SOAK else 64
#: The same over memory.
PART_OF_MEMORY = 1 if IS_SOAK else 8
#: The same for a world that is no plain one: over memory, and over the other stores, which differ in nothing that
#: such a world asks for.
PART_OF_OTHER_WORLDS = 1 if IS_SOAK else 32
PART_OF_OTHER_WORLDS_ELSEWHERE = 8 if IS_SOAK else 128


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not in this run's part; pytest counts it as deselected. It gives all tests, of every folder."""
    left_out = [item for item in items if not _is_in_part(item)]
    items[:] = [item for item in items if _is_in_part(item)]
    config.hook.pytest_deselected(items=left_out)


def _is_in_part(item: pytest.Item) -> bool:
    if HERE not in item.path.parents:
        return True
    is_plain = _param(item, "make", world.World) is world.World
    if _store_of(item) == MEMORY:
        part = PART_OF_MEMORY if is_plain else PART_OF_OTHER_WORLDS
    else:
        part = PART if is_plain else PART_OF_OTHER_WORLDS_ELSEWHERE
    # Continuous integration runs them by two versions of Python, and each draws others.
    return zlib.crc32(item.nodeid.encode()) % part == sys.version_info.minor % part


def _store_of(item: pytest.Item) -> str:
    return str(_param(item, "over_each_store", MEMORY))


def _param(item: pytest.Item, name: str, default: object) -> object:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(name, default) if callspec else default


@pytest.fixture(scope="module", params=(MEMORY, *OTHERS))
def over_each_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """All worlds of the test are over one store of this kind."""
    if request.param == MEMORY:
        yield
        return
    store = store_in(request.param, tmp_path_factory.mktemp("store"), request)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "make_store", lambda clock: store)
        # That a file reaches the disk is tested with the store. Here it would take most of the time.
        patch.setattr("os.fsync", lambda descriptor: None)
        yield
    if isinstance(store, Closable):
        store.close()
