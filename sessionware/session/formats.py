"""Records as bytes.

A record is one msgpack array of two, a header and the session's data, behind four bytes that say where the data
begins, so that each can be unpacked by itself, and the data's own bytes are at hand to compare with later. The version
of the format stands in the seal around it.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, defstruct
from msgspec.msgpack import Ext
from msgspec.structs import astuple, fields

from sessionware.companions import DECODING_FAULTS
from sessionware.crypto.csrf import SECRET_BYTES
from sessionware.exceptions import SessionDataError
from sessionware.session.lifetimes import MAX_SECONDS
from sessionware.session.records import Cause, Ended, Index, IndexEntry, Live, Record, Superseded
from sessionware.wire import tags
from sessionware.wire.serializer import Malformed, Serializer

#: The bytes of a session's data without a key.
EMPTY = b"\x80"
_PAIR = b"\x92"
#: The bytes before the header: how many it has, and the mark of the array.
_START = struct.Struct(">I1s")
_HEADER_START = _START.size
_OFFSET = struct.Struct(">I")
_LIVE, _SUPERSEDED, _ENDED, _INDEX, _TAKEN_OVER = 1, 2, 3, 4, 5
#: The fields of a Live record that hold its data come first; the others, in their order, are the header. The last two,
#: which few records have, make a header of another kind.
_HEADER = slice(2, -2)
_NUMBERS = frozenset({float, int})
#: What unpacking raises for bytes that are no record.
_FAULTS = (TypeError, LookupError, struct.error, *DECODING_FAULTS)
#: The first second that a datetime can tell. A NaN is not after it either: with one, no comparison ends a session.
EARLIEST_SECONDS = -62_135_596_800.0


# What the headers hold, each field of its type: the signature tells who has written a header, and not what. As types of
# msgspec they are checked in C, while the header is unpacked, and its random bytes are not taken for marks of the data.

_Time = Annotated[float, Meta(ge=EARLIEST_SECONDS)]
_End = Annotated[float, Meta(ge=EARLIEST_SECONDS, le=MAX_SECONDS)]
_FIELD_TYPES: dict[str, Any] = {
    **{field.name: field.type for field in fields(Live)[_HEADER]},
    "created_at": _Time,
    "started_at": _Time,
    "seen_at": _Time,
    "ends_at": _End | None,
    # An int of more than 64 bits is an extension.
    "user_id": str | int | Ext | None,
    "csrf": Annotated[bytes, Meta(min_length=SECRET_BYTES, max_length=SECRET_BYTES)] | None,
}
_LiveHeader: Any = defstruct(
    "_LiveHeader", _FIELD_TYPES.items(), tag=_LIVE, array_like=True, forbid_unknown_fields=True
)
_SupersededHeader: Any = defstruct(
    "_SupersededHeader",
    [("next_key", str), ("cause", Cause), ("until", _End)],
    bases=(_LiveHeader,),
    tag=_SUPERSEDED,
    array_like=True,
    forbid_unknown_fields=True,
)
_TakenOverHeader: Any = defstruct(
    "_TakenOverHeader",
    [("taken_from", bytes), ("signed_in_at", _Time | None)],
    bases=(_LiveHeader,),
    tag=_TAKEN_OVER,
    array_like=True,
    forbid_unknown_fields=True,
)


class _EndedHeader(Struct, tag=_ENDED, array_like=True, forbid_unknown_fields=True):
    pass


#: In half the time that a serializer takes, and to the same bytes.
_pack_header = msgspec.msgpack.Encoder().encode
_unpack_header = msgspec.msgpack.Decoder(_LiveHeader | _SupersededHeader | _EndedHeader | _TakenOverHeader).decode


class Formats:
    """Packs and unpacks records with a session's own serializer."""

    __slots__ = ("_serializer",)

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer

    def pack(self, record: Record) -> bytes:
        """The bytes of *record*."""
        if isinstance(record, Live):
            if record.taken_from is None:
                return self._joined(_header(_LIVE, record), record.packed)
            header = [*_header(_TAKEN_OVER, record), record.taken_from, record.signed_in_at]
            return self._joined(header, record.packed)
        if isinstance(record, Superseded):
            was = _header(_SUPERSEDED, record.was)
            return self._joined([*was, record.next_key, record.cause.value, record.until], record.was.packed)
        return self._joined([_ENDED], EMPTY)

    def pack_index(self, index: Index) -> bytes:
        """The bytes of *index*, whose entries stand where the data of a session does."""
        return self._joined([_INDEX], self._serializer.dumps([list(astuple(entry)) for entry in index.entries]))

    def _joined(self, header: list[Any], packed: bytes) -> bytes:
        try:
            head = _pack_header(header)
        except (OverflowError, TypeError):  # the id of a user that has more than 64 bits
            head = self._serializer.dumps(header)
        return _START.pack(len(head), _PAIR) + head + packed

    def unpack(self, payload: bytes) -> Record:
        """The record that *payload* holds.

        Raises :exc:`Malformed`; and :exc:`SessionDataError`, which is the application's fault, for data that cannot be
        made from good bytes.
        """
        try:
            start = _HEADER_START + _OFFSET.unpack_from(payload)[0]
            packed = payload[start:]
            return _record(payload[_HEADER_START:start], self._serializer.loads(packed), packed)
        except _FAULTS as error:
            raise Malformed("no record") from error
        except SessionDataError:
            del payload, packed  # a crash report shows the locals of each frame
            raise

    def unpack_without_data(self, payload: bytes) -> Record:
        """As :meth:`unpack`, with empty data, which may be of types that this process does not declare."""
        try:
            start = _HEADER_START + _OFFSET.unpack_from(payload)[0]
            return _record(payload[_HEADER_START:start], {}, EMPTY)
        except _FAULTS as error:
            raise Malformed("no record") from error

    def unpack_index(self, payload: bytes) -> Index:
        """The index that *payload* holds; raises :exc:`Malformed`, for a session's record too."""
        try:
            header, entries = self._serializer.loads(payload[_OFFSET.size :])
            if header != [_INDEX] or type(entries) is not list:
                raise ValueError("no index")
            return Index(tuple(_checked_entry(IndexEntry(*fields)) for fields in entries))
        except (*_FAULTS, SessionDataError) as error:
            raise Malformed("no index") from error


def _header(kind: int, live: Live) -> list[Any]:
    """The header of *live* in a record of this *kind*. Written out, for astuple() takes longer; so does _record()."""
    return [
        kind,
        live.handle,
        live.created_at,
        live.started_at,
        live.seen_at,
        live.ends_at,
        live.is_remembered,
        live.user_id,
        live.label,
        live.csrf,
        live.flashes,
    ]


def _record(head: bytes, data: dict[str, Any], packed: bytes) -> Record:
    if type(data) is not dict:
        raise ValueError("no data of a session")
    header = _unpack_header(head)
    kind = type(header)
    if kind is _EndedHeader:
        return Ended()
    live = Live(
        data,
        packed,
        header.handle,
        header.created_at,
        header.started_at,
        header.seen_at,
        header.ends_at,
        header.is_remembered,
        header.user_id,
        header.label,
        header.csrf,
        header.flashes,
    )
    if type(header.user_id) is Ext:
        live.user_id = _long_id(header.user_id)
    if kind is _LiveHeader:
        return live
    if kind is _SupersededHeader:
        return Superseded(live, header.next_key, header.cause, header.until)
    live.taken_from, live.signed_in_at = header.taken_from, header.signed_in_at
    return live


def _long_id(extension: Ext) -> int:
    """The id of a user that is an int of more than 64 bits."""
    if extension.code != tags.INT:
        raise ValueError("a field of a wrong type")
    user_id: int = tags.LEAVES[int].decode(bytes(extension.data))
    return user_id


def _checked_entry(entry: IndexEntry) -> IndexEntry:
    """*entry*, or ValueError if a field is of a wrong type."""
    if (
        type(entry.handle) is bytes
        and (entry.was is None or type(entry.was) is bytes)
        and (entry.ends_at is None or type(entry.ends_at) in _NUMBERS)
    ):
        return entry
    raise ValueError("a field of a wrong type")
