"""A session that is not used costs nothing, one that is read varies the answer, and an empty one is not stored."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from support.actions import Action, call, drop, login, member, nothing, put, raised_by, read, then
from support.browser import Browser, Site, visitor
from support.constants import COOKIE

from sessionware import Session
from sessionware.testing import FakeClock


def test_an_untouched_request_asks_no_store_and_adds_no_header(browser: Browser) -> None:
    answer = browser.ask(nothing)

    assert answer.headers == [("Content-Type", "text/plain")]
    assert not browser.site.is_stored or browser.site.store.calls == []
    assert browser.site.events == []


def test_an_untouched_request_renews_nothing(browser: Browser, clock: FakeClock) -> None:
    clock.advance(1800)

    assert browser.ask(nothing).headers == [("Content-Type", "text/plain")]


def test_an_untouched_request_does_not_look_at_its_cookie(site: Site) -> None:
    answer = site.ask(nothing, f"{COOKIE}=\x00\xff;;;={COOKIE}")

    assert answer.set_cookies == []
    assert site.events == []


def test_a_thousand_anonymous_readers_leave_nothing_behind(memory: Site) -> None:
    for number in range(1000):
        memory.ask(read, {COOKIE: f"probe-{number}"})

    assert set(memory.store.calls) == set()


def test_a_thousand_anonymous_logouts_leave_nothing_behind(memory: Site) -> None:
    for _ in range(1000):
        assert memory.ask(call("clear")).set_cookies == []

    assert memory.store.calls == []


def test_reading_is_one_read_of_the_store(stored: Site) -> None:
    browser = visitor(stored)

    browser.ask(then(read, len, member("id"), member("expires_at"), read))

    assert stored.store.calls == ["load"]


def test_a_write_is_one_read_and_one_write(stored: Site) -> None:
    browser = visitor(stored)

    browser.ask(put(new=2))

    assert stored.store.calls == ["load", "replace"]


def test_a_new_session_is_one_write(stored: Site) -> None:
    stored.ask(put(new=2))

    assert stored.store.calls == ["create"]


READS: dict[str, Action] = {
    "len": len,
    "in": lambda session: "old" in session,
    "not in": lambda session: "nothing" not in session,
    "iteration": list,
    "== a dict": lambda session: session == {},
    "!= a dict": lambda session: session != {},
    "bool": bool,
    "[]": lambda session: session["old"],
    "[] of a missing key": raised_by(lambda session: session["missing"]),
    "get": lambda session: session.get("old"),
    "get of a missing key": lambda session: session.get("missing"),
    "keys": lambda session: list(session.keys()),
    "values": lambda session: list(session.values()),
    "items": lambda session: list(session.items()),
    "in values": lambda session: 1 in session.values(),
    "|": lambda session: session | {},
    "| from the right": lambda session: {} | session,
    "unpacking": lambda session: {**session},
    "pop of a missing key": lambda session: session.pop("missing", None),
    "setdefault of a key that is there": lambda session: session.setdefault("old", 2),
    "update with nothing": lambda session: session.update({}),
    "revert": call("revert"),
    "save without a change": call("save"),
    **{
        name: member(name)
        for name in ("id", "is_new", "modified", "user_id", "created_at", "last_seen_at", "expires_at")
    },
}


@pytest.mark.parametrize("name", READS)
def test_every_read_adds_vary_and_sets_no_cookie(light: Browser, name: str) -> None:
    answer = light.ask(READS[name])

    assert answer.lines("Vary") == ["Cookie"]
    assert answer.set_cookies == []
    assert not light.site.is_stored or light.site.store.calls == ["load"]


WRITES: dict[str, Action] = {
    "[]=": put(new=2),
    "del": drop("old"),
    "pop": call("pop", "old"),
    "popitem": call("popitem"),
    "setdefault": call("setdefault", "new", 2),
    "update": call("update", {"new": 2}),
    "update by name": call("update", new=2),
    "|=": lambda session: session.__ior__({"new": 2}),
    "alter": call("alter", "old", lambda old: old + 1),
    "modified": lambda session: setattr(session, "modified", True),
    "clear": call("clear"),
    "invalidate": call("invalidate"),
    "login": call("login", "ada"),
    "regenerate": call("regenerate"),
    "remember": call("remember", "1d"),
}


@pytest.mark.parametrize("name", WRITES)
def test_every_write_adds_vary(light: Browser, name: str) -> None:
    answer = light.ask(WRITES[name])

    assert answer.lines("Vary") == ["Cookie"]


@pytest.mark.parametrize("name", READS)
def test_a_read_without_a_session_adds_vary_and_leaves_nothing(light_site: Site, name: str) -> None:
    action = READS[name] if name != "[]" else raised_by(READS[name])
    if name.startswith("setdefault"):
        action = raised_by(read)

    answer = light_site.ask(action)

    assert answer.lines("Vary") == ["Cookie"]
    assert answer.set_cookies == []
    assert not light_site.is_stored or light_site.store.calls == []


def test_a_renewal_adds_vary(browser: Browser, clock: FakeClock) -> None:
    clock.advance(1800)

    assert browser.ask(read).lines("Vary") == ["Cookie"]


def test_repr_loads_nothing_and_says_so(browser: Browser) -> None:
    answer = browser.ask(repr)

    assert "not loaded" in answer.result
    assert answer.lines("Vary") == []
    assert not browser.site.is_stored or browser.site.store.calls == []


def test_formatting_and_copying_environ_load_nothing(browser: Browser) -> None:
    environ: dict[str, Any] = {}

    def format_environ(session: Session) -> None:
        environ["session"] = session
        f"{environ!r} {environ}"
        copy.copy(environ)

    assert browser.ask(format_environ).lines("Vary") == []


def test_repr_shows_the_handle_and_the_number_of_keys_and_no_value(browser: Browser) -> None:
    browser.send(put(password="hunter-two-and-more", other=2))

    shown, session_id = browser.ask(lambda session: (len(session), repr(session), session.id)).result[1:]

    assert session_id in shown
    assert "3" in shown.replace(session_id, "")
    assert "hunter" not in shown
    assert "password" not in shown


def reported(value: Any) -> str:
    """What a crash report of Sentry shows of *value*: its client asks the class, and lists the values of a mapping."""
    ask = getattr(type(value), "__sentry_repr__", dict)
    return str(ask(value))


def test_a_crash_report_loads_nothing(browser: Browser) -> None:
    answer = browser.ask(reported)

    assert "not loaded" in answer.result
    assert answer.lines("Vary") == []
    assert not browser.site.is_stored or browser.site.store.calls == []


def test_a_crash_report_shows_no_value(browser: Browser) -> None:
    browser.send(put(password="hunter-two-and-more"))

    shown = browser.ask(lambda session: (len(session), reported(session))).result[1]

    assert "hunter" not in shown


def test_an_answer_that_only_reads_never_deletes_a_dead_cookie(browser: Browser, clock: FakeClock) -> None:
    clock.advance(3600)

    answer = browser.ask(read)

    assert answer.result == {}
    assert answer.set_cookies == []


@pytest.mark.parametrize("value", ["", "rubbish", "a.b", "\xe9", "x" * 5000])
def test_an_answer_that_only_reads_never_deletes_a_bad_cookie(site: Site, value: str) -> None:
    answer = site.ask(read, {COOKIE: value})

    assert (answer.status, answer.result, answer.set_cookies) == (200, {}, [])


EMPTY: dict[str, Action] = {
    "remember": call("remember", "30d"),
    "remember nothing": call("remember", None),
    "regenerate": call("regenerate"),
    "modified": lambda session: setattr(session, "modified", True),
    "clear": call("clear"),
    "invalidate": call("invalidate"),
    "save": call("save"),
    "revert": call("revert"),
    "a key that went again": then(put(a=1), drop("a")),
    "a change that was reverted": then(put(a=1), call("revert")),
    "a regenerated one that went again": then(put(a=1), call("regenerate"), drop("a")),
    "a login that was ended": then(login("ada", a=1), call("clear")),
    "all of it": then(call("remember", "1d"), call("regenerate"), call("save")),
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_new_session_is_never_stored_and_gets_no_cookie(site: Site, name: str) -> None:
    answer = site.ask(EMPTY[name])

    assert answer.set_cookies == []
    assert not site.is_stored or site.store.calls == []
    assert site.names() == []


def test_a_new_session_that_was_saved_and_emptied_is_gone(site: Site) -> None:
    browser = visitor(site, then(put(a=1), call("save"), drop("a")))

    assert COOKIE not in browser.cookies
    assert browser.data() == {}


EMPTYING: dict[str, Action] = {
    "del": drop("old"),
    "pop": call("pop", "old"),
    "popitem": call("popitem"),
    "del and save": then(drop("old"), call("save")),
    "del and regenerate": then(drop("old"), call("regenerate")),
    "del and remember": then(drop("old"), call("remember", "1d")),
    "del and clear": then(drop("old"), call("clear")),
    "del, save and clear": then(drop("old"), call("save"), call("clear")),
}


@pytest.mark.parametrize("name", EMPTYING)
def test_a_session_that_becomes_empty_ends_with_its_cookie(browser: Browser, name: str) -> None:
    thief = browser.twin()

    answer = browser.send(EMPTYING[name])

    assert answer.cookies == {COOKIE: None}
    assert browser.cookies == {}
    assert not browser.site.is_stored or thief.data() == {}


def test_a_session_that_was_emptied_and_filled_again_goes_on(browser: Browser) -> None:
    session_id = browser.ask(member("id")).result

    browser.send(then(drop("old"), put(new=2)))

    assert browser.data() == {"new": 2}
    assert browser.ask(member("id")).result == session_id


@pytest.mark.parametrize("name", ["del", "pop", "popitem", "del and save", "del and regenerate", "del and remember"])
def test_popping_the_last_key_of_a_signed_in_session_signs_nobody_out(signed_in: Browser, name: str) -> None:
    signed_in.send(EMPTYING[name])

    assert signed_in.data() == {}
    assert signed_in.ask(member("user_id")).result == "ada"


def test_a_login_alone_is_a_session(site: Site) -> None:
    browser = visitor(site, call("login", "ada"))

    assert browser.ask(member("user_id")).result == "ada"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_session_is_not_pickled_and_the_error_says_what_is(browser: Browser, protocol: int, is_loaded: bool) -> None:
    def dump(session: Session) -> None:
        if is_loaded:
            session["key"] = 1
        pickle.dumps(session, protocol)

    error = browser.ask(raised_by(dump)).result

    assert type(error) is TypeError
    assert "dict(session)" in str(error)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
@pytest.mark.parametrize("is_loaded", [False, True])
def test_a_session_is_not_copied_and_the_error_says_what_is(
    browser: Browser, duplicate: Callable[[Any], Any], is_loaded: bool
) -> None:
    def make(session: Session) -> None:
        if is_loaded:
            session["key"] = 1
        duplicate(session)

    error = browser.ask(raised_by(make)).result

    assert type(error) is TypeError
    assert "dict(session)" in str(error)
