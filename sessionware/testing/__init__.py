"""Help for the tests of a project that uses sessionware: a client's session, a clock to set, and a suite for stores."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from sessionware.testing.clock import FakeClock

if TYPE_CHECKING:
    from sessionware.testing.client import SessionClient
    from sessionware.testing.conformance.suite import StoreConformance

__all__ = ["FakeClock", "SessionClient", "StoreConformance"]


def __getattr__(name: str) -> Any:
    """Import ``SessionClient`` and ``StoreConformance`` at their first use: they need more than the clock does."""
    if name == "SessionClient":
        from sessionware.testing.client import SessionClient

        return SessionClient
    if name != "StoreConformance":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    modules = (f"sessionware.testing.conformance.{part}" for part in ("fixtures", "entries", "sharing"))
    pytest.register_assert_rewrite(*(module for module in modules if module not in sys.modules))
    from sessionware.testing.conformance.suite import StoreConformance

    return StoreConformance
