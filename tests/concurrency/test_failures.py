"""A store that fails once, before or after each of its operations took effect.

No failure gives a 200 for what was not saved, logs a user out or brings an ended session back, and the same request
works a moment later.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from concurrency.actions import (
    ALTER,
    CLEAR,
    INVALIDATE,
    KINDS,
    READ,
    REGENERATE_SAVE,
    SAVE,
    STARTS,
    Kind,
    beginning,
)
from concurrency.failures import WHEN, check_flashes_after_failure, check_saved, check_still_there, failing
from concurrency.world import ChainWorld, SlowWorld, TokensWorld, World, arrive, points
from support.browser import told

from sessionware import Session

pytestmark = pytest.mark.usefixtures("over_each_store")


@pytest.mark.parametrize("make", [World, SlowWorld, TokensWorld])
@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_failure_of_the_store_is_taken_for_a_success_or_for_a_logout(
    kind: Kind, when: str, user: str | None, make: Callable[[], World]
) -> None:
    for point in range(points(kind, user, make)):
        world, cookie, answer = failing(kind, when, point, user, make)
        final = world.read(arrive(cookie, answer))

        assert answer.status in (200, 503)
        if answer.status == 503:
            # The answer carries what a save() or an end in the same request had made true before.
            assert answer.cookie is None or kind in (REGENERATE_SAVE, CLEAR)
            assert "store_failed switched off" in told(world.events)
        check_saved(kind, answer, final)
        check_flashes_after_failure(kind, answer, world, arrive(cookie, answer))
        check_still_there(kind, user, answer, final)
        world.check_index(cookie, answer.cookie)


@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not READ], ids=lambda kind: kind.name)
def test_after_a_failure_the_same_request_again_is_served(kind: Kind, when: str, user: str | None) -> None:
    for point in range(points(kind, user, World)):
        world, cookie, answer = failing(kind, when, point, user)
        again = world.request(lambda session: kind.run(session, "a"), arrive(cookie, answer))

        # An id that was replaced while the store could not say so is over: that is the 409, not a loss.
        assert again.status in (200, 409)


@pytest.mark.parametrize("when", WHEN)
def test_a_count_whose_save_failed_is_counted_once_at_most(when: str) -> None:
    for kind in (ALTER, SAVE):
        for point in range(points(kind, None, World)):
            world, cookie, answer = failing(kind, when, point, None)

            count = world.read(cookie).seen.get("count", 0)

            assert count in ((1,) if answer.status == 200 else (0, 1))


def test_a_write_is_never_sent_twice() -> None:
    world = World()
    cookie = world.begin(beginning(None))
    world.fails("before", 1)

    answer = world.request(lambda session: ALTER.run(session, "a"), cookie)

    assert answer.status == 503
    assert len(world.store.calls) == 2


def test_a_renewal_that_fails_is_an_event_and_no_error() -> None:
    world = World(idle_timeout=100, refresh_after=10)
    cookie = world.begin(beginning(None))
    world.clock.advance(50)
    world.fails("before", 1)

    answer = world.request(lambda session: dict(session), cookie)

    assert answer.status == 200
    assert told(world.events) == ["loaded", "store_failed switched off"]


@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("kind", [INVALIDATE, CLEAR], ids=lambda kind: kind.name)
def test_an_end_by_a_chain_of_ids_that_fails_is_a_503_and_ends_nothing_halfway(
    kind: Kind, when: str, user: str | None
) -> None:
    for point in range(points(kind, user, ChainWorld)):
        world, cookie, answer = failing(kind, when, point, user, ChainWorld)

        final = world.read(cookie)

        assert answer.status in (200, 503)
        if answer.status == 200:
            assert not final.seen
        elif final.seen:
            assert final.seen["secret of the first"] == (user or "anonymous")
            again = world.first(kind, cookie)
            assert again.status == 200
            assert not world.read(cookie).seen


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_session_whose_time_is_over_is_not_brought_back_by_a_failure(kind: Kind, when: str) -> None:
    """No tab keeps it alive: whatever the store says and fails to say, only a login or a new session remains."""
    for point in range(1, 6):  # the load of the touch is the one before
        world = World(idle_timeout=100)
        cookie = world.begin(beginning(None))
        world.fails(when, point)

        def run(session: Session, world: World = world) -> None:
            world.clock.advance(100)
            kind.run(session, "a")

        answer = world.request(run, cookie)

        assert answer.status in (200, 503)
        assert not world.read(cookie).seen
        final = world.read(answer.cookie)
        assert "secret of the first" not in final.seen
        assert final.user_id == (kind.logs_in_as if answer.status == 200 else None)
