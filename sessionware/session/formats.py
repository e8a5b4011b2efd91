"""Records as bytes.

A record is one msgpack array of two, a header and the session's data, behind four bytes that say where the data
begins: so one call unpacks all of it, and the data's own bytes are at hand to compare with later. The version of the
format stands in the seal around it.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import astuple

from sessionware.exceptions import SessionDataError
from sessionware.session.records import Cause, Ended, Live, Record, Superseded
from sessionware.wire.serializer import Malformed, Serializer

#: The bytes of a session's data without a key.
EMPTY = b"\x80"
_PAIR = b"\x92"
_OFFSET_BYTES = 4
_HEADER_START = _OFFSET_BYTES + len(_PAIR)
_LIVE, _SUPERSEDED, _ENDED = 1, 2, 3
#: The fields of a Live record that hold its data come first; the others, in their order, are the header.
_DATA_FIELDS = 2
_NUMBERS = frozenset({float, int})
_USER_IDS = frozenset({str, int, type(None)})
_BYTES = frozenset({bytes})


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


def _record(header: list[Any], data: dict[str, Any], packed: bytes) -> Record:
    kind = header[0]
    if kind == _LIVE:
        return _checked(Live(data, packed, *header[1:]))
    if kind == _SUPERSEDED:
        *fields, next_key, cause, until = header[1:]
        if type(next_key) is not str or type(until) not in _NUMBERS:
            raise ValueError("a field of a wrong type")
        return Superseded(_checked(Live(data, packed, *fields)), next_key, Cause(cause), until)
    if kind == _ENDED:
        return Ended()
    raise ValueError("no kind of record")


def _checked(live: Live) -> Live:
    """*live*, or ValueError if a field is of a wrong type: the signature tells who has written it, and not what."""
    if (
        type(live.data) is dict
        and type(live.handle) is bytes
        and type(live.created_at) in _NUMBERS
        and type(live.started_at) in _NUMBERS
        and type(live.seen_at) in _NUMBERS
        and (live.ends_at is None or type(live.ends_at) in _NUMBERS)
        and type(live.is_remembered) is bool
        and type(live.user_id) in _USER_IDS
        and (live.label is None or type(live.label) is str)
        and (live.csrf is None or type(live.csrf) is bytes)
        and type(live.flashes) is list
        and (not live.flashes or _BYTES.issuperset(map(type, live.flashes)))
    ):
        return live
    raise ValueError("a field of a wrong type")
