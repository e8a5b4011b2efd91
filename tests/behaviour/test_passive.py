"""A request that is none of the user's: a poll or a countdown does not keep its session alive."""

from __future__ import annotations

from typing import Any

import pytest
from behaviour.moments import DAY, HOUR, lasting, moment
from support.actions import Action, call, login, member, put, read, then
from support.browser import Browser, Site, SiteMaker, visitor

from sessionware.testing import FakeClock

passive = call("passive")
SEEN_AT = member("last_seen_at")

POLLS = [
    pytest.param(then(passive, read), id="before the first touch"),
    pytest.param(then(read, passive), id="after the first touch"),
    pytest.param(then(passive, read, passive), id="twice"),
]


@pytest.mark.parametrize("poll", POLLS)
def test_a_poll_renews_nothing(browser: Browser, clock: FakeClock, poll: Action) -> None:
    begun = moment(clock())
    clock.advance(HOUR / 2)

    answer = browser.send(poll)

    assert answer.set_cookies == []
    assert answer.lines("Vary") == ["Cookie"]
    assert browser.site.names() == []
    assert not browser.site.is_stored or browser.site.store.calls == ["load"]
    assert browser.ask(SEEN_AT).result == begun


def test_a_session_that_is_only_polled_dies_of_idleness(browser: Browser, clock: FakeClock) -> None:
    for _ in range(5):
        clock.advance(HOUR / 6)
        browser.send(then(passive, read))
    clock.advance(HOUR / 6)

    assert browser.data() == {}
    assert browser.site.rejections() == ["idle"]


def test_the_requests_beside_a_poll_keep_the_session_alive(browser: Browser, clock: FakeClock) -> None:
    for _ in range(6):
        clock.advance(HOUR / 2)
        browser.send(then(passive, read))
        browser.send(read)

    assert browser.data() == {"old": 1}


def test_it_loads_nothing(site: Site) -> None:
    answer = visitor(site).ask(passive)

    assert answer.headers == site.ask(lambda session: None).headers
    assert not site.is_stored or site.store.calls == []


def test_it_is_allowed_while_the_store_is_down(stored: Site) -> None:
    browser = visitor(stored)

    with stored.store.down():
        assert browser.ask(passive).status == 200
        assert browser.ask(then(passive, read)).status == 503


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(then(passive, put(new=2)), id="before"),
        pytest.param(then(put(new=2), passive), id="after"),
        pytest.param(then(passive, put(new=2), call("save")), id="saved"),
        pytest.param(then(passive, put(new=1), call("save"), put(new=2)), id="saved before"),
    ],
)
def test_a_write_keeps_last_seen_as_it_was(browser: Browser, clock: FakeClock, write: Action) -> None:
    begun = moment(clock())
    clock.advance(HOUR / 2)

    browser.send(write)

    looked = browser.ask(then(passive, lambda session: (session.last_seen_at, dict(session)))).result
    assert looked == (begun, {"old": 1, "new": 2})
    clock.advance(HOUR / 2)
    assert browser.data() == {}


def test_after_a_save_it_holds_for_what_follows(browser: Browser, clock: FakeClock) -> None:
    clock.advance(100)
    saved = moment(clock())

    browser.send(then(put(new=1), call("save"), lasting(clock, HOUR / 2), passive, put(new=2)))

    assert browser.ask(SEEN_AT).result == saved
    assert browser.data() == {"old": 1, "new": 2}


def test_a_write_keeps_what_the_companion_cookie_says(make_cookie: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_cookie())
    clock.advance(HOUR / 2)
    browser.send(read)
    renewed = moment(clock())
    clock.advance(HOUR / 4)

    browser.send(then(passive, put(new=2)))

    assert browser.ask(SEEN_AT).result == renewed


@pytest.mark.parametrize("name", ["regenerate", "remember"])
def test_a_new_id_keeps_last_seen_as_it_was(browser: Browser, clock: FakeClock, name: str) -> None:
    begun = moment(clock())
    clock.advance(HOUR / 2)

    browser.send(then(passive, call(name, *(["30d"] if name == "remember" else []))))

    assert browser.ask(SEEN_AT).result == begun


def test_a_merge_takes_the_last_seen_of_the_other_request(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored())
    clock.advance(100)
    theirs = moment(clock())

    def other(session: Any) -> None:
        browser.send(put(theirs=2))
        clock.advance(100)

    browser.send(then(passive, put(new=2), other))

    assert browser.ask(SEEN_AT).result == theirs
    assert browser.data() == {"old": 1, "new": 2, "theirs": 2}


def test_a_session_that_begins_in_it_is_seen_now(site: Site, clock: FakeClock) -> None:
    browser = Browser(site)

    browser.send(then(passive, lasting(clock, 100), put(new=2)))

    assert browser.ask(SEEN_AT).result == moment(clock())


def test_a_session_that_begins_after_an_end_in_it_is_seen_now(browser: Browser, clock: FakeClock) -> None:
    clock.advance(HOUR / 2)

    browser.send(then(passive, call("clear"), put(new=2)))

    assert browser.ask(SEEN_AT).result == moment(clock())


def test_after_an_end_it_holds_for_what_begins_then(browser: Browser, clock: FakeClock) -> None:
    begun = moment(clock())

    browser.send(then(passive, call("clear"), put(new=2), call("save"), lasting(clock, 100), put(new=3)))

    assert browser.ask(SEEN_AT).result == begun
    assert browser.data() == {"new": 3}


@pytest.mark.parametrize("action", [login("ada"), call("confirm")], ids=["login", "confirm"])
def test_a_sign_in_is_the_users_own(signed_in: Browser, clock: FakeClock, action: Action) -> None:
    clock.advance(HOUR / 2)

    signed_in.send(then(passive, action))

    assert signed_in.ask(SEEN_AT).result == moment(clock())


def test_a_remembered_cookie_lives_until_its_end_after_a_write(make_cookie: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_cookie())
    browser.send(call("remember", "30d"))
    clock.advance(DAY)

    (line,) = browser.send(then(passive, put(new=2))).set_cookies

    assert f"Max-Age={int(29 * DAY)};" in f"{line};"


# A clock that was ahead, and a request that takes long.


def test_a_time_in_the_future_is_left_as_it_is(browser: Browser, clock: FakeClock) -> None:
    clock.advance(-DAY)

    answer = browser.send(then(passive, read))

    assert browser.site.names() == []
    assert answer.set_cookies == []
    browser.send(read)
    assert browser.site.names() == ["renewed"]


def test_its_touch_is_no_sign_of_life_when_it_writes_after_the_idle_timeout(
    make_stored: SiteMaker, clock: FakeClock
) -> None:
    browser = visitor(make_stored())
    clock.advance(HOUR - 1)

    answer = browser.ask(then(passive, put(new=2), lasting(clock, 10), call("save")))

    assert (answer.status, answer.result) == (200, False)
    assert browser.site.names() == ["discarded ended"]
    assert browser.data() == {}


def test_it_is_saved_after_the_idle_timeout_if_another_tab_kept_the_session_alive(
    make_stored: SiteMaker, clock: FakeClock
) -> None:
    browser = visitor(make_stored())
    clock.advance(HOUR - 1)
    seen = moment(clock())

    browser.send(then(passive, put(new=2), lambda session: browser.send(read), lasting(clock, 10)))

    assert browser.ask(SEEN_AT).result == seen
    assert browser.data() == {"old": 1, "new": 2}


def test_a_slow_write_to_a_cookie_session_does_not_revive_it(make_cookie: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_cookie())
    clock.advance(HOUR - 1)

    browser.send(then(passive, put(new=2), lasting(clock, 10)))

    assert browser.data() == {}
    assert browser.site.rejections() == ["idle"]
