"""Failovers in the middle of traffic: nothing that was kept is lost, and nobody is told what is not so."""

from __future__ import annotations

import contextlib
import math
import random
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import redis.crc
from support.elapsed import seconds_of
from support.servers.process import ServerProcess
from support.servers.redis import a_cluster, a_sentinel, ask, wait_until

from sessionware.exceptions import Conflict, Gone, StoreUnavailable
from sessionware.stores import RedisStore

TIMEOUT = 0.6
#: What may be added to one timeout. A second one is more.
SLACK = 0.4
PREFIX = "sessionware:"
THREADS = 4
#: How many sessions each thread has from the beginning, and how many of its requests in a row show that all is well.
SESSIONS, IN_A_ROW = 20, 30
SERVICE_SECONDS = 60.0
#: A wrong answer is a bug, however rare; only what the clock may have spoilt is tried again.
unless_wrong = pytest.mark.flaky(reruns=2, rerun_except="WrongAnswer")


class WrongAnswer(AssertionError):
    """The store said what is not so. No outage excuses it."""


@dataclass
class Known:
    """What the one thread that writes *key* knows of it. Its writes are numbered, and their payloads say so."""

    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    sent: int = 0
    acknowledged: int = -1
    #: The last write that the servers certainly keep, whatever fails.
    kept: int = -1
    #: Whether a write without an answer may take effect yet.
    is_in_doubt: bool = False
    version: Any = None

    @property
    def payload(self) -> bytes:
        """That of the last write."""
        return f"{self.key} {self.sent}".encode()

    def is_written(self, version: Any, *, is_kept: bool) -> None:
        self.version, self.acknowledged, self.is_in_doubt = version, self.sent, False
        if is_kept:
            self.kept = self.sent

    def is_unknown(self) -> None:
        self.version, self.is_in_doubt = None, True

    def number_of(self, payload: bytes) -> int:
        key, _, number = payload.decode().partition(" ")
        if key != self.key:
            raise WrongAnswer("the payload of another key")
        return int(number)


class Traffic:
    """Threads that create, replace and load sessions of their own, and judge every answer."""

    def __init__(self, store: RedisStore, outlives: Callable[[str], bool] = lambda key: False) -> None:
        self.store = store
        self.known: list[Known] = []
        self.failures = 0
        self.slowest = 0.0
        self._outlives = outlives
        # Until the fault begins all answers are those of whoever acknowledged; once it is there, only those of who
        # stays: what these acknowledge they keep.
        self._is_calm, self._is_struck = True, False
        self._served = [0] * THREADS
        self._counts_from = math.inf
        self._end = Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Within, the threads are at it. The first wrong answer ends it."""
        with ThreadPoolExecutor(THREADS) as threads:
            work = [threads.submit(self._work, number) for number in range(THREADS)]
            try:
                yield
            finally:
                self._end.set()
                self._raise_first(work)

    def strike(self, fault: Callable[[], None]) -> None:
        """Let it happen, while all are at it."""
        assert self.failures == 0
        self._is_calm = False
        fault()
        self._is_struck = True

    def wait_for_service(self) -> None:
        """Until each thread was served many times without a failure, by requests that began after this call."""
        self._served = [0] * THREADS
        self._counts_from = time.monotonic()
        while min(self._served) < IN_A_ROW and not self._end.wait(0.01):
            assert time.monotonic() < self._counts_from + SERVICE_SECONDS, "service does not come back"
        self._counts_from = math.inf

    def confirm(self, master: int, replica: int) -> None:
        """What was acknowledged until now the replica has, too: then it is kept."""
        acknowledged = [(known, known.acknowledged) for known in list(self.known)]
        offset = ask(master, "INFO", "replication")["master_repl_offset"]
        wait_until(lambda: ask(replica, "INFO", "replication")["slave_repl_offset"] >= offset)
        for known, number in acknowledged:
            known.kept = max(known.kept, number)

    def load_all(self) -> None:
        """Look at every session once more."""
        for known in self.known:
            self._load(known)

    @staticmethod
    def _raise_first(work: list[Future[None]]) -> None:
        for future in work:
            future.result()

    def _work(self, number: int) -> None:
        try:
            mine: list[Known] = []
            while not self._end.is_set():
                self._try_one(number, mine)
        except WrongAnswer:
            raise
        except BaseException as error:
            raise WrongAnswer(f"{type(error).__name__}: {error}") from error
        finally:
            self._end.set()

    def _try_one(self, number: int, mine: list[Known]) -> None:
        begun = time.monotonic()

        def ask_once() -> None:
            try:
                self._request(mine)
            except StoreUnavailable:
                self.failures += 1
                self._served[number] = 0
            else:
                if begun > self._counts_from:
                    self._served[number] += 1

        self.slowest = max(self.slowest, seconds_of(ask_once))

    def _request(self, mine: list[Known]) -> None:
        known = random.choice(mine) if len(mine) >= SESSIONS and random.random() < 0.95 else None
        if known is None:
            mine.append(self._create())
        elif known.version is None or random.random() < 0.5:
            if self._load(known) < 0:
                mine.remove(known)
        else:
            self._replace(known)

    def _keeps(self, known: Known) -> bool:
        return self._is_struck or self._outlives(known.key)

    def _create(self) -> Known:
        known = Known()
        is_kept = self._keeps(known)
        known.is_written(self.store.create(known.key, known.payload, 600), is_kept=is_kept)
        self.known.append(known)
        return known

    def _replace(self, known: Known) -> None:
        is_kept = self._keeps(known)
        known.sent += 1
        try:
            version = self.store.replace(known.key, known.payload, 600, known.version)
        except StoreUnavailable:
            known.is_unknown()
            raise
        except (Gone, Conflict) as error:
            is_set_back = not self._is_calm and known.acknowledged > known.kept
            is_so = is_set_back and known.kept < 0 if isinstance(error, Gone) else is_set_back or known.is_in_doubt
            if not is_so:
                raise WrongAnswer(f"{error!r} for {known}") from error
            known.version = None
        else:
            known.is_written(version, is_kept=is_kept)

    def _load(self, known: Known) -> int:
        """The number of the write that can be read, -1 for none."""
        entry = self.store.load(known.key)
        found = -1 if entry is None else known.number_of(entry.payload)
        least = known.acknowledged if self._is_calm else known.kept
        if not least <= found <= known.sent:
            raise WrongAnswer(f"{found} for {known}")
        known.version = None if entry is None else entry.version
        return found


def fault_of(process: ServerProcess, fault: str) -> Callable[[], None]:
    return process.freeze if fault == "hangs" else process.kill


def fail_over(
    traffic: Traffic, fault: Callable[[], None], former: int, replica: int, is_over: Callable[[], bool]
) -> None:
    """Strike the master in the middle of traffic, and wait until its replica serves in its place."""
    with traffic.running():
        traffic.wait_for_service()
        traffic.confirm(former, replica)
        traffic.strike(fault)
        wait_until(is_over)
        traffic.wait_for_service()
    confirmed = [known for known in traffic.known if known.kept > 0]

    assert len(confirmed) >= SESSIONS
    assert traffic.failures > 0
    assert traffic.slowest < TIMEOUT + SLACK
    traffic.load_all()


@unless_wrong
@pytest.mark.parametrize("fault", ["hangs", "is dead"])
def test_a_failover_by_sentinel_loses_nothing_that_was_kept(tmp_path: Path, fault: str) -> None:
    with a_sentinel(tmp_path) as sentinel:
        store = RedisStore(sentinel.url, timeout=TIMEOUT)
        former = sentinel.master()
        (successor,) = sentinel.nodes.keys() - {former}
        strike = fault_of(sentinel.nodes[former], fault)

        fail_over(Traffic(store), strike, former, successor, lambda: sentinel.master() == successor)

        store.close()


@unless_wrong
@pytest.mark.parametrize("fault", ["hangs", "is dead"])
def test_a_failover_in_a_cluster_loses_nothing_that_was_kept(tmp_path: Path, fault: str) -> None:
    with a_cluster(tmp_path) as cluster:
        store = RedisStore(cluster.url, timeout=TIMEOUT)
        former, *others = sorted(cluster.slots().items())
        victim = former[1]
        successor = cluster.replica_of(victim)

        def outlives(key: str) -> bool:
            """Of the three masters, the first slots are those of the victim."""
            return redis.crc.key_slot(f"{PREFIX}{key}".encode()) >= others[0][0]

        def is_over() -> bool:
            living = cluster.processes.keys() - {victim}
            # They learn it one after the other.
            return all(cluster.slots(port).get(former[0]) == successor for port in living) and all(
                ask(port, "CLUSTER INFO")["cluster_state"] == "ok" for port in living
            )

        fail_over(Traffic(store, outlives), fault_of(cluster.processes[victim], fault), victim, successor, is_over)

        store.close()
