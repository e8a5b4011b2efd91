"""What a process has open: one value for each process, and connections that are lent to one caller at a time."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
C = TypeVar("C")

#: A firewall may drop a connection that was idle for longer, and tells neither end.
LONGEST_IDLE_SECONDS = 60.0

#: An idle connection is probed after so many seconds. Without an answer it counts as broken 15 seconds later, before a
#: pool would end it.
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 30, 5, 3

#: Between two looks at a driver's pool that is exhausted.
_PAUSE_SECONDS = 0.002

#: Values that parent processes made. Kept for ever: collecting one would close its connections, and closing says
#: farewell to the server, or drops the locks of a file, over what the parent goes on using.
_inherited: list[Any] = []


class PerProcess(Generic[T]):
    """One value for each process, made by *make* at its first use there.

    A process that has forked makes a value of its own. The value of its parent is kept and not used; *leave* is called
    with it once, for a value that lies in an object which the application goes on using in the child.

    *close_before_fork* is called with the value before the process forks, and the value is used again afterwards. It is
    for connections that a child must not even inherit.
    """

    __slots__ = ("__weakref__", "_close", "_leave", "_locks", "_make", "_values")

    def __init__(
        self,
        make: Callable[[], T],
        *,
        leave: Callable[[T], object] | None = None,
        close_before_fork: Callable[[T], object] | None = None,
    ) -> None:
        self._make = make
        self._leave = leave
        self._close = close_before_fork
        # By process id, because a server that forks in C does not run Python's hooks.
        self._values: dict[int, T] = {}
        # A lock is made at the first use in a process: gevent has replaced the class by then, if it is going to.
        self._locks: dict[int, threading.Lock] = {}
        if close_before_fork is not None:
            _closed_before_fork.add(weakref.ref(self, _closed_before_fork.discard))

    def get(self) -> T:
        """The value of this process."""
        try:
            return self._values[os.getpid()]
        except KeyError:
            return self._begin()

    def _begin(self) -> T:
        process = os.getpid()
        with self._locks.setdefault(process, threading.Lock()):
            try:
                # Another thread has made it while this one waited for the lock.
                return self._values[process]
            except KeyError:
                self._set_inherited_aside(process)
                value = self._values[process] = self._make()
                return value

    def _set_inherited_aside(self, process: int) -> None:
        for other in [other for other in self._values if other != process]:  # pragma: no cover - runs in children
            value = self._values.pop(other)
            _inherited.append(value)
            if self._leave is not None:
                self._leave(value)

    def take(self) -> T | None:
        """Remove and return the value of this process, if there is one; the next :meth:`get` makes another."""
        return self._values.pop(os.getpid(), None)

    def close_before_fork(self) -> None:
        """Close the value of this process, if there is one."""
        value = self._values.get(os.getpid())
        if value is not None and self._close is not None:
            self._close(value)


# Not a WeakSet: while a thread adds to one, another cannot iterate over it. Copying a set is atomic.
_closed_before_fork: set[weakref.ref[PerProcess[Any]]] = set()


def _close_before_fork() -> None:
    for reference in _closed_before_fork.copy():
        holder = reference()
        if holder is not None:
            holder.close_before_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch
    os.register_at_fork(before=_close_before_fork)


class Places:
    """So many places, each taken by one caller at a time; a caller may be stopped at any moment.

    A semaphore of the standard library loses a place, or the turn of those that wait, where gevent kills a greenlet in
    it: the lock of its condition is waited for, and while it is held, others run.
    """

    # The methods of a deque that are used here are atomic.

    __slots__ = ("_free", "_waiting")

    def __init__(self, count: int) -> None:
        self._free: deque[None] = deque([None] * count)
        #: The locks at which callers wait, each until it is let go by one that gives a place back.
        self._waiting: deque[threading.Lock] = deque()

    def take(self, patience: float | None) -> bool:
        """Take a place; ``False`` if none is free for *patience* seconds (``None``: without end)."""
        deadline = math.inf if patience is None else time.monotonic() + patience
        while not self._take_at_once():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._wait(left)
        return True

    def _take_at_once(self) -> bool:
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def _wait(self, seconds: float) -> None:
        """Wait to be called."""
        turn = threading.Lock()
        turn.acquire()
        self._waiting.append(turn)
        try:
            # A place may have become free before this caller could be called for it.
            self._call_next()
            turn.acquire(timeout=-1 if seconds == math.inf else min(seconds, threading.TIMEOUT_MAX))
        except BaseException:
            self._leave(turn)
            # The place for which this caller was called, and which it leaves, is that of the next one.
            self._call_next()
            raise
        self._leave(turn)

    def _leave(self, turn: threading.Lock) -> None:
        with contextlib.suppress(ValueError):  # it was called
            self._waiting.remove(turn)

    def give_back(self) -> None:
        """Give a place back; this never waits."""
        self._free.append(None)
        self._call_next()

    def _call_next(self) -> None:
        if self._free:
            with contextlib.suppress(IndexError):
                self._waiting.popleft().release()


class Pool(Generic[C]):
    """Connections that *open_one* opens and *close_one* closes, each lent to one caller at a time.

    The one that was given back last is lent first, so that those which are not needed stay idle. A connection that is
    idle for a minute is closed, and so is one that *has_ended* when it is its turn. With *most*, a caller waits for
    *patience* seconds (``None``: without end) while so many are lent, and then gets a :exc:`TimeoutError`.
    """

    # Connections are lent instead of kept one per thread: a threading.local that was made before gevent patched it is
    # shared by all greenlets. The methods of a deque that are used here are atomic.

    __slots__ = ("_close_one", "_has_ended", "_idle", "_most", "_open_one", "_patience", "_places")

    def __init__(
        self,
        open_one: Callable[[], C],
        close_one: Callable[[C], object],
        *,
        has_ended: Callable[[C], bool],
        most: int | None = None,
        patience: float | None = 0,
    ) -> None:
        self._open_one = open_one
        self._close_one = close_one
        self._has_ended = has_ended
        self._most = most
        self._patience = patience
        #: Each with the time since when it is idle, the one that is idle for longest first.
        self._idle: deque[tuple[C, float]] = deque()
        self._places = None if most is None else Places(most)

    def borrow(self, patience: float | None = None) -> C:
        """A connection that is open, as far as can be seen; it goes back by :meth:`give_back` or :meth:`discard`.

        A *patience* that is given takes the place of the pool's for this call.
        """
        if self._places is not None:
            self._wait_for_place(self._places, self._patience if patience is None else patience)
        try:
            while self._idle:
                try:
                    connection, since = self._idle.pop()
                except IndexError:
                    # Another thread has borrowed the last one.
                    break
                try:
                    if time.monotonic() - since < LONGEST_IDLE_SECONDS and not self._has_ended(connection):
                        return connection
                except BaseException:
                    self._close_idle_one(connection)
                    raise
                self._close_idle_one(connection)
            return self._open_one()
        except BaseException:
            self._release()
            raise

    def _wait_for_place(self, places: Places, patience: float | None) -> None:
        if not places.take(patience):
            raise TimeoutError(f"all {self._most} connections were in use for {_written(patience)} seconds")

    def give_back(self, connection: C) -> None:
        """Keep *connection* for the next caller."""
        now = time.monotonic()
        self._idle.append((connection, now))
        self._release()
        try:
            while now - self._idle[0][1] >= LONGEST_IDLE_SECONDS:
                self._close_idle_one(self._idle.popleft()[0])
        except IndexError:
            # Other threads have borrowed all of them.
            return

    def discard(self, connection: C) -> None:
        """Close *connection*, because it is broken or an answer may still arrive on it."""
        try:
            self._close_one(connection)
        finally:
            self._release()

    def _release(self) -> None:
        if self._places is not None:
            self._places.give_back()

    def close_idle(self) -> None:
        """Close the connections that are not lent; the next caller opens one."""
        with contextlib.suppress(IndexError):
            while True:
                self._close_idle_one(self._idle.pop()[0])

    def _close_idle_one(self, connection: C) -> None:
        # The caller has no use for this connection, and so no use for what goes wrong with it.
        with contextlib.suppress(Exception):
            self._close_one(connection)


def wait_for_free(borrow: Callable[[], C], *, is_exhausted: Callable[[Exception], bool], patience: float | None) -> C:
    """What *borrow* returns: a connection of a driver's pool that raises at once while all connections are lent.

    It is called again until *patience* (``None``: without end) is over, and then a :exc:`TimeoutError` is raised.
    """
    deadline = time.monotonic() + (math.inf if patience is None else patience)
    while True:
        try:
            return borrow()
        except Exception as error:
            if not is_exhausted(error):
                raise
        if time.monotonic() >= deadline:
            raise TimeoutError(f"all connections were in use for {_written(patience)} seconds")
        time.sleep(_PAUSE_SECONDS)


def _written(seconds: float | None) -> str:
    return f"{round(seconds or 0, 1):g}"


def keepalive_options() -> dict[int, int]:
    """The options of TCP that make a socket probe an idle connection, as far as this platform has them."""
    named = {
        "TCP_KEEPIDLE": KEEPALIVE_IDLE_SECONDS,
        "TCP_KEEPINTVL": KEEPALIVE_INTERVAL_SECONDS,
        "TCP_KEEPCNT": KEEPALIVE_PROBES,
    }
    return {getattr(socket, name): value for name, value in named.items() if hasattr(socket, name)}


def is_readable(connection: Any) -> bool:
    """Whether a socket on which no answer is pending is closed: a readable one has got the end, or a last notice.

    A write that is sent on a connection which the server has closed, as it does when it restarts, has an unknown
    outcome. Looking first avoids that, and costs no round trip.
    """
    poll = select.poll()
    try:
        poll.register(connection, select.POLLIN)
    except ValueError:
        # It has no file descriptor any more: this process has closed it.
        return True
    return bool(poll.poll(0))
