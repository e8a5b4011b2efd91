"""A session that travels whole in its cookie, encrypted and signed."""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

from sessionware.backends.contract import Outcome
from sessionware.clock import Clock
from sessionware.cookies.request import CookieContext
from sessionware.crypto.identifiers import new_handle
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import Rejected, SealedText, SignedText
from sessionware.events import Events
from sessionware.session.changes import Changes
from sessionware.session.formats import Formats
from sessionware.session.lifetimes import Lifetimes, Verdict
from sessionware.session.records import Ended, Live
from sessionware.wire.serializer import Malformed


class CookieKeys(NamedTuple):
    """What seals a cookie session, and what signs its companion."""

    sealed: SealedText
    seen: SignedText


class Carried(NamedTuple):
    """A session as it came in its cookie. ``text`` is the cookie's value, which the companion is bound to."""

    record: Live
    text: str
    is_superseded: bool = False

    def __repr__(self) -> str:
        """Without the cookie, which opens the session."""
        return f"Carried({self.record!r})"


#: The companion: which cookie it was sent for, and when the session was seen then.
_SEEN = struct.Struct(">16sd")


class CookieCarrier:
    """All of the session in its cookie, encrypted and signed.

    The browser holds the state, so an answer that only reads must never carry it: it may arrive after the answer of a
    logout. That a session was seen goes into a small companion cookie instead.
    """

    can_save_late = False

    def __init__(
        self,
        keyring: Keyring,
        formats: Formats,
        events: Events,
        *,
        lifetimes: Lifetimes,
        clock: Clock,
    ) -> None:
        self._keyring = keyring
        self._formats = formats
        self._lifetimes = lifetimes
        self._now = clock
        self._events = events

    def make_keys(self, full_name: str) -> CookieKeys:
        return CookieKeys(SealedText(self._keyring, full_name), SignedText(self._keyring, Purpose.SEEN_SIGN, full_name))

    def open(self, context: CookieContext[CookieKeys]) -> Carried | None:
        for text in context.candidates():
            try:
                opened = context.keys.sealed.open(text)
                record = self._formats.unpack(opened.payload)
            except Rejected as error:
                self._events.rejected(error.reason)
                continue
            except Malformed:
                record = Ended("malformed")
            if not isinstance(record, Live):
                self._events.rejected("malformed")
                continue
            if self._is_alive(context, text, record):
                self._events.loaded(record, None if opened.is_current else opened.key_id)
                return Carried(record, text)
        return None

    def _is_alive(self, context: CookieContext[CookieKeys], text: str, record: Live) -> bool:
        now = self._now()
        companions = context.seen_candidates()
        if companions:
            record.seen_at = max(record.seen_at, self._companion_time(context, companions, text))
        if record.seen_at > now:  # clocks differ
            record.seen_at = now
        verdict = self._lifetimes.verdict(record, now)
        if verdict is Verdict.ALIVE:
            return True
        self._events.rejected(verdict.value, record.handle)
        return False

    def _companion_time(self, context: CookieContext[CookieKeys], companions: list[str], text: str) -> float:
        latest = 0.0
        for companion in companions:
            try:
                digest, seen_at = _SEEN.unpack(context.keys.seen.open(companion).payload)
            except (Rejected, struct.error):
                continue
            if digest == _digest(text):
                latest = max(latest, seen_at)
        return latest

    def draw(self) -> bytes:
        return new_handle()

    def handle(self, seed: bytes) -> bytes:
        return seed

    def save(
        self, context: CookieContext[CookieKeys], base: Carried | None, changes: Changes, seed: bytes | None
    ) -> Outcome:
        record = changes.over(None if base is None else base.record, self._now())
        if isinstance(record, Ended):
            return self._emptied(context, base)
        if base is None:
            record.handle = seed or new_handle()
        elif changes.login is not None or changes.is_regenerated:
            record.handle = new_handle()
        text = context.keys.sealed.seal(self._formats.pack(record))
        line = context.set(text, self._lifetimes.end_of(record), record.seen_at, is_persistent=record.is_remembered)
        self._tell_saved(base, record, changes)
        return Outcome(Carried(record, text), (line,))

    def _emptied(self, context: CookieContext[CookieKeys], base: Carried | None) -> Outcome:
        if base is None:
            return Outcome(None)
        self._events.tell("ended", base.record, reason="emptied")
        return Outcome(None, tuple(context.delete()))

    def _tell_saved(self, base: Carried | None, record: Live, changes: Changes) -> None:
        if base is None:
            self._events.tell("created", record)
        elif changes.login is not None and changes.login.is_fresh:
            self._events.tell("ended", base.record, reason="login")
            self._events.tell("created", record)
        elif base.record.handle != record.handle:
            self._events.tell("regenerated", record, former=base.record)
        else:
            self._events.tell("saved", record)

    def renew(self, context: CookieContext[CookieKeys], base: Carried) -> Outcome:
        record, now = base.record, self._now()
        value = context.keys.seen.sign(_SEEN.pack(_digest(base.text), now))
        line = context.set_seen(value, self._lifetimes.end_of(record), now, is_persistent=record.is_remembered)
        self._events.tell("renewed", record)
        return Outcome(base, (line,))

    def end(self, base: Carried) -> bool:
        """Nothing is kept that could be ended but the browser's cookie."""
        return True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("ascii")).digest()[:16]
