"""The tests of the store suite with several callers: threads, processes, and stores that purge, close and reopen."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from sessionware.exceptions import AlreadyExists, Conflict, Gone, StoreAnswer
from sessionware.stores.contract import Entry, Store
from sessionware.testing.clock import FakeClock
from sessionware.testing.conformance.fixtures import (
    INCREMENTS,
    PROCESSES,
    THREADS,
    StoreFixtures,
    in_children,
    increment,
    loaded,
    needs,
    new_key,
    purge_leftovers,
    together,
)

#: For so long a store may accept writes to an entry that another thread deletes.
DELETE_SECONDS = 30.0


def _winners(write: Callable[[bytes], object], *, refusal: type[StoreAnswer]) -> list[bytes]:
    """Write another payload in each of many threads at once; the payloads that were not refused."""
    winners: list[bytes] = []

    def try_to_write(payload: bytes) -> None:
        try:
            write(payload)
        except refusal:
            return
        winners.append(payload)

    together([partial(try_to_write, b"%d" % number) for number in range(THREADS)])
    return winners


class SharingTests(StoreFixtures):
    """No write is lost, torn or undone, however many threads and processes use one store."""

    # Threads

    def test_increments_of_many_threads_are_all_kept(self, store: Store, key: str) -> None:
        store.create(key, b"0", 60)

        together([lambda: increment(store, key)] * THREADS)

        assert loaded(store, key).payload == b"%d" % (THREADS * INCREMENTS)

    def test_of_racing_creates_one_wins(self, store: Store, key: str) -> None:
        winners = _winners(lambda payload: store.create(key, payload, 60), refusal=AlreadyExists)

        assert [loaded(store, key).payload] == winners

    def test_of_racing_replaces_of_one_version_one_wins(self, store: Store, key: str) -> None:
        version = store.create(key, b"old", 60)

        winners = _winners(lambda payload: store.replace(key, payload, 60, version), refusal=Conflict)

        assert [loaded(store, key).payload] == winners

    def test_a_delete_among_replaces_is_final(self, store: Store) -> None:
        def write_until_it_is_gone(key: str) -> None:
            version = store.create(key, b"payload", 60)
            created.wait()
            deadline = time.monotonic() + DELETE_SECONDS
            while time.monotonic() < deadline:
                try:
                    version = store.replace(key, b"again", 60, version)
                except Gone:
                    return
                # The lock may be unfair, as SQLite's is: without a pause the writers could keep the delete waiting.
                pause.wait(0.001)
            raise AssertionError("an entry that was deleted can still be replaced")

        def delete(key: str) -> None:
            created.wait()
            store.delete(key)

        created, pause = threading.Barrier(2 * THREADS, timeout=DELETE_SECONDS), threading.Event()
        keys = [new_key() for _ in range(THREADS)]
        together([partial(act, key) for key in keys for act in (write_until_it_is_gone, delete)])

        assert [store.load(key) for key in keys] == [None] * THREADS

    def test_a_reader_never_sees_half_a_payload(self, store: Store, key: str) -> None:
        whole = {letter * 4000 for letter in (b"a", b"b", b"c", b"d")}
        version = store.create(key, b"a" * 4000, 60)
        seen: set[bytes] = set()

        def write() -> None:
            nonlocal version
            for payload in sorted(whole) * INCREMENTS:
                version = store.replace(key, payload, 60, version)

        def read() -> None:
            seen.update(loaded(store, key).payload for _ in range(4 * INCREMENTS))

        together([write, read, read])

        assert seen <= whole

    # Processes

    @needs("fork")
    def test_parent_and_child_both_use_a_store_made_before_the_fork(self, store: Store, key: str) -> None:
        version = store.create(key, b"payload", 60)

        def use_store() -> None:
            child_key = new_key()
            assert loaded(store, key) == Entry(b"payload", version)
            changed = store.replace(child_key, b"child's", 60, store.create(child_key, b"", 60))
            assert store.load(child_key) == Entry(b"child's", changed)
            assert store.delete(child_key)

        assert in_children([use_store, use_store]) == [0, 0]
        use_store()

    @needs("fork", "processes")
    def test_increments_of_many_processes_are_all_kept(self, store: Store, key: str) -> None:
        store.create(key, b"0", 60)

        statuses = in_children([lambda: increment(store, key)] * PROCESSES)

        assert statuses == [0] * PROCESSES
        assert loaded(store, key).payload == b"%d" % (PROCESSES * INCREMENTS)

    @needs("fork", "processes")
    def test_of_creates_that_race_in_many_processes_one_wins(self, store: Store, key: str) -> None:
        def create_or_leave() -> None:
            with contextlib.suppress(AlreadyExists):
                version = store.create(key, b"%d" % os.getpid(), 60)
                # Nothing of what the others write comes after it.
                assert store.load(key) == Entry(b"%d" % os.getpid(), version)

        statuses = in_children([create_or_leave] * PROCESSES)

        assert statuses == [0] * PROCESSES
        assert store.load(key) is not None

    @needs("fork", "processes")
    def test_a_version_never_comes_back_in_another_process(
        self, store: Store, key: str, open_store: Callable[[], Store]
    ) -> None:
        """A number that each process counts for itself would begin again."""
        another = open_store()
        former = store.create(key, b"same", 60)

        def create_again() -> None:
            assert another.delete(key)
            another.create(key, b"same", 60)

        for _ in range(3):
            assert in_children([create_again]) == [0]
            with pytest.raises(Conflict):
                store.replace(key, b"late", 60, former)
            former = loaded(store, key).version

        assert loaded(store, key).payload == b"same"

    @needs("fork", "reopen")
    def test_what_a_child_writes_is_seen_by_its_parent(self, store: Store, key: str) -> None:
        statuses = in_children([lambda: store.create(key, b"child's", 60)])

        assert statuses == [0]
        assert loaded(store, key).payload == b"child's"

    # Reopening, purging and closing

    @needs("reopen")
    def test_a_second_object_sees_what_the_first_has_stored(
        self, store: Store, key: str, open_store: Callable[[], Store]
    ) -> None:
        version = store.create(key, b"payload", 60)

        second = open_store()
        loaded = second.load(key)
        new_version = second.replace(key, b"changed", 60, version)

        assert loaded == Entry(b"payload", version)
        assert store.load(key) == Entry(b"changed", new_version)

    @needs("purge")
    def test_purge_removes_what_has_reached_its_end_and_nothing_else(self, store: Any, clock: FakeClock) -> None:
        purge_leftovers(store, clock)
        ended, alive, endless = new_key(), new_key(), new_key()
        for key, ttl in ((ended, 60), (alive, 61), (endless, None)):
            store.create(key, b"payload", ttl)
        clock.advance(60)

        count = store.purge()

        assert count == 1
        assert [store.load(key) is None for key in (ended, alive, endless)] == [True, False, False]

    @needs("purge")
    def test_purge_keeps_to_its_limit(self, store: Any, clock: FakeClock) -> None:
        purge_leftovers(store, clock)
        keys = [new_key() for _ in range(5)]
        for key in keys:
            store.create(key, b"payload", 60)
        clock.advance(60)

        counts = [store.purge(limit=limit) for limit in (0, 3, 3, 3)]

        assert counts == [0, 3, 2, 0]
        assert [store.load(key) for key in keys] == [None] * 5

    @needs("purge")
    def test_purge_goes_by_the_last_end_that_was_given(self, store: Any, key: str, clock: FakeClock) -> None:
        purge_leftovers(store, clock)
        version = store.create(key, b"payload", 10)
        version = store.replace(key, b"payload", 1000, version)
        clock.advance(100)

        count = store.purge()

        assert count == 0
        assert store.load(key) == Entry(b"payload", version)

    @needs("close")
    def test_close_may_be_called_at_any_time_and_again(self, store: Any) -> None:
        store.close()
        store.load(new_key())

        store.close()
        store.close()

    @needs("close", "reopen")
    def test_a_closed_store_opens_again_at_the_next_call(self, store: Any, key: str) -> None:
        version = store.create(key, b"payload", 60)

        store.close()

        assert store.load(key) == Entry(b"payload", version)
