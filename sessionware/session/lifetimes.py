"""How long a session lives; the current time is always a parameter."""

from __future__ import annotations

import enum
import math
import re
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol

#: What is longer counts as endless, which no duration is.
MAX_SECONDS = sys.float_info.max
UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)", re.ASCII)


def parse_duration(value: object) -> float:
    """Seconds from a number, a timedelta, or ``"90s"``, ``"30m"``, ``"12h"``, ``"7d"``.

    Raises ValueError for what is none of these, and for zero and less. Its message never repeats *value*.
    """
    seconds = _seconds(value)
    if seconds is None:
        raise ValueError("expected a duration (seconds, a timedelta, '90s', '30m', '12h' or '7d')")
    if not seconds < math.inf:
        raise ValueError("expected a finite duration")
    if seconds <= 0:
        raise ValueError("expected a duration above zero")
    return seconds


def _seconds(value: object) -> float | None:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        return float(match[1]) * UNIT_SECONDS[match[2] or "s"] if match else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        # float() refuses an int beyond its own range.
        return float(value) if value < MAX_SECONDS else math.inf
    return None


#: A session may be granted more than 8,000 years: a time that no datetime can tell is told as the last that one can.
_LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)
_LAST_SECOND = int(_LAST_MOMENT.timestamp())


def moment(seconds: float) -> datetime:
    """*seconds* since the epoch as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, timezone.utc) if seconds < _LAST_SECOND else _LAST_MOMENT


class Verdict(enum.Enum):
    """What the times in a record say; the values are the reasons of the event ``rejected``."""

    ALIVE = "alive"
    IDLE = "idle"
    TOO_OLD = "too_old"
    REVOKED = "revoked"


#: A look-up in an enum is slow on the path of every read.
ALIVE, IDLE, TOO_OLD, REVOKED = Verdict


class Timed(Protocol):
    """The times of a record, in seconds since the epoch."""

    @property
    def started_at(self) -> float: ...
    @property
    def seen_at(self) -> float: ...
    @property
    def ends_at(self) -> float | None: ...
    @property
    def is_remembered(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """The configured timeouts in seconds, and what follows from them for a record.

    A session dies at its limit, not after it (NIST SP 800-63B, 7.2). One that began, or was logged in last, before the
    moment ``not_before`` (in seconds since the epoch) is over, remembered or not.
    """

    idle: float | None = None
    absolute: float | None = None
    refresh_after: float | None = None
    not_before: float | None = None

    def ends_at(self, started_at: float) -> float | None:
        """The absolute end that is written into the record of a session that starts or is logged in now."""
        return None if self.absolute is None else started_at + self.absolute

    def end_of(self, record: Timed) -> float | None:
        """The absolute end in force: a setting made shorter since counts, one made longer does not."""
        end = record.ends_at
        if record.is_remembered or self.absolute is None:
            return end
        absolute_end = record.started_at + self.absolute
        return absolute_end if end is None or absolute_end < end else end

    def has_ended(self, record: Timed, now: float) -> bool:
        """Whether *record* has reached its absolute end."""
        # Every write of a cookie session comes here, so end_of() is written out.
        if record.ends_at is not None and now >= record.ends_at:
            return True
        return not record.is_remembered and self.absolute is not None and now >= record.started_at + self.absolute

    def expires_at(self, record: Timed) -> float | None:
        """When *record* dies if no request touches it any more."""
        end = self.end_of(record)
        if record.is_remembered or self.idle is None:
            return end
        idle_end = record.seen_at + self.idle
        return idle_end if end is None or idle_end < end else end

    def verdict(self, record: Timed, now: float) -> Verdict:
        """Whether *record* is alive, and if not, which limit it has reached."""
        # Every read of a session comes here, so end_of() and is_revoked() are written out.
        if self.not_before is not None and record.started_at < self.not_before:
            return REVOKED
        if record.ends_at is not None and now >= record.ends_at:
            return TOO_OLD
        if record.is_remembered:
            return ALIVE
        if self.absolute is not None and now >= record.started_at + self.absolute:
            return TOO_OLD
        if self.idle is not None and now - record.seen_at >= self.idle:
            return IDLE
        return ALIVE

    def is_revoked(self, record: Timed) -> bool:
        """Whether *record* is of a session that began, or was logged in last, before ``not_before``."""
        return self.not_before is not None and record.started_at < self.not_before

    def ttl(self, record: Timed, now: float) -> float | None:
        """Seconds for which a store must keep *record*."""
        expires_at = self.expires_at(record)
        return None if expires_at is None else max(expires_at - now, 0.001)
