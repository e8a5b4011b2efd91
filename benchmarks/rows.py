"""One comparison of two figures, and the bound that the project sets itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One comparison: *measured* should be at most *bound*; with *is_at_least*, for requests per second, at least."""

    request: str
    compared_with: str
    ours: float
    theirs: float
    measured: float
    bound: float | None
    unit: str
    is_at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        if self.bound is None:
            return None
        return self.measured >= self.bound if self.is_at_least else self.measured <= self.bound

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "is_met": self.is_met}


def over(times: dict[str, float], mine: str, theirs: str, bound: float | None) -> Row:
    """How many microseconds *mine* takes beyond *theirs*."""
    return Row(mine, f"over {theirs}", times[mine], times[theirs], times[mine] - times[theirs], bound, "µs")


def ratio(times: dict[str, float], mine: str, theirs: str, bound: float | None) -> Row:
    """How many times as long as *theirs* *mine* takes."""
    return Row(mine, f"times {theirs}", times[mine], times[theirs], times[mine] / times[theirs], bound, "x")


def over_memory(times: dict[str, float], mine: str, memory: str, bound: float) -> Row:
    """How much longer than in memory a request with a store takes, in multiples of the store's bare commands."""
    by_hand = times[f"{mine}, by hand"]
    measured = (times[mine] - times[memory]) / by_hand
    return Row(mine, "over memory, times the bare work", times[mine], by_hand, measured, bound, "x")


def beside_memory(times: dict[str, float], mine: str, together: str, bound: float) -> Row:
    """The same, with the request in memory and the bare commands timed in one turn, as a real request does both.

    While a process waits for an answer, other processes fill the processor's caches, so it runs slower for a while
    afterwards. A request in memory never waits; timed apart, the two take less than timed together.
    """
    by_hand = times[f"{mine}, by hand"]
    measured = 1 + (times[mine] - times[together]) / by_hand
    return Row(mine, "the same, both in one turn", times[mine], times[together], measured, bound, "x")


def print_rows(rows: list[Row]) -> None:
    print(f"{'request':<26}{'compared with':<44}{'ours':>9}{'theirs':>9}{'measured':>11}{'bound':>9}")
    for row in rows:
        bound = "" if row.bound is None else f"{row.bound:.2f}"
        met = {None: "", True: "  met", False: "  NOT MET"}[row.is_met]
        measured = f"{row.measured:.2f} {row.unit}"
        print(
            f"{row.request:<26}{row.compared_with:<44}{row.ours:>9.1f}{row.theirs:>9.1f}{measured:>11}{bound:>9}{met}"
        )
