"""Changes that meet those of another request: alter counts right, other keys are merged."""

from __future__ import annotations

import pytest
from support.actions import call, drop, member, put, raised_by, then
from support.browser import Browser, Site, SiteMaker, visitor

from sessionware import Session


def test_alter_gives_and_sets_the_new_value(browser: Browser) -> None:
    assert browser.send(call("alter", "old", lambda old: old + 1)).result == 2
    assert browser.data() == {"old": 2}


def test_alter_of_a_missing_key_starts_from_the_default(browser: Browser) -> None:
    browser.send(then(call("alter", "n", lambda n: n + 1, 10), call("alter", "m", lambda m: m, default="x")))

    assert browser.data() == {"old": 1, "n": 11, "m": "x"}


def test_alter_of_a_missing_key_without_a_default_starts_from_none(browser: Browser) -> None:
    assert browser.ask(call("alter", "n", repr)).result == "None"


def test_alter_never_changes_its_default(browser: Browser) -> None:
    default: list[int] = []

    def append(cart: list[int]) -> list[int]:
        cart.append(1)
        return cart

    browser.send(then(call("alter", "cart", append, default), call("alter", "cart", append, default)))

    assert browser.data()["cart"] == [1, 1]
    assert default == []


def test_alter_runs_again_on_a_conflict(stored: Site) -> None:
    browser = visitor(stored, put(count=0))

    def act(session: Session) -> None:
        session.alter("count", lambda count: count + 1)
        for _ in range(3):
            browser.ask(call("alter", "count", lambda count: count + 1))

    browser.ask(act)

    assert browser.data() == {"count": 4}


def test_alter_of_a_nested_cart_loses_no_item(stored: Site) -> None:
    browser = visitor(stored, put(cart={"apples": 1}))

    def act(session: Session) -> None:
        session.alter("cart", lambda cart: {**cart, "pears": 1})
        browser.ask(call("alter", "cart", lambda cart: {**cart, "plums": 1}))

    browser.ask(act)

    assert browser.data() == {"cart": {"apples": 1, "pears": 1, "plums": 1}}


def test_alter_whose_function_raises_changes_nothing(browser: Browser) -> None:
    answer = browser.ask(then(raised_by(call("alter", "old", lambda old: old / 0)), member("modified")))

    assert answer.result is False


def test_alter_whose_function_raises_on_a_conflict_leaves_no_second_session(make_memory: SiteMaker) -> None:
    site = make_memory()
    browser = visitor(site, put(count=1))

    def action(session: Session) -> None:
        session.alter("count", lambda count: count + 1)
        session.login("ada")
        browser.ask(put(count="none"))

    with pytest.raises(TypeError):
        browser.ask(action)

    assert site.store.calls.count("create") == 1
    assert [site.store.inner.load(key) is not None for key in dict.fromkeys(site.store.keys)] == [True, False]
    assert browser.data() == {"count": "none"}


def test_keys_that_two_requests_changed_at_once_are_both_kept(stored: Site) -> None:
    browser = visitor(stored, put(old=1, dropped=2))

    def act(session: Session) -> None:
        session["mine"] = 3
        browser.ask(then(put(theirs=4), drop("dropped")))

    browser.ask(act)

    assert browser.data() == {"old": 1, "mine": 3, "theirs": 4}


def test_for_one_key_the_later_commit_wins(stored: Site) -> None:
    browser = visitor(stored)

    def act(session: Session) -> None:
        session["old"] = "later"
        browser.ask(put(old="earlier"))

    browser.ask(act)

    assert browser.data() == {"old": "later"}
