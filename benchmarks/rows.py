"""One comparison of two figures, and the bound that the project sets itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One comparison: *measured* should be at most *bound*, or at least, for requests per second."""

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
    """What is added to the other."""
    return Row(mine, f"over {theirs}", times[mine], times[theirs], times[mine] - times[theirs], bound, "µs")


def ratio(times: dict[str, float], mine: str, theirs: str, bound: float | None) -> Row:
    """How many times the other."""
    return Row(mine, f"times {theirs}", times[mine], times[theirs], times[mine] / times[theirs], bound, "x")


def over_memory(times: dict[str, float], mine: str, memory: str, bound: float) -> Row:
    """What a store costs beyond memory, in times of its bare commands or statements."""
    by_hand = times[f"{mine}, by hand"]
    measured = (times[mine] - times[memory]) / by_hand
    return Row(mine, "over memory, times the bare work", times[mine], by_hand, measured, bound, "x")


def beside_memory(times: dict[str, float], mine: str, together: str, bound: float) -> Row:
    """The same, where a request in memory and the bare work were timed one after the other, as a request has them.

    A process that has waited for an answer finds the processor's caches full of somebody else's, and runs slower for a
    while; a request in memory alone never waits, so that the sum of the two is less than both take together.
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
