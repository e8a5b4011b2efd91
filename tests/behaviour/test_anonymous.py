"""While the store is down, an empty session in its place, if the configuration says so."""

from __future__ import annotations

import pytest
from behaviour.members import MEMBERS, MUTATING
from support.actions import Action, call, drop, login, member, put, raised_by, read, then
from support.browser import Browser, SiteMaker, visitor

from sessionware import Session, StoreUnavailable


def anonymous(make: SiteMaker) -> Browser:
    return visitor(make(on_store_failure="anonymous"), then(login("ada"), put(old=1)))


def test_anonymous_is_an_empty_session(make_memory: SiteMaker) -> None:
    browser = anonymous(make_memory)

    def look(session: Session) -> tuple[object, ...]:
        return dict(session), session.user_id, session.is_new, session.modified, bool(session)

    with browser.site.store.down():
        answer = browser.ask(look)

    assert answer.result == ({}, None, True, False, False)
    assert answer.status == 200
    assert browser.site.store.calls == ["load"]


@pytest.mark.parametrize("name", MEMBERS)
def test_anonymous_can_be_read_and_is_stored_by_no_cache(make_memory: SiteMaker, name: str) -> None:
    browser = anonymous(make_memory)

    with browser.site.store.down():
        answer = browser.ask(MEMBERS[name])

    assert (answer.status, answer.set_cookies) == (200, [])
    assert answer.lines("Cache-Control") == ["no-store"]
    assert answer.lines("Vary") == ["Cookie"]


@pytest.mark.parametrize("name", MUTATING)
def test_anonymous_raises_at_every_change_even_one_of_nothing(make_memory: SiteMaker, name: str) -> None:
    browser = anonymous(make_memory)

    with browser.site.store.down():
        answer = browser.ask(raised_by(MUTATING[name]))

    assert isinstance(answer.result, StoreUnavailable)
    assert (answer.status, answer.set_cookies) == (200, [])
    assert browser.site.store.calls == ["load"]


@pytest.mark.parametrize("name", MUTATING)
def test_a_change_of_an_anonymous_session_that_nobody_caught_is_the_503(make_memory: SiteMaker, name: str) -> None:
    browser = anonymous(make_memory)

    with browser.site.store.down():
        answer = browser.ask(MUTATING[name])

    assert (answer.status, answer.set_cookies) == (503, [])


def test_anonymous_ends_with_the_request(make_memory: SiteMaker) -> None:
    browser = anonymous(make_memory)
    with browser.site.store.down():
        browser.send(read)

    assert browser.ask(member("user_id")).result == "ada"
    assert browser.ask(read).lines("Cache-Control") == []


def test_a_500_of_an_application_with_an_anonymous_session_is_left_alone(make_memory: SiteMaker) -> None:
    browser = anonymous(make_memory)

    with browser.site.store.down():
        assert browser.ask(read, status="500 Internal Server Error").status == 500


@pytest.mark.parametrize("action", [put(new=2), call("clear"), call("regenerate"), drop("old")])
def test_where_the_load_worked_and_the_save_fails_it_is_the_503_all_the_same(
    make_memory: SiteMaker, action: Action
) -> None:
    browser = visitor(make_memory(on_store_failure="anonymous"))

    with browser.site.store.down("create", "replace"):
        answer = browser.ask(action)

    assert (answer.status, answer.set_cookies) == (503, [])


def test_repr_of_an_anonymous_session_is_harmless(make_memory: SiteMaker) -> None:
    browser = anonymous(make_memory)

    with browser.site.store.down():
        assert "Session" in browser.ask(then(len, repr)).result
