"""Times several calls in turns, so that a machine that becomes slower affects all of them alike."""

from __future__ import annotations

import contextlib
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping

SECONDS_PER_TURN = 0.01
#: Each turn asks for each of the rotating sessions equally often.
REPEATS_STEP = 8
_FIRST_CALLS = 3 * REPEATS_STEP


class Turn:
    """The microseconds of one call, on average over as many calls as fit into a turn.

    The garbage collector runs before a turn, not counted, and whenever it wants to during the turn, as in a server.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        # The first calls open connections and are slower.
        self._repeats = _FIRST_CALLS
        self()
        self._repeats = self._fitting(self())

    def __call__(self) -> float:
        gc.collect()
        start = time.perf_counter()
        for _ in range(self._repeats):
            self._call()
        return (time.perf_counter() - start) / self._repeats * 1e6

    @staticmethod
    def _fitting(microseconds: float) -> int:
        steps = SECONDS_PER_TURN * 1e6 / microseconds / REPEATS_STEP
        return REPEATS_STEP * max(1, round(steps))


def in_turns(turns: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each of *turns* gave in each of *rounds* rounds, in which all of them run once."""
    taken: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            taken[name].append(turn())
    return taken


def microseconds(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
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


def quartiles(taken: Mapping[str, list[float]]) -> dict[str, float]:
    """The lower quartile of the times of each call: whatever disturbs a turn makes it longer, never shorter."""
    return {name: _quartiles(times)[0] for name, times in taken.items()}


def spreads(taken: Mapping[str, list[float]]) -> dict[str, float]:
    """How far the upper quartile lies above the lower one, as a part of it; a quiet machine shows a few percent."""
    found = {}
    for name, times in taken.items():
        lower, _, upper = _quartiles(times)
        found[name] = (upper - lower) / lower
    return found


def _quartiles(times: list[float]) -> list[float]:
    return statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3
