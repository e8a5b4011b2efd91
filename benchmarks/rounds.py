"""Times several calls in turns, so that a machine that becomes slower affects all of them alike."""

from __future__ import annotations

import contextlib
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

Times = dict[str, float]

SECONDS_PER_TURN = 0.01
_SCHEDULED = Path("/proc/thread-self/schedstat")
#: Each turn asks for each of the rotating sessions equally often.
REPEATS_STEP = 8
_FIRST_CALLS = 3 * REPEATS_STEP


class Turn:
    """The microseconds of one call, on average over as many calls as fit into a turn.

    The garbage collector runs before a turn, not counted, and whenever it wants to during the turn, as in a server.
    What other processes have taken of our processor is not counted either; what we wait for a server is.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        # The first calls open connections and are slower.
        self._repeats = _FIRST_CALLS
        self()
        self._repeats = self._fitting(self())

    def __call__(self) -> float:
        gc.collect()
        start = time.perf_counter() - _displaced_seconds()
        for _ in range(self._repeats):
            self._call()
        return (time.perf_counter() - _displaced_seconds() - start) / self._repeats * 1e6

    @staticmethod
    def _fitting(microseconds: float) -> int:
        steps = SECONDS_PER_TURN * 1e6 / microseconds / REPEATS_STEP
        return REPEATS_STEP * max(1, round(steps))


def _displaced_seconds() -> float:
    """How long this process has been ready to run while others had its processor; 0 on a system that cannot tell."""
    if not _SCHEDULED.exists():
        return 0.0
    return int(_SCHEDULED.read_text().split()[1]) / 1e9


def in_turns(turns: Mapping[str, Callable[[], float]], rounds: int) -> list[Times]:
    """What each of *turns* gave in each of *rounds* rounds, in which all of them run once."""
    return [{name: turn() for name, turn in turns.items()} for _ in range(rounds)]


def microseconds(calls: Mapping[str, Callable[[], object]], rounds: int) -> list[Times]:
    """The time of each of *calls* in each of *rounds* rounds."""
    with what_exists_left_alone():
        return in_turns({name: Turn(call) for name, call in calls.items()}, rounds)


@contextlib.contextmanager
def what_exists_left_alone() -> Iterator[None]:
    """The garbage collector looks only at what the requests make, not at the modules of every contender."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def medians(rounds: Sequence[Times]) -> Times:
    """The median time of each call."""
    return {name: statistics.median(times) for name, times in _columns(rounds)}


def spreads(rounds: Sequence[Times]) -> Times:
    """How far the middle half of each call's times reaches, as a part of their median; little on a quiet machine."""
    found = {}
    for name, times in _columns(rounds):
        lower, median, upper = statistics.quantiles(times * 2, n=4)
        found[name] = (upper - lower) / median
    return found


def _columns(rounds: Sequence[Times]) -> Iterator[tuple[str, list[float]]]:
    return ((name, [times[name] for times in rounds]) for name in rounds[0])
