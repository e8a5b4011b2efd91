"""A login: whose session it becomes, and what comes along."""

from __future__ import annotations

from typing import Any

import pytest
from support.actions import call, login, member, put, raised_by, read, then
from support.browser import Browser, Site, SiteMaker, visitor

from sessionware import Session, SessionDataError


def identity(session: Session) -> tuple[str, str | int | None, dict[str, Any]]:
    return session.id, session.user_id, dict(session)


def test_login_over_an_anonymous_session_keeps_its_data(browser: Browser) -> None:
    browser.send(login("ada", new=2))

    assert browser.ask(identity).result[1:] == ("ada", {"old": 1, "new": 2})


def test_login_of_the_same_user_keeps_the_data_and_changes_the_id(signed_in: Browser) -> None:
    before = signed_in.ask(identity).result

    signed_in.send(login("ada"))

    after = signed_in.ask(identity).result
    assert after[0] != before[0]
    assert after[1:] == before[1:]


def test_login_over_another_users_session_starts_empty(signed_in: Browser) -> None:
    signed_in.send(login("bob", new=2))

    assert signed_in.ask(identity).result[1:] == ("bob", {"new": 2})


def test_what_was_written_before_a_login_as_another_user_does_not_come_along(signed_in: Browser) -> None:
    seen = signed_in.send(then(put(mine=1), login("bob"), read)).result

    assert seen == {}
    assert signed_in.data() == {}


def test_a_nested_value_of_the_former_user_cannot_reach_the_next_ones_session(signed_in: Browser) -> None:
    signed_in.send(put(cart=[1]))

    def act(session: Session) -> None:
        cart = session["cart"]
        session.login("bob")
        cart.append(2)

    signed_in.send(act)

    assert signed_in.ask(identity).result[1:] == ("bob", {})


def test_login_over_another_users_session_ends_that_one_at_once(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(), login("ada", old=1))
    thief = browser.twin()

    browser.send(login("bob"))

    assert thief.ask(identity).result[1:] == (None, {})


def test_two_logins_in_one_request_leave_nothing_of_the_first(site: Site) -> None:
    browser = visitor(site, then(login("ada", hers=1), login("bob", his=2)))

    assert browser.ask(identity).result[1:] == ("bob", {"his": 2})


def test_login_as_another_and_back_in_one_request_starts_empty(signed_in: Browser) -> None:
    signed_in.send(then(login("bob", his=2), login("ada")))

    assert signed_in.ask(identity).result[1:] == ("ada", {})


@pytest.mark.parametrize("user_id", [42, "42", 0, -7, 2**200, "ada", "Grüße", " "], ids=repr)
def test_a_user_id_is_given_back_as_it_came(light_site: Site, user_id: str | int) -> None:
    browser = visitor(light_site, login(user_id))

    given = browser.ask(member("user_id")).result

    assert given == user_id
    assert type(given) is type(user_id)


@pytest.mark.parametrize(("before", "after"), [(42, "42"), ("42", 42)])
def test_an_int_and_its_text_are_one_user(site: Site, before: str | int, after: str | int) -> None:
    browser = visitor(site, login(before, old=1))

    browser.send(login(after))

    assert browser.ask(identity).result[1:] == (after, {"old": 1})


@pytest.mark.parametrize("user_id", [None, "", b"ada", 1.5, True, ["ada"], Ellipsis, 2**300, "\ud800"], ids=repr)
def test_what_is_no_user_id_is_refused_and_changes_nothing(light: Browser, user_id: Any) -> None:
    answer = light.ask(then(raised_by(call("login", user_id))))

    assert isinstance(answer.result, SessionDataError)
    assert light.ask(identity).result[1:] == (None, {"old": 1})


@pytest.mark.parametrize(
    ("user_id", "fault"),
    [
        ("", "is empty"),
        ("a" * 1025, "has 1025 characters"),
        ("\ud800", "holds a lone surrogate"),
        (2**300, "has 301 bits"),
        (True, "is of type bool"),
        (None, "is None, as the id of a user is who was not found"),
    ],
    ids=["empty", "long", "surrogate", "large", "bool", "none"],
)
def test_a_refused_user_id_says_what_is_wrong_with_it(light: Browser, user_id: Any, fault: str) -> None:
    error = str(light.ask(raised_by(call("login", user_id))).result)

    assert fault in error
    assert "str(id)" not in error


@pytest.mark.parametrize("label", [5, b"phone", ["phone"], "\ud800"], ids=repr)
def test_what_is_no_label_is_refused(light_site: Site, label: Any) -> None:
    assert isinstance(light_site.ask(raised_by(call("login", "ada", label=label))).result, SessionDataError)


def test_a_label_is_taken_by_name(site: Site) -> None:
    browser = visitor(site, call("login", "ada", label="Firefox on Linux"))

    assert browser.ask(member("user_id")).result == "ada"


def test_the_user_is_seen_before_the_commit(browser: Browser) -> None:
    assert browser.ask(then(login("ada"), member("user_id"))).result == "ada"


def test_a_login_whose_response_fails_binds_nobody(browser: Browser) -> None:
    def act(session: Session) -> None:
        session.login("ada")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        browser.send(act)

    assert browser.ask(identity).result[1:] == (None, {"old": 1})
