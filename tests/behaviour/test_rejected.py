"""Why the cookie that came was not accepted: ``session.rejected``."""

from __future__ import annotations

from typing import Any

import pytest
from behaviour.moments import DAY, HOUR
from support.actions import Action, call, member, put, raised_by, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE, NEW_SECRET

from sessionware import Event, Session, StoreUnavailable
from sessionware.testing import FakeClock

REJECTED = member("rejected")


def forged(value: str) -> str:
    """*value* with another last character, which may be the last one of a signature."""
    return value[:-1] + ("A" if value[-1] != "A" else "E")


def ended_elsewhere(browser: Browser) -> None:
    """End the session in a process that dies before it can delete the record."""
    with browser.site.store.down("delete"):
        browser.twin().send(call("clear"))


def test_an_accepted_cookie_has_no_reason(browser: Browser) -> None:
    assert browser.ask(REJECTED).result is None
    assert browser.ask(then(put(new=2), call("save"), REJECTED)).result is None


def test_without_a_cookie_there_is_no_reason(site: Site) -> None:
    assert site.ask(REJECTED).result is None
    assert site.ask(REJECTED, "other=1").result is None


def test_to_ask_is_to_touch(site: Site) -> None:
    assert site.ask(REJECTED).lines("Vary") == ["Cookie"]


@pytest.mark.parametrize(
    ("reason", "value"), [("malformed", "rubbish"), ("malformed", ""), ("bad_signature", None)], ids=repr
)
def test_a_cookie_that_is_not_ours(browser: Browser, reason: str, value: str | None) -> None:
    value = forged(browser.cookies[COOKIE]) if value is None else value

    assert browser.site.ask(REJECTED, {COOKIE: value}).result == reason


def test_a_cookie_of_an_unknown_key(browser: Browser) -> None:
    later = browser.twin(browser.site.like(secret=NEW_SECRET))

    assert later.ask(REJECTED).result == "unknown_key"


def test_a_record_that_was_copied_to_another_key(stored: Site) -> None:
    victim, thief = visitor(stored), visitor(stored)
    victim_key, thief_key = list(stored.store.held())
    stored.store.plant(thief_key, stored.store.held()[victim_key])

    assert thief.ask(REJECTED).result == "undecryptable"
    assert victim.ask(REJECTED).result is None


def test_an_id_that_the_store_does_not_know(stored: Site) -> None:
    browser = visitor(stored)
    browser.twin().send(call("clear"))

    assert browser.ask(REJECTED).result == "unknown_id"


@pytest.mark.parametrize(
    ("seconds", "reason"), [pytest.param(HOUR, "idle", id="idle"), pytest.param(DAY, "too_old", id="too old")]
)
def test_a_session_whose_time_is_over(browser: Browser, clock: FakeClock, seconds: float, reason: str) -> None:
    clock.advance(seconds)

    assert browser.ask(REJECTED).result == reason


def test_a_session_that_another_request_has_ended(stored: Site) -> None:
    browser = visitor(stored)
    ended_elsewhere(browser)

    assert browser.ask(REJECTED).result == "revoked"


def test_a_former_id_whose_session_has_ended(stored: Site) -> None:
    browser = visitor(stored)
    former = browser.twin()
    browser.send(call("regenerate"))
    browser.send(call("clear"))

    assert former.ask(REJECTED).result == "revoked"


def test_a_former_id_can_be_read_and_is_rejected_when_it_writes(stored: Site) -> None:
    browser = visitor(stored)
    former = browser.twin()
    browser.send(call("regenerate"))

    before, error, after = former.ask(
        lambda session: (session.rejected, raised_by(then(put(new=2), call("save")))(session), session.rejected)
    ).result

    assert (before, after) == (None, "superseded")
    assert error is not None


# Several cookies.


def header(*values: str) -> str:
    return "; ".join(f"{COOKIE}={value}" for value in values)


def test_of_several_cookies_the_first_says_why(browser: Browser, clock: FakeClock) -> None:
    clock.advance(HOUR)
    dead = browser.cookies[COOKIE]

    assert browser.site.ask(REJECTED, header("rubbish", dead)).result == "malformed"
    assert browser.site.ask(REJECTED, header(dead, "rubbish")).result == "idle"


def test_a_former_id_says_why_in_its_place(stored: Site) -> None:
    browser = visitor(stored)
    former = browser.cookies[COOKIE]
    browser.send(call("regenerate"))
    browser.send(call("clear"))

    assert stored.ask(REJECTED, header(former, "rubbish")).result == "revoked"
    assert stored.ask(REJECTED, header("rubbish", former)).result == "malformed"
    stored.events.clear()
    stored.ask(read, header("rubbish", former, "dirt"))
    assert stored.rejections() == ["malformed", "revoked", "malformed"]


def test_beside_an_accepted_cookie_none_counts(browser: Browser) -> None:
    good = browser.cookies[COOKIE]

    assert browser.site.ask(REJECTED, header("rubbish", good)).result is None
    assert browser.site.ask(REJECTED, header(good, "rubbish")).result is None


# What becomes of it in the request.


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(put(new=2), id="write"),
        pytest.param(then(put(new=2), call("save")), id="save"),
        pytest.param(call("clear"), id="clear"),
        pytest.param(then(call("clear"), put(new=2), call("save")), id="clear and write"),
        pytest.param(call("login", "ada"), id="login"),
    ],
)
def test_it_stays_for_the_request(browser: Browser, clock: FakeClock, action: Action) -> None:
    clock.advance(HOUR)

    assert browser.send(then(action, REJECTED)).result == "idle"


def test_the_next_request_has_a_cookie_that_is_accepted(browser: Browser, clock: FakeClock) -> None:
    clock.advance(HOUR)
    browser.send(put(new=2))

    assert browser.ask(REJECTED).result is None


def test_a_session_that_this_request_has_ended_was_not_rejected(browser: Browser) -> None:
    assert browser.ask(then(call("clear"), put(new=2), REJECTED)).result is None


def test_a_listener_that_is_told_of_it_can_read_it(make: SiteMaker, clock: FakeClock) -> None:
    read_by_listener: list[str | None] = []
    session_of: list[Session] = []

    def listen(event: Event) -> None:
        if event.name == "rejected":
            read_by_listener.append(session_of[0].rejected)

    browser = visitor(make(on_event=listen))
    clock.advance(HOUR)

    browser.ask(then(session_of.append, read))

    assert read_by_listener == ["idle"]


def test_while_the_store_is_down_it_cannot_be_said(stored: Site) -> None:
    browser = visitor(stored)

    with stored.store.down():
        answer: Any = browser.ask(raised_by(REJECTED))

    assert isinstance(answer.result, StoreUnavailable)


def test_an_anonymous_session_in_an_outage_was_not_rejected(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(on_store_failure="anonymous"))

    with browser.site.store.down():
        assert browser.ask(REJECTED).result is None
