"""A session at rest, and as a load has found it: plain data, the same for every backend.

What every request makes, and seldom changes, is a Struct: it is made in C, without a call of a Python function. To set
an attribute of one takes longer than of another object.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

_HIDDEN = ("data", "packed", "csrf", "flashes", "taken_from")


class Live(Struct):
    """The record of a session that lives. Times are seconds since the epoch.

    ``packed`` are the bytes of ``data`` as they were read or will be written. Comparing with them finds what a request
    has changed. ``csrf`` is the secret of the CSRF tokens, if one was ever asked for. Each of the ``flashes`` is packed
    by itself. ``taken_from`` names the former session that this one has taken over; ``backends/ties.py`` reads it.
    ``signed_in_at`` is when its user signed in there, if that was before ``started_at``, and 0 if it is not known.
    """

    data: dict[str, Any]
    packed: bytes
    handle: bytes
    created_at: float
    started_at: float
    seen_at: float
    ends_at: float | None
    is_remembered: bool = False
    user_id: str | int | None = None
    label: str | None = None
    csrf: bytes | None = None
    flashes: list[bytes] = []  # each record gets a list of its own
    taken_from: bytes | None = None
    signed_in_at: float | None = None

    def __repr__(self) -> str:
        """Without what the application stores, and without the CSRF token."""
        shown = [name for name in self.__struct_fields__ if name not in _HIDDEN]
        return f"Live({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def settle(self, now: float) -> None:
        """Let times in the future count as *now*: the clocks of two machines differ."""
        self.created_at = min(self.created_at, now)
        self.started_at = min(self.started_at, now)
        self.seen_at = min(self.seen_at, now)

    @property
    def authenticated_at(self) -> float | None:
        """When the user signed in or was confirmed last; ``None`` without a user, and if it is not known."""
        if self.user_id is None:
            return None
        return self.started_at if self.signed_in_at is None else self.signed_in_at or None

    @property
    def is_empty(self) -> bool:
        """Whether it has no key, no user, no flash and no CSRF token, which is no session."""
        return not self.data and self.user_id is None and self.csrf is None and not self.flashes


class Cause(enum.Enum):
    """Why a session was given a new id."""

    REGENERATE = "regenerate"
    RELOGIN = "relogin"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Superseded:
    """The record under the old id of a session: what the session was before it got a new id.

    It can be read until the grace is over, and never changes.
    """

    was: Live
    next_key: str = field(repr=False)
    cause: Cause
    until: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The record of a session that has ended, for a moment, so that a writer under way cannot bring it back.

    A record past its end counts as this, too: ``reason`` is then the reason of the event ``rejected``, and ``former``
    is the superseded record whose grace is over, which still tells where its session went. What ``was_asked_for`` was
    ended by a request; otherwise the session went by itself. ``version`` is that of the entry. None of these is stored.
    """

    reason: str = "revoked"
    former: Superseded | None = None
    was_asked_for: bool = True
    version: Hashable = None


Record = Live | Superseded | Ended


class IndexEntry(Struct, frozen=True):
    """One session in the index of its user, by its handle.

    ``was`` is the handle of the session whose place it takes, by a change of id. ``ends_at`` is that of its record,
    which no update moves, so that an entry need never be written again.
    """

    handle: bytes
    was: bytes | None
    ends_at: float | None


@dataclass(frozen=True, slots=True)
class Index:
    """The record of a user: the sessions that were signed in, in the order of their logins.

    A session may have ended since, and an entry says nothing else of it: what is told of a session, its record tells.
    """

    entries: tuple[IndexEntry, ...] = ()


class Found(Struct, frozen=True):
    """A session that a load has found and that can be read.

    A compare-and-swap turns on ``version``: in a store it is the entry's, in a cookie the cookie's value. ``key`` is
    the store key. ``old_key_id`` names the key that has opened the session if that is not the newest. A session under
    an id that was ``superseded`` cannot be written. One that ``is_ahead`` had a time in the future, which the next
    request corrects. During a move it has a type of ``backends/former.py``, which says more.
    """

    record: Live
    version: Hashable
    old_key_id: str | None = None
    key: str = ""
    superseded: Superseded | None = None
    is_ahead: bool = False

    def __repr__(self) -> str:
        """Without the version and the key: a cookie's value opens the session."""
        return f"Found({self.record!r})"
