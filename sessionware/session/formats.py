"""Records as bytes.

A record is one msgpack array of two, a header and the session's data, behind four bytes that say where the data
begins: so one call unpacks all of it, and the data's own bytes are at hand to compare with later. The version of the
format stands in the seal around it.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import astuple

from sessionware.crypto.csrf import SECRET_BYTES
from sessionware.exceptions import SessionDataError
from sessionware.session.lifetimes import MAX_SECONDS
from sessionware.session.records import Cause, Ended, Index, IndexEntry, Live, Record, Superseded
from sessionware.wire.serializer import Malformed, Serializer

#: The bytes of a session's data without a key.
EMPTY = b"\x80"
_PAIR = b"\x92"
_OFFSET_BYTES = 4
_HEADER_START = _OFFSET_BYTES + len(_PAIR)
_LIVE, _SUPERSEDED, _ENDED, _INDEX = 1, 2, 3, 4
#: The fields of a Live record that hold its data come first; the others, in their order, are the header.
_DATA_FIELDS = 2
_NUMBERS = frozenset({float, int})
_USER_IDS = frozenset({str, int, type(None)})
_BYTES = frozenset({bytes})
#: The first second that a datetime can tell. A NaN is not after it either: with one, no comparison ends a session.
_EARLIEST_SECONDS = -62_135_596_800.0


class Formats:
    """Packs and unpacks records with a session's own serializer."""

    __slots__ = ("_serializer",)

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer

    def pack(self, record: Record) -> bytes:
        """The bytes of *record*."""
        header: list[Any]
        if isinstance(record, Live):
            header, packed = [_LIVE, *astuple(record)[_DATA_FIELDS:]], record.packed
        elif isinstance(record, Superseded):
            was = astuple(record.was)[_DATA_FIELDS:]
            header, packed = [_SUPERSEDED, *was, record.next_key, record.cause.value, record.until], record.was.packed
        else:
            header, packed = [_ENDED], EMPTY
        return self._joined(header, packed)

    def pack_index(self, index: Index) -> bytes:
        """The bytes of *index*, whose entries stand where the data of a session does."""
        return self._joined([_INDEX], self._serializer.dumps([list(astuple(entry)) for entry in index.entries]))

    def _joined(self, header: list[Any], packed: bytes) -> bytes:
        head = self._serializer.dumps(header)
        return len(head).to_bytes(_OFFSET_BYTES, "big") + _PAIR + head + packed

    def unpack(self, payload: bytes) -> Record:
        """The record that *payload* holds.

        Raises :exc:`Malformed`; and :exc:`SessionDataError`, which is the application's fault, for data that cannot be
        made from good bytes.
        """
        try:
            header, data = self._serializer.loads(payload[_OFFSET_BYTES:])
            start = _HEADER_START + int.from_bytes(payload[:_OFFSET_BYTES], "big")
            return _record(header, data, payload[start:])
        except (TypeError, ValueError, LookupError) as error:
            raise Malformed("no record") from error
        except SessionDataError:
            del payload  # a crash report shows the locals of each frame
            raise

    def unpack_without_data(self, payload: bytes) -> Record:
        """As :meth:`unpack`, with empty data, which may be of types that this process does not declare."""
        try:
            start = _HEADER_START + int.from_bytes(payload[:_OFFSET_BYTES], "big")
            header = self._serializer.loads(payload[_HEADER_START:start])
            return _record(header, {}, EMPTY)
        except (TypeError, ValueError, LookupError) as error:
            raise Malformed("no record") from error

    def unpack_index(self, payload: bytes) -> Index:
        """The index that *payload* holds; raises :exc:`Malformed`, for a session's record too."""
        try:
            header, entries = self._serializer.loads(payload[_OFFSET_BYTES:])
            if header != [_INDEX] or type(entries) is not list:
                raise ValueError("no index")
            return Index(tuple(_checked_entry(IndexEntry(*fields)) for fields in entries))
        except (TypeError, ValueError, LookupError, SessionDataError) as error:
            raise Malformed("no index") from error


def _record(header: list[Any], data: dict[str, Any], packed: bytes) -> Record:
    kind = header[0]
    if kind == _LIVE:
        return _checked(Live(data, packed, *header[1:]))
    if kind == _SUPERSEDED:
        *fields, next_key, cause, until = header[1:]
        is_time = type(until) in _NUMBERS and _EARLIEST_SECONDS <= until <= MAX_SECONDS
        if type(next_key) is not str or not is_time:
            raise ValueError("a field of a wrong type")
        return Superseded(_checked(Live(data, packed, *fields)), next_key, Cause(cause), until)
    if kind == _ENDED:
        return Ended()
    raise ValueError("no kind of record")


def _checked_entry(entry: IndexEntry) -> IndexEntry:
    """*entry*, or ValueError, as of :func:`_checked`."""
    if (
        type(entry.handle) is bytes
        and (entry.was is None or type(entry.was) is bytes)
        and (entry.ends_at is None or type(entry.ends_at) in _NUMBERS)
    ):
        return entry
    raise ValueError("a field of a wrong type")


def _checked(live: Live) -> Live:
    """*live*, or ValueError if a field is of a wrong type: the signature tells who has written it, and not what."""
    created_at, started_at, seen_at, ends_at = live.created_at, live.started_at, live.seen_at, live.ends_at
    if (
        type(live.data) is dict
        and type(live.handle) is bytes
        and type(created_at) in _NUMBERS
        and type(started_at) in _NUMBERS
        and type(seen_at) in _NUMBERS
        and created_at >= _EARLIEST_SECONDS
        and started_at >= _EARLIEST_SECONDS
        and seen_at >= _EARLIEST_SECONDS
        and (ends_at is None or (type(ends_at) in _NUMBERS and _EARLIEST_SECONDS <= ends_at <= MAX_SECONDS))
        and type(live.is_remembered) is bool
        and type(live.user_id) in _USER_IDS
        and (live.label is None or type(live.label) is str)
        and (live.csrf is None or (type(live.csrf) is bytes and len(live.csrf) == SECRET_BYTES))
        and type(live.flashes) is list
        and (not live.flashes or _BYTES.issuperset(map(type, live.flashes)))
    ):
        return live
    raise ValueError("a field of a wrong type")
