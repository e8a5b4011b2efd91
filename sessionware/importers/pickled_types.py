"""The types that are read of pickled sessions: those that a session of ours can hold, and no others."""

from __future__ import annotations

import struct
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from markupsafe import Markup

from sessionware.importers.pickle_format import Builder, Types, hashed, parse
from sessionware.wire.tags import LEAVES, few_zones, find_zone

_DATE = struct.Struct(">H2B")
_TIME = struct.Struct(">3BBH")
_FOLD = 0x80


def read(payload: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The items of a pickled dict, and the keys of those that are of other types; raises ``ValueError``."""
    return build(parse(payload), len(payload))


def build(parsed: Any, size: int) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The same of what was *parsed* from a payload of *size* bytes."""
    with few_zones():
        return Builder(size, TYPES).items(parsed)


def _stateless(arguments: tuple[Any, ...], state: Any, *types: type) -> tuple[Any, ...]:
    """The arguments, of exactly these types."""
    if state is not None or tuple(map(type, arguments)) != types:
        raise TypeError("other arguments than pickle gives")
    return arguments


def _bytes(arguments: tuple[Any, ...], state: Any) -> bytes:
    """The protocols before 3 write bytes as a text of Latin-1."""
    text, encoding = _stateless(arguments, state, str, str)
    if encoding != "latin1":
        raise ValueError("another encoding than pickle writes")
    return bytes(text.encode("latin-1"))


def _zone(given: tuple[Any, ...]) -> tzinfo | None:
    if not given:
        return None
    (zone,) = given
    if type(zone) not in (timezone, ZoneInfo):
        raise TypeError("no time zone")
    found: tzinfo = zone
    return found


def _datetime(arguments: tuple[Any, ...], state: Any) -> datetime:
    packed, *zone = arguments
    _stateless((packed,), state, bytes)
    year, month, day = _DATE.unpack(packed[:4])
    # The bit stands in the month, where that of a time stands in the hour.
    clock = _clock(packed[4:])
    return datetime(year, month & ~_FOLD, day, *clock, tzinfo=_zone(tuple(zone)), fold=month >> 7)


def _date(arguments: tuple[Any, ...], state: Any) -> date:
    (packed,) = _stateless(arguments, state, bytes)
    return date(*_DATE.unpack(packed))


def _time(arguments: tuple[Any, ...], state: Any) -> time:
    packed, *zone = arguments
    _stateless((packed,), state, bytes)
    hour, minute, second, microsecond = _clock(packed)
    return time(hour & ~_FOLD, minute, second, microsecond, _zone(tuple(zone)), fold=hour >> 7)


def _clock(packed: bytes) -> tuple[int, int, int, int]:
    hour, minute, second, high, low = _TIME.unpack(packed)
    return hour, minute, second, high << 16 | low


def _timedelta(arguments: tuple[Any, ...], state: Any) -> timedelta:
    days, seconds, microseconds = _stateless(arguments, state, int, int, int)
    return timedelta(days, seconds, microseconds)


def _timezone(arguments: tuple[Any, ...], state: Any) -> timezone:
    """An offset; a name that it was given is none that a session keeps."""
    (offset,) = _stateless(arguments[:1], state, timedelta)
    return timezone(offset) if offset else timezone.utc


def _zone_info(arguments: tuple[Any, ...], state: Any) -> ZoneInfo:
    (key,) = _stateless(arguments[:1], state, str)
    zone = find_zone(key) if key else None
    if zone is None:
        raise ValueError("no zone of this machine")
    return zone


def _uuid(arguments: tuple[Any, ...], state: Any) -> UUID:
    if arguments or type(state) is not dict or type(state.get("int")) is not int:
        raise TypeError("no UUID")
    return UUID(int=state["int"])


def _decimal(arguments: tuple[Any, ...], state: Any) -> Decimal:
    (text,) = _stateless(arguments, state, str)
    found: Decimal = LEAVES[Decimal].decode(text.encode("ascii"))
    return found


def _markup(arguments: tuple[Any, ...], state: Any) -> Markup:
    (text,) = _stateless(arguments, state, str)
    return Markup(text)  # noqa: S704 - it was Markup when it was pickled


def _set(arguments: tuple[Any, ...], state: Any) -> set[Any]:
    (members,) = _stateless(arguments, state, list)
    return hashed(set, members)


def _frozenset(arguments: tuple[Any, ...], state: Any) -> frozenset[Any]:
    (members,) = _stateless(arguments, state, list)
    return hashed(frozenset, members)


#: By the names that pickle writes; those with underscores are of the protocols before 4.
TYPES: Types = {
    ("_codecs", "encode"): _bytes,
    ("__builtin__", "bytes"): lambda arguments, state: bytes(_stateless(arguments, state)),
    ("__builtin__", "set"): _set,
    ("__builtin__", "frozenset"): _frozenset,
    ("builtins", "set"): _set,
    ("builtins", "frozenset"): _frozenset,
    ("datetime", "datetime"): _datetime,
    ("datetime", "date"): _date,
    ("datetime", "time"): _time,
    ("datetime", "timedelta"): _timedelta,
    ("datetime", "timezone"): _timezone,
    ("zoneinfo", "ZoneInfo._unpickle"): _zone_info,
    ("uuid", "UUID"): _uuid,
    ("decimal", "Decimal"): _decimal,
    ("markupsafe", "Markup"): _markup,
}
