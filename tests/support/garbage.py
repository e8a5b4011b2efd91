"""What code leaves to the garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def assert_no_garbage() -> Iterator[None]:
    """What is done here leaves nothing to the collector. Whatever was there before is set aside, to be fast."""
    gc.disable()
    gc.freeze()
    try:
        yield
        assert gc.collect() == 0
    finally:
        gc.unfreeze()
        gc.enable()
