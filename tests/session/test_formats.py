"""A record whose bytes are good and whose fields are not is malformed, and no error of a type."""

from __future__ import annotations

import math
import sys
from types import FrameType
from typing import Any

import pytest
from msgspec.structs import fields

from sessionware.session.formats import Formats
from sessionware.session.records import Index, IndexEntry, Live
from sessionware.wire.serializer import Malformed, Serializer

SERIALIZER = Serializer({})
LIVE: list[Any] = [1, bytes(16), 1.0, 1.0, 1.0, 2.0, False, "user", None, None, []]
SUPERSEDED: list[Any] = [2, *LIVE[1:], "k" * 43, "login", 3.0]


def packed(header: Any, data: Any) -> bytes:
    head = SERIALIZER.dumps(header)
    return len(head).to_bytes(4, "big") + b"\x92" + head + SERIALIZER.dumps(data)


@pytest.mark.parametrize("header", [LIVE, SUPERSEDED, [3]])
def test_a_record_with_the_right_fields_is_read(header: list[Any]) -> None:
    Formats(SERIALIZER).unpack(packed(header, {}))


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x00\x00\x00", b"\x00\x00\x00\x00", b"\xff" * 5])
def test_what_is_shorter_than_a_record_is_malformed(payload: bytes) -> None:
    for unpack in (Formats(SERIALIZER).unpack, Formats(SERIALIZER).unpack_without_data):
        with pytest.raises(Malformed):
            unpack(payload)


def test_every_field_of_a_record_comes_back() -> None:
    data = {"a": 1}
    others: list[Any] = [True, "ada", "a phone", bytes(32), [b"a flash"], b"a former session", 5.0]
    live = Live(data, SERIALIZER.dumps(data), b"h" * 16, 1.0, 2.0, 3.0, 4.0, *others)
    defaults = Live({}, b"", b"", 0.0, 0.0, 0.0, None)

    formats = Formats(SERIALIZER)

    assert all(getattr(live, field.name) != getattr(defaults, field.name) for field in fields(Live))
    assert formats.unpack(formats.pack(live)) == live


NO_ENDS = (math.nan, math.inf, -math.inf, -1e300, 10**400)
NO_NUMBERS_OR_BYTES: tuple[Any, ...] = (None, [], "1")
WRONG = [
    *((LIVE, place, value) for place in range(1, len(LIVE)) for value in ({"a": 1}, ("x",))),
    *((LIVE, place, value) for place in (2, 3, 4) for value in (None, "1", True)),
    *((LIVE, 9, value) for value in (b"", b"too short", bytes(33), "x" * 32)),
    *((LIVE, 10, value) for value in (None, ["text"], [b"", None])),
    *((LIVE, place, value) for place in (2, 3, 4) for value in (math.nan, -math.inf, -1e300)),
    *((LIVE, 5, value) for value in ("1", False)),
    *((record, place, value) for record, place in ((LIVE, 5), (SUPERSEDED, 13)) for value in NO_ENDS),
    *(
        (SUPERSEDED, place, value)
        for place in (1, 2, 11, 12, 13)
        for value in NO_NUMBERS_OR_BYTES
        if (place, value) != (11, "1")
    ),
]


@pytest.mark.parametrize(("header", "place", "value"), WRONG)
def test_a_field_of_a_wrong_type_makes_a_record_malformed(header: list[Any], place: int, value: Any) -> None:
    changed = [*header]
    changed[place] = value
    payload = packed(changed, {})

    with pytest.raises(Malformed):
        Formats(SERIALIZER).unpack(payload)
    with pytest.raises(Malformed):
        Formats(SERIALIZER).unpack_without_data(payload)


ENTRY: list[Any] = [bytes(16), None, 2.0]


def test_an_index_comes_back_as_it_was() -> None:
    index = Index((IndexEntry(bytes(16), None, None), IndexEntry(b"b" * 16, bytes(16), 2.5)))
    formats = Formats(SERIALIZER)

    assert formats.unpack_index(formats.pack_index(index)) == index


@pytest.mark.parametrize("header", [LIVE, SUPERSEDED, [3], [5], [4, 1]])
def test_a_session_is_no_index(header: list[Any]) -> None:
    with pytest.raises(Malformed):
        Formats(SERIALIZER).unpack_index(packed(header, {}))


def test_an_index_is_no_session() -> None:
    payload = Formats(SERIALIZER).pack_index(Index((IndexEntry(*ENTRY),)))

    with pytest.raises(Malformed):
        Formats(SERIALIZER).unpack(payload)
    with pytest.raises(Malformed):
        Formats(SERIALIZER).unpack_without_data(payload)


@pytest.mark.parametrize(
    "entries",
    [{}, None, "x", [7], [[]], [ENTRY[:2]], [["a" * 16, None, 2.0]], [[bytes(16), "a", 2.0]], [[bytes(16), None, "2"]]],
)
def test_a_field_of_a_wrong_type_makes_an_index_malformed(entries: Any) -> None:
    with pytest.raises(Malformed):
        Formats(SERIALIZER).unpack_index(packed([4], entries))


@pytest.mark.parametrize("data", [None, 7, "text", [], [["a", 1]]])
def test_data_that_are_no_dict_make_a_record_malformed(data: Any) -> None:
    with pytest.raises(Malformed):
        Formats(SERIALIZER).unpack(packed(LIVE, data))


@pytest.mark.parametrize("handle", [b"\xc7" * 16, b"\xd4" * 16, b"\x9f" * 16], ids=repr)
def test_the_random_bytes_of_a_handle_do_not_change_how_a_record_is_unpacked(handle: bytes) -> None:
    """They would look like extensions and containers, which take a slower way."""
    headers = [[1, each, *LIVE[2:]] for each in (bytes(16), handle)]

    usual, odd = (calls_of(packed(header, {"cart": [1, 2]})) for header in headers)

    assert usual == odd


def calls_of(payload: bytes) -> list[str]:
    """The names of the functions that unpacking *payload* calls."""
    formats, called = Formats(SERIALIZER), list[str]()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            called.append(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        formats.unpack(payload)
    finally:
        sys.setprofile(None)
    return called
