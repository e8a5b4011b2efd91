"""One deadline for all that a call of the Redis driver does on its way: asking, connecting, shaking hands."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

#: When the call at hand must be over, by time.monotonic, and how long any one of its steps may take. Every thread and
#: every greenlet has its own.
_limits: ContextVar[tuple[float, float]] = ContextVar("sessionware_redis_limits", default=(math.inf, math.inf))

#: How many servers that hang may be asked for the way before the time is over.
_STEPS = 4

#: What a socket waits when the time is over, in seconds: a timeout of zero would make it a non-blocking one.
_LEAST = 0.001

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


def step(timeout: float) -> float:
    """The length of a step of a call that has *timeout* seconds."""
    return timeout / _STEPS


def _time_left() -> float:
    until, longest = _limits.get()
    return min(until - time.monotonic(), longest)


class InTime:
    """In front of a connection class of the driver: all that it does on the network keeps to the deadline.

    The driver's own timeouts hold for each step alone, and a call may have many: a Sentinel after the other, every node
    of a Cluster over the connection that is open to it, every address of a host.
    """

    _sock: Any
    socket_timeout: float
    socket_connect_timeout: float

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
            wanted, present = max(_LEAST, min(self.socket_timeout, _time_left())), self._sock.gettimeout()
            # Each change is a call of the system. A call that has just begun wants none, unless the last had less time.
            if not _NEARLY * present <= wanted <= present / _NEARLY:
                self._sock.settimeout(wanted)

    def _connect(self) -> Any:
        usual, left = self.socket_timeout, _time_left()
        if left <= 0:
            raise TimeoutError("no time is left to connect")
        self.socket_timeout = self.socket_connect_timeout = min(usual, left)
        try:
            return super()._connect()  # type: ignore[misc]
        finally:
            self.socket_timeout = usual


def in_time(connection_class: type) -> type:
    """*connection_class* of the driver with a deadline."""
    return type(connection_class.__name__, (InTime, connection_class), {})
