"""One deadline for all that a call of the Redis driver does on its way: asking, connecting, shaking hands."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from sessionware.stores.pools import is_readable

#: When the call at hand must be over, by time.monotonic, and how long any one of its steps may take. Every thread and
#: every greenlet has its own.
_limits: ContextVar[tuple[float, float]] = ContextVar("sessionware_redis_limits", default=(math.inf, math.inf))

#: How many servers that hang may be asked where to connect before the time is over.
_STEPS = 4

#: What a socket waits when the time is over, in seconds: a timeout of zero would make it a non-blocking one.
_LEAST_SECONDS = 0.001

#: How near a socket's timeout must be to the time that is left.
_NEARLY = 0.9


def begin(timeout: float) -> None:
    """From now on connections have *timeout* seconds together, until the next call of this thread begins."""
    _limits.set((time.monotonic() + timeout, timeout))


@contextlib.contextmanager
def in_small_steps() -> Iterator[None]:
    """Within, no single server gets all the time that is left: one that hangs must not hide the one that answers."""
    until, longest = _limits.get()
    token = _limits.set((until, longest / _STEPS))
    try:
        yield
    finally:
        _limits.reset(token)


def time_left() -> float:
    """The seconds that the next step may take; never zero."""
    until, longest = _limits.get()
    return max(_LEAST_SECONDS, min(until - time.monotonic(), longest))


class InTime:
    """In front of a connection class of the driver: all that it does on the network keeps to the deadline.

    The driver's own timeouts hold for each step alone, and a call may have many: a Sentinel after the other, every node
    of a Cluster over the connection that is open to it, every address of a host.
    """

    # The driver has no public way to the socket of a connection, and none to wait less for an answer than was said when
    # it connected. Its can_read() would tell whether the server has closed the connection, but it reads, and sets the
    # socket's timeout back, and takes up to seven times as long as a look at the socket.
    _sock: Any

    @property
    def socket_timeout(self) -> float:
        """What the driver sets when it has connected, and before it does, for each address of a host."""
        return time_left()

    @socket_timeout.setter
    def socket_timeout(self, seconds: object) -> None:
        """The driver's own value is not used."""

    socket_connect_timeout = socket_timeout

    def send_packed_command(self, *args: Any, **options: Any) -> Any:
        """Send, in the time that is left."""
        self._wait_no_longer()
        return super().send_packed_command(*args, **options)  # type: ignore[misc]

    def read_response(self, *args: Any, **options: Any) -> Any:
        """Read, in the time that is left."""
        self._wait_no_longer()
        return super().read_response(*args, **options)  # type: ignore[misc]

    def _wait_no_longer(self) -> None:
        if self._sock:
            wanted, present = time_left(), self._sock.gettimeout()
            # Each change is a call of the system. A call that has just begun wants none, unless the last had less time.
            if not _NEARLY * present <= wanted <= present / _NEARLY:
                self._sock.settimeout(wanted)

    def has_ended(self) -> bool:
        """Whether the server has closed the connection, if it waits for no answer."""
        return not self._sock or is_readable(self._sock)


@functools.cache
def in_time(connection_class: type) -> type:
    """*connection_class* of the driver with a deadline."""
    return type(connection_class.__name__, (InTime, connection_class), {})
