"""Who is told: listeners, of which any may fail, and the log, at the level that the event is worth."""

from __future__ import annotations

import logging

import pytest
from support.actions import call, member, put, read
from support.browser import Browser, Site, SiteMaker, visitor

from sessionware import Event
from sessionware.testing import FakeClock


def session_id(browser: Browser) -> str:
    """The id of the session; the events of asking for it are forgotten."""
    found: str = browser.ask(member("id")).result
    browser.site.events.clear()
    return found


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


def test_the_log_names_the_session_and_the_reason(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    ours = session_id(browser)
    caplog.set_level(logging.INFO, "sessionware")
    browser.ask(call("clear"))

    assert ours in caplog.text
    assert "invalidated" in caplog.text


def test_events_are_logged_where_nobody_listens(make: SiteMaker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sessionware")
    make(on_event=None).ask(put(a=1))

    assert "created" in caplog.text
