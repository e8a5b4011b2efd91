"""Turns what a medium raises into StoreUnavailable, without what its error would show."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from sessionware.exceptions import SessionwareError, StoreUnavailable


class MediumError(Exception):
    """What a medium has raised, as far as it can be shown: its type, never what it says of keys and payloads."""


@contextlib.contextmanager
def unavailable(message: str, *errors: type[Exception]) -> Iterator[None]:
    """Raise :exc:`StoreUnavailable` with *message* for any of *errors*; what can be shown of it becomes the cause.

    Errors of this package pass.
    """
    try:
        yield
    except SessionwareError:
        raise
    except errors as error:
        raise StoreUnavailable(message) from _shown(error).with_traceback(error.__traceback__)


def _shown(error: Exception) -> Exception:
    """Of an error of the operating system its number; its file name, and any other error's text, may have the key."""
    if isinstance(error, OSError) and error.errno is not None:
        return OSError(error.errno, os.strerror(error.errno))
    kind = type(error)
    return MediumError(f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."))
