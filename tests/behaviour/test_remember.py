"""A lifetime of the session's own, and how long its cookie lives."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from behaviour.moments import DAY, HOUR, lasting, moment
from support.actions import call, drop, login, member, put, raised_by, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE

from sessionware import SessionDataError
from sessionware.testing import FakeClock


def max_age(browser: Browser, action: Any) -> int | None:
    """The Max-Age of the cookie that the answer to *action* sets."""
    (line,) = browser.send(action).set_cookies
    found = [part for part in line.split("; ") if part.startswith("Max-Age=")]
    return int(found[0].partition("=")[2]) if found else None


def test_a_remembered_session_outlives_both_timeouts(browser: Browser, clock: FakeClock) -> None:
    browser.send(call("remember", "30d"))
    clock.advance(30 * DAY - 1)
    before = browser.data()
    clock.advance(1)

    assert (before, browser.data()) == ({"old": 1}, {})


def test_the_cookie_lives_as_long_as_a_timeout_that_was_made_shorter_since(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(**{"cookie.persistent": True, "idle_timeout": None, "absolute_timeout": "24h"}))
    clock.advance(100)
    later = browser.twin(browser.site.like(absolute_timeout=600))

    assert max_age(later, call("regenerate")) == 500


def test_a_remembered_session_may_be_shorter_than_the_timeouts(browser: Browser, clock: FakeClock) -> None:
    browser.send(call("remember", "10m"))

    clock.advance(600)

    assert browser.data() == {}


@pytest.mark.parametrize("lifetime", [86400, "1d", "24h", timedelta(days=1), 86400.0], ids=repr)
def test_a_lifetime_has_many_spellings(light: Browser, clock: FakeClock, lifetime: Any) -> None:
    light.send(call("remember", lifetime))

    assert light.ask(member("expires_at")).result == moment(clock() + DAY)


@pytest.mark.parametrize(
    "lifetime", ["soon", "", 0, -1, "0s", True, float("inf"), float("nan"), [1], "1w", 10**400], ids=repr
)
def test_what_is_no_lifetime_is_refused(light: Browser, lifetime: Any) -> None:
    answer = light.ask(raised_by(call("remember", lifetime)))

    assert isinstance(answer.result, SessionDataError)
    assert str(answer.result).endswith("; None means the configured timeouts")
    assert answer.set_cookies == []


@pytest.mark.parametrize("lifetime", ["10000000d", 1e300], ids=repr)
def test_a_lifetime_beyond_all_dates_is_told_as_the_last_of_them(browser: Browser, lifetime: Any) -> None:
    browser.send(call("remember", lifetime))

    assert browser.ask(member("expires_at")).result == datetime.max.replace(tzinfo=timezone.utc)
    assert browser.data() == {"old": 1}


def test_a_lifetime_counts_from_the_call(browser: Browser, clock: FakeClock) -> None:
    browser.send(then(call("remember", "1h"), lasting(clock, 600)))

    assert browser.ask(member("expires_at")).result == moment(clock() - 600 + HOUR)


def test_a_remembered_cookie_outlives_the_browser(browser: Browser) -> None:
    assert max_age(browser, call("remember", "30d")) == 30 * DAY


def test_a_remembered_cookie_lives_400_days_at_most(browser: Browser) -> None:
    assert max_age(browser, call("remember", "500d")) == 400 * DAY


def test_a_cookie_is_of_the_browsers_session_unless_asked(site: Site) -> None:
    assert max_age(Browser(site), put(a=1)) is None


def test_a_persistent_cookie_runs_to_the_absolute_end(make: SiteMaker) -> None:
    assert max_age(Browser(make(**{"cookie.persistent": True})), put(a=1)) == DAY


def test_a_persistent_cookie_without_an_end_lives_400_days(make: SiteMaker) -> None:
    site = make(absolute_timeout=None, **{"cookie.persistent": True})

    assert max_age(Browser(site), put(a=1)) == 400 * DAY


def test_remember_changes_the_id_in_a_store(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())
    before = browser.ask(member("id")).result

    browser.send(call("remember", "30d"))

    assert browser.ask(member("id")).result != before


def test_remember_none_undoes_it(browser: Browser, clock: FakeClock) -> None:
    browser.send(call("remember", "30d"))

    assert max_age(browser, call("remember", None)) is None

    assert browser.ask(member("expires_at")).result == moment(clock() + HOUR)
    clock.advance(HOUR)
    assert browser.data() == {}


def test_remember_none_goes_back_to_the_absolute_end(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout=None))
    begun = clock()
    browser.send(call("remember", "30d"))
    clock.advance(HOUR)
    browser.send(call("remember", None))

    assert browser.ask(member("expires_at")).result == moment(begun + DAY)


def test_remember_none_after_the_configured_end_ends_the_session(browser: Browser, clock: FakeClock) -> None:
    browser.send(call("remember", "30d"))
    clock.advance(2 * DAY)
    browser.send(call("remember", None))

    assert browser.data() == {}


def test_remember_none_on_a_session_that_is_not_remembered_is_nothing(browser: Browser) -> None:
    answer = browser.ask(then(call("remember", None), member("modified")))

    assert (answer.result, answer.set_cookies) == (False, [])


def test_remember_and_none_in_one_request_is_nothing(browser: Browser) -> None:
    answer = browser.ask(then(call("remember", "30d"), call("remember", None)))

    assert answer.set_cookies == []


def test_login_undoes_remember(browser: Browser, clock: FakeClock) -> None:
    browser.send(call("remember", "30d"))

    assert max_age(browser, login("ada")) is None
    assert browser.ask(member("expires_at")).result == moment(clock() + HOUR)


def test_login_undoes_a_remember_of_the_same_request(browser: Browser) -> None:
    assert max_age(browser, then(call("remember", "30d"), login("ada"))) is None


def test_remember_after_login_holds(browser: Browser, clock: FakeClock) -> None:
    assert max_age(browser, then(login("ada"), call("remember", "30d"))) == 30 * DAY
    assert browser.ask(member("expires_at")).result == moment(clock() + 30 * DAY)


def test_remember_of_a_new_session_holds(site: Site) -> None:
    assert max_age(Browser(site), then(call("remember", "30d"), put(a=1))) == 30 * DAY


def test_a_write_keeps_a_remembered_session_remembered(browser: Browser, clock: FakeClock) -> None:
    browser.send(call("remember", "30d"))
    clock.advance(2 * DAY)
    browser.send(put(new=2))
    browser.send(call("regenerate"))
    clock.advance(2 * DAY)

    assert browser.data() == {"old": 1, "new": 2}
    assert browser.ask(member("expires_at")).result == moment(clock() + 26 * DAY)


def test_a_cookie_session_that_is_remembered_sends_what_is_left_at_each_write(
    make_cookie: SiteMaker, clock: FakeClock
) -> None:
    browser = visitor(make_cookie())
    browser.send(call("remember", "30d"))
    clock.advance(DAY)

    assert max_age(browser, put(new=2)) == 29 * DAY


def test_shorter_timeouts_do_not_concern_a_remembered_session(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make())
    browser.send(call("remember", "30d"))
    shorter = browser.twin(browser.site.like(absolute_timeout="1h", idle_timeout="1m"))
    clock.advance(2 * DAY)

    assert shorter.data() == {"old": 1}


def test_an_emptied_session_is_not_kept_by_remember(browser: Browser) -> None:
    browser.send(call("remember", "30d"))

    assert browser.send(drop("old")).cookies == {COOKIE: None}
