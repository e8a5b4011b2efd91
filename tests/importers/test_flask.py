"""Sessions that Flask itself has made are taken over."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import flask
import pytest
from importers.flask_site import FLASK_SECRET, FlaskWorker, flask_app
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from markupsafe import Markup
from support.actions import below, call, login, member, put, read
from support.browser import Browser, Site
from support.constants import COOKIE, SECRET
from support.fleet import Jar, Losses, OurWorker, run
from support.stores import RecordingStore, local_store

from sessionware import ConfigError, SessionMiddleware
from sessionware.importers.flask import FlaskSessions
from sessionware.testing import FakeClock

DAY = 86400.0


class Move:
    """A Flask application, and a site that takes its sessions over."""

    def __init__(self, backend: Any, clock: FakeClock, config: dict[str, Any], **importer: Any) -> None:
        self.clock = clock
        self.old = FlaskWorker(flask_app(**config))
        sessions = FlaskSessions(FLASK_SECRET, until=clock() + 30 * DAY, **importer)
        self.new = Site(backend, clock, import_from=sessions)
        self.jar = Jar()

    def browser(self) -> Browser:
        """The same browser at a new worker."""
        browser = Browser(self.new)
        browser.cookies = self.jar.cookies
        return browser

    def ask(self, name: str) -> Any:
        return self.browser().ask(member(name)).result


@pytest.fixture(params=["cookie", "memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Move]:
    clock = FakeClock(time.time())
    backend = "cookie" if request.param == "cookie" else RecordingStore(local_store(request.param, tmp_path, clock))

    def make_move(config: dict[str, Any] | None = None, **importer: Any) -> Move:
        return Move(backend, clock, config or {}, **importer)

    return make_move


@pytest.fixture
def move(make: Callable[..., Move]) -> Move:
    return make()


def test_a_session_of_flask_comes_along_with_its_user(move: Move) -> None:
    move.old.log_in(move.jar, "ada")

    assert move.browser().data() == {"_user_id": "ada", "_fresh": True}
    assert move.ask("user_id") == "ada"


def test_every_type_that_flask_keeps_comes_along(move: Move) -> None:
    values = {
        "tuple": (1, ("two",)),
        "bytes": b"\x00",
        "markup": Markup("<b>"),
        "uuid": UUID(int=7),
        "datetime": datetime(2026, 1, 31, 12, tzinfo=timezone.utc),
        "marked": {" t": [1]},
        "nested": {"list": [{"a": (1,)}], "none": None, "number": 1.5},
    }

    move.old.send(move.jar, lambda session: session.update(values))
    move.browser().send(put(more=1))

    found = move.browser().data()
    assert found == {**values, "more": 1}
    assert type(found["markup"]) is Markup


def test_flashes_and_the_token_of_flask_wtf_come_along(move: Move) -> None:
    def fill(session: Any) -> None:
        flask.flash("hello", "info")
        session["csrf_token"] = "0123"

    move.old.send(move.jar, fill)
    move.browser().send(put(more=1))

    assert move.browser().data() == {"_flashes": [("info", "hello")], "csrf_token": "0123", "more": 1}


def test_a_large_session_that_flask_has_compressed_comes_along(move: Move) -> None:
    move.old.send(move.jar, lambda session: session.update(text="a" * 2000))

    assert move.jar.cookies["session"].startswith(".")
    assert move.browser().data() == {"text": "a" * 2000}


def test_a_value_that_cannot_be_read_is_dropped_by_itself_with_an_event(move: Move) -> None:
    signer: Any = URLSafeTimedSerializer(FLASK_SECRET, salt="cookie-session", signer_kwargs={"key_derivation": "hmac"})
    move.jar.cookies["session"] = signer.dumps({"_user_id": "ada", "bad": {" u": "none"}, "worse": {" t": 5}})

    move.browser().send(put(more=1))

    assert move.browser().data() == {"_user_id": "ada", "more": 1}
    assert move.new.names()[:3] == ["regenerated taken_over", "discarded unreadable", "discarded unreadable"]


MARKS_WITHOUT_THEIR_VALUES = [
    *({mark: 5} for mark in (" b", " d", " di", " t", " u")),
    {" d": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"},
    {" di": {"a": 1, "b": 2}},
]


@pytest.mark.parametrize("bad", MARKS_WITHOUT_THEIR_VALUES, ids=repr)
def test_a_mark_without_its_value_is_dropped_by_itself(move: Move, bad: Any) -> None:
    signer: Any = URLSafeTimedSerializer(FLASK_SECRET, salt="cookie-session", signer_kwargs={"key_derivation": "hmac"})
    move.jar.cookies["session"] = signer.dumps({"_user_id": "ada", "bad": bad})

    assert move.browser().data() == {"_user_id": "ada"}


def test_the_log_names_a_dropped_key_as_a_literal_that_forges_no_line(
    move: Move, caplog: pytest.LogCaptureFixture
) -> None:
    signer: Any = URLSafeTimedSerializer(FLASK_SECRET, salt="cookie-session", signer_kwargs={"key_derivation": "hmac"})
    move.jar.cookies["session"] = signer.dumps({"a\nforged line": {" u": "none"}})

    move.browser().send(read)

    assert "forged line" in caplog.text
    assert "\nforged line" not in caplog.text


@pytest.mark.parametrize("text", ["a" * 4_000_000, [[]] * 1_000_000], ids=["text", "lists"])
def test_a_cookie_that_stands_for_more_than_a_session_is_rejected_and_not_expanded(move: Move, text: Any) -> None:
    signer: Any = URLSafeTimedSerializer(FLASK_SECRET, salt="cookie-session", signer_kwargs={"key_derivation": "hmac"})
    move.jar.cookies["session"] = signer.dumps({"a": text})

    tracemalloc.start()
    answer = move.browser().send(read)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (answer.status, answer.result) == (200, {})
    assert move.new.rejections() == ["malformed"]
    assert peak < 1_000_000


@pytest.mark.parametrize("value", ["", "x", "e30.x.y", "a" * 5000, ".eJyrVspP.x.y"])
def test_what_flask_has_not_signed_is_rejected(move: Move, value: str) -> None:
    move.jar.cookies["session"] = value

    answer = move.browser().send(read)

    assert (answer.status, answer.result) == (200, {})
    assert move.new.names()[0] in ("rejected bad_signature", "rejected malformed")


def test_a_session_of_another_key_is_rejected_and_one_of_a_fallback_is_not(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    until = move.clock() + DAY

    rotated = move.new.like(import_from=[FlaskSessions(["a new key", FLASK_SECRET], until=until)])
    other = move.new.like(import_from=[FlaskSessions("a new key", until=until)])

    assert rotated.ask(member("user_id"), move.jar.cookies).result == "ada"
    assert other.ask(member("user_id"), move.jar.cookies).result is None


def test_two_visitors_with_the_same_cookie_do_not_share_a_session(move: Move) -> None:
    move.old.send(move.jar, lambda session: session.update(lang="fr"))
    other = Browser(move.new, move.jar.cookies)

    move.browser().send(put(cart=["tea"]))
    other.send(put(cart=["milk"]))

    assert move.browser().data() == {"lang": "fr", "cart": ["tea"]}
    assert other.data() == {"lang": "fr", "cart": ["milk"]}


def test_reading_leaves_the_cookie_of_flask_alone_and_sends_none(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    before = dict(move.jar.cookies)

    assert move.browser().send(read).set_cookies == []
    move.browser().send(put(more=1))

    assert {name: move.jar.cookies[name] for name in before} == before
    assert move.old.who(move.jar) == "ada"


def test_it_ends_when_flask_would_have_ended_it(make: Callable[..., Move]) -> None:
    move = make({"PERMANENT_SESSION_LIFETIME": timedelta(hours=2)}, lifetime="2h")
    move.old.log_in(move.jar, "ada")
    move.clock.advance(3600)
    move.browser().send(put(more=1))

    assert move.ask("user_id") == "ada"
    for _ in range(4):
        move.clock.advance(1000)
        move.browser().send(put(more=move.clock()))
    assert move.ask("user_id") is None


def test_a_permanent_session_lives_as_long_as_it_would_have(move: Move) -> None:
    def begin(session: Any) -> None:
        session.permanent = True
        session["_user_id"] = "ada"

    move.old.send(move.jar, begin)
    answer = move.browser().send(put(more=1))
    del move.jar.cookies["session"]
    after = move.new.like(import_from=())

    move.clock.advance(29 * DAY)
    assert "Max-Age=" in answer.set_cookies[0]
    assert after.ask(member("user_id"), move.jar.cookies).result == "ada"
    move.clock.advance(3 * DAY)
    assert after.ask(member("user_id"), move.jar.cookies).result is None


def test_a_logout_deletes_both_cookies(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    copy = dict(move.jar.cookies)
    move.browser().send(put(more=1))

    move.browser().send(call("clear"))

    assert move.jar.cookies == {}
    if move.new.is_stored:
        assert move.new.ask(member("user_id"), copy).result is None


def test_a_logout_at_an_old_worker_holds_at_new_ones(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    move.old.log_out(move.jar)

    assert move.ask("user_id") is None


def test_a_login_at_an_old_worker_beats_what_was_taken_over(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    move.old.log_in(move.jar, "grace")

    assert move.ask("user_id") == "grace"


def test_a_login_at_a_new_worker_as_another_user_deletes_the_cookie_of_flask(move: Move) -> None:
    move.old.log_in(move.jar, "ada")

    move.browser().send(login("grace"))

    assert list(move.jar.cookies) == [COOKIE]
    assert move.ask("user_id") == "grace"


def test_not_before_refuses_a_cookie_that_was_signed_before(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.clock.advance(60)

    late = move.new.like(not_before=move.clock() - 1)

    assert late.ask(member("user_id"), move.jar.cookies).result is None


def test_not_before_ends_what_was_taken_over_of_a_user_who_has_signed_in_before(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.clock.advance(3600)
    move.browser().send(put(more=1))

    late = move.new.like(not_before=move.clock() - 1800)

    assert late.ask(member("user_id"), move.jar.cookies).result is None


def test_a_user_key_of_the_application_says_who_the_user_is(make: Callable[..., Move]) -> None:
    move = make(user_key="member")
    move.old.send(move.jar, lambda session: session.update(member=42))

    assert move.ask("user_id") == 42


def test_a_cookie_with_another_name_path_and_domain_is_found_and_deleted(make: Callable[..., Move]) -> None:
    move = make(
        {"SESSION_COOKIE_NAME": "app", "SESSION_COOKIE_DOMAIN": "example.org"},
        cookie_name="app",
        cookie_domain="example.org",
    )
    move.old.log_in(move.jar, "ada")

    answer = move.browser().send(call("clear"))

    (line,) = [line for line in answer.set_cookies if line.startswith("app=")]
    assert {"Max-Age=0", "Domain=example.org"} <= set(line.split("; "))


def test_a_session_that_is_older_than_the_absolute_timeout_comes_along(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.clock.advance(5 * DAY)

    move.browser().send(put(more=1))

    assert move.browser().data() == {"_user_id": "ada", "_fresh": True, "more": 1}


def test_when_the_user_has_signed_in_is_not_the_take_over(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.clock.advance(3600)

    assert move.browser().ask(call("authenticated_within", "10m")).result is False
    move.browser().send(put(more=1))
    assert move.browser().ask(call("authenticated_within", "10m")).result is False
    move.browser().send(call("confirm"))
    assert move.browser().ask(call("authenticated_within", "10m")).result is True


def test_a_logout_at_an_old_worker_that_leaves_a_mark_of_permanence_holds(move: Move) -> None:
    def begin(session: Any) -> None:
        session.permanent = True
        session["_user_id"] = "ada"

    move.old.send(move.jar, begin)
    move.browser().send(put(more=1))

    move.old.log_out(move.jar)

    assert "session" in move.jar.cookies
    assert move.ask("user_id") is None


def test_a_visitors_cookie_that_flask_removes_signs_out_no_user(move: Move) -> None:
    move.old.send(move.jar, lambda session: flask.flash("hello"))
    move.browser().send(login("ada"))

    move.old.send(move.jar, lambda session: flask.get_flashed_messages())

    assert "session" not in move.jar.cookies
    assert move.ask("user_id") == "ada"


def test_a_copy_of_a_cookie_is_refused_as_long_as_flask_would_take_it(make: Callable[..., Move]) -> None:
    move = make()
    move.old.log_in(move.jar, "ada")
    copy = dict(move.jar.cookies)
    move.browser().send(put(more=1))
    move.browser().send(call("clear"))

    move.clock.advance(20 * DAY)

    if move.new.is_stored:
        assert move.new.ask(member("user_id"), copy).result is None


def test_the_name_of_flask_on_https_is_another_cookie_than_ours(move: Move) -> None:
    site = move.new.like(**{"cookie.name": "session"})
    move.old.log_in(move.jar, "ada")
    browser = Browser(site)
    browser.cookies = move.jar.cookies
    browser.send(put(more=1))

    move.old.log_out(move.jar)

    assert len(move.jar.cookies) == 2
    assert browser.ask(member("user_id")).result is None


def test_of_two_first_writes_with_a_token_of_flask_wtf_both_are_kept_in_a_store() -> None:
    move = Move("memory", FakeClock(time.time()), {})
    move.old.send(move.jar, lambda session: session.update(csrf_token="0123"))
    tab = Browser(move.new, move.jar.cookies)

    tab.send(put(theme="dark"))
    move.browser().send(put(lang="fr"))

    assert move.browser().data() == tab.data() == {"csrf_token": "0123", "theme": "dark", "lang": "fr"}


@pytest.mark.parametrize(
    ("make_importer", "message"),
    [
        (lambda: FlaskSessions("k", until="soon"), "FlaskSessions: until: expected a moment"),
        (lambda: FlaskSessions("", until=1), "FlaskSessions: the secret is missing"),
        (lambda: FlaskSessions([None], until=1), "FlaskSessions: the secret is missing"),  # type: ignore[list-item]
        (lambda: FlaskSessions(5, until=1), "FlaskSessions: the secret must be str or bytes"),  # type: ignore[arg-type]
        (lambda: FlaskSessions(None, until=1), "FlaskSessions: the secret is missing"),  # type: ignore[arg-type]
        (lambda: FlaskSessions("k", until=1, lifetime="x"), "FlaskSessions: lifetime: expected a duration"),
        (lambda: object(), "import_from: expected an importer of sessionware.importers, or a list of them"),
    ],
)
def test_a_fault_is_told_at_start(make_importer: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(lambda environ, start_response: [], secret=SECRET, import_from=make_importer())

    assert message in str(caught.value)


@pytest.mark.parametrize("backend", ["cookie", "memory"])
@pytest.mark.parametrize("is_permanent", [False, True])
def test_a_move_of_a_fleet_loses_nothing(monkeypatch: pytest.MonkeyPatch, backend: str, *, is_permanent: bool) -> None:
    move = Move(backend, FakeClock(time.time()), {})
    if is_permanent:
        # Flask then signs its cookie anew at each request.
        move.old.app.before_request(lambda: setattr(flask.session, "permanent", True))
    # Its cookies differ by the second in which they were signed.
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda signer: int(move.clock()))

    losses = run(move.old, OurWorker(move.new), move.clock.advance, seed=1)

    assert losses == Losses()


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"cookie_name": "a;b"}, "cookie_name: 'a;b' is not a cookie name"),
        ({"cookie_name": None}, "cookie_name: expected a str, got an object of the type NoneType"),
        ({"cookie_domain": "shop.example\r\nSet-Cookie: a=b"}, "cookie_domain: "),
        ({"cookie_path": "app"}, "cookie_path: 'app' does not begin with '/'"),
        ({"cookie_path": 5}, "cookie_path: expected a str, got an object of the type int"),
    ],
)
def test_a_former_cookie_that_no_browser_has_is_a_fault_at_start(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FlaskSessions(FLASK_SECRET, until="2030-01-31T00:00:00Z", **options)

    assert str(caught.value).startswith(fault)


def test_a_former_cookie_may_have_a_prefix_of_browsers() -> None:
    sessions = FlaskSessions(FLASK_SECRET, until="2030-01-31T00:00:00Z", cookie_name="__Host-session")

    assert sessions.cookie.name == "__Host-session"


def test_no_session_is_malformed_because_an_application_has_used_up_the_stack(move: Move) -> None:
    move.old.log_in(move.jar, "ada")

    for frames in range(1, 100):
        Browser(move.new, move.jar.cookies).send(below(read, frames))

    assert "malformed" not in move.new.rejections()
