"""Whatever bytes come from outside, no promise is broken: hypothesis drives what ``make fuzz`` drives for longer."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
from fuzz.choices import Choices
from fuzz.targets import TARGETS
from hypothesis import given, settings
from hypothesis import strategies as st

MAX_BYTES = 512

#: What was found, as the name of the target and its data.
FOUND: list[tuple[str, str]] = []


@pytest.fixture(autouse=True, scope="module")
def no_wait_for_the_disk() -> Iterator[None]:
    """That a file reaches the disk is tested with the store. Here it would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@functools.cache
def seeds_of(name: str) -> list[bytes]:
    return list(TARGETS[name].seeds())


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_holds(name: str) -> None:
    for seed in seeds_of(name):
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=300)
@given(data=st.data())
def test_any_bytes_hold(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(seeds_of(name)))
    edits = data.draw(st.binary(max_size=MAX_BYTES))

    TARGETS[name].check(Choices(edits).edited(seed) if data.draw(st.booleans()) else edits)


@pytest.mark.parametrize(("name", "found"), FOUND)
def test_what_was_found_holds(name: str, found: str) -> None:
    TARGETS[name].check(bytes.fromhex(found))
