"""The session in its cookie: all of it, encrypted and signed."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from sessionware.backends.contract import DELETE, KEEP, Outcome, Seen, Send, TakenOver
from sessionware.clock import Clock
from sessionware.cookies.request import CookieContext
from sessionware.crypto.identifiers import handle_of, new_handle
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSealer, CookieSigner, Rejected
from sessionware.events import Decision, created, regenerated, rejection
from sessionware.session.changes import Changes
from sessionware.session.formats import Formats
from sessionware.session.lifetimes import ALIVE, Lifetimes
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

    Browsers keep a *partitioned* cookie beside one of the same name, Domain and Path that is not.
    """

    travels_with_answer = True
    users = None

    def __init__(
        self, keyring: Keyring, formats: Formats, *, lifetimes: Lifetimes, clock: Clock, partitioned: bool
    ) -> None:
        self._keyring = keyring
        self._formats = formats
        self._lifetimes = lifetimes
        self._clock = clock
        self._partitioned = partitioned

    def make_keys(self, full_name: str, *, domain: str | None, path: str) -> CookieKeys:
        keyring, partitioned = self._keyring, self._partitioned
        return CookieKeys(
            CookieSealer(keyring, full_name, domain=domain, path=path, partitioned=partitioned),
            CookieSigner(keyring, Purpose.SEEN_SIGN, full_name, domain=domain, path=path, partitioned=partitioned),
        )

    def load(
        self, context: CookieContext[CookieKeys], touched_at: float, *, has_data: bool = True
    ) -> tuple[Found | None, Sequence[Decision]]:
        unpack = self._formats.unpack if has_data else self._formats.unpack_without_data
        now = touched_at
        rejections: list[Decision] = []
        for value in context.candidates():
            try:
                opened = context.keys.sealed.open(value)
                record = unpack(opened.payload)
            except Rejected as error:
                rejections.append(rejection(error.reason))
                continue
            except Malformed:
                rejections.append(rejection("malformed"))
                continue
            if not isinstance(record, Live):
                rejections.append(rejection("malformed"))
                continue
            is_ahead = record.seen_at > now or record.started_at > now or record.created_at > now
            companions = context.seen_candidates()
            companion_time = self._companion_time(context, companions, value) if companions else None
            if companion_time is not None:
                is_ahead = _settle(record, companion_time, now=now)
            elif is_ahead:
                record.settle(now)
            verdict = self._lifetimes.verdict(record, now)
            if verdict is ALIVE:
                return Found(record, value, None if opened.is_current else opened.key_id, is_ahead=is_ahead), rejections
            rejections.append(rejection(verdict.value, record.handle))
        return None, rejections

    def _companion_time(self, context: CookieContext[CookieKeys], companions: list[str], value: str) -> float | None:
        latest: float | None = None
        for companion in companions:
            try:
                digest, seen_at = _SEEN.unpack(context.keys.seen.open(companion).payload)
            except (Rejected, struct.error):
                continue
            if digest == _digest(value):
                latest = max(latest or seen_at, seen_at)
        return latest

    def save(
        self,
        context: CookieContext[CookieKeys],
        found: Found | None,
        *,
        changes: Changes,
        token: bytes | None,
        touched_at: float,
    ) -> Outcome:
        now = self._clock()
        read, found = found, self.standing(found, now)
        if read is not None and found is None and changes.asked.login is None:
            return Outcome(None, KEEP, (Decision("discarded", read.record, "ended"),))
        # A login stands, and takes nothing along of what has ended.
        record = changes.over(None if found is None else found.record, now)
        if isinstance(record, Ended):
            return Outcome(None, DELETE, () if found is None else (Decision("ended", found.record, "emptied"),))
        if found is None:
            record.handle = new_handle() if token is None else handle_of(token)
        elif changes.asked.is_regenerated:
            record.handle = new_handle()
        value = context.keys.sealed.seal(self._formats.pack(record))
        return Outcome(Found(record, value), Send(value), _events_of(found, record, changes))

    def take_over(self, context: CookieContext[CookieKeys], record: Live, token: bytes) -> TakenOver:
        """It is written by the save that follows, which sends the cookie."""
        return TakenOver(Found(replace(record, handle=handle_of(token)), ""), KEEP, is_new=True)

    def standing(self, found: Found | None, now: float) -> Found | None:
        """*found*, or ``None`` if it has reached its absolute end since it was read.

        Idleness was judged when it was read: no copy is newer.
        """
        return None if found is None or self._lifetimes.has_ended(found.record, now) else found

    def renew(self, context: CookieContext[CookieKeys], found: Found) -> Outcome:
        now = self._clock()
        seen = replace(found.record, seen_at=max(found.record.seen_at, now))
        value = context.keys.seen.sign(_SEEN.pack(_digest(str(found.version)), now))
        return Outcome(replace(found, record=seen, is_ahead=False), Seen(value), (Decision("renewed", seen),))

    def end(self, found: Found) -> bool:
        """Only the browser's cookie is left to be deleted."""
        return True


def _settle(record: Live, companion_time: float, *, now: float) -> bool:
    """Let the times of *record* be what its companion and the clock say; whether the companion is to be corrected.

    A time in the future counts as now. If that of *record* is one, the companion was sent to write that down.
    """
    seen_at = record.seen_at
    record.settle(now)
    if seen_at > now or companion_time > seen_at:
        record.seen_at = min(companion_time, now)
    return companion_time > now


def _events_of(found: Found | None, record: Live, changes: Changes) -> tuple[Decision, ...]:
    if found is None:
        return (created(record, changes),)
    before = found.record
    if changes.asked.is_over_another_user:
        return (Decision("ended", before, "login"), created(record, changes))
    if before.handle != record.handle:
        return (regenerated(record, before, changes),)
    return (Decision("saved", record),)


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("ascii")).digest()[:16]
