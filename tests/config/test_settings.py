"""A whole configuration gives settings, or one error that names every fault."""

from __future__ import annotations

import configparser
import time
import traceback
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.constants import NEW_SECRET, SECRET
from support.empty_store import EmptyStore

from sessionware.config.settings import Config, make_settings
from sessionware.config.table import OPTIONS
from sessionware.crypto.keys import read_secrets
from sessionware.exceptions import ConfigError
from sessionware.stores.file import FileStore
from sessionware.stores.memory import MemoryStore
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
    ],
)
def test_two_values_for_one_option_are_a_fault(config: dict[str, Any], name: str) -> None:
    fault = fault_of({"secret": SECRET, **config})

    assert f"{name}: it is given twice, with different values" in fault


# Faults.


def test_every_fault_is_named_in_one_error() -> None:
    config = {
        "backend": "sqlite",
        "backend.pth": "x.db",
        "secret": "short",
        "idle_timeout": "soon",
        "cookie": {"secrue": True, "prefix": "__Host-", "domain": "example.com"},
        "user_key": "_user_id",
        "on_event": "no.such.package:name",
    }

    fault = fault_of(config, cookie_name="x", save_on_error="perhaps")

    for name in ("backend.pth", "backend.path", "secret", "idle_timeout", "cookie.secrue", "cookie.prefix", "user_key"):
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


@pytest.mark.parametrize("refresh_after", ["1h", "2h"])
def test_a_session_that_would_never_be_renewed_is_a_fault(refresh_after: str) -> None:
    fault = fault_of({"secret": SECRET, "refresh_after": refresh_after})

    assert fault.startswith("refresh_after: ")


def test_a_bad_idle_timeout_is_not_blamed_on_refresh_after() -> None:
    fault = fault_of({"secret": SECRET, "refresh_after": "2h", "idle_timeout": "soon"})

    assert "refresh_after" not in fault


@pytest.mark.parametrize("name", ["user_key", "max_sessions_per_user", "login_backend", "login_backend.path"])
def test_what_is_left_for_later_is_refused_with_a_clear_word(name: str) -> None:
    fault = fault_of({"secret": SECRET, name: "x"})

    assert fault == f"{name}: this option is not in this version yet; leave it out"


def test_a_nested_login_backend_is_refused_with_a_clear_word() -> None:
    fault = fault_of({"secret": SECRET, "login_backend": {"type": "sqlite", "path": "x.db"}})

    assert "login_backend: this option is not in this version yet" in fault


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
