"""Help for the tests of a project that uses sessionware: a clock to set, and a suite for stores."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from sessionware.testing.clock import FakeClock

if TYPE_CHECKING:
    from sessionware.testing.conformance.suite import StoreConformance

__all__ = ["FakeClock", "StoreConformance"]


def __getattr__(name: str) -> Any:
    """Import ``StoreConformance`` at its first use, because it needs pytest and the clock does not."""
    if name != "StoreConformance":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    modules = (f"sessionware.testing.conformance.{part}" for part in ("fixtures", "entries", "sharing"))
    pytest.register_assert_rewrite(*(module for module in modules if module not in sys.modules))
    from sessionware.testing.conformance.suite import StoreConformance

    return StoreConformance
