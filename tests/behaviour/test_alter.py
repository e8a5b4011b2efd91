"""Changes that meet those of another request: alter counts right, other keys are merged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.actions import call, drop, member, put, raised_by, then
from support.browser import Browser, Site, SiteMaker, visitor

from sessionware import Session, SessionDataError


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

    own_key, new_key, _ = dict.fromkeys(site.store.keys)  # and the key of the index
    assert site.store.inner.load(own_key) is not None
    assert site.store.inner.load(new_key) is None
    assert site.manager.sessions_of("ada") == []
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


# A function that changes its argument in place.


def add(cart: list[str]) -> None:
    cart.append("new")


@pytest.mark.parametrize(
    ("value", "function"),
    [
        pytest.param(["old"], add, id="append"),
        pytest.param(["old"], lambda cart: cart.clear(), id="clear"),
        pytest.param({"a": {"b": [1]}}, lambda shop: shop["a"]["b"].append(2), id="deep inside"),
        pytest.param({"a"}, lambda names: names.add("b"), id="a set"),
        pytest.param({}, lambda counts: counts.update(a=1), id="an empty dict"),
    ],
)
def test_a_function_that_changes_its_argument_and_gives_none_is_refused(
    light: Browser, value: Any, function: Callable[[Any], Any]
) -> None:
    light.send(put(cart=value))

    error = light.send(raised_by(call("alter", "cart", function))).result

    assert isinstance(error, SessionDataError)
    assert "'cart'" in str(error)
    assert "in place" in str(error)
    assert light.data()["cart"] == value


def test_a_default_that_is_changed_in_place_is_refused_too(light: Browser) -> None:
    error = light.ask(raised_by(call("alter", "cart", add, default=[]))).result

    assert isinstance(error, SessionDataError)


@pytest.mark.parametrize("function", [lambda cart: None, lambda cart: cart.append("x") or (cart.pop() and None)])
def test_none_is_a_value_like_any_other_where_the_argument_is_as_it_was(
    light: Browser, function: Callable[[Any], Any]
) -> None:
    light.send(put(cart=["old"]))

    answer = light.send(call("alter", "cart", function))

    assert answer.result is None
    assert light.data()["cart"] is None


def test_a_function_may_give_what_it_has_changed_in_place(light: Browser) -> None:
    light.send(put(cart=["old"]))
    light.send(call("alter", "cart", lambda cart: cart.append("new") or cart))

    assert light.data()["cart"] == ["old", "new"]


def test_a_function_that_changes_in_place_only_what_another_request_wrote_is_refused(stored: Site) -> None:
    browser = visitor(stored, put(cart=[]))

    def begin_or_clear(cart: list[str]) -> list[str] | None:
        if not cart:
            return ["mine"]
        cart.clear()
        return None

    with pytest.raises(SessionDataError, match="in place"):
        browser.ask(then(call("alter", "cart", begin_or_clear), lambda session: browser.ask(put(cart=["theirs"]))))
    assert browser.data()["cart"] == ["theirs"]
