"""A clock that a test sets by hand."""

from __future__ import annotations


class FakeClock:
    """A clock for the option ``clock`` that stands still until :meth:`advance` is called.

    It begins at *now*, in seconds since the epoch; ``now`` may also be set.

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
        """Move the clock *seconds* ahead."""
        self.now += seconds
