"""The same three applications (untouched, read, write) with sessionware, with Beaker, and with neither."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask
from beaker.middleware import SessionMiddleware as BeakerMiddleware  # type: ignore[import-untyped]

from benchmarks.subject import COUNTER_KEY, SECRET, USER_KEY, Request, ten_keys
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


def filling(key: str) -> WSGIApplication:
    """Begins the session with all ten keys."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[key].update(ten_keys())
        if key == BEAKERS:
            environ[key].save()
        start_response("200 OK", HEADERS[:])
        return [b"ok"]

    return app


def reading(key: str) -> WSGIApplication:
    """Asks who the user is."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ[key][USER_KEY] != ten_keys_user:
            raise AssertionError("this is not the session that was stored")
        start_response("200 OK", HEADERS[:])
        return [b"ok"]

    ten_keys_user = ten_keys()[USER_KEY]
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


def with_session(middleware: Middleware, key: str) -> tuple[Request, Request]:
    """A reading and a writing request on a session of ten keys."""
    first = Request(middleware(filling(key)))
    first()
    return Request(middleware(reading(key)), first.cookie()), Request(middleware(writing(key)), first.cookie())


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


def size_of_session() -> int:
    """The bytes of the session's data as JSON."""
    return len(json.dumps(ten_keys()))
