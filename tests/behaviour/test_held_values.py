"""A value that the application still holds stays its session's, though another request's took its place in a merge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.actions import Action, call, drop, put, read, then
from support.browser import Browser, Site, SiteMaker, visitor

from sessionware import Session, SessionDataError

Cart = list[str]


def added(item: str) -> Callable[[Cart], Cart]:
    return lambda cart: [*cart, item]


@pytest.fixture
def browser(make_stored: SiteMaker) -> Browser:
    return visitor(make_stored(), put(cart=["first"], other=["as it was"]))


def holding(browser: Browser, take: Callable[[Session], Cart], meanwhile: Action, change: Action) -> Action:
    """Take a cart, merge with what another request does *meanwhile*, and append to the very cart that was taken."""

    def run(session: Session) -> None:
        cart = take(session)
        session["mine"] = 1
        browser.ask(meanwhile)
        session.save()
        change(session)
        cart.append("late")

    return run


def nothing(session: Session) -> None:
    pass


def test_what_is_appended_after_a_merge_that_took_the_others_cart_is_saved(browser: Browser) -> None:
    answer = browser.ask(holding(browser, lambda session: session["cart"], put(cart=["theirs"]), nothing))

    assert answer.status == 200
    assert browser.data()["cart"] == ["first", "late"]
    assert browser.site.names() == ["saved", "merged", "conflict", "saved"]


def test_what_is_appended_to_a_cart_that_alter_has_given_is_saved(browser: Browser) -> None:
    def take(session: Session) -> Cart:
        cart: Cart = session.alter("cart", added("mine"))
        return cart

    browser.ask(holding(browser, take, call("alter", "cart", added("theirs")), nothing))

    assert browser.data()["cart"] == ["first", "mine", "late"]


def test_what_is_appended_deep_inside_is_saved(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(), put(shop={"cart": ["first"]}))

    def take(session: Session) -> Cart:
        cart: Cart = session["shop"]["cart"]
        return cart

    browser.ask(holding(browser, take, put(shop={"cart": ["theirs"]}), nothing))

    assert browser.data()["shop"] == {"cart": ["first", "late"]}


def test_a_cart_that_was_dropped_by_the_other_comes_back_with_what_is_appended(browser: Browser) -> None:
    browser.ask(holding(browser, lambda session: session["cart"], drop("cart"), nothing))

    assert browser.data()["cart"] == ["first", "late"]


def test_a_cart_that_is_held_and_not_changed_takes_nothing_from_the_other(browser: Browser) -> None:
    def run(session: Session) -> None:
        cart = session["cart"]
        session["mine"] = 1
        browser.ask(put(cart=["theirs"]))
        session.save()
        session["mine"] = 2
        assert cart == ["first"]

    browser.ask(run)

    assert browser.data()["cart"] == ["theirs"]
    assert browser.site.names() == ["saved", "merged", "saved"]


@pytest.mark.parametrize(
    ("change", "cart"),
    [
        pytest.param(put(cart=["chosen"]), ["chosen"], id="set"),
        pytest.param(drop("cart"), None, id="dropped"),
        pytest.param(call("alter", "cart", added("altered")), ["theirs", "altered"], id="altered"),
    ],
)
def test_a_cart_that_the_application_itself_has_replaced_is_no_longer_the_sessions(
    browser: Browser, change: Action, cart: Any
) -> None:
    browser.ask(holding(browser, lambda session: session["cart"], put(cart=["theirs"]), change))

    assert browser.data().get("cart") == cart


def test_revert_undoes_such_a_change_too(browser: Browser) -> None:
    def run(session: Session) -> None:
        holding(browser, lambda session: session["cart"], put(cart=["theirs"]), nothing)(session)
        session.revert()
        session["mine"] = 2

    browser.ask(run)

    assert browser.data()["cart"] == ["theirs"]


def test_such_a_change_can_be_read_once_it_is_saved(browser: Browser) -> None:
    take = holding(browser, lambda session: session["cart"], put(cart=["theirs"]), nothing)

    assert browser.ask(then(take, call("save"), read)).result["cart"] == ["first", "late"]


def test_modified_says_so(browser: Browser) -> None:
    take = holding(browser, lambda session: session["cart"], put(cart=["theirs"]), nothing)

    assert browser.ask(then(take, lambda session: session.modified)).result is True


def test_what_is_appended_after_the_first_chunk_is_saved(make_memory: SiteMaker) -> None:
    browser = visitor(make_memory(), put(cart=["first"]))

    def app(environ: Any, start_response: Any) -> Any:
        session = environ["sessionware.session"]
        cart = session["cart"]
        session["mine"] = 1
        browser.ask(put(cart=["theirs"]))
        start_response("200 OK", [])
        yield b"first"
        cart.append("late")
        yield b"second"

    browser.get(app)

    assert browser.data()["cart"] == ["first", "late"]


def test_a_merge_after_a_merge_keeps_the_cart_the_sessions(memory: Site) -> None:
    browser = visitor(memory, put(cart=["first"]))

    def run(session: Session) -> None:
        cart = session["cart"]
        for number in range(3):
            session["mine"] = number
            browser.ask(put(cart=[f"theirs {number}"]))
            session.save()
        cart.append("late")

    browser.ask(run)

    assert browser.data()["cart"] == ["first", "late"]


def test_such_a_change_is_seen_by_the_next_read(browser: Browser) -> None:
    take = holding(browser, lambda session: session["cart"], drop("cart"), nothing)

    answer = browser.ask(then(take, lambda session: (len(session), "cart" in session, dict(session)["cart"])))

    assert answer.result == (3, True, ["first", "late"])


def test_alter_runs_on_such_a_change(browser: Browser) -> None:
    take = holding(browser, lambda session: session["cart"], put(cart=["theirs"]), nothing)

    browser.ask(then(take, call("alter", "cart", added("altered"))))

    assert browser.data()["cart"] == ["first", "late", "altered"]


def test_a_held_value_that_cannot_be_stored_keeps_no_logout_from_its_end(browser: Browser) -> None:
    def spoil(session: Session) -> None:
        cart: list[Any] = session["cart"]
        session["mine"] = 1
        browser.ask(put(cart=["theirs"]))
        session.save()
        cart.append(object())

    with pytest.raises(SessionDataError):
        browser.ask(spoil)
    assert browser.send(then(spoil, call("clear"))).status == 200
    assert browser.data() == {}
