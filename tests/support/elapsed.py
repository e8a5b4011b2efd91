"""How long calls take, whatever else the machine has to do."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

_SCHEDULED = Path("/proc/thread-self/schedstat")
_TRIES = 7
#: A bound is of a machine that makes so many dicts in so many seconds: on a slower one everything takes longer.
_DICTS, _DICTS_SECONDS = 20_000, 0.001


def seconds_of(call: Callable[[], object]) -> float:
    """What *call* takes with its work and its waiting, but for the time in which others had this thread's processor."""
    began = time.monotonic() - _displaced_seconds()
    call()
    return time.monotonic() - _displaced_seconds() - began


def _displaced_seconds() -> float:
    """How long this thread has been ready to run while others had its processor; 0 on a system that cannot tell."""
    if not _SCHEDULED.exists():
        return 0.0
    return int(_SCHEDULED.read_text().split()[1]) / 1e9


def processor_seconds_of(call: Callable[[], object]) -> float:
    """What the work of *call* takes at best, without what measures the coverage and what other tests have left."""
    trace = sys.gettrace()
    sys.settrace(None)
    gc.freeze()
    try:
        tries = [(_thread_seconds(call), _thread_seconds(_make_dicts)) for _ in range(_TRIES)]
    finally:
        gc.unfreeze()
        sys.settrace(trace)
    dicts = min(seconds for _, seconds in tries)
    return min(seconds for seconds, _ in tries) * min(1.0, _DICTS_SECONDS / dicts)


def _thread_seconds(call: Callable[[], object]) -> float:
    began = time.thread_time()
    call()
    return time.thread_time() - began


def _make_dicts() -> None:
    # Kept until all are made, since one that is gone would make room for the next.
    [{} for _ in range(_DICTS)]
