"""Every decision about a session is told, with the session, its user and the time: to listeners and to the log."""

from __future__ import annotations

import logging
from datetime import datetime

import pytest
from behaviour.moments import moment
from support.actions import Action, call, drop, login, member, nothing, put, raised_by, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE, NEW_SECRET, SECRET

from sessionware import Event, Session, StoreUnavailable
from sessionware.testing import FakeClock


def now(clock: FakeClock) -> datetime:
    return moment(clock())


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

    assert site.events == [Event("created", "login", drawn, None, 42, now(clock))]


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


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        pytest.param(call("regenerate"), "regenerate", id="regenerate"),
        pytest.param(login("ada"), "relogin", id="login"),
        pytest.param(login("ada", new=2), "relogin", id="login and write"),
        pytest.param(then(call("regenerate"), login("ada")), "relogin", id="regenerate and login"),
        pytest.param(then(login("ada"), call("remember", "1d")), "relogin", id="login and remember"),
    ],
)
def test_regenerated(signed_in: Browser, clock: FakeClock, action: Action, reason: str) -> None:
    former = session_id(signed_in)
    signed_in.send(action)
    event = signed_in.site.event("regenerated")

    assert event == Event("regenerated", reason, session_id(signed_in), former, "ada", now(clock))


def test_regenerated_by_remember(stored: Site) -> None:
    browser = visitor(stored)
    browser.send(call("remember", "1d"))

    assert stored.names() == ["regenerated remember"]


def test_regenerated_by_a_first_login(browser: Browser) -> None:
    former = session_id(browser)
    browser.send(login("ada"))
    event = browser.site.event("regenerated")

    assert (event.reason, event.former_id, event.user_id) == ("login", former, "ada")
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
    assert created == Event("created", "login", session_id(signed_in), None, "bob", now(clock))


def test_an_end_of_nothing_is_no_event(site: Site) -> None:
    site.ask(then(call("clear"), call("clear")))

    assert site.events == []


# Events that say that something was refused: a cookie, a change, a store's answer.


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
    assert memory.event("store_failed") == Event("store_failed", "switched off", ours, None, "ada", now(clock))

    memory.events.clear()
    with memory.store.down():
        browser.ask(then(raised_by(read), raised_by(read)))
    assert memory.events == [Event("store_failed", "switched off", None, None, None, now(clock))]


def test_nothing_is_told_of_an_untouched_request(browser: Browser) -> None:
    browser.ask(nothing)

    assert browser.site.events == []


# Listeners, of which any may fail, and the log, at the level that the event is worth.


def test_there_may_be_several_listeners(make: SiteMaker) -> None:
    one: list[Event] = []
    two: list[Event] = []
    make(on_event=[one.append, two.append]).ask(put(a=1))

    assert one == two
    assert len(one) == 1


def test_a_listener_that_fails_is_logged_and_the_others_are_told(
    make: SiteMaker, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Event] = []

    def fail(event: Event) -> None:
        raise RuntimeError("the listener's own fault")

    answer = make(on_event=[fail, told.append]).ask(put(a=1))

    assert answer.status == 200
    assert [event.name for event in told] == ["created"]
    (record,) = [record for record in caplog.records if record.exc_info]
    assert record.name == "sessionware"
    assert record.levelno == logging.ERROR


def test_an_event_cannot_be_changed(site: Site) -> None:
    site.ask(put(a=1))

    with pytest.raises(AttributeError):
        site.events[0].name = "other"  # type: ignore[misc]


def levels(caplog: pytest.LogCaptureFixture) -> dict[str, str]:
    """The level at which each event was logged."""
    return {
        record.getMessage().split()[0]: record.levelname for record in caplog.records if record.name == "sessionware"
    }


def test_every_event_is_logged_at_its_level(stored: Site, clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sessionware")
    browser = visitor(stored)
    browser.ask(lambda session: (put(old=2)(session), browser.ask(put(old=3))))
    clock.advance(1800)
    browser.send(read)
    browser.ask(lambda session: (put(old=4)(session), browser.send(call("regenerate"))))
    browser.ask(lambda session: (put(old=5)(session), browser.ask(call("clear"))))
    with stored.store.down():
        browser.ask(read)

    quiet = {"loaded": "DEBUG", "saved": "DEBUG", "renewed": "DEBUG", "store_failed": "ERROR"}
    rest = ("created", "merged", "conflict", "regenerated", "ended", "discarded", "rejected")
    assert levels(caplog) == {**quiet, **dict.fromkeys(rest, "INFO")}


def test_the_log_line_has_the_name_the_reason_both_ids_and_the_user(
    signed_in: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    former = session_id(signed_in)
    caplog.set_level(logging.INFO, "sessionware")
    signed_in.send(call("regenerate"))

    (line,) = [record.getMessage() for record in caplog.records]
    assert line == f"regenerated (regenerate) session={session_id(signed_in)} former={former} user='ada'"


def test_a_users_id_begins_no_line_of_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sessionware")
    site.ask(login("ada\nended session=forged"))

    assert "\n" not in caplog.records[-1].getMessage()


def test_the_log_tells_why_a_store_has_failed(memory: Site, caplog: pytest.LogCaptureFixture) -> None:
    browser = visitor(memory)
    memory.store.failure = StoreUnavailable("redis at db:6379: load: connection\nrefused")
    with memory.store.down():
        browser.ask(read)

    assert "store_failed (redis at db:6379: load: connection refused) session=None" in caplog.text


def test_an_event_has_room_for_its_context(site: Site) -> None:
    site.ask(put(a=1))

    assert site.events[0].context is None


def test_events_are_logged_where_nobody_listens(make: SiteMaker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sessionware")
    make(on_event=None).ask(put(a=1))

    assert "created" in caplog.text
