"""The ground under the store suite: its fixtures, and the ways to make many callers of a store."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, TypeVar

import pytest

from sessionware.exceptions import Conflict
from sessionware.stores.contract import Closable, Entry, Purgeable, Store, is_atomic
from sessionware.testing.clock import FakeClock

THREADS = 8
PROCESSES = 4
INCREMENTS = 25
YEAR = 365 * 86400

#: What a store may lack, and how a skip explains it.
CAPABILITIES = {
    "purge": "it has no purge(); right if the medium removes what has expired by itself",
    "close": "it has no close(); right if it holds no connections",
    "reopen": "a second object from make_store(clock) does not see what the first has stored; right in memory",
    "processes": "it says atomic = False, or does not outlive its object; sessions are then safe in one process only",
    "fork": "this platform has no os.fork",
}

_Test = TypeVar("_Test", bound=Callable[..., None])


def needs(*capabilities: str) -> Callable[[_Test], _Test]:
    """Mark a test as one of stores with all of *capabilities*."""

    def mark(test: _Test) -> _Test:
        test.__dict__["needs"] = capabilities
        return test

    return mark


def new_key() -> str:
    """A key as a manager makes them: 43 characters of ``[0-9A-Za-z_-]``."""
    return secrets.token_urlsafe(32)


class SuiteBase:
    """Makes the store, and leaves out the tests of what it lacks."""

    #: Names out of :data:`CAPABILITIES` that the store is known to lack.
    without: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        for name in dir(cls):
            if set(getattr(getattr(cls, name), "needs", ())) & set(cls.without):
                setattr(cls, name, None)

    def make_store(self, clock: FakeClock) -> Store:
        """A store that takes its time from *clock*, if it needs one."""
        raise NotImplementedError("a suite gives make_store(self, clock)")

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def open_store(self, clock: FakeClock) -> Iterator[Callable[[], Store]]:
        made: list[Store] = []

        def open_store() -> Store:
            made.append(self.make_store(clock))
            return made[-1]

        yield open_store
        for store in made:
            if isinstance(store, Closable):
                store.close()

    @pytest.fixture
    def store(self, open_store: Callable[[], Store], request: pytest.FixtureRequest) -> Store:
        store = open_store()
        for capability in getattr(request.function, "needs", ()):
            if not _has(capability, store, open_store):
                pytest.skip(f"not tested, because {CAPABILITIES[capability]}")
        return store

    @pytest.fixture
    def key(self) -> str:
        return new_key()


def _has(capability: str, store: Store, open_store: Callable[[], Store]) -> bool:
    if capability == "purge":
        return isinstance(store, Purgeable)
    if capability == "close":
        return isinstance(store, Closable)
    if capability == "fork":
        return hasattr(os, "fork")
    if capability == "processes" and not is_atomic(store):
        return False
    key = new_key()
    store.create(key, b"", 60)
    return open_store().load(key) is not None


def loaded(store: Store, key: str) -> Entry:
    entry = store.load(key)
    assert entry is not None, "an entry that was stored is not there"
    return entry


def increment(store: Store, key: str) -> None:
    """Add to the number in an entry, as every caller of a store does it: by compare-and-swap, until it succeeds."""
    for _ in range(INCREMENTS):
        while True:
            entry = loaded(store, key)
            try:
                store.replace(key, b"%d" % (int(entry.payload) + 1), 60, entry.version)
            except Conflict:
                continue
            break


def purge_leftovers(store: Any, clock: FakeClock) -> None:
    """Remove what earlier tests have left in a database that is kept."""
    clock.advance(30 * YEAR)
    store.purge()


def together(functions: list[Callable[[], object]]) -> None:
    """Call each in a thread of its own, all at once, and raise the first error of any.

    One that fails leaves others waiting for it in vain: what it raised is what is worth knowing.
    """
    start = threading.Barrier(len(functions))

    def run(function: Callable[[], object]) -> None:
        start.wait()
        function()

    with ThreadPoolExecutor(len(functions)) as threads:
        futures = [threads.submit(run, function) for function in functions]
    errors = [error for future in futures if (error := future.exception())]
    errors.sort(key=lambda error: isinstance(error, threading.BrokenBarrierError))
    if errors:
        raise errors[0]


def in_children(functions: list[Callable[[], object]]) -> list[int]:
    """Call each in a forked process of its own, all at once; their exit statuses, 0 for a return without an error."""
    sys.stdout.flush()
    sys.stderr.flush()
    children = [_fork(function) for function in functions]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _fork(function: Callable[[], object]) -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns if any thread is alive. Of ours none is, and others do not use the store.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    status = 1
    try:
        function()
        status = 0
    finally:
        if status:
            traceback.print_exc()
        sys.stderr.flush()
        # Not sys.exit: the tests' own clean-up belongs to the parent.
        os._exit(status)
