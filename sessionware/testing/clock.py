"""A clock that stands still until a test moves it."""

from __future__ import annotations


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
