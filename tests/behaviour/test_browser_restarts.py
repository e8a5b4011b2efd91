"""Remember me: what is left of a session when the browser was closed and opened again."""

from __future__ import annotations

from typing import Any

import pytest
from behaviour.moments import DAY, HOUR, moment
from support.actions import Action, call, login, member, put, read, then
from support.browser import Answer, Browser, Site, SiteMaker
from support.constants import COOKIE, SEEN
from support.exchange import Exchange

from sessionware.testing import FakeClock

REMEMBERED = then(login("ada"), call("remember", "30d"), put(cart=["book"]))


class ClosableBrowser(Browser):
    """A browser that goes by Max-Age: a cookie without it dies when the browser is closed (RFC 6265, 4.1.2.2)."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.ends: dict[str, float | None] = {}

    def receive(self, answer: Answer | Exchange) -> None:
        super().receive(answer)
        for header, line in answer.headers:
            if header == "Set-Cookie":
                name, _, rest = line.partition("=")
                found = [part.partition("=")[2] for part in rest.split("; ") if part.startswith("Max-Age=")]
                self.ends[name] = self.site.clock() + int(found[0]) if found else None

    def restart(self) -> None:
        """Close the browser and open it again."""
        now = self.site.clock()
        for name in list(self.cookies):
            end = self.ends[name]
            if end is None or end <= now:
                del self.cookies[name]

    def user(self) -> Any:
        """Whom a request that comes in at once finds signed in."""
        return self.send(member("user_id")).result


def opened(site: Site, action: Action) -> ClosableBrowser:
    browser = ClosableBrowser(site)
    browser.send(action)
    return browser


def test_a_restart_keeps_a_remembered_session(site: Site) -> None:
    browser = opened(site, REMEMBERED)

    browser.restart()

    assert browser.send(lambda session: (session.user_id, dict(session))).result == ("ada", {"cart": ["book"]})


@pytest.mark.parametrize("action", [put(cart=[]), login("ada")], ids=["visitor", "user"])
def test_a_restart_ends_every_other_session(site: Site, action: Action) -> None:
    browser = opened(site, action)

    browser.restart()

    assert browser.cookies == {}
    assert browser.user() is None


def test_a_restart_keeps_every_session_where_cookies_are_persistent(make: SiteMaker, clock: FakeClock) -> None:
    browser = opened(make(**{"cookie.persistent": True}), login("ada"))
    clock.advance(HOUR / 2)

    browser.restart()

    assert browser.user() == "ada"
    clock.advance(HOUR)
    browser.restart()
    assert browser.user() is None


def test_a_remembered_session_lives_for_its_lifetime_however_often_the_browser_is_closed(
    site: Site, clock: FakeClock
) -> None:
    browser = opened(site, REMEMBERED)
    for _ in range(5):
        clock.advance(5 * DAY)
        browser.restart()
        assert browser.user() == "ada"
        browser.send(put(day=clock()))
        browser.restart()
        assert browser.data() == {"cart": ["book"], "day": clock()}

    clock.advance(5 * DAY)
    before_the_restart = browser.user()
    browser.restart()

    assert before_the_restart is None
    assert browser.cookies == {}


def test_it_lives_so_long_without_any_request(site: Site, clock: FakeClock) -> None:
    browser = opened(site, REMEMBERED)
    clock.advance(30 * DAY - 1)

    browser.restart()

    assert browser.user() == "ada"


def test_a_change_of_id_keeps_it_over_the_next_restart(site: Site, clock: FakeClock) -> None:
    browser = opened(site, REMEMBERED)
    end = moment(clock() + 30 * DAY)
    for change in (call("regenerate"), call("confirm")):
        clock.advance(DAY)
        browser.send(change)
        browser.restart()

    assert browser.user() == "ada"
    assert browser.send(member("expires_at")).result == end


def test_a_confirmation_after_a_restart_is_what_a_remembered_user_is_asked_for(site: Site, clock: FakeClock) -> None:
    browser = opened(site, REMEMBERED)
    clock.advance(DAY)
    browser.restart()

    before = browser.send(call("authenticated_within", "10m")).result
    browser.send(call("confirm"))

    assert (before, browser.send(call("authenticated_within", "10m")).result) == (False, True)


@pytest.mark.parametrize(
    "action",
    [pytest.param(login("ada"), id="the same user"), pytest.param(login("bob"), id="another user")],
)
def test_a_login_undoes_it_at_the_next_restart(site: Site, action: Action) -> None:
    browser = opened(site, REMEMBERED)
    browser.send(action)

    browser.restart()

    assert browser.user() is None


def test_remember_none_undoes_it_at_the_next_restart(site: Site) -> None:
    browser = opened(site, REMEMBERED)
    browser.send(call("remember", None))

    browser.restart()

    assert browser.user() is None


def test_a_logout_ends_it_for_good(site: Site) -> None:
    browser = opened(site, REMEMBERED)
    browser.send(call("clear"))

    browser.restart()

    assert browser.cookies == {}
    assert browser.user() is None


def test_not_before_ends_it_over_a_restart(site: Site, clock: FakeClock) -> None:
    browser = opened(site, REMEMBERED)
    clock.advance(1)
    browser.restart()
    browser.site = site.like(not_before=clock())

    assert browser.user() is None


def test_what_the_companion_says_lives_as_long_as_its_cookie(make_cookie: SiteMaker, clock: FakeClock) -> None:
    browser = opened(make_cookie(**{"cookie.persistent": True}), login("ada"))
    clock.advance(HOUR / 2)
    browser.send(read)
    assert set(browser.cookies) == {COOKIE, SEEN}

    browser.restart()
    clock.advance(HOUR - 1)

    assert browser.user() == "ada"


def test_the_companion_goes_with_a_cookie_that_a_restart_drops(make_cookie: SiteMaker, clock: FakeClock) -> None:
    browser = opened(make_cookie(), login("ada"))
    clock.advance(HOUR / 2)
    browser.send(read)

    browser.restart()

    assert browser.cookies == {}
