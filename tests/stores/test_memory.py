"""The store in memory."""

from __future__ import annotations

import os
import threading
import time

import pytest

from sessionware.stores import MemoryStore
from sessionware.testing import FakeClock, StoreConformance
from sessionware.testing.conformance.fixtures import new_key


class TestMemoryStore(StoreConformance):
    without = ("close", "reopen", "processes")

    def make_store(self, clock: FakeClock) -> MemoryStore:
        return MemoryStore(clock=clock)


def test_time_time_is_looked_up_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    store, key = MemoryStore(), new_key()
    store.create(key, b"payload", 60)

    monkeypatch.setattr(time, "time", lambda: 1e11)

    assert store.purge() == 1


def test_writes_remove_what_has_expired_on_their_way() -> None:
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    expired = [new_key() for _ in range(100)]
    for key in expired:
        store.create(key, b"payload", 60)
    clock.advance(60)

    for _ in range(60):
        store.create(new_key(), b"payload", 60)

    assert [key for key in expired if store.load(key)] == []


def test_a_purge_looks_at_everything_and_lets_writers_in_between() -> None:
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    for number in range(2500):
        store.create(new_key(), b"payload", 60 if number % 2 else None)
    clock.advance(60)

    assert (store.purge(), store.purge()) == (1250, 0)


def test_a_payload_that_is_changed_afterwards_stays_what_it_was() -> None:
    store, key = MemoryStore(), new_key()
    payload = bytearray(b"payload")
    store.create(key, payload, None)  # type: ignore[arg-type]  # what a careless caller might do

    payload[:] = b"changed"

    entry = store.load(key)
    assert entry is not None
    assert entry.payload == b"payload"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_while_another_thread_writes_can_write() -> None:
    purging, forked = threading.Event(), threading.Event()

    def clock() -> float:
        if threading.current_thread() is thread:  # which has the lock when it asks for the time
            purging.set()
            forked.wait()
        return 0.0

    store, key = MemoryStore(clock=clock), new_key()
    thread = threading.Thread(target=store.purge)
    store.create(key, b"payload", 60)
    thread.start()
    purging.wait()

    child = os.fork()
    if child == 0:
        os._exit(0 if store.delete(key) else 1)
    _, status = os.waitpid(child, 0)
    forked.set()
    thread.join()

    assert status == 0
