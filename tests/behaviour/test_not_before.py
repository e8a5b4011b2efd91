"""The end of all sessions that began before a moment: the option ``not_before``."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from behaviour.moments import DAY, lasting, moment
from support.actions import call, login, member, put, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE

from sessionware import ConfigError
from sessionware.testing import FakeClock

#: What ends no session by its age, so that only the option under test can.
ENDLESS: dict[str, Any] = {"idle_timeout": None, "absolute_timeout": None}


def after_the_leak(browser: Browser, clock: FakeClock, **options: Any) -> Browser:
    """The same browser at the site after a deploy that lets all sessions up to now be over."""
    clock.advance(1)
    return browser.twin(browser.site.like(not_before=clock(), **options))


@pytest.mark.parametrize("action", [put(old=1), login("ada", old=1)], ids=["anonymous", "signed in"])
def test_a_session_that_began_before_is_over(make: SiteMaker, clock: FakeClock, action: Any) -> None:
    browser = visitor(make(**ENDLESS), action)
    later = after_the_leak(browser, clock)

    answer = later.send(read)

    assert (answer.result, answer.set_cookies) == ({}, [])
    assert later.site.names() == ["rejected revoked"]
    assert later.ask(member("rejected")).result == "revoked"


def test_the_moment_itself_is_not_before_it(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make())

    same = browser.twin(browser.site.like(not_before=clock()))
    assert same.data() == {"old": 1}
    clock.advance(1)
    assert browser.twin(browser.site.like(not_before=clock() - 0.5)).data() == {}


def test_a_session_that_begins_afterwards_lives(make: SiteMaker, clock: FakeClock) -> None:
    site = make(not_before=clock())
    clock.advance(100)

    assert visitor(site).data() == {"old": 1}


def test_a_user_whose_session_is_over_may_sign_in_again(make: SiteMaker, clock: FakeClock) -> None:
    later = after_the_leak(visitor(make(), login("ada", old=1)), clock)

    later.send(login("ada", new=2))

    assert later.ask(lambda session: (session.user_id, dict(session))).result == ("ada", {"new": 2})


@pytest.mark.parametrize("action", [login("ada"), call("confirm")], ids=["login", "confirm"])
def test_the_last_sign_in_counts_and_not_the_beginning(make: SiteMaker, clock: FakeClock, action: Any) -> None:
    browser = visitor(make(), login("ada", old=1))
    clock.advance(100)
    signed_in = moment(clock())
    browser.send(action)
    clock.advance(100)

    assert browser.twin(browser.site.like(not_before=signed_in)).data() == {"old": 1}
    assert browser.twin(browser.site.like(not_before=signed_in + timedelta(seconds=1))).data() == {}


def test_neither_a_new_id_nor_a_write_saves_a_session(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make())
    begun = clock()
    clock.advance(100)
    browser.send(put(new=2))
    browser.send(call("regenerate"))

    assert browser.twin(browser.site.like(not_before=begun + 1)).data() == {}


def test_a_remembered_session_is_over_too(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make())
    browser.send(call("remember", "30d"))

    assert after_the_leak(browser, clock).data() == {}


def test_a_former_id_reads_nothing_any_more(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored())
    former = browser.twin()
    browser.send(call("regenerate"))
    later = after_the_leak(former, clock)

    assert later.data() == {}
    assert later.site.names() == ["rejected revoked"]


def test_a_former_id_from_before_reads_nothing_though_its_session_was_confirmed(
    make_stored: SiteMaker, clock: FakeClock
) -> None:
    browser = visitor(make_stored(), login("ada", old=1))
    former = browser.twin()
    clock.advance(5)
    browser.send(call("confirm"))
    site = browser.site.like(not_before=clock())

    assert former.twin(site).data() == {}
    assert browser.twin(site).data() == {"old": 1}


def test_a_logout_of_a_session_that_is_over_deletes_no_cookie(make: SiteMaker, clock: FakeClock) -> None:
    later = after_the_leak(visitor(make()), clock)

    answer = later.ask(call("clear"))

    assert answer.set_cookies == []
    assert later.site.names() == ["rejected revoked"]


def test_a_worker_of_before_the_deploy_can_still_end_it(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored())
    later = after_the_leak(browser, clock)
    later.data()

    assert browser.send(call("clear")).cookies == {COOKIE: None}
    assert browser.site.names() == ["ended invalidated"]


def test_what_a_worker_of_before_the_deploy_keeps_alive_is_over_here(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored())
    later = after_the_leak(browser, clock)
    browser.send(then(put(new=2), lasting(clock, 10)))

    assert later.data() == {}


def test_a_write_by_an_id_that_is_over_begins_another_session(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make())
    before = browser.ask(member("id")).result
    later = after_the_leak(browser, clock)

    later.send(put(new=2))

    assert later.data() == {"new": 2}
    assert later.ask(member("id")).result != before


def test_it_wins_over_a_timeout_that_was_reached_too(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make())
    clock.advance(2 * DAY)

    assert after_the_leak(browser, clock).ask(member("rejected")).result == "revoked"


def test_a_session_that_a_clock_ahead_has_begun_counts_as_of_now(make: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make())
    clock.advance(-DAY)

    assert browser.twin(browser.site.like(not_before=clock())).data() == {"old": 1}


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(lambda seconds: datetime.fromtimestamp(seconds, timezone.utc), id="datetime"),
        pytest.param(
            lambda seconds: datetime.fromtimestamp(seconds, timezone(timedelta(hours=5, minutes=30))), id="another zone"
        ),
        pytest.param(lambda seconds: datetime.fromtimestamp(seconds, timezone.utc).isoformat(), id="text"),
        pytest.param(lambda seconds: f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%SZ}", id="Z"),
        pytest.param(lambda seconds: seconds, id="seconds"),
        pytest.param(lambda seconds: str(int(seconds)), id="digits"),
    ],
)
def test_a_moment_has_many_spellings(light_site: Site, clock: FakeClock, written: Any) -> None:
    begun = clock()
    browser = visitor(light_site)

    assert browser.twin(light_site.like(not_before=written(begun))).data() == {"old": 1}
    clock.advance(1)
    assert browser.twin(light_site.like(not_before=written(begun + 1))).data() == {}


def test_a_moment_in_the_future_would_end_every_new_session_and_is_refused(
    make_memory: SiteMaker, clock: FakeClock
) -> None:
    with pytest.raises(ConfigError, match=r"not_before: the moment is 60 seconds in the future.* has passed"):
        make_memory(not_before=clock() + 60)
