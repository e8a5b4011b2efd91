"""A second request at every point between the store operations of a first one, and what must hold of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from concurrency.actions import (
    CSRF,
    EMPTY,
    FIRST_FLASH,
    FLASH,
    KINDS,
    NESTED,
    OTHER,
    POP_FLASHES,
    READ,
    Kind,
    beginning,
    peek_flashes,
)
from concurrency.world import World, arrive, is_good, points
from support.browser import Answer, told

PAIRS = [pytest.param(first, second, id=f"{first.name} x {second.name}") for first in KINDS for second in KINDS]


@dataclass
class Outcome:
    """One run of a pair: a is the request around, b the one at the point."""

    world: World
    user: str | None
    cookie: str
    a: Answer
    b: Answer
    first: Kind
    second: Kind
    names: list[str]

    @property
    def requests(self) -> tuple[tuple[Kind, Answer, str], tuple[Kind, Answer, str]]:
        return (self.first, self.a, "a"), (self.second, self.b, "b")

    def is_over_another(self, kind: Kind) -> bool:
        return self.user is not None and kind.logs_in_as is not None and kind.logs_in_as != self.user

    def has_ended(self) -> bool:
        """Whether one of the two has ended the session that both began with."""
        return any(
            (kind.ends or kind is EMPTY or self.is_over_another(kind)) and answer.status == 200
            for kind, answer, _ in self.requests
        )

    def finals(self) -> Iterator[tuple[Answer, list[tuple[Kind, Answer, str]]]]:
        """What the browser's cookie opens, after either order of arrival, and whose changes must be in it."""
        for cookie, line in self.lines():
            yield self.world.read(cookie), line

    def lines(self) -> Iterator[tuple[str | None, list[tuple[Kind, Answer, str]]]]:
        """The browser's cookie, after either order of arrival, and the requests whose changes it must open.

        A login stands whatever another request does to the session before it. So where both answers carry a cookie,
        there are two sessions, and the browser keeps that of the answer that came last.
        """
        for order in ((self.a, self.b), (self.b, self.a)):
            cookie = arrive(self.cookie, *order)
            is_split = bool(self.a.cookie and self.b.cookie)
            line = [request for request in self.requests if not is_split or request[1].cookie == cookie]
            yield cookie, line


def runs(
    first: Kind, second: Kind, user: str | None, make: Callable[[], World] = World, *, start: int = 0
) -> Iterator[Outcome]:
    """The pair at every point from *start* on; the last one is after the first request."""
    for point in range(start, points(first, user, make) + 4):
        world = make()
        cookie = world.begin(beginning(user))
        inner: list[Answer] = []

        def second_request(world: World = world, inner: list[Answer] = inner, cookie: str = cookie) -> None:
            inner.append(world.request(lambda session: second.run(session, "b"), cookie))

        world.store.before[point].append(second_request)
        a = world.first(first, cookie)
        if not inner:
            world.store.reset()
            second_request()
            yield Outcome(world, user, cookie, a, inner[0], first, second, told(world.events))
            return
        yield Outcome(world, user, cookie, a, inner[0], first, second, told(world.events))


def check_answers(outcome: Outcome) -> None:
    for kind, answer, _ in outcome.requests:
        assert answer.status in (200, 409), outcome
        if kind is READ:
            assert answer.cookie is None, outcome
        if answer.status == 409:
            assert answer.cookie is None, outcome
            assert "rejected superseded" in outcome.names, outcome


def check_the_end_holds(outcome: Outcome) -> None:
    """Once a request has said 200 to an end, neither the old cookie nor one that came of it opens the session."""
    for kind, answer, _ in outcome.requests:
        if not kind.ends or answer.status != 200:
            continue
        assert "secret of the first" not in outcome.world.read(outcome.cookie).seen, outcome
        other_kind, other, _ = outcome.requests[1 if answer is outcome.a else 0]
        if other.cookie and other_kind.logs_in_as is None:
            assert "secret of the first" not in outcome.world.read(other.cookie).seen, outcome


def check_nothing_acknowledged_is_lost(outcome: Outcome) -> None:
    if outcome.has_ended():
        # What was written to a session that has ended goes with it; what was written to a new one stays.
        for kind, answer, me in outcome.requests:
            if kind.writes and answer.status == 200 and answer.cookie:
                assert outcome.world.read(answer.cookie).seen.get(f"by-{me}") in (me, None), outcome
        return
    for final, line in outcome.finals():
        saved = [(kind, me) for kind, answer, me in line if answer.status == 200]
        for kind, me in saved:
            if kind.writes:
                assert final.seen.get(f"by-{me}") == me, (outcome, final)
            if kind is NESTED:
                assert final.seen[f"box-{me}"] == [me], (outcome, final)
        assert final.seen.get("count", 0) >= sum(kind.counts for kind, _ in saved), (outcome, final)


def check_nobody_is_logged_out(outcome: Outcome) -> None:
    if outcome.has_ended():
        return
    for final, line in outcome.finals():
        logins = {kind.logs_in_as for kind, answer, _ in line if kind.logs_in_as and answer.status == 200}
        assert final.seen, outcome
        assert final.user_id in logins or (not logins and final.user_id == outcome.user), outcome


def check_users_stay_apart(outcome: Outcome) -> None:
    for kind, answer, _ in outcome.requests:
        if outcome.is_over_another(kind) and answer.cookie:
            final = outcome.world.read(answer.cookie)
            assert final.user_id == OTHER, outcome
            assert "secret of the first" not in final.seen, outcome
            assert "secret of the first" not in answer.seen, outcome


def check_flashes_and_tokens(outcome: Outcome) -> None:
    """No flash is lost, none is shown again once a request has shown it, and tokens that were shown are good."""
    if outcome.has_ended():
        return
    for cookie, line in outcome.lines():
        saved = [(kind, answer, me) for kind, answer, me in line if answer.status == 200]
        left = outcome.world.request(peek_flashes, cookie).result
        shown = [text for kind, answer, _ in saved if kind is POP_FLASHES for text in answer.result]
        flashed = {FIRST_FLASH, *(f"flash-{me}" for kind, _, me in saved if kind is FLASH)}
        assert len(left) == len({*left}), (outcome, left)
        assert not {*left} & {*shown}, (outcome, left, shown)
        assert flashed <= {*left, *shown}, (outcome, left, shown)
        for kind, answer, _ in saved:
            if kind is CSRF and not any(kind.logs_in_as for kind, _, _ in saved):
                assert is_good(outcome.world, cookie, answer.result), outcome


def check_all(outcome: Outcome) -> None:
    check_answers(outcome)
    check_the_end_holds(outcome)
    check_nothing_acknowledged_is_lost(outcome)
    check_nobody_is_logged_out(outcome)
    check_users_stay_apart(outcome)
    check_flashes_and_tokens(outcome)
