"""Two first requests on a former session, the second at every point between the store operations of the first.

The former cookie comes with every request that is looked at, as a copy would. What holds of two requests on a session
of ours holds of these: they end as one session, no change and no login is lost, and no end is undone. So does what
holds of a store that fails.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from concurrency.actions import (
    CONFIRM,
    EMPTY,
    INVALIDATE,
    KINDS,
    LOGIN,
    LOGIN_OTHER,
    READ,
    REGENERATE,
    SAVE,
    STARTS,
    WRITE,
    Kind,
    beginning,
)
from concurrency.moving import MOVES, MovingWorld
from concurrency.test_failures import (
    WHEN,
    check_saved,
    check_still_there,
    failing,
)
from concurrency.test_failures import (
    check_flashes_and_tokens as check_flashes_after_failure,
)
from concurrency.test_pairs import (
    PAIRS,
    check_answers,
    check_flashes_and_tokens,
    check_nobody_is_logged_out,
    check_nothing_acknowledged_is_lost,
    check_the_end_holds,
    check_users_stay_apart,
    runs,
)
from concurrency.world import World, arrive, points
from support.actions import put
from support.browser import Answer

pytestmark = pytest.mark.usefixtures("over_each_store")


@pytest.mark.parametrize("make", MOVES)
@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_interleaving_of_two_take_overs_keeps_the_promises(
    first: Kind, second: Kind, user: str | None, make: Callable[[], World]
) -> None:
    for outcome in runs(first, second, user, make):
        if first is not SAVE:  # whose save() has sent a cookie before another request gave the session its new id
            check_answers(outcome)
        check_the_end_holds(outcome)
        check_nothing_acknowledged_is_lost(outcome)
        check_nobody_is_logged_out(outcome)
        check_users_stay_apart(outcome)
        if not (outcome.a.cookie and outcome.b.cookie):
            # Each of two answers with a cookie opens what both requests have done.
            check_flashes_and_tokens(outcome)
        outcome.world.check_index(outcome.cookie, outcome.a.cookie, outcome.b.cookie)


@pytest.mark.parametrize("make", MOVES)
@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_failure_in_a_take_over_is_taken_for_a_success_or_for_a_logout(
    kind: Kind, when: str, user: str | None, make: Callable[[], World]
) -> None:
    for point in range(points(kind, user, make)):
        world, cookie, answer = failing(kind, when, point, user, make)
        final = world.read(arrive(cookie, answer))

        assert answer.status in (200, 503)
        check_saved(kind, answer, final)
        check_flashes_after_failure(kind, answer, world, arrive(cookie, answer))
        check_still_there(kind, user, answer, final)
        world.check_index(cookie, answer.cookie)


#: What an old worker may be asked, beside a new one.
AT_AN_OLD_WORKER = (READ, WRITE, LOGIN, LOGIN_OTHER, REGENERATE, CONFIRM, INVALIDATE)


@pytest.mark.parametrize("make", MOVES)
@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize("second", AT_AN_OLD_WORKER, ids=lambda kind: kind.name)
@pytest.mark.parametrize("first", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("is_taken", [False, True], ids=["not taken over yet", "taken over before"])
def test_a_request_to_an_old_worker_at_every_point_undoes_nothing_and_is_not_undone(
    first: Kind, second: Kind, user: str | None, make: Callable[[], MovingWorld], *, is_taken: bool
) -> None:
    for world, answer, final in _beside_an_old_worker(first, second, user, make, is_taken=is_taken):
        assert answer.status in (200, 409)
        has_ended = (first.ends or (first is EMPTY and user is None)) and answer.status == 200
        is_new_cookie = not world.is_former_stored and second in (REGENERATE, CONFIRM)
        if first.logs_in_as:
            continue  # at once with what an old worker does: the cookies that come last hold
        if second.ends and user is not None:
            assert final.user_id is None
        elif second.logs_in_as and not has_ended:
            assert final.user_id == second.logs_in_as
        elif has_ended and not second.logs_in_as and not is_new_cookie:
            assert final.user_id is None
        elif second in (READ, WRITE, REGENERATE) and not has_ended and answer.status == 200:
            assert final.user_id == user
            assert final.seen.get("by-a") == ("a" if first.writes else None)


def _beside_an_old_worker(
    first: Kind, second: Kind, user: str | None, make: Callable[[], MovingWorld], *, is_taken: bool
) -> Iterator[tuple[MovingWorld, Answer, Answer]]:
    """The site, the answer of the first request, and what a later one sees, for each point; the last is after it."""
    for point in itertools.count():
        world = make()
        world.begin(beginning(user))
        cookie = world.request(put(before=1)).cookie if is_taken else None
        world.store.reset()
        world.store.before[point].append(partial(world.ask_old_worker, second))
        answer = world.first(first, cookie)
        is_last = bool(world.store.before[point])
        if is_last:
            world.ask_old_worker(second)
        yield world, answer, world.read(arrive(cookie, answer))
        if is_last:
            return
