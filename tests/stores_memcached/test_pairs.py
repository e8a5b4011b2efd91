"""Two requests on one session over memcached, the second at every point between the operations of the first."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from interleavings.actions import Kind
from interleavings.test_pairs import (
    PAIRS,
    STARTS,
    check_answers,
    check_nobody_is_logged_out,
    check_nothing_acknowledged_is_lost,
    check_the_end_holds,
    check_users_stay_apart,
    runs,
)
from interleavings.world import World
from servers.memcached import Memcached

from sessionware.stores import MemcachedStore


@pytest.fixture
def store(memcached_server: Memcached) -> Iterator[MemcachedStore]:
    """With keys of the test's own, as each has the same users."""
    store = MemcachedStore(memcached_server.url, prefix=f"{secrets.token_hex(8)}:")
    yield store
    store.close()


@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_interleaving_keeps_the_promises(
    first: Kind, second: Kind, user: str | None, store: MemcachedStore
) -> None:
    for outcome in runs(first, second, user, lambda: World(store)):
        check_answers(outcome)
        check_the_end_holds(outcome)
        check_nothing_acknowledged_is_lost(outcome)
        check_nobody_is_logged_out(outcome)
        check_users_stay_apart(outcome)
