"""Times several calls in turns, so that a machine that becomes slower affects all of them alike."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping

SECONDS_PER_TURN = 0.02
_FIRST_CALLS = 20


def microseconds(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median time of each of *calls* over *rounds* rounds, in microseconds."""
    repeats = {name: _repeats(call) for name, call in calls.items()}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            gc.collect()
            taken[name].append(_seconds(call, repeats[name]) / repeats[name] * 1e6)
    return {name: statistics.median(times) for name, times in taken.items()}


def _seconds(call: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return time.perf_counter() - start


def _repeats(call: Callable[[], object]) -> int:
    """How often *call* fits into a turn, measured after the first, slower calls."""
    _seconds(call, _FIRST_CALLS)
    return max(1, int(SECONDS_PER_TURN / (_seconds(call, _FIRST_CALLS) / _FIRST_CALLS)))
