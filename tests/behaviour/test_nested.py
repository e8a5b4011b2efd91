"""A change deep inside a value is saved, and an equal value is no change."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from behaviour.unstorable import Number, Opaque
from support.actions import Action, call, drop, member, put, raised_by, read, then
from support.browser import Browser, Site, visitor

from sessionware import Session, SessionDataError

NESTED: dict[str, Action] = {
    "list": lambda session: session["list"].append(1),
    "list in a tuple": lambda session: session["tuple"][0].append(1),
    "dict": lambda session: session["dict"].update(a=1),
    "dict in a dict": lambda session: session["dict"]["inner"].update(a=1),
    "set": lambda session: session["set"].add(1),
    "by get": lambda session: session.get("list", []).append(1),
    "by values": lambda session: next(iter(session.values())).append(1),
    "by items": lambda session: next(iter(session.items()))[1].append(1),
    "by setdefault": lambda session: session.setdefault("list", []).append(1),
    "by a copy of the session": lambda session: dict(session)["list"].append(1),
    "by unpacking": lambda session: {**session}["list"].append(1),
    "by |": lambda session: (session | {})["list"].append(1),
    "sorting": lambda session: session["sorted"].sort(),
    "reordering": lambda session: session["sorted"].reverse(),
}


@pytest.mark.parametrize("name", NESTED)
def test_a_change_deep_inside_a_value_is_saved(site: Site, name: str) -> None:
    start: dict[str, Any] = {"list": [], "tuple": ([],), "dict": {"inner": {}}, "set": set(), "sorted": [3, 1, 2]}
    browser = visitor(site, put(**start))
    NESTED[name](start)  # type: ignore[arg-type]

    answer = browser.send(then(NESTED[name], member("modified")))

    assert answer.result is True
    assert browser.data() == start


def test_a_value_changed_after_its_assignment_is_saved_as_it_is_at_the_commit(site: Site) -> None:
    def act(session: Session) -> None:
        cart: list[int] = []
        session["cart"] = cart
        cart.append(1)

    assert visitor(site, act).data() == {"cart": [1]}


def test_a_value_changed_after_the_answer_is_another_matter(site: Site) -> None:
    cart: list[int] = [1]
    browser = visitor(site, put(cart=cart))

    cart.append(2)

    assert browser.data() == {"cart": [1]}


def test_two_requests_never_share_an_object(browser: Browser) -> None:
    browser.send(put(cart=[1]))
    browser.ask(read).result["cart"].append(2)

    assert browser.data()["cart"] == [1]


UNCHANGED: dict[str, Action] = {
    "the same value": put(old=1),
    "the same nested value": lambda session: session.update(cart=session["cart"]),
    "an equal nested value": lambda session: session.update(cart=[1, {"a": 2}]),
    "there and back": then(put(old=2), put(old=1)),
    "a key that came and went": then(put(new=2), drop("new")),
    "a nested change taken back": lambda session: (session["cart"].append(1), session["cart"].pop()),
    "only looked at": lambda session: list(session["cart"]),
    "alter to the same": call("alter", "old", lambda old: old),
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_what_is_the_same_again_is_no_change(site: Site, name: str) -> None:
    browser = visitor(site, put(old=1, cart=[1, {"a": 2}]))

    answer = browser.ask(then(UNCHANGED[name], member("modified")))

    assert answer.result is False
    assert answer.set_cookies == []
    assert not site.is_stored or site.store.calls == ["load"]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda session: session["cart"].append(Opaque()), id="an object"),
        pytest.param(lambda session: session["cart"].append(Number.ONE), id="an IntEnum"),
        pytest.param(lambda session: session["cart"].append(OrderedDict()), id="an OrderedDict"),
        pytest.param(lambda session: session["cart"].append("\ud800"), id="a surrogate"),
        pytest.param(lambda session: session["cart"].append(session["cart"]), id="a cycle"),
        pytest.param(lambda session: session["cart"].append(bytearray()), id="a bytearray"),
    ],
)
def test_a_nested_value_that_cannot_be_stored_leaves_as_an_error_with_nothing_saved(site: Site, spoil: Action) -> None:
    browser = visitor(site, put(old=1, cart=[]))

    with pytest.raises(SessionDataError, match="cart"):
        browser.send(then(put(new=2), spoil))

    assert not site.is_stored or site.store.calls == ["load"]
    assert browser.data() == {"old": 1, "cart": []}


def test_a_nested_value_that_cannot_be_stored_is_raised_by_save_too(site: Site) -> None:
    browser = visitor(site, put(cart=[]))

    def act(session: Session) -> Exception | None:
        session["cart"].append(Opaque())
        error = raised_by(call("save"))(session)
        session["cart"].clear()
        return error

    answer = browser.ask(act)

    assert isinstance(answer.result, SessionDataError)
    assert answer.status == 200
