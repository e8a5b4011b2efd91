"""A request that takes longer than a timeout: what counts is what stands in the store, not the copy that was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.actions import Action, call, drop, login, member, put, read, then
from support.browser import Browser, SiteMaker, visitor
from support.constants import COOKIE, SEEN

from sessionware import Session
from sessionware.testing import FakeClock

HOUR = 3600
DAY = 86400


def keeping_alive(browser: Browser, seconds: float = 2 * HOUR) -> Action:
    """An action that takes so long, while another tab goes on reading."""

    def run(session: Session) -> None:
        for _ in range(int(seconds // 600)):
            browser.site.clock.advance(600)
            browser.ask(read)

    return run


def lasting(clock: FakeClock, seconds: float) -> Callable[[Session], None]:
    return lambda session: clock.advance(seconds)


def test_a_change_is_saved_if_another_tab_kept_the_session_alive(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())

    answer = browser.ask(then(put(new=2), keeping_alive(browser)))

    assert answer.status == 200
    assert browser.data() == {"old": 1, "new": 2}
    assert "discarded ended" not in browser.site.names()


def test_it_is_loaded_before_it_is_written(make_memory: SiteMaker) -> None:
    browser = visitor(make_memory())
    calls: list[str] = browser.site.store.calls

    browser.ask(then(put(new=2), keeping_alive(browser), lambda session: calls.clear()))

    assert calls == ["load", "replace"]


def test_what_the_other_tab_has_written_is_merged(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())

    def write_meanwhile(session: Session) -> None:
        browser.ask(put(theirs=1, old=3))

    browser.ask(then(put(new=2, old=2), write_meanwhile, keeping_alive(browser)))

    assert browser.data() == {"old": 2, "new": 2, "theirs": 1}
    assert [name for name in browser.site.names() if name != "renewed"] == ["saved", "conflict", "merged"]


def test_save_says_that_it_was_saved(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())

    assert browser.ask(then(put(new=2), keeping_alive(browser), call("save"))).result is True


def test_a_login_takes_along_what_was_kept_alive(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())

    browser.send(then(read, keeping_alive(browser), login("ada", new=2)))

    assert browser.ask(lambda session: (session.user_id, dict(session))).result == ("ada", {"old": 1, "new": 2})


def test_a_change_goes_with_a_session_that_nobody_kept_alive(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored())

    answer = browser.ask(then(put(new=2), lasting(clock, HOUR)))

    assert (answer.status, answer.set_cookies) == (200, [])
    assert browser.site.names() == ["discarded ended"]


def test_a_change_to_a_session_that_was_given_another_id_is_a_409(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored(regenerate_grace="2h"))
    tab = browser.twin()

    answer = tab.ask(then(put(new=2), lambda session: browser.send(call("regenerate")), lasting(clock, HOUR)))

    assert (answer.status, answer.set_cookies) == (409, [])


# A logout.


@pytest.mark.parametrize("end", ["clear", "invalidate"])
def test_a_logout_ends_a_session_that_was_kept_alive(make_stored: SiteMaker, end: str) -> None:
    browser = visitor(make_stored())

    answer = browser.ask(then(read, keeping_alive(browser), call(end)))

    assert answer.cookies == {COOKIE: None}
    assert "ended invalidated" in browser.site.names()
    assert browser.data() == {}


@pytest.mark.parametrize("limit", ["idle_timeout", "absolute_timeout"])
def test_a_logout_whose_session_has_run_out_deletes_the_cookie_and_is_an_event(
    make: SiteMaker, clock: FakeClock, limit: str
) -> None:
    browser = visitor(make(**{"idle_timeout": None, "absolute_timeout": None, limit: "1h"}))

    answer = browser.ask(then(read, lasting(clock, HOUR), call("clear")))

    assert answer.cookies == {COOKIE: None}
    assert browser.site.names() == ["ended invalidated"]


def test_so_does_one_whose_record_the_store_has_removed(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored())

    answer = browser.ask(then(read, lasting(clock, HOUR), lambda session: browser.site.manager.purge(), call("clear")))

    assert answer.cookies == {COOKIE: None}
    assert browser.site.names() == ["ended invalidated"]


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_logout_after_another_requests_is_nothing_more(make_stored: SiteMaker, is_deleted: bool) -> None:
    browser = visitor(make_stored())

    def end_meanwhile(session: Session) -> None:
        browser.site.store.broken = set() if is_deleted else {"delete"}
        browser.ask(call("clear"))
        browser.site.store.broken = set()
        browser.site.events.clear()

    answer = browser.ask(then(read, end_meanwhile, call("clear")))

    assert answer.set_cookies == []
    assert browser.site.names() == []


def test_a_logout_by_a_visitors_old_id_leaves_the_login_its_cookie(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored())
    tab = browser.twin()

    answer = tab.ask(then(read, lambda session: browser.send(login("ada")), lasting(clock, HOUR - 1), call("clear")))

    assert answer.set_cookies == []
    assert browser.ask(member("user_id")).result == "ada"


# A cookie session, which no other request can keep alive.


def test_a_cookie_session_is_judged_for_idleness_when_it_is_read(make_cookie: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_cookie())

    browser.send(then(put(new=2), lasting(clock, 2 * HOUR)))

    assert browser.data() == {"old": 1, "new": 2}


def test_the_absolute_end_of_a_cookie_session_holds_at_the_commit(make_cookie: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_cookie(idle_timeout=None))

    answer = browser.send(then(put(new=2), lasting(clock, DAY)))

    assert (answer.status, answer.set_cookies) == (200, [])
    assert browser.site.names() == ["discarded ended"]
    assert browser.data() == {}


def test_a_slow_cookie_session_that_is_emptied_ends(make_cookie: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_cookie())

    answer = browser.send(then(lambda session: session.pop("old"), lasting(clock, 2 * HOUR)))

    assert answer.cookies == {COOKIE: None}


# A clock that was ahead.


@pytest.fixture
def ahead(make: SiteMaker, clock: FakeClock) -> Browser:
    """A visitor whose session began while the clock was a day ahead."""
    clock.advance(DAY)
    browser = visitor(make(absolute_timeout=None))
    clock.advance(-DAY)
    return browser


def test_a_time_in_the_future_counts_as_now_and_is_written_down(ahead: Browser, clock: FakeClock) -> None:
    answer = ahead.send(read)

    assert ahead.site.names() == ["renewed"]
    assert list(answer.cookies) == ([] if ahead.site.is_stored else [SEEN])
    ahead.send(read)
    assert ahead.site.names() == []


def test_a_session_from_the_future_dies_of_idleness(ahead: Browser, clock: FakeClock) -> None:
    ahead.send(read)

    clock.advance(HOUR)

    assert ahead.data() == {}
    assert ahead.site.rejections() == ["idle"]


def test_a_time_in_the_future_is_shown_as_now(ahead: Browser, clock: FakeClock) -> None:
    times: Any = ahead.ask(lambda session: (session.created_at, session.last_seen_at)).result

    assert [time.timestamp() for time in times] == [clock(), clock()]


def test_the_absolute_end_of_a_session_from_the_future_counts_from_now(make: SiteMaker, clock: FakeClock) -> None:
    clock.advance(DAY)
    browser = visitor(make(idle_timeout=None))
    clock.advance(-DAY)
    browser.send(put(new=2))

    clock.advance(DAY)

    assert browser.data() == {}


def test_another_cookies_companion_does_not_let_each_read_renew(make_cookie: SiteMaker, clock: FakeClock) -> None:
    site = make_cookie()
    other = visitor(site)
    clock.advance(1800)
    other.send(read)
    browser = visitor(site)
    browser.cookies[SEEN] = other.cookies[SEEN]

    assert browser.send(read).set_cookies == []


# Another tab has written since, and a change of id is asked for: what both have left decides.


def dropping_too_late(browser: Browser, key: str, theirs: Action, *identity: str) -> Action:
    """An action that drops *key* and asks for a new id when its copy is over, while another tab has done *theirs*."""
    clock = browser.site.clock

    def run(session: Session) -> None:
        assert key in session
        clock.advance(60)
        browser.ask(theirs)
        clock.advance(60)
        del session[key]
        call(*identity)(session)

    return run


@pytest.mark.parametrize("identity", [("regenerate",), ("remember", "30d")])
def test_a_session_that_two_have_emptied_ends_in_spite_of_a_new_id(
    make_stored: SiteMaker, identity: tuple[str, ...]
) -> None:
    browser = visitor(make_stored(idle_timeout=100), put(mine=1, theirs=2))

    answer = browser.send(dropping_too_late(browser, "mine", drop("theirs"), *identity))

    assert (answer.status, browser.cookies, browser.data()) == (200, {}, {})
    assert browser.site.names()[-1] == "ended emptied"


@pytest.mark.parametrize("identity", [("regenerate",), ("remember", "30d")])
def test_a_session_that_another_has_filled_gets_its_new_id(make_stored: SiteMaker, identity: tuple[str, ...]) -> None:
    browser = visitor(make_stored(idle_timeout=100), put(mine=1))
    former = browser.cookies[COOKIE]

    answer = browser.send(dropping_too_late(browser, "mine", put(theirs=2), *identity))

    assert answer.status == 200
    assert browser.cookies[COOKIE] != former
    assert browser.data() == {"theirs": 2}
