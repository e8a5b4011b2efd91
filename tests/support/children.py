"""Forked processes that tell their parent how far they are, and have ended when their block ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import IO

Tell = Callable[[int], object]


class Child:
    """One process; ``last`` is the last number that it has told."""

    def __init__(self, process: int, told: IO[bytes]) -> None:
        self.process = process
        self._told = told
        self.last: int | None = None

    def listen(self, numbers: int) -> None:
        """Wait for so many further numbers."""
        for _ in range(numbers):
            line = self._told.readline()
            assert line, "the child has ended"
            self.last = int(line)

    def listen_for(self, seconds: float) -> None:
        """Wait until it tells something, but no longer than this."""
        if select.select([self._told], [], [], seconds)[0]:
            self.listen(1)

    def kill(self) -> None:
        """SIGKILL; what it had told until then is heard."""
        os.kill(self.process, signal.SIGKILL)
        for line in self._told:
            self.last = int(line)


@contextlib.contextmanager
def a_child(function: Callable[[Tell], object]) -> Iterator[Child]:
    """Run *function* in a process of its own, which may tell numbers."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns if any thread is alive; none of those uses a store.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if not process:
        _run(function, writing)
    os.close(writing)
    try:
        # Without a buffer, so that select sees all that has not been read.
        with open(reading, "rb", buffering=0) as told:
            yield Child(process, told)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def _run(function: Callable[[Tell], object], writing: int) -> None:
    try:
        function(lambda number: os.write(writing, b"%d\n" % number))
    finally:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        sys.stderr.flush()
        # Not sys.exit: the tests' own clean-up belongs to the parent.
        os._exit(1)
