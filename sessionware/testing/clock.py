"""A clock that a test sets by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from sessionware.session.lifetimes import parse_duration

#: Those that stand in for the time at present, the last one in force.
_INSTALLED: list[FakeClock] = []


class FakeClock:
    """A clock for the option ``clock`` that stands still until :meth:`advance` is called.

    It begins at *now*, in seconds since the epoch; ``now`` may also be set.

    >>> clock = FakeClock(1_000_000)
    >>> clock.advance(60)
    >>> clock()
    1000060
    >>> clock.advance("2h")
    >>> clock()
    1007260.0
    """

    def __init__(self, now: float = 1_700_000_000) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, duration: Any) -> None:
        """Move the clock ahead: by seconds, a timedelta, or ``"90s"``, ``"30m"``, ``"12h"``, ``"7d"``.

        Raises ValueError for what is no duration.
        """
        if isinstance(duration, (str, timedelta)):
            duration = parse_duration(duration)
        self.now += duration

    @contextmanager
    def installed(self) -> Iterator[FakeClock]:
        """Within this block, it is the time of every manager and store that was given no ``clock``."""
        # It imports asyncio, and pytest imports this module wherever the package is installed.
        from unittest.mock import patch

        _INSTALLED.append(self)
        try:
            with patch("sessionware.clock.time", SimpleNamespace(time=self)):
                yield self
        finally:
            _INSTALLED.pop()


def installed_clock() -> FakeClock | None:
    """The clock that stands in for the time at present."""
    return _INSTALLED[-1] if _INSTALLED else None
