"""What would not come back as it was is refused where it is assigned, with the path to it."""

from __future__ import annotations

import enum
from collections import OrderedDict, defaultdict
from typing import Any

import pytest
from support.actions import Action, call, put, raised_by
from support.browser import Site, visitor

from sessionware import SessionDataError


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


class Number(enum.IntEnum):
    """An enum that is an int."""

    ONE = 1


class Opaque:
    """What nobody can store, and what shows a secret."""

    def __repr__(self) -> str:
        return "a-secret-value"


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
