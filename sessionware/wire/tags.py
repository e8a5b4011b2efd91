"""The msgpack extension types: their numbers, and the bytes of the types that msgpack does not have.

Tuples, sets, frozensets and own types are containers: their body is a msgpack array. ``LEAVES`` has the bodies of the
others. The numbers are part of the format, and none is ever used again for another type.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Context, Decimal
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from markupsafe import Markup

from sessionware.exceptions import SessionDataError

TUPLE = 1
SET = 2
FROZENSET = 3
OWN = 4
INT = 5
DATETIME = 6
DATE = 7
TIME = 8
TIMEDELTA = 9
UUID_ = 10
DECIMAL = 11
MARKUP = 12


class Leaf(NamedTuple):
    """A type that contains no other values: its number, and its functions to and from bytes.

    Both raise ``ValueError``, or an error of the type itself, for bad input.
    """

    code: int
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


_MICROSECOND = timedelta(microseconds=1)
_WITHOUT_OFFSET = struct.Struct(">Q")
_WITH_OFFSET = struct.Struct(">Qq")
_ORDINAL = struct.Struct(">I")
# Above every count of microseconds, which stay below 2**59.
_FOLD = 1 << 63
_IN_ZONE = 1 << 62
_COUNT = _IN_ZONE - 1
_MAX_SHOWN = 40
#: To find a zone takes as long as reading a file, because zoneinfo keeps few of them.
MAX_ZONES = 16
_zones_found: ContextVar[dict[str, ZoneInfo] | None] = ContextVar("zones_found", default=None)
_MAX_TIMEDELTA_BYTES = 10  # timedelta.max has 77 bits

# str(Decimal) and Decimal(str) follow the thread's context, which may write "e" for "E" and read nonsense as NaN, so
# both are given this one. Neither rounds.
_DECIMALS = Context(capitals=1, traps=[])


def encode_str(value: str) -> bytes:
    """UTF-8; ``ValueError`` for a lone surrogate, which has no UTF-8."""
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise ValueError("holds a lone surrogate, which has no UTF-8; store it as bytes") from None


def _encode_int(value: int) -> bytes:
    # Not as digits: converting those takes a time that grows with the square of their number.
    return value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True)


def _decode_int(body: bytes) -> int:
    return int.from_bytes(body, "big", signed=True)


def _encode_moment(since: timedelta, value: datetime | time) -> bytes:
    count = since // _MICROSECOND | (_FOLD if value.fold else 0)
    zone = value.tzinfo
    if zone is None:
        return _WITHOUT_OFFSET.pack(count)
    try:
        offset = value.utcoffset()
    except Exception as error:  # a tzinfo is not our code, and may raise anything
        raise ValueError("has a time zone whose utcoffset() raises; use datetime.timezone") from error
    if offset is None:
        raise ValueError("has a time zone without an offset; drop it, or use datetime.timezone")
    if type(zone) is ZoneInfo:
        return _WITHOUT_OFFSET.pack(count | _IN_ZONE) + _zone_name(zone)
    return _WITH_OFFSET.pack(count, offset // _MICROSECOND)


def _zone_name(zone: ZoneInfo) -> bytes:
    if find_zone(zone.key) is None:
        raise ValueError("has a ZoneInfo that was not found by its name; use ZoneInfo(name), or datetime.timezone")
    return zone.key.encode()


@contextlib.contextmanager
def few_zones() -> Iterator[None]:
    """Let everything that is encoded or decoded in the block have 16 named zones at most: ``ValueError`` for more."""
    token = _zones_found.set({})
    try:
        yield
    finally:
        _zones_found.reset(token)


def find_zone(name: str) -> ZoneInfo | None:
    found = _zones_found.get()
    if found is None:
        return _read_zone(name)
    zone = found.get(name)
    if zone is None:
        if len(found) == MAX_ZONES:
            raise ValueError(
                f"a session has times in {MAX_ZONES} time zones at most, since to find each takes long; store times in "
                "UTC, and the name of a zone as a str"
            )
        zone = _read_zone(name)
        if zone is not None:
            found[name] = zone
    return zone


def _read_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (LookupError, OSError, TypeError, ValueError):  # it looks for a file, or a package, of that name
        return None


def _decode_moment(body: bytes) -> datetime:
    (count,) = _WITHOUT_OFFSET.unpack_from(body)
    zone: tzinfo | None = None
    if count & _IN_ZONE:
        zone = _named_zone(body[_WITHOUT_OFFSET.size :].decode())
    elif len(body) != _WITHOUT_OFFSET.size:
        _, offset = _WITH_OFFSET.unpack(body)
        zone = timezone(timedelta(microseconds=offset)) if offset else timezone.utc
    moment = datetime.min + timedelta(microseconds=count & _COUNT)
    return moment.replace(tzinfo=zone, fold=1 if count & _FOLD else 0)


def _named_zone(name: str) -> ZoneInfo:
    if not name:
        raise ValueError("a zone without a name")
    zone = find_zone(name)
    if zone is None:
        # Its present offset would be another type, and another time once the rules of the zone change.
        raise SessionDataError(
            f"a session holds a time in the zone {name[:_MAX_SHOWN]!r}, which this machine does not know; install the "
            "package tzdata, or update it"
        )
    return zone


def _encode_datetime(value: datetime) -> bytes:
    return _encode_moment(value.replace(tzinfo=None) - datetime.min, value)


def _encode_time(value: time) -> bytes:
    since = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
    return _encode_moment(since, value)


def _decode_time(body: bytes) -> time:
    moment = _decode_moment(body)
    if moment.date() != date.min:
        raise ValueError("a time of more than a day")
    return moment.timetz()


def _encode_date(value: date) -> bytes:
    return _ORDINAL.pack(value.toordinal())


def _decode_date(body: bytes) -> date:
    return date.fromordinal(*_ORDINAL.unpack(body))


def _encode_timedelta(value: timedelta) -> bytes:
    return _encode_int(value // _MICROSECOND)


def _decode_timedelta(body: bytes) -> timedelta:
    if len(body) > _MAX_TIMEDELTA_BYTES:
        raise ValueError("a timedelta of too many bytes")
    return timedelta(microseconds=_decode_int(body))


def _encode_uuid(value: UUID) -> bytes:
    return value.bytes


def _decode_uuid(body: bytes) -> UUID:
    return UUID(bytes=body)


def _encode_decimal(value: Decimal) -> bytes:
    return _DECIMALS.to_sci_string(value).encode("ascii")


def _decode_decimal(body: bytes) -> Decimal:
    value = Decimal(body.decode("ascii"), _DECIMALS)
    if _encode_decimal(value) != body:
        raise ValueError("not a Decimal in its only spelling")
    return value


def _decode_markup(body: bytes) -> Markup:
    return Markup(body.decode())  # noqa: S704 - it was Markup when it was packed


LEAVES: dict[type, Leaf] = {
    int: Leaf(INT, _encode_int, _decode_int),  # only those beyond 64 bits, which msgpack has no room for
    datetime: Leaf(DATETIME, _encode_datetime, _decode_moment),
    date: Leaf(DATE, _encode_date, _decode_date),
    time: Leaf(TIME, _encode_time, _decode_time),
    timedelta: Leaf(TIMEDELTA, _encode_timedelta, _decode_timedelta),
    UUID: Leaf(UUID_, _encode_uuid, _decode_uuid),
    Decimal: Leaf(DECIMAL, _encode_decimal, _decode_decimal),
    Markup: Leaf(MARKUP, encode_str, _decode_markup),
}
