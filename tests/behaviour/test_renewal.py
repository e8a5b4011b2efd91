"""When a session was last seen: written down now and then; and what tidies up behind the dead."""

from __future__ import annotations

from behaviour.conftest import Make
from support.moments import DAY, HOUR, moment
from support.site import Browser, Site, member, put, read, then, visitor

from sessionware import Session
from sessionware.testing import FakeClock


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


def test_a_renewal_in_a_store_is_one_replace_and_no_cookie(make_stored: Make, clock: FakeClock) -> None:
    browser = visitor(make_stored())
    clock.advance(1800)

    answer = browser.ask(read)

    assert answer.set_cookies == []
    assert browser.site.store.calls == ["load", "replace"]


def test_refresh_after_says_when(make: Make, clock: FakeClock) -> None:
    browser = visitor(make(refresh_after="10m"))
    begun = moment(clock())
    clock.advance(599)
    browser.send(read)
    before = browser.ask(member("last_seen_at")).result
    clock.advance(1)
    browser.send(read)

    assert (before, browser.ask(member("last_seen_at")).result) == (begun, moment(clock()))


def test_without_an_idle_timeout_nothing_is_renewed(make: Make, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout=None))
    begun = moment(clock())
    clock.advance(DAY - 1)
    browser.send(read)

    assert browser.ask(member("last_seen_at")).result == begun


def test_without_an_idle_timeout_it_is_renewed_where_that_is_asked_for(make: Make, clock: FakeClock) -> None:
    browser = visitor(make(idle_timeout=None, refresh_after="1m"))
    clock.advance(60)
    browser.send(read)

    assert browser.ask(member("last_seen_at")).result == moment(clock())


def test_an_error_page_that_saves_nothing_may_renew(make: Make, clock: FakeClock) -> None:
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
