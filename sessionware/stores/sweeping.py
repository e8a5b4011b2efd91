"""Expiry: when an entry ends, and removing a few ended entries after some of the writes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

from sessionware.events import logger
from sessionware.exceptions import StoreUnavailable

WRITES_BETWEEN_SWEEPS = 100
#: Twice the number of writes in between, so that sweeps remove entries faster than creates add them.
ENTRIES_PER_SWEEP = 200
#: A database has an index of the ends, and to move an entry in it takes half of what a write writes. So a write leaves
#: the end alone while it lies after the ttl by no more than this part of the ttl.
END_SLACK = 1 / 32


def expires_at(ttl: float | None, now: float) -> float | None:
    """The moment *ttl* seconds after *now*; ``None`` for an entry that never ends."""
    return None if ttl is None else now + ttl


class Sweeping:
    """Counts the writes of a store in this process, and sweeps after every hundredth."""

    __slots__ = ("_writes",)

    def __init__(self) -> None:
        # The count begins at random: a worker that ends after a few dozen writes must sweep sometimes, too.
        self._writes = itertools.count(random.randrange(WRITES_BETWEEN_SWEEPS))

    def after_write(self, sweep: Callable[[int], object]) -> None:
        """Call *sweep* with a number of entries if it is time to. If it fails, the write that was made still stands."""
        if next(self._writes) % WRITES_BETWEEN_SWEEPS == 0:
            try:
                sweep(ENTRIES_PER_SWEEP)
            except StoreUnavailable as error:
                logger.debug("expired sessions were not removed after a write: %s", error)
