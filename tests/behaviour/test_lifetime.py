"""The times of a session, both timeouts, when it was last seen, and the purge of what has expired."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from behaviour.moments import DAY, HOUR, lasting, moment
from support.actions import call, login, member, put, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE

from sessionware import Session
from sessionware.testing import FakeClock


def times(session: Session) -> tuple[datetime, datetime, datetime | None]:
    return session.created_at, session.last_seen_at, session.expires_at


def test_the_times_are_aware_and_in_utc(browser: Browser) -> None:
    assert all(time is not None and time.tzinfo is timezone.utc for time in browser.ask(times).result)


def test_a_new_session_begins_now(site: Site, clock: FakeClock) -> None:
    now = moment(clock())

    assert site.ask(times).result == (now, now, now + timedelta(hours=1))


def test_times_are_as_they_are_stored(browser: Browser, clock: FakeClock) -> None:
    begun = moment(clock())
    clock.advance(100)

    assert browser.ask(times).result == (begun, begun, begun + timedelta(hours=1))


def test_a_write_is_a_sign_of_life(browser: Browser, clock: FakeClock) -> None:
    begun = moment(clock())
    clock.advance(100)
    browser.send(put(new=2))

    assert browser.ask(times).result == (begun, moment(clock()), moment(clock()) + timedelta(hours=1))


def test_the_end_is_the_absolute_one_where_that_comes_first(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout="1h", absolute_timeout="90m"))
    end = moment(clock() + 5400)
    clock.advance(3000)
    browser.send(put(new=2))

    assert browser.ask(member("expires_at")).result == end


def test_without_timeouts_there_is_no_end(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout=None, absolute_timeout=None))

    clock.advance(10_000 * DAY)

    assert browser.ask(member("expires_at")).result is None
    assert browser.data() == {"old": 1}


def test_login_keeps_created_at_and_begins_a_new_absolute_lifetime(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout=None, absolute_timeout="1h"))
    begun = moment(clock())
    clock.advance(3000)
    browser.send(login("ada"))

    assert browser.ask(times).result == (begun, moment(clock()), moment(clock() + HOUR))


def test_is_new_is_true_until_there_is_a_session(browser: Browser) -> None:
    assert browser.site.ask(member("is_new")).result is True
    assert browser.site.ask(then(put(a=1), call("save"), member("is_new"))).result is True
    assert browser.ask(member("is_new")).result is False


def test_is_new_is_true_where_the_cookie_opens_nothing(site: Site) -> None:
    assert site.ask(member("is_new"), {COOKIE: "rubbish"}).result is True


def test_a_session_dies_at_its_idle_limit_and_not_after_it(browser: Browser, clock: FakeClock) -> None:
    other = visitor(browser.site)
    clock.advance(HOUR - 0.001)
    before = browser.data()
    clock.advance(0.001)

    assert (before, other.data()) == ({"old": 1}, {})


def test_a_session_dies_at_its_absolute_limit_and_not_after_it(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout=None))
    clock.advance(DAY - 0.001)
    before = browser.data()
    clock.advance(0.001)

    assert (before, browser.data()) == ({"old": 1}, {})


def test_no_activity_moves_the_absolute_end(browser: Browser, clock: FakeClock) -> None:
    for number in range(47):
        clock.advance(1800)
        browser.send(put(number=number))
    assert browser.data() == {"old": 1, "number": 46}

    clock.advance(1800)

    assert browser.data() == {}


def test_regenerate_does_not_move_the_absolute_end(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout=None, absolute_timeout="1h"))
    clock.advance(3000)
    browser.send(call("regenerate"))

    clock.advance(600)

    assert browser.data() == {}


def test_an_absolute_timeout_made_shorter_since_counts(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout=None, absolute_timeout="2h"))
    shorter = browser.twin(browser.site.like(absolute_timeout="1h"))

    assert shorter.ask(member("expires_at")).result == moment(clock() + HOUR)
    clock.advance(HOUR)
    assert shorter.data() == {}


def test_an_absolute_timeout_set_since_counts(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout=None, absolute_timeout=None))
    limited = browser.twin(browser.site.like(absolute_timeout="1h"))

    clock.advance(HOUR)

    assert limited.data() == {}


@pytest.mark.parametrize("longer", ["2h", None])
def test_an_absolute_timeout_made_longer_since_does_not_count(make: SiteMaker, clock: FakeClock, longer: Any) -> None:
    browser = visitor(make(idle_timeout=None, absolute_timeout="1h"))
    later = browser.twin(browser.site.like(absolute_timeout=longer))

    assert later.ask(member("expires_at")).result == moment(clock() + HOUR)
    clock.advance(HOUR)
    assert later.data() == {}


def test_an_idle_timeout_is_that_of_today(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout="1h"))
    clock.advance(1800)

    assert browser.twin(browser.site.like(idle_timeout="30m", refresh_after="1m")).data() == {}


def test_an_expired_session_begins_anew_at_a_write(browser: Browser, clock: FakeClock) -> None:
    before = browser.ask(member("id")).result
    clock.advance(HOUR)

    browser.send(put(new=2))

    assert browser.data() == {"new": 2}
    assert browser.ask(member("id")).result != before


@pytest.mark.parametrize("end", ["invalidate", "clear"])
def test_an_end_of_an_expired_session_deletes_no_cookie(browser: Browser, clock: FakeClock, end: str) -> None:
    clock.advance(HOUR)

    assert browser.ask(call(end)).set_cookies == []


@pytest.mark.parametrize("limit", ["idle_timeout", "absolute_timeout"])
def test_a_session_that_expires_in_the_middle_of_a_request_stays_so(
    make_stored: SiteMaker, clock: FakeClock, limit: str
) -> None:
    browser = visitor(make_stored(**{"idle_timeout": None, "absolute_timeout": None, limit: "1h"}))

    answer = browser.send(then(put(new=2), lasting(clock, HOUR)))

    assert (answer.status, answer.set_cookies) == (200, [])
    assert browser.site.names() == ["discarded ended"]
    assert browser.data() == {}


@pytest.mark.parametrize("limit", ["idle_timeout", "absolute_timeout"])
def test_a_slow_request_that_only_read_does_not_revive_its_session(
    make: SiteMaker, clock: FakeClock, limit: str
) -> None:
    browser = visitor(make(**{"idle_timeout": None, "absolute_timeout": None, "refresh_after": 60, limit: "1h"}))
    clock.advance(HOUR / 2)

    answer = browser.send(then(read, lasting(clock, HOUR)))

    assert answer.set_cookies == []
    assert browser.site.names() == []
    assert browser.data() == {}


def test_save_says_that_the_session_has_expired_meanwhile(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make())

    answer = browser.ask(then(put(new=2), lasting(clock, DAY), call("save")))

    assert answer.result is False


def test_a_login_over_a_session_that_expires_meanwhile_takes_nothing_of_it_along(
    browser: Browser, clock: FakeClock
) -> None:
    browser.send(then(read, lasting(clock, DAY), login("ada", new=2)))

    assert browser.ask(lambda session: (session.user_id, dict(session))).result == ("ada", {"new": 2})


def test_a_request_that_touched_its_session_in_time_may_take_its_time(browser: Browser, clock: FakeClock) -> None:
    clock.advance(HOUR - 1)

    browser.send(then(put(new=2), lasting(clock, 10)))

    assert browser.data() == {"old": 1, "new": 2}


def test_a_clock_that_goes_back_ends_nothing(browser: Browser, clock: FakeClock) -> None:
    clock.advance(-DAY)

    browser.send(put(new=2))

    assert browser.data() == {"old": 1, "new": 2}


# When a session was last seen, which is written now and then.


def test_reading_renews_nothing_before_a_tenth_of_the_idle_timeout(browser: Browser, clock: FakeClock) -> None:
    clock.advance(359.9)

    answer = browser.ask(read)

    assert answer.set_cookies == []
    assert not browser.site.is_stored or browser.site.store.calls == ["load"]


def test_reading_renews_after_a_tenth_of_the_idle_timeout(browser: Browser, clock: FakeClock) -> None:
    clock.advance(360)

    browser.send(read)

    assert browser.ask(member("last_seen_at")).result == moment(clock())


def test_the_session_that_was_renewed_says_so(browser: Browser, clock: FakeClock) -> None:
    seen: list[Session] = []
    clock.advance(1800)

    browser.ask(then(read, seen.append))

    assert seen[0].last_seen_at == moment(clock())
    assert seen[0].expires_at == moment(clock() + HOUR)


def test_a_session_that_is_only_read_lives_on(browser: Browser, clock: FakeClock) -> None:
    for _ in range(10):
        clock.advance(1800)
        browser.send(read)

    assert browser.data() == {"old": 1}


def test_a_renewal_in_a_store_is_one_replace_and_no_cookie(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored())
    clock.advance(1800)

    answer = browser.ask(read)

    assert answer.set_cookies == []
    assert browser.site.store.calls == ["load", "replace"]


def test_refresh_after_says_when(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(refresh_after="10m"))
    begun = moment(clock())
    clock.advance(599)
    browser.send(read)
    before = browser.ask(member("last_seen_at")).result
    clock.advance(1)
    browser.send(read)

    assert (before, browser.ask(member("last_seen_at")).result) == (begun, moment(clock()))


def test_without_an_idle_timeout_nothing_is_renewed(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout=None))
    begun = moment(clock())
    clock.advance(DAY - 1)
    browser.send(read)

    assert browser.ask(member("last_seen_at")).result == begun


def test_without_an_idle_timeout_it_is_renewed_where_that_is_asked_for(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout=None, refresh_after="1m"))
    clock.advance(60)
    browser.send(read)

    assert browser.ask(member("last_seen_at")).result == moment(clock())


def test_an_error_page_that_saves_nothing_may_renew(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make(save_on_error=False))
    clock.advance(1800)
    browser.send(put(new=2), status="500 Internal Server Error")

    assert browser.data() == {"old": 1}


def test_purge_removes_what_has_expired_and_nothing_else(stored: Site, clock: FakeClock) -> None:
    for _ in range(3):
        visitor(stored)
    clock.advance(1800)
    browser = visitor(stored)
    clock.advance(1801)

    assert stored.manager.purge() == 3
    assert stored.manager.purge() == 0
    assert browser.data() == {"old": 1}


def test_purge_has_a_limit(stored: Site, clock: FakeClock) -> None:
    for _ in range(3):
        visitor(stored)
    clock.advance(HOUR)

    assert [stored.manager.purge(2), stored.manager.purge(2)] == [2, 1]


def test_a_purged_session_is_an_empty_new_one(stored: Site, clock: FakeClock) -> None:
    browser = visitor(stored)
    clock.advance(HOUR)
    stored.manager.purge()

    assert browser.ask(then(read, member("is_new"))).result is True


def test_a_renewed_session_is_not_purged(stored: Site, clock: FakeClock) -> None:
    browser = visitor(stored)
    clock.advance(1800)
    browser.send(read)
    clock.advance(1801)

    assert stored.manager.purge() == 0
    assert browser.data() == {"old": 1}
