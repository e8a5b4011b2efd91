"""What a project that uses sessionware needs in its own tests."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sessionware.testing.conformance import StoreConformance

__all__ = ["FakeClock", "StoreConformance"]


class FakeClock:
    """A clock that moves when it is told to: give it as the option ``clock``.

    >>> clock = FakeClock(1_000_000)
    >>> clock.advance(60)
    >>> clock()
    1000060
    """

    def __init__(self, now: float = 1_700_000_000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self.now += seconds


def __getattr__(name: str) -> Any:
    """``StoreConformance`` is imported at its first use: it needs pytest, the clock does not."""
    if name != "StoreConformance":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    modules = (f"sessionware.testing.suite_{part}" for part in ("base", "entries", "sharing"))
    pytest.register_assert_rewrite(*(module for module in modules if module not in sys.modules))
    from sessionware.testing.conformance import StoreConformance

    return StoreConformance
