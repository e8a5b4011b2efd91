"""Two requests on one session in Redis, the second at every point between the store operations of the first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from interleavings.actions import (
    ALTER,
    CLEAR,
    EMPTY,
    INVALIDATE,
    LOGIN,
    LOGIN_OTHER,
    NESTED,
    OWNER,
    REGENERATE_WRITE,
    WRITE,
    Kind,
)  # fmt: skip
from interleavings.test_pairs import (
    check_answers,
    check_nobody_is_logged_out,
    check_nothing_acknowledged_is_lost,
    check_the_end_holds,
    check_users_stay_apart,
    runs,
)
from interleavings.world import World
from servers.redis import RedisCluster, RedisServer

from sessionware.stores import RedisStore

KINDS = (WRITE, ALTER, NESTED, LOGIN, LOGIN_OTHER, REGENERATE_WRITE, INVALIDATE, CLEAR, EMPTY)
PAIRS = [pytest.param(first, second, id=f"{first.name} x {second.name}") for first in KINDS for second in KINDS]
FEW = (ALTER, LOGIN, INVALIDATE)


@pytest.fixture(scope="module")
def store(redis_server: RedisServer) -> Iterator[RedisStore]:
    store = RedisStore(redis_server.url, timeout=5)
    yield store
    store.close()


def check(first: Kind, second: Kind, user: str | None, store: RedisStore) -> None:
    for outcome in runs(first, second, user, lambda: World(store)):
        check_answers(outcome)
        check_the_end_holds(outcome)
        check_nothing_acknowledged_is_lost(outcome)
        check_nobody_is_logged_out(outcome)
        check_users_stay_apart(outcome)


@pytest.mark.parametrize("user", [None, OWNER])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_interleaving_keeps_the_promises(first: Kind, second: Kind, user: str | None, store: RedisStore) -> None:
    check(first, second, user, store)


def test_a_cluster_keeps_them_too(redis_cluster: RedisCluster) -> None:
    store = RedisStore(redis_cluster.url, timeout=5)

    for first in FEW:
        for second in FEW:
            check(first, second, OWNER, store)
    store.close()
