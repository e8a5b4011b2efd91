"""Turns what a medium raises into StoreUnavailable, without what its error would show."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sessionware.exceptions import SessionwareError, StoreUnavailable


@contextlib.contextmanager
def unavailable(message: str, *errors: type[Exception]) -> Iterator[None]:
    """Raise :exc:`StoreUnavailable` with *message* for any of *errors*, which becomes its cause.

    An error of the operating system loses its file name, for that has the key in it. Errors of this package pass.
    """
    try:
        yield
    except SessionwareError:
        raise
    except errors as error:
        if isinstance(error, OSError):
            del error.filename, error.filename2
        raise StoreUnavailable(message) from error
