"""The error tree, sorted by whose fault an error is.

::

    SessionwareError
    ├── ConfigError            the developer's: a wrong configuration
    ├── SessionDataError       the developer's: a value that cannot be stored
    ├── CookieTooLarge         the developer's: more data than a cookie can carry
    ├── RecordTooLarge         the developer's: more data than the store takes
    ├── HeadersSent            the developer's: a change after the headers, which cannot be saved
    ├── ConflictError          the request's: it changed a session under an id that is over (409)
    ├── CrossSiteRequest       the request's: another site has caused it (403)
    ├── StoreUnavailable       the store's: it could not answer (503)
    └── StoreAnswer            no fault: what a store answers to a write; never leaves the manager
        ├── AlreadyExists
        ├── Conflict
        └── Gone

What a client sends raises nothing else.
"""

from __future__ import annotations

import copy
import functools
import traceback
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import ParamSpec, TypeVar

from werkzeug import exceptions as http

Failure = TypeVar("Failure", bound=Exception)
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class SessionwareError(Exception):
    """The base of every error that this package raises."""


class ConfigError(SessionwareError):
    """The developer's fault: names every fault found and its cure. Raised at start, wherever it can be known then."""


class SessionDataError(SessionwareError):
    """The developer's fault: a value that a session cannot hold. Names the path to it and the cure."""


class _TooLarge(SessionwareError):
    """More data than fits; ``largest`` has the largest keys with their sizes in bytes, the largest first."""

    def __init__(self, message: str = "", largest: Iterable[tuple[str, int]] = ()) -> None:
        self.largest = tuple(largest)
        listed = ", ".join(f"{key!r} {size} bytes" for key, size in self.largest)
        super().__init__(f"{message}; the largest keys: {listed}" if listed else message)


class CookieTooLarge(_TooLarge):
    """The developer's fault: the Set-Cookie header would exceed 4096 bytes; browsers drop such a cookie silently."""


class RecordTooLarge(_TooLarge):
    """The developer's fault: the record exceeds the store's own limit. A store raises it without a message."""


class HeadersSent(SessionwareError):
    """The developer's fault: a change that can no longer reach the browser or the store."""


class _FixedText(SessionwareError, http.HTTPException):
    """An HTTP error whose page says a fixed sentence; its message is for the log alone."""

    def __init__(self, message: str = "") -> None:
        http.HTTPException.__init__(self)
        self.message = message
        self.args = (message,)

    def __str__(self) -> str:
        return self.message or str(self.description)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"

    def get_headers(self, environ: object = None, scope: object = None) -> list[tuple[str, str]]:
        """The headers of the page: when to try again, and that no cache may keep it."""
        return [("Content-Type", "text/html; charset=utf-8"), *self.own_headers]

    @property
    def own_headers(self) -> list[tuple[str, str]]:
        """What every answer made of it says, whatever its text."""
        wait = [] if self.seconds_to_wait is None else [("Retry-After", str(self.seconds_to_wait))]
        return [*wait, ("Cache-Control", "no-store")]

    seconds_to_wait: int | None = 1


class ConflictError(_FixedText, http.Conflict):
    """The request changed a session whose id another request has replaced: 409; a retry comes with the new cookie."""

    description = "This request was overtaken by a change of the session. Please try again."


class CrossSiteRequest(_FixedText, http.Forbidden):
    """Another site has caused the request, which may not use the session of this one: 403. Its message names that site.

    The options ``trusted_origins`` and ``cross_site`` say which sites may.
    """

    description = "This request came from another site, and may not use the session of this one."
    seconds_to_wait = None

    def __init__(self, message: str = "", origin: str = "") -> None:
        super().__init__(message)
        #: What the browser has told of that site, cut to 200 printable characters.
        self.origin = origin


class StoreUnavailable(_FixedText, http.ServiceUnavailable):
    """The store could not answer, or a write's outcome is unknown: 503. Its ``__cause__`` is the driver's error."""

    description = "The session store cannot answer at the moment. Please try again later."
    seconds_to_wait = 5


class StoreAnswer(SessionwareError):
    """A store's answer to a write that it did not do; never leaves the manager."""


class AlreadyExists(StoreAnswer):
    """A create has found an entry under its key, and has not overwritten it."""


class Conflict(StoreAnswer):
    """A replace has found another version than it was given: another request has written since."""


class Gone(StoreAnswer):
    """A replace has found no entry: it was deleted or has expired, and a replace never creates one."""


def without_frames(error: Failure) -> Failure:
    """A copy of *error*, with its cause, whose frames are gone, and without a context.

    A crash report shows the locals of each frame, and those of a store or of a driver hold keys. An error that a
    request remembers would hold the request in turn.
    """
    alike = copy.copy(error)
    alike.__cause__ = cause = error.__cause__
    while cause is not None:
        cause.__traceback__ = cause.__context__ = None
        cause = cause.__cause__
    return alike


def hide_all_frames(error: BaseException) -> None:
    """Take all frames from *error*, which are those of a store and its driver, and from what it is chained to."""
    for one in _chain(error):
        one.__traceback__ = None


def hide_own_frames(error: BaseException) -> None:
    """Take the frames of this package from *error*; those of the application say where its fault is."""
    for one in _chain(error):
        kept: TracebackType | None = None
        for frame, line in reversed(list(traceback.walk_tb(one.__traceback__))):
            if not frame.f_globals.get("__name__", "").startswith("sessionware."):
                kept = TracebackType(kept, frame, frame.f_lasti, line)
        one.__traceback__ = kept


def hiding_arguments(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate *function*, so that no frame of what it raises shows its arguments, among which there is a secret."""

    @functools.wraps(function)
    def run(*arguments: Parameters.args, **named: Parameters.kwargs) -> Result:
        try:
            return function(*arguments, **named)
        except Exception as error:
            hide_own_frames(error)
            del arguments, named  # this frame is one of ours, too
            raise error

    return run


def unchain(error: BaseException, handled: BaseException | None) -> None:
    """Take *handled*, while which *error* was raised, from the chain of *error*, which it has not caused.

    Else a crash report shows with *error* what the frames of *handled* hold, and those of a store hold keys.
    """
    for one in _chain(error):
        if one.__context__ is handled:
            one.__context__ = None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """*error* and what it is chained to, each once."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        one = pending.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            pending += [one.__cause__, one.__context__]
