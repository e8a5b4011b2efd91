"""What one request has loaded of its session and done to it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sessionware.exceptions import StoreUnavailable
from sessionware.session.changes import Changes


class Phase(enum.Enum):
    """How far the response has come."""

    OPEN = "open"
    COMMITTED = "committed"
    FINISHED = "finished"


#: A look-up in an enum is slow on the path of a request that does not touch its session.
OPEN, COMMITTED, FINISHED = Phase


@dataclass(slots=True)
class Draft:
    """What one request has loaded of its session and done to it, from the first touch on.

    ``seed`` is what a new id is made of; ``context`` and ``base`` belong to the owner. ``load_failure`` is remembered,
    so that a store that is down is asked once in a request; ``outage`` is the last error that the application was
    given. A session that another request has ended is lost: what is written to it goes with it, and begins no new one.
    """

    changes: Changes
    context: Any = field(repr=False)
    now: float
    base: Any = None
    is_new: bool = True
    is_lost: bool = False
    # Of these two a session can be opened.
    seed: bytes | None = field(default=None, repr=False)
    cookie_lines: tuple[str, ...] = field(default=(), repr=False)
    load_failure: StoreUnavailable | None = None
    save_failure: StoreUnavailable | None = None
    outage: StoreUnavailable | None = None
    is_anonymous: bool = False
    is_renewal_tried: bool = False


class Owner(Protocol):
    """What a session asks of whoever opened it."""

    def load(self, cookie_header: str, environ: Mapping[str, Any], *, is_late: bool) -> Draft:
        """Load what the request's cookie stands for; *is_late*: after the headers were sent."""
        ...

    def save(self, draft: Draft, *, is_late: bool) -> bool:
        """Write what is pending now; ``False`` if the session was ended meanwhile."""
        ...

    def end(self, draft: Draft) -> None:
        """End the session in the store and, with the answer, in the browser."""

    def can_save_late(self, draft: Draft) -> bool:
        """Whether a change can still be saved now that the headers are out."""
        ...

    def draft_handle(self, draft: Draft) -> bytes:
        """The handle of the session, of a new one the handle that it is to get."""
        ...

    def expires_at(self, draft: Draft) -> float | None:
        """When the session dies if nobody touches it any more."""
        ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...
