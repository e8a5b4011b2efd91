"""Upkeep: when an entry expires, and a little purging that writes do on their way."""

from __future__ import annotations

import contextlib
import itertools
import random
import time
from collections.abc import Callable

from sessionware.exceptions import StoreUnavailable

Clock = Callable[[], float]

WRITES_BETWEEN_SWEEPS = 100
#: Twice the writes in between, so that sweeps remove faster than creates add.
ENTRIES_PER_SWEEP = 200


class Upkeep:
    """The clock of a store and the rhythm of its sweeps."""

    __slots__ = ("_clock", "_writes")

    def __init__(self, clock: Clock | None) -> None:
        self._clock = clock
        # The first sweep comes at a random write: a worker that ends after a few dozen writes takes its turn, too.
        self._writes = itertools.count(random.randrange(WRITES_BETWEEN_SWEEPS))

    def now(self) -> float:
        """Seconds since the epoch. ``time.time`` is looked up at each call, for those who freeze it in a test."""
        return time.time() if self._clock is None else self._clock()

    def expires_at(self, ttl: float | None) -> float | None:
        """The moment after *ttl* seconds, or ``None`` for no end."""
        return None if ttl is None else self.now() + ttl

    def after_write(self, sweep: Callable[[int], object]) -> None:
        """Call *sweep* now and then. That it fails does not make the write fail, which has been done."""
        if next(self._writes) % WRITES_BETWEEN_SWEEPS == 0:
            with contextlib.suppress(StoreUnavailable):
                sweep(ENTRIES_PER_SWEEP)
