"""Lets hypothesis draw bytes for a target: any, and its seeds with a few changes."""

from __future__ import annotations

from fuzz.choices import Choices
from fuzz.targets import target_of
from hypothesis import given, note, settings
from hypothesis import strategies as st

_MAX_BYTES = 512


def check_drawn(name: str, examples: int) -> None:
    """Check the target on so many examples; what fails is shown as short as it can be."""
    target = target_of(name)

    @settings(max_examples=examples, deadline=None)
    @given(st.sampled_from(list(target.seeds())), st.binary(max_size=_MAX_BYTES), st.booleans())
    def check(seed: bytes, drawn: bytes, is_seed: bool) -> None:
        data = Choices(drawn).edited(seed) if is_seed else drawn
        note(f"as a test, a line of FOUND: ({name!r}, {data.hex()!r})")
        target.check(data)

    check()
