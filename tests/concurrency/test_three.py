"""Three requests on one session, wherever each of them meets the others, and workers that die on the way.

What two requests promise each other (in ``test_pairs``) is promised by any number. With three, a session may be changed
by one, get a new id by another, and be logged in by a third that knows of neither. So it must be said which session
holds which change:

* One change of id at most makes the old id point to the new one. Its answer is the *heir*: it holds whatever was
  acknowledged under the old id, before or after.
* A login that came too late for that stands all the same, as a session of its own, with its own changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import permutations

import pytest
from concurrency.actions import (
    CLEAR,
    DROP,
    EMPTY,
    INVALIDATE,
    KINDS,
    LOGIN,
    LOGIN_OTHER,
    NESTED,
    OTHER,
    OWNER,
    READ,
    STARTS,
    WRITE_SAME,
    Kind,
    beginning,
)
from concurrency.world import World, arrive, points
from hypothesis import given, settings
from hypothesis import strategies as st
from support.browser import Answer, told
from support.places import IS_SOAK

from sessionware import Session

pytestmark = pytest.mark.usefixtures("over_each_store")

SECRET_KEY = "secret of the first"
#: No request makes as many operations as three of them meet here.
POINTS = st.integers(0, 30)
TRIPLES = st.tuples(*[st.sampled_from(KINDS)] * 3)
GRACE_SECONDS = 10
USERS = st.sampled_from([None, OWNER])
THOROUGH = 8 if IS_SOAK else 1


@dataclass
class Request:
    """One of the three, with its answer."""

    kind: Kind
    me: str
    answer: Answer = field(default_factory=Answer)

    @property
    def is_saved(self) -> bool:
        return self.answer.status == 200


@dataclass
class Run:
    """Three requests that were sent with one cookie, the second and the third at some point of the others."""

    world: World
    user: str | None
    cookie: str
    requests: list[Request]
    names: list[str] = field(default_factory=list)

    def saved(self, *kinds: Kind) -> list[Request]:
        return [request for request in self.requests if request.is_saved and request.kind in kinds]

    @property
    def carriers(self) -> list[Request]:
        return [request for request in self.requests if request.answer.cookie]

    @property
    def is_ended(self) -> bool:
        return bool(self.saved(INVALIDATE, CLEAR))

    def is_over_another(self, request: Request) -> bool:
        return self.user is not None and request.kind.logs_in_as not in (None, self.user)

    @property
    def goes_on(self) -> bool:
        """Whether no request has asked for an end of the session that all began with."""
        if self.saved(INVALIDATE, CLEAR, EMPTY):
            return False
        return not any(self.is_over_another(request) and request.is_saved for request in self.requests)

    @property
    def has_latecomers(self) -> bool:
        """Whether a request found nothing under the id that it was sent with, so that it may begin a session."""
        return any(name.startswith("rejected") and name != "rejected superseded" for name in self.names)

    def may_take_along(self, request: Request) -> bool:
        """Whether *request* has begun a session of its own with what the old id read, which no end reaches.

        A login does so over an anonymous session, and over the user's own if another had already replaced its id.
        """
        others = [other for other in self.requests if other is not request and other.kind.rotates]
        return request.kind.logs_in_as is not None and (self.user is None or bool(others))

    def heir(self) -> Request | None:
        """The request whose session is what the old id has become."""
        became = {event.session_id for event in self.world.events if event.name == "regenerated"}
        heirs = [request for request in self.carriers if self.world.opens(request.answer.cookie)[1] in became]
        assert len(heirs) <= 1, self
        return heirs[0] if heirs else None


def acting(kind: Kind, me: str) -> Callable[[Session], object]:
    return lambda session: kind.run(session, me)


def beginning_of_three(user: str | None) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        beginning(user)(session)
        session["box-c"] = []

    return run


def run_three(
    kinds: tuple[Kind, Kind, Kind],
    user: str | None,
    at: tuple[int, int],
    world: World | None = None,
    *,
    grace_ends_at: int | None = None,
) -> Run:
    """The first request, the second and the third before those operations of any of them, or at the end."""
    world = World() if world is None else world
    run = Run(world, user, world.begin(beginning_of_three(user)), [])
    first, *others = run.requests = [Request(kind, me) for kind, me in zip(kinds, "abc", strict=True)]
    waiting = list(zip(at, others, strict=True))

    def send(request: Request) -> None:
        request.answer = world.request(acting(request.kind, request.me), run.cookie)

    def arrive_at(point: int) -> None:
        if point == grace_ends_at:
            world.clock.advance(GRACE_SECONDS)
        while due := [pair for pair in waiting if pair[0] == point]:
            waiting.remove(due[0])
            send(due[0][1])

    points = sorted({*at} if grace_ends_at is None else {*at, grace_ends_at})
    for point in points:
        world.store.before[point].append(partial(arrive_at, point))
    send(first)
    for point in points:
        if point in world.store.before:
            arrive_at(point)
    run.names = told(world.events)
    return run


def check_answers(run: Run) -> None:
    for request in run.requests:
        answer = request.answer
        assert answer.status in (200, 409), run
        if answer.status == 409:
            assert answer.cookie is None, run
            assert "rejected superseded" in run.names, run
            assert any(other.kind.rotates for other in run.requests if other is not request), run
        if answer.cookie == "":
            assert request.kind in (INVALIDATE, CLEAR, EMPTY), run
        if answer.cookie:
            assert request.kind.rotates or request.kind is CLEAR or run.has_latecomers, run
            assert request.kind is not READ, run
        if request.kind.logs_in_as:
            assert answer.status == 200, run
            assert answer.cookie, run


def check_deletions(run: Run) -> None:
    """Only an answer that ended a session itself deletes its cookie: another may be that of a login."""
    for kinds, event in (((INVALIDATE, CLEAR), "ended invalidated"), ((EMPTY,), "ended emptied")):
        deletions = [request for request in run.saved(*kinds) if request.answer.cookie == ""]
        assert len(deletions) <= run.names.count(event), run


def check_the_end_holds(run: Run) -> None:
    """An acknowledged end holds for the old cookie and all that came of it, but for logins that stand by themselves."""
    if run.is_ended:
        assert not run.world.read(run.cookie).seen, run
        for request in run.carriers:
            if not run.may_take_along(request):
                assert SECRET_KEY not in run.world.read(request.answer.cookie).seen, run
    ended = {event.session_id for event in run.world.events if event.name == "ended"}
    for cookie in (run.cookie, *(request.answer.cookie for request in run.carriers)):
        assert run.world.opens(cookie)[1] not in ended, run


def check_logins_stand(run: Run) -> None:
    for request in run.requests:
        if not request.kind.logs_in_as:
            continue
        final = run.world.read(request.answer.cookie)
        if not final.seen and run.is_ended and run.user == request.kind.logs_in_as:
            continue  # a logout ends what the session of the same user has become
        assert final.user_id == request.kind.logs_in_as, run
        assert final.seen[f"by-{request.me}"] == request.me, run


def check_users_stay_apart(run: Run) -> None:
    for cookie in (run.cookie, *(request.answer.cookie for request in run.carriers)):
        final = run.world.read(cookie)
        strangers = [request for request in run.requests if request.kind.logs_in_as not in (None, final.user_id)]
        assert all(f"by-{request.me}" not in final.seen for request in strangers), run
        if run.user is not None and final.user_id != run.user:
            assert {SECRET_KEY, "box-a", "box-b", "box-c"}.isdisjoint(final.seen), run
            owners = {request.me for request in run.requests if request.answer.cookie == cookie}
            assert {value for key, value in final.seen.items() if key != "count"} <= owners, run
    for request in run.requests:
        if run.is_over_another(request) and request.is_saved:
            assert set(request.answer.seen) == {f"by-{request.me}"}, run


def check_new_sessions(run: Run) -> None:
    """What was written after an end is in a session of its own, with nothing else."""
    for request in run.saved(CLEAR):
        final = run.world.read(request.answer.cookie)
        assert final.seen == {f"by-{request.me}": request.me}, run
        assert final.user_id is None, run


def check_nothing_acknowledged_is_lost(run: Run) -> None:
    if not run.goes_on:
        return
    heir = run.heir()
    for order in permutations(request.answer for request in run.requests):
        cookie = arrive(run.cookie, *order)
        final = run.world.read(cookie)
        owner = next((request for request in run.carriers if request.answer.cookie == cookie), None)
        line = [request for request in run.requests if request.is_saved and not request.answer.cookie]
        if owner is None or owner is heir:
            line += [heir] if heir else []
        else:
            line = [owner]
        check_line(run, line, final)


def check_line(run: Run, line: list[Request], final: Answer) -> None:
    """All that is in *line* is in the session that the browser is left with."""
    kinds = [request.kind for request in line]
    assert final.seen[SECRET_KEY] == (run.user or "anonymous"), run
    logins: list[str | None] = [kind.logs_in_as for kind in kinds if kind.logs_in_as]
    assert final.user_id in (logins or [run.user]), run
    for request in line:
        if request.kind.writes:
            assert final.seen.get(f"by-{request.me}") == request.me, (run, final)
        if request.kind is NESTED:
            assert final.seen[f"box-{request.me}"] == [request.me], (run, final)
    writers = {request.me for request in line if request.kind is WRITE_SAME}
    droppers = {None} if DROP in kinds else set()
    if len(line) == len([request for request in run.requests if request.answer.status in (0, 200)]):
        assert final.seen.get("shared") in (writers | droppers or {"as it was"}), (run, final)
    counted = sum(kind.counts for kind in kinds)
    asked = sum(request.kind.counts for request in run.requests)
    assert counted <= final.seen.get("count", 0) <= asked, (run, final)


def check_an_emptied_session_stays_empty(run: Run) -> None:
    if run.saved(EMPTY) and not (run.is_ended or run.has_latecomers):
        heir = run.heir()
        for cookie in (run.cookie, heir.answer.cookie if heir else None):
            assert SECRET_KEY not in run.world.read(cookie).seen, run


def check_index(run: Run) -> None:
    run.world.check_index(run.cookie, *(request.answer.cookie for request in run.requests))


CHECKS: tuple[Callable[[Run], None], ...] = (
    check_answers,
    check_deletions,
    check_the_end_holds,
    check_logins_stand,
    check_users_stay_apart,
    check_new_sessions,
    check_nothing_acknowledged_is_lost,
    check_an_emptied_session_stays_empty,
    check_index,
)


@settings(max_examples=200 * THOROUGH)
@given(kinds=TRIPLES, user=USERS, at=st.tuples(POINTS, POINTS))
def test_three_requests_keep_the_promises(
    kinds: tuple[Kind, Kind, Kind], user: str | None, at: tuple[int, int]
) -> None:
    run = run_three(kinds, user, at)

    for check in CHECKS:
        check(run)


@settings(max_examples=150 * THOROUGH)
@given(kinds=TRIPLES, user=USERS, at=st.tuples(POINTS, POINTS), grace_ends_at=POINTS)
def test_three_requests_keep_the_promises_wherever_the_grace_ends(
    kinds: tuple[Kind, Kind, Kind], user: str | None, at: tuple[int, int], grace_ends_at: int
) -> None:
    run = run_three(kinds, user, at, grace_ends_at=grace_ends_at)

    check_without_a_grace(run)


@settings(max_examples=150 * THOROUGH)
@given(kinds=TRIPLES, user=USERS, at=st.tuples(POINTS, POINTS))
def test_three_requests_keep_the_promises_without_a_grace(
    kinds: tuple[Kind, Kind, Kind], user: str | None, at: tuple[int, int]
) -> None:
    run = run_three(kinds, user, at, World(regenerate_grace=None))

    check_without_a_grace(run)


def check_without_a_grace(run: Run) -> None:
    """What holds when the old id is over at some moment, so that a request may find nothing and begin a session."""
    check_answers(run)
    check_deletions(run)
    check_users_stay_apart(run)
    check_logins_stand(run)
    for request in run.carriers:
        final = run.world.read(request.answer.cookie)
        if request.kind.writes and final.seen:
            assert final.seen[f"by-{request.me}"] == request.me, run
    if run.goes_on and not run.has_latecomers:
        check_nothing_acknowledged_is_lost(run)
    check_index(run)


@settings(max_examples=100 * THOROUGH)
@given(
    kinds=st.tuples(*[st.sampled_from(KINDS)] * 2),
    user=USERS,
    at=POINTS,
    later=st.lists(st.sampled_from(KINDS), max_size=4),
)
def test_requests_one_after_the_other_see_all_that_came_before(
    kinds: tuple[Kind, Kind], user: str | None, at: int, later: list[Kind]
) -> None:
    """The browser goes on with the cookie that it was left with: it is always served, and its session goes on."""
    run = run_three((*kinds, READ), user, (at, 99))
    cookie = arrive(run.cookie, *(request.answer for request in run.requests))
    for kind in later:
        before = run.world.read(cookie)

        answer = run.world.request(acting(kind, "d"), cookie)

        cookie = arrive(cookie, answer)
        after = run.world.read(cookie)
        assert answer.status == 200, (run, kind)
        assert after.user_id == answer.user_id, (run, kind)
        assert after.seen == answer.seen, (run, kind)
        if kind is READ:
            assert after.seen == before.seen, (run, kind)


# Workers that die.


WHEN = ["before", "after"]
ENDERS = (INVALIDATE, CLEAR, EMPTY)


@pytest.mark.parametrize("user", STARTS)
@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_worker_that_dies_leaves_a_session_that_works_or_has_ended(kind: Kind, when: str, user: str | None) -> None:
    for point in range(points(kind, user, World)):
        world, cookie = dead(kind, user, when, point)

        left = world.read(cookie)

        check_left(kind, user, left)
        check_again(kind, user, world, cookie, left)
        world.check_index(cookie)


def dead(kind: Kind, user: str | None, when: str, point: int) -> tuple[World, str]:
    world = World()
    cookie = world.begin(beginning_of_three(user))
    world.dies(when, point)
    assert world.vanish(acting(kind, "a"), cookie) is None
    return world, cookie


def check_left(kind: Kind, user: str | None, left: Answer) -> None:
    """The session goes on, or the request meant to end it."""
    assert left.status == 200
    assert left.cookie is None
    if left.seen or left.user_id is not None:
        assert left.user_id == user
        assert left.seen.get(SECRET_KEY, kind is EMPTY) in (user or "anonymous", True)
    else:
        assert kind in ENDERS or (user is not None and kind is LOGIN_OTHER)


def check_again(kind: Kind, user: str | None, world: World, cookie: str, left: Answer) -> None:
    """The same again is served, or the id is over; then a login is served. What has ended never comes back."""
    again = world.request(acting(kind, "a"), cookie)
    if again.status == 409:
        assert kind.rotates
        again = world.request(acting(LOGIN, "a"), cookie)
        assert world.read(again.cookie).user_id == OWNER
        return
    assert again.status == 200
    final = world.read(arrive(cookie, again))
    if kind.ends:
        assert SECRET_KEY not in final.seen
    if not left.seen and left.user_id is None:
        assert SECRET_KEY not in final.seen
        assert not world.read(cookie).seen
    if kind.logs_in_as == OTHER and user is not None:
        assert set(final.seen) == {"by-a"}
    if kind.counts:
        assert final.seen["count"] in (1, 2)


@settings(max_examples=150 * THOROUGH)
@given(kinds=st.tuples(*[st.sampled_from(KINDS)] * 2), user=USERS, at=POINTS, dies_at=POINTS, when=st.booleans())
def test_a_worker_that_dies_takes_nothing_of_another_request_along(
    kinds: tuple[Kind, Kind], user: str | None, at: int, dies_at: int, when: bool
) -> None:
    """The first request's worker dies somewhere; the second request is served before that or afterwards."""
    world = World()
    cookie = world.begin(beginning_of_three(user))
    answers: list[Answer] = []

    def second() -> None:
        with world.store.aside():
            answers.append(world.request(acting(kinds[1], "b"), cookie))

    world.store.before[at].append(second)
    world.dies("before" if when else "after", dies_at)
    first = world.vanish(acting(kinds[0], "a"), cookie)
    if not answers:
        second()
    run = Run(world, user, cookie, [Request(kinds[0], "a", first or Answer()), Request(kinds[1], "b", answers[0])])
    run.names = told(world.events)

    check_after_a_death(run)


def check_after_a_death(run: Run) -> None:
    first, second = run.requests
    check_users_stay_apart(run)
    check_the_end_holds(run)
    assert second.answer.status in (200, 409), run
    final = run.world.read(arrive(run.cookie, second.answer))
    is_over = first.kind in ENDERS or run.is_over_another(first) or run.has_latecomers or not run.goes_on
    if is_over:
        return
    line = [second] if second.is_saved else []
    check_line(Run(run.world, run.user, run.cookie, run.requests, run.names), line, final)
