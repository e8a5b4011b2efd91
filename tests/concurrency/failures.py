"""A request whose store fails once, and what must hold of it."""

from __future__ import annotations

from collections.abc import Callable

from concurrency.actions import (
    CLEAR,
    CSRF,
    EMPTY,
    FIRST_FLASH,
    FLASH,
    INVALIDATE,
    LOGIN_OTHER,
    NESTED,
    OWNER,
    POP_FLASHES,
    Kind,
    beginning,
    peek_flashes,
)
from concurrency.world import World, is_good
from support.browser import Answer

WHEN = ["before", "after"]
ENDERS = (INVALIDATE, CLEAR, EMPTY)


def failing(
    kind: Kind, when: str, point: int, user: str | None, make: Callable[[], World] = World
) -> tuple[World, str, Answer]:
    world = make()
    cookie = world.begin(beginning(user))
    world.fails(when, point)
    answer = world.first(kind, cookie)
    world.store.reset()
    return world, cookie, answer


def check_saved(kind: Kind, answer: Answer, final: Answer) -> None:
    if answer.status != 200:
        return
    if kind.writes:
        assert final.seen["by-a"] == "a"
    if kind.counts:
        assert final.seen["count"] == 1
    if kind is NESTED:
        assert final.seen["box-a"] == ["a"]
    if kind in ENDERS:
        assert "secret of the first" not in final.seen
    if kind.logs_in_as:
        assert final.user_id == kind.logs_in_as


def check_flashes_after_failure(kind: Kind, answer: Answer, world: World, cookie: str | None) -> None:
    if answer.status != 200:
        return
    left = world.request(peek_flashes, cookie).result
    if kind is FLASH:
        assert left == [FIRST_FLASH, "flash-a"]
    if kind is POP_FLASHES:
        assert (answer.result, left) == ([FIRST_FLASH], [])
    if kind is CSRF:
        assert is_good(world, cookie, answer.result)


def check_still_there(kind: Kind, user: str | None, answer: Answer, final: Answer) -> None:
    if kind in ENDERS or answer.status == 200:
        return
    if kind is LOGIN_OTHER and user == OWNER and not final.seen:
        return  # the former user's session may have ended with a login that the store could not confirm
    assert final.seen["secret of the first"] == (user or "anonymous")
    assert final.user_id == user
