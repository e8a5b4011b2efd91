"""No token, key, payload or value stands in an event, a log line, a repr, an error or a traceback."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from itsdangerous.encoding import base64_decode
from support.actions import Action, call, login, member, put, raised_by, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE, NEW_SECRET, PREFIX, SECRET
from support.frames import shown_in_frames

from sessionware import ConfigError, CookieTooLarge, RecordTooLarge, Session, SessionMiddleware
from sessionware.importers.beaker import BeakerCookieSessions, StoredBeakerSessions
from sessionware.importers.django import DjangoSessions
from sessionware.importers.flask import FlaskSessions
from sessionware.importers.flask_session import StoredFlaskSessions
from sessionware.importers.kvsession import KVSessions
from sessionware.importers.records import MemcachedRecords, RedisRecords, SQLRecords
from sessionware.stores import Entry, MemcachedStore, MemoryStore, RedisStore, SQLAlchemyStore, StoreUnavailable
from sessionware.testing import FakeClock

VALUE = "a-value-that-nobody-may-see"


def a_full_life(browser: Browser, clock: FakeClock) -> list[str]:
    """Do everything that can happen to a session, and return the cookies that were in use."""
    site, used = browser.site, []
    for action in (
        put(data=VALUE),
        login("ada", data=VALUE),
        call("regenerate"),
        call("remember", "30d"),
        lambda session: repr(session),
        then(call("clear"), put(data=VALUE)),
    ):
        used.append(browser.cookies.get(COOKIE, ""))
        tab = browser.twin()
        browser.send(action)
        tab.ask(put(data=VALUE * 2))
        clock.advance(600)
    site.ask(read, {COOKIE: used[1][:-3] + "AAA"})
    browser.twin(site.like(secret=NEW_SECRET)).ask(read)
    clock.advance(40 * 86400)
    browser.ask(read)
    return [cookie for cookie in used if cookie]


def secrets_of(site: Site, cookies: list[str]) -> list[str]:
    keys = site.store.keys if site.is_stored else []
    parts = [part for cookie in cookies for part in (cookie, cookie.rpartition(".")[2], cookie.rpartition(".")[0][8:])]
    return [VALUE, SECRET, NEW_SECRET, *keys, *parts]


def test_no_log_line_tells_a_secret(site: Site, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    used = a_full_life(visitor(site, put(data=VALUE)), clock)

    assert used
    assert len(caplog.records) > 10
    assert [secret for secret in secrets_of(site, used) if secret in caplog.text] == []


def test_no_event_tells_a_secret(site: Site, clock: FakeClock) -> None:
    used = a_full_life(visitor(site, put(data=VALUE)), clock)
    told = repr(site.events)

    assert len(site.events) > 10
    assert [secret for secret in secrets_of(site, used) if secret in told] == []


def test_no_repr_tells_a_secret(site: Site) -> None:
    browser = visitor(site, put(data=VALUE))
    shown: list[str] = []

    def look(session: Session) -> None:
        shown.append(repr(session))
        len(session)
        shown.append(repr(session))
        session["more"] = VALUE
        shown.append(str(session))
        shown.append(f"{session}")
        # What a debugger shows of its inside.
        shown.append(session.id + repr(session._request) + repr(session._request and session._request.found))

    browser.ask(look)
    first = site.ask(then(member("id"), put(data=VALUE), look))
    shown += [repr(site.manager), repr(site.app)]

    told = " ".join(shown)
    used = [browser.cookies[COOKIE], first.cookies[COOKIE] or ""]
    tokens = [repr(base64_decode(cookie.partition(".")[0][8:])) for cookie in used]
    assert [secret for secret in [*secrets_of(site, used), *tokens] if secret in told] == []


def test_no_repr_tells_the_token_under_which_a_former_session_will_be_taken_over(clock: FakeClock) -> None:
    old = Site(MemoryStore(clock=clock), clock)
    previous = {"backend": old.backend, "secret": SECRET, "until": clock() + 86400}
    new = Site(MemoryStore(clock=clock), clock, secret=NEW_SECRET, previous=previous, **{"cookie.name": "new"})
    browser = visitor(old, put(data=VALUE)).twin(new)
    shown: list[str] = []

    def look(session: Session) -> None:
        assert len(session)
        shown.append(repr(session._request) + repr(session._request and session._request.found))

    browser.send(look)
    cookie = browser.send(put(more=VALUE)).cookies[f"{PREFIX}new"]

    assert cookie
    token = repr(base64_decode(cookie.partition(".")[0][8:]))
    assert [secret for secret in [*secrets_of(new, [cookie]), token] if secret in shown[0]] == []


def told_by(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + str(error)


def failures(browser: Browser) -> list[BaseException]:
    """Every error that a session with secrets in it may raise."""
    tab = browser.twin()
    bad: Any = object()
    found = [
        tab.ask(raised_by(then(put(data=VALUE), put(bad={VALUE[:5]: [bad]})))).result,
        tab.ask(raised_by(call("login", [VALUE]))).result,
        tab.ask(raised_by(call("login", "ada", label=VALUE * 100))).result,
        tab.ask(raised_by(put(data=bytearray(VALUE.encode())))).result,
        tab.ask(raised_by(put(data=VALUE + "\ud800"))).result,
        tab.ask(raised_by(put(data=memoryview(VALUE.encode())))).result,
        tab.ask(raised_by(put(data=type("Text", (str,), {})(VALUE)))).result,
    ]
    return [error for error in found if error is not None]


def test_no_error_of_a_bad_value_tells_it(browser: Browser) -> None:
    errors = failures(browser)

    assert len(errors) == 7
    for error in errors:
        assert VALUE not in str(error) + repr(error)


def test_no_error_of_a_store_that_is_down_tells_a_secret(memory: Site) -> None:
    browser = visitor(memory, put(data=VALUE))
    errors: list[BaseException] = []
    for operations, action in ((("load",), read), (("replace",), then(put(data=VALUE * 2), call("save")))):
        with memory.store.down(*operations):
            errors.append(browser.ask(raised_by(action)).result)

    for error in errors:
        assert [text for text in secrets_of(memory, [browser.cookies[COOKIE]]) if text in told_by(error)] == []


class Strangers(MemoryStore):
    """A store of another package, over a driver that fails in a frame which has the key."""

    def load(self, key: str) -> Entry | None:
        try:
            raise OSError(5, "the driver")
        except OSError as error:
            raise StoreUnavailable("away") from error


@pytest.mark.parametrize("action", [read, call("clear")])
def test_no_frame_of_a_strangers_driver_is_kept(memory: Site, clock: FakeClock, action: Action) -> None:
    cookies = visitor(memory, put(data=VALUE)).cookies

    error = Site(Strangers(), clock).ask(raised_by(action), cookies).result

    assert isinstance(error, StoreUnavailable)
    assert (error.__cause__.__traceback__, error.__cause__.__context__) == (None, None)  # type: ignore[union-attr]


def test_no_conflict_error_tells_a_secret(stored: Site) -> None:
    browser = visitor(stored, put(data=VALUE))
    tab = browser.twin()
    browser.send(call("regenerate"))
    error = tab.ask(raised_by(then(put(data=VALUE * 2), call("save")))).result

    secrets = secrets_of(stored, [browser.cookies[COOKIE], tab.cookies[COOKIE]])
    assert [text for text in secrets if text in told_by(error)] == []


def test_no_error_of_too_much_data_tells_it(cookie_site: Site, make_memory: SiteMaker) -> None:
    memory = make_memory()
    memory.store.limit = 100
    for site, kind in ((cookie_site, CookieTooLarge), (memory, RecordTooLarge)):
        session = site.manager.open({"wsgi.url_scheme": "https"})
        session["data"] = VALUE * 200
        with pytest.raises(kind) as caught:
            session.save()

        assert VALUE not in told_by(caught.value)


@pytest.mark.parametrize("secret", ["short-but-secret", "password" * 8, "abc" * 20], ids=["short", "word", "repeated"])
def test_no_fault_of_a_secret_tells_it(secret: str) -> None:
    with pytest.raises(Exception, match="secret") as caught:
        SessionMiddleware(lambda environ, start_response: [], secret=secret)

    assert secret not in told_by(caught.value).replace(f"secret={secret!r}", "")


def test_what_stands_in_a_store_shows_nothing(stored: Site) -> None:
    visitor(stored, login("ada-lovelace", data=VALUE))
    entry = stored.store.inner.load(stored.store.keys[0])

    assert entry is not None
    assert VALUE.encode() not in entry.payload
    assert b"ada-lovelace" not in entry.payload


def test_a_503_page_tells_nothing(memory: Site) -> None:
    browser = visitor(memory, put(data=VALUE))
    with memory.store.down():
        answer = browser.ask(read)

    assert b"switched off" not in answer.body


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: SessionMiddleware({"secret": SECRET}), id="the application was forgotten"),  # type: ignore[arg-type]
        pytest.param(lambda: RedisStore(f"redis://u:{SECRET}@h/none"), id="redis"),
        pytest.param(lambda: MemcachedStore(f"memcached://u:{SECRET}@h"), id="memcached"),
        pytest.param(lambda: SQLAlchemyStore(f"oracle://u:{SECRET}@h/d"), id="sqlalchemy"),
        pytest.param(lambda: FlaskSessions(SECRET, until="soon"), id="flask"),
        pytest.param(lambda: DjangoSessions(SECRET, until="soon"), id="django"),
        pytest.param(lambda: StoredFlaskSessions({}, secret_key=SECRET, until=1), id="flask-session"),  # type: ignore[arg-type]
        pytest.param(lambda: KVSessions({}, SECRET, until="soon"), id="flask-kvsession"),
        pytest.param(lambda: BeakerCookieSessions(SECRET, until="soon", user_key=None), id="beaker"),
        pytest.param(lambda: StoredBeakerSessions({}, secret=SECRET, until=1, user_key=None), id="beaker in a store"),  # type: ignore[arg-type]
        pytest.param(lambda: RedisRecords(f"redis:u:{SECRET}@h"), id="records in redis"),
        pytest.param(lambda: SQLRecords(f"postgres://u:{SECRET}@h/d"), id="records in a database"),
        pytest.param(lambda: MemcachedRecords(f"memcached://u:{SECRET}@h"), id="records in memcached"),
    ],
)
def test_no_frame_of_a_fault_at_start_shows_a_secret(make: Callable[[], object]) -> None:
    with pytest.raises(ConfigError) as caught:
        make()

    assert shown_in_frames(caught.value, SECRET, outside=__file__) == []
