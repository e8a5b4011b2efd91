"""Events that say that something was not taken: a cookie, a change, a store's answer."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from support.actions import call, login, member, nothing, put, raised_by, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE, NEW_SECRET

from sessionware import Event, Session
from sessionware.testing import FakeClock


def now(clock: FakeClock) -> datetime:
    return datetime.fromtimestamp(clock(), timezone.utc)


def session_id(browser: Browser) -> str:
    """The id of the session; the events of asking for it are forgotten."""
    found: str = browser.ask(member("id")).result
    browser.site.events.clear()
    return found


def boom(session: Session) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(("seconds", "reason"), [(3600, "idle"), (86400, "too_old")])
def test_rejected_by_age(signed_in: Browser, clock: FakeClock, seconds: float, reason: str) -> None:
    ours = session_id(signed_in)
    clock.advance(seconds)
    signed_in.ask(read)

    event = signed_in.site.event("rejected")
    assert (event.reason, event.session_id, event.at) == (reason, ours, now(clock))


def test_rejected_unknown_id(stored: Site) -> None:
    browser = visitor(stored)
    ours = session_id(browser)
    browser.ask(call("clear"))
    stored.events.clear()
    browser.ask(read)

    event = stored.event("rejected")
    assert (event.reason, event.session_id) == ("unknown_id", ours)


def test_rejected_revoked_while_the_end_is_remembered(stored: Site) -> None:
    browser = visitor(stored)
    with stored.store.down("delete"):
        browser.ask(call("clear"))
    stored.events.clear()
    browser.ask(read)

    assert stored.event("rejected").reason == "revoked"


def test_rejected_bad_signature(browser: Browser) -> None:
    cookie = browser.cookies[COOKIE]
    browser.site.ask(read, {COOKIE: cookie[:-2] + ("A" if cookie[-2] != "A" else "B") + cookie[-1]})

    event = browser.site.event("rejected")
    assert (event.reason, event.session_id, event.user_id) == ("bad_signature", None, None)


def test_rejected_unknown_key(browser: Browser) -> None:
    other = browser.twin(browser.site.like(secret=NEW_SECRET))
    other.ask(read)

    assert other.site.names() == ["rejected unknown_key"]


def test_rejected_malformed(site: Site) -> None:
    site.ask(read, {COOKIE: "rubbish"})

    assert site.names() == ["rejected malformed"]


def test_each_candidate_is_told(site: Site) -> None:
    site.ask(read, f"{COOKIE}=a; {COOKIE}=b; {COOKIE}=a")

    assert site.names() == ["rejected malformed"] * 2


def test_rejected_superseded_is_the_409(stored: Site) -> None:
    browser = visitor(stored, login("ada", old=1))
    former = session_id(browser)
    tab = browser.twin()
    browser.send(call("regenerate"))
    stored.events.clear()
    assert tab.ask(put(new=2)).status == 409

    event = stored.event("rejected")
    assert (event.reason, event.session_id, event.user_id) == ("superseded", former, "ada")


def test_discarded_ended(stored: Site) -> None:
    browser = visitor(stored, login("ada", old=1))
    ours = session_id(browser)
    browser.ask(lambda session: (put(new=2)(session), browser.ask(call("clear"))))

    event = stored.event("discarded")
    assert (event.reason, event.session_id, event.user_id) == ("ended", ours, "ada")


def test_discarded_superseded_is_a_regenerate_that_lost(stored: Site) -> None:
    browser = visitor(stored)
    ours = session_id(browser)
    answer = browser.ask(lambda session: (call("regenerate")(session), browser.ask(call("regenerate"))))

    event = stored.event("discarded")
    assert (answer.status, answer.set_cookies) == (200, [])
    assert (event.reason, event.session_id) == ("superseded", ours)


def test_discarded_app_raised(signed_in: Browser) -> None:
    ours = session_id(signed_in)
    with pytest.raises(ZeroDivisionError):
        signed_in.ask(then(put(new=2), boom))

    event = signed_in.site.event("discarded")
    assert (event.reason, event.session_id, event.user_id) == ("app_raised", ours, "ada")


def test_an_application_that_raises_with_nothing_changed_discards_nothing(browser: Browser) -> None:
    with pytest.raises(ZeroDivisionError):
        browser.ask(then(read, boom))

    assert browser.site.names() == []


def test_discarded_error_status(make: SiteMaker) -> None:
    browser = visitor(make(save_on_error=False), login("ada", old=1))
    ours = session_id(browser)
    browser.ask(put(new=2), status="500 Internal Server Error")

    event = browser.site.event("discarded")
    assert (event.reason, event.session_id, event.user_id) == ("error_status", ours, "ada")
    assert browser.site.names() == ["discarded error_status"]


def test_store_failed(memory: Site, clock: FakeClock) -> None:
    browser = visitor(memory, login("ada", old=1))
    ours = session_id(browser)
    with memory.store.down("replace"):
        browser.ask(put(new=2))
    assert memory.event("store_failed") == Event("store_failed", None, ours, None, "ada", now(clock))

    memory.events.clear()
    with memory.store.down():
        browser.ask(then(raised_by(read), raised_by(read)))
    assert memory.events == [Event("store_failed", None, None, None, None, now(clock))]


def test_nothing_is_told_of_an_untouched_request(browser: Browser) -> None:
    browser.ask(nothing)

    assert browser.site.events == []
