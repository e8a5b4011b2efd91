"""The session as a dict: what its operations give, and what is saved of them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest
from behaviour.unstorable import Opaque
from support.actions import Action, call, drop, member, put, raised_by, then
from support.browser import Browser, Site, visitor


def test_a_session_is_a_mutable_mapping(site: Site) -> None:
    assert site.ask(lambda session: isinstance(session, MutableMapping)).result


STATES: dict[str, tuple[Action, dict[str, Any]]] = {
    "[]=": (put(new=2), {"old": 1, "new": 2}),
    "[]= over": (put(old=2), {"old": 2}),
    "del": (then(put(new=2), drop("old")), {"new": 2}),
    "pop": (then(put(new=2), call("pop", "old")), {"new": 2}),
    "popitem takes the last": (then(put(new=2), call("popitem")), {"old": 1}),
    "setdefault of a missing key": (call("setdefault", "new", 2), {"old": 1, "new": 2}),
    "setdefault of a key that is there": (call("setdefault", "old", 2), {"old": 1}),
    "setdefault, changed": (lambda session: session.setdefault("new", []).append(2), {"old": 1, "new": [2]}),
    "update with a dict": (call("update", {"old": 0, "new": 2}), {"old": 0, "new": 2}),
    "update with pairs": (call("update", [("new", 2)]), {"old": 1, "new": 2}),
    "update with both": (call("update", {"new": 2}, newer=3), {"old": 1, "new": 2, "newer": 3}),
    "update with itself": (lambda session: session.update(session), {"old": 1}),
    "|= a dict": (lambda session: session.__ior__({"new": 2}), {"old": 1, "new": 2}),
    "|= pairs": (lambda session: session.__ior__([("new", 2)]), {"old": 1, "new": 2}),
    "| changes nothing": (lambda session: session | {"new": 2}, {"old": 1}),
}


@pytest.mark.parametrize("name", STATES)
def test_what_a_dict_would_hold_is_what_is_saved(light: Browser, name: str) -> None:
    action, expected = STATES[name]

    light.send(action)

    assert light.data() == expected


RESULTS: dict[str, tuple[Action, Any]] = {
    "get": (call("get", "old"), 1),
    "get of a missing key": (call("get", "missing"), None),
    "pop": (call("pop", "old"), 1),
    "pop of a missing key": (call("pop", "missing", 5), 5),
    "pop with None": (call("pop", "missing", None), None),
    "popitem": (call("popitem"), ("old", 1)),
    "setdefault": (call("setdefault", "old", 2), 1),
    "setdefault of a missing key": (call("setdefault", "new", 2), 2),
    "setdefault without a value": (call("setdefault", "new"), None),
    "alter": (call("alter", "old", lambda old: old + 5), 6),
    "|": (lambda session: session | {"new": 2}, {"old": 1, "new": 2}),
    "| from the right": (lambda session: {"old": 0, "new": 2} | session, {"old": 1, "new": 2}),
    "== of an equal dict": (lambda session: session == {"old": 1}, True),
    "== of another dict": (lambda session: session == {"old": 2}, False),
    "len": (len, 1),
    "bool": (bool, True),
    "iteration": (list, ["old"]),
    "in": (lambda session: "old" in session, True),
    "in of what is no key": (call("__contains__", 5), False),
    "clear gives nothing": (call("clear"), None),
}


@pytest.mark.parametrize("name", RESULTS)
def test_a_member_gives_what_that_of_a_dict_gives(light: Browser, name: str) -> None:
    action, expected = RESULTS[name]

    assert light.ask(action).result == expected


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(lambda session: session["missing"], id="[]"),
        pytest.param(drop("missing"), id="del"),
        pytest.param(call("pop", "missing"), id="pop"),
        pytest.param(then(drop("old"), call("popitem")), id="popitem"),
    ],
)
def test_a_missing_key_is_a_key_error(light: Browser, action: Action) -> None:
    assert isinstance(light.ask(raised_by(action)).result, KeyError)


def test_a_failed_removal_is_no_change(browser: Browser) -> None:
    answer = browser.ask(then(raised_by(drop("missing")), raised_by(call("pop", "missing")), member("modified")))

    assert answer.result is False
    assert answer.set_cookies == []


def test_the_order_of_keys_is_kept(site: Site) -> None:
    browser = visitor(site, put(zebra=1, ape=2, monkey=3))

    assert list(browser.data()) == ["zebra", "ape", "monkey"]


@pytest.mark.parametrize("name", ["cart", "permanent", "new", "accessed", "_id", "timeout", "user"])
def test_an_unknown_attribute_is_an_error_and_not_a_silent_loss(light_site: Site, name: str) -> None:
    error = light_site.ask(raised_by(lambda session: setattr(session, name, True))).result

    assert isinstance(error, AttributeError)


@pytest.mark.parametrize("name", ["id", "is_new", "user_id", "created_at", "last_seen_at", "expires_at"])
def test_what_is_told_cannot_be_set(light: Browser, name: str) -> None:
    assert isinstance(light.ask(raised_by(lambda session: setattr(session, name, "x"))).result, AttributeError)


def test_update_is_all_or_nothing(browser: Browser) -> None:
    browser.send(raised_by(call("update", {"new": 2, "bad": Opaque()})))

    assert browser.data() == {"old": 1}


def test_a_session_is_equal_to_a_dict_of_the_same_data(browser: Browser) -> None:
    assert browser.ask(lambda session: (session == {}, session == {"old": 1})).result == (False, True)
