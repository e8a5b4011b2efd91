"""Two first requests on a former session, the second at every point between the store operations of the first.

The former cookie comes with every request that is looked at, as a copy would. What holds of two requests on a session
of ours holds of these: they end as one session, no change and no login is lost, and no end is undone. So does what
holds of a store that fails.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from concurrency.actions import KINDS, SAVE, STARTS, Kind
from concurrency.moving import MOVES
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
