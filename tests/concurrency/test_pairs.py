"""Two requests on one session, the second at every point between the store operations of the first.

This holds for every pair of actions, every point, every order in which the answers may come in, and for an anonymous
and a signed-in session: no acknowledged change is lost, no ended session comes back, no user is logged out without
having asked for it, and no user sees the data of another.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from concurrency.actions import (
    ALTER,
    CLEAR,
    EMPTY,
    INVALIDATE,
    KINDS,
    LOGIN,
    LOGIN_OTHER,
    OWNER,
    READ,
    REMEMBER,
    STARTS,
    Kind,
)  # fmt: skip
from concurrency.pairs import (
    PAIRS,
    check_all,
    check_answers,
    check_flashes_and_tokens,
    check_nobody_is_logged_out,
    check_nothing_acknowledged_is_lost,
    check_the_end_holds,
    check_users_stay_apart,
    runs,
)
from concurrency.world import ChainWorld, LoginWorld, SlowWorld, TokensWorld, World, arrive

from sessionware import Session

pytestmark = pytest.mark.usefixtures("over_each_store")


@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_every_interleaving_keeps_the_promises(first: Kind, second: Kind, user: str | None) -> None:
    for outcome in runs(first, second, user):
        check_answers(outcome)
        check_the_end_holds(outcome)
        check_nothing_acknowledged_is_lost(outcome)
        check_nobody_is_logged_out(outcome)
        check_users_stay_apart(outcome)
        check_flashes_and_tokens(outcome)
        outcome.world.check_index(outcome.cookie, outcome.a.cookie, outcome.b.cookie)


@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize("second", KINDS, ids=lambda kind: kind.name)
def test_a_renewal_loses_nothing_and_brings_nothing_back(second: Kind, user: str | None) -> None:
    def stale_world() -> World:
        world = World(idle_timeout=100, refresh_after=10)
        begin = world.begin

        def begin_and_wait(action: Callable[[Session], object]) -> str:
            cookie = begin(action)
            world.clock.advance(50)
            return cookie

        world.begin = begin_and_wait  # type: ignore[method-assign]
        return world

    for outcome in runs(READ, second, user, stale_world):
        check_answers(outcome)
        check_the_end_holds(outcome)
        check_nothing_acknowledged_is_lost(outcome)
        check_nobody_is_logged_out(outcome)
        check_flashes_and_tokens(outcome)
        assert outcome.a.cookie is None


@pytest.mark.parametrize("user", STARTS)
def test_two_counts_are_two_at_every_point(user: str | None) -> None:
    for outcome in runs(ALTER, ALTER, user):
        assert {outcome.a.status, outcome.b.status} == {200}
        assert outcome.world.read(outcome.cookie).seen["count"] == 2


@pytest.mark.parametrize("ender", [INVALIDATE, CLEAR], ids=lambda kind: kind.name)
@pytest.mark.parametrize("other", [LOGIN, LOGIN_OTHER, REMEMBER], ids=lambda kind: kind.name)
def test_an_end_beside_it_never_deletes_the_cookie_of_a_login(ender: Kind, other: Kind) -> None:
    for outcome in runs(ender, other, None):
        if other.logs_in_as and outcome.b.cookie:
            assert outcome.world.read(outcome.b.cookie).user_id == other.logs_in_as, outcome


# A copy whose time is over, several tokens, and a chain of former ids.


@pytest.mark.parametrize("make", [SlowWorld])
@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_request_that_outlasts_the_idle_timeout_keeps_the_promises(
    first: Kind, second: Kind, user: str | None, make: Callable[[], World]
) -> None:
    """Another tab keeps the session alive, and the second request comes when the first one's copy is over."""
    for outcome in runs(first, second, user, make, start=1):
        check_all(outcome)


@pytest.mark.parametrize("make", [TokensWorld])
@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_request_with_a_former_id_before_its_own_keeps_the_promises(
    first: Kind, second: Kind, user: str | None, make: Callable[[], World]
) -> None:
    for outcome in runs(first, second, user, make):
        check_users_stay_apart(outcome)
        check_the_end_holds(outcome)
        if "rejected superseded" not in outcome.names and outcome.a.status == outcome.b.status == 200:
            check_nobody_is_logged_out(outcome)
            check_nothing_acknowledged_is_lost(outcome)
            check_flashes_and_tokens(outcome)


@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize("second", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("ender", [INVALIDATE, CLEAR], ids=lambda kind: kind.name)
def test_an_end_by_the_first_of_a_chain_of_ids_holds(ender: Kind, second: Kind, user: str | None) -> None:
    for outcome in runs(ender, second, user, ChainWorld):
        check_the_end_holds(outcome)
        check_users_stay_apart(outcome)
        assert outcome.a.status == 200, outcome


@pytest.mark.parametrize("make", [LoginWorld])
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_users_session_beside_cookies_of_visitors_keeps_the_promises(
    first: Kind, second: Kind, make: Callable[[], World]
) -> None:
    for outcome in runs(first, second, OWNER, make):
        check_users_stay_apart(outcome)
        check_the_end_holds(outcome)
        check_nobody_is_logged_out(outcome)
        check_nothing_acknowledged_is_lost(outcome)
        check_flashes_and_tokens(outcome)


@pytest.mark.parametrize("make", [ChainWorld])
@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_whatever_comes_by_the_first_of_a_chain_of_ids_loses_nothing_of_the_last(
    first: Kind, second: Kind, user: str | None, make: Callable[[], World]
) -> None:
    for outcome in runs(first, second, user, make):
        check_users_stay_apart(outcome)
        if first.ends or outcome.b.status != 200 or second.ends or second is EMPTY or outcome.is_over_another(second):
            continue
        final = outcome.world.read(arrive(outcome.cookie, outcome.b))
        assert final.seen["secret of the first"] == (user or "anonymous"), outcome
        if second.writes:
            assert final.seen["by-b"] == "b", outcome
