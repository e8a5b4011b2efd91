"""What a request of a test does with its session."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

from sessionware import Session

Action = Callable[[Session], Any]


def read(session: Session) -> dict[str, Any]:
    """All of the data."""
    return dict(session)


def nothing(session: Session) -> None:
    """Leave the session alone."""


def put(**values: Any) -> Action:
    """Set keys."""
    return lambda session: session.update(values)


def drop(*keys: str) -> Action:
    """Remove keys."""

    def run(session: Session) -> None:
        for key in keys:
            del session[key]

    return run


def login(user_id: str | int, **values: Any) -> Action:
    """Log in, then set keys."""

    def run(session: Session) -> None:
        session.login(user_id)
        session.update(values)

    return run


def call(member: str, *arguments: Any, **named: Any) -> Action:
    """Call a member of the session."""
    return lambda session: getattr(session, member)(*arguments, **named)


def member(name: str) -> Action:
    """The value of an attribute."""
    return lambda session: getattr(session, name)


def then(*actions: Action) -> Action:
    """One after the other, in one request; what the last one gives."""

    def run(session: Session) -> Any:
        result = None
        for action in actions:
            result = action(session)
        return result

    return run


def raised_by(action: Action) -> Callable[[Session], Exception | None]:
    """The error of *action*, caught by the application, or ``None``."""

    def run(session: Session) -> Exception | None:
        try:
            action(session)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error
        return None

    return run


def below(action: Action, frames: int) -> Callable[[Session], str]:
    """*action* with so many frames left on the stack; whether it was ``"done"``, or the application ``"told"``."""

    def sink(session: Session, left: int) -> Any:
        return sink(session, left - 1) if left else action(session)

    def run(session: Session) -> str:
        depth = sys.getrecursionlimit() - sum(1 for _ in traceback.walk_stack(None)) - frames
        try:
            sink(session, depth)
        except Exception:  # noqa: BLE001 - a library may make another error of a RecursionError, as a TypeError
            return "told"
        return "done"

    return run
