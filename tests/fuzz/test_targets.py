"""Whatever bytes come from outside, no promise is broken: hypothesis drives what ``make fuzz`` drives for longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fuzz.drawing import check_drawn
from fuzz.targets import NAMES, target_of

EXAMPLES = 200
#: What was found, as the name of the target and its data.
FOUND = [
    # A row of SQLite whose payload is a number: TypeError.
    ("stored_entries", "0203000300030000"),
    # A record that began before any time that a datetime can tell: OverflowError.
    ("records", "0201010200120100"),
]


@pytest.fixture(autouse=True, scope="module")
def no_wait_for_the_disk() -> Iterator[None]:
    """That a file reaches the disk is tested with the store. Here it would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_holds(name: str) -> None:
    target = target_of(name)

    for seed in target.seeds():
        target.check(seed)


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_hold(name: str) -> None:
    check_drawn(name, EXAMPLES)


@pytest.mark.parametrize(("name", "found"), FOUND)
def test_what_was_found_holds(name: str, found: str) -> None:
    target_of(name).check(bytes.fromhex(found))
