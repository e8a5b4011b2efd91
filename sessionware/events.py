"""Events: every decision about a session, told to the listeners and to the log."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from sessionware.clock import Clock
from sessionware.crypto.identifiers import session_id_of
from sessionware.exceptions import CrossSiteRequest, SessionwareError, StoreUnavailable, hide_own_frames, unchain
from sessionware.session.changes import Changes
from sessionware.session.records import Found, Live

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


class _Logger(_Adapter):
    """The logger ``sessionware``; a filter or a handler that raises, as a file on a full disk, fails no request."""

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        with suppress(Exception):
            super().log(level, msg, *args, **kwargs)


logger = _Logger(logging.getLogger("sessionware"), {})
#: Asked on the path of each read, so without the adapter's own call.
is_logged = logger.logger.isEnabledFor

#: Events that any healthy request may cause are DEBUG, a store that fails is an ERROR; all others are INFO.
LEVELS = {
    "loaded": logging.DEBUG,
    "saved": logging.DEBUG,
    "renewed": logging.DEBUG,
    "store_failed": logging.ERROR,
}
#: A listener may cause events itself, which are told within its own; one that does so at each event must find an end.
MAX_NESTED_EVENTS = 8
_nested_events: ContextVar[int] = ContextVar("sessionware_nested_events", default=0)

#: What is known of the request that is being saved: a login tells of the sessions that it ends where it ends them.
_context_of_save: ContextVar[Mapping[str, Any] | None] = ContextVar("sessionware_context_of_save", default=None)

Answer = TypeVar("Answer")

_EPOCH = datetime.fromtimestamp(0, timezone.utc)


@dataclass(frozen=True, slots=True)
class Event:
    """One decision about a session. It never holds a token, a key or data.

    ``session_id`` and ``former_id`` are what :attr:`Session.id` is and was, ``at`` is an aware datetime in UTC.
    ``context`` is what the callable of ``event_context`` has said of the request that caused the event, or ``None``.
    """

    name: str
    reason: str | None = None
    session_id: str | None = None
    former_id: str | None = None
    user_id: str | int | None = None
    at: datetime = _EPOCH
    context: Mapping[str, Any] | None = None


Listener = Callable[[Event], object]


class ContextSource:
    """Asks the callable of ``event_context`` what the events of a request shall say of it; a fault is logged once."""

    __slots__ = ("_function", "_logged")

    def __init__(self, function: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self._function = function
        self._logged: set[str] = set()

    def of(self, environ: Mapping[str, Any]) -> dict[str, Any] | None:
        """What is said of the request of *environ*, or ``None`` if the callable raises or gives no mapping."""
        try:
            given = self._function(environ)
            # A copy of environ would hold the session, which holds the copy, and the cookies would be told.
            if isinstance(given, Mapping) and given is not environ:
                return dict(given)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged
            # Its text may repeat what the client has sent.
            lines = "".join(traceback.format_tb(error.__traceback__))
            self._log_once("the callable of event_context raised %s:\n%s", type(error).__name__, lines)
        else:
            what = "environ itself" if given is environ else f"a {type(given).__name__}"
            self._log_once("the callable of event_context gave %s: let it give a dict of plain values", what)
        return None

    def _log_once(self, text: str, *values: str) -> None:
        if text not in self._logged:
            self._logged.add(text)
            logger.error(text, *values)


class Decision(Struct, frozen=True):
    """An event that is still to be told: what happened to the session of ``record``, which was ``former`` before.

    Of a cookie that was rejected there is no record, but perhaps a ``handle``.
    """

    name: str
    record: Live | None
    reason: str | None = None
    former: Live | None = None
    handle: bytes | None = None


def rejection(reason: str, handle: bytes | None = None) -> Decision:
    """A cookie was not accepted; its handle is known only if its seal was good."""
    return Decision("rejected", None, reason, None, handle)


def created(record: Live, changes: Changes) -> Decision:
    """A session began, with a login or without."""
    return Decision("created", record, None if changes.asked.login is None else "login")


def regenerated(record: Live, former: Live, changes: Changes) -> Decision:
    """A session was given a new id."""
    return Decision("regenerated", record, changes.asked.reason_for_new_id(former), former)


def failure_of_store(record: Live | None, error: Exception) -> Decision:
    """A store could not answer: which one, where, and what it said stands in the error's text."""
    return Decision("store_failed", record, " ".join(str(error).split()) or "the session is too large for its store")


def told_of_load(error: SessionwareError) -> tuple[Decision, ...]:
    """What is told of the *error* of a load; the log has what is no event."""
    if isinstance(error, StoreUnavailable):
        return (failure_of_store(None, error),)
    if isinstance(error, CrossSiteRequest):
        return (Decision("refused", None, error.origin),)
    # Frames of the application say where its fault is; ours hold the cookie and the store key.
    hide_own_frames(error)
    logger.error("a session could not be loaded", exc_info=error)
    return ()


class Events:
    """Tells events to the callables of ``on_event`` and to the logger ``sessionware``."""

    __slots__ = ("_clock", "_listeners", "has_listeners")

    def __init__(self, listeners: Sequence[Listener], clock: Clock) -> None:
        self._listeners = tuple(listeners)
        self._clock = clock
        self.has_listeners = bool(self._listeners)

    def tell(self, *decisions: Decision, context: Mapping[str, Any] | None = None) -> None:
        """Tell *decisions*, as :meth:`tell_all` does."""
        self.tell_all(decisions, context)

    def tell_all(self, decisions: Sequence[Decision], context: Mapping[str, Any] | None) -> None:
        """Tell *decisions* in their order; a listener may read the session, whose state says the same.

        *context* is what is known of the request that has caused them.
        """
        for decision in decisions:
            # An Event is made only if a listener or the log will get it.
            if self._listeners or is_logged(LEVELS.get(decision.name, logging.INFO)):
                self._tell(decision, context)

    def within(self, context: Mapping[str, Any], operation: Callable[..., Answer]) -> Callable[..., Answer]:
        """*operation* as one of the request of *context*, which the events have that it tells without one."""

        def run(*arguments: Any, **named: Any) -> Answer:
            saved = _context_of_save.set(context)
            try:
                return operation(*arguments, **named)
            finally:
                _context_of_save.reset(saved)

        return run

    def loaded(self, found: Found, context: Mapping[str, Any] | None = None) -> None:
        """Tell that a session was loaded. The old keys that are still needed show when one can be removed."""
        self._tell(Decision("loaded", found.record, found.old_key_id and f"old_key {found.old_key_id}"), context)

    def _tell(self, decision: Decision, context: Mapping[str, Any] | None) -> None:
        nested = _nested_events.get()
        if nested == MAX_NESTED_EVENTS:
            return
        event = self._event(decision, context)
        told = _nested_events.set(nested + 1)
        try:
            _log(event)
            for listener in self._listeners:
                self._call(listener, event)
        finally:
            _nested_events.reset(told)

    def _event(self, decision: Decision, context: Mapping[str, Any] | None) -> Event:
        record, former, handle = decision.record, decision.former, decision.handle
        user_id = None
        if record is not None:
            handle, user_id = record.handle, record.user_id
        return Event(
            decision.name,
            decision.reason,
            None if handle is None else session_id_of(handle),
            None if former is None else session_id_of(former.handle),
            user_id,
            datetime.fromtimestamp(self._clock(), timezone.utc),
            _context_of_save.get() if context is None else context,
        )

    def _call(self, listener: Listener, event: Event) -> None:
        """Call *listener*; if it fails, that is logged, and its error is not raised."""
        handled = sys.exc_info()[1]
        try:
            listener(event)
        except Exception as error:
            unchain(error, handled)
            logger.exception("a listener failed on the event %s", event.name)


def _log(event: Event) -> None:
    reason = f" ({event.reason})" if event.reason else ""
    # A user's id comes from outside, and may hold a line break.
    logger.log(
        LEVELS.get(event.name, logging.INFO),
        "%s%s session=%s former=%s user=%r",
        event.name,
        reason,
        event.session_id,
        event.former_id,
        event.user_id,
    )
