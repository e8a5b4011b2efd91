"""Events: every decision about a session, told to the listeners and to the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

from sessionware.clock import Clock
from sessionware.crypto.identifiers import session_id_of
from sessionware.session.records import Live

logger = logging.getLogger("sessionware")

#: Events that any healthy request may cause are DEBUG, a store that fails is an ERROR; all others are INFO.
LEVELS = {
    "loaded": logging.DEBUG,
    "saved": logging.DEBUG,
    "renewed": logging.DEBUG,
    "store_failed": logging.ERROR,
}

_EPOCH = datetime.fromtimestamp(0, timezone.utc)


@dataclass(frozen=True, slots=True)
class Event:
    """One decision about a session. It never holds a token, a key or data.

    ``session_id`` and ``former_id`` are what :attr:`Session.id` is and was, ``at`` is an aware datetime in UTC.
    """

    name: str
    reason: str | None = None
    session_id: str | None = None
    former_id: str | None = None
    user_id: str | int | None = None
    at: datetime = _EPOCH


Listener = Callable[[Event], object]


class Decision(NamedTuple):
    """An event that is still to be told: what happened to the session of ``record``, which was ``former`` before."""

    name: str
    record: Live
    reason: str | None = None
    former: Live | None = None


class Events:
    """Tells events to the callables of ``on_event`` and to the logger ``sessionware``."""

    __slots__ = ("_clock", "_listeners")

    def __init__(self, listeners: Sequence[Listener], clock: Clock) -> None:
        self._listeners = tuple(listeners)
        self._clock = clock

    def tell(self, *decisions: Decision) -> None:
        """Tell *decisions* in their order."""
        for name, record, reason, former in decisions:
            # An Event is made only if a listener or the log will get it.
            if self._listeners or logger.isEnabledFor(LEVELS.get(name, logging.INFO)):
                former_id = None if former is None else session_id_of(former.handle)
                self._tell(name, reason, record.handle, former_id, record.user_id)

    def loaded(self, record: Live, old_key_id: str | None) -> None:
        """Tell that a session was loaded. The old keys that are still needed show when one can be removed."""
        if self._listeners or logger.isEnabledFor(logging.DEBUG):
            reason = None if old_key_id is None else f"old_key {old_key_id}"
            self._tell("loaded", reason, record.handle, None, record.user_id)

    def rejected(self, reason: str, handle: bytes | None = None) -> None:
        """Tell that a cookie was not accepted; its handle is known only if its seal was good."""
        if self._listeners or logger.isEnabledFor(logging.INFO):
            self._tell("rejected", reason, handle)

    def store_failed(self, record: Live | None) -> None:
        """Tell that the store could not answer."""
        if record is None:
            self._tell("store_failed")
        else:
            self._tell("store_failed", None, record.handle, None, record.user_id)

    def _tell(
        self,
        name: str,
        reason: str | None = None,
        handle: bytes | None = None,
        former_id: str | None = None,
        user_id: str | int | None = None,
    ) -> None:
        """Tell one event; a listener that fails is logged, its error is not raised."""
        session_id = None if handle is None else session_id_of(handle)
        at = datetime.fromtimestamp(self._clock(), timezone.utc)
        event = Event(name, reason, session_id, former_id, user_id, at)
        level = LEVELS.get(name, logging.INFO)
        logger.log(level, "%s%s session=%s", name, f" ({reason})" if reason else "", session_id)
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on the event %s", name)
