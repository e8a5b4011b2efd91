"""What is kept of values of related types, wherever they stand."""

from __future__ import annotations

import enum
import logging
from collections import Counter, OrderedDict, UserString, defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from markupsafe import Markup
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.local import LocalProxy

from sessionware import SessionDataError
from sessionware.wire.serializer import Serializer


class Colour(enum.Enum):
    RED = "red"


class Role(str, enum.Enum):
    ADMIN = "admin"


class Level(enum.IntEnum):
    HIGH = 3
    VAST = 2**70


class Point(NamedTuple):
    x: int
    y: list[int]


class Title(str):
    def __str__(self) -> str:
        return "another text"


class Page:
    def __html__(self) -> str:
        return "<b>page</b>"


class LazyString:
    """As flask-babel's: it has ``__html__``, too, and all that a str has."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __getattr__(self, name: str) -> Any:
        return getattr(self.text, name)

    def __str__(self) -> str:
        return self.text

    def __html__(self) -> str:
        return self.text


class Later(UserString):
    """A text that is made when it is shown, whose class does not say so by its name."""


@dataclass
class Address:
    street: str
    tags: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    name: str


class Number(float):
    pass


class Names(list[Any]):
    pass


class Odd:
    pass


class Broken(dict[str, Any]):
    def items(self) -> Any:
        raise ZeroDivisionError


KEPT: dict[str, tuple[Any, Any]] = {
    "OrderedDict": (OrderedDict(a=1), {"a": 1}),
    "defaultdict": (defaultdict(list, a=[1]), {"a": [1]}),
    "Counter": (Counter("aab"), {"a": 2, "b": 1}),
    "a form, by its first values": (ImmutableMultiDict([("a", "1"), ("a", "2")]), {"a": "1"}),
    "list": (Names([1]), [1]),
    "namedtuple": (Point(1, [2]), (1, [2])),
    "str, whatever it shows": (Title("title"), "title"),
    "float": (Number(1.5), 1.5),
    "enum": (Colour.RED, "red"),
    "enum that is a str": (Role.ADMIN, "admin"),
    "enum that is an int": (Level.HIGH, 3),
    "int of more than 64 bits": (Level.VAST, 2**70),
    "what has __html__": (Page(), Markup("<b>page</b>")),
    "lazy text": (LazyString("hello"), "hello"),
    "lazy text of another name": (Later("hello"), "hello"),
    "dataclass": (Address("Main St"), {"street": "Main St", "tags": []}),
    "what stands behind a proxy": (LocalProxy(lambda: OrderedDict(a=Role.ADMIN)), {"a": "admin"}),
    "deep inside": (
        [{"a": (Colour.RED, {Role.ADMIN})}, Address("Main St", [OrderedDict(b=Point(1, []))])],
        [{"a": ("red", {"admin"})}, {"street": "Main St", "tags": [{"b": (1, [])}]}],
    ),
    "keys": ({Level.HIGH: 1, Colour.RED: 2, (Role.ADMIN,): 3}, {3: 1, "red": 2, ("admin",): 3}),
}


def typed(value: Any) -> Any:
    """*value* with the type of all that is in it."""
    if isinstance(value, dict):
        return type(value), [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple, set)):
        return type(value), [typed(item) for item in value]
    return type(value), value


@pytest.fixture
def lenient() -> Serializer:
    return Serializer(values="lenient")


@pytest.mark.parametrize("name", KEPT)
def test_a_value_of_a_related_type_is_kept_as_a_plain_one(lenient: Serializer, name: str) -> None:
    value, kept = KEPT[name]
    lenient.check("key", value)

    data = lenient.loads(lenient.dumps({"key": value}))

    assert typed(data["key"]) == typed(kept)


@pytest.mark.parametrize("name", KEPT)
def test_what_was_appended_later_is_verified_as_what_was_assigned(lenient: Serializer, name: str) -> None:
    value, kept = KEPT[name]
    held: list[Any] = []
    held.append(value)

    packed = lenient.dumps({"key": held})
    lenient.verify_packed({"key": held})

    assert typed(lenient.loads(packed)["key"]) == typed([kept])


@pytest.mark.parametrize("name", KEPT)
def test_a_strict_serializer_refuses_it(name: str) -> None:
    with pytest.raises(SessionDataError):
        Serializer().check("key", [KEPT[name][0]])


def test_equal_values_give_the_bytes_of_the_plain_one(lenient: Serializer) -> None:
    assert lenient.dumps([OrderedDict(a=Role.ADMIN)]) == Serializer().dumps([{"a": "admin"}])


def test_a_sessions_key_may_be_of_a_related_type(lenient: Serializer) -> None:
    lenient.check(Role.ADMIN, 1)

    assert typed(lenient.loads(lenient.dumps({Role.ADMIN: 1}))) == typed({"admin": 1})


def test_an_own_type_wins(lenient: Serializer) -> None:
    own = Serializer({Address: ("address", lambda value: value.street, Address)}, values="lenient")

    assert own.loads(own.dumps([Address("Main St")])) == [Address("Main St")]


@pytest.mark.parametrize("value", [Odd(), object(), [Odd()], OrderedDict(a=Odd()), bytearray(b"x"), frozenset({Odd})])
def test_other_types_are_refused_as_ever(lenient: Serializer, value: Any) -> None:
    with pytest.raises(SessionDataError, match="not a type that a session holds"):
        lenient.check("key", value)
    with pytest.raises(SessionDataError, match="not a type that a session holds"):
        lenient.verify([value])


def test_a_key_that_would_have_no_hash_is_refused(lenient: Serializer) -> None:
    with pytest.raises(SessionDataError, match="can be no key"):
        lenient.check("key", {Place("here"): 1})


def test_many_keys_of_one_hash_are_refused_as_they_will_be_loaded(lenient: Serializer) -> None:
    modulus = 2**61 - 1
    members = enum.Enum("Members", {f"M{n}": n * modulus for n in range(1, 100)})  # type: ignore[misc]

    with pytest.raises(SessionDataError, match="share a hash"):
        lenient.check("key", set(members))


def test_a_cycle_is_refused(lenient: Serializer) -> None:
    loop: OrderedDict[str, Any] = OrderedDict()
    loop["self"] = loop

    with pytest.raises(SessionDataError, match="contains itself"):
        lenient.check("key", loop)
    with pytest.raises(SessionDataError, match="contains itself"):
        lenient.dumps([loop])


def test_what_a_value_raises_is_the_cause(lenient: Serializer) -> None:
    with pytest.raises(SessionDataError, match=r"session\['key'\].*ZeroDivisionError") as info:
        lenient.check("key", Broken(a=1))

    assert isinstance(info.value.__cause__, ZeroDivisionError)


def test_each_kind_is_told_once_at_debug(lenient: Serializer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sessionware")

    for _ in range(3):
        lenient.dumps([OrderedDict(), Role.ADMIN, Role.ADMIN])

    told = [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]
    assert len(told) == 2
    assert told[0] == "values of the type collections.OrderedDict are kept as dict"


def test_kinds_that_an_application_makes_for_each_request_are_told_a_thousand_times_at_most(
    lenient: Serializer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sessionware")

    for number in range(1100):
        lenient.dumps([type(f"Kind{number}", (dict,), {})()])

    assert len(caplog.records) == 1000
