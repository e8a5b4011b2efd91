"""A configuration of Beaker's configures our sessions, and what cannot be kept of it is told."""

from __future__ import annotations

import configparser
import logging
import traceback
from collections import OrderedDict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bottle  # type: ignore[import-untyped]
import pytest
import webtest
from support.beaker import KINDS, BeakerSite, Options, Visitor, beakers_options, set_to
from support.constants import KEY, NEW_SECRET, PLAIN, SECRET
from support.frames import shown_in_frames

from sessionware import ConfigError, SessionDataError
from sessionware.integrations.beaker import SessionMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@pytest.fixture
def memory(tmp_path: Path) -> Options:
    return beakers_options("memory", tmp_path)


@pytest.mark.parametrize("prefix", ["session.", "beaker.session."])
def test_both_prefixes_are_read(prefix: str) -> None:
    middleware = SessionMiddleware(bottle.Bottle(), {f"{prefix}type": "cookie", f"{prefix}validate_key": SECRET})

    assert middleware.options == {"type": "cookie", "validate_key": SECRET}


def test_keywords_need_no_prefix_and_win() -> None:
    config = {"session.type": "cookie", "session.validate_key": SECRET, "session.timeout": "60", "debug": "true"}

    middleware = SessionMiddleware(bottle.Bottle(), config, timeout=30, **{"session.key": "shop"})

    assert middleware.options == {"type": "cookie", "validate_key": SECRET, "timeout": 30, "key": "shop"}


def test_a_dict_of_nothing_but_options_needs_no_prefix() -> None:
    middleware = SessionMiddleware(bottle.Bottle(), {"type": "cookie", "validate_key": SECRET})

    assert middleware.options == {"type": "cookie", "validate_key": SECRET}


def test_a_configuration_of_somebody_else_is_left_alone() -> None:
    middleware = SessionMiddleware(bottle.Bottle(), {"here": "/srv", "debug": "true"})

    assert middleware.options == {}


def test_of_a_section_only_the_options_of_sessions_are_read() -> None:
    parser = configparser.ConfigParser()
    parser.read_string("[app:main]\nsession.type = memory\ncache.url = 50%\n")

    assert SessionMiddleware(bottle.Bottle(), parser["app:main"]).options == {"type": "memory"}


def test_an_option_that_the_ini_file_cannot_give_is_a_fault_that_does_not_repeat_it() -> None:
    parser = configparser.ConfigParser()
    parser.read_string(f"[app:main]\nsession.type = cookie\nsession.secret = {SECRET}%\n")

    with pytest.raises(ConfigError, match=r"session\.secret: the INI file") as caught:
        SessionMiddleware(bottle.Bottle(), parser["app:main"])

    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_the_old_prefix_is_deprecated_as_in_beaker() -> None:
    with pytest.deprecated_call():
        middleware = SessionMiddleware(bottle.Bottle(), {"session_type": "memory"})

    assert middleware.options == {"type": "memory"}


def test_without_any_option_sessions_are_in_memory() -> None:
    visitor = Visitor(BeakerSite({}))

    visitor.ask(set_to(value=1))

    assert visitor.data() == {"value": 1}


def test_an_option_of_ours_wins_over_beakers(memory: Options) -> None:
    ours = {"session.key": "old", "session.cookie.name": "new", "session.secure": "true", "session.user_key": "user"}
    visitor = BeakerSite({**memory, **ours}).visitor()

    visitor.ask(set_to(user="ada"))

    assert visitor.cookies[0].startswith("__Host-Http-new=")


def test_another_environ_key_is_used(memory: Options) -> None:
    keys: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        keys.extend(key for key in ("mine", "beaker.session", KEY) if key in environ)
        start_response("200 OK", PLAIN)
        return [b""]

    webtest.TestApp(SessionMiddleware(app, memory, environ_key="mine")).get("/")

    assert keys == ["mine"]


def test_two_middlewares_serve_one_application(memory: Options, tmp_path: Path) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        for name in ("one", "two"):
            environ[name]["value"] = name
            environ[name].save()
        start_response("200 OK", PLAIN)
        return [b""]

    inner = SessionMiddleware(app, memory, environ_key="one", key="one")
    answer = webtest.TestApp(SessionMiddleware(inner, memory, environ_key="two", key="two")).get("/")

    assert sorted(line.partition("=")[0] for line in answer.headers.getall("Set-Cookie")) == ["one", "two"]


@pytest.mark.parametrize(
    ("expires", "told", "not_told"),
    [
        (True, [], ["Max-Age", "Expires"]),
        ("true", [], ["Max-Age", "Expires"]),
        (False, ["Max-Age=86400"], []),
        (300, ["Max-Age=300"], []),
        ("300", ["Max-Age=300"], []),
        (timedelta(minutes=5), ["Max-Age=300"], []),
    ],
)
def test_cookie_expires_says_how_long_the_cookie_lives(
    memory: Options, expires: object, told: list[str], not_told: list[str]
) -> None:
    visitor = BeakerSite({**memory, "session.cookie_expires": expires}).visitor()

    visitor.ask(set_to(value=1))

    (line,) = visitor.cookies
    assert all(text in line for text in told)
    assert not any(text in line for text in not_told)


def test_the_options_hold_cookie_expires_as_beaker_reads_it(memory: Options) -> None:
    def expires(value: object) -> object:
        return SessionMiddleware(bottle.Bottle(), {**memory, "session.cookie_expires": value}).options["cookie_expires"]

    assert [expires(value) for value in ("300", 300, "t", "false", False)] == [
        timedelta(seconds=300),
        timedelta(seconds=300),
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_timeout_ends_a_session_that_is_not_used(kind: str, tmp_path: Path) -> None:
    visitor = BeakerSite({**beakers_options(kind, tmp_path), "session.timeout": "1800"}).visitor()
    visitor.ask(set_to(value=1))

    visitor.site.clock.advance(1799)
    assert visitor.data() == {"value": 1}
    visitor.site.clock.advance(1801)
    assert visitor.data() == {}


def test_the_attributes_of_the_cookie_are_those_of_the_options(memory: Options) -> None:
    attributes = {"key": "shop", "secure": "true", "samesite": "Strict", "cookie_path": "/app"}
    visitor = BeakerSite({**memory, **{f"session.{name}": value for name, value in attributes.items()}}).visitor()

    visitor.ask(set_to(value=1))

    (line,) = visitor.cookies
    assert line.startswith("__Secure-shop=")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/app"} <= set(line.split("; "))


def test_a_key_with_a_prefix_of_browsers_is_the_name_of_the_cookie(memory: Options) -> None:
    visitor = BeakerSite({**memory, "session.key": "__Secure-shop"}).visitor()

    visitor.ask(set_to(value=1))

    assert visitor.cookies[0].startswith("__Secure-shop=")


def test_the_domain_of_the_cookie_is_that_of_the_option(memory: Options) -> None:
    visitor = BeakerSite({**memory, "session.cookie_domain": ".hoop.com"}).visitor()

    visitor.ask(set_to(value=1), HTTP_HOST="www.hoop.com")

    # Browsers ignore the dot; Werkzeug leaves it out from 2.3.
    assert "Domain=hoop.com" in visitor.cookies[0].replace("=.", "=")


def test_the_snippet_of_cork_works_with_its_key() -> None:
    """``validate_key`` is True there, and the key that encrypts becomes the secret."""
    options = {
        "session.cookie_expires": True,
        "session.encrypt_key": NEW_SECRET,
        "session.httponly": True,
        "session.timeout": 3600 * 24,
        "session.type": "cookie",
        "session.validate_key": True,
    }
    visitor = BeakerSite(options).visitor()

    def log_in(session: Any) -> None:
        session["username"] = "ada"
        session.save()

    visitor.ask(log_in)

    assert visitor.ask(lambda session: session["username"]) == "ada"
    visitor.ask(lambda session: session.delete())
    assert visitor.ask(lambda session: session.get("username")) is None


def test_another_key_opens_no_session_and_raises_nothing() -> None:
    options = {"session.type": "cookie", "session.encrypt_key": SECRET, "session.validate_key": "any"}
    visitor = BeakerSite(options).visitor()
    visitor.ask(set_to(value=1))

    visitor.client.app = BeakerSite({**options, "session.encrypt_key": NEW_SECRET}).middleware

    assert visitor.data() == {}


def test_a_weak_key_is_a_fault_that_does_not_repeat_it() -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(bottle.Bottle(), {"session.type": "cookie", "session.validate_key": "hoobermas"})

    assert "32" in str(caught.value)
    assert "hoobermas" not in str(caught.value)


def test_a_stored_session_without_a_secret_is_a_fault_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sessionware secret"):
        SessionMiddleware(bottle.Bottle(), {"session.data_dir": str(tmp_path)})


def test_the_credentials_of_an_address_are_used_and_not_shown() -> None:
    url = "redis://ada:Ghp5Zq8Token@127.0.0.1:1/2"
    middleware = SessionMiddleware(
        bottle.Bottle(), {"session.type": "ext:redis", "session.url": url, "session.secret": SECRET}
    )

    store: Any = middleware.manager._settings.store
    assert "Ghp5Zq8Token" not in repr(store)
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(
            bottle.Bottle(), {"session.type": "ext:redis", "session.url": url + "?x=y", "session.secret": SECRET}
        )
    assert "Ghp5Zq8Token" not in str(caught.value)


@pytest.mark.parametrize("config", [SECRET, [("session.type", "memory")]], ids=["text", "pairs"])
def test_what_is_no_dict_is_refused_and_not_shown(config: Any) -> None:
    with pytest.raises(ConfigError, match="expected a dict as configuration, got an object of the type") as caught:
        SessionMiddleware(bottle.Bottle(), config)

    assert shown_in_frames(caught.value, SECRET, outside=__file__) == []


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"type": "ext:mongodb", "url": "mongodb://h"}, "no store for mongodb"),
        ({"type": "ext:google"}, "no store for google"),
        ({"type": "file"}, "data_dir"),
        ({"type": "ext:sqla"}, "bind"),
        ({"type": "memory", "tiemout": 30}, "tiemout"),
        ({"type": "memory", "timeout": "soon"}, "timeout: expected a duration .*, got 'soon'"),
        ({"type": "memory", "cookie_expires": "maybe"}, "cookie_expires: expected a duration .*, got 'maybe'"),
        ({"type": "memory", "auto": "treu"}, "auto: expected True, False, .*, got 'treu'"),
        ({"type": "memory", "secure": "treu"}, "secure: expected True, False, .*, got 'treu'"),
    ],
)
def test_what_cannot_be_served_is_a_fault_at_start(options: Options, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        SessionMiddleware(bottle.Bottle(), {f"session.{name}": value for name, value in options.items()})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("data_serializer", "pickle"),
        ("crypto_type", "pycrypto"),
        ("session_class", dict),
        ("namespace_class", dict),
        ("use_cookies", False),
        ("id", "fixed"),
    ],
)
def test_an_option_that_cannot_be_kept_is_named_once_with_what_to_do(
    memory: Options, caplog: pytest.LogCaptureFixture, option: str, value: object
) -> None:
    with caplog.at_level(logging.WARNING, "sessionware"):
        SessionMiddleware(bottle.Bottle(), {**memory, f"session.{option}": value})

    (record,) = caplog.records
    assert f"the option {option} of Beaker has no effect: " in record.getMessage()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("data_serializer", "json"),
        ("crypto_type", "default"),
        ("log_file", "/tmp/beaker.log"),
        ("lock_dir", "/tmp/lock"),
        ("enabled", True),
        ("constant_csrf_token", True),
        ("cookie_on_exception", True),
        ("invalidate_corrupt", "true"),
        ("urls", None),
        ("session_class", None),
        ("validate_key", True),
        ("save_accessed_time", "false"),
    ],
)
def test_an_option_that_changes_nothing_is_taken_without_a_word(
    memory: Options, caplog: pytest.LogCaptureFixture, option: str, value: object
) -> None:
    with caplog.at_level(logging.WARNING, "sessionware"):
        SessionMiddleware(bottle.Bottle(), {**memory, f"session.{option}": value})

    assert caplog.records == []


def test_without_cookie_on_exception_an_error_page_keeps_nothing(memory: Options) -> None:
    visitor = BeakerSite({**memory, "session.cookie_on_exception": "false"}).visitor()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        set_to(value=1)(environ["beaker.session"])
        start_response("500 Internal Server Error", PLAIN)
        return [b"sorry"]

    visitor.client.get("/", extra_environ={"test.app": app}, status=500)

    assert visitor.data() == {}


def test_values_that_pickle_would_have_kept_are_kept_as_plain_ones(memory: Options) -> None:
    visitor = BeakerSite(memory).visitor()

    visitor.ask(set_to(cart=OrderedDict(book=1)))

    assert visitor.data() == {"cart": {"book": 1}}


def test_the_option_values_may_be_strict(memory: Options) -> None:
    visitor = BeakerSite({**memory, "session.values": "strict"}).visitor()

    with pytest.raises(SessionDataError):
        visitor.ask(set_to(cart=OrderedDict(book=1)))


def test_a_value_that_no_session_keeps_is_refused_where_it_is_set(memory: Options) -> None:
    """Beaker pickles it."""

    def action(session: Any) -> None:
        with pytest.raises(SessionDataError):
            session["value"] = object()

    BeakerSite(memory).visitor().ask(action)
