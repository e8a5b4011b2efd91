"""Every decision about a session is told, with the session, its user and the time."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from support.actions import Action, call, drop, login, member, put, then
from support.browser import Browser, Site, visitor
from support.constants import NEW_SECRET, SECRET

from sessionware import Event
from sessionware.testing import FakeClock


def now(clock: FakeClock) -> datetime:
    return datetime.fromtimestamp(clock(), timezone.utc)


def session_id(browser: Browser) -> str:
    """The id of the session; the events of asking for it are forgotten."""
    found: str = browser.ask(member("id")).result
    browser.site.events.clear()
    return found


def test_created(site: Site, clock: FakeClock) -> None:
    drawn = site.ask(then(put(a=1), member("id"))).result

    assert site.events == [Event("created", None, drawn, None, None, now(clock))]


def test_created_with_a_user(site: Site, clock: FakeClock) -> None:
    drawn = site.ask(then(login(42), member("id"))).result

    assert site.events == [Event("created", None, drawn, None, 42, now(clock))]


def test_loaded(signed_in: Browser, clock: FakeClock) -> None:
    ours = session_id(signed_in)
    clock.advance(5)
    signed_in.ask(len)

    assert signed_in.site.events == [Event("loaded", None, ours, None, "ada", now(clock))]


def test_loaded_with_an_old_key(signed_in: Browser) -> None:
    ours = session_id(signed_in)
    later = signed_in.twin(signed_in.site.like(secret=[NEW_SECRET, SECRET]))
    later.ask(len)

    event = later.site.event("loaded")
    assert (event.session_id, event.user_id) == (ours, "ada")
    assert event.reason is not None
    assert event.reason.startswith("old_key ")


def test_saved(signed_in: Browser, clock: FakeClock) -> None:
    ours = session_id(signed_in)
    signed_in.ask(put(new=2))

    assert signed_in.site.event("saved") == Event("saved", None, ours, None, "ada", now(clock))


def test_merged(stored: Site) -> None:
    browser = visitor(stored, login("ada", old=1))
    ours = session_id(browser)
    browser.ask(lambda session: (put(mine=1)(session), browser.ask(put(theirs=2))))

    assert stored.names() == ["saved", "merged"]
    browser.ask(lambda session: (put(mine=2)(session), browser.ask(put(theirs=3))))
    assert (stored.event("merged").session_id, stored.event("merged").user_id) == (ours, "ada")


def test_conflict(stored: Site) -> None:
    browser = visitor(stored, login("ada", old=1))
    ours = session_id(browser)
    browser.ask(lambda session: (put(old=2)(session), browser.ask(put(old=3))))

    event = stored.event("conflict")
    assert (event.session_id, event.user_id, event.reason) == (ours, "ada", None)
    assert stored.names() == ["saved", "conflict", "merged"]


def test_alter_is_no_conflict(stored: Site) -> None:
    browser = visitor(stored)
    count = call("alter", "old", lambda old: old + 1)
    browser.ask(lambda session: (count(session), browser.ask(count)))

    assert stored.names() == ["saved", "merged"]


def test_renewed(signed_in: Browser, clock: FakeClock) -> None:
    ours = session_id(signed_in)
    clock.advance(1800)
    signed_in.ask(len)

    assert signed_in.site.event("renewed") == Event("renewed", None, ours, None, "ada", now(clock))


@pytest.mark.parametrize("action", [call("regenerate"), login("ada"), login("ada", new=2)])
def test_regenerated(signed_in: Browser, clock: FakeClock, action: Action) -> None:
    former = session_id(signed_in)
    signed_in.send(action)
    event = signed_in.site.event("regenerated")

    assert event == Event("regenerated", None, session_id(signed_in), former, "ada", now(clock))


def test_regenerated_by_a_first_login(browser: Browser) -> None:
    former = session_id(browser)
    browser.send(login("ada"))
    event = browser.site.event("regenerated")

    assert (event.former_id, event.user_id) == (former, "ada")
    assert event.session_id == session_id(browser)


@pytest.mark.parametrize("end", ["clear", "invalidate"])
def test_ended_invalidated(signed_in: Browser, clock: FakeClock, end: str) -> None:
    ours = session_id(signed_in)
    signed_in.ask(call(end))

    assert signed_in.site.event("ended") == Event("ended", "invalidated", ours, None, "ada", now(clock))


def test_ended_emptied(browser: Browser, clock: FakeClock) -> None:
    ours = session_id(browser)
    browser.ask(drop("old"))

    assert browser.site.event("ended") == Event("ended", "emptied", ours, None, None, now(clock))


def test_ended_by_a_login_as_another(signed_in: Browser, clock: FakeClock) -> None:
    former = session_id(signed_in)
    signed_in.send(login("bob"))
    ended, created = [event for event in signed_in.site.events if event.name != "loaded"]

    assert ended == Event("ended", "login", former, None, "ada", now(clock))
    assert created == Event("created", None, session_id(signed_in), None, "bob", now(clock))


def test_an_end_of_nothing_is_no_event(site: Site) -> None:
    site.ask(then(call("clear"), call("clear")))

    assert site.events == []
