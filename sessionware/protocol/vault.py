"""OPEN: sealed records in a store, loaded, created and replaced.

What is written is encrypted for the very key that it stands under. What is read is judged by its times before it is
given out: a record past its end counts as ended.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass

from sessionware.clock import Clock
from sessionware.crypto.sealing import RecordSealer, Rejected
from sessionware.exceptions import StoreUnavailable
from sessionware.session.formats import Formats
from sessionware.session.lifetimes import Lifetimes, Verdict
from sessionware.session.records import Ended, Found, Live, Record, Superseded
from sessionware.stores.contract import Store, Version
from sessionware.wire.serializer import Malformed

#: How long an Ended record stays if its deletion fails: longer than any request that may still try to write.
ENDED_TTL_SECONDS = 60.0
RETRY_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that none of our keys opens, or that is in none of our formats."""

    reason: str
    version: Hashable


#: What a load gives.
Loaded = Found | Ended | Unreadable | None


class Backoff:
    """The pauses of one compare-and-swap loop: jittered and growing, with an end in time rather than in tries.

    Writers that tried again at once, a fixed number of times, would starve one another.
    """

    __slots__ = ("_deadline", "_longest")

    def __init__(self) -> None:
        self._deadline: float | None = None
        self._longest = _FIRST_PAUSE_SECONDS

    def pause(self) -> None:
        """Wait a little; raises :exc:`StoreUnavailable` when the time is over."""
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + RETRY_SECONDS
        elif now >= self._deadline:
            raise StoreUnavailable("the session is being written by too many requests at once")
        time.sleep(random.uniform(0, self._longest))
        self._longest = min(self._longest * 2, _LONGEST_PAUSE_SECONDS)


class Vault:
    """The records of one manager in its store."""

    __slots__ = ("_formats", "_lifetimes", "_sealed", "_store", "clock")

    def __init__(
        self, store: Store, sealed: RecordSealer, formats: Formats, *, lifetimes: Lifetimes, clock: Clock
    ) -> None:
        self._store = store
        self._sealed = sealed
        self._formats = formats
        self._lifetimes = lifetimes
        #: Gives seconds since the epoch.
        self.clock = clock

    def load(self, key: str) -> Loaded:
        """What stands under *key*, judged by its times, or ``None``.

        Raises SessionDataError, which is the application's fault, for data that this process cannot make again.
        """
        return self._load(key, self._formats.unpack)

    def load_without_data(self, key: str) -> Loaded:
        """As :meth:`load`, with empty data, for whom only the fate of the session matters."""
        return self._load(key, self._formats.unpack_without_data)

    def _load(self, key: str, unpack: Callable[[bytes], Record]) -> Loaded:
        entry = self._store.load(key)
        if entry is None:
            return None
        payload, version = entry
        try:
            opened = self._sealed.open(payload, key)
            record = unpack(opened.payload)
        except Rejected as error:
            return Unreadable(error.reason, version)
        except Malformed:
            return Unreadable("malformed", version)
        old_key_id = None if opened.is_current else opened.key_id
        if isinstance(record, Live):
            return self._judged(record) or Found(record, version, old_key_id, key)
        if isinstance(record, Superseded):
            return self._judged_superseded(record) or Found(record.was, version, old_key_id, key, record)
        return record

    def _judged(self, record: Live) -> Ended | None:
        now = self.clock()
        # The clocks of two machines differ: what was seen in the future was seen now.
        if record.seen_at > now:
            record.seen_at = now
        verdict = self._lifetimes.verdict(record, now)
        return None if verdict is Verdict.ALIVE else Ended(verdict.value)

    def _judged_superseded(self, record: Superseded) -> Ended | None:
        now = self.clock()
        end = self._lifetimes.end_of(record.was)
        if now >= record.until:
            return Ended("unknown_id", record)
        return None if end is None or now < end else Ended(Verdict.TOO_OLD.value, record)

    def successor_of(self, superseded: Superseded) -> Live | None:
        """The session that a superseded one has become, at the end of the chain, if it lives; without its data."""
        while True:
            loaded = self.load_without_data(superseded.next_key)
            if not isinstance(loaded, Found):
                return None
            if loaded.superseded is None:
                return loaded.record
            superseded = loaded.superseded

    def create(self, key: str, record: Live) -> Version:
        """Store a new session; raises :exc:`AlreadyExists`."""
        return self._store.create(key, self._seal(record, key), self._lifetimes.ttl(record, self.clock()))

    def replace(self, key: str, record: Record, version: Version) -> Version:
        """Put *record* in the place of what has *version*; raises :exc:`Conflict` or :exc:`Gone`."""
        return self._store.replace(key, self._seal(record, key), self._ttl(record), version)

    def delete(self, key: str) -> None:
        """Delete an entry that means nothing any more; where that fails, its ttl removes it."""
        with suppress(StoreUnavailable):
            self._store.delete(key)

    def _seal(self, record: Record, key: str) -> bytes:
        return self._sealed.seal(self._formats.pack(record), key)

    def _ttl(self, record: Record) -> float | None:
        if isinstance(record, Live):
            return self._lifetimes.ttl(record, self.clock())
        # A minute beyond the grace, a request that loaded the superseded record in time still gets its conflict, and a
        # logout still finds the successor.
        grace = record.until - self.clock() if isinstance(record, Superseded) else 0
        return grace + ENDED_TTL_SECONDS


def superseded_in(loaded: Loaded) -> Superseded | None:
    """The superseded record in *loaded*, which says where the session went, though its grace may be over."""
    if isinstance(loaded, Ended):
        return loaded.former
    return loaded.superseded if isinstance(loaded, Found) else None
