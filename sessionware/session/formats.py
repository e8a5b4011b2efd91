"""Records as bytes.

A record is one msgpack array of two, a header and the session's data, behind four bytes that say where the data
begins, so that each can be unpacked by itself, and the data's own bytes are at hand to compare with later. The version
of the format stands in the seal around it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct, defstruct
from msgspec.structs import astuple, fields

from sessionware.exceptions import SessionDataError
from sessionware.session.records import Cause, Ended, Live, Record, Superseded
from sessionware.wire import tags
from sessionware.wire.serializer import Malformed, Serializer

#: The bytes of a session's data without a key.
EMPTY = b"\x80"
_PAIR = b"\x92"
_OFFSET_BYTES = 4
_HEADER_START = _OFFSET_BYTES + len(_PAIR)
_LIVE, _SUPERSEDED, _ENDED = 1, 2, 3
#: The fields of a Live record that hold its data come first; the others, in their order, are the header.
_DATA_FIELDS = 2


# What the headers hold, each field of its type: the signature tells who has written a header, and not what. As types of
# msgspec they are checked in C, while the header is unpacked, and its random bytes are not taken for marks of the data.

_LiveHeader: Any = defstruct(
    "_LiveHeader",
    # A user's id of more than 64 bits is an extension.
    [
        (field.name, field.type | msgspec.msgpack.Ext if field.name == "user_id" else field.type)
        for field in fields(Live)[_DATA_FIELDS:]
    ],
    tag=_LIVE,
    array_like=True,
    forbid_unknown_fields=True,
)
_SupersededHeader: Any = defstruct(
    "_SupersededHeader",
    [("next_key", str), ("cause", Cause), ("until", float)],
    bases=(_LiveHeader,),
    tag=_SUPERSEDED,
    array_like=True,
    forbid_unknown_fields=True,
)


class _EndedHeader(Struct, tag=_ENDED, array_like=True, forbid_unknown_fields=True):
    pass


_unpack_header = msgspec.msgpack.Decoder(_LiveHeader | _SupersededHeader | _EndedHeader).decode


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
        start = _HEADER_START + int.from_bytes(payload[:_OFFSET_BYTES], "big")
        packed = payload[start:]
        try:
            return _record(payload[_HEADER_START:start], self._serializer.loads(packed), packed)
        except (TypeError, ValueError, LookupError) as error:
            raise Malformed("no record") from error
        except SessionDataError:
            del payload, packed  # a crash report shows the locals of each frame
            raise

    def unpack_without_data(self, payload: bytes) -> Record:
        """As :meth:`unpack`, with empty data, which may be of types that this process does not declare."""
        start = _HEADER_START + int.from_bytes(payload[:_OFFSET_BYTES], "big")
        try:
            return _record(payload[_HEADER_START:start], {}, EMPTY)
        except (TypeError, ValueError, LookupError) as error:
            raise Malformed("no record") from error


def _record(head: bytes, data: dict[str, Any], packed: bytes) -> Record:
    if type(data) is not dict:
        raise ValueError("no data of a session")
    header = _unpack_header(head)
    if type(header) is _LiveHeader:
        return _live(data, packed, *astuple(header))
    if type(header) is _SupersededHeader:
        *was, next_key, cause, until = astuple(header)
        return Superseded(_live(data, packed, *was), next_key, cause, until)
    return Ended()


def _live(data: dict[str, Any], packed: bytes, *fields: Any) -> Live:
    live = Live(data, packed, *fields)
    user_id: Any = live.user_id
    if type(user_id) is msgspec.msgpack.Ext:
        live.user_id = _long_int(user_id)
    return live


def _long_int(extension: msgspec.msgpack.Ext) -> int:
    if extension.code != tags.INT:
        raise ValueError("a field of a wrong type")
    number: int = tags.LEAVES[int].decode(bytes(extension.data))
    return number
