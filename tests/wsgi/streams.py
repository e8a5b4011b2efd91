"""Applications that act between the chunks of their bodies, and what they may do to a session."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from support.exchange import KEY, PLAIN, View

from sessionware import Session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def streaming(*steps: View, status: str = "200 OK") -> WSGIApplication:
    """An application that yields after each of *steps*, the first of them before the commit."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response(status, PLAIN)
        for step in steps[:-1]:
            step(environ[KEY])
            yield b"chunk"
        steps[-1](environ[KEY])

    return app


def nothing(session: Session) -> None:
    """Leave the session alone."""


def put(key: str, value: Any = 1) -> View:
    return lambda session: session.update({key: value})


NEEDS_A_COOKIE: dict[str, View] = {
    "login": lambda session: session.login("ada"),
    "regenerate": lambda session: session.regenerate(),
    "remember": lambda session: session.remember("1d"),
}


CHANGES: dict[str, View] = {
    "assignment": lambda session: session.update(a=2),
    "deletion": lambda session: session.pop("old", None),
    "alter": lambda session: session.alter("old", lambda value: 3),
    "modified": lambda session: setattr(session, "modified", True),
    "invalidate": lambda session: session.invalidate(),
    "clear": lambda session: session.clear(),
}
