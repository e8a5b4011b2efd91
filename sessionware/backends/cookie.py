"""The session in its cookie: all of it, encrypted and signed."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
from typing import NamedTuple

from sessionware.backends.contract import DELETE, Outcome, Seen, Send
from sessionware.clock import Clock
from sessionware.cookies.request import CookieContext
from sessionware.crypto.identifiers import handle_of, new_handle
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSealer, CookieSigner, Rejected
from sessionware.events import Decision, Events
from sessionware.session.changes import Changes
from sessionware.session.formats import Formats
from sessionware.session.lifetimes import Lifetimes, Verdict
from sessionware.session.records import Ended, Found, Live
from sessionware.wire.serializer import Malformed


class CookieKeys(NamedTuple):
    """What seals a cookie session, and what signs its companion."""

    sealed: CookieSealer
    seen: CookieSigner


#: The companion: which cookie it was sent for, and when the session was seen then.
_SEEN = struct.Struct(">16sd")


class CookieBackend:
    """All of the session in its cookie, encrypted and signed.

    The browser holds the state, so an answer that only reads must never carry it: it may arrive after the answer of a
    logout. That a session was seen goes into a small companion cookie instead.
    """

    saves_after_headers = False

    def __init__(
        self, keyring: Keyring, formats: Formats, events: Events, *, lifetimes: Lifetimes, clock: Clock
    ) -> None:
        self._keyring = keyring
        self._formats = formats
        self._events = events
        self._lifetimes = lifetimes
        self._clock = clock

    def make_keys(self, full_name: str, *, domain: str | None, path: str) -> CookieKeys:
        return CookieKeys(
            CookieSealer(self._keyring, full_name, domain=domain, path=path),
            CookieSigner(self._keyring, Purpose.SEEN_SIGN, full_name, domain=domain, path=path),
        )

    def load(self, context: CookieContext[CookieKeys]) -> Found | None:
        for value in context.candidates():
            try:
                opened = context.keys.sealed.open(value)
                record = self._formats.unpack(opened.payload)
            except Rejected as error:
                self._events.rejected(error.reason)
                continue
            except Malformed:
                self._events.rejected("malformed")
                continue
            if not isinstance(record, Live):
                self._events.rejected("malformed")
            elif self._is_alive(context, value, record):
                old_key_id = None if opened.is_current else opened.key_id
                self._events.loaded(record, old_key_id)
                return Found(record, value, old_key_id)
        return None

    def _is_alive(self, context: CookieContext[CookieKeys], value: str, record: Live) -> bool:
        now = self._clock()
        companions = context.seen_candidates()
        if companions:
            record.seen_at = max(record.seen_at, self._companion_time(context, companions, value))
        if record.seen_at > now:  # the clocks of two machines differ
            record.seen_at = now
        verdict = self._lifetimes.verdict(record, now)
        if verdict is Verdict.ALIVE:
            return True
        self._events.rejected(verdict.value, record.handle)
        return False

    def _companion_time(self, context: CookieContext[CookieKeys], companions: list[str], value: str) -> float:
        latest = 0.0
        for companion in companions:
            try:
                digest, seen_at = _SEEN.unpack(context.keys.seen.open(companion).payload)
            except (Rejected, struct.error):
                continue
            if digest == _digest(value):
                latest = max(latest, seen_at)
        return latest

    def save(
        self, context: CookieContext[CookieKeys], found: Found | None, *, changes: Changes, token: bytes | None
    ) -> Outcome:
        record = changes.over(None if found is None else found.record, self._clock())
        if isinstance(record, Ended):
            return Outcome(None, DELETE, () if found is None else (Decision("ended", found.record, "emptied"),))
        if found is None:
            record.handle = new_handle() if token is None else handle_of(token)
        elif changes.is_regenerated:
            record.handle = new_handle()
        value = context.keys.sealed.seal(self._formats.pack(record))
        return Outcome(Found(record, value), Send(value), _events_of(found, record, changes))

    def renew(self, context: CookieContext[CookieKeys], found: Found) -> Outcome:
        now = self._clock()
        seen = replace(found.record, seen_at=max(found.record.seen_at, now))
        value = context.keys.seen.sign(_SEEN.pack(_digest(str(found.version)), now))
        return Outcome(found._replace(record=seen), Seen(value), (Decision("renewed", seen),))

    def end(self, found: Found) -> bool:
        """Only the browser's cookie is left to be deleted."""
        return True


def _events_of(found: Found | None, record: Live, changes: Changes) -> tuple[Decision, ...]:
    if found is None:
        return (Decision("created", record),)
    before = found.record
    if changes.is_over_another_user:
        return (Decision("ended", before, "login"), Decision("created", record))
    if before.handle != record.handle:
        return (Decision("regenerated", record, former=before),)
    return (Decision("saved", record),)


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("ascii")).digest()[:16]
