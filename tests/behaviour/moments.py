"""The types in which a session tells its times, and a request that takes long."""

from __future__ import annotations

from datetime import datetime, timezone

from support.actions import Action

from sessionware.testing import FakeClock

HOUR, DAY = 3600.0, 86400.0


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def lasting(clock: FakeClock, seconds: float) -> Action:
    """An action during which so many seconds pass."""
    return lambda session: clock.advance(seconds)
