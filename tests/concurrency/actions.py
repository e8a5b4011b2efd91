"""What a request may do to its session, and what that means for a request beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from sessionware import Session

OWNER = "owner"
OTHER = "other"
FIRST_FLASH = "flash of the first"


@dataclass(frozen=True)
class Kind:
    """An action by its name; ``run`` is told which request it is, so that two of a kind change different keys."""

    name: str
    run: Callable[[Session, str], object]
    writes: bool = False
    counts: bool = False
    ends: bool = False
    rotates: bool = False
    logs_in_as: str | None = None


def _write(session: Session, me: str) -> None:
    session[f"by-{me}"] = me


def _write_same(session: Session, me: str) -> None:
    session["shared"] = me


def _alter(session: Session, me: str) -> None:
    session.alter("count", lambda count: count + 1, default=0)


def _nested(session: Session, me: str) -> None:
    if f"box-{me}" in session:
        session[f"box-{me}"].append(me)


def _save(session: Session, me: str) -> None:
    session.alter("count", lambda count: count + 1, default=0)
    session[f"by-{me}"] = "half"
    session.save()
    session[f"by-{me}"] = me


def _login(user: str) -> Callable[[Session, str], None]:
    def run(session: Session, me: str) -> None:
        session.login(user)
        session[f"by-{me}"] = me

    return run


def _regenerate(session: Session, me: str) -> None:
    session.regenerate()


def _regenerate_and_write(session: Session, me: str) -> None:
    session.regenerate()
    session[f"by-{me}"] = me


def _regenerate_save_and_count(session: Session, me: str) -> None:
    session.regenerate()
    session.save()
    session.alter("count", lambda count: count + 1, default=0)


def _remember(session: Session, me: str) -> None:
    session.remember("30d")


def _confirm(session: Session, me: str) -> None:
    if session.user_id is not None:
        session.confirm()


def _confirm_and_write(session: Session, me: str) -> None:
    _confirm(session, me)
    session[f"by-{me}"] = me


def _invalidate(session: Session, me: str) -> None:
    session.invalidate()


def _clear_and_write(session: Session, me: str) -> None:
    session.clear()
    session[f"by-{me}"] = me


def _empty(session: Session, me: str) -> None:
    session.pop_flashes()
    for key in list(session):
        del session[key]


def _flash(session: Session, me: str) -> None:
    session.flash(f"flash-{me}")


def _pop_flashes(session: Session, me: str) -> list[str]:
    return [message for _, message in session.pop_flashes()]


def _csrf(session: Session, me: str) -> str:
    return session.csrf_token


def peek_flashes(session: Session) -> list[str]:
    """The flashes that a page would show; they stay."""
    found = _pop_flashes(session, "")
    session.revert()
    return found


READ = Kind("read", lambda session, me: dict(session))
WRITE = Kind("write", _write, writes=True)
WRITE_SAME = Kind("write the same key", _write_same)
DROP = Kind("drop a key", lambda session, me: session.pop("shared", None))
ALTER = Kind("alter", _alter, counts=True)
NESTED = Kind("change a nested value", _nested)
SAVE = Kind("save in the middle", _save, writes=True, counts=True)
LOGIN = Kind("login as the owner", _login(OWNER), writes=True, rotates=True, logs_in_as=OWNER)
LOGIN_OTHER = Kind("login as another", _login(OTHER), writes=True, rotates=True, logs_in_as=OTHER)
REGENERATE = Kind("regenerate", _regenerate, rotates=True)
REGENERATE_WRITE = Kind("regenerate and write", _regenerate_and_write, writes=True, rotates=True)
REGENERATE_SAVE = Kind("regenerate, save, alter", _regenerate_save_and_count, counts=True, rotates=True)
REMEMBER = Kind("remember", _remember, rotates=True)
CONFIRM = Kind("confirm", _confirm, rotates=True)
CONFIRM_WRITE = Kind("confirm and write", _confirm_and_write, writes=True, rotates=True)
INVALIDATE = Kind("invalidate", _invalidate, ends=True)
CLEAR = Kind("clear and write", _clear_and_write, writes=True, ends=True)
EMPTY = Kind("emptying", _empty)
FLASH = Kind("flash", _flash)
POP_FLASHES = Kind("pop the flashes", _pop_flashes)
CSRF = Kind("read the CSRF token", _csrf)

KINDS = (
    READ, WRITE, WRITE_SAME, DROP, ALTER, NESTED, SAVE, LOGIN, LOGIN_OTHER, REGENERATE, REGENERATE_WRITE,
    REGENERATE_SAVE, REMEMBER, CONFIRM, CONFIRM_WRITE, INVALIDATE, CLEAR, EMPTY, FLASH, POP_FLASHES, CSRF,
)  # fmt: skip

#: The users that a session may have at the beginning.
STARTS = [pytest.param(None, id="anonymous"), pytest.param(OWNER, id="signed in")]


def beginning(user: str | None) -> Callable[[Session], None]:
    def run(session: Session) -> None:
        if user is not None:
            session.login(user)
        session["secret of the first"] = user or "anonymous"
        session["shared"] = "as it was"
        session["box-a"], session["box-b"] = [], []
        session.flash(FIRST_FLASH)

    return run
