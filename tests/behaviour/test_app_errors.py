"""What is kept when the application raises, or answers with an error page."""

from __future__ import annotations

import pytest
from support.actions import Action, call, drop, login, put, then
from support.browser import Browser, Site, SiteMaker, visitor

from sessionware import Session


class Boom(Exception):
    """What the application raises."""


def explode(session: Session) -> None:
    raise Boom


@pytest.mark.parametrize("change", [put(new=2), login("ada"), call("regenerate"), call("remember", "1d"), drop("old")])
def test_an_application_that_raises_saves_nothing(browser: Browser, change: Action) -> None:
    before = browser.ask(lambda session: (session.id, session.user_id, dict(session))).result

    with pytest.raises(Boom):
        browser.ask(then(change, explode))

    assert browser.ask(lambda session: (session.id, session.user_id, dict(session))).result == before


def test_an_application_that_raises_stores_no_new_session(stored: Site) -> None:
    with pytest.raises(Boom):
        stored.ask(then(put(a=1), explode))

    assert stored.store.calls == []


@pytest.mark.parametrize("status", ["500 Internal Server Error", "502 Bad Gateway", "404 Not Found", "302 Found"])
def test_a_change_is_saved_whatever_the_status(light: Browser, status: str) -> None:
    light.send(put(new=2), status=status)

    assert light.data() == {"old": 1, "new": 2}


@pytest.mark.parametrize(("status", "is_saved"), [("500 Oops", False), ("599 Oops", False), ("499 Oops", True)])
def test_save_on_error_decides_about_error_pages(make: SiteMaker, status: str, is_saved: bool) -> None:
    browser = visitor(make(save_on_error=False))

    answer = browser.send(put(new=2), status=status)

    assert browser.data() == ({"old": 1, "new": 2} if is_saved else {"old": 1})
    assert is_saved or answer.set_cookies == []


@pytest.mark.parametrize("change", [login("ada"), call("regenerate"), call("remember", "1d"), drop("old")])
def test_an_error_page_that_saves_nothing_changes_no_identity(make: SiteMaker, change: Action) -> None:
    browser = visitor(make(save_on_error=False))
    before = browser.ask(lambda session: (session.id, session.user_id, dict(session))).result

    answer = browser.send(change, status="500 Oops")

    assert answer.set_cookies == []
    assert browser.ask(lambda session: (session.id, session.user_id, dict(session))).result == before


def test_what_save_wrote_stands_on_an_error_page_that_saves_nothing(make: SiteMaker) -> None:
    browser = visitor(make(save_on_error=False))

    browser.send(then(put(kept=2), call("save"), put(lost=3)), status="500 Oops")

    assert browser.data() == {"old": 1, "kept": 2}


# A nested value that cannot be stored, where nothing is stored.


def spoil(session: Session) -> None:
    session["nested"].append(object())


@pytest.mark.parametrize("before", [[], [call("revert")], [put(saved=1), call("save")]])
def test_the_applications_own_error_passes_whatever_is_in_the_session(make: SiteMaker, before: list[Action]) -> None:
    browser = visitor(make(), put(nested=[1]))

    with pytest.raises(Boom):
        browser.ask(then(*before, spoil, explode))

    assert browser.site.names()[-1] == "discarded app_raised"


@pytest.mark.parametrize("before", [[], [call("revert")]])
def test_an_error_page_that_saves_nothing_is_answered_whatever_is_in_the_session(
    make: SiteMaker, before: list[Action]
) -> None:
    browser = visitor(make(save_on_error=False), put(nested=[1]))

    answer = browser.send(then(*before, spoil), status="500 Oops")

    assert (answer.status, answer.body) == (500, b"ok")
    assert browser.data() == {"nested": [1]}
    assert browser.site.names() == ["discarded error_status"]


def test_what_save_wrote_is_told_before_what_an_error_page_discards(make: SiteMaker) -> None:
    browser = visitor(make(save_on_error=False))

    browser.send(then(put(kept=2), call("save"), put(lost=3)), status="500 Oops")

    assert browser.site.names() == ["saved", "discarded error_status"]
