"""What a request did to the flashes, laid over those of a record: theirs, less those popped, and those added."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionware.session.flashes import FlashChanges, pack_flash, unpack_flash
from sessionware.wire.serializer import Serializer

SERIALIZER = Serializer({})
#: No two flashes of a session have the same bytes.
NAMES = st.lists(st.sampled_from([bytes([65 + number]) for number in range(12)]), unique=True)


@given(read=NAMES, theirs=NAMES, added=NAMES, data=st.data())
def test_a_merge_drops_what_was_popped_and_keeps_all_else_in_order(
    read: list[bytes], theirs: list[bytes], added: list[bytes], data: st.DataObject
) -> None:
    added = [flash for flash in added if flash not in {*read, *theirs}]
    popped = data.draw(st.lists(st.sampled_from(read), unique=True)) if read else []
    changes = FlashChanges()
    for flash in added:
        changes = changes.adding(flash)

    merged = changes.popping(popped).over(theirs)

    assert merged == [*(flash for flash in theirs if flash not in popped), *added]


def test_what_was_added_and_popped_again_is_no_change() -> None:
    assert FlashChanges().adding(b"a")
    assert not FlashChanges().adding(b"a").popping([b"a"])
    assert FlashChanges().adding(b"a").popping([b"a", b"b"]).over([b"b", b"c"]) == [b"c"]


def test_two_flashes_of_the_same_text_differ() -> None:
    packed = {pack_flash(SERIALIZER, "saved", "message") for _ in range(100)}

    assert len(packed) == 100
    assert {unpack_flash(SERIALIZER, one) for one in packed} == {("message", "saved")}


@pytest.mark.parametrize(
    "packed", [b"", b"x", b"\xc1", SERIALIZER.dumps([1, 2]), SERIALIZER.dumps([b"", 5, "x"]), SERIALIZER.dumps(7)]
)
def test_bytes_that_are_no_flash_are_none(packed: bytes) -> None:
    assert unpack_flash(SERIALIZER, packed) is None
