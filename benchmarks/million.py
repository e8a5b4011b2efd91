"""Measures requests, purges and revocations at a million sessions and at a thousand, and the bytes of a session.

The middleware makes the sessions one by one; they are written to SQLite, PostgreSQL and Redis in bulk, without the
stores, which have no bulk write. What is measured goes through the middleware and the stores, with the small and the
large collection in turns. Successive requests are of different visitors, so that no request finds its record in a
cache because the last one read it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import collections_of, servers, signed_in, subject
from benchmarks.collections_of import Collection, Record
from benchmarks.contenders import OURS, filling, ours, reading, writing
from benchmarks.rounds import medians, microseconds
from benchmarks.subject import Request

SMALL = 1000
BATCH = 5000
VISITORS = 20_000
#: So many of the large collection's sessions come to one user.
SESSIONS_PER_USER = 10
PURGED_AT_ONCE = 200
PURGES = 10
#: Longer than a run, so that no read becomes a renewal.
OPTIONS = {"idle_timeout": "24h", "absolute_timeout": "7d"}


class Collector:
    """A store that only collects the records that are created."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def load(self, key: str) -> None:
        return None

    def create(self, key: str, payload: bytes, ttl: float | None) -> int:
        self.records.append((key, payload, ttl or 0.0))
        return 0

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> int:
        raise NotImplementedError

    def delete(self, key: str) -> bool:
        raise NotImplementedError

    def take(self) -> list[Record]:
        """The records since the last call."""
        records, self.records = self.records, []
        return records


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", type=Path, help="a file for the figures")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = servers.start(stack, ["postgresql", "redis"])
        found = measure(collections_of.pairs(directory, urls), arguments.sessions, arguments.rounds)
    print_found(found, arguments.sessions)
    if arguments.json:
        arguments.json.write_text(json.dumps({"sessions": arguments.sessions, **found}, indent=2) + "\n")


def measure(pairs: dict[str, tuple[Collection, Collection]], sessions: int, rounds: int) -> dict[str, Any]:
    """Fill the collections of *pairs* and measure them: seconds to fill, microseconds of requests, bytes."""
    collector = Collector()
    visitor = Request(ours(backend=collector, **OPTIONS)(filling(OURS, subject.sessions()[0])))
    seconds, cookies = _fill(pairs, collector, visitor, sessions)
    sizes = {name: large.bytes_used() / sessions for name, (_, large) in pairs.items()}
    calls: dict[str, Callable[[], object]] = {}
    for name, both in pairs.items():
        for size, collection, known in zip(("small", "large"), both, cookies, strict=True):
            middleware = ours(backend=collection.store, **OPTIONS)
            calls[f"read {name} {size}"] = Request(middleware(reading(OURS)), known)
            calls[f"save {name} {size}"] = Request(middleware(writing(OURS)), known)
    times = medians(microseconds(calls, rounds))
    for _ in range(PURGES * PURGED_AT_ONCE):
        visitor()
    expired = [(key, payload, -1.0) for key, payload, _ in collector.take()]
    for name, both in pairs.items():
        times.update(_purge_times(name, both, expired))
    users = max(sessions // SESSIONS_PER_USER, signed_in.FEW)
    signed_in.fill(pairs, collector, users, OPTIONS)
    for name, both in pairs.items():
        times.update(signed_in.measure(name, both, users, OPTIONS))
    return {"seconds": seconds, "microseconds": times, "bytes": sizes, "record_bytes": len(expired[0][1])}


def _fill(
    pairs: dict[str, tuple[Collection, Collection]], collector: Collector, visitor: Request, sessions: int
) -> tuple[dict[str, float], tuple[list[str], list[str]]]:
    """Fill all collections; the seconds of each, and cookies of visitors of the small and of the large collection."""
    seconds = dict.fromkeys(("making the sessions", *pairs), 0.0)
    first: list[str] = []
    sample: list[str] = []
    chosen = set(random.Random(7).sample(range(sessions), min(VISITORS, sessions)))
    for batch in _batches(sessions):
        began = time.perf_counter()
        for number in batch:
            visitor()
            if number < SMALL:
                first.append(visitor.cookie())
            if number in chosen:
                sample.append(visitor.cookie())
        seconds["making the sessions"] += time.perf_counter() - began
        records = collector.take()
        for name, (small, large) in pairs.items():
            began = time.perf_counter()
            if batch.start < SMALL:
                small.add(records)
            large.add(records)
            seconds[name] += time.perf_counter() - began
    random.Random(7).shuffle(sample)
    return seconds, (first, sample)


def _batches(sessions: int) -> Iterator[range]:
    """The numbers of the sessions in batches: those of the small collection, then the rest."""
    yield range(min(SMALL, sessions))
    for start in range(SMALL, sessions, BATCH):
        yield range(start, min(start + BATCH, sessions))


def _purge_times(name: str, both: tuple[Collection, Collection], expired: list[Record]) -> dict[str, float]:
    """The microseconds of one purge; empty for a store that removes expired records by itself."""
    if not hasattr(both[0].store, "purge"):
        return {}
    taken: dict[str, list[float]] = {"small": [], "large": []}
    for collection in both:
        collection.add(expired)
    for _ in range(PURGES):
        for size, collection in zip(taken, both, strict=True):
            gc.collect()
            began = time.perf_counter()
            removed = collection.store.purge(PURGED_AT_ONCE)
            taken[size].append((time.perf_counter() - began) * 1e6)
            if removed != PURGED_AT_ONCE:
                raise AssertionError(f"{name} has removed {removed} of {PURGED_AT_ONCE}")
    return {f"purge {name} {size}": statistics.median(times) for size, times in taken.items()}


def print_found(found: dict[str, Any], sessions: int) -> None:
    times = found["microseconds"]
    print(f"{'microseconds':<34}{f'at {SMALL:,}':>12}{f'at {sessions:,}':>16}{'times':>8}")
    for name in [name.removesuffix(" small") for name in times if name.endswith(" small")]:
        small, large = times[f"{name} small"], times[f"{name} large"]
        title = f"{name}, a batch of {PURGED_AT_ONCE}" if name.startswith("purge") else name
        print(f"{title:<34}{small:>12.1f}{large:>16.1f}{large / small:>8.2f}")
    print(f"\nbytes of a session, whose sealed record has {found['record_bytes']}:")
    for name, size in found["bytes"].items():
        print(f"  {name:<32}{size:>12.0f}")
    print("\nseconds to fill:")
    for name, taken in found["seconds"].items():
        print(f"  {name:<32}{taken:>12.1f}")


if __name__ == "__main__":
    main()
