"""The public handle of a session, which changes with a change of id and opens nothing."""

from __future__ import annotations

from typing import Any

import pytest
from support.actions import Action, call, drop, member, put, read, then
from support.browser import Browser, Site, visitor
from support.constants import COOKIE

from sessionware import Session
from sessionware.testing import FakeClock


def identity(session: Session) -> tuple[str, str | int | None, dict[str, Any]]:
    return session.id, session.user_id, dict(session)


def test_the_id_stays_from_request_to_request(browser: Browser) -> None:
    first = browser.ask(member("id")).result

    browser.send(put(new=2))

    assert browser.ask(member("id")).result == first


def test_the_id_of_a_new_session_is_drawn_in_advance(site: Site) -> None:
    browser = Browser(site)

    drawn = browser.send(then(put(a=1), member("id"))).result

    assert browser.ask(member("id")).result == drawn


def test_the_id_of_a_session_is_the_same_all_through_a_request_that_only_reads(site: Site) -> None:
    assert site.ask(lambda session: session.id == session.id).result


def test_two_visitors_have_different_ids(site: Site) -> None:
    assert visitor(site).ask(member("id")).result != visitor(site).ask(member("id")).result


def test_the_id_opens_nothing(browser: Browser) -> None:
    session_id = browser.ask(member("id")).result

    assert browser.site.ask(read, {COOKIE: session_id}).result == {}
    assert session_id not in browser.cookies[COOKIE]


def test_the_key_in_the_store_opens_nothing(stored: Site) -> None:
    visitor(stored)

    for key in stored.store.keys:
        assert stored.ask(read, {COOKIE: key}).result == {}


def test_a_token_that_the_store_does_not_know_is_never_adopted(stored: Site) -> None:
    browser = visitor(stored)
    token, session_id = browser.cookies[COOKIE], browser.ask(member("id")).result
    browser.ask(call("invalidate"))

    answer = browser.send(then(put(new=2), member("id")))

    assert answer.result != session_id
    assert browser.cookies[COOKIE] != token
    assert stored.ask(read, {COOKIE: token}).result == {}


CHANGES_OF_ID: dict[str, Action] = {
    "regenerate": call("regenerate"),
    "login": call("login", "ada"),
}


@pytest.mark.parametrize("name", CHANGES_OF_ID)
def test_the_id_changes_at_the_commit_and_not_before(browser: Browser, name: str) -> None:
    before = browser.ask(member("id")).result

    session, during = browser.send(then(CHANGES_OF_ID[name], lambda session: (session, session.id))).result

    assert during == before
    assert session.id != before
    assert browser.ask(member("id")).result == session.id


@pytest.mark.parametrize("name", CHANGES_OF_ID)
def test_save_changes_the_id_at_once(browser: Browser, name: str) -> None:
    before = browser.ask(member("id")).result

    after = browser.send(then(CHANGES_OF_ID[name], call("save"), member("id"))).result

    assert before != after
    assert browser.ask(member("id")).result == after


def test_regenerate_keeps_the_data_the_user_and_the_times(signed_in: Browser, clock: FakeClock) -> None:
    def times(session: Session) -> tuple[object, object]:
        return session.created_at, session.expires_at

    clock.advance(3500)
    signed_in.send(put(touched=1))
    before = signed_in.ask(identity).result, signed_in.ask(times).result

    signed_in.send(call("regenerate"))

    after = signed_in.ask(identity).result, signed_in.ask(times).result
    assert after[0][0] != before[0][0]
    assert after[0][1:] == before[0][1:]
    assert after[1] == before[1]


def test_regenerate_with_a_change_saves_it(browser: Browser) -> None:
    browser.send(then(call("regenerate"), put(new=2)))

    assert browser.data() == {"old": 1, "new": 2}


@pytest.mark.parametrize("ask", [call("regenerate"), call("remember", "30d")], ids=["regenerate", "remember"])
def test_a_new_id_is_given_though_another_request_fills_what_this_one_has_emptied(stored: Site, ask: Action) -> None:
    browser = visitor(stored)
    former = browser.ask(member("id")).result

    answer = browser.ask(then(drop("old"), ask, lambda session: browser.ask(put(new=2))))

    browser.receive(answer)
    assert browser.data() == {"new": 2}
    assert browser.ask(member("id")).result != former


def test_regenerate_of_a_session_begun_in_this_request_is_one_creation(site: Site) -> None:
    browser = visitor(site, then(put(a=1), call("regenerate")))

    assert browser.data() == {"a": 1}
