"""The interleavings of two requests over the stores that keep sessions on a disk: a selection, for each is the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from interleavings.actions import (
    ALTER,
    CLEAR,
    EMPTY,
    INVALIDATE,
    LOGIN,
    LOGIN_OTHER,
    OWNER,
    READ,
    REGENERATE_WRITE,
    SAVE,
    WRITE,
    Kind,
)
from interleavings.test_pairs import (
    check_answers,
    check_nobody_is_logged_out,
    check_nothing_acknowledged_is_lost,
    check_the_end_holds,
    check_users_stay_apart,
    points,
    runs,
)
from interleavings.test_three import check_again, check_left, dead
from interleavings.world import World

from sessionware.stores import FileStore, KeyValueStore, SQLiteStore, Store

FIRSTS = (WRITE, SAVE, REGENERATE_WRITE, LOGIN_OTHER, CLEAR)
SECONDS = (WRITE, ALTER, LOGIN, REGENERATE_WRITE, INVALIDATE, EMPTY, READ)
PAIRS = [pytest.param(first, second, id=f"{first.name} x {second.name}") for first in FIRSTS for second in SECONDS]
STORES: dict[str, Callable[[Path], Store]] = {
    "file": lambda directory: FileStore(directory / "sessions"),
    "sqlite": lambda directory: SQLiteStore(directory / "sessions.db"),
    "keyvalue": lambda directory: KeyValueStore({}),
}


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = STORES[request.param](tmp_path_factory.mktemp(request.param))
    yield store
    if isinstance(store, SQLiteStore):
        store.close()


@pytest.fixture(autouse=True)
def _no_flush(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a file reaches the disk is tested with the store; here it would be most of the time."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_interleaving_keeps_the_promises_on_a_disk(first: Kind, second: Kind, store: Store) -> None:
    for outcome in runs(first, second, OWNER, lambda: World(store)):
        check_answers(outcome)
        check_the_end_holds(outcome)
        check_nothing_acknowledged_is_lost(outcome)
        check_nobody_is_logged_out(outcome)
        check_users_stay_apart(outcome)


@pytest.mark.parametrize("when", ["dies_before", "dies_after"])
@pytest.mark.parametrize("kind", [SAVE, REGENERATE_WRITE, LOGIN_OTHER, CLEAR], ids=lambda kind: kind.name)
def test_a_worker_that_dies_leaves_a_session_that_works_or_has_ended_on_a_disk(
    kind: Kind, when: str, store: Store
) -> None:
    for point in range(points(kind, OWNER, lambda: World(store))):
        world, cookie = dead(kind, OWNER, when, point, store)

        left = world.read(cookie)

        check_left(kind, OWNER, left)
        check_again(kind, OWNER, world, cookie, left)
