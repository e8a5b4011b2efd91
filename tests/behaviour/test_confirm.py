"""Step-up: when the user signed in, whether that is recent enough, and what ``confirm`` does to the session."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from behaviour.moments import DAY, HOUR, lasting, moment
from support.actions import Action, call, login, member, put, raised_by, read, then
from support.browser import Browser, Site, SiteMaker, visitor

from sessionware import ConflictError, HeadersSent, Session, SessionDataError
from sessionware.testing import FakeClock

confirm = call("confirm")
AUTHENTICATED = member("authenticated_at")
EXPIRES = member("expires_at")


def signed_in_at(site: Site) -> Browser:
    return visitor(site, login("ada", old=1))


# When the user signed in.


def test_a_sign_in_is_an_authentication(signed_in: Browser, clock: FakeClock) -> None:
    begun = moment(clock())
    clock.advance(100)
    signed_in.send(put(new=2))

    assert signed_in.ask(AUTHENTICATED).result == begun


def test_where_nobody_is_signed_in_there_was_none(browser: Browser, site: Site) -> None:
    assert browser.ask(AUTHENTICATED).result is None
    assert site.ask(AUTHENTICATED).result is None
    assert browser.ask(call("authenticated_within", "1d")).result is False


def test_the_authentication_ends_with_the_session(signed_in: Browser) -> None:
    assert signed_in.ask(then(call("clear"), put(new=2), AUTHENTICATED)).result is None


def test_a_pending_login_counts(browser: Browser, clock: FakeClock) -> None:
    clock.advance(100)

    assert browser.ask(then(login("ada"), AUTHENTICATED)).result == moment(clock())
    assert browser.ask(then(login("ada"), call("authenticated_within", 1))).result is True


def test_a_change_of_id_is_no_authentication(signed_in: Browser, clock: FakeClock) -> None:
    begun = moment(clock())
    clock.advance(100)
    signed_in.send(call("regenerate"))
    signed_in.send(call("remember", "30d"))

    assert signed_in.ask(AUTHENTICATED).result == begun


@pytest.mark.parametrize("duration", [600, 600.0, "600s", "10m", timedelta(minutes=10)], ids=repr)
def test_an_authentication_is_recent_until_the_duration_is_over(
    light_site: Site, clock: FakeClock, duration: Any
) -> None:
    browser = signed_in_at(light_site)
    clock.advance(599.9)
    before = browser.ask(call("authenticated_within", duration)).result
    clock.advance(0.1)

    assert (before, browser.ask(call("authenticated_within", duration)).result) == (True, False)


@pytest.mark.parametrize("duration", ["soon", "", 0, -1, None, True, float("nan"), [1], 10**400], ids=repr)
def test_what_is_no_duration_is_refused(light_site: Site, duration: Any) -> None:
    for browser in (signed_in_at(light_site), Browser(light_site)):
        answer = browser.ask(raised_by(call("authenticated_within", duration)))

        assert isinstance(answer.result, SessionDataError)
        assert "authenticated_within()" in str(answer.result)
        assert "None" not in str(answer.result)


def test_a_sign_in_by_a_clock_that_was_ahead_counts_as_now(signed_in: Browser, clock: FakeClock) -> None:
    clock.advance(-100)

    assert signed_in.ask(AUTHENTICATED).result == moment(clock())
    assert signed_in.ask(call("authenticated_within", 1)).result is True


# What a confirmation does.


def state(session: Session) -> tuple[datetime | None, datetime, datetime | None]:
    return session.authenticated_at, session.last_seen_at, session.expires_at


def test_a_confirmation_is_an_authentication_and_both_timeouts_start_again(make: SiteMaker, clock: FakeClock) -> None:
    browser = signed_in_at(make(idle_timeout="2h", absolute_timeout="3h"))
    created = browser.ask(member("created_at")).result
    for _ in range(2):
        clock.advance(HOUR)
        browser.send(put(touched=1))
    browser.send(confirm)

    assert browser.ask(state).result == (moment(clock()), moment(clock()), moment(clock() + 2 * HOUR))
    assert browser.ask(member("created_at")).result == created
    for _ in range(2):
        clock.advance(HOUR)
        browser.send(put(touched=2))
    assert browser.ask(EXPIRES).result == moment(clock() + HOUR)


def test_a_confirmation_keeps_the_user_the_data_and_what_is_written_beside_it(signed_in: Browser) -> None:
    signed_in.send(then(confirm, put(new=2)))

    assert signed_in.ask(lambda session: (session.user_id, dict(session))).result == ("ada", {"old": 1, "new": 2})


def test_a_confirmation_counts_before_it_is_saved(signed_in: Browser, clock: FakeClock) -> None:
    clock.advance(100)

    assert signed_in.ask(then(confirm, AUTHENTICATED)).result == moment(clock())


def test_a_confirmation_counts_from_the_call(signed_in: Browser, clock: FakeClock) -> None:
    clock.advance(100)
    confirmed = moment(clock())
    signed_in.send(then(confirm, lasting(clock, 50)))

    assert signed_in.ask(AUTHENTICATED).result == confirmed


def test_a_confirmation_gives_a_new_id_with_its_event(signed_in: Browser) -> None:
    before = signed_in.ask(member("id")).result
    signed_in.site.events.clear()

    signed_in.send(confirm)

    after = signed_in.ask(member("id")).result
    event = signed_in.site.event("regenerated")
    assert before != after
    assert (event.reason, event.session_id, event.former_id, event.user_id) == ("confirm", after, before, "ada")


def test_the_former_id_of_a_confirmed_session_reads_what_it_was(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = signed_in_at(make_stored())
    tab = browser.twin()
    begun = moment(clock())
    clock.advance(100)
    browser.send(then(confirm, put(new=2)))

    assert tab.ask(then(read, AUTHENTICATED)).result == begun
    assert tab.data() == {"old": 1}
    assert tab.ask(put(mine=3)).status == 409


def test_a_confirmed_cookie_session_has_another_handle(make_cookie: SiteMaker) -> None:
    browser = signed_in_at(make_cookie())
    before = browser.ask(member("id")).result
    browser.send(confirm)

    assert browser.ask(member("id")).result != before


@pytest.mark.parametrize("before", [read, put(new=2), then(login("ada"), call("clear"))], ids=["read", "put", "end"])
def test_where_nobody_is_signed_in_nothing_can_be_confirmed(browser: Browser, before: Action) -> None:
    answer = browser.ask(then(before, raised_by(confirm)))

    assert isinstance(answer.result, SessionDataError)
    assert "login(user_id)" in str(answer.result)


def test_a_remembered_session_keeps_its_end(make: SiteMaker, clock: FakeClock) -> None:
    browser = signed_in_at(make())
    browser.send(call("remember", "30d"))
    end = moment(clock() + 30 * DAY)
    clock.advance(2 * DAY)
    answer = browser.send(confirm)

    assert browser.ask(state).result == (moment(clock()), moment(clock()), end)
    assert f"Max-Age={int(28 * DAY)}" in answer.set_cookies[0]


def test_after_the_headers_nothing_can_be_confirmed(signed_in: Browser) -> None:
    raised: list[Exception | None] = []

    def app(environ: Any, start_response: Any) -> Any:
        session = environ["sessionware.session"]
        session.user_id  # noqa: B018 - a touch
        start_response("200 OK", [])
        yield b"first"
        raised.append(raised_by(confirm)(session))

    signed_in.get(app)

    assert isinstance(raised[0], HeadersSent)


# Beside another change of the identity, in one request.


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        pytest.param(then(login("ada"), confirm), "relogin", id="login, confirm"),
        pytest.param(then(confirm, login("ada")), "relogin", id="confirm, login"),
        pytest.param(then(call("regenerate"), confirm), "confirm", id="regenerate, confirm"),
        pytest.param(then(confirm, call("regenerate")), "confirm", id="confirm, regenerate"),
        pytest.param(then(call("remember", "30d"), confirm), "confirm", id="remember, confirm"),
        pytest.param(then(confirm, call("remember", "30d")), "confirm", id="confirm, remember"),
        pytest.param(then(confirm, confirm), "confirm", id="twice"),
    ],
)
def test_one_new_id_serves_for_all_that_a_request_asks_for(
    signed_in: Browser, clock: FakeClock, action: Action, reason: str
) -> None:
    clock.advance(100)

    signed_in.send(action)

    assert signed_in.site.names() == [f"regenerated {reason}"]
    assert signed_in.ask(AUTHENTICATED).result == moment(clock())
    assert signed_in.data() == {"old": 1}


@pytest.mark.parametrize(
    "action",
    [then(call("remember", "30d"), confirm), then(confirm, call("remember", "30d"))],
    ids=["before", "after"],
)
def test_remember_beside_a_confirmation_holds(signed_in: Browser, clock: FakeClock, action: Action) -> None:
    clock.advance(100)
    signed_in.send(action)

    assert signed_in.ask(EXPIRES).result == moment(clock() + 30 * DAY)


@pytest.mark.parametrize(
    "action",
    [then(call("remember", None), confirm), then(confirm, call("remember", None))],
    ids=["before", "after"],
)
def test_a_confirmation_beside_the_undoing_of_remember_starts_the_timeouts_again(
    make: SiteMaker, clock: FakeClock, action: Action
) -> None:
    browser = signed_in_at(make(idle_timeout=None, absolute_timeout="1h"))
    browser.send(call("remember", "30d"))
    clock.advance(2 * DAY)
    browser.send(action)

    assert browser.ask(EXPIRES).result == moment(clock() + HOUR)


def test_another_user_over_a_confirmation_takes_nothing_of_it(signed_in: Browser, clock: FakeClock) -> None:
    signed_in.send(then(confirm, lasting(clock, 100), login("bob")))

    assert signed_in.ask(lambda session: (session.user_id, dict(session))).result == ("bob", {})
    assert signed_in.ask(AUTHENTICATED).result == moment(clock())


def test_a_confirmation_of_a_login_that_is_pending_is_that_of_its_user(browser: Browser, clock: FakeClock) -> None:
    browser.send(then(login("ada"), lasting(clock, 100), confirm))

    assert browser.ask(AUTHENTICATED).result == moment(clock())
    assert browser.ask(member("user_id")).result == "ada"
    assert browser.ask(EXPIRES).result == moment(clock() + HOUR)


# Beside another request.


def test_a_confirmation_under_a_former_id_is_a_409(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = signed_in_at(make_stored())
    tab = browser.twin()
    begun = moment(clock())
    clock.advance(5)
    browser.send(call("regenerate"))

    answer = tab.ask(confirm)

    assert (answer.status, answer.set_cookies) == (409, [])
    assert browser.ask(AUTHENTICATED).result == begun


def test_save_of_a_confirmation_under_a_former_id_raises(make_stored: SiteMaker) -> None:
    browser = signed_in_at(make_stored())
    tab = browser.twin()
    browser.send(call("regenerate"))

    assert isinstance(tab.ask(raised_by(then(confirm, call("save")))).result, ConflictError)


@pytest.mark.parametrize("other", [call("regenerate"), confirm], ids=["regenerate", "confirm"])
def test_a_confirmation_that_is_overtaken_by_another_new_id_is_a_409(make_stored: SiteMaker, other: Action) -> None:
    browser = signed_in_at(make_stored())
    tab = browser.twin()

    answer = tab.ask(then(read, lambda session: browser.send(other), confirm))

    assert (answer.status, answer.set_cookies) == (409, [])
    assert browser.data() == {"old": 1}


def test_a_confirmation_goes_with_a_session_that_has_ended(make_stored: SiteMaker) -> None:
    browser = signed_in_at(make_stored())
    tab = browser.twin()

    answer = tab.ask(then(read, lambda session: browser.send(call("clear")), confirm))

    assert (answer.status, answer.set_cookies) == (200, [])
    assert tab.data() == {}


def test_a_confirmation_keeps_what_another_request_has_written(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = signed_in_at(make_stored())
    tab = browser.twin()
    clock.advance(100)

    tab.send(then(read, lambda session: browser.send(put(theirs=2)), confirm))

    assert tab.data() == {"old": 1, "theirs": 2}
    assert tab.ask(AUTHENTICATED).result == moment(clock())
