"""The fixtures of the store suite, and functions that call a store from many threads or processes."""

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

#: What a store may lack, and the reason that a skipped test gives.
CAPABILITIES = {
    "purge": "it has no purge(); right if the medium removes what has expired by itself",
    "close": "it has no close(); right if it holds no connections",
    "reopen": "a second object from make_store(clock) does not see what the first has stored; right in memory",
    "processes": "it has atomic = False, or its entries end with the object; sessions are then safe in one process",
    "fork": "this platform has no os.fork",
}

_Test = TypeVar("_Test", bound=Callable[..., None])


def needs(*capabilities: str) -> Callable[[_Test], _Test]:
    """Mark a test that only stores with all of *capabilities* run."""

    def mark(test: _Test) -> _Test:
        test.__dict__["needs"] = capabilities
        return test

    return mark


def new_key() -> str:
    """A key like those that a manager gives a store: 43 characters of ``[0-9A-Za-z_-]``."""
    return secrets.token_urlsafe(32)


class StoreFixtures:
    """The fixtures ``clock``, ``open_store``, ``store`` and ``key``; ``store`` skips tests of what the store lacks."""

    #: The names in :data:`CAPABILITIES` of what the store is known to lack; tests of these are not collected.
    without: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        for name in dir(cls):
            if set(getattr(getattr(cls, name), "needs", ())) & set(cls.without):
                setattr(cls, name, None)

    def make_store(self, clock: FakeClock) -> Store:
        """Return the store under test. It takes the time from *clock*, if it needs the time at all."""
        raise NotImplementedError(
            f"{type(self).__name__} has no make_store(self, clock); write one that returns a store"
        )

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
    """Add 1 to the number in an entry INCREMENTS times, each by compare-and-swap until it succeeds."""
    for _ in range(INCREMENTS):
        while True:
            entry = loaded(store, key)
            try:
                store.replace(key, b"%d" % (int(entry.payload) + 1), 60, entry.version)
            except Conflict:
                continue
            break


def purge_leftovers(store: Any, clock: FakeClock) -> None:
    """Remove what earlier tests have left in a database that is not emptied between tests."""
    clock.advance(30 * YEAR)
    store.purge()


def together(functions: list[Callable[[], object]]) -> None:
    """Call each function in a thread of its own, all at once, and raise one of the errors.

    A thread that waited for one that has failed raises BrokenBarrierError; another error is raised rather than that.
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
    """Call each function in a forked process of its own, all at once; the exit statuses, where 0 means no error."""
    sys.stdout.flush()
    sys.stderr.flush()
    children = [_fork(function) for function in functions]
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _fork(function: Callable[[], object]) -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of a fork while threads run. Those of the suite have ended, and no other uses the store.
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
        # sys.exit would run the clean-up of the tests in the child too.
        os._exit(status)
