"""The comparisons of a run, and the bounds that the project sets itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from benchmarks.in_process import ACTIONS, CARTS, KEYS
from benchmarks.rounds import Times

#: At most so many times the bare work, and of Beaker's time: of a read and of a write.
_BY_HAND = {"cookie": (1.75, 1.65)}
_BEAKER = {"cookie": (1 / 9, 1 / 4.5), "memory": (1 / 2.5, 1 / 1.15)}
#: A request with a store may take so many times the store's bare commands longer than one in memory.
_OVER_MEMORY = {"sqlite": 1.5, "postgresql": 1.5, "redis": 1.1, "memcached": 1.1}
_CARTS = {10: 1.1, 100: 1.0}
_OTHERS = ("Beaker", "Flask-Session", "Django")


@dataclass(frozen=True)
class Row:
    """One comparison: *measured* should be at most *bound*; with *is_at_least*, for requests per second, at least."""

    request: str
    compared_with: str
    ours: float
    theirs: float
    measured: float
    bound: float | None
    unit: str = "x"
    is_at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        if self.bound is None:
            return None
        return self.measured >= self.bound if self.is_at_least else self.measured <= self.bound

    @property
    def limit(self) -> float | None:
        """What *ours* would be at the bound: every comparison is a straight line, as steep as its unit says."""
        if self.bound is None:
            return None
        return self.ours - (self.measured - self.bound) * (self.theirs if self.unit == "x" else 1)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "is_met": self.is_met}


def timed(rounds: Sequence[Times]) -> list[Row]:
    """The comparisons of what calls took beyond the same requests without a session.

    Each is made in each round, and the median of its results counts: where the machine became slower for a while, it
    became so for both sides of a comparison.
    """
    return [_middle(results) for results in zip(*map(_comparisons, rounds), strict=True)]


def _comparisons(added: Times) -> list[Row]:
    return [*_untouched(added), *_cookie_and_memory(added), *_stores(added), *_sizes(added)]


def _middle(results: tuple[Row, ...]) -> Row:
    figures = ((row.ours, row.theirs, row.measured) for row in results)
    ours, theirs, measured = map(median, zip(*figures, strict=True))
    return replace(results[0], ours=ours, theirs=theirs, measured=measured)


def _untouched(added: Times) -> Iterator[Row]:
    for body, bound in (("list", 1.5), ("generator", 2.5), ("Flask", None)):
        mine = added[f"untouched {body}"]
        yield Row(f"untouched {body}", f"over plain {body}", mine, 0.0, mine, bound, "µs")
    yield _ratio(added, "untouched list", "untouched list, Beaker", 1.0)


def _cookie_and_memory(added: Times) -> Iterator[Row]:
    for name in ("cookie", "memory"):
        for place, action in enumerate(ACTIONS):
            request = f"{action} {name}"
            if name in _BY_HAND:
                yield _ratio(added, request, f"{request}, by hand", _BY_HAND[name][place])
            yield _ratio(added, request, f"{request}, Beaker", _BEAKER[name][place])
            yield from _beside(added, request, _OTHERS[1:])


def _stores(added: Times) -> Iterator[Row]:
    """Those with a store: how much longer than in memory they take, in multiples of the store's bare commands.

    Once with the request in memory and the bare commands timed apart; and once with both in one turn, as a real request
    does both. While a process waits for an answer, other processes fill the processor's caches, so it runs slower
    for a while afterwards. A request in memory never waits; timed apart, the two take less than timed together.
    """
    for name, bound in _OVER_MEMORY.items():
        if f"read {name}" not in added:
            continue
        for action in ACTIONS:
            request = f"{action} {name}"
            mine, by_hand = added[request], added[f"{request}, by hand"]
            apart = (mine - added[f"{action} memory"]) / by_hand
            yield Row(request, "over memory, times the bare work", mine, by_hand, apart, bound)
            together = 1 + (mine - added[f"{action} memory + {name} by hand"]) / by_hand
            yield Row(request, "the same, both in one turn", mine, by_hand, together, bound)
            yield from _beside(added, request, _OTHERS)


def _sizes(added: Times) -> Iterator[Row]:
    """Sessions of other sizes, all in memory."""
    yield _ratio(added, "read memory", "read memory, Beaker", 1.0)
    for keys in KEYS:
        yield _ratio(added, f"read {keys} keys", f"read {keys} keys, Beaker", 1.0)
        yield from _beside(added, f"write {keys} keys", _OTHERS)
    for items in CARTS:
        request = f"nested change of {items} items"
        yield _ratio(added, request, f"{request}, Beaker", _CARTS.get(items))
    for request in ("read a long text", "write beside a long text"):
        yield from _beside(added, request, _OTHERS)


def _ratio(added: Times, mine: str, theirs: str, bound: float | None) -> Row:
    """How many times as long as *theirs* *mine* takes."""
    return Row(mine, f"times {theirs}", added[mine], added[theirs], added[mine] / added[theirs], bound)


def _beside(added: Times, mine: str, others: tuple[str, ...]) -> Iterator[Row]:
    for other in others:
        if f"{mine}, {other}" in added:
            yield _ratio(added, mine, f"{mine}, {other}", None)


def print_rows(rows: list[Row]) -> None:
    print(f"{'request':<31}{'compared with':<48}{'ours':>9}{'theirs':>9}{'measured':>11}{'bound':>8}")
    for row in rows:
        bound = "" if row.bound is None else f"{row.bound:.2f}"
        met = {None: "", True: "  met", False: "  MISSED"}[row.is_met]
        measured = f"{row.measured:.2f} {row.unit}"
        print(
            f"{row.request:<31}{row.compared_with:<48}{row.ours:>9.1f}{row.theirs:>9.1f}{measured:>11}{bound:>8}{met}"
        )
