"""Django's sessions: in its cache, in its database, in its signed cookie; what they add to Django's own time counts."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import django
from django.conf import settings
from django.contrib.sessions.backends import cache, db, signed_cookies
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.cache import caches
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path

from benchmarks.contenders import checked
from benchmarks.servers import address
from benchmarks.subject import COUNTER_KEY, SECRET, USER_KEY, Data, Request, sessions

COOKIE, MEMORY, REDIS, MEMCACHED, POSTGRESQL = "cookie", "memory", "redis", "memcached", "postgresql"
_CACHES = "django.core.cache.backends"


def configure(urls: dict[str, str]) -> None:
    """Give Django its settings, once in a process; *urls* are those of the servers that run."""
    found = {
        "default": {"BACKEND": f"{_CACHES}.dummy.DummyCache"},
        MEMORY: {"BACKEND": f"{_CACHES}.locmem.LocMemCache"},
    }
    if REDIS in urls:
        found[REDIS] = {"BACKEND": f"{_CACHES}.redis.RedisCache", "LOCATION": urls[REDIS]}
    if MEMCACHED in urls:
        host, port = address(urls[MEMCACHED])
        found[MEMCACHED] = {"BACKEND": f"{_CACHES}.memcached.PyMemcacheCache", "LOCATION": f"{host}:{port}"}
    settings.configure(
        ALLOWED_HOSTS=["*"],
        CACHES=found,
        DATABASES={"default": _database(urls[POSTGRESQL])} if POSTGRESQL in urls else {},
        INSTALLED_APPS=["django.contrib.sessions"],
        LOGGING_CONFIG=None,
        ROOT_URLCONF=__name__,
        SECRET_KEY=SECRET,
        SESSION_COOKIE_SECURE=True,
        USE_I18N=False,
    )
    django.setup()


def _database(url: str) -> dict[str, Any]:
    host, port = address(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "HOST": host,
        "PORT": port,
        # A connection is kept, as our store keeps it.
        "CONN_MAX_AGE": None,
    }


def plain() -> WSGIHandler:
    """Django without sessions."""
    settings.MIDDLEWARE = []
    return WSGIHandler()


def requests(kind: str) -> tuple[Request, Request]:
    """A reading and a writing request, which all sessions take turns to send."""
    if kind == POSTGRESQL:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
    settings.MIDDLEWARE = [f"{__name__}.{kind}_sessions"]
    app = WSGIHandler()
    first = Request(app, path="/fill")
    cookies = []
    for _ in sessions():
        first()
        cookies.append(first.cookie())
    return Request(app, cookies, "/read"), Request(app, cookies, "/write")


class _CacheSession(cache.SessionStore):  # type: ignore[misc, unused-ignore]
    """A session in the cache *alias*; Django's own takes the cache that one setting names for all."""

    def __init__(self, alias: str, session_key: str | None = None) -> None:
        SessionBase.__init__(self, session_key)
        self._cache = caches[alias]


def _middleware(store: Callable[..., SessionBase]) -> Callable[[Any], SessionMiddleware]:
    def sessions_in(get_response: Any) -> SessionMiddleware:
        middleware = SessionMiddleware(get_response)
        middleware.SessionStore = store
        return middleware

    return sessions_in


cookie_sessions = _middleware(signed_cookies.SessionStore)
postgresql_sessions = _middleware(db.SessionStore)
memory_sessions, redis_sessions, memcached_sessions = (
    _middleware(functools.partial(_CacheSession, alias)) for alias in (MEMORY, REDIS, MEMCACHED)
)

_to_begin: Iterator[Data] = itertools.cycle(sessions())


def _ok(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"ok")


def _fill(request: HttpRequest) -> HttpResponse:
    request.session.update(next(_to_begin))
    return HttpResponse(b"ok")


def _read(request: HttpRequest) -> HttpResponse:
    checked(request.session[USER_KEY])
    return HttpResponse(b"ok")


def _write(request: HttpRequest) -> HttpResponse:
    request.session[COUNTER_KEY] += 1
    return HttpResponse(b"ok")


urlpatterns = [path("", _ok), path("fill", _fill), path("read", _read), path("write", _write)]
