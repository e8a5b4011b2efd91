"""Turns a driver's error into StoreUnavailable, with a cause that shows no key, no payload and no credentials."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

from sessionware.exceptions import SessionwareError, StoreUnavailable

Method = TypeVar("Method", bound=Callable[..., Any])


class DriverError(Exception):
    """What can be shown of an error of a driver: its type, and words that are known to hold no secret.

    The error itself is not kept. Its text, its context and the frames of its traceback may hold keys and payloads.
    """


def told(error: BaseException, *, words: str = "", code: object = None, hidden: Iterable[str | None] = ()) -> Exception:
    """A copy of *error* that can be shown: its type, its *code*, and *words*.

    The caller vouches that *words* holds no key and no payload; each of *hidden* (a user, a password) in it becomes
    ``***``. An error of the operating system is copied by its number, because its text may name a file after a key.
    """
    if isinstance(error, OSError) and not words:
        # An ssl.SSLError and a socket.gaierror have numbers of their own, and a reason that is a constant's name.
        code = code or getattr(error, "reason", None) or error.errno
        if type(error).__module__ == "builtins" and error.errno is not None:
            return OSError(error.errno, os.strerror(error.errno))
        if isinstance(error, TimeoutError):
            return TimeoutError("timed out")
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if code is not None:
        kind = f"{kind} ({code})"
    for word in filter(None, hidden):
        words = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "***", words)
    return DriverError(f"{kind}: {words}" if words else kind)


def unavailable(message: str, cause: Exception) -> StoreUnavailable:
    """A :exc:`StoreUnavailable` with its cause. Raise it behind the handler, which would make the error its context."""
    failure = StoreUnavailable(message)
    failure.__cause__ = cause
    return failure


def guarded(
    message: str, *errors: type[Exception], tell: Callable[[Exception], Exception] = told
) -> Callable[[Method], Method]:
    """Decorate a method to raise :exc:`StoreUnavailable` with *message* for any of *errors*.

    *tell* makes the cause of it. If that is an error of this package, it is raised itself. Errors of this package that
    the method raises pass unchanged.
    """

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def guarding(*arguments: Any, **named: Any) -> Any:
            try:
                return method(*arguments, **named)
            except SessionwareError:
                raise
            except errors as error:
                cause = tell(error)
            try:
                raise cause if isinstance(cause, SessionwareError) else unavailable(message, cause)
            finally:
                # The traceback of what is raised holds this frame, which would hold it in turn.
                del cause

        return cast(Method, guarding)

    return decorate
