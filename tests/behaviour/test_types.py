"""The types that come back as they were."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import markupsafe
import pytest
from support.actions import put, raised_by
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
