"""What may happen to the new record of a session before its old id gives way to it."""

from __future__ import annotations

import pytest
from concurrency.world import World
from support.actions import Action
from support.browser import Answer, told

from sessionware import Session
from sessionware.stores import MemoryStore


def run(outer: Action, inner: Action, *, is_revoked: bool = False) -> tuple[World, str, Answer]:
    """*inner* comes while *outer* changes the id, whose new record may be taken away then."""
    world = World(MemoryStore())
    cookie = world.begin(lambda session: session.update(a=1, b=1))

    def at_the_swap() -> None:
        _, new_key, *_ = dict.fromkeys(world.store.keys)
        world.request(inner, cookie)
        if is_revoked:
            world.store.inner.delete(new_key)

    world.store.before["replace"].append(at_the_swap)
    return world, cookie, world.request(outer, cookie)


def regenerate_without_a(session: Session) -> None:
    session.regenerate()
    del session["a"]


def test_a_new_id_that_was_revoked_before_it_was_in_force_sends_no_cookie() -> None:
    world, cookie, answer = run(
        lambda session: session.regenerate(), lambda session: session.update(c=1), is_revoked=True
    )

    assert (answer.status, answer.cookie) == (200, None)
    assert "discarded ended" in told(world.events)
    assert world.read(cookie).seen == {"a": 1, "b": 1, "c": 1}


def test_a_login_that_was_revoked_before_it_was_in_force_sends_no_cookie() -> None:
    world, cookie, answer = run(
        lambda session: session.login("owner"), lambda session: session.invalidate(), is_revoked=True
    )

    assert (answer.status, answer.cookie) == (200, None)
    assert world.read(cookie).user_id is None


def test_two_requests_that_take_out_what_the_other_leaves_end_the_session() -> None:
    world, cookie, answer = run(regenerate_without_a, lambda session: session.pop("b"))

    assert (answer.status, answer.cookie) == (200, "")
    assert "ended emptied" in told(world.events)
    assert world.read(cookie).seen == {}


@pytest.mark.parametrize("times", [1, 5])
def test_writes_that_come_in_between_are_in_the_new_record(times: int) -> None:
    world, _, answer = run(
        regenerate_without_a, lambda session: session.update({f"c{number}": number for number in range(times)})
    )

    assert world.read(answer.cookie).seen == {"b": 1, **{f"c{number}": number for number in range(times)}}
