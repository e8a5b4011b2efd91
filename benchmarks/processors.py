"""Keeps processes to one processor each: what is measured to the first, and its servers or clients to the last."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

MEASURED, OTHERS = 0, -1

#: Those that this process might use when it began; empty on a system that cannot tell.
_PROCESSORS = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def keep_to(place: int, process: int = 0) -> None:
    """Let *process*, this one by default, run on one processor only, if there are two."""
    if len(_PROCESSORS) > 1:
        os.sched_setaffinity(process, {_PROCESSORS[place]})


@contextlib.contextmanager
def starting_on(place: int) -> Iterator[None]:
    """A process that is started within runs on the processor *place*, and so do all of its threads and children."""
    before = os.sched_getaffinity(0) if _PROCESSORS else set()
    keep_to(place)
    try:
        yield
    finally:
        if before:
            os.sched_setaffinity(0, before)
