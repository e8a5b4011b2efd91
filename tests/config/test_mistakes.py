"""A plausible mistake of somebody new is answered by a sentence that says what to do instead."""

from __future__ import annotations

import configparser
import enum
import os
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, Mock
from urllib.parse import urlsplit

import bottle  # type: ignore[import-untyped]
import cachelib
import flask
import pymemcache  # type: ignore[import-untyped]
import pytest
import redis
import sqlalchemy
from sqlalchemy.orm import sessionmaker
from support.constants import SECRET

from sessionware import Config, ConfigError, SessionManager, SessionMiddleware
from sessionware.importers.flask import FlaskSessions
from sessionware.stores import KeyValueStore, MemoryStore, SQLiteStore


def app(environ: Any, start_response: Any) -> list[bytes]:
    """An application that is never called."""
    return []


async def asynchronous(event: Any) -> None:
    """A listener for a framework of another kind."""


class Untelling:
    """A callable whose parameters cannot be found out."""

    @property
    def __signature__(self) -> Any:
        raise LookupError("not in this context")

    def __call__(self, *arguments: Any) -> float:
        return 1.0


class HiddenText:
    """A secret as pydantic has it."""

    def get_secret_value(self) -> str:
        return SECRET


class ParsedURL:
    """A URL as pydantic, yarl and httpx have it."""

    scheme = "redis"

    def __str__(self) -> str:
        return "redis://localhost:6379/0"


class Place(enum.Enum):
    """A name that an application has made an enum of."""

    REDIS = "redis"


ENGINE = sqlalchemy.create_engine("sqlite:///x.db")
REDIS = redis.Redis()
OPTIONS: dict[str, Any] = {"secret": SECRET}

#: The configuration beside a good secret, and what the error says.
CONFIGURATIONS: dict[str, tuple[dict[str, Any], str]] = {
    # Values that something else has wrapped.
    "a URL in quotes, as docker --env-file keeps them": (
        {"backend": '"redis://localhost:6379/0"'},
        "leave out the quotes around it, which INI files and docker --env-file keep",
    ),
    "a duration in quotes": ({"idle_timeout": "'30m'"}, "leave out the quotes around it"),
    "a path in quotes": (
        {"backend": "redis", "backend.url": '"redis://localhost"'},
        "leave out the quotes around it",
    ),
    "an option of a store in quotes": (
        {"backend": "redis://localhost", "backend.timeout": '"1s"'},
        "leave out the quotes around it",
    ),
    "a parsed URL": (
        {"backend": ParsedURL()},
        "lacks the methods load, create, replace, delete; give its text, str(url)",
    ),
    "a parsed URL beside the backend": (
        {"backend": "redis", "backend.url": ParsedURL()},
        "expected a URL as a string, got an object of the type ParsedURL; give its text, str(url)",
    ),
    "a URL that urllib has parsed": (
        {"backend": urlsplit("redis://localhost")},
        "give its text, geturl()",
    ),
    "a URL of SQLAlchemy": (
        {"backend": ENGINE.url},
        "is not a store: it lacks the methods load, replace, delete; give its text, render_as_string(",
    ),
    "an enum": ({"backend": Place.REDIS}, "give its .value"),
    # Names.
    "Django's or Flask's name": (
        {"SESSION_COOKIE_SECURE": True},
        """SESSION_COOKIE_SECURE: unknown option (Flask's or Django's); write "cookie.secure": True""",
    ),
    "Flask's lifetime": (
        {"PERMANENT_SESSION_LIFETIME": timedelta(hours=2)},
        """PERMANENT_SESSION_LIFETIME: unknown option (Flask's); write "idle_timeout": 7200 and """,
    ),
    "Flask-Session's type": (
        {"SESSION_TYPE": "redis"},
        """SESSION_TYPE: unknown option (Flask-Session's); write "backend": 'redis://localhost:6379/0'""",
    ),
    "Flask-Session's client": (
        {"SESSION_REDIS": REDIS},
        """SESSION_REDIS: unknown option (Flask-Session's); write "backend": 'redis' and "backend.client": client""",
    ),
    "Django's age": (
        {"SESSION_COOKIE_AGE": 3600},
        """SESSION_COOKIE_AGE: unknown option (Django's); write "idle_timeout": 3600 and "cookie.persistent": True""",
    ),
    "Flask's secret": ({"SECRET_KEY": SECRET}, "SECRET_KEY: unknown option (Flask's); leave it out: the one secret"),
    "Beaker's type": (
        {"type": "file", "data_dir": "/s"},
        """data_dir: unknown option (Beaker's); write "backend": """,
    ),
    "Beaker's timeout": ({"timeout": 1800}, """timeout: unknown option (Beaker's); write "idle_timeout": 1800"""),
    "Beaker's cookie_expires": (
        {"cookie_expires": True},
        "cookie_expires: unknown option (Beaker's); leave it out: a cookie that ends with the browser is the default",
    ),
    "no group": ({"secure": True}, """secure: unknown option (Beaker's); write "cookie.secure": True"""),
    "an underscore for the dot": ({"cookie_secure": True}, "unknown option; did you mean cookie.secure?"),
    "a hyphen": ({"cookie.http-only": True}, "unknown option; did you mean cookie.httponly?"),
    "a typing error": ({"idle_timout": 60}, "unknown option; did you mean idle_timeout?"),
    "a cookie's age": ({"cookie.max_age": 3600}, """write "cookie.persistent": True and "absolute_timeout": 3600"""),
    "a key that encrypts": ({"encryption_key": SECRET}, "encryption_key: unknown option; leave it out: the one secret"),
    "a time to live": ({"ttl": 1800}, """ttl: unknown option; write "idle_timeout": 1800"""),
    "a serializer": ({"serializer": "json"}, "leave it out: there is one format, which keeps types"),
    "a store": ({"store": MemoryStore()}, "store: unknown option; did you mean backend?"),
    "the backend's URL without a group": ({"url": "redis://h"}, """write "backend": 'redis://h'"""),
    "a host and a port": (
        {"backend": {"type": "redis", "host": "localhost", "port": 6379}},
        "backend.host: RedisStore has no such option; give backend.url",
    ),
    "a database's name": (
        {"backend": "sqlite", "backend.database": "x.db"},
        "backend.database: SQLiteStore has no such option; give backend.path",
    ),
    "a key prefix": (
        {"backend": "redis://h", "backend.key_prefix": "x:"},
        "backend.key_prefix: RedisStore has no such option; did you mean backend.prefix?",
    ),
    "express-session's saving": (
        {"resave": False, "saveUninitialized": True},
        "saveUninitialized: unknown option (express-session's); leave it out: a session without content is none",
    ),
    "express-session's age, in milliseconds": (
        {"cookie": {"maxAge": 60000}},
        """(express-session's); write "cookie.persistent": True and "absolute_timeout": 60""",
    ),
    "express-session's proxy": (
        {"proxy": True},
        """proxy: unknown option (express-session's); write "cookie.secure": True""",
    ),
    "Starlette's cookie": (
        {"session_cookie": "shop"},
        """session_cookie: unknown option (Starlette's); write "cookie.name": 'shop'""",
    ),
    "Starlette's https": (
        {"https_only": True},
        """https_only: unknown option (Starlette's); write "cookie.secure": True""",
    ),
    "Starlette's age of a cookie that ends with the browser": (
        {"max_age": None},
        "max_age: unknown option; leave it out: a cookie that ends with the browser is the default",
    ),
    "a server's URL beside the backend": (
        {"redis_url": "redis://cache/1"},
        """redis_url: unknown option; write "backend": 'redis://cache/1'""",
    ),
    "a file of a secret": (
        {"secret_file": "/run/secrets/session"},
        "secret_file: unknown option; leave it out: give what the file holds as secret",
    ),
    "a switch for forged requests": (
        {"csrf_protection": True},
        "leave it out: requests of other sites are refused already (cross_site)",
    ),
    "a lifetime for all": ({"permanent": True}, "permanent: unknown option; leave it out: session.remember(lifetime)"),
    "a section of a file within the dict": (
        {"session": {"idle_timeout": "30m"}},
        "session: unknown option; its value is a dict of its own: give that alone as the configuration",
    ),
    "the prefix of the variables in a file": (
        {"sessionware.cookie.secure": "true"},
        "sessionware.cookie.secure: unknown option; write session.cookie.secure",
    ),
    # Values.
    "a comment behind a value in an INI file": (
        {"idle_timeout": "30m ; half an hour"},
        "leave out the comment behind it, which an INI file takes for a part of the value",
    ),
    "a comment behind the option of a store": (
        {"backend": "redis://localhost", "backend.timeout": "1s  # short"},
        "leave out the comment behind it",
    ),
    "a clock that tells a date": ({"clock": datetime.now}, "clock: expected seconds since the epoch, as time.time"),
    "seconds with a unit that is none": (
        {"idle_timeout": "30 minutes"},
        "idle_timeout: expected a duration (seconds, a timedelta, '90s', '30m', '12h' or '7d'), got '30 minutes'",
    ),
    "no timeout as 0": ({"idle_timeout": 0}, "expected a duration above zero, got 0; None means no limit"),
    "no timeout as -1": ({"absolute_timeout": -1}, "expected a duration above zero, got -1; None means no limit"),
    "no timeout as False": ({"idle_timeout": False}, "'12h' or '7d'), got False"),
    "a long idle timeout": ({"idle_timeout": "7d"}, "set absolute_timeout to None, or to the idle_timeout or longer"),
    "SameSite as None": (
        {"cookie.samesite": None},
        "write 'None' for SameSite=None, or leave the option out for",
    ),
    "SameSite as False": ({"cookie.samesite": False}, "expected 'Lax', 'Strict' or 'None', got False"),
    "SameSite=None without Secure": ({"cookie.samesite": "None", "cookie.secure": False}, "SameSite=None needs Secure"),
    "a misspelt truth": ({"cookie.secure": "treu"}, "cookie.secure: expected True, False or 'auto', got 'treu'"),
    "a prefix in the name": ({"cookie.name": "__Host-sid"}, "give the name without it, and choose a prefix by cookie."),
    "a domain with a scheme": ({"cookie.domain": "https://example.com"}, "without scheme and port"),
    "a path without a slash": ({"cookie.path": "shop"}, "write '/' or '/app'"),
    "a clock that was called": ({"clock": 1700000000.0}, "clock: expected a callable, or its name as pkg.mod:name"),
    "no grace as 0": ({"regenerate_grace": 0}, "expected a duration above zero, got 0; None means no grace"),
    "a listener of no argument": (
        {"on_event": [print, lambda: None]},
        "on_event: expected a callable that takes the argument event, and <lambda> takes ()",
    ),
    "a listener of two arguments": (
        {"on_event": app},
        "on_event: expected a callable that takes the argument event, and app takes (environ, start_response)",
    ),
    "a listener that is async": ({"on_event": asynchronous}, "and asynchronous is async, which nothing would await"),
    "a context of no argument": (
        {"event_context": lambda: {"address": ""}},
        "event_context: expected a callable that takes the argument environ, and <lambda> takes ()",
    ),
    "a clock of an argument": (
        {"clock": lambda zone: 0},
        "clock: expected a callable that takes no argument, and <lambda> takes (zone)",
    ),
    "a policy of its own": ({"on_store_failure": "ignore"}, "expected 'unavailable', 'raise' or 'anonymous', got 'ig"),
    # Backends.
    "another name": ({"backend": "sqlite3"}, "backend: unknown backend 'sqlite3'; did you mean 'sqlite'?"),
    "Flask-Session's backend": (
        {"backend": "filesystem"},
        "unknown backend 'filesystem'; write 'file' with backend.",
    ),
    "Beaker's backend": ({"backend": "ext:redis"}, "unknown backend 'ext:redis'; write redis://localhost:6379/0"),
    "Django's backend": (
        {"backend": "django.contrib.sessions.backends.db"},
        "write postgresql+psycopg://…, mysql+pymysql://… or sqlite:///sessions.db",
    ),
    "a database": ({"backend": "postgresql"}, "write postgresql+psycopg://…, mysql+pymysql://… or sqlite:///sessio"),
    "no such store": ({"backend": "mongodb"}, "there is no store for mongodb here"),
    "the URL of no such store": ({"backend": "mongodb://u:p@h/d"}, "there is no store for mongodb here"),
    "Django's memory": ({"backend": "locmem"}, "unknown backend 'locmem'; write 'memory'"),
    "Flask-Caching's memory": ({"backend": "SimpleCache"}, "unknown backend 'SimpleCache'; write 'memory'"),
    "aioredis' socket": ({"backend": "redis+socket:///run/redis.sock"}, "did you mean unix://…?"),
    "a socket as a server": (
        {"backend": "redis:///run/redis.sock"},
        "its path is the number of a database; of a socket write unix:///run/redis.sock",
    ),
    "SQLAlchemy's driver": ({"backend": "sqlite+pysqlite:///x.db"}, "did you mean sqlite://…?"),
    "an address": ({"backend": "localhost:6379"}, "an address is no backend; write redis://localhost:6379"),
    "an address of memcached": (
        {"backend": "10.0.0.1:11211"},
        "an address is no backend; write memcached://10.0.0.1:11",
    ),
    "a host": ({"backend": "redis.example"}, "or a server as a URL, redis://redis.example"),
    "a class without a colon": ({"backend": "shop.stores.Store"}, "write a class as pkg.mod:Class, with a colon"),
    "a URL without a path": ({"backend": "sqlite://"}, "names no path; write sqlite:///sessions.db"),
    "another port": ({"backend": "cache:1234"}, "write redis://cache:1234 or memcached://cache:1234"),
    "a path": ({"backend": "/var/lib/sessions"}, "a path is no backend; write file:///var/lib/sessions"),
    "a relative path": ({"backend": "var/sessions"}, "a path is no backend; write 'file' with backend.path"),
    "a database's file": ({"backend": "sessions.db"}, "a path is no backend; write sqlite:///sessions.db"),
    "a path as object": (
        {"backend": Path("x.db")},
        "give the path as backend.path, with the backend 'sqlite' or",
    ),
    "Heroku's scheme": (
        {"backend": "postgres://u:p@h/d"},
        "no store reads URLs of the scheme 'postgres'; did you mean postgresql+psycopg://…?",
    ),
    "Django's scheme": ({"backend": "memcache://h"}, "did you mean memcached://…?"),
    "a misspelt scheme": ({"backend": "rdis://h"}, "did you mean redis://…?"),
    "two slashes": ({"backend": "sqlite://x.db"}, "three slashes for a relative path, four for an absolute one"),
    "a client of Redis": ({"backend": REDIS}, "give it as backend.client, with the backend 'redis'"),
    "the class of the client": ({"backend": redis.Redis}, "give a client as backend.client, with the backend 'redis'"),
    "a client of memcached": (
        {"backend": pymemcache.Client("localhost")},
        "give it as backend.client, with the backend 'memcached'",
    ),
    "an engine": ({"backend": ENGINE}, "give it as backend.engine, with the backend 'sqlalchemy'"),
    "a maker of SQLAlchemy's sessions": (
        {"backend": sessionmaker(ENGINE)},
        "give its engine as backend.engine, with the backend 'sqlalchemy'",
    ),
    "a connection to SQLite": (
        {"backend": sqlite3.connect(":memory:")},
        "give the path as backend.path, with the backend 'sqlite' or",
    ),
    "a dict": ({"backend": {"a": 1}, "cookie.name": "x"}, "backend.a: the cookie backend has no options"),
    "a cache": ({"backend": cachelib.SimpleCache()}, "give a dict or another key/value object as KeyValueStore(obj)"),
    "something else": ({"backend": object()}, "is not a store: it lacks the methods load, create, replace, delete"),
    "no path": ({"backend": "file", "backend.path": None}, "backend.path: expected a path, got None"),
    "no path at all": (
        {"backend": "file"},
        "backend.path: FileStore needs it, the directory; or give a URL as backend: fi",
    ),
    "no path of a database": (
        {"backend": "sqlite"},
        "backend.path: SQLiteStore needs it, the database file; or give a URL as backend: sqlite:///path",
    ),
    "no database at all": (
        {"backend": "sqlalchemy"},
        "a url is such as 'postgresql+psycopg://host/database'",
    ),
    "a number as path": ({"backend": "sqlite", "backend.path": 5}, "backend.path: expected a path, got 5"),
    "a store's option beside no store": ({"backend.url": "redis://h"}, "name a store by backend (nested: type)"),
    "a misplaced timeout": (
        {"backend": "redis://h", "backend.timeout": "soon"},
        "backend.timeout: expected a duratio",
    ),
    "no option of a cookie": ({"backend": "cookie", "backend.path": "x"}, "the cookie backend has no options"),
    "options beside a store": (
        {"backend": KeyValueStore({}), "backend.prefix": "x"},
        "the backend is a store that is already made; give this option to its class",
    ),
    "the class of an importer": ({"import_from": [FlaskSessions]}, "FlaskSessions is a class, write FlaskSessions(…)"),
    "what came before a former configuration, within it": (
        {"previous": {"previous": {}, "until": "2100-01-01T00:00:00Z"}},
        "previous: previous: what came before a former configuration is given beside it, in the list of previous",
    ),
    "an importer that is none": (
        {"import_from": "x"},
        "expected an importer of sessionware.importers, or a list of them",
    ),
}


@pytest.mark.parametrize("mistake", CONFIGURATIONS)
def test_a_mistake_in_a_configuration_is_answered_by_its_cure(mistake: str) -> None:
    config, sentence = CONFIGURATIONS[mistake]

    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(app, {**OPTIONS, **config})

    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        ("dev", "secret: the secret has 3 bytes, and needs at least 32"),
        ("change-me-secret-password-default", "beside words such as 'secret'"),
        ("0123456789abcdef" * 2, "secret: the secret is a shorter piece repeated"),
        (None, "pass it in, for example as os.environ['SESSION_SECRET']"),
        (12345, "secret: the secret must be str or bytes, not int"),
        ([], "secret: the list is empty"),
        ([SECRET, SECRET], "secret 2 is the same as secret 1"),
        (HiddenText(), "give what its get_secret_value() returns"),
    ],
)
def test_a_mistake_with_the_secret_is_answered_by_its_cure(secret: object, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(app, {"secret": secret})

    assert sentence in str(caught.value)
    assert "sessionware secret" in str(caught.value)


def test_a_secret_that_is_missing_in_the_environment_is_asked_for_by_its_variable() -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(app, Config.from_environ({"SESSION_SECRET": SECRET, "SHOP_COOKIE__NAME": "x"}, "SHOP_"))

    assert str(caught.value).endswith("and pass it in, as the variable SHOP_SECRET")


def test_a_prefix_of_variables_without_its_underscore_is_told() -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_environ({"SHOP_SECRET": SECRET, "SHOP_COOKIE__NAME": "x", "SHOPPING": "1"}, "SHOP")

    assert "write the prefix of the variables with its underscore, 'SHOP_'" in str(caught.value)
    assert "SHOPSECRET" not in str(caught.value)


def test_a_whole_ini_file_in_place_of_its_section_is_told() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(f"[shop]\nsession.secret = {SECRET}\n")

    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(app, parser)

    assert "shop: unknown option; its value is a dict of its own: give that alone" in str(caught.value)
    assert "it is missing" not in str(caught.value)


def test_the_prefix_of_the_variables_is_no_prefix_in_a_file_and_not_dropped_without_a_word() -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(app, {"session.secret": SECRET, "sessionware.idle_timeout": "30m", "debug": "true"})

    assert str(caught.value) == "sessionware.idle_timeout: unknown option; write session.idle_timeout"


def test_a_secret_under_the_prefix_of_the_variables_is_not_called_missing_too() -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(app, {"sessionware.secret": SECRET})

    assert str(caught.value) == "sessionware.secret: unknown option; write session.secret"


def test_a_secret_that_is_missing_in_an_ini_file_is_asked_for_by_its_name() -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(app, {"session.cookie.name": "x", "debug": "true"})

    assert str(caught.value).endswith("and pass it in, as session.secret")


@pytest.mark.parametrize(
    ("wrapped", "what"),
    [
        ({"secret": SECRET}, "a dict"),
        (Config({"secret": SECRET}), "a Config"),
        (None, "None"),
        (SECRET, "a str"),
        ([app], "a list"),
    ],
)
def test_an_application_that_was_forgotten_is_asked_for(wrapped: Any, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(wrapped)

    assert str(caught.value) == f"expected a WSGI application first, got {what}: write SessionMiddleware(app, {{...}})"


class Starlette:
    """An application of ASGI."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""


@pytest.mark.parametrize(
    ("wrapped", "named"), [(Starlette(), "a Starlette"), (asynchronous, "the function asynchronous")]
)
def test_an_application_of_asgi_is_refused_at_start(wrapped: Any, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(wrapped, OPTIONS)

    assert f"expected a WSGI application, and {named} is async" in str(caught.value)


@pytest.mark.parametrize("wrapped", [bottle.Bottle(), flask.Flask("shop"), flask.Flask("shop").wsgi_app, app])
def test_an_application_is_anything_that_can_be_called(wrapped: Any) -> None:
    assert SessionMiddleware(wrapped, OPTIONS).app is wrapped


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (SECRET, "expected a dict or a Config as configuration, got an object of the type str"),
        (app, "expected a dict or a Config as configuration, got an object of the type function"),
        ([("secret", SECRET)], "expected a dict or a Config as configuration, got an object of the type list"),
        ("development.ini", "expected a dict or a Config as configuration, got an object of the type str"),
        (os.environ, "write Config.from_environ(os.environ), which reads the variables that begin with SESSIONWARE_"),
        (flask.Flask("shop").config, "write Sessionware(app), which reads it (from sessionware.integrations.flask)"),
    ],
)
def test_what_is_no_configuration_is_not_taken_for_one(config: Any, sentence: str) -> None:
    for make in (lambda: SessionMiddleware(app, config), lambda: SessionManager(config)):
        with pytest.raises(ConfigError) as caught:
            make()

        assert sentence in str(caught.value)
        assert "faults" not in str(caught.value)


def test_a_url_in_place_of_a_path_is_taken(tmp_path: Path) -> None:
    config = {"backend": "sqlite", "backend.url": f"sqlite:///{tmp_path}/x.db", **OPTIONS}

    assert isinstance(SessionMiddleware(app, config).manager._settings.store, SQLiteStore)


@pytest.mark.parametrize("option", ["on_event", "event_context", "clock"])
@pytest.mark.parametrize(
    "taken",
    [
        pytest.param(Mock(), id="mock"),
        pytest.param(MagicMock(), id="magic mock"),
        pytest.param(print, id="builtin"),
        pytest.param(Untelling(), id="untelling"),
    ],
)
def test_a_callable_that_takes_anything_or_does_not_tell_is_taken(option: str, taken: Any) -> None:
    assert SessionMiddleware(app, {**OPTIONS, option: taken})
