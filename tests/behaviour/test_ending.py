"""The end of a session: at once, in every browser that has its cookie, and for the cookie itself."""

from __future__ import annotations

from typing import Any

import pytest
from support.actions import call, login, member, put, then
from support.browser import Browser, SiteMaker, visitor
from support.constants import COOKIE

from sessionware import Session


def identity(session: Session) -> tuple[str, str | int | None, dict[str, Any]]:
    return session.id, session.user_id, dict(session)


# The end.

ENDS = [pytest.param("invalidate", id="invalidate"), pytest.param("clear", id="clear")]


@pytest.mark.parametrize("end", ENDS)
def test_an_end_takes_the_cookie_and_the_data(signed_in: Browser, end: str) -> None:
    answer = signed_in.send(call(end))

    assert answer.cookies == {COOKIE: None}
    assert signed_in.ask(identity).result[1:] == (None, {})


@pytest.mark.parametrize("end", ENDS)
def test_an_ended_session_stays_ended_for_whoever_copied_its_cookie(make_stored: SiteMaker, end: str) -> None:
    browser = visitor(make_stored())
    thief = browser.twin()

    browser.send(call(end))

    assert thief.data() == {}
    assert thief.send(put(new=2)).status == 200
    assert browser.data() == {}


@pytest.mark.parametrize("end", ENDS)
def test_an_end_takes_effect_within_the_call(make_stored: SiteMaker, end: str) -> None:
    browser = visitor(make_stored())

    def act(session: Session) -> None:
        getattr(session, end)()
        assert browser.data() == {}

    browser.send(act)


@pytest.mark.parametrize("end", ENDS)
def test_what_is_seen_after_an_end_is_a_new_session(signed_in: Browser, end: str) -> None:
    before = signed_in.ask(member("id")).result

    def act(session: Session) -> tuple[Any, ...]:
        getattr(session, end)()
        return session.is_new, session.user_id, dict(session), session.modified, session.id

    *state, session_id = signed_in.ask(act).result

    assert state == [True, None, {}, False]
    assert session_id != before


@pytest.mark.parametrize("end", ENDS)
def test_what_is_written_after_an_end_begins_a_new_session(signed_in: Browser, end: str) -> None:
    before = signed_in.ask(member("id")).result
    thief = signed_in.twin()

    drawn = signed_in.send(then(call(end), put(new=2), member("id"))).result

    assert signed_in.ask(identity).result == (drawn, None, {"new": 2})
    assert drawn != before
    assert not signed_in.site.is_stored or thief.data() == {}


@pytest.mark.parametrize("end", ENDS)
def test_a_second_end_in_one_request_still_deletes_the_cookie(browser: Browser, end: str) -> None:
    answer = browser.send(then(call(end), call("clear")))

    assert answer.cookies == {COOKIE: None}


def test_an_end_after_an_end_and_a_write_deletes_the_cookie(browser: Browser) -> None:
    answer = browser.send(then(call("clear"), put(a=1), call("clear")))

    assert answer.cookies == {COOKIE: None}


def test_an_end_after_an_end_and_a_save_deletes_the_cookie(browser: Browser) -> None:
    answer = browser.send(then(call("clear"), put(a=1), call("save"), call("clear")))

    assert answer.cookies == {COOKIE: None}
    assert browser.data() == {}


def test_clear_and_login_is_a_safe_login(browser: Browser) -> None:
    before = browser.ask(member("id")).result

    browser.send(then(call("clear"), login("ada", new=2)))

    session_id, user_id, data = browser.ask(identity).result
    assert session_id != before
    assert (user_id, data) == ("ada", {"new": 2})


def test_an_end_drops_a_login_of_the_same_request(browser: Browser) -> None:
    browser.send(then(login("ada"), call("clear")))

    assert browser.ask(identity).result[1:] == (None, {})


def test_an_end_holds_though_the_application_raises(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())

    def act(session: Session) -> None:
        session.clear()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        browser.send(act)

    assert browser.data() == {}


def test_an_end_holds_on_an_error_page_that_saves_nothing(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(save_on_error=False))

    answer = browser.send(then(call("clear"), put(new=2)), status="500 Internal Server Error")

    assert answer.cookies == {COOKIE: None}
    assert browser.data() == {}


def test_an_end_of_a_session_that_another_request_has_ended_deletes_no_cookie(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())

    def act(session: Session) -> None:
        len(session)
        browser.ask(call("clear"))
        session.clear()

    assert browser.ask(act).set_cookies == []


def test_a_change_to_a_session_that_was_ended_meanwhile_goes_with_it(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())

    def act(session: Session) -> None:
        session["new"] = 2
        browser.ask(call("clear"))

    answer = browser.ask(act)

    assert (answer.status, answer.set_cookies) == (200, [])
    assert browser.data() == {}
