"""Flask-Session 0.8, which needs Flask: the time of a request includes Flask's own."""

from __future__ import annotations

from typing import Any

import flask

from benchmarks.servers import address
from benchmarks.subject import COUNTER_KEY, USER_KEY, Request, ten_keys


def requests(kind: str, url: str) -> tuple[Request, Request]:
    """A reading and a writing request on a session of ten keys, in the server of *kind* at *url*.

    It has its default options, so each request renews the cookie and the lifetime in the store.
    """
    from flask_session import Session  # type: ignore[import-untyped]

    app = flask.Flask("benchmark")
    app.config.update(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_SAMESITE="Lax", **_SETTINGS[kind](app, url))
    app.add_url_rule("/fill", view_func=_fill)
    app.add_url_rule("/read", view_func=_read)
    app.add_url_rule("/write", view_func=_write)
    Session(app)
    first = Request(app, path="/fill")
    first()
    return Request(app, first.cookie(), path="/read"), Request(app, first.cookie(), path="/write")


def _fill() -> str:
    flask.session.update(ten_keys())
    return "ok"


def _read() -> str:
    if flask.session[USER_KEY] != ten_keys()[USER_KEY]:
        raise AssertionError("this is not the session that was stored")
    return "ok"


def _write() -> str:
    flask.session[COUNTER_KEY] += 1
    return "ok"


def _redis(app: flask.Flask, url: str) -> dict[str, Any]:
    import redis

    return {"SESSION_TYPE": "redis", "SESSION_REDIS": redis.Redis.from_url(url)}


def _memcached(app: flask.Flask, url: str) -> dict[str, Any]:
    from pymemcache.client.base import Client  # type: ignore[import-untyped]

    return {"SESSION_TYPE": "memcached", "SESSION_MEMCACHED": Client(address(url), no_delay=True)}


def _postgresql(app: flask.Flask, url: str) -> dict[str, Any]:
    from flask_sqlalchemy import SQLAlchemy  # type: ignore[import-not-found, unused-ignore]

    app.config["SQLALCHEMY_DATABASE_URI"] = url
    database = SQLAlchemy(app)
    return {"SESSION_TYPE": "sqlalchemy", "SESSION_SQLALCHEMY": database, "SESSION_SQLALCHEMY_TABLE": "flask_sessions"}


_SETTINGS = {"redis": _redis, "memcached": _memcached, "postgresql": _postgresql}
