"""The current time, looked up at each call."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Gives seconds since the epoch.
Clock = Callable[[], float]


def current_time() -> float:
    """Seconds since the epoch; ``time.time`` is looked up at each call, so that a test may freeze it."""
    return time.time()
