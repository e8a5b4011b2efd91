"""What is decided about a session, told to listeners and to the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

logger = logging.getLogger("sessionware")

#: Events that every healthy request may cause are quiet; a store that fails is loud; the rest is worth a line.
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

    ``session_id`` and ``former_id`` are public handles, ``at`` is an aware datetime in UTC.
    """

    name: str
    reason: str | None = None
    session_id: str | None = None
    former_id: str | None = None
    user_id: str | int | None = None
    at: datetime = _EPOCH


Listener = Callable[[Event], object]


class Listeners:
    """Those who are told: the callables of ``on_event`` and the logger ``sessionware``."""

    __slots__ = ("_clock", "_listeners")

    def __init__(self, listeners: Sequence[Listener], clock: Callable[[], float]) -> None:
        self._listeners = tuple(listeners)
        self._clock = clock

    def tell(
        self,
        name: str,
        *,
        reason: str | None = None,
        session_id: str | None = None,
        former_id: str | None = None,
        user_id: str | int | None = None,
    ) -> None:
        """Tell everybody; a listener that fails is logged, never raised."""
        level = LEVELS.get(name, logging.INFO)
        if not self._listeners and not logger.isEnabledFor(level):
            return
        at = datetime.fromtimestamp(self._clock(), timezone.utc)
        event = Event(name, reason, session_id, former_id, user_id, at)
        logger.log(level, "%s%s session=%s", name, f" ({reason})" if reason else "", session_id)
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:
                logger.exception("a listener failed on the event %s", name)

    def wants(self, name: str) -> bool:
        """Whether anybody would hear of *name*; saves a fast path the making of what nobody hears."""
        return bool(self._listeners) or logger.isEnabledFor(LEVELS.get(name, logging.INFO))
