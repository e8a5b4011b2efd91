"""The same applications (untouched, read, write, a nested change) with sessionware, with Beaker, and with neither."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask
from beaker.middleware import SessionMiddleware as BeakerMiddleware  # type: ignore[import-untyped]

from benchmarks.subject import CART_KEY, COUNTER_KEY, SECRET, USER_KEY, USERS, Data, Request
from sessionware import SessionMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

OURS = "sessionware.session"
BEAKERS = "beaker.session"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "2")]
Middleware = Callable[["WSGIApplication"], "WSGIApplication"]


def plain_list(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", HEADERS[:])
    return [b"ok"]


def plain_generator(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", HEADERS[:])
    yield b"ok"


def plain_flask() -> flask.Flask:
    app = flask.Flask("benchmark")

    @app.route("/")
    def view() -> str:
        return "ok"

    return app


def checked(user: object) -> None:
    """What every reading application does with what it has read."""
    if user not in USERS:
        raise AssertionError("this is not a session that was stored")


def filling(key: str, data: Data) -> WSGIApplication:
    """Begins a session with *data*."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[key].update(data)
        if key == BEAKERS:
            environ[key].save()
        start_response("200 OK", HEADERS[:])
        return [b"ok"]

    return app


def reading(key: str) -> WSGIApplication:
    """Asks who the user is."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        checked(environ[key][USER_KEY])
        start_response("200 OK", HEADERS[:])
        return [b"ok"]

    return app


def writing(key: str) -> WSGIApplication:
    """Counts one more visit. Beaker saves only if ``save()`` is called."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        session = environ[key]
        session[COUNTER_KEY] = session[COUNTER_KEY] + 1
        if key == BEAKERS:
            session.save()
        start_response("200 OK", HEADERS[:])
        return [b"ok"]

    return app


def nesting(key: str) -> WSGIApplication:
    """Orders one more of what lies first in the cart; no assignment tells ours of it."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        session = environ[key]
        session[CART_KEY][0]["number"] += 1
        if key == BEAKERS:
            session.save()
        start_response("200 OK", HEADERS[:])
        return [b"ok"]

    return app


def cookies(middleware: Middleware, key: str, sessions: Iterable[Data], scheme: str = "https") -> list[str]:
    """Begin *sessions*, and return the cookie of each."""
    first = [Request(middleware(filling(key, data)), scheme=scheme) for data in sessions]
    for request in first:
        request()
    return [request.cookie() for request in first]


def requests(middleware: Middleware, key: str, sessions: Iterable[Data]) -> tuple[Request, Request]:
    """A reading and a writing request, which *sessions* take turns to send."""
    known = cookies(middleware, key, sessions)
    return Request(middleware(reading(key)), known), Request(middleware(writing(key)), known)


def ours(**options: Any) -> Middleware:
    """Our middleware with its default options, but for those given here."""
    config = {"secret": SECRET, **options}
    return lambda app: SessionMiddleware(app, config)


def beaker(**options: Any) -> Middleware:
    """Beaker with the idle timeout that ours has, JSON instead of pickle, and the cookie attributes that ours has.

    With an idle timeout, Beaker records the time of each access.
    """
    config = {
        "session.key": "sid",
        "session.timeout": 3600,
        "session.data_serializer": "json",
        "session.httponly": True,
        "session.secure": True,
        "session.samesite": "Lax",
        **{f"session.{name}": value for name, value in options.items()},
    }
    return lambda app: BeakerMiddleware(app, config)


def beaker_cookie() -> Middleware:
    """Beaker's cookie session, encrypted by the package cryptography, the fastest that Beaker can use."""
    return beaker(type="cookie", encrypt_key=SECRET, validate_key=SECRET[::-1], crypto_type="cryptography")


def beaker_store(kind: str, url: str, directory: Path) -> Middleware:
    """Beaker with sessions on a server or in a database, and its lock files, if it needs them, in *directory*."""
    return beaker(type=f"ext:{kind}", url=url, lock_dir=str(directory / "locks"))
