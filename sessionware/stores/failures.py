"""What is told of a failed store: the driver's or the system's words, without keys, payloads and credentials."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from sessionware.exceptions import SessionwareError, StoreUnavailable

Method = TypeVar("Method", bound=Callable[..., Any])


class DriverError(Exception):
    """What a driver or the system has said, as far as it can be shown. It holds nothing of the original error."""


def told(error: BaseException, *, words: str = "", code: object = None, hidden: Iterable[str | None] = ()) -> Exception:
    """*error* by its type and *code*, with those of its *words* that repeat no key and no payload.

    Of *words*, which the caller vouches for, the *hidden* ones (a user, a password) become ``***``. Of an error of the
    operating system the number tells all, and the name of a file, which may be a key, is left out.
    """
    if isinstance(error, OSError) and error.errno is not None and not words:
        return OSError(error.errno, os.strerror(error.errno))
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if code is not None:
        kind = f"{kind} ({code})"
    for word in filter(None, hidden):
        words = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "***", words)
    return DriverError(f"{kind}: {words}" if words else kind)


def unavailable(message: str, cause: Exception) -> StoreUnavailable:
    """A :exc:`StoreUnavailable` to be raised after the handler: within it, the driver's error would be its context."""
    failure = StoreUnavailable(message)
    failure.__cause__ = cause
    return failure


def guarded(message: str, *errors: type[Exception]) -> Callable[[Method], Method]:
    """A method that raises :exc:`StoreUnavailable` with *message* for any of *errors*; errors of this package pass."""

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def guarding(*arguments: Any, **named: Any) -> Any:
            try:
                return method(*arguments, **named)
            except SessionwareError:
                raise
            except errors as error:
                failure = unavailable(message, told(error))
            raise failure

        return cast(Method, guarding)

    return decorate
