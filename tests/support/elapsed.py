"""How long calls take, whatever else the machine has to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

_SCHEDULED = Path("/proc/thread-self/schedstat")


def seconds_of(call: Callable[[], object]) -> float:
    """What *call* takes with its work and its waiting, but for the time in which others had this thread's processor."""
    began = time.monotonic() - displaced_seconds()
    call()
    return time.monotonic() - displaced_seconds() - began


def displaced_seconds() -> float:
    """How long this thread has been ready to run while others had its processor; 0 on a system that cannot tell."""
    if not _SCHEDULED.exists():
        return 0.0
    return int(_SCHEDULED.read_text().split()[1]) / 1e9
