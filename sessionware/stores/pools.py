"""What a process has open: one value for each process, and connections that are lent to one caller at a time."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
C = TypeVar("C")

#: A firewall may have dropped a connection that was idle for longer, without a word to either end.
LONGEST_IDLE_SECONDS = 60.0


class PerProcess(Generic[T]):
    """One value for each process, made at its first use there.

    After a fork a child makes a value of its own. It keeps its parent's without using it: to close or to collect it
    could say farewell to the server over a connection that the parent goes on using. *leave* is called with the
    parent's value once in the child, where that value is shared with somebody who would use it.

    With *close_before_fork* the value is given to that function, and dropped, before the process forks.
    """

    __slots__ = ("__weakref__", "_close_before_fork", "_leave", "_locks", "_make", "_values")

    def __init__(
        self,
        make: Callable[[], T],
        *,
        leave: Callable[[T], object] | None = None,
        close_before_fork: Callable[[T], object] | None = None,
    ) -> None:
        self._make = make
        self._leave = leave
        self._close_before_fork = close_before_fork
        self._values: dict[int, T] = {}
        # A lock is made at the first use in a process: only then gevent has patched its class, or has not.
        self._locks: dict[int, threading.Lock] = {}
        if close_before_fork is not None:
            _closed_before_fork.add(self)

    def get(self) -> T:
        """The value of this process."""
        try:
            return self._values[os.getpid()]
        except KeyError:
            return self._begin()

    def _begin(self) -> T:
        process = os.getpid()
        with self._locks.setdefault(process, threading.Lock()):
            if process not in self._values:
                if self._leave is not None:
                    for inherited in self._values.values():  # pragma: no cover - runs in children
                        self._leave(inherited)
                self._values[process] = self._make()
        return self._values[process]

    def take(self) -> T | None:
        """The value of this process, if there is one; the next :meth:`get` makes another."""
        return self._values.pop(os.getpid(), None)

    def close_before_fork(self) -> None:
        value = self.take()
        if value is not None and self._close_before_fork is not None:
            self._close_before_fork(value)


_closed_before_fork: weakref.WeakSet[PerProcess[Any]] = weakref.WeakSet()


def _close_before_fork() -> None:
    for holder in list(_closed_before_fork):
        holder.close_before_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch
    os.register_at_fork(before=_close_before_fork)


class Pool(Generic[C]):
    """Connections that *open_one* opens and *close_one* closes, each lent to one caller at a time.

    The one that was given back last is lent first. One that *has_ended*, or that was idle for a minute, is replaced.
    With *most*, a caller waits for *patience* seconds while so many are lent, and then gets a :exc:`TimeoutError`.
    """

    # Borrowed and given back instead of one per thread: a threading.local made before gevent patches the world is
    # shared by all greenlets. The methods of a deque that are used here are atomic.

    __slots__ = ("_close_one", "_free", "_has_ended", "_idle", "_most", "_open_one", "_patience")

    def __init__(
        self,
        open_one: Callable[[], C],
        close_one: Callable[[C], object],
        *,
        has_ended: Callable[[C], bool],
        most: int | None = None,
        patience: float = 0,
    ) -> None:
        self._open_one = open_one
        self._close_one = close_one
        self._has_ended = has_ended
        self._most = most
        self._patience = patience
        self._idle: deque[tuple[C, float]] = deque()
        self._free = None if most is None else threading.BoundedSemaphore(most)

    def borrow(self) -> C:
        """A connection that is open, as far as can be seen; it goes back by :meth:`give_back` or :meth:`discard`."""
        if self._free is not None and not self._free.acquire(timeout=self._patience):
            raise TimeoutError(f"all {self._most} connections are in use")
        try:
            connection = self._idle_one()
            return self._open_one() if connection is None else connection
        except BaseException:
            self._release()
            raise

    def _idle_one(self) -> C | None:
        while self._idle:
            try:
                connection, since = self._idle.pop()
            except IndexError:
                return None
            if time.monotonic() - since < LONGEST_IDLE_SECONDS and not self._has_ended(connection):
                return connection
            self._close_one(connection)
        return None

    def give_back(self, connection: C) -> None:
        """Keep *connection* for the next caller."""
        self._idle.append((connection, time.monotonic()))
        self._release()

    def discard(self, connection: C) -> None:
        """Close *connection*, which is broken or has an answer under way."""
        try:
            self._close_one(connection)
        finally:
            self._release()

    def _release(self) -> None:
        if self._free is not None:
            self._free.release()

    def close_idle(self) -> None:
        """Close the connections that are not lent: at the end, and where one was broken, which is seldom alone."""
        with contextlib.suppress(IndexError):
            while True:
                self._close_one(self._idle.pop()[0])


def is_readable(socket: Any) -> bool:
    """Whether there is something to read from *socket*; where no question is pending, the server has closed it.

    So a write after a restart of the server goes to a new connection, where otherwise it would be unknown whether it
    took effect; and looking costs no round trip.
    """
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))
