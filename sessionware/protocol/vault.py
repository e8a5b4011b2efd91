"""Sealed records in a store: load, create, swap, and the end of one.

What is written here is encrypted for the very key that it stands under, and what is read is judged before anybody
sees it: a record past its end counts as ended.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from sessionware.clock import Clock
from sessionware.crypto.sealing import Rejected, SealedRecord
from sessionware.exceptions import Conflict, Gone, StoreUnavailable
from sessionware.session.formats import Formats
from sessionware.session.lifetimes import Lifetimes, Verdict
from sessionware.session.records import Cause, Ended, Live, Record, Superseded
from sessionware.stores.contract import Store, Version
from sessionware.wire.serializer import Malformed

#: For a writer that meets it; long enough for any request under way, should the deletion behind it fail.
ENDED_TTL_SECONDS = 60.0
PATIENCE_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that no key of ours opens, or that no format of ours fits."""

    reason: str


class Found(NamedTuple):
    """What a load gives: on its version every compare-and-swap turns. ``old_key`` names a key that is not the first."""

    version: Version
    record: Record | Unreadable
    old_key: str | None


class Patience:
    """The pauses of one compare-and-swap loop: jittered and growing, with an end in time rather than in tries.

    Writers that tried again at once, a fixed number of times, would starve one another.
    """

    __slots__ = ("_deadline", "_pause")

    def __init__(self) -> None:
        self._deadline: float | None = None
        self._pause = _FIRST_PAUSE_SECONDS

    def pause(self) -> None:
        """Wait a little; raises :exc:`StoreUnavailable` when the time is over."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + PATIENCE_SECONDS
        elif now >= self._deadline:
            raise StoreUnavailable("the session is being written by too many requests at once")
        time.sleep(random.uniform(0, self._pause))
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)


class Vault:
    """The records of one manager in its store."""

    __slots__ = ("_formats", "_lifetimes", "_now", "_sealed", "_store")

    def __init__(
        self,
        store: Store,
        sealed: SealedRecord,
        formats: Formats,
        *,
        lifetimes: Lifetimes,
        clock: Clock,
    ) -> None:
        self._store = store
        self._sealed = sealed
        self._formats = formats
        self._lifetimes = lifetimes
        self._now = clock

    def load(self, key: str) -> Found | None:
        """What stands under *key*, judged by its times, or ``None``."""
        entry = self._store.load(key)
        if entry is None:
            return None
        payload, version = entry
        try:
            opened = self._sealed.open(payload, key)
            record = self._formats.unpack(opened.payload)
        except Rejected as error:
            return Found(version, Unreadable(error.reason), None)
        except Malformed:
            return Found(version, Unreadable("malformed"), None)
        return Found(version, self._judged(record), None if opened.is_current else opened.key_id)

    def _judged(self, record: Record) -> Record:
        now = self._now()
        if isinstance(record, Live):
            # The clocks of two machines differ: what was seen in the future was seen now.
            record.seen_at = min(record.seen_at, now)
            verdict = self._lifetimes.verdict(record, now)
            return record if verdict is Verdict.ALIVE else Ended(verdict.value)
        if isinstance(record, Superseded):
            end = self._lifetimes.end_of(record.was)
            if now >= record.until:
                return Ended("unknown_id", record)
            return record if end is None or now < end else Ended(Verdict.TOO_OLD.value, record)
        return record

    def create(self, key: str, live: Live) -> Version:
        """Store a new session; raises :exc:`AlreadyExists`."""
        return self._store.create(key, self._seal(live, key), self._lifetimes.ttl(live, self._now()))

    def replace(self, key: str, record: Record, version: Version) -> Version:
        """Put *record* in the place of what has *version*; raises :exc:`Conflict` or :exc:`Gone`."""
        return self._store.replace(key, self._seal(record, key), self._ttl(record), version)

    def _seal(self, record: Record, key: str) -> bytes:
        return self._sealed.seal(self._formats.pack(record), key)

    def _ttl(self, record: Record) -> float | None:
        if isinstance(record, Live):
            return self._lifetimes.ttl(record, self._now())
        # Behind the grace there is time for a request that began within it: its change is refused, its logout follows.
        grace = record.until - self._now() if isinstance(record, Superseded) else 0
        return grace + ENDED_TTL_SECONDS

    def walk(self, superseded: Superseded) -> Live | None:
        """The session that a superseded one has become, at the end of the chain, if it lives."""
        record: Record | Unreadable = superseded
        while isinstance(record, Superseded):
            found = self.load(record.next_key)
            if found is None:
                return None
            record = found.record
        return record if isinstance(record, Live) else None

    def end(self, key: str) -> bool:
        """End what stands under *key*, or what it became; whether this call has ended it.

        First the record says that it has ended, by a compare-and-swap that no writer in flight can undo; then it
        goes. A login over an anonymous session is not ended by that session's old id.
        """
        former = []  # a loop, because a visitor decides how long this becomes
        answer = self._end_one(key)
        while isinstance(answer, Superseded):
            former.append(key)
            key = answer.next_key
            answer = answer.cause is not Cause.LOGIN and self._end_one(key)
        for key in reversed(former):
            self.forget(key)
        return answer

    def _end_one(self, key: str) -> bool | Superseded:
        """End what stands under this very *key*; a superseded record is left alone, and is the answer."""
        patience = Patience()
        while True:
            found = self.load(key)
            if found is None:
                return False
            if isinstance(found.record, Superseded):
                return found.record
            if isinstance(found.record, Ended):
                if found.record.former is not None:
                    return found.record.former
                self.forget(key)
                return False
            try:
                self.replace(key, Ended(), found.version)
            except Gone:
                return False
            except Conflict:
                patience.pause()
                continue
            self.forget(key)
            return True

    def forget(self, key: str) -> None:
        """Delete an entry that means nothing any more; if that fails, its ttl sees to it."""
        with suppress(StoreUnavailable):
            self._store.delete(key)

    def supersede(self, key: str, was: Live, version: Version, *, by: str, cause: Cause, grace: float | None) -> None:
        """Let *key* read what it held, for the grace, and say where the session went."""
        self.replace(key, Superseded(was, by, cause, self._now() + (grace or 0)), version)
