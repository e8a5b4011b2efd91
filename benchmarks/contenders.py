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
    """Counts one visit more. Beaker saves only when it is told to."""

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
    """As it comes, but for the backend. All applications share one store."""
    config = {"secret": SECRET, **options}
    return lambda app: SessionMiddleware(app, config)


def beaker(**options: Any) -> Middleware:
    """With the idle timeout that ours has, JSON instead of pickle, and the attributes that a cookie should have.

    An idle timeout makes Beaker write down at each access that there was one.
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
    """Encrypted by the package cryptography, which is the fastest that Beaker can use."""
    return beaker(type="cookie", encrypt_key=SECRET, validate_key=SECRET[::-1], crypto_type="cryptography")


def beaker_store(kind: str, url: str, directory: Path) -> Middleware:
    """On a server, or in a database, with its locks in *directory*, where it keeps them in files."""
    return beaker(type=f"ext:{kind}", url=url, lock_dir=str(directory / "locks"))


def size_of_session() -> int:
    """In bytes, as JSON."""
    return len(json.dumps(ten_keys()))
