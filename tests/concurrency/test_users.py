"""A list, a revocation or a limit of a user's sessions, at every point between the operations of a request.

A login that races ``revoke_user`` is revoked, or has not yet begun. What is to be kept is kept, whatever id it is given
meanwhile. A listing changes nothing, and has each session once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from concurrency.actions import EMPTY, KINDS, LOGIN, LOGIN_OTHER, OTHER, OWNER, STARTS, Kind, beginning
from concurrency.world import WorkerDied, World, arrive
from hypothesis import given, settings
from hypothesis import strategies as st
from support.browser import Answer, told
from support.places import IS_SOAK

from sessionware import StoreUnavailable

pytestmark = pytest.mark.usefixtures("over_each_store")


@dataclass(frozen=True)
class Call:
    """A call of the manager, which is told the id that the session had at the beginning."""

    name: str
    run: Callable[[World, str], Any]


LIST = Call("list", lambda world, session_id: world.manager.sessions_of(OWNER))
REVOKE = Call("revoke", lambda world, session_id: world.manager.revoke(session_id))
REVOKE_USER = Call("revoke the user", lambda world, session_id: world.manager.revoke_user(OWNER))
REVOKE_OTHER = Call("revoke another user", lambda world, session_id: world.manager.revoke_user(OTHER))
KEEP = Call("revoke all others", lambda world, session_id: world.manager.revoke_user(OWNER, keep=session_id))

CALLS = (LIST, REVOKE, REVOKE_USER, REVOKE_OTHER, KEEP)
every_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
every_start = pytest.mark.parametrize("user", STARTS)
WHEN = ["before", "after"]
#: No request and no call makes as many operations.
MANY = 60


@dataclass
class Run:
    """A request and a call on one world, beside another session of the owner's, which sends nothing."""

    world: World
    user: str | None
    cookie: str
    session_id: str
    other: str
    answer: Answer | None = None
    results: list[Any] = field(default_factory=list)
    #: Whether the request was answered before the call began.
    is_call_last: bool = False

    @property
    def cookies(self) -> list[str]:
        new = self.answer.cookie if self.answer is not None else None
        return [self.cookie, *([new] if new else [])]

    def users(self) -> list[str | int | None]:
        return [self.world.read(cookie).user_id for cookie in self.cookies]

    def request(self, kind: Kind) -> None:
        self.answer = self.world.vanish(lambda session: kind.run(session, "a"), self.cookie)

    def ask(self, call: Call) -> None:
        self.results.append(call.run(self.world, self.session_id))


def start(user: str | None, **options: Any) -> Run:
    world = World(**options)
    other = world.begin(lambda session: session.login(OWNER, label="other"))
    cookie = world.begin(beginning(user))
    session_id = world.opens(cookie)[1]
    assert session_id
    world.events.clear()
    world.store.reset()
    return Run(world, user, cookie, session_id, other)


def interleaved(user: str | None, first: Callable[[Run], None], second: Callable[[Run], None]) -> Iterator[Run]:
    """*second* before each operation of *first*, and at last after it."""
    for point in range(MANY):
        run = start(user)
        happened: list[int] = []

        def happen(run: Run = run, happened: list[int] = happened) -> None:
            happened.append(1)
            with run.world.store.aside():
                second(run)

        run.world.store.before[point].append(happen)
        first(run)
        if not happened:
            run.world.store.reset()
            run.is_call_last = True
            second(run)
        is_last = run.is_call_last
        yield run
        if is_last:
            return
    raise AssertionError("a first that never ends")


def check(kind: Kind, call: Call, run: Run) -> None:
    check_answer(run)
    check_revoked(kind, call, run)
    check_kept(kind, call, run)
    check_the_other(call, run)
    check_index(run)


def check_answer(run: Run) -> None:
    answer = run.answer
    assert answer is not None
    assert answer.status in (200, 409), run
    if answer.status == 409:
        assert "rejected superseded" in told(run.world.events), run


def check_revoked(kind: Kind, call: Call, run: Run) -> None:
    """No session of the revoked user is left but one whose login comes after the revocation."""
    if call is REVOKE_USER:
        may_live = kind.logs_in_as == OWNER and not run.is_call_last
        assert may_live or OWNER not in run.users(), run
    elif call is REVOKE_OTHER:
        may_live = kind.logs_in_as == OTHER and not run.is_call_last
        assert may_live or OTHER not in run.users(), run
    elif call is REVOKE and run.results == [True]:
        assert run.world.read(run.cookie).has_no_session, run
        if kind.logs_in_as is None:
            assert all("secret of the first" not in run.world.read(cookie).seen for cookie in run.cookies), run


def check_kept(kind: Kind, call: Call, run: Run) -> None:
    """What was to be kept, and what no call was about, is the browser's session afterwards."""
    is_spared = call in (LIST, KEEP) or (call is REVOKE_OTHER and kind is not LOGIN_OTHER)
    is_spared = is_spared or (call is REVOKE_USER and run.user is None and kind is not LOGIN)
    if not is_spared or kind.ends or kind is EMPTY:
        return
    assert run.answer is not None
    final = run.world.read(arrive(run.cookie, run.answer))
    assert final.user_id == (kind.logs_in_as or run.user), run
    if kind.writes:
        assert final.seen["by-a"] == "a", run
    if run.user is None or kind is not LOGIN_OTHER:
        assert final.seen["secret of the first"] == (run.user or "anonymous"), run


def check_the_other(call: Call, run: Run) -> None:
    """The owner's other session ends by what is meant for it, and by nothing else."""
    is_over = call in (REVOKE_USER, KEEP)
    assert (run.world.read(run.other).user_id is None) == is_over, run


def check_index(run: Run) -> None:
    """Each session of a user that a browser can write to is in the list, and nothing else is."""
    world = run.world
    writable = {world.writable_id(cookie) for cookie in (*run.cookies, run.other)} - {None}
    listed = [info.id for user in (OWNER, OTHER) for info in world.manager.sessions_of(user)]
    assert set(listed) == writable, run
    assert len(listed) == len(writable), run


@every_start
@every_call
@every_kind
def test_a_call_at_every_point_of_a_request_keeps_the_promises(kind: Kind, call: Call, user: str | None) -> None:
    for run in interleaved(user, lambda run: run.request(kind), lambda run: run.ask(call)):
        check(kind, call, run)


@every_start
@every_call
@every_kind
def test_a_request_at_every_point_of_a_call_keeps_the_promises(kind: Kind, call: Call, user: str | None) -> None:
    for run in interleaved(user, lambda run: run.ask(call), lambda run: run.request(kind)):
        # Here the request is what comes at last.
        run.is_call_last = False
        check(kind, call, run)


@every_kind
def test_a_listing_at_any_point_has_a_session_once(kind: Kind) -> None:
    if kind.ends or kind is LOGIN_OTHER:
        return
    for run in interleaved(OWNER, lambda run: run.request(kind), lambda run: run.ask(LIST)):
        assert len(run.results[0]) == 2, run


@every_start
@pytest.mark.parametrize("second", CALLS, ids=lambda call: call.name)
@pytest.mark.parametrize("first", CALLS, ids=lambda call: call.name)
def test_two_calls_at_once_do_what_each_does_alone(first: Call, second: Call, user: str | None) -> None:
    for run in interleaved(user, lambda run: run.ask(first), lambda run: run.ask(second)):
        is_over = REVOKE in (first, second) or (REVOKE_USER in (first, second) and user is not None)
        assert run.world.read(run.cookie).has_no_session == is_over, run
        is_other_over = {first, second} & {REVOKE_USER, KEEP}
        assert run.world.read(run.other).has_no_session == bool(is_other_over), run
        check_index(run)


@every_start
def test_a_session_is_revoked_once_by_two_calls(user: str | None) -> None:
    for run in interleaved(user, lambda run: run.ask(REVOKE), lambda run: run.ask(REVOKE)):
        assert sorted(run.results) == [False, True], run
        assert told(run.world.events).count("revoked") == 1


# Failures, and workers that die.


@every_start
@pytest.mark.parametrize("when", WHEN)
@every_call
def test_a_call_that_fails_does_all_of_its_work_when_it_is_called_again(
    call: Call, when: str, user: str | None
) -> None:
    for point in range(MANY):
        run = start(user)
        run.world.fails(when, point)
        try:
            run.ask(call)
        except StoreUnavailable:
            pass
        else:
            if len(run.world.store.calls) <= point:
                return
        run.world.store.reset()

        run.ask(call)

        check_after_a_failed_call(call, run)
    raise AssertionError("a call that never ends")


@every_start
@pytest.mark.parametrize("when", WHEN)
@every_call
def test_a_call_whose_worker_dies_does_all_of_its_work_when_it_is_called_again(
    call: Call, when: str, user: str | None
) -> None:
    for point in range(MANY):
        run = start(user)
        run.world.dies(when, point)
        try:
            run.ask(call)
        except WorkerDied:
            pass
        else:
            return
        run.world.store.reset()

        run.ask(call)

        check_after_a_failed_call(call, run)
    raise AssertionError("a call that never ends")


def check_after_a_failed_call(call: Call, run: Run) -> None:
    is_over = call is REVOKE or (call is REVOKE_USER and run.user is not None)
    assert run.world.read(run.cookie).has_no_session == is_over, run
    check_the_other(call, run)
    check_index(run)


@every_start
@pytest.mark.parametrize("when", WHEN)
@every_kind
def test_after_a_request_that_failed_or_died_every_session_can_be_revoked(
    kind: Kind, when: str, user: str | None
) -> None:
    """What a browser holds then is in the index, and a revocation leaves nothing there."""
    for happening in (World.fails, World.dies):
        for point in range(15):
            run = start(user)
            happening(run.world, when, point)
            run.request(kind)
            run.world.store.reset()
            run.world.check_index(*run.cookies)

            run.world.manager.revoke_user(OWNER)
            run.world.manager.revoke_user(OTHER)

            assert set(run.users()) == {None}, run
            assert not any(run.world.manager.sessions_of(name) for name in (OWNER, OTHER)), run


# The limit.


def log_in_beside(run: Run) -> None:
    """The same user signs in with another browser."""
    run.other = run.world.request(lambda session: session.login(OWNER)).cookie or ""


@every_start
@pytest.mark.parametrize("limit", [1, 2])
def test_of_two_logins_at_once_the_limit_leaves_as_many_as_it_says(limit: int, user: str | None) -> None:
    for point in range(MANY):
        run = start(user, max_sessions_per_user=limit)
        others = [run.other]
        happened: list[int] = []

        def happen(run: Run = run, happened: list[int] = happened) -> None:
            happened.append(1)
            with run.world.store.aside():
                log_in_beside(run)

        run.world.store.before[point].append(happen)
        run.request(LOGIN)
        is_last = not happened
        if is_last:
            happen()

        alive = [run.world.writable_id(cookie) for cookie in (*run.cookies, run.other, *others)]
        assert len(set(alive) - {None}) == limit, run
        assert {info.id for info in run.world.manager.sessions_of(OWNER)} == set(alive) - {None}, run
        if is_last:
            return
    raise AssertionError("a login that never ends")


@every_start
@pytest.mark.parametrize("when", WHEN)
def test_a_login_that_fails_at_the_limit_can_be_done_again(when: str, user: str | None) -> None:
    for happening in (World.fails, World.dies):
        for point in range(30):
            run = start(user, max_sessions_per_user=1)
            happening(run.world, when, point)
            run.request(LOGIN)
            cookie = arrive(run.cookie, run.answer or Answer())

            again = run.world.request(lambda session: LOGIN.run(session, "a"), cookie)

            assert again.status == 200, run
            assert run.world.read(again.cookie).user_id == OWNER, run
            # What a worker left behind as it died counts as a session, which the next login ends.
            last = run.world.request(lambda session: LOGIN.run(session, "a"), again.cookie)
            assert [info.id for info in run.world.manager.sessions_of(OWNER)] == [run.world.writable_id(last.cookie)]


# Any number of them.


POINTS = st.integers(0, 40)
HAPPENINGS = st.lists(st.tuples(POINTS, st.sampled_from([*KINDS, *CALLS])), max_size=4)
THOROUGH = 8 if IS_SOAK else 1


@settings(max_examples=200 * THOROUGH)
@given(first=st.sampled_from(KINDS), user=st.sampled_from([None, OWNER]), happenings=HAPPENINGS)
def test_whatever_happens_at_once_each_session_is_in_the_index(
    first: Kind, user: str | None, happenings: list[tuple[int, Kind | Call]]
) -> None:
    run = start(user)
    cookies = [run.cookie, run.other]

    def happen(what: Kind | Call, me: str) -> None:
        if isinstance(what, Call):
            run.ask(what)
            return
        answer = run.world.request(lambda session: what.run(session, me), run.cookie)
        assert answer.status in (200, 409)
        cookies.extend([answer.cookie] if answer.cookie else [])

    for number, (point, what) in enumerate(happenings):
        run.world.store.before[point].append(partial(happen, what, f"b{number}"))
    happen(first, "a")
    run.world.store.reset()

    writable = {run.world.writable_id(cookie) for cookie in cookies} - {None}
    listed = {info.id for name in (OWNER, OTHER) for info in run.world.manager.sessions_of(name)}
    assert writable == listed
    assert run.world.manager.revoke_user(OWNER) + run.world.manager.revoke_user(OTHER) == len(listed)
    assert {run.world.read(cookie).user_id for cookie in cookies} == {None}
