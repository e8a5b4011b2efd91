"""Times two versions of sessionware in turns: each in a process of its own, and both on the same processor.

``python -m benchmarks.against DIRECTORY URLS`` is such a process: it says what it counts and which calls it has, as
JSON in one line, and then answers each name that it reads with the microseconds of one turn.
"""

from __future__ import annotations

import contextlib
import gc
import json
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import sessionware
from benchmarks import in_process, leftovers
from benchmarks.leftovers import Counts
from benchmarks.rounds import Turn, in_turns, medians

HERE = Path(__file__).parents[1]


def root(stack: contextlib.ExitStack, checkout: Path) -> Path:
    """A directory that holds these benchmarks beside the package of *checkout*, until *stack* ends."""
    found = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    package = checkout.resolve() / "sessionware"
    if not package.is_dir():
        raise SystemExit(f"no package sessionware in {checkout}")
    (found / "sessionware").symlink_to(package)
    for name in ("benchmarks", "tests"):
        (found / name).symlink_to(HERE / name)
    return found


class _Version:
    """The process of one version."""

    def __init__(self, stack: contextlib.ExitStack, root: Path, urls: dict[str, str]) -> None:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        command = [sys.executable, "-m", "benchmarks.against", directory, json.dumps(urls)]
        self._process = stack.enter_context(
            subprocess.Popen(command, cwd=root, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        # A closed input ends it, before the stack waits for its end.
        stack.callback(self._process.stdin.close)  # type: ignore[union-attr]
        hello = self._answer()
        if Path(hello["package"]).resolve().parent != (root / "sessionware").resolve():
            raise RuntimeError(f"{hello['package']} was imported instead of the package in {root}")
        self.calls: list[str] = hello["calls"]
        self.counts: Counts = hello["counts"]

    def turn(self, name: str) -> float:
        """The microseconds of one turn of the call *name*."""
        print(name, file=self._process.stdin, flush=True)
        return float(self._answer())

    def _answer(self) -> Any:
        return json.loads(self._process.stdout.readline())  # type: ignore[union-attr]


class Both(NamedTuple):
    """A figure of both versions, and the median of their ratios in the rounds; ``None`` where it is not timed."""

    this: float
    other: float
    ratio: float | None = None


def compared(other: Path, urls: dict[str, str], rounds: int) -> dict[str, Both]:
    """What each call takes, and what is counted, of this version and of the one in the root *other*."""
    with contextlib.ExitStack() as stack:
        versions = [_Version(stack, root, urls) for root in (HERE, other)]
        names, counts = versions[0].calls, versions[0].counts
        turns = {f"{place} {name}": partial(each.turn, name) for name in names for place, each in enumerate(versions)}
        taken = in_turns(turns, rounds)
    times = medians(taken)
    found = {}
    for name in names:
        this, that = f"0 {name}", f"1 {name}"
        found[name] = Both(times[this], times[that], statistics.median(row[this] / row[that] for row in taken))
    return found | {name: Both(count, versions[1].counts[name]) for name, count in counts.items()}


def print_compared(found: dict[str, Both]) -> None:
    print(f"\n{'microseconds; objects, MB, bytes left':<44}{'this':>10}{'other':>10}{'ratio':>8}")
    for name, both in found.items():
        ratio = "" if both.ratio is None else f"{both.ratio:.2f}"
        print(f"{name:<44}{both.this:>10.2f}{both.other:>10.2f}{ratio:>8}")


def _serve(directory: Path, urls: dict[str, str]) -> None:
    counts = leftovers.counts(with_beaker=False)
    turns = {name: Turn(call) for name, call in in_process.own_calls(directory, urls).items()}
    gc.collect()
    gc.freeze()
    print(json.dumps({"package": sessionware.__file__, "calls": list(turns), "counts": counts}), flush=True)
    for line in sys.stdin:
        print(turns[line.rstrip("\n")](), flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), json.loads(sys.argv[2]))
