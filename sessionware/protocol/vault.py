"""OPEN: sealed records in a store, loaded, created and replaced.

What is written is encrypted for the very key that it stands under. What is read is judged by its times before it is
given out: a record past its end counts as ended.
"""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from sessionware.clock import Clock
from sessionware.crypto.sealing import RecordSealer, Rejected
from sessionware.events import logger
from sessionware.exceptions import (
    AlreadyExists,
    Conflict,
    Gone,
    SessionwareError,
    StoreUnavailable,
    hide_all_frames,
)
from sessionware.session.formats import Formats
from sessionware.session.lifetimes import ALIVE, REVOKED, TOO_OLD, Lifetimes
from sessionware.session.records import Ended, Found, Index, Live, Record, Superseded
from sessionware.stores.contract import Store, Version
from sessionware.wire.serializer import Malformed

Answer = TypeVar("Answer")

#: How long an Ended record stays if its deletion fails: longer than any request that may still try to write.
ENDED_TTL_SECONDS = 60.0
RETRY_SECONDS = 5.0
#: A client decides how often its session is given a new id; it must not decide how many loads a request makes.
MAX_CHAIN_STEPS = 16
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


class Origins(Protocol):
    """What the end of a session asks that was taken over from a former configuration or from another package."""

    def end_former(self, record: Live) -> None:
        """End the former session, before that of *record* ends. Raises :exc:`StoreUnavailable`."""

    def bury(self, record: Live) -> None:
        """See to it that the former session, whose cookie may come again, is not taken over a second time."""


class Vault:
    """The records of one manager in its store."""

    __slots__ = ("_formats", "_lifetimes", "_longest_grace", "_sealed", "_store", "clock", "origins")

    def __init__(
        self,
        store: Store,
        sealed: RecordSealer,
        formats: Formats,
        *,
        lifetimes: Lifetimes,
        clock: Clock,
        grace: float | None,
    ) -> None:
        self._store = store
        self._sealed = sealed
        self._formats = formats
        self._lifetimes = lifetimes
        # Machines whose clocks differ by less than the grace agree on it.
        self._longest_grace = 2 * (grace or 0)
        #: Gives seconds since the epoch.
        self.clock = clock
        #: Where sessions come from that were taken over; ``None`` where none are.
        self.origins: Origins | None = None

    def load_without_data(self, key: str) -> Loaded:
        """As :meth:`load`, with empty data, for a caller to whom only the fate of the session matters."""
        return self.load(key, self._formats.unpack_without_data)

    def load(self, key: str, unpack: Callable[[bytes], Record] | None = None) -> Loaded:
        """What stands under *key*, judged by its times, or ``None``.

        Raises SessionDataError, which is the application's fault, for data that this process cannot make again.
        """
        entry = self._ask(self._store.load, key)
        if entry is None:
            return None
        payload, version = entry
        try:
            opened = self._sealed.open(payload, key)
            record = (unpack or self._formats.unpack)(opened.payload)
        except Rejected as error:
            return Unreadable(error.reason, version)
        except Malformed:
            return Unreadable("malformed", version)
        old_key_id = None if opened.is_current else opened.key_id
        now = self.clock()
        if isinstance(record, Live):
            is_ahead = record.seen_at > now or record.started_at > now or record.created_at > now
            if is_ahead:
                record.settle(now)
            verdict = self._lifetimes.verdict(record, now)
            if verdict is ALIVE:
                return Found(record, version, old_key_id, key, None, is_ahead)
            return Ended(verdict.value, was_asked_for=False, version=version)
        if isinstance(record, Superseded):
            reason = self._fault_of_superseded(record, now)
            if reason is None:
                return Found(record.was, version, old_key_id, key, record)
            return Ended(reason, record, was_asked_for=False, version=version)
        return Ended(version=version)

    def _fault_of_superseded(self, record: Superseded, now: float) -> str | None:
        """Why *record* is not to be read any more, or ``None``."""
        record.was.settle(now)
        if self._lifetimes.is_revoked(record.was):
            return REVOKED.value
        end = self._lifetimes.end_of(record.was)
        # A grace that would last longer than any was written by a clock that was ahead.
        if now >= record.until or record.until - now > self._longest_grace:
            return "unknown_id"
        return None if end is None or now < end else TOO_OLD.value

    def is_over(self, record: Live, touched_at: float | None = None) -> bool:
        """Whether the time of *record* is over; a request that has *touched* it in time counts as a sign of life."""
        now = self.clock()
        if self._lifetimes.verdict(record, now) is ALIVE:
            return False
        if touched_at is None or touched_at <= record.seen_at:
            return True
        return self._lifetimes.verdict(replace(record, seen_at=touched_at), now) is not ALIVE

    def has_live_successor(self, superseded: Superseded) -> bool:
        """Whether the session that a superseded one has become, at the end of the chain, lives."""
        step: Superseded | None = superseded
        for _ in range(MAX_CHAIN_STEPS):
            if step is None:
                break
            loaded = self.load_without_data(step.next_key)
            if not isinstance(loaded, Found):
                return False
            step = loaded.superseded
        return step is None

    def create(self, key: str, record: Live) -> Version:
        """Store a new session; raises :exc:`AlreadyExists`."""
        sealed = self._sealed.seal(self._formats.pack(record), key)
        return self._ask(self._store.create, key, sealed, self._lifetimes.ttl(record, self.clock()))

    def take_over(self, key: str, record: Live) -> tuple[Found | Ended, bool]:
        """Store *record*, which was taken over, unless another request has done so; what stands there, and whether it
        is new.

        :class:`Ended` says that the session was ended since, and is not to come back.
        """
        backoff = Backoff()
        while True:
            loaded = self.load(key)
            if isinstance(loaded, Found) or (isinstance(loaded, Ended) and loaded.was_asked_for):
                return loaded, False
            try:
                # What may be there went by itself, or no key opens it: the former session has outlived it.
                written = self.create(key, record) if loaded is None else self.replace(key, record, loaded.version)
            except (AlreadyExists, Conflict, Gone):
                backoff.pause()
            else:
                return Found(record, written, None, key), True

    def put_ended(self, key: str, version: Version | None, ttl: float) -> None:
        """Say for *ttl* seconds that a session has ended, in the place of what has *version*, or of nothing.

        Raises :exc:`AlreadyExists`, :exc:`Conflict` or :exc:`Gone`.
        """
        sealed = self._sealed.seal(self._formats.pack(Ended()), key)
        if version is None:
            self._ask(self._store.create, key, sealed, ttl)
        else:
            self._ask(self._store.replace, key, sealed, ttl, version)

    def replace(self, key: str, record: Record, version: Version) -> Version:
        """Put *record* in the place of what has *version*; raises :exc:`Conflict` or :exc:`Gone`."""
        sealed = self._sealed.seal(self._formats.pack(record), key)
        ttl = self._lifetimes.ttl(record, self.clock()) if isinstance(record, Live) else self._short_ttl(record)
        return self._ask(self._store.replace, key, sealed, ttl, version)

    def load_index(self, key: str) -> tuple[Index, Version | None]:
        """The index under *key*, and its version, or ``None`` if there is no entry.

        What no key opens, and what is no index, counts as an empty one, which can be replaced.
        """
        entry = self._ask(self._store.load, key)
        if entry is None:
            return Index(), None
        payload, version = entry
        try:
            return self._formats.unpack_index(self._sealed.open(payload, key).payload), version
        except (Rejected, Malformed):
            return Index(), version

    def swap_index(self, key: str, index: Index, version: Version | None) -> None:
        """Put *index* in the place of what has *version*, or where there is nothing.

        Raises :exc:`Conflict`, :exc:`Gone` or :exc:`AlreadyExists`. An index is needed until the last of its sessions
        has ended. An empty one goes by itself: a delete would take along what another login has just added.
        """
        sealed = self._sealed.seal(self._formats.pack_index(index), key)
        ttl = self._ttl_of_index(index)
        if version is None:
            self._ask(self._store.create, key, sealed, ttl)
        else:
            self._ask(self._store.replace, key, sealed, ttl, version)

    def _ttl_of_index(self, index: Index) -> float | None:
        if not index.entries:
            return ENDED_TTL_SECONDS
        latest = 0.0
        for entry in index.entries:
            if entry.ends_at is None:
                return None
            latest = max(latest, entry.ends_at)
        return max(latest - self.clock(), ENDED_TTL_SECONDS)

    def expires_at(self, record: Live) -> float | None:
        """When *record* dies if no request touches it any more."""
        return self._lifetimes.expires_at(record)

    def delete(self, key: str) -> None:
        """Delete an entry that means nothing any more; where that fails, its ttl removes it."""
        with suppress(StoreUnavailable):
            self._ask(self._store.delete, key)

    def _ask(self, operation: Callable[..., Answer], *arguments: Any) -> Answer:
        """What the store answers; where a fault of its own was raised, only the log says, without keys and payloads."""
        try:
            return operation(*arguments)
        except SessionwareError:
            raise
        except Exception as error:
            lines = "".join(traceback.format_tb(error.__traceback__))
            logger.error("%s raised %s:\n%s", type(self._store).__name__, type(error).__name__, lines)
            hide_all_frames(error)
            raise error

    def _short_ttl(self, record: Superseded | Ended) -> float:
        # A minute beyond the grace, a request that loaded the superseded record in time still gets its conflict, and a
        # logout still finds the successor.
        grace = record.until - self.clock() if isinstance(record, Superseded) else 0
        return grace + ENDED_TTL_SECONDS


def superseded_in(loaded: Loaded) -> Superseded | None:
    """The superseded record in *loaded*, which says where the session went, though its grace may be over."""
    if isinstance(loaded, Ended):
        return loaded.former
    return loaded.superseded if isinstance(loaded, Found) else None
