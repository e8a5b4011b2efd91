"""Each option is read in every spelling, and a bad value of each is a fault."""

from __future__ import annotations

import configparser
import inspect
import re
import typing
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from support.companions import writes_partitioned
from support.constants import SECRET

from sessionware.config.names import suggestion
from sessionware.config.settings import Config, OnStoreFailure, Settings, make_settings
from sessionware.config.table import GROUPS, OPTIONS, STORE_OPTIONS, render_options
from sessionware.config.typed import BackendOptions, CookieOptions, Options
from sessionware.exceptions import ConfigError, SessionDataError
from sessionware.stores.file import FileStore
from sessionware.stores.keyvalue.store import KeyValueStore
from sessionware.stores.memcached.store import MemcachedStore
from sessionware.stores.memory import MemoryStore
from sessionware.stores.redis.store import RedisStore
from sessionware.stores.sql.store import SQLAlchemyStore
from sessionware.stores.sqlite import SQLiteStore


def listen(event: object) -> None:
    """A listener that an option can name."""


def hear(event: object) -> None:
    """Another listener."""


def tick() -> float:
    """A clock that an option can name."""
    return 12.5


LISTENERS = [listen, hear]


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


#: Origins that are asked for.
ORIGINS = ("https://idp.example", "http://idp.example:8443", "https://a.b.example.com")


def _trusted(settings: Settings) -> tuple[str, ...]:
    """Those of :data:`ORIGINS` that may cause a request."""
    assert settings.other_sites is not None
    environ = {"REQUEST_METHOD": "POST", "HTTP_HOST": "shop.example"}
    return tuple(name for name in ORIGINS if settings.other_sites.origin_of({**environ, "HTTP_ORIGIN": name}) is None)


def _values(settings: Settings) -> str:
    """What becomes of a dict of another class."""
    try:
        settings.serializer.check("key", OrderedDict())
    except SessionDataError:
        return "strict"
    return "lenient"


READERS: dict[str, Callable[[Settings], object]] = {
    "backend": lambda settings: type(settings.store),
    "login_backend": lambda settings: type(settings.store) if settings.is_store_for_logins else None,
    "types": lambda settings: settings.serializer.dumps(Money()) is not None,
    "values": _values,
    "idle_timeout": lambda settings: settings.lifetimes.idle,
    "absolute_timeout": lambda settings: settings.lifetimes.absolute,
    "refresh_after": lambda settings: settings.lifetimes.refresh_after,
    "not_before": lambda settings: settings.lifetimes.not_before,
    "event_context": lambda settings: settings.event_context is not None,
    "on_event": lambda settings: settings.listeners,
    "clock": lambda settings: settings.clock(),
    "cross_site": lambda settings: "allow" if settings.other_sites is None else "refuse",
    "trusted_origins": _trusted,
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
    ("user_key", " _user_id ", "_user_id"),
    ("max_sessions_per_user", "none", None),
    ("login_backend", "memory", MemoryStore),
    ("cross_site", "Refuse", "refuse"),
    ("cross_site", "allow", "allow"),
    ("trusted_origins", "none", ()),
    ("trusted_origins", "", ()),
    ("trusted_origins", "HTTPS://IdP.example:443", ORIGINS[:1]),
    ("trusted_origins", "https://idp.example, http://idp.example:8443", ORIGINS[:2]),
    ("trusted_origins", "https://idp.example http://idp.example:8443", ORIGINS[:2]),
    ("trusted_origins", "https://idp.example\nhttps://*.example.com\n", ORIGINS[::2]),
    ("not_before", "none", None),
    ("not_before", "2023-01-01T00:00:00Z", 1672531200.0),
    ("not_before", "2023-01-01T01:30:00.500+01:30", 1672531200.5),
    ("not_before", "1672531200", 1672531200.0),
    ("clear_site_data", "", ()),
    ("clear_site_data", "none", ()),
    ("clear_site_data", "cache", ("cache",)),
    ("clear_site_data", "storage, Cache cache", ("cache", "storage")),
    ("clear_site_data", '"cache", "storage"', ("cache", "storage")),
    ("values", "Lenient", "lenient"),
    ("previous", "none", ()),
    ("import_from", "", ()),
    ("event_context", "none", False),
    ("event_context", f"{HERE}:listen", True),
    ("on_store_failure", "Anonymous", OnStoreFailure.ANONYMOUS),
    ("on_store_failure", "raise", OnStoreFailure.RAISE),
    ("save_on_error", "false", False),
    ("save_on_error", "YES", True),
    ("save_on_error", "0", False),
    ("save_on_error", "on", True),
    ("cookie.name", "visit", "visit"),
    ("cookie.domain", "example.com", "example.com"),
    ("cookie.domain", "none", None),
    ("cookie.path", "/app", "/app"),
    ("cookie.secure", "true", True),
    ("cookie.secure", "Off", False),
    ("cookie.secure", "AUTO", "auto"),
    ("cookie.httponly", "no", False),
    ("cookie.samesite", "strict", "Strict"),
    ("cookie.samesite", "none", "None"),
    ("cookie.partitioned", "1", True),
    ("cookie.prefix", "", ""),
    ("cookie.prefix", "__host-", "__Host-"),
    ("cookie.prefix", "__host-http-", "__Host-Http-"),
    ("cookie.prefix", "__Http-", "__Http-"),
    ("cookie.persistent", "true", True),
    ("on_event", f"{HERE}:listen", (listen,)),
    ("on_event", f"{HERE}:listen, {HERE}:hear", (listen, hear)),
    ("on_event", f"{HERE}:listen\n{HERE}:hear\n", (listen, hear)),
    ("on_event", f"{HERE}:LISTENERS, {HERE}:hear", (listen, hear, hear)),
    ("on_event", "none", ()),
    ("clock", f"{HERE}:tick", 12.5),
    ("environ_key", "my.session", "my.session"),
]

OBJECTS: list[tuple[str, object, object]] = [
    ("backend", MemoryStore, MemoryStore),
    ("types", MONEY_TYPES, True),
    ("idle_timeout", timedelta(minutes=2), 120.0),
    ("idle_timeout", 45, 45.0),
    ("idle_timeout", None, None),
    ("absolute_timeout", None, None),
    ("refresh_after", 0.5, 0.5),
    ("regenerate_grace", None, None),
    ("user_key", None, None),
    ("max_sessions_per_user", None, None),
    ("trusted_origins", None, ()),
    ("trusted_origins", [], ()),
    ("trusted_origins", list(ORIGINS), ORIGINS),
    ("trusted_origins", ORIGINS[:2], ORIGINS[:2]),
    ("not_before", datetime(2023, 1, 1, tzinfo=timezone.utc), 1672531200.0),
    ("not_before", 1672531200, 1672531200.0),
    ("not_before", 0.5, 0.5),
    ("not_before", None, None),
    ("clear_site_data", ["storage", "cache"], ("cache", "storage")),
    ("clear_site_data", {"storage"}, ("storage",)),
    ("clear_site_data", (), ()),
    ("clear_site_data", None, ()),
    ("on_store_failure", OnStoreFailure.RAISE, OnStoreFailure.RAISE),
    ("save_on_error", False, False),
    ("cookie.domain", None, None),
    ("cookie.secure", True, True),
    ("cookie.httponly", False, False),
    ("cookie.partitioned", True, True),
    ("cookie.persistent", True, True),
    ("event_context", listen, True),
    ("event_context", None, False),
    ("on_event", listen, (listen,)),
    ("on_event", [listen, f"{HERE}:hear"], (listen, hear)),
    ("on_event", None, ()),
    ("clock", tick, 12.5),
]

BAD: list[tuple[str, object]] = [
    ("backend", ""),
    ("backend", None),
    ("backend", 5),
    ("secret", "short"),
    ("secret", 5),
    ("types", "no"),
    ("types", [Money]),
    ("types", {Money: "money"}),
    ("idle_timeout", ""),
    ("idle_timeout", True),
    ("idle_timeout", "soon"),
    ("idle_timeout", 0),
    ("idle_timeout", -1),
    ("idle_timeout", []),
    ("absolute_timeout", "1 fortnight"),
    ("absolute_timeout", float("inf")),
    ("refresh_after", "0s"),
    ("regenerate_grace", "x"),
    ("user_key", ""),
    ("user_key", 5),
    ("max_sessions_per_user", 0),
    ("max_sessions_per_user", "-1"),
    ("max_sessions_per_user", "many"),
    ("max_sessions_per_user", True),
    ("max_sessions_per_user", 1.5),
    ("login_backend", ""),
    ("login_backend", "cookie"),
    ("login_backend", 5),
    ("cross_site", "deny"),
    ("cross_site", None),
    ("cross_site", False),
    ("trusted_origins", "idp.example"),
    ("trusted_origins", "*"),
    ("trusted_origins", "https://*.com"),
    ("trusted_origins", ["https://idp.example", 5]),
    ("trusted_origins", True),
    ("not_before", datetime(2023, 1, 1)),
    ("not_before", datetime(2023, 1, 1).date()),
    ("not_before", "2023-01-01T00:00:00"),
    ("not_before", "2023-01-01"),
    ("not_before", "20230101"),
    ("not_before", 20230101),
    ("not_before", ""),
    ("not_before", "Z"),
    ("not_before", "yesterday"),
    ("not_before", True),
    ("not_before", float("nan")),
    ("not_before", 10**400),
    ("not_before", [1]),
    ("clear_site_data", "cookies"),
    ("clear_site_data", ["cache", "cookies"]),
    ("clear_site_data", "executionContexts"),
    ("clear_site_data", '"*"'),
    ("clear_site_data", "everything"),
    ("clear_site_data", [7]),
    ("clear_site_data", [["cache"]]),
    ("clear_site_data", True),
    ("values", "loose"),
    ("values", None),
    ("previous", "x"),
    ("import_from", "x"),
    ("event_context", f"{HERE}:SECRET"),
    ("event_context", "no name"),
    ("event_context", {"address": "127.0.0.1"}),
    ("on_store_failure", "ignore"),
    ("on_store_failure", 1),
    ("save_on_error", "maybe"),
    ("save_on_error", 1),
    ("save_on_error", None),
    ("save_on_error", ""),
    ("cookie.name", ""),
    ("cookie.name", "a b"),
    ("cookie.name", b"sid"),
    ("cookie.domain", ""),
    ("cookie.domain", "no domain"),
    ("cookie.path", ""),
    ("cookie.path", "app"),
    ("cookie.path", None),
    ("cookie.secure", "sometimes"),
    ("cookie.secure", None),
    ("cookie.httponly", "2"),
    ("cookie.samesite", None),
    ("cookie.samesite", ""),
    ("cookie.samesite", "Loose"),
    ("cookie.partitioned", "partly"),
    ("cookie.prefix", "__Site-"),
    ("cookie.prefix", None),
    ("cookie.persistent", "forever"),
    ("on_event", ""),
    ("on_event", " , "),
    ("on_event", 5),
    ("on_event", [None]),
    ("on_event", f"{HERE}:SECRET"),
    ("on_event", f"{HERE}:missing"),
    ("on_event", "no.such.package:name"),
    ("clock", "not a name"),
    ("clock", 1700000000),
    ("environ_key", ""),
    ("environ_key", 7),
]


def ids(cases: list[Any]) -> list[Any]:
    # The address of an object differs in each process that collects the tests, so it is cut out.
    return [
        pytest.param(
            *case,
            id=re.sub(r" at 0x\w+", "", f"{case[0]}={case[1]!r}")[:60],
            marks=writes_partitioned if case[::2] == ("cookie.partitioned", True) else (),
        )
        for case in cases
    ]


@pytest.mark.parametrize("spell", TEXT_SPELLINGS)
@pytest.mark.parametrize(("name", "written", "expected"), ids(TEXTS))
def test_a_text_is_converted_by_the_options_type_in_every_spelling(
    spell: Callable[[str, object], Any], name: str, written: str, expected: object
) -> None:
    config = spell(name, written)

    settings = make_settings(config, {})

    assert read(settings, name) == expected
    assert type(read(settings, name)) is type(expected)


@pytest.mark.parametrize("spell", SPELLINGS)
@pytest.mark.parametrize(("name", "value", "expected"), ids(OBJECTS))
def test_an_object_is_taken_as_it_is_in_every_spelling(
    spell: Callable[[str, object], Any], name: str, value: object, expected: object
) -> None:
    config = spell(name, value)

    settings = make_settings(config, {})

    assert read(settings, name) == expected


@pytest.mark.parametrize(("name", "value", "expected"), ids([*TEXTS, *OBJECTS]))
def test_keyword_options_are_read_like_the_dict(name: str, value: object, expected: object) -> None:
    options = nested(name, value)

    settings = make_settings({"secret": SECRET}, options)

    assert read(settings, name) == expected


@pytest.mark.parametrize(("name", "value"), ids(BAD))
@pytest.mark.parametrize("spell", SPELLINGS[:3])
def test_a_bad_value_is_a_fault_that_names_its_option(
    spell: Callable[[str, object], Any], name: str, value: object
) -> None:
    config = spell(name, value) if name != "secret" else {"secret": value}

    with pytest.raises(ConfigError) as caught:
        make_settings(config, {})

    assert f"{name}: " in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("cookie.name", 5, "expected a string, got 5"),
        ("cookie.name", " ", "expected a string, got an empty one; leave the option out, or give it a value"),
        ("cookie.secure", "maybe", "expected True, False or 'auto', got 'maybe'"),
        ("cookie.samesite", "Loose", "expected 'Lax', 'Strict' or 'None', got 'Loose'"),
        ("save_on_error", "maybe", "expected True, False, 'true', 'yes', 'on', '1', 'false', 'no', 'off' or '0', got "),
        (
            "types",
            [Money],
            "expected a mapping such as {Money: ('money', to_plain, from_plain)}, got an object of the ",
        ),
        ("clock", "not a name", "expected the name of an object, written as pkg.mod:name, got 'not a name'"),
        ("on_event", 5, "expected a callable, or its name as pkg.mod:name, got 5"),
        ("environ_key", b"x", "expected a string, got an object of the type bytes"),
        ("idle_timeout", "soon", "expected a duration (seconds, a timedelta, '90s', '30m', '12h' or '7d'), got 'soon'"),
        ("idle_timeout", "redis://u:p@h", "'12h' or '7d'), got a URL or an address"),
        ("idle_timeout", [1], "'12h' or '7d'), got an object of the type list"),
        ("idle_timeout", 0, "expected a duration above zero, got 0; None means no limit"),
        ("absolute_timeout", "-1s", "'12h' or '7d'), got '-1s'"),
        ("absolute_timeout", -5.5, "expected a duration above zero, got -5.5; None means no limit"),
        ("absolute_timeout", timedelta(0), "expected a duration above zero, got an object of the type timedelta"),
        ("refresh_after", float("inf"), "expected a finite duration, got inf; None means a tenth of idle_timeout"),
        ("refresh_after", float("nan"), "expected a finite duration, got nan"),
        ("regenerate_grace", 0, "expected a duration above zero, got 0; None means no grace"),
        ("regenerate_grace", 10**400, "expected a finite duration, got 1000"),
    ],
)
def test_a_fault_says_what_was_expected_and_what_was_given(name: str, value: object, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_settings({"secret": SECRET, name: value}, {})

    assert fault in str(caught.value)


@pytest.mark.parametrize(("name", "value"), ids([case for case in BAD if isinstance(case[1], str)]))
def test_a_bad_value_in_the_environment_is_a_fault_that_names_its_option(name: str, value: str) -> None:
    variable = "SESSIONWARE_" + name.upper().replace(".", "__")

    with pytest.raises(ConfigError) as caught:
        make_settings(Config.from_environ({variable: value}), {})

    assert f"{name}: " in str(caught.value)


def test_every_option_is_tried_with_good_and_bad_values() -> None:
    good = {name for name, _, _ in [*TEXTS, *OBJECTS]} | {"secret"}

    bad = {name for name, _ in BAD}

    assert good == bad == set(OPTIONS)


def test_every_default_is_a_good_value() -> None:
    defaults = {name: option.default for name, option in OPTIONS.items() if name != "secret"}

    settings = make_settings({**defaults, "secret": SECRET}, {})

    assert settings.cookie == make_settings({"secret": SECRET}, {}).cookie
    assert settings.lifetimes == make_settings({"secret": SECRET}, {}).lifetimes


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("cookie.secrue", "cookie.secure"),
        ("secrue", "cookie.secure"),
        ("cookie_secure", "cookie.secure"),
        ("COOKIE.SECURE", "cookie.secure"),
        ("session_cookie_secure", "cookie.secure"),
        ("cookie-name", "cookie.name"),
        ("samesite", "cookie.samesite"),
        ("sercet", "secret"),
        ("secrets", "secret"),
        ("secret_key", "secret"),
        ("timeout", "idle_timeout"),
        ("idle_time_out", "idle_timeout"),
        ("backand", "backend"),
        ("key", "cookie.name"),
        ("type", "backend"),
        ("data_dir", "backend.path"),
        ("environ", "environ_key"),
        ("wholly_unrelated_word", None),
    ],
)
def test_a_misspelt_option_is_suggested(written: str, meant: str | None) -> None:
    assert suggestion(written) == meant


def test_the_typed_dict_and_the_table_have_the_same_options() -> None:
    typed = set(typing.get_type_hints(Options))

    of_logins = {f"login_{name}" for name in STORE_OPTIONS}
    assert typed == set(OPTIONS) | set(STORE_OPTIONS) | of_logins | {"cookie"}


def test_the_nested_typed_dicts_and_the_table_have_the_same_options() -> None:
    cookie = {f"cookie.{name}" for name in typing.get_type_hints(CookieOptions)}
    backend = {f"backend.{name}" for name in typing.get_type_hints(BackendOptions)}

    assert cookie == {name for name in OPTIONS if name.startswith("cookie.")}
    assert backend == set(STORE_OPTIONS) | {"backend.type"}
    assert GROUPS == ("cookie", "backend", "login_backend")


def test_the_table_has_the_options_of_every_store() -> None:
    taken = {
        f"backend.{name}"
        for store in (MemoryStore, FileStore, SQLiteStore, SQLAlchemyStore, RedisStore, MemcachedStore, KeyValueStore)
        for name in inspect.signature(store).parameters
    }

    assert set(STORE_OPTIONS) == taken - {"backend.clock"}


def test_the_rendered_tables_name_every_option_once() -> None:
    rendered = render_options()

    for name in [*OPTIONS, *STORE_OPTIONS]:
        assert rendered.count(f"   * - ``{name}``\n") == 1


def test_a_rendered_row_has_the_default_and_the_meaning() -> None:
    rendered = render_options()

    assert "   * - ``cookie.name``\n     - ``'sid'``\n     - The cookie's name, without a prefix.\n" in rendered
    assert "     - a tenth of ``idle_timeout``\n" in rendered
