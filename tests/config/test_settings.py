"""A whole configuration gives settings, or one error that names every fault."""

from __future__ import annotations

import configparser
import os
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from importlib.metadata import EntryPoint
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from support.constants import NEW_SECRET, SECRET
from support.empty_store import EmptyStore

from sessionware.config.settings import Config, make_settings
from sessionware.config.table import OPTIONS
from sessionware.crypto.keys import read_secrets
from sessionware.exceptions import ConfigError
from sessionware.stores.file import FileStore
from sessionware.stores.keyvalue.store import KeyValueStore
from sessionware.stores.memory import MemoryStore
from sessionware.stores.redis.store import RedisStore
from sessionware.stores.sqlite import SQLiteStore
from sessionware.testing import FakeClock


def fault_of(config: Any, **options: Any) -> str:
    """The message of the one error that *config* and *options* are refused with."""
    with pytest.raises(ConfigError) as caught:
        make_settings(config, options)
    return str(caught.value)


def everything_told_by(error: BaseException) -> str:
    """All that a log or a debugger would show of *error*."""
    return "\n".join([str(error), repr(error), *traceback.format_exception(error)])


class Recorded(EmptyStore):
    """A store of another package, which keeps the clock that it was made with."""

    def __init__(self, url: str = "", password: str = "", clock: Callable[[], float] | None = None) -> None:
        if "refuse" in url:
            raise RuntimeError(f"no connection to {url} with {password}")
        self.clock = clock


# Merging.


def test_a_secret_is_all_that_a_cookie_session_needs() -> None:
    settings = make_settings({"secret": SECRET}, {})

    assert settings.store is None
    assert settings.lifetimes.idle == 3600
    assert settings.lifetimes.absolute == 86400
    assert settings.cookie.name == "sid"


def test_keyword_options_win_over_the_dict() -> None:
    settings = make_settings(
        {"secret": SECRET, "cookie.name": "one", "cookie.path": "/app"}, {"cookie": {"name": "two"}}
    )

    assert settings.cookie.name == "two"
    assert settings.cookie.path == "/app"


def test_keyword_options_alone_are_a_configuration() -> None:
    settings = make_settings(None, {"secret": SECRET, "cookie": {"secure": True}, "cookie.name": "x"})

    assert settings.cookie.secure is True
    assert settings.cookie.name == "x"


def test_a_backend_among_the_keywords_replaces_the_whole_backend_of_the_dict() -> None:
    config = {"secret": SECRET, "backend": "sqlite", "backend.path": "x.db", "backend.timeout": "2s"}

    settings = make_settings(config, {"backend": "memory"})

    assert isinstance(settings.store, MemoryStore)


def test_a_backend_that_was_replaced_is_not_looked_at() -> None:
    config = {"secret": SECRET, "backend": "no.such.package:Store"}

    settings = make_settings(config, {"backend": {"type": "memory"}})

    assert isinstance(settings.store, MemoryStore)


def test_a_stores_option_among_the_keywords_is_added_to_the_dicts_backend() -> None:
    config = {"secret": SECRET, "backend": "sqlite"}

    settings = make_settings(config, {"backend.path": "x.db"})

    assert isinstance(settings.store, SQLiteStore)


def test_a_nested_type_among_the_keywords_is_a_backend_too() -> None:
    config = {"secret": SECRET, "backend": "sqlite", "backend.timeout": "2s"}

    settings = make_settings(config, {"backend": {"type": "file", "path": "sessions"}})

    assert isinstance(settings.store, FileStore)


def test_names_without_the_prefix_are_left_to_other_packages() -> None:
    settings = make_settings({"session.secret": SECRET, "cookie.name": "theirs", "debug": True, 5: "five"}, {})  # type: ignore[dict-item]

    assert settings.cookie.name == "sid"


def test_prefixed_names_may_be_nested() -> None:
    settings = make_settings({"session.secret": SECRET, "session.cookie": {"name": "visit"}}, {})

    assert settings.cookie.name == "visit"


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"cookie.secure": True, "cookie": {"secure": "yes"}}, id="converted"),
        pytest.param({"idle_timeout": "1h", "session.idle_timeout": 5}, id="not ours"),
        pytest.param({"backend": {"type": "memory"}, "backend.type": "memory"}, id="backend"),
        pytest.param({"backend": {"type": "sqlite", "path": "x"}, "backend.path": "x"}, id="store's"),
        pytest.param({"backend": {"type": "sqlite", "path": "x"}, "backend.path": Path("x")}, id="store's path"),
        pytest.param({"backend": {"type": "sqlite:///x", "timeout": "5s"}, "backend.timeout": 5}, id="duration"),
        pytest.param({"backend": {"type": "sqlite:///x?timeout=5s"}, "backend.timeout": "5"}, id="store's URL"),
    ],
)
def test_the_same_value_may_be_given_twice(config: dict[str, Any]) -> None:
    secret = "session.secret" if "session.idle_timeout" in config else "secret"

    settings = make_settings({secret: SECRET, **config}, {})

    assert settings.lifetimes.idle in (3600, 5)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        pytest.param({"cookie.secure": True, "cookie": {"secure": False}}, "cookie.secure", id="cookie"),
        pytest.param({"backend.type": "memory", "backend": "cookie"}, "backend", id="backend"),
        pytest.param({"backend": {"type": "sqlite", "path": "x"}, "backend.path": "y"}, "backend.path", id="store's"),
        pytest.param({"cookie.secure": "maybe", "cookie": {"secure": "perhaps"}}, "cookie.secure", id="both bad"),
        pytest.param({"backend": {"type": "file", "path": 4}, "backend.path": 5}, "backend.path", id="numbers"),
    ],
)
def test_two_values_for_one_option_are_a_fault(config: dict[str, Any], name: str) -> None:
    fault = fault_of({"secret": SECRET, **config})

    assert f"{name}: it is given twice, with different values" in fault


def test_two_values_in_two_prefixed_spellings_are_a_fault() -> None:
    config = {"session.secret": SECRET, "session.cookie.path": "/a", "session.cookie": {"path": "/b"}}

    assert fault_of(config) == "cookie.path: it is given twice, with different values"


def test_two_values_in_a_url_and_a_variable_are_a_fault() -> None:
    variables = {"SHOP_BACKEND": "sqlite:///x.db?timeout=5s", "SHOP_BACKEND__TIMEOUT": "6s", "SHOP_SECRET": SECRET}

    with pytest.raises(ConfigError, match=r"backend\.timeout: it is given twice, here and in the URL"):
        Config.from_environ(variables, "SHOP_")


# Objects by their names.

CLIENT = redis.Redis()
A_DICT: dict[str, bytes] = {}


@pytest.mark.parametrize(
    ("backend", "option", "name", "store_class"),
    [
        ("redis", "client", "CLIENT", RedisStore),
        ("sessionware.stores:KeyValueStore", "obj", "A_DICT", KeyValueStore),
    ],
)
def test_an_object_of_a_store_is_named_in_a_file_and_in_a_variable(
    backend: str, option: str, name: str, store_class: type
) -> None:
    named = f"{__name__}:{name}"
    parser = configparser.ConfigParser()
    parser["app:main"] = {"session.secret": SECRET, "session.backend": backend, f"session.backend.{option}": named}
    variables = {"SHOP_BACKEND": backend, f"SHOP_BACKEND__{option.upper()}": named, "SHOP_SECRET": SECRET}

    for config in (parser["app:main"], Config.from_environ(variables, "SHOP_")):
        assert isinstance(make_settings(config, {}).store, store_class)


@pytest.mark.parametrize("duration", [0, -1, "0s", "0", timedelta(0), timedelta(seconds=-5), "-5s"])
@pytest.mark.parametrize(
    "name", ["idle_timeout", "absolute_timeout", "refresh_after", "regenerate_grace", "backend.timeout"]
)
def test_a_duration_of_zero_or_less_is_a_fault(name: str, duration: object) -> None:
    assert fault_of({"secret": SECRET, "backend": "sqlite:///x.db", name: duration}).startswith(f"{name}: expected a")


# Faults.


def test_every_fault_is_named_in_one_error() -> None:
    config = {
        "backend": "sqlite",
        "backend.pth": "x.db",
        "secret": "short",
        "idle_timeout": "soon",
        "cookie": {"secrue": True, "prefix": "__Host-", "domain": "example.com"},
        "values": "loose",
        "on_event": "no.such.package:name",
    }

    fault = fault_of(config, cookie_name="x", save_on_error="perhaps")

    for name in ("backend.pth", "backend.path", "secret", "idle_timeout", "cookie.secrue", "cookie.prefix", "values"):
        assert f"\n  - {name}: " in fault
    for name in ("on_event", "cookie_name", "save_on_error"):
        assert f"\n  - {name}: " in fault
    assert "\n  - refresh_after" not in fault


def test_an_unknown_option_comes_with_a_suggestion() -> None:
    fault = fault_of({"secret": SECRET}, cookie_secure=True)

    assert fault == "cookie_secure: unknown option; did you mean cookie.secure?"


def test_a_suggestion_for_a_prefixed_option_is_prefixed() -> None:
    fault = fault_of({"session.secret": SECRET, "session.cookie.secrue": "true"})

    assert fault == "session.cookie.secrue: unknown option; did you mean session.cookie.secure?"


def test_a_suggestion_for_a_variable_is_a_variable() -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_environ(
            {"SESSIONWARE_COOKIE__SECRUE": "true", "SESSIONWARE_": "x", "SESSIONWARE_SAVE_ON_ERROR": ""}
        )

    assert "SESSIONWARE_COOKIE__SECRUE: unknown option; did you mean SESSIONWARE_COOKIE__SECURE?" in str(caught.value)
    assert "SESSIONWARE_: unknown option" in str(caught.value)
    assert "save_on_error: " in str(caught.value)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(
            ["secret"], "expected a dict or a Config as configuration, got an object of the type list", id="list"
        ),
        pytest.param(
            {5: "x", "secret": SECRET}, "expected a string as the name of an option, got 5", id="number as name"
        ),
        pytest.param(
            {"secret": SECRET, "cookie": {5: 1}}, "cookie: expected a string as the name of an option", id="nested"
        ),
        pytest.param(
            {"secret": SECRET, "cookie": "secure"}, "cookie: expected a dict of its options", id="text for dict"
        ),
        pytest.param({"secret": SECRET, "cookie": None}, "cookie: expected a dict of its options", id="None for dict"),
        pytest.param({"secret": SECRET, "backend": {}}, "KeyValueStore(obj)", id="empty dict"),
        pytest.param(
            {"secret": SECRET, "backend": {"a": 1}}, "backend.a: the cookie backend has no options", id="dict"
        ),
        pytest.param({"secret": SECRET, "backend.": 1}, "backend.: unknown option", id="no name"),
    ],
)
def test_a_wrong_shape_is_a_fault(config: Any, expected: str) -> None:
    fault = fault_of(config)

    assert expected in fault


@pytest.mark.parametrize("secret", [None, "", b"", "  \n"])
def test_a_missing_secret_comes_with_the_command_that_makes_one(secret: object) -> None:
    fault = fault_of({"secret": secret, "backend": "sqlite:///x.db"})

    assert "secret: it is missing" in fault
    assert "sessionware secret" in fault


def test_a_weak_secret_is_refused_without_being_told() -> None:
    weak = "hunter" + str(2)

    with pytest.raises(ConfigError) as caught:
        make_settings({"secret": weak}, {})

    assert str(caught.value).startswith("secret: ")
    assert "hunter2" not in everything_told_by(caught.value)


def test_a_secret_given_as_the_whole_configuration_is_not_told() -> None:
    assert SECRET not in fault_of(SECRET)


def test_a_secret_given_twice_is_refused_without_being_told() -> None:
    with pytest.raises(ConfigError) as caught:
        make_settings({"secret": [SECRET, SECRET]}, {})

    assert str(caught.value).startswith("secret: ")
    assert SECRET not in everything_told_by(caught.value)


def test_two_secrets_that_name_one_key_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessionware.crypto.keys.KEY_ID_BYTES", 0)

    fault = fault_of({"secret": [SECRET, NEW_SECRET]})

    assert fault.startswith("secret: two of the secrets have the same key id")


def test_the_memory_backend_draws_a_secret() -> None:
    settings = make_settings({"backend": "memory"}, {})

    assert isinstance(settings.store, MemoryStore)


def test_a_memory_store_that_was_made_already_needs_no_secret_either() -> None:
    store = MemoryStore()

    settings = make_settings(None, {"backend": store})

    assert settings.store is store


def test_bad_combinations_of_a_cookie_are_faults() -> None:
    fault = fault_of({"secret": SECRET, "cookie.secure": False, "cookie.samesite": "None", "cookie.partitioned": True})

    assert "SameSite=None needs Secure" in fault
    assert "Partitioned needs Secure" in fault


@pytest.mark.parametrize(
    ("config", "named"),
    [
        pytest.param({"idle_timeout": "7d"}, ("7d (604800 seconds)", "24h (86400 seconds)"), id="the default"),
        pytest.param(
            {"idle_timeout": 7200, "absolute_timeout": timedelta(hours=1)}, ("7200 seconds", "3600 seconds"), id="both"
        ),
        pytest.param({"idle_timeout": "1h", "absolute_timeout": "30m"}, ("1h (3600", "30m (1800"), id="as the default"),
    ],
)
def test_an_idle_timeout_that_could_never_be_reached_is_a_fault(config: dict[str, Any], named: tuple[str, str]) -> None:
    fault = fault_of({"secret": SECRET, **config})

    assert fault.startswith("idle_timeout: ")
    assert all(duration in fault for duration in (*named, "absolute_timeout"))
    assert "set absolute_timeout to None, or to the idle_timeout or longer" in fault


@pytest.mark.parametrize(
    ("config", "idle"),
    [
        pytest.param({"absolute_timeout": "30m"}, 1800, id="the default one gives way"),
        pytest.param({"absolute_timeout": "2h"}, 3600, id="the default one stays"),
        pytest.param({"idle_timeout": "7d", "absolute_timeout": None}, 604800, id="no absolute one"),
        pytest.param({"idle_timeout": "7d", "absolute_timeout": "30d"}, 604800, id="a longer absolute one"),
        pytest.param({"idle_timeout": "30m", "absolute_timeout": 1800}, 1800, id="the same"),
        pytest.param({"idle_timeout": None, "absolute_timeout": "1m"}, None, id="no idle one"),
    ],
)
def test_an_idle_timeout_is_not_longer_than_the_absolute_one(config: dict[str, Any], idle: float | None) -> None:
    lifetimes = make_settings({"secret": SECRET, **config}, {}).lifetimes

    assert lifetimes.idle == idle
    assert lifetimes.refresh_after == (None if idle is None else idle / 10)


def test_a_bad_timeout_is_not_blamed_on_the_other() -> None:
    assert "idle_timeout" not in fault_of({"secret": SECRET, "idle_timeout": "7d", "absolute_timeout": "soon"})
    assert "absolute_timeout" not in fault_of({"secret": SECRET, "idle_timeout": "soon", "absolute_timeout": "1m"})


@pytest.mark.parametrize("refresh_after", ["1h", "2h"])
def test_a_session_that_would_never_be_renewed_is_a_fault(refresh_after: str) -> None:
    fault = fault_of({"secret": SECRET, "refresh_after": refresh_after})

    assert fault.startswith("refresh_after: ")


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        ("2023-01-01T00:00:00", "has no zone, so it is another moment on another machine; append Z for UTC"),
        (datetime(2023, 1, 1), "give a datetime with tzinfo=timezone.utc"),
        ("20230101", "would be seconds since the epoch, in 1970; write a date as 2026-01-31T00:00:00Z"),
        ("soon", "expected a moment (a datetime with a zone, a text such as '2026-01-31T12:00:00Z', or seconds since"),
        (4102444800, "seconds in the future, so every session would be over as soon as it begins; give one that has"),
        (1672531200000, "in seconds, not milliseconds"),
    ],
)
def test_a_moment_that_cannot_be_meant_is_a_fault_with_the_cure(moment: object, said: str) -> None:
    fault = fault_of({"secret": SECRET, "not_before": moment})

    assert fault.startswith("not_before: ")
    assert said in fault


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("cookies", "'cookies' would remove the cookies of other applications on the host and on its subdomains"),
        (["cache", "*"], "'*' includes cookies, which would remove the cookies of other applications"),
        ("executionContexts", "would reload the other tabs of the site"),
        ("caches", "expected 'cache' or 'storage', or a list of them, got 'caches'"),
        (5, "expected 'cache' or 'storage', or a list of them, got 5"),
    ],
)
def test_what_a_browser_must_not_be_told_to_forget_is_a_fault_with_the_reason(words: object, said: str) -> None:
    fault = fault_of({"secret": SECRET, "clear_site_data": words})

    assert fault.startswith("clear_site_data: ")
    assert said in fault


def test_a_bad_idle_timeout_is_not_blamed_on_refresh_after() -> None:
    fault = fault_of({"secret": SECRET, "refresh_after": "2h", "idle_timeout": "soon"})

    assert "refresh_after" not in fault


def test_a_limit_of_sessions_needs_a_store() -> None:
    fault = fault_of({"secret": SECRET, "max_sessions_per_user": 3})

    assert fault.startswith("max_sessions_per_user: ")
    assert "login_backend" in fault


@pytest.mark.parametrize(("written", "limit"), [(1, 1), ("3", 3), (None, None), ("none", None)])
def test_a_limit_of_sessions_is_a_number_or_none(written: object, limit: int | None) -> None:
    settings = make_settings({"secret": SECRET, "backend": "memory", "max_sessions_per_user": written}, {})

    assert settings.max_sessions_per_user == limit


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("clear_site_data", ""),
        ("clear_site_data", []),
        ("previous", "none"),
        ("previous", []),
        ("import_from", ""),
    ],
)
def test_an_empty_default_may_be_written_as_in_a_file(name: str, written: object) -> None:
    assert Config({name: written}).options[name] == OPTIONS[name].default


@pytest.mark.parametrize(
    "written",
    [
        {"login_backend": "sqlite", "login_backend.path": "x.db"},
        {"login_backend": {"type": "sqlite", "path": "x.db"}},
        {"login_backend": "sqlite:///x.db"},
    ],
)
def test_a_store_for_logins_is_named_as_a_backend_is(written: dict[str, Any]) -> None:
    settings = make_settings(Config({"secret": SECRET, **written}), {})

    assert isinstance(settings.store, SQLiteStore)
    assert settings.is_store_for_logins


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ({"login_backend.path": "x"}, "login_backend.path: name a store by login_backend (nested: type)"),
        ({"login_backend": "cookie"}, "login_backend: 'cookie' is no store; "),
        ({"login_backend": "redsi"}, "login_backend: unknown backend 'redsi'; did you mean 'redis'?"),
        ({"login_backend": "sqlite", "login_backend.pth": "x"}, "login_backend.path: SQLiteStore needs it"),
        ({"login_backend": "sqlite", "login_backend.pth": "x"}, "did you mean login_backend.path?"),
        ({"login_backend": "memory", "backend": "memory"}, "login_backend: it is for the cookie backend; "),
    ],
)
def test_a_bad_store_for_logins_is_a_fault_that_names_its_option(written: dict[str, Any], fault: str) -> None:
    assert fault in fault_of({"secret": SECRET, **written})


WILD_NAMES = st.sampled_from([*OPTIONS, "cookie", "backend.path", "backend.timeout", "login_backend.x"]) | st.text()
WILD_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=3,
)


@given(st.dictionaries(WILD_NAMES, WILD_VALUES, max_size=4))
def test_whatever_is_given_gives_settings_or_a_config_error(config: dict[str, Any]) -> None:
    try:
        settings = make_settings(config, {"secret": SECRET})
    except ConfigError as error:
        settings = None
        message = str(error)

    assert settings is not None or message


# Secrets in messages.


@pytest.mark.parametrize("name", ["sercet", "secrets", "session_secret", "cookie.secret", "SECRET"])
def test_the_value_of_an_unknown_option_is_never_told(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_settings({name: SECRET}, {})

    assert f"{name}: unknown option" in str(caught.value)
    assert SECRET not in everything_told_by(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"backend": "redis://user:hunter2@host/0?prefixx=1"}, id="a query"),
        pytest.param({"backend": "nosuch://user:hunter2@host/0"}, id="unknown scheme"),
        pytest.param({"backend": "sqlite://user:hunter2@host/0"}, id="host"),
        pytest.param({"backend": "sqlite:///x.db?timeout=hunter2@x"}, id="query"),
        pytest.param({"backend": "sqlite://[hunter2/x"}, id="unreadable"),
        pytest.param({"backend": "user:hunter2@host"}, id="no scheme"),
        pytest.param({"backend": "sqlite", "backend.url": "redis://:hunter2@host"}, id="store's option"),
        pytest.param({"backend": Recorded, "backend.url": "refuse://u:hunter2@h"}, id="store's error"),
        pytest.param({"backend": Recorded, "backend.url": "refuse", "backend.password": "hunter2"}, id="password"),
        pytest.param({"idle_timeout": "redis://user:hunter2@host/0"}, id="misplaced"),
        pytest.param({"backend.url": "redis://:hunter2@a", "backend": {"url": "redis://:hunter2@b"}}, id="twice"),
    ],
)
def test_a_password_is_never_told(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        make_settings({"secret": SECRET, **config}, {})

    assert "hunter2" not in everything_told_by(caught.value)


class Echoing(EmptyStore):
    """A store of another package, which says in its errors what it was given, as ``kind`` tells."""

    def __init__(self, url: str = "", *, kind: str = "text", options: Any = None, password: int = 0) -> None:
        told = repr(options or url)
        if kind == "notes":
            error = RuntimeError("no connection")
            error.__notes__ = [told]  # type: ignore[attr-defined]
            raise error
        if kind == "cause":
            raise RuntimeError("no connection") from ValueError(told)
        if kind == "context":
            try:
                raise KeyError(told)
            except KeyError:
                raise RuntimeError("no connection") from ValueError("no route")
        if kind == "config error":
            raise ConfigError(f"cannot read {told}")
        if kind == "attribute":
            raise _Remembering("no connection", told)
        raise RuntimeError(f"no connection to {told.lower() if kind == 'lower case' else told}")


class _Remembering(RuntimeError):
    """An error whose repr says more than its str."""

    def __str__(self) -> str:
        return str(self.args[0])


class ReadingURLs(Echoing):
    """A store of another package that reads its URL itself, and says what it was given."""

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """Raises what the host says."""
        raise KeyError(url) if "key" in url else ValueError(f"cannot read {url}")


TOKEN = "Ghp5Zq8Token"
CREDENTIALS = [
    pytest.param(f"https://{TOKEN}@host", id="a user without a password"),
    pytest.param(f"https://{TOKEN}:@host/x", id="a user and an empty password"),
    pytest.param(f"https://user:{TOKEN}@host", id="a password"),
    pytest.param(f"acme+tls://{TOKEN}:x@host,{TOKEN}:y@other", id="several hosts"),
    pytest.param(f"https://host/?token={TOKEN}", id="the query"),
    pytest.param(f"https://host/#{TOKEN}", id="the fragment"),
    pytest.param(f"https:{TOKEN}@host", id="no slashes"),
    pytest.param(f"{TOKEN}@host", id="no scheme"),
    pytest.param(f"https://a%40{TOKEN}:p%2F{TOKEN}@host", id="escaped"),
    pytest.param(f"https://p/w:{TOKEN}@host", id="an unescaped slash"),
]


@pytest.mark.parametrize("url", CREDENTIALS)
@pytest.mark.parametrize("kind", ["text", "lower case", "cause", "context", "notes", "config error", "attribute"])
def test_no_error_of_a_strangers_store_tells_a_credential(url: str, kind: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_settings({"secret": SECRET, "backend": Echoing, "backend.url": url, "backend.kind": kind}, {})

    assert TOKEN.lower() not in everything_told_by(caught.value).lower()
    assert "Echoing cannot be made" in str(caught.value)


@pytest.mark.parametrize("given", [{"auth": [TOKEN]}, [f"https://{TOKEN}@host"], f"https://{TOKEN}@h".encode()])
def test_no_error_of_a_strangers_store_tells_a_credential_within_an_option(given: object) -> None:
    with pytest.raises(ConfigError) as caught:
        make_settings({"secret": SECRET, "backend": Echoing, "backend.options": given}, {})

    assert TOKEN not in everything_told_by(caught.value)


@pytest.mark.usefixtures("reading_urls")
@pytest.mark.parametrize("scheme", ["acme", "key"])
@pytest.mark.parametrize("name", ["backend", "backend.url"])
def test_no_error_of_a_strangers_reading_of_a_url_tells_a_credential(scheme: str, name: str) -> None:
    config = {"backend": "acme", name: f"{scheme}://{TOKEN}@host"}

    with pytest.raises(ConfigError) as caught:
        make_settings({"secret": SECRET, **config}, {})

    assert TOKEN not in everything_told_by(caught.value)
    assert "the URL of ReadingURLs cannot be read" in str(caught.value)


@pytest.fixture
def reading_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package that announces its store for two schemes."""
    point = EntryPoint(name="acme", value=f"{__name__}:ReadingURLs", group="sessionware.stores")
    monkeypatch.setattr("sessionware.config.backend.entry_points", lambda **parameters: [point])


@pytest.mark.parametrize("option", ["backend", "on_event", "clock", "types", "backend.options"])
@pytest.mark.parametrize("chained", ["", " from ValueError(url)"])
def test_no_error_of_a_module_that_cannot_be_imported_tells_a_credential(
    option: str, chained: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "'no connection'" if chained else "url"
    tmp_path.joinpath("unconnected.py").write_text(f"url = 'redis://{TOKEN}@host'\nraise OSError({told}){chained}\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError) as caught:
        make_settings({"secret": SECRET, "backend": Echoing, option: "unconnected:thing"}, {})

    assert "'unconnected:thing' cannot be imported: OSError" in str(caught.value)
    assert TOKEN not in everything_told_by(caught.value)


def test_an_option_that_is_named_like_a_password_is_not_told_either() -> None:
    with pytest.raises(ConfigError) as caught:
        make_settings({"secret": SECRET, "backend": Echoing, "backend.password": TOKEN}, {})

    assert "backend.password: " in str(caught.value)
    assert TOKEN not in everything_told_by(caught.value)


@pytest.mark.parametrize("backend", [f"{TOKEN}@acme://host", f"user:{TOKEN}@acme://host", f"{TOKEN}@host:6379"])
def test_what_is_no_url_is_not_told_if_it_may_hold_a_credential(backend: str) -> None:
    assert TOKEN.lower() not in fault_of({"secret": SECRET, "backend": backend}).lower()


def test_what_a_strangers_store_says_is_told_where_it_shows_no_credential() -> None:
    fault = fault_of({"secret": SECRET, "backend": Echoing, "backend.url": "https://u@h", "backend.options": "port 5"})

    assert fault == "backend: Echoing cannot be made: RuntimeError: no connection to 'port 5'"


def test_a_secret_that_an_ini_file_interpolates_wrongly_is_never_told() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(f"[app:main]\nother = 5%\nsession.secret = {SECRET}%x{NEW_SECRET}\n")

    with pytest.raises(ConfigError) as caught:
        make_settings(parser["app:main"], {})

    assert "session.secret: the INI file's interpolation fails" in str(caught.value)
    assert NEW_SECRET not in everything_told_by(caught.value)


# Stores and clocks.


def test_a_store_that_takes_a_clock_is_given_ours() -> None:
    clock = FakeClock()

    settings = make_settings({"secret": SECRET, "backend": Recorded, "clock": clock}, {})

    assert isinstance(settings.store, Recorded)
    assert settings.store.clock is clock
    assert settings.clock is clock


def test_a_clock_that_a_store_was_given_is_left_to_it() -> None:
    clock = FakeClock()

    settings = make_settings({"secret": SECRET, "backend": Recorded, "backend.clock": clock}, {})

    assert isinstance(settings.store, Recorded)
    assert settings.store.clock is clock
    assert settings.clock is not clock


def test_the_default_clock_looks_the_time_up_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings({"secret": SECRET}, {})

    monkeypatch.setattr(time, "time", lambda: 42.0)

    assert settings.clock() == 42.0


@pytest.mark.parametrize(
    ("environ_key", "manager_key"),
    [("sessionware.session", "sessionware.manager"), ("x.session", "x.manager"), ("visit", "visit.manager")],
)
def test_the_manager_stands_beside_the_session(environ_key: str, manager_key: str) -> None:
    settings = make_settings({"secret": SECRET, "environ_key": environ_key}, {})

    assert settings.manager_key == manager_key


@pytest.mark.parametrize(
    ("config", "refresh_after"),
    [
        pytest.param({"idle_timeout": "50m"}, 300, id="a tenth"),
        pytest.param({"idle_timeout": None}, None, id="no idle timeout"),
        pytest.param({"idle_timeout": None, "refresh_after": "5m"}, 300, id="set without an idle timeout"),
    ],
)
def test_refresh_after_follows_the_idle_timeout(config: dict[str, Any], refresh_after: float | None) -> None:
    settings = make_settings({"secret": SECRET, **config}, {})

    assert settings.lifetimes.refresh_after == refresh_after


# Config.


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"secret": SECRET, "cookie": {"secure": True}, "idle_timeout": "1h"}, id="nested"),
        pytest.param(
            {"session.secret": SECRET, "session.cookie.secure": "on", "session.idle_timeout": "60m"}, id="INI"
        ),
    ],
)
def test_equal_options_make_equal_configs(options: Mapping[str, Any]) -> None:
    dotted = Config({"secret": SECRET.encode(), "cookie.secure": True, "idle_timeout": 3600})

    config = Config(options)

    assert config == dotted
    assert config != Config()
    assert config != {"secret": SECRET}


def test_a_config_names_every_bad_value_and_unknown_option() -> None:
    with pytest.raises(ConfigError) as caught:
        Config({"secret": "x", "cookie.secrue": True, "idle_timeout": "soon", "backend": "sqlite", "backend.pth": "x"})

    for name in ("secret", "cookie.secrue", "idle_timeout", "backend.pth"):
        assert f"\n  - {name}: " in str(caught.value)


def test_a_config_with_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ConfigError, match="backend: unknown backend 'sqllite'; did you mean 'sqlite'"):
        Config({"backend": "sqllite", "backend.path": "x.db"})


def test_a_config_may_lack_what_the_middleware_is_given_besides() -> None:
    config = Config({"backend.path": "x.db", "cookie.secure": False, "cookie.samesite": "None"})

    settings = make_settings(
        config, {"secret": SECRET, "backend": {"type": "sqlite", "path": "y.db"}, "cookie.secure": True}
    )

    assert isinstance(settings.store, SQLiteStore)
    assert settings.cookie.samesite == "None"


def test_a_config_opens_no_store() -> None:
    config = Config({"backend": Recorded, "backend.url": "refuse"})

    assert config.options["backend.url"] == "refuse"


@pytest.mark.parametrize("timeout", ["5s", 5, "5"])
def test_a_config_may_give_a_stores_option_in_the_url_and_beside_it(timeout: Any) -> None:
    config = Config({"backend": "sqlite:///x.db?timeout=5s", "backend.timeout": timeout, "secret": SECRET})

    assert isinstance(make_settings(config, {}).store, SQLiteStore)


def test_a_nested_backend_may_be_any_mapping() -> None:
    nested = MappingProxyType({"type": "sqlite", "path": "x.db"})

    assert isinstance(make_settings({"backend": nested, "secret": SECRET}, {}).store, SQLiteStore)


def test_a_store_that_is_a_dict_is_a_store() -> None:
    class InADict(dict[str, Any], Recorded):
        """Its entries are its items."""

    store = InADict()

    assert make_settings({"backend": store, "secret": SECRET}, {}).store is store


@pytest.mark.parametrize("url", ["sqlite:///x.db", "sqlite:///x.db?timeout=3s"])
def test_a_url_beside_the_name_of_its_store_can_be_read_again(url: str) -> None:
    config = Config({"secret": SECRET, "backend": "sqlite", "backend.url": url})

    assert Config(config.options) == config
    assert isinstance(make_settings(config, {}).store, SQLiteStore)


@pytest.mark.parametrize("options", [{"tiemout": 1}, {"clock": "no.such:name"}])
def test_a_fault_of_an_option_of_the_memory_store_is_no_fault_of_the_secret(options: dict[str, Any]) -> None:
    assert "secret" not in fault_of({"backend": {"type": "memory", **options}})


def test_what_a_config_has_read_can_be_read_again() -> None:
    config = Config({"secret": f"{SECRET}\n{NEW_SECRET}", "backend": "sqlite:///x.db", "backend.timeout": "2s"})

    again = Config(config.options)

    assert again == config
    assert config.options["secret"] == read_secrets([SECRET, NEW_SECRET])
    assert config.options["backend.timeout"] == 2.0


def test_a_config_shows_names_and_no_values() -> None:
    config = Config({"secret": SECRET, "backend": Recorded, "backend.url": "redis://:hunter2@host"})

    assert repr(config) == "<Config of backend, backend.url, secret>"
    assert repr(Config()) == "<Config of no options>"


def test_variables_with_another_prefix_are_left_alone() -> None:
    environ = {"SESSIONWARE_COOKIE__NAME": "one", "SHOP_COOKIE__NAME": "two", "SHOP_SECRET": SECRET}

    settings = make_settings(Config.from_environ(environ, prefix="SHOP_"), {})

    assert settings.cookie.name == "two"


def test_variables_name_a_backend_and_its_options() -> None:
    environ = {
        "SESSIONWARE_BACKEND__TYPE": "sqlite",
        "SESSIONWARE_BACKEND__PATH": "x.db",
        "SESSIONWARE_SECRET": f"{SECRET}\n{NEW_SECRET}",
    }

    settings = make_settings(Config.from_environ(environ), {})

    assert isinstance(settings.store, SQLiteStore)


@pytest.mark.parametrize(
    "key", ["HTTP_COOKIE", "REQUEST_METHOD", "PATH_INFO", "wsgi.input", "wsgi.session", "sessionware.open"]
)
def test_a_key_of_environ_that_belongs_to_another_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=r"environ_key: .*'myapp\.session'"):
        make_settings({"secret": SECRET, "environ_key": key}, {})


@pytest.mark.parametrize("environ", [os.environb, None, 7, [("A", "b")], "A=b", {1: "x"}])
def test_variables_that_are_no_mapping_of_strings_are_a_fault(environ: Any) -> None:
    with pytest.raises(ConfigError, match=r"os\.environ"):
        Config.from_environ(environ)


@pytest.mark.parametrize("prefix", [None, b"SHOP_", 7])
def test_a_prefix_of_variables_that_is_no_string_is_a_fault(prefix: Any) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        Config.from_environ({}, prefix)
