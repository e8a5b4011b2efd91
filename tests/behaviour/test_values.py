"""The types that come back as they were, and what is refused where it is assigned, with the path to it."""

from __future__ import annotations

import enum
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import markupsafe
import pytest
from behaviour.unstorable import Number, Opaque
from support.actions import Action, call, put, raised_by
from support.browser import Site, SiteMaker, visitor

from sessionware import SessionDataError

VALUES: dict[str, Any] = {
    "None": None,
    "True": True,
    "int": 42,
    "negative": -1,
    "2**64": 2**64,
    "-(2**200)": -(2**200),
    "float": 1.5,
    "float that is whole": 2.0,
    "-0.0": -0.0,
    "inf": float("inf"),
    "str": "Grüße ✓ \x00",
    "empty str": "",
    "bytes": b"\x00\xff",
    "list": [1, [2, []]],
    "tuple": (1, (2, ())),
    "dict": {"a": {"b": {}}},
    "dict with other keys": {2: "a", None: "b", True: "c", (1, 2): "d", b"e": "f", date(2026, 1, 2): "g", 1.5: "h"},
    "set": {1, "a", (2,)},
    "frozenset": frozenset({1, 2}),
    "naive datetime": datetime(2026, 1, 2, 3, 4, 5, 678901),
    "aware datetime": datetime(2026, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=-5, minutes=-30))),
    "datetime in a zone": datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin")),
    "utc datetime": datetime(1, 1, 1, tzinfo=timezone.utc),
    "date": date(9999, 12, 31),
    "time": time(23, 59, 59, 999999),
    "timedelta": timedelta(days=-1, microseconds=1),
    "UUID": UUID(int=2**127),
    "Decimal": Decimal("1.10"),
    "Decimal infinity": Decimal("-Infinity"),
    "Markup": markupsafe.Markup("<b>"),
    "all in one": [(1,), {2}, {"k": frozenset({Decimal(3)})}, [None, {"t": (UUID(int=0), b"")}]],
}


def typed(value: Any) -> Any:
    """*value* with the type of all that is in it, so that 1 and True differ."""
    kind = type(value)
    if kind is dict:
        return kind, [(typed(key), typed(item)) for key, item in value.items()]
    if kind in (list, tuple):
        return kind, [typed(item) for item in value]
    if kind in (set, frozenset):
        return kind, sorted((typed(item) for item in value), key=repr)
    return kind, repr(value)


@pytest.mark.parametrize("name", VALUES)
def test_a_value_comes_back_as_the_same_type_and_value(
    make_cookie: SiteMaker, make_memory: SiteMaker, name: str
) -> None:
    for make in (make_cookie, make_memory):
        browser = visitor(make(), put(value=VALUES[name]))

        assert typed(browser.data()["value"]) == typed(VALUES[name])


def test_all_values_come_back_from_every_backend(make: SiteMaker) -> None:
    browser = visitor(make(), put(**VALUES))

    assert typed(browser.data()) == typed(VALUES)


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), ([1], (1,)), ("a", b"a"), ({1}, frozenset({1}))])
def test_a_change_of_nothing_but_the_type_is_saved(site: Site, before: Any, after: Any) -> None:
    browser = visitor(site, put(value=before))

    browser.send(put(value=after))

    assert typed(browser.data()["value"]) == typed(after)


@dataclass(frozen=True)
class Money:
    """A type of an application's own."""

    cents: int


class DearMoney(Money):
    """A subclass of it."""


OWN_TYPES = {Money: ("money", lambda money: money.cents, Money)}


def test_a_type_of_ones_own_comes_back(make: SiteMaker) -> None:
    browser = visitor(make(types=OWN_TYPES), put(prices=[Money(5), {"b": Money(7)}]))

    assert browser.data() == {"prices": [Money(5), {"b": Money(7)}]}


def test_a_type_of_ones_own_is_matched_by_its_exact_class(make_memory: SiteMaker) -> None:
    error = make_memory(types=OWN_TYPES).ask(raised_by(put(price=DearMoney(5)))).result

    assert isinstance(error, SessionDataError)


def test_a_lenient_session_keeps_values_of_related_types_as_plain_ones(make: SiteMaker) -> None:
    browser = visitor(make(values="lenient"), put(token=OrderedDict(scope=["read"]), seen=[1]))
    browser.send(lambda session: session["seen"].append(Colour.RED))

    assert typed(browser.data()) == typed({"token": {"scope": ["read"]}, "seen": [1, "red"]})


def test_a_lenient_session_gives_what_was_assigned_within_the_request(make_memory: SiteMaker) -> None:
    token = OrderedDict(scope="read")

    def same(session: Any) -> bool:
        session["token"] = token
        return session["token"] is token

    assert make_memory(values="lenient").ask(same).result is True


# What would not come back as it was is refused.


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


def cyclic() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


REFUSED: dict[str, tuple[Any, str]] = {
    "object": (Opaque(), "['key']"),
    "enum": (Colour.RED, ".value"),
    "IntEnum": (Number.ONE, ".value"),
    "OrderedDict": (OrderedDict(a=1), "dict("),
    "defaultdict": (defaultdict(list), "dict("),
    "bytearray": (bytearray(b"a-secret-value"), "bytes("),
    "memoryview": (memoryview(b"a-secret-value"), "bytes("),
    "generator": (iter([]), "['key']"),
    "a function": (len, "['key']"),
    "a class": (Opaque, "['key']"),
    "a subclass of str": (type("Text", (str,), {})("a-secret-value"), "['key']"),
    "complex": (1j, "['key']"),
    "lone surrogate": ("a-secret-value\ud800", "surrogate"),
    "cyclic": (cyclic(), "64"),
    "65 levels": (nested(65), "64"),
    "in a list": ([1, [Opaque()]], "['key'][1][0]"),
    "in a dict": ({"a": {"b": Opaque()}}, "['key']['a']['b']"),
    "in a tuple": ((1, Opaque()), "['key'][1]"),
    "in a set": ({Opaque()}, "['key']"),
    "a key of a dict": ({Opaque(): 1}, "['key']"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("how", ["[]=", "update", "setdefault", "|=", "alter"])
def test_what_would_not_come_back_is_refused_where_it_is_assigned(memory: Site, name: str, how: str) -> None:
    value, named = REFUSED[name]
    actions: dict[str, Action] = {
        "[]=": lambda session: session.__setitem__("key", value),
        "update": call("update", {"fine": 1, "key": value}),
        "setdefault": call("setdefault", "key", value),
        "|=": lambda session: session.__ior__({"fine": 1, "key": value}),
        "alter": call("alter", "key", lambda current: value),
    }

    error, data, modified = memory.ask(
        lambda session: (raised_by(actions[how])(session), dict(session), session.modified)
    ).result

    assert isinstance(error, SessionDataError)
    assert named in str(error)
    assert "a-secret-value" not in str(error)
    assert (data, modified) == ({}, False)


def test_sixty_four_levels_are_stored(site: Site) -> None:
    browser = visitor(site, put(deep=nested(64)))

    assert browser.data() == {"deep": nested(64)}


@pytest.mark.parametrize("key", [1, None, b"key", ("a",), True, 1.5, frozenset()], ids=repr)
@pytest.mark.parametrize("how", ["[]=", "update", "setdefault", "|=", "alter"])
def test_a_key_that_is_no_str_is_refused(memory: Site, key: Any, how: str) -> None:
    actions: dict[str, Action] = {
        "[]=": lambda session: session.__setitem__(key, 1),
        "update": call("update", {key: 1}),
        "setdefault": call("setdefault", key, 1),
        "|=": lambda session: session.__ior__({key: 1}),
        "alter": call("alter", key, lambda current: 1),
    }

    answer = memory.ask(raised_by(actions[how]))

    assert isinstance(answer.result, SessionDataError)
    assert answer.set_cookies == []


@pytest.mark.parametrize(
    ("key", "cure"),
    [(1, "take str(x)"), (("a",), "take str(x)"), (b"key", "take x.decode()"), (Colour.RED, "take its .value")],
    ids=repr,
)
def test_the_refusal_of_a_key_says_how_to_make_it_one(memory: Site, key: Any, cure: str) -> None:
    answer = memory.ask(raised_by(lambda session: session.__setitem__(key, 1)))

    assert isinstance(answer.result, SessionDataError)
    assert str(answer.result).endswith(cure)
