"""What a session is at rest: plain data, the same for every way of keeping it."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Live:
    """A session in force. Times are seconds since the epoch.

    ``packed`` are the bytes of ``data`` as they were read or will be written; what a request has changed is found
    by comparing with them.
    """

    data: dict[str, Any] = field(repr=False)
    packed: bytes = field(repr=False)
    handle: bytes
    created_at: float
    started_at: float
    seen_at: float
    ends_at: float | None
    is_remembered: bool = False
    user_id: str | int | None = None
    label: str | None = None
    csrf: bytes | None = None
    flashes: list[tuple[str, str]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """No key, no user, no flash, no CSRF token: no session."""
        return not self.data and self.user_id is None and self.csrf is None and not self.flashes


class Cause(enum.Enum):
    """Why a session has got a new id."""

    REGENERATE = "regenerate"
    RELOGIN = "relogin"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Superseded:
    """The old id of a session: reads what the session was before its change of id, until the grace is over."""

    was: Live
    next_key: str
    cause: Cause
    until: float


@dataclass(frozen=True, slots=True)
class Ended:
    """What stands for a moment where a session was, so that no writer can bring it back.

    A record past its end counts as this: ``reason`` is what the event ``rejected`` then says, and ``former`` a
    superseded record that can be read no more, for whoever has to know where its session went. Neither is stored.
    """

    reason: str = "revoked"
    former: Superseded | None = None


Record = Live | Superseded | Ended
