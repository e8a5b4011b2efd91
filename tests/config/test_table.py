"""Each option is read in every spelling, and a bad value of each is a fault."""

from __future__ import annotations

import configparser
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from support.constants import SECRET

from sessionware.config.names import suggestion
from sessionware.config.settings import Config, OnStoreFailure, Settings, make_settings
from sessionware.config.table import GROUPS, OPTIONS, STORE_OPTIONS, render_options
from sessionware.config.typed import BackendOptions, CookieOptions, Options
from sessionware.exceptions import ConfigError
from sessionware.stores.file import FileStore
from sessionware.stores.keyvalue.store import KeyValueStore
from sessionware.stores.memcached.store import MemcachedStore
from sessionware.stores.memory import MemoryStore
from sessionware.stores.redis.store import RedisStore
from sessionware.stores.sql.store import SQLAlchemyStore
from sessionware.stores.sqlite import SQLiteStore


def listen(event: object) -> None:
    """A listener that an option can name."""


def tick() -> float:
    """A clock that an option can name."""
    return 12.5


LISTENERS = [listen, tick]


class Money:
    """A type of an application's own."""


MONEY_TYPES = {Money: ("money", lambda money: 0, lambda plain: Money())}


def nested(name: str, value: object) -> dict[str, Any]:
    group, dot, option = name.partition(".")
    return {group: {option: value}} if dot else {name: value}


def in_an_ini_file(name: str, value: str) -> Mapping[str, Any]:
    parser = configparser.ConfigParser(interpolation=None)
    parser["app:main"] = {"use": "egg:something", f"session.{name}": value, "session.secret": SECRET}
    return parser["app:main"]


def in_the_environment(name: str, value: str) -> Config:
    variable = "SESSIONWARE_" + name.upper().replace(".", "__")
    return Config.from_environ({"PATH": "/bin", "SESSIONWARE_SECRET": SECRET, variable: value})


SPELLINGS: list[Any] = [
    pytest.param(lambda name, value: {"secret": SECRET, name: value}, id="dotted"),
    pytest.param(lambda name, value: {"secret": SECRET, **nested(name, value)}, id="nested"),
    pytest.param(lambda name, value: {"session.secret": SECRET, f"session.{name}": value, "x": 1}, id="prefixed"),
    pytest.param(lambda name, value: Config({"secret": SECRET, name: value}), id="Config"),
]
TEXT_SPELLINGS: list[Any] = [
    *SPELLINGS,
    pytest.param(in_an_ini_file, id="INI"),
    pytest.param(in_the_environment, id="environment"),
]

LATER = (
    *("max_sessions_per_user", "not_before", "clear_site_data"),
    *("values", "previous", "import_from", "event_context"),
)

#: Origins that are asked for.
ORIGINS = ("https://idp.example", "http://idp.example:8443", "https://a.b.example.com")


def _trusted(settings: Settings) -> tuple[str, ...]:
    """Those of :data:`ORIGINS` that may cause a request."""
    assert settings.other_sites is not None
    environ = {"REQUEST_METHOD": "POST", "HTTP_HOST": "shop.example"}
    return tuple(name for name in ORIGINS if settings.other_sites.origin_of({**environ, "HTTP_ORIGIN": name}) is None)


READERS: dict[str, Callable[[Settings], object]] = {
    "backend": lambda settings: type(settings.store),
    "login_backend": lambda settings: type(settings.store) if settings.is_store_for_logins else None,
    "types": lambda settings: settings.serializer.dumps(Money()) is not None,
    "idle_timeout": lambda settings: settings.lifetimes.idle,
    "absolute_timeout": lambda settings: settings.lifetimes.absolute,
    "refresh_after": lambda settings: settings.lifetimes.refresh_after,
    "on_event": lambda settings: settings.listeners,
    "clock": lambda settings: settings.clock(),
    "cross_site": lambda settings: "allow" if settings.other_sites is None else "refuse",
    "trusted_origins": _trusted,
    # These are refused unless they have their default, so no setting comes of them.
    **dict.fromkeys(LATER, lambda settings: None),
}


def read(settings: Settings, name: str) -> object:
    """The value that *settings* have for the option *name*."""
    if name in READERS:
        return READERS[name](settings)
    if name.startswith("cookie."):
        return getattr(settings.cookie, name.removeprefix("cookie."))
    return getattr(settings, name)


HERE = __name__

TEXTS: list[tuple[str, str, object]] = [
    ("backend", "cookie", type(None)),
    ("backend", "Memory", MemoryStore),
    ("backend", "sqlite:///sessions.db", SQLiteStore),
    ("backend", "file:///nowhere/sessions", FileStore),
    ("types", f"{HERE}:MONEY_TYPES", True),
    ("idle_timeout", "90s", 90.0),
    ("idle_timeout", "none", None),
    ("idle_timeout", "1800", 1800.0),
    ("absolute_timeout", "7d", 604800.0),
    ("absolute_timeout", "None", None),
    ("refresh_after", "5m", 300.0),
    ("refresh_after", "none", 360.0),
    ("regenerate_grace", "3s", 3.0),
    ("regenerate_grace", "none", None),
    ("user_key", "none", None),
    ("user_key", "_user_id", "_user_id"),
    ("max_sessions_per_user", "none", None),
