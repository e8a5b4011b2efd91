"""Turns a driver's error into StoreUnavailable, which says what failed and why, and shows no key, payload or password.

Its text has four parts: which store and where, which step, and what the driver or the system said::

    Redis at localhost:6379: connect failed: ConnectionRefusedError: [Errno 111] Connection refused

A store says the first part (``_place``) and the last one (``_cause_of``). The step is the name of the method that was
called, unless something below has noted another one on the error (:func:`noting`), such as ``connect``.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar, cast

from sessionware.exceptions import SessionwareError, StoreUnavailable

Method = TypeVar("Method", bound=Callable[..., Any])

#: The attributes of an error that have its notes.
_PLACE, _STEP = "_sessionware_place", "_sessionware_step"


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
    return DriverError(f"{kind}: {' '.join(words.split())}" if words else kind)


def note(error: BaseException, *, place: str | None = None, step: str | None = None) -> None:
    """Note on *error* where and in which step it was raised. What a call below has noted stays, for it knows better."""
    for name, value in ((_PLACE, place), (_STEP, step)):
        if value is not None:
            error.__dict__.setdefault(name, value)


@contextlib.contextmanager
def noting(step: str, place: str | None = None) -> Iterator[None]:
    """Note *step* and *place* on what the block raises."""
    try:
        yield
    except Exception as error:
        note(error, place=place, step=step)
        raise


class Guarded(Protocol):
    """What :func:`guarded` asks of a store."""

    #: Which store it is and where, without credentials.
    _place: str

    def _cause_of(self, error: Exception) -> Exception | None:
        """What may be shown of *error*; :func:`told` makes it.

        An error of this package is raised in place of *error*, and ``None`` stands for what is no failure of the
        medium: then *error* leaves the method unchanged.
        """
        ...


def guarded(method: Method) -> Method:
    """Decorate a method of a store, so that a failure of its medium leaves it as :exc:`StoreUnavailable`.

    The tracebacks of what is raised, and of errors of this package that pass, begin here: the frames below have keys
    and payloads in their locals, which a crash report would show.
    """

    @functools.wraps(method)
    def guarding(self: Guarded, *arguments: Any, **named: Any) -> Any:
        try:
            return method(self, *arguments, **named)
        except SessionwareError as error:
            failure: SessionwareError = error.with_traceback(None)
            failure.__context__ = None
        except Exception as error:
            cause = self._cause_of(error)
            if cause is None:
                raise
            failure = _failure(self._place, method.__name__.strip("_"), error, cause)
            del cause
        # Behind the handlers, within which the driver's error would be the context of what is raised.
        del arguments, named
        try:
            raise failure
        finally:
            # The traceback of the failure holds this frame, which would hold the failure in turn.
            del failure

    return cast(Method, guarding)


def _failure(place: str, step: str, error: Exception, cause: Exception) -> SessionwareError:
    if isinstance(cause, SessionwareError):
        return cause
    place, step = vars(error).get(_PLACE, place), vars(error).get(_STEP, step)
    words = str(cause) if isinstance(cause, DriverError) else f"{type(cause).__name__}: {cause}"
    failure = StoreUnavailable(f"{place}: {step} failed: {words}")
    failure.__cause__ = cause
    return failure
