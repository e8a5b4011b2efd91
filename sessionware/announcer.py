"""Tells the events of a session from its record: with its public handle and its user, and nothing else of it."""

from __future__ import annotations

from sessionware.crypto.identifiers import public_id
from sessionware.events import Listeners
from sessionware.session.records import Live


class Announcer:
    """One voice for all that happens to sessions; what nobody listens to is not even put together."""

    __slots__ = ("_listeners",)

    def __init__(self, listeners: Listeners) -> None:
        self._listeners = listeners

    def tell(self, name: str, record: Live, *, reason: str | None = None, former: Live | None = None) -> None:
        """Tell *name* of the session that *record* is; *former* is what it was under its former id."""
        if self._listeners.wants(name):
            self._listeners.tell(
                name,
                reason=reason,
                session_id=public_id(record.handle),
                former_id=None if former is None else public_id(former.handle),
                user_id=record.user_id,
            )

    def rejected(self, reason: str, handle: bytes | None = None) -> None:
        """Tell that a cookie was not accepted; its handle is known only if its seal was good."""
        if self._listeners.wants("rejected"):
            self._listeners.tell("rejected", reason=reason, session_id=None if handle is None else public_id(handle))

    def loaded(self, record: Live, old_key: str | None) -> None:
        """Tell that a session was loaded; which of the old keys was needed shows when one can go."""
        self.tell("loaded", record, reason=None if old_key is None else f"old_key {old_key}")

    def store_failed(self, record: Live | None) -> None:
        """Tell that the store could not answer."""
        if record is None:
            self._listeners.tell("store_failed")
        else:
            self.tell("store_failed", record)
