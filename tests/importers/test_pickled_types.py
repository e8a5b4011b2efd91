"""What pickle has written is read as data: the types of a session come back, and nothing hostile runs or grows."""

from __future__ import annotations

import os
import pickle
import struct
import sys
import tracemalloc
from collections import Counter, OrderedDict, defaultdict
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from datetime import time as clock_time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from markupsafe import Markup
from support.elapsed import processor_seconds_of

from sessionware.importers.pickle_format import MAX_DEPTH
from sessionware.importers.pickled_types import read
from sessionware.importers.records import MAX_RECORD_BYTES

#: All but the second, which no package has written sessions with.
PROTOCOLS = [0, 2, 3, 4, 5]
HEAD = b"\x80\x04"
#: A dict with one key, whose value follows.
OPEN = HEAD + b"}\x8c\x01a"
CLOSE = b"s."
BERLIN = ZoneInfo("Europe/Berlin")


class Role(str, Enum):
    ADMIN = "admin"


class Point(NamedTuple):
    x: int


class Basket(list[int]):
    pass


class Thing:
    def __init__(self) -> None:
        self.part = [1]


class Sets(set[int]):
    pass


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        *(0, 255, 256, 65536, -1, 2**31, -(2**31), 2**63, 2**200, -(2**2100)),
        *(1.5, float("inf")),
        *("", "žluť", "a" * 300, "a" * 70000),
        *(b"", b"\x00\xff", b"a" * 300),
        *([], [1, [2, []]], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}, {"a": {1: (2,)}}, {(1, "a"): 2}),
        *(set(), {1, 2}, frozenset(), frozenset({1, (2,)})),
        datetime(2026, 1, 2, 3, 4, 5, 678901),
        datetime(2026, 1, 2, tzinfo=timezone.utc),
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=-3, minutes=30))),
        datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
        datetime(9999, 12, 31, 23, 59, 59, 999999, fold=1),
        date(2026, 1, 31),
        clock_time(23, 59, 59, 999999, fold=1),
        clock_time(1, tzinfo=timezone.utc),
        timedelta(-3, 5, 6),
        UUID(int=2**127),
        *(Decimal("1.50"), Decimal("-Infinity"), Decimal("1E+20")),
        Markup("<b>"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_every_type_of_a_session_comes_back_as_it_was(value: Any, protocol: int) -> None:
    data, unreadable = read(pickle.dumps({"a": value, "b": [value]}, protocol))

    assert data == {"a": value, "b": [value]}
    assert type(data["a"]) is type(value)
    assert unreadable == ()
    if isinstance(value, (datetime, clock_time)):
        # Protocols before 4 do not write the fold.
        assert (data["a"].fold, repr(data["a"].tzinfo)) == (value.fold if protocol >= 4 else 0, repr(value.tzinfo))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_dicts_of_other_kinds_are_read_as_dicts(protocol: int) -> None:
    data, _ = read(pickle.dumps({"a": OrderedDict(z=1, a=[2]), "b": defaultdict(list, {"c": [1]})}, protocol))

    assert data == {"a": {"z": 1, "a": [2]}, "b": {"c": [1]}}
    assert {type(value) for value in data.values()} == {dict}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [Thing(), Role.ADMIN, Point(1), Basket([1, 2]), Sets({1}), Counter("a"), bytearray(b"a"), Thing, len, range(3), 1j],
    ids=lambda value: repr(value)[:20],
)
def test_a_value_of_another_type_is_left_out_by_itself(value: Any, protocol: int) -> None:
    data, unreadable = read(pickle.dumps({"a": value, "b": 1, "c": [{"d": value}]}, protocol))

    assert data == {"b": 1}
    assert unreadable == ("a", "c")


def test_a_key_that_is_no_text_is_left_out() -> None:
    assert read(pickle.dumps({1: 2, "a": 1})) == ({"a": 1}, ("(a key of type int)",))


def test_what_is_shared_stands_in_each_place() -> None:
    shared = {f"key {number}": [number] for number in range(300)}

    data, _ = read(pickle.dumps({"a": shared, "b": [shared]}))

    assert data == {"a": shared, "b": [shared]}


def test_lone_surrogates_are_left_to_who_stores_them() -> None:
    assert read(pickle.dumps({"a": "\ud800"})) == ({"a": "\ud800"}, ())


# Attacks.


class Hostile:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.what = function, arguments

    def __reduce__(self) -> Any:
        return self.what


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "hostile",
    [
        Hostile(os.system, "touch pwned"),
        Hostile(eval, "open('pwned', 'w')"),
        Hostile(getattr, Thing, "__init__"),
        Hostile(__import__, "antigravity"),
        Hostile(set, "text"),
        Hostile(Decimal, "1" * 3000 + "x"),
        Hostile(datetime, 2026, 1, 1),
        Hostile(datetime, b"\xff" * 10),
        Hostile(datetime, b"\x07\xea\x01\x01\x00\x00\x00\x00\x00\x00", "no zone"),
        Hostile(timedelta, 10**10, 0, 0),
        Hostile(timezone, timedelta(days=3)),
        Hostile(timezone, "x"),
        Hostile(UUID, "x"),
        Hostile(Markup, 5),
        Hostile(date, b"\x00\x00\x00\x00"),
    ],
    ids=lambda hostile: f"{hostile.what[0].__name__}-{str(hostile.what[1])[:20]}",
)
def test_nothing_is_called_but_with_what_pickle_itself_writes(
    hostile: Hostile, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert read(pickle.dumps({"a": hostile, "b": 1}, protocol)) == ({"b": 1}, ("a",))
    assert list(tmp_path.iterdir()) == []
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"cuuid\nUUID\n)\x81}\x8c\x03int\x8a\x20" + b"\x7f" * 32 + b"sb", id="a UUID of too many bits"),
        pytest.param(b"cuuid\nUUID\n)\x81}\x8c\x06__dictNsb", id="a UUID with another state"),
        pytest.param(b"czoneinfo\nZoneInfo._unpickle\n\x8c\x0b/etc/passwdK\x01\x86R", id="a zone that is a path"),
        pytest.param(b"czoneinfo\nZoneInfo._unpickle\n\x8c\x00K\x01\x86R", id="a zone without a name"),
        pytest.param(b"cdecimal\nDecimal\n\x8c\x031e5\x85R}b", id="a state of a Decimal"),
        pytest.param(b"cdecimal\nDecimal\n\x8c\x031e5\x85R]a", id="a member of a Decimal"),
        pytest.param(b"cdecimal\nDecimal\n\x8c\x031e5\x85RNNs", id="an item of a Decimal"),
        pytest.param(b"c_codecs\nencode\n\x8c\x01a\x8c\x03zip\x86R", id="another codec"),
        pytest.param(b"c__builtin__\ngetattr\ncos\nsystem\n\x8c\x04call\x86R\x8c\x01x\x85R", id="an attribute"),
        pytest.param(b"c__builtin__\ngetattr\n)R)R", id="an attribute of nothing"),
        pytest.param(b"c__builtin__\nset\n]]a\x85R", id="a set of what cannot be hashed"),
        pytest.param(b"}]Ns", id="a key that cannot be hashed"),
        pytest.param(b"ccollections\nOrderedDict\n)R}b", id="a state of a dict"),
        pytest.param(b"cdatetime\ndatetime\nC\x01a\x85R", id="a datetime of one byte"),
        pytest.param(b"cdatetime\ndate\nC\x01a\x85R", id="a date of one byte"),
        pytest.param(b"cdatetime\ntime\nC\x01a\x85R", id="a time of one byte"),
        pytest.param(b"cdatetime\ntimezone\n)R", id="a call without arguments"),
        pytest.param(b"cdatetime\ndatetime\n]R", id="arguments that are no tuple"),
        pytest.param(b")NR", id="a call of what is no function"),
        pytest.param(b"cdecimal\nDecimal\n)}\x92", id="a call with keywords"),
    ],
)
def test_a_call_with_hostile_arguments_is_left_out(body: bytes) -> None:
    assert read(OPEN + body + CLOSE) == ({}, ("a",))


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80", id="a head alone"),
        pytest.param(b"\x80\x06}.", id="another protocol"),
        pytest.param(b"}.", id="protocol 1"),
        pytest.param(b"(dS'a'\nNs.", id="a text of Python 2"),
        pytest.param(OPEN + b"Pname\ns.", id="a persistent id"),
        pytest.param(OPEN + b"NQs.", id="a persistent id, binary"),
        pytest.param(OPEN + b"\x82\x01s.", id="an extension code"),
        pytest.param(OPEN + b"\x83\x01\x00s.", id="an extension code of two bytes"),
        pytest.param(OPEN + b"\x84\x01\x00\x00\x00s.", id="an extension code of four bytes"),
        pytest.param(OPEN + b"(ios\nsystem\ns.", id="INST"),
        pytest.param(OPEN + b"(cos\nsystem\nos.", id="OBJ"),
        pytest.param(OPEN + b"\x97s.", id="a buffer outside"),
        pytest.param(OPEN + b"\x98s.", id="a buffer made read-only"),
        pytest.param(OPEN + b"I" + b"1" * 4000 + b"\ns.", id="an int in digits"),
        pytest.param(OPEN + b"L" + b"1" * 4000 + b"L\ns.", id="a long in digits"),
        pytest.param(OPEN + b"\x8b\xff\xff\xff\x7fs.", id="a long that claims two gigabytes"),
        pytest.param(OPEN + b"X\xff\xff\xff\xffs.", id="a text that claims four"),
        pytest.param(OPEN + b"\x8d" + b"\xff" * 8 + b"s.", id="a text that claims exabytes"),
        pytest.param(OPEN + b"\x8e" + b"\xff" * 8 + b"s.", id="bytes that claim exabytes"),
        pytest.param(OPEN + b"\x96" + b"\xff" * 8 + b"s.", id="a bytearray that claims exabytes"),
        pytest.param(OPEN + b"h\x05s.", id="a memo that is not there"),
        pytest.param(OPEN + b"cos\nsystem", id="a name that is cut off"),
        pytest.param(OPEN + "cos\nsystém\ns.".encode(), id="a name that is not ASCII"),
        pytest.param(OPEN + b"NN\x93s.", id="a name that is no text"),
        pytest.param(OPEN + b"\x8c\x01\xffs.", id="a text that is no UTF-8"),
        pytest.param(OPEN + b"N}bs.", id="a state of what has none"),
        pytest.param(OPEN + b"NNas.", id="a member of what has none"),
        pytest.param(OPEN + b"N(NNus.", id="items of what has none"),
        pytest.param(HEAD + b"}(Nu.", id="a key without a value"),
        pytest.param(OPEN + b"ts.", id="a tuple without a mark"),
        pytest.param(HEAD + b"}\x8c\x01aN", id="no end"),
        pytest.param(HEAD + b"}}.", id="two values"),
        pytest.param(HEAD + b"}.}.", id="bytes behind the end"),
        pytest.param(HEAD + b"s.", id="an empty stack"),
        pytest.param(HEAD + b"].", id="no dict"),
        pytest.param(HEAD + b"}\xff.", id="no opcode"),
        pytest.param(HEAD + b"N" * MAX_RECORD_BYTES, id="a payload larger than any session"),
    ],
)
def test_what_pickle_does_not_write_of_a_session_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(payload)


def test_a_list_within_itself_is_left_out() -> None:
    value: list[Any] = []
    value.append(value)

    assert read(pickle.dumps({"a": value, "b": 1})) == ({"b": 1}, ("a",))


def test_a_value_is_nested_as_deep_as_a_session_holds_and_no_deeper() -> None:
    def nested(depth: int) -> bytes:
        return OPEN + b"]" * depth + b"a" * (depth - 1) + CLOSE

    assert read(nested(MAX_DEPTH))[1] == ()
    assert read(nested(MAX_DEPTH + 1))[1] == ("a",)


def _doubled(first: bytes, make: bytes, count: int) -> bytes:
    """A part of two parts of two parts: each is in the memo, and the whole would have 2 ** *count*."""
    steps = (b"h" + bytes([index]) * 1 + b"h" + bytes([index]) + make + b"\x94" for index in range(count))
    return first + b"\x94" + b"".join(steps)


COLLIDING = b"".join(b"\x8a\x0a" + (number * (2**61 - 1)).to_bytes(10, "little") + b"N" for number in range(1, 300))
BOMBS = {
    "doubled tuples": OPEN + _doubled(b")", b"\x86", 60) + CLOSE,
    "doubled tuples as a key": HEAD + b"}" + _doubled(b")", b"\x86", 60) + b"Ns.",
    "doubled frozensets": OPEN
    + b"(\x91\x94"
    + b"".join(b"(" + b"h%ch%c" % (n, n) + b"\x91\x94" for n in range(60))
    + CLOSE,
    "laughs": OPEN
    + b"]\x94"
    + b"".join(b"](" + b"h" + bytes([n]) + (b"h" + bytes([n])) * 9 + b"e\x94" for n in range(60))
    + CLOSE,
    "one text for many": OPEN
    + b"](X"
    + struct.pack("<I", 2000)
    + b"a" * 2000
    + b"\x94"
    + b"h\x00" * 1000
    + b"e"
    + CLOSE,
    "one long for many": OPEN
    + b"](\x8b"
    + struct.pack("<I", 2000)
    + b"\x7f" * 2000
    + b"\x94"
    + b"h\x00" * 1000
    + b"e"
    + CLOSE,
    "deep lists": OPEN + b"]" * 2040 + b"a" * 2039 + CLOSE,
    "deep tuples": OPEN + b")" + b"\x85" * 4080 + CLOSE,
    "deep calls": OPEN + b"cos\nsystem\n\x94" + b"h\x00)" * 600 + b"R" * 1200 + CLOSE,
    "many sets": OPEN + b"](" + b"\x8f" * 4080 + b"e" + CLOSE,
    "many dicts": OPEN + b"](" + b"}" * 4080 + b"e" + CLOSE,
    "many marks": OPEN + b"(" * 4080 + CLOSE,
    "many memos": OPEN + b"N" + b"\x94" * 4080 + CLOSE,
    "a huge memo in digits": OPEN + b"N" + b"p4000000000\n" * 340 + CLOSE,
    "a huge memo": OPEN + b"N" + b"r\xff\xff\xff\xff" * 800 + CLOSE,
    "colliding keys": OPEN + b"}(" + COLLIDING + b"u" + CLOSE,
    "colliding keys, shared": OPEN + b"](}(" + COLLIDING[: 13 * 200] + b"u\x94" + b"h\x00" * 690 + b"e" + CLOSE,
    "colliding members, shared": OPEN
    + b"](\x8f("
    + COLLIDING.replace(b"N\x8a", b"\x8a")[: 12 * 200]
    + b"\x90\x94"
    + b"h\x00" * 690
    + b"e"
    + CLOSE,
    "colliding sets of one list": OPEN
    + b"]("
    + b"c__builtin__\nset\n\x94]("
    + COLLIDING.replace(b"N\x8a", b"\x8a")[: 12 * 200]
    + b"e\x94"
    + b"h\x00h\x01\x85R" * 260
    + b"e"
    + CLOSE,
    "zones": OPEN
    + b"](czoneinfo\nZoneInfo._unpickle\n\x94"
    + b"".join(b"h\x00\x8c\x09Etc/GMT-" + b"%dK\x01\x86R" % (n % 10) for n in range(240))
    + b"e"
    + CLOSE,
    "unknown zones": OPEN
    + b"](czoneinfo\nZoneInfo._unpickle\n\x94"
    + b"".join(b"h\x00\x8c\x03%03dK\x01\x86R" % n for n in range(350))
    + b"e"
    + CLOSE,
    "decimals": OPEN + b"](cdecimal\nDecimal\n\x94" + b"h\x00\x8c\x0a1E+9999999\x85R" * 260 + b"e" + CLOSE,
    "great exponents as keys": OPEN
    + b"}("
    + b"".join(b"cdecimal\nDecimal\n\x8c\x16%dE+999999999999999999\x85RN" % (n % 10) for n in range(90))
    + b"u"
    + CLOSE,
    "a decimal of many digits": OPEN
    + b"cdecimal\nDecimal\nX"
    + struct.pack("<I", 4000)
    + b"7" * 4000
    + b"\x85R"
    + CLOSE,
    "a long": OPEN + b"\x8b" + struct.pack("<I", 4000) + b"\x7f" * 4000 + CLOSE,
    "longs as keys": OPEN
    + b"}(\x8b"
    + struct.pack("<I", 2000)
    + b"\x7f" * 2000
    + b"\x94N"
    + b"h\x00N" * 600
    + b"u"
    + CLOSE,
}


_LONG_BYTES = 2700
#: Of one hash, as Python takes numbers by this modulus.
_LONG = 5 + (2**61 - 1) * ((1 << (8 * _LONG_BYTES - 9)) // (2**61 - 1))
_DIGITS = [str(5 + (2**61 - 1) * number).encode() for number in range(1, 54)]
_DECIMALS = [b"\x8c" + bytes([len(digits)]) + digits + b"\x85R" for digits in _DIGITS]
_EXACTLY_COMPARED = [
    b"cdecimal\nDecimal\n\x94" + _DECIMALS[0],
    *(b"h\x00" + decimal for decimal in _DECIMALS[1:]),
    b"\x8b" + struct.pack("<I", _LONG_BYTES) + _LONG.to_bytes(_LONG_BYTES, "little"),
]
BOMBS |= {
    "a long beside decimals": OPEN + b"\x8f(" + b"".join(_EXACTLY_COMPARED) + b"\x90" + CLOSE,
    "a long beside decimals, frozen": OPEN + b"(" + b"".join(_EXACTLY_COMPARED) + b"\x91" + CLOSE,
    "a long beside decimals as keys": OPEN + b"}(" + b"N".join([*_EXACTLY_COMPARED, b"u"]) + CLOSE,
    **{
        f"a long beside decimals by {name.decode()}": OPEN
        + b"c__builtin__\n%b\n](" % name
        + b"".join(_EXACTLY_COMPARED)
        + b"e\x85R"
        + CLOSE
        for name in (b"set", b"frozenset")
    },
}


@pytest.mark.parametrize("payload", [pytest.param(payload, id=name) for name, payload in BOMBS.items()])
def test_four_kilobytes_take_neither_long_nor_much_memory(payload: bytes) -> None:
    assert len(payload) < 4200

    def load() -> None:
        with suppress(ValueError):
            read(payload)

    assert processor_seconds_of(load) < 0.010
    tracemalloc.start()
    load()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000
