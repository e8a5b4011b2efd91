"""Flask-Session 0.8, and Flask's own signed cookie; both need Flask, so what they add to Flask's own time counts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import flask

from benchmarks.contenders import checked
from benchmarks.servers import address
from benchmarks.subject import COUNTER_KEY, SECRET, USER_KEY, Data, Request, sessions

COOKIE, MEMORY, SQL, REDIS, MEMCACHED = "cookie", "memory", "sql", "redis", "memcached"


def requests(kind: str, url: str = "") -> tuple[Request, Request]:
    """A reading and a writing request, which all sessions take turns to send; they are in the store of *kind* at *url*.

    It has its default options, so each request renews the cookie and the lifetime in the store.
    """
    app = flask.Flask("benchmark")
    app.config.update(SECRET_KEY=SECRET, SESSION_COOKIE_SECURE=True, SESSION_COOKIE_SAMESITE="Lax")
    app.add_url_rule("/fill", view_func=_Filling(), endpoint="fill")
    app.add_url_rule("/read", view_func=_read)
    app.add_url_rule("/write", view_func=_write)
    if kind != COOKIE:
        from flask_session import Session  # type: ignore[import-untyped]

        app.config.update(_SETTINGS[kind](app, url))
        Session(app)
    cookies = list(_cookies(app))
    return Request(app, cookies, "/read"), Request(app, cookies, "/write")


def _cookies(app: flask.Flask) -> Iterator[str]:
    first = Request(app, path="/fill")
    for _ in sessions():
        first()
        yield first.cookie()


class _Filling:
    """Begins one session after another."""

    def __init__(self) -> None:
        self._data: Iterator[Data] = itertools.cycle(sessions())

    def __call__(self) -> str:
        flask.session.update(next(self._data))
        return "ok"


def _read() -> str:
    checked(flask.session[USER_KEY])
    return "ok"


def _write() -> str:
    flask.session[COUNTER_KEY] += 1
    return "ok"


def _memory(app: flask.Flask, url: str) -> dict[str, Any]:
    from cachelib import SimpleCache

    return {"SESSION_TYPE": "cachelib", "SESSION_CACHELIB": SimpleCache()}


def _redis(app: flask.Flask, url: str) -> dict[str, Any]:
    import redis

    return {"SESSION_TYPE": "redis", "SESSION_REDIS": redis.Redis.from_url(url)}


def _memcached(app: flask.Flask, url: str) -> dict[str, Any]:
    from pymemcache.client.base import Client  # type: ignore[import-untyped]

    return {"SESSION_TYPE": "memcached", "SESSION_MEMCACHED": Client(address(url), no_delay=True)}


def _sql(app: flask.Flask, url: str) -> dict[str, Any]:
    from flask_sqlalchemy import SQLAlchemy  # type: ignore[import-not-found, unused-ignore]

    app.config["SQLALCHEMY_DATABASE_URI"] = url
    database = SQLAlchemy(app)
    return {"SESSION_TYPE": "sqlalchemy", "SESSION_SQLALCHEMY": database, "SESSION_SQLALCHEMY_TABLE": "flask_sessions"}


_SETTINGS = {MEMORY: _memory, SQL: _sql, REDIS: _redis, MEMCACHED: _memcached}
