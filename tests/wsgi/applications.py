"""The applications of the WSGI tests, and the bodies of their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from support.actions import Action
from support.constants import KEY, PLAIN, SECRET
from support.exchange import Exchange, Headers

from sessionware import Session, SessionMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Boom(Exception):
    """What applications raise here."""


class Body:
    """A body that counts the chunks that were taken and its closes, and does something at a close."""

    def __init__(
        self, chunks: Iterable[bytes] = (b"one", b"two"), on_close: Callable[[], object] | None = None
    ) -> None:
        self.iterator = iter(chunks)
        self.taken = 0
        self.closed = 0
        self.on_close = on_close

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        chunk = next(self.iterator)
        self.taken += 1
        return chunk

    def close(self) -> None:
        self.closed += 1
        if self.on_close is not None:
            self.on_close()


class SizedBody(Body):
    """A body of one chunk that says so."""

    def __len__(self) -> int:
        return 1


def middleware(app: WSGIApplication, config: Mapping[str, Any] | None = None, **options: Any) -> SessionMiddleware:
    """The middleware with a secret, and a cookie that clients send back over plain http too."""
    return SessionMiddleware(app, {"secret": SECRET, "cookie.secure": False, **(config or {}), **options})


def answering(body: Any, status: str = "200 OK", headers: Headers | None = None) -> WSGIApplication:
    """An application that answers with *body*, or with what it gives when called with the session."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response(status, PLAIN if headers is None else headers)
        return body(environ[KEY]) if callable(body) else body

    return app


def after(action: Action, body: Any) -> Callable[[Session], Any]:
    """For :func:`answering`: do *action* with the session, then answer with *body*."""

    def make(session: Session) -> Any:
        action(session)
        return body

    return make


def changed(session: Session) -> None:
    """Change the session."""
    session["a"] = 1


def viewing(action: Action, status: str = "200 OK") -> WSGIApplication:
    """An application that answers with what *action* makes of its session, as a list."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        result = action(environ[KEY])
        start_response(status, PLAIN)
        return [str(result).encode()]

    return app


def streaming(*steps: Action, status: str = "200 OK") -> WSGIApplication:
    """An application that yields after each of *steps*, the first of them before the commit."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response(status, PLAIN)
        for step in steps[:-1]:
            step(environ[KEY])
            yield b"chunk"
        steps[-1](environ[KEY])

    return app


def raising_at_once(error: BaseException) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY]["new"] = 1
        raise error

    return app


def raising_after_start(error: BaseException) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", PLAIN)
        environ[KEY]["new"] = 1
        raise error

    return app


def raising_in_the_first_chunk(error: BaseException) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        environ[KEY]["new"] = 1
        raise error
        yield b""

    return app


#: Applications that change their session, and raise the error that they are made with before it is committed.
RAISING = [raising_at_once, raising_after_start, raising_in_the_first_chunk]
raising = pytest.mark.parametrize("failing", RAISING, ids=lambda failing: failing.__name__)


def assert_is_503(exchange: Exchange) -> None:
    text = b"The session store cannot answer at the moment. Please try again later.\n"
    assert exchange.starts == [
        (
            "503 Service Unavailable",
            [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(text))),
                ("Retry-After", "5"),
                ("Cache-Control", "no-store"),
            ],
        )
    ]
    assert exchange.body == text
