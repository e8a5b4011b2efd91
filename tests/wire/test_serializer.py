"""Types and values come back as they were, nothing else is accepted, and no input costs more than its length."""

from __future__ import annotations

import collections
import contextlib
import enum
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, localcontext
from io import BytesIO
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from support.elapsed import processor_seconds_of
from support.frames import locals_in

from sessionware.exceptions import SessionDataError
from sessionware.wire.serializer import Malformed, Serializer


@dataclass(frozen=True)
class Money:
    """An own type, hashable as Decimal is."""

    amount: Decimal


def money_to_plain(money: Money) -> Any:
    return money.amount


OWN_TYPES: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    Money: ("money", money_to_plain, Money),
}
PLAIN = Serializer()
SERIALIZER = Serializer(OWN_TYPES)

ZONES = st.integers(-86_399_999_999, 86_399_999_999).map(lambda offset: timezone(timedelta(microseconds=offset)))
FIXED = st.none() | st.just(timezone.utc) | ZONES
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**600), 2**600),
    st.floats(),
    st.text(),
    st.binary(),
    st.builds(datetime.replace, st.datetimes(), tzinfo=FIXED, fold=st.integers(0, 1)),
    st.builds(time.replace, st.times(), tzinfo=FIXED, fold=st.integers(0, 1)),
    st.dates(),
    st.timedeltas(),
    st.uuids(),
    st.decimals(),
    st.text().map(Markup),
    st.decimals(allow_nan=False).map(Money),
)


def is_hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


KEYS = st.recursive(
    SCALARS.filter(is_hashable),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
VALUES = st.recursive(
    SCALARS | KEYS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.sets(KEYS, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=12,
)
SESSIONS = st.dictionaries(st.text(), VALUES, max_size=4)


def shape(value: Any) -> Any:
    """What *value* is, exactly, in a form in which equal means the same: 1, 1.0 and True differ, nan equals nan."""
    kind = type(value)
    if kind is dict:
        return kind, [(shape(key), shape(item)) for key, item in value.items()]
    if kind in (list, tuple):
        return kind, [shape(item) for item in value]
    if kind in (set, frozenset):
        return kind, sorted(repr(shape(item)) for item in value)
    if kind in (datetime, time):
        return kind, value.isoformat(), value.utcoffset(), value.fold
    return kind, hex(value) if kind is int else repr(value)


def nested(levels: int, wrap: Callable[[Any], Any] = lambda inner: [inner]) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@given(
    SESSIONS, st.sampled_from(["ok", bytearray(), memoryview(b"x"), msgpack.Timestamp(1), msgpack.ExtType(1, b"\x90")])
)
def test_the_look_at_types_refuses_what_the_walk_refuses(data: dict[str, Any], last: Any) -> None:
    data = {**data, "last": [data, {1: (last,)}]}
    SERIALIZER.dumps(data)

    for verify in (SERIALIZER.verify, SERIALIZER.verify_packed):
        with pytest.raises(SessionDataError) if last != "ok" else contextlib.nullcontext():
            verify(data)


@given(SESSIONS)
def test_every_supported_value_comes_back_with_its_types_and_its_bytes(data: dict[str, Any]) -> None:
    packed = SERIALIZER.dumps(data)

    loaded = SERIALIZER.loads(packed)

    assert shape(loaded) == shape(data)
    assert SERIALIZER.dumps(loaded) == packed
    SERIALIZER.verify(data)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(2**63, id="uint64"),
        pytest.param(2**64, id="beyond 64 bits"),
        pytest.param(-(2**63) - 1, id="below 64 bits"),
        pytest.param(-(2**64), id="at a whole byte"),
        pytest.param(10**5000, id="too many digits for int(str)"),
        pytest.param(-0.0, id="negative zero"),
        pytest.param(Decimal("-0"), id="decimal negative zero"),
        pytest.param(Decimal("sNaN123"), id="decimal signalling nan"),
        pytest.param(Decimal("1.10E+999999"), id="decimal exponent"),
        pytest.param(Decimal("0E-15"), id="decimal zero with an exponent"),
        pytest.param(timedelta.max, id="timedelta max"),
        pytest.param(timedelta.min, id="timedelta min"),
        pytest.param(datetime.max.replace(fold=1), id="datetime max, folded"),
        pytest.param(datetime.min.replace(tzinfo=timezone(timedelta(hours=23))), id="datetime min, aware"),
        pytest.param(time.max, id="time max"),
        pytest.param(time(1, tzinfo=timezone(-timedelta(minutes=90))), id="time, aware"),
        pytest.param(date.max, id="date max"),
        pytest.param({1, "1", b"1", (1,), frozenset({1})}, id="set of many types"),
        pytest.param({True: 1, "1": 1.0, None: True, (1, Money(Decimal(1))): 0}, id="dict of many keys"),
    ],
)
def test_extreme_values_come_back(value: Any) -> None:
    data = {"key": value}

    loaded = SERIALIZER.loads(SERIALIZER.dumps(data))

    assert shape(loaded) == shape(data)


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(datetime(2024, 7, 1, 12, tzinfo=BERLIN), id="summer"),
        pytest.param(datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN), id="the hour that comes twice"),
        pytest.param(datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=BERLIN), id="the hour that comes twice, folded"),
        pytest.param(datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN), id="the hour that does not exist"),
        pytest.param(datetime.max.replace(fold=1, tzinfo=BERLIN), id="max"),
        pytest.param(datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC")), id="UTC"),
        pytest.param(datetime(2024, 1, 1, tzinfo=ZoneInfo("Etc/GMT")), id="a name as long as an offset"),
        pytest.param(time(1, 2, fold=1, tzinfo=ZoneInfo("UTC")), id="time"),
    ],
)
def test_a_moment_in_a_named_zone_comes_back_in_it(moment: datetime | time) -> None:
    loaded = PLAIN.loads(PLAIN.dumps([moment]))[0]

    assert loaded.tzinfo is moment.tzinfo
    assert (type(loaded), loaded.isoformat(), loaded.fold) == (type(moment), moment.isoformat(), moment.fold)


SOME_ZONES = sorted(name for name in available_timezones() if "/" in name)
ENOUGH, TOO_MANY = ([datetime(2024, 1, 1, tzinfo=ZoneInfo(name)) for name in SOME_ZONES[:count]] for count in (16, 17))


def test_sixteen_zones_are_stored_and_come_back_however_often_each_stands_there() -> None:
    data = {"moments": ENOUGH * 3, "others": tuple(ENOUGH)}
    PLAIN.check("moments", data["moments"])
    PLAIN.verify_packed(data)

    loaded = PLAIN.loads(PLAIN.dumps(data))

    assert loaded == data
    assert [moment.tzinfo.key for moment in loaded["others"]] == SOME_ZONES[:16]


@pytest.mark.parametrize(
    "refuse",
    [
        pytest.param(lambda: PLAIN.check("x", TOO_MANY), id="assigned"),
        pytest.param(lambda: PLAIN.verify({"x": TOO_MANY}), id="walked over"),
        pytest.param(lambda: PLAIN.verify_packed({"x": TOO_MANY[:9], "y": [{"z": TOO_MANY[9:]}]}), id="packed"),
    ],
)
def test_more_zones_than_sixteen_in_a_session_are_refused_with_the_cure(refuse: Callable[[], None]) -> None:
    with pytest.raises(SessionDataError, match=r"session\['[xy]'\].*16 time zones.*UTC"):
        refuse()


def test_bytes_with_more_zones_than_sixteen_are_malformed() -> None:
    with pytest.raises(Malformed):
        PLAIN.loads(PLAIN.dumps(TOO_MANY))
    with pytest.raises(Malformed):
        PLAIN.loads(PLAIN.dumps([(moment,) for moment in TOO_MANY]))


class OtherZone(tzinfo):
    """As those of dateutil and pytz are: a zone whose class the serializer does not know."""

    def tzname(self, moment: datetime | None) -> str | None:
        return "other"

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=2)


def test_a_datetime_in_any_other_zone_keeps_its_offset() -> None:
    moment = datetime(2024, 7, 1, 12, tzinfo=OtherZone())

    assert PLAIN.loads(PLAIN.dumps(moment)).tzinfo == timezone(timedelta(hours=2))


def test_a_zone_that_this_machine_does_not_know_is_told_and_no_other_type(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = PLAIN.dumps([datetime(2024, 7, 1, tzinfo=BERLIN)]).replace(b"Europe/Berlin", b"Europe/Utopia")

    with pytest.raises(SessionDataError, match=r"'Europe/Utopia'.*install the package tzdata"):
        PLAIN.loads(packed)


@pytest.mark.parametrize("name", [b"/etc/passwd..", b"../../etc/pas", b"\0" * 13, b"Europe/\xc3\xa4\xc3\xb6\xc3\xbc"])
def test_a_zone_with_a_name_of_nonsense_is_told_too(name: bytes) -> None:
    packed = PLAIN.dumps([datetime(2024, 7, 1, tzinfo=BERLIN)]).replace(b"Europe/Berlin", name)

    with pytest.raises(SessionDataError, match="does not know"):
        PLAIN.loads(packed)


def test_a_datetime_in_utc_comes_back_in_timezone_utc() -> None:
    assert PLAIN.loads(PLAIN.dumps(datetime(2024, 7, 1, tzinfo=timezone.utc))).tzinfo is timezone.utc


def test_sets_pack_alike_whatever_their_history() -> None:
    one, other = {8, 0, 16, 24}, {24, 16, 8, 0, 32}
    other.discard(32)

    assert PLAIN.dumps(one) == PLAIN.dumps(other)


def test_dicts_keep_their_order() -> None:
    data = {"b": 1, "a": 2}

    assert list(PLAIN.loads(PLAIN.dumps(data))) == ["b", "a"]


def test_decimals_do_not_depend_on_the_context_of_the_thread() -> None:
    value = Decimal("1.25E+99")
    packed = PLAIN.dumps(value)

    with localcontext() as context:
        context.capitals = 0
        context.prec = 1

        assert PLAIN.dumps(value) == packed
        assert str(PLAIN.loads(packed)) == "1.25e+99"


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    pass


class Point(NamedTuple):
    x: int


class Moment(datetime):
    pass


class Plane:
    def __init__(self, *parts: object) -> None:
        self.parts = parts


@dataclass
class Item:
    price: int


def foreign(module: str, name: str, *bases: type) -> Any:
    return type(name, bases, {"__module__": module})


class NoOffset(tzinfo):
    def tzname(self, moment: datetime | None) -> str | None:
        return None

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None


class BrokenZone(NoOffset):
    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        raise KeyError(moment)


def zone_of_a_file(key: str | None) -> ZoneInfo:
    data = b"TZif2" + bytes(15) + struct.pack(">6L", 0, 0, 0, 0, 1, 4) + bytes(6) + b"UTC\0"
    return ZoneInfo.from_file(BytesIO(data + data + b"\nUTC0\n"), key=key)


REFUSED = [
    pytest.param(bytearray(b"x"), "bytes(x)", id="bytearray"),
    pytest.param(memoryview(b"x"), "bytes(x)", id="memoryview"),
    pytest.param(msgpack.ExtType(1, b"\x90"), "bytes", id="ExtType"),
    pytest.param(msgpack.Timestamp(1), "to_datetime()", id="Timestamp"),
    pytest.param(Colour.RED, ".value", id="IntEnum"),
    pytest.param(Text("x"), "str(x)", id="str subclass"),
    pytest.param(collections.OrderedDict(), "dict(x)", id="OrderedDict"),
    pytest.param(collections.defaultdict(list), "dict(x)", id="defaultdict"),
    pytest.param(collections.deque(), "list(x)", id="deque"),
    pytest.param(range(3), "list(x)", id="range"),
    pytest.param(BytesIO(), "what the file contains", id="file"),
    pytest.param({}.keys(), "list(x)", id="dict view"),
    pytest.param(Point(1), "tuple(x)", id="namedtuple"),
    pytest.param(Moment(2024, 1, 1), "datetime module", id="datetime subclass"),
    pytest.param(foreign("pandas", "Timestamp", datetime)(2024, 1, 1), "to_pydatetime()", id="pandas"),
    pytest.param(foreign("numpy", "float64", float)(1), "x.item()", id="numpy scalar"),
    pytest.param(foreign("numpy", "ndarray", object)(), "x.tolist()", id="numpy array"),
    pytest.param(foreign("werkzeug.local", "LocalProxy", object)(), "_get_current_object()", id="proxy"),
    pytest.param(Item(1), "dataclasses.asdict(x)", id="dataclass"),
    pytest.param(Plane(), "option types", id="own class without a name"),
    pytest.param(Money(Decimal(1)), "option types", id="own type of another serializer"),
    pytest.param("\ud800", "surrogate", id="lone surrogate"),
    pytest.param(Markup("\udcff"), "surrogate", id="lone surrogate in Markup"),
    pytest.param(time(1, tzinfo=ZoneInfo("Europe/Berlin")), "offset", id="time without an offset"),
    pytest.param(datetime(2024, 1, 1, tzinfo=NoOffset()), "offset", id="datetime without an offset"),
    pytest.param(datetime(2024, 1, 1, tzinfo=BrokenZone()), "offset", id="datetime with a broken zone"),
    pytest.param(datetime(2024, 1, 1, tzinfo=zone_of_a_file(None)), "ZoneInfo(name)", id="zone without a name"),
    pytest.param(datetime(2024, 1, 1, tzinfo=zone_of_a_file("no/zone")), "ZoneInfo(name)", id="zone of another name"),
]


@pytest.mark.parametrize(("value", "cure"), REFUSED)
def test_what_is_not_supported_is_refused_at_the_assignment_with_its_path_and_cure(value: Any, cure: str) -> None:
    with pytest.raises(SessionDataError) as caught:
        PLAIN.check("cart", [0, 1, 2, {"color": value}])

    assert str(caught.value).startswith("session['cart'][3]['color']: ")
    assert cure in str(caught.value)


@pytest.mark.parametrize(("value", "cure"), REFUSED)
def test_what_was_put_into_a_container_is_refused_by_verify(value: Any, cure: str) -> None:
    with pytest.raises(SessionDataError) as caught:
        PLAIN.verify({"ok": 1, "cart": [{"color": value}]})

    assert str(caught.value).startswith("session['cart'][0]['color']: ")
    assert cure in str(caught.value)


@pytest.mark.parametrize(("value", "cure"), REFUSED[4:])
def test_dumps_refuses_all_but_what_msgpack_packs_by_itself(value: Any, cure: str) -> None:
    with pytest.raises(SessionDataError) as caught:
        PLAIN.dumps({"cart": ({"color": value},)})

    assert str(caught.value).startswith("session['cart'][0]['color']: ")
    assert cure in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [None, True, 1, 2**200, 1.0, "x", "ü", b"x", Markup("x"), [1], {"a": {1}}],
    ids=lambda value: str(type(value)),
)
def test_what_is_supported_passes_the_assignment(value: Any) -> None:
    PLAIN.check("kéy", value)
    PLAIN.check("key", value)


@pytest.mark.parametrize(
    ("data", "path"),
    [
        pytest.param({"a": {Colour.RED: 1}}, f"session['a'][<{__name__}.Colour>] (a key): ", id="key"),
        pytest.param({"a": {("x", Colour): 1}}, "session['a'][<tuple>] (a key)[1]: ", id="in a key"),
        pytest.param({"a": {(1, Colour.RED)}}, "session['a'] (an element)[1]: ", id="in a set"),
        pytest.param({"a": {True: [Plane()]}}, "session['a'][True][0]: ", id="bool in the path"),
        pytest.param({"a": {7: [Plane()]}}, "session['a'][7][0]: ", id="int in the path"),
        pytest.param({"a": {10**5000: [Plane()]}}, "session['a'][<int>][0]: ", id="huge int in the path"),
        pytest.param({"x" * 99: Plane()}, f"session['{'x' * 40}…']: ", id="long key"),
        pytest.param({"\ud800": 1}, "session['\\ud800'] (a key): ", id="surrogate in a session's key"),
        pytest.param({1: 1}, "session[1]: ", id="session's key is no str"),
        pytest.param({Markup("a"): 1}, "session[<markupsafe.Markup>]: ", id="session's key is a Markup"),
        pytest.param([Plane()], "value[0]: ", id="no session"),
        pytest.param({"a": [[[[[[[[[Plane()]]]]]]]]]}, f"session['a']{'[0]' * 7}[…]: ", id="long path"),
    ],
)
def test_every_refusal_names_the_path(data: Any, path: str) -> None:
    with pytest.raises(SessionDataError) as caught:
        PLAIN.dumps(data)

    assert str(caught.value).startswith(path)


def test_a_refusal_shows_no_value() -> None:
    with pytest.raises(SessionDataError) as caught:
        PLAIN.check("password", Text("hunter2"))

    assert "hunter2" not in str(caught.value)


WRAPS = [
    pytest.param(lambda inner: [inner], id="list"),
    pytest.param(lambda inner: (inner,), id="tuple"),
    pytest.param(lambda inner: {"k": inner}, id="dict"),
    pytest.param(
        lambda inner: frozenset({inner}) if isinstance(inner, tuple) else (inner,), id="tuples and frozensets"
    ),
    pytest.param(lambda inner: frozenset({inner}), id="frozenset"),
]


@pytest.mark.parametrize("wrap", WRAPS)
def test_values_nest_64_levels_deep(wrap: Callable[[Any], Any]) -> None:
    data = {"key": nested(64, wrap)}

    PLAIN.check("key", data["key"])
    loaded = PLAIN.loads(PLAIN.dumps([["header"], data]))

    assert loaded == [["header"], data]


@pytest.mark.parametrize("wrap", WRAPS)
def test_values_that_nest_deeper_are_refused(wrap: Callable[[Any], Any]) -> None:
    data = {"key": nested(65, wrap)}

    with pytest.raises(SessionDataError, match=r"deeper than 64 levels"):
        PLAIN.check("key", data["key"])
    for verify in (PLAIN.verify, PLAIN.verify_packed):
        with pytest.raises(SessionDataError, match=r"deeper than 64 levels"):
            verify(data)


@pytest.mark.parametrize("wrap", WRAPS)
def test_bytes_that_nest_deeper_are_malformed(wrap: Callable[[Any], Any]) -> None:
    packed = PLAIN.dumps([["header"], {"key": nested(65, wrap)}])

    with pytest.raises(Malformed):
        PLAIN.loads(packed)


def cyclic_list() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


def cyclic_tuple() -> Any:
    value: list[Any] = []
    value.append((value,))
    return value


@pytest.mark.parametrize("make", [cyclic_list, cyclic_tuple])
def test_cyclic_values_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(SessionDataError, match=r"^session\['a'\]\[0\].*contains itself"):
        PLAIN.dumps({"a": make()})


# Own types


def test_an_own_type_comes_back_from_its_plain_value() -> None:
    data = {"price": Money(Decimal("9.90")), "rates": {Money(Decimal(1)): {Money(Decimal(2))}}}

    assert SERIALIZER.loads(SERIALIZER.dumps(data)) == data


def test_an_enum_may_be_an_own_type() -> None:
    serializer = Serializer({Colour: ("colour", int, Colour)})

    assert type(serializer.loads(serializer.dumps([Colour.RED]))[0]) is Colour


def test_an_own_type_that_gives_an_unsupported_value_is_refused() -> None:
    serializer = Serializer({Plane: ("plane", lambda plane: [bytearray()], Plane)})

    with pytest.raises(SessionDataError, match=r"^session\['a'\] \(what its to_plain gave\)\[0\]: bytearray"):
        serializer.check("a", Plane())


def test_an_own_type_whose_to_plain_fails_is_refused_with_the_cause() -> None:
    serializer = Serializer({Plane: ("plane", lambda plane: 1 // 0, Plane)})

    with pytest.raises(
        SessionDataError, match=r"^session\['a'\]: the to_plain of .*Plane raised ZeroDivisionError"
    ) as caught:
        serializer.dumps({"a": Plane()})

    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_own_type_that_gives_itself_is_refused() -> None:
    serializer = Serializer({Plane: ("plane", lambda plane: plane, Plane)})

    with pytest.raises(SessionDataError, match="64 levels"):
        serializer.dumps({"a": Plane()})


def test_an_own_type_that_fails_only_once_is_refused_all_the_same() -> None:
    answers = [1, bytearray]
    serializer = Serializer({Plane: ("plane", lambda plane: answers.pop(), Plane)})

    with pytest.raises(SessionDataError, match="could not be packed"):
        serializer.dumps({"a": Plane()})


def test_a_from_plain_that_fails_is_the_applications_fault_and_names_the_type() -> None:
    broken = Serializer({Money: ("money", money_to_plain, lambda plain: plain.missing)})
    packed = SERIALIZER.dumps([Money(Decimal(1))])

    with pytest.raises(
        SessionDataError, match=r"the from_plain of the own type 'money' raised AttributeError"
    ) as caught:
        broken.loads(packed)

    assert isinstance(caught.value.__cause__, AttributeError)


def test_a_type_that_this_process_does_not_declare_is_told_by_its_name() -> None:
    packed = SERIALIZER.dumps([Money(Decimal(1))])

    with pytest.raises(SessionDataError, match=r"own type 'money', which this process does not declare"):
        PLAIN.loads(packed)


@dataclass
class Unhashable:
    """What :class:`Money` becomes if a deploy forgets ``frozen``."""

    amount: Decimal


class Constant(Money):
    def __hash__(self) -> int:
        return 1


class Broken(Money):
    def __hash__(self) -> int:
        raise RuntimeError("no hash today")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({Money(Decimal(1))}, id="in a set"),
        pytest.param(frozenset({(1, Money(Decimal(1)))}), id="in a tuple in a frozenset"),
        pytest.param({Money(Decimal(1)): 1}, id="as a key"),
        pytest.param({(1, Money(Decimal(1))): 1}, id="in a key"),
        pytest.param([{Money(Decimal(1)): [1, {2: (3,)}]}] * 9, id="as many keys"),
    ],
)
@pytest.mark.parametrize(("become", "raised"), [(Unhashable, "TypeError"), (Broken, "RuntimeError")])
def test_an_own_type_that_cannot_be_hashed_any_more_is_told_by_its_name(
    become: Callable[[Decimal], Any], raised: str, value: Any
) -> None:
    later = Serializer({become: ("money", money_to_plain, become)})  # type: ignore[dict-item]

    with pytest.raises(SessionDataError, match=rf"own type .*{become.__name__} .*{raised}"):
        later.loads(SERIALIZER.dumps([value]))


def test_own_types_of_one_hash_are_told_by_their_name() -> None:
    later = Serializer({Constant: ("money", money_to_plain, Constant)})

    with pytest.raises(SessionDataError, match=r"own type .*Constant .*ValueError"):
        later.loads(SERIALIZER.dumps([{Money(Decimal(number)) for number in range(99)}]))


@pytest.mark.parametrize(
    ("types", "faults"),
    [
        pytest.param([], None, id="empty"),
        pytest.param(["money"], ["mapping"], id="no mapping"),
        pytest.param({"Money": ("m", str, str)}, ["a class"], id="no class"),
        pytest.param({Money: "money"}, ["Money: expected (name, to_plain, from_plain)"], id="no triple"),
        pytest.param({Money: ("", 1, None)}, ["name must", "to_plain is not", "from_plain is not"], id="all at once"),
        pytest.param({Money: ("a", str, str), Plane: ("a", str, str)}, ["'a' is given twice"], id="same name"),
        pytest.param(
            {list: ("a", str, str), Plane: (1, str, str)}, ["list: is supported", "Plane: the name"], id="two"
        ),
        pytest.param({Markup: ("a", str, str)}, ["Markup: is supported already"], id="supported"),
        pytest.param({bytearray: ("a", bytes, bytearray)}, ["bytearray: cannot be an own type"], id="bytearray"),
    ],
)
def test_bad_own_types_are_refused_with_every_fault(types: Any, faults: list[str] | None) -> None:
    if faults is None:
        assert Serializer(types).loads(b"\xc0") is None
        return

    with pytest.raises(ValueError, match=r"\w") as caught:
        Serializer(types)

    assert all(fault in str(caught.value) for fault in faults)


# An error of the machine is none of the bytes


def test_an_application_at_the_end_of_its_stack_is_told_and_the_bytes_are_not_blamed() -> None:
    packed = PLAIN.dumps({"a": [(1, (2, frozenset({3}))), Decimal(1)]})

    def load_below(frames: int) -> object:
        return load_below(frames - 1) if frames else PLAIN.loads(packed)

    def climb() -> None:
        for frames in range(sys.getrecursionlimit()):
            load_below(frames)

    with pytest.raises(RecursionError):
        climb()


def test_an_application_without_memory_is_told_and_the_bytes_are_not_blamed() -> None:
    class Poor(Money):
        def __hash__(self) -> int:
            raise MemoryError

    serializer = Serializer({Poor: ("money", money_to_plain, Poor)})

    with pytest.raises(MemoryError):
        serializer.loads(SERIALIZER.dumps([{Money(Decimal(1))}]))


@pytest.mark.parametrize("kind", [MemoryError, RecursionError])
def test_an_application_without_memory_or_stack_is_told_and_the_value_is_not_blamed(kind: type[Exception]) -> None:
    errors = [kind()]

    def to_plain(money: Money) -> Any:
        if errors:
            raise errors.pop()
        return money_to_plain(money)

    serializer = Serializer({Money: ("money", to_plain, Money)})

    with pytest.raises(kind):
        serializer.dumps({"price": Money(Decimal(1))})


# Bytes that are not ours


def load_or_malformed(data: bytes) -> None:
    """Other errors fail; SessionDataError is one of bytes that name an own type or a time zone."""
    with contextlib.suppress(Malformed, SessionDataError):
        SERIALIZER.loads(data)


@given(st.binary(max_size=300))
def test_any_bytes_give_a_value_or_malformed(data: bytes) -> None:
    load_or_malformed(data)


@given(VALUES, st.data())
def test_changed_bytes_give_a_value_or_malformed(value: Any, data: st.DataObject) -> None:
    packed = bytearray(SERIALIZER.dumps([value]))
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))

    load_or_malformed(bytes(packed))


@given(VALUES, st.binary(min_size=1, max_size=3))
def test_cut_and_lengthened_bytes_are_malformed(value: Any, tail: bytes) -> None:
    packed = SERIALIZER.dumps([value])

    for changed in (packed[:-1], packed + tail, b""):
        with pytest.raises(Malformed):
            SERIALIZER.loads(changed)


def ext(code: int, body: bytes) -> bytes:
    return b"\xc9" + len(body).to_bytes(4, "big") + bytes([code]) + body


def nested_ext(levels: int, code: int) -> bytes:
    packed = b"\x01"
    for _ in range(levels):
        packed = ext(code, b"\x91" + packed)
    return packed


MALFORMED = [
    pytest.param(b"\xc1", id="never used byte"),
    pytest.param(ext(99, b""), id="unknown extension"),
    pytest.param(b"\xff\x00", id="trailing byte after -1"),
    pytest.param(b"\x92\xff\xc1", id="never used byte behind -1"),
    pytest.param(b"\x92\xff" + ext(99, b""), id="unknown extension behind -1"),
    pytest.param(b"\x92\xff" + ext(1, b"\x01"), id="tuple without an array behind -1"),
    pytest.param(b"\x92\xff" + ext(1, b"\x92\x01")[:-1] + b"\x01\x01", id="body shorter than its array behind -1"),
    pytest.param(b"\x92\xff" + ext(1, b"\x91\x01\x01"), id="body longer than its array behind -1"),
    pytest.param(ext(1, b""), id="tuple without a body"),
    pytest.param(ext(1, ext(1, ext(1, b"\x90"))), id="tuple without an array"),
    pytest.param(ext(4, b"\x91\xa5money"), id="own type without a value"),
    pytest.param(ext(2, b"\x91\x90"), id="set of a list"),
    pytest.param(b"\xa1\xff", id="text that is not UTF-8"),
    pytest.param(ext(12, b"\x80"), id="markup that is not UTF-8"),
    pytest.param(ext(6, b"\x3f" + b"\xff" * 7), id="datetime out of range"),
    pytest.param(ext(6, b"\x40" + bytes(7)), id="datetime in a zone without a name"),
    pytest.param(ext(6, b"\x40" + bytes(7) + b"\xff"), id="datetime in a zone whose name is not UTF-8"),
    pytest.param(ext(4, b"\x92\x01\x02"), id="own type whose name is no text"),
    pytest.param(ext(6, bytes(15)), id="datetime of no length"),
    pytest.param(ext(6, bytes(8) + b"\x7f" + b"\x00" * 7), id="offset out of range"),
    pytest.param(ext(7, bytes(4)), id="date out of range"),
    pytest.param(ext(8, (86_400_000_000).to_bytes(8, "big")), id="time of a day"),
    pytest.param(ext(9, b"\x7f" * 10), id="timedelta out of range"),
    pytest.param(ext(9, bytes(11)), id="timedelta too long"),
    pytest.param(ext(10, bytes(15)), id="UUID of 15 bytes"),
    pytest.param(ext(11, b"1_0"), id="decimal with an underscore"),
    pytest.param(ext(11, b"nonsense"), id="decimal of nonsense"),
    pytest.param(ext(11, b"1E+99999999999999999999"), id="decimal beyond all exponents"),
    pytest.param(ext(2, b"\x91" + ext(11, b"sNaN")), id="signalling nan in a set"),
]


@pytest.mark.parametrize("data", MALFORMED)
def test_what_no_serializer_has_written_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        SERIALIZER.loads(data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        pytest.param(b"\xd6\xff\x00\x00\x00\x01", datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc), id="timestamp"),
        pytest.param(b"\x81\x91\x05\x01", {(5,): 1}, id="dict with a list for a key"),
    ],
)
def test_what_only_another_packer_writes_comes_as_a_supported_type(data: bytes, value: object) -> None:
    assert shape(SERIALIZER.loads(data)) == shape(value)


def test_a_session_with_many_containers_is_loaded() -> None:
    data = {
        "cart": [{"n": -1, "f": 1.5, "s": "й" * 300, "b": bytes(300), "t": (1, {2}), "i": 2**70} for _ in range(100)],
        "map": {number: -number * 10**9 for number in range(20)},
        "text": "x" * 70_000,
        "far": timedelta.max,
        "price": Money(Decimal(1)),
    }

    assert SERIALIZER.loads(SERIALIZER.dumps(data)) == data


MEGABYTES = 1 << 20
HOSTILE = [
    pytest.param(b"\xdc\x0f\xa0" * 1365, id="arrays"),
    pytest.param(b"\xdd\x00\x00\x0f\xa0" * 64 + bytes(3776), id="few arrays"),
    pytest.param(b"\xde\x07\xa0" * 1365, id="maps"),
    pytest.param(b"\x9f" * 4096, id="fixed arrays"),
    pytest.param(b"\x91" * 4095 + b"\xc0", id="deep arrays"),
    pytest.param(b"\xdf\xff\xff\xff\xff", id="a map of four billion"),
    pytest.param(b"\xdd\xff\xff\xff\xff", id="an array of four billion"),
    pytest.param(b"\xc6\xff\xff\xff\xff", id="four billion bytes"),
    pytest.param(nested_ext(580, 1), id="nested tuples"),
    pytest.param(nested_ext(580, 3), id="nested frozensets"),
    pytest.param(nested_ext(62, 3), id="frozensets as deep as may be"),
    pytest.param(b"\xdc\x05\x54" + b"\xd4\x01\x90" * 1364, id="many tuples"),
    pytest.param(b"\xdc\x05\x54" + b"\xd4\x02\x90" * 1364, id="many sets"),
    pytest.param(ext(11, b"9" * 4000), id="many digits"),
    pytest.param(ext(2, b"\x91" + ext(11, b"1E+999999999999999999")), id="a great exponent, hashed"),
    pytest.param(ext(2, b"\x91" + ext(5, b"\x7f" * 4000)), id="a great int, hashed"),
]


@pytest.mark.parametrize("data", HOSTILE)
def test_four_kilobytes_never_take_ten_megabytes(data: bytes) -> None:
    load_or_malformed(data[:4096])
    tracemalloc.start()

    load_or_malformed(data[:4096])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 10 * MEGABYTES


@pytest.mark.parametrize("data", HOSTILE)
def test_four_kilobytes_never_take_ten_milliseconds(data: bytes) -> None:
    assert processor_seconds_of(lambda: load_or_malformed(data[:4096])) < 0.010


HEADERS = st.sampled_from([b"\xdc\x0f\xa0", b"\x9f", b"\xde\x07\xa0", b"\xc7\x04\x01\x93", b"\x01"])


@given(st.lists(HEADERS, max_size=900))
def test_no_mixture_of_headers_takes_ten_megabytes(headers: list[bytes]) -> None:
    data = b"".join(headers).ljust(4096, b"\x00")[:4096]
    tracemalloc.start()

    load_or_malformed(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 10 * MEGABYTES


# What shares a hash


MODULUS = sys.hash_info.modulus


def decimals_of(number: int, count: int) -> list[Decimal]:
    """Decimals of one hash: for each exponent there is one of nineteen digits."""
    found = [Decimal(number * pow(10, exponent, MODULUS) % MODULUS).scaleb(-exponent) for exponent in range(20, 900)]
    return [value for value in found if hash(value) == number][:count]


def packed_items(items: Iterable[Any]) -> Iterator[bytes]:
    """Each of *items* as bytes, as many as four kilobytes hold."""
    left = 4000
    for item in items:
        packed = SERIALIZER.dumps(item)
        left -= len(packed) + 1
        if left < 0:
            return
        yield packed


def as_set(items: Iterable[Any]) -> bytes:
    packed = list(packed_items(items))
    return ext(2, b"\xdc" + len(packed).to_bytes(2, "big") + b"".join(packed))


def as_keys(items: Iterable[Any]) -> bytes:
    packed = list(packed_items(items))
    return b"\xde" + len(packed).to_bytes(2, "big") + b"".join(item + b"\x01" for item in packed)


HASH = hash(2.0**-1000)
FLOATS = [2.0 ** (61 * step - 1000) for step in range(33)]
LIKE_A_FLOAT = [
    pytest.param([*FLOATS, *decimals_of(HASH, 200)], id="floats and decimals"),
    pytest.param([HASH + (MODULUS << 21_600), *decimals_of(HASH, 56)], id="a great int and decimals"),
    pytest.param([HASH + MODULUS * factor for factor in range(1, 400)], id="ints"),
    pytest.param([UUID(int=HASH + MODULUS * factor) for factor in range(1, 400)], id="UUIDs"),
    pytest.param([Constant(Decimal(number)) for number in range(400)], id="own types"),
]
IN_A_SET: list[Any] = [
    pytest.param(lambda item: item, id="bare"),
    pytest.param(lambda item: (item,), id="in tuples"),
    pytest.param(lambda item: frozenset({item}), id="in frozensets"),
]
COLLIDING = Serializer({Constant: ("constant", money_to_plain, Constant)})


@pytest.mark.parametrize("write", [as_set, as_keys])
@pytest.mark.parametrize("wrap", IN_A_SET)
@pytest.mark.parametrize("items", LIKE_A_FLOAT[:-1])
def test_four_kilobytes_of_one_hash_do_not_take_ten_milliseconds(
    items: list[Any], wrap: Callable[[Any], Any], write: Callable[[Iterable[Any]], bytes]
) -> None:
    data = write(map(wrap, items))

    assert processor_seconds_of(lambda: load_or_malformed(data)) < 0.010


@pytest.mark.parametrize("wrap", IN_A_SET)
@pytest.mark.parametrize("items", LIKE_A_FLOAT)
def test_what_would_take_long_to_load_is_refused_when_it_is_stored(
    items: list[Any], wrap: Callable[[Any], Any]
) -> None:
    elements, keys = set(map(wrap, items)), dict.fromkeys(map(wrap, items), 1)

    with pytest.raises(SessionDataError, match=r"^session\['a'\]\[0\]: so many of its elements share a hash"):
        COLLIDING.check("a", [elements])
    with pytest.raises(SessionDataError, match=r"^session\['a'\]: so many of its elements share a hash"):
        COLLIDING.dumps({"a": elements})
    with pytest.raises(SessionDataError, match=r"^session\['a'\]: so many of its keys share a hash.*a list of pairs"):
        COLLIDING.check("a", keys)
    with pytest.raises(SessionDataError, match=r"^session\['a'\]: so many of its keys share a hash"):
        COLLIDING.verify_packed({"a": keys})


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([(x, y, z) for x in range(-5, 5) for y in range(-5, 5) for z in range(-5, 5)], id="a grid"),
        pytest.param([((x, y), (x + 1, y)) for x in range(-9, 9) for y in range(-9, 9)], id="edges of a grid"),
        pytest.param([frozenset({(x, y), (x + 1, y)}) for x in range(-5, 5) for y in range(-5, 5)], id="edges, frozen"),
        pytest.param(FLOATS, id="floats"),
        pytest.param([1.5, Decimal(3), 2**70, 7], id="numbers"),
        pytest.param(decimals_of(HASH, 15), id="fifteen decimals"),
    ],
)
def test_a_set_and_keys_of_which_a_few_share_a_hash_come_back(items: list[Any]) -> None:
    data = {"set": set(items), "keys": dict.fromkeys(items, (1, Decimal(2)))}

    SERIALIZER.check("set", data["set"])
    loaded = SERIALIZER.loads(SERIALIZER.dumps(data))

    assert loaded == data
    SERIALIZER.verify_packed(data)


# What is kept


def test_no_key_that_a_client_has_chosen_is_interned() -> None:
    packed = PLAIN.dumps({"a": {f"{name}-chosen-by-a-client-{name}": 1 for name in range(9)}})

    for key in PLAIN.loads(packed)["a"]:
        copy = "".join(list(key))
        assert sys.intern(copy) is copy


MEMORY = """
import gc, tracemalloc
from sessionware.wire.serializer import Serializer

serializer = Serializer()
visitors = [serializer.dumps({f"{number:09}{key}" * 5: 1 for key in "abcdefghij"}) for number in range(3000)]
serializer.loads(visitors[0])
tracemalloc.start()
for visitor in visitors:
    serializer.loads(visitor)
gc.collect()
print(tracemalloc.get_traced_memory()[0])
"""


def test_loading_the_sessions_of_many_visitors_keeps_no_memory() -> None:
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)

    assert int(run.stdout) < 200_000


# What a crash report shows


def failing(plain: Any) -> Any:
    raise LookupError("the application's own words")


@pytest.mark.parametrize(
    "fail",
    [
        pytest.param(lambda: PLAIN.check("hunter2", [Plane("hunter2")]), id="check"),
        pytest.param(lambda: PLAIN.dumps({"hunter2": "hunter2", "a": [Plane()]}), id="dumps"),
        pytest.param(lambda: PLAIN.dumps({"hunter2": "\ud800"}), id="dumps of a surrogate"),
        pytest.param(lambda: PLAIN.verify({"hunter2": "hunter2", "a": [bytearray(b"hunter2")]}), id="verify"),
        pytest.param(lambda: PLAIN.verify_packed({"a": ["hunter2", bytearray(b"hunter2")]}), id="verify_packed"),
        pytest.param(lambda: PLAIN.loads(b"\x92\xa7hunter2" + ext(4, b"\x92\xa1m\xa7hunter2")), id="undeclared"),
        pytest.param(lambda: PLAIN.loads(b"\x92\xa7hunter2" + ext(6, b"\x40" + bytes(7) + b"No/Zone")), id="no zone"),
        pytest.param(
            lambda: Serializer({Plane: ("m", failing, failing)}).dumps({"hunter2": [Plane("hunter2")]}), id="to_plain"
        ),
        pytest.param(
            lambda: Serializer({Plane: ("m", str, failing)}).loads(ext(4, b"\x92\xa1m\xa7hunter2")), id="from_plain"
        ),
    ],
)
def test_no_frame_of_an_error_shows_what_a_session_holds(fail: Callable[[], object]) -> None:
    with pytest.raises(SessionDataError) as caught:
        fail()

    assert "hunter2" not in locals_in(caught.value, "sessionware")


def test_uuid_is_sixteen_bytes_behind_two() -> None:
    assert PLAIN.dumps(UUID(int=1)) == b"\xd8\x0a" + UUID(int=1).bytes
