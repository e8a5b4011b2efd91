"""What one request has loaded of its session, and what has become of it in this request."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from sessionware.clock import Clock
from sessionware.crypto.identifiers import handle_of, new_token
from sessionware.exceptions import SessionwareError, StoreUnavailable
from sessionware.session.changes import Changes
from sessionware.session.records import Found, Live


class Phase(enum.Enum):
    """How far the response has come."""

    OPEN = "open"
    COMMITTED = "committed"
    FINISHED = "finished"


#: A look-up in an enum is slow on the path of a request that does not touch its session.
OPEN, COMMITTED, FINISHED = Phase

#: What stands in the place of environ while a session is being loaded. A touch then, by the filter of a log that a
#: driver writes to, must not begin a second load.
LOADING: Mapping[str, Any] = MappingProxyType({})


class SessionRequest:
    """One request's session, from the first touch on. Nothing else holds the record that the request knows.

    ``context`` is the lifecycle's own. ``token`` becomes the id of a new session. A load that failed is remembered, so
    that a store that is down is asked once in a request; ``outage`` is the last error that the application was given.
    What is written to a session that another request has ended goes with it, and begins no new one. ``untold`` are the
    events of a session that travels with the answer, until that leaves.
    """

    __slots__ = (
        "changes",
        "context",
        "cookie_lines",
        "found",
        "is_anonymous",
        "is_ended_by_another",
        "is_new",
        "is_renewal_tried",
        "load_failure",
        "outage",
        "save_failure",
        "token",
        "touched_at",
        "travels_with_answer",
        "untold",
    )

    def __init__(
        self, context: Any, found: Found | None, changes: Changes, touched_at: float, travels_with_answer: bool
    ) -> None:
        self.context = context
        self.found = found
        self.changes = changes
        self.touched_at = touched_at
        self.travels_with_answer = travels_with_answer
        self.is_new = found is None
        self.is_ended_by_another = self.is_anonymous = self.is_renewal_tried = False
        self.token: bytes | None = None
        self.cookie_lines: tuple[str, ...] = ()
        self.untold: tuple[Any, ...] = ()
        self.load_failure: SessionwareError | None = None
        self.save_failure: StoreUnavailable | None = None
        self.outage: StoreUnavailable | None = None

    @property
    def stored(self) -> Live | None:
        """The record that was found or written, or ``None`` for a new session."""
        return None if self.found is None else self.found.record

    @property
    def record(self) -> Live:
        """The record that was found or written, or that of a session which begins with this request."""
        return self.changes.blank(self.touched_at) if self.found is None else self.found.record

    @property
    def handle(self) -> bytes:
        """The handle of the session; of a new one, the handle that it is to get."""
        if self.found is not None:
            return self.found.record.handle
        if self.token is None:
            self.token = new_token()
        return handle_of(self.token)

    @property
    def user_id(self) -> str | int | None:
        """The user whom the session is bound to, or will be."""
        return self.changes.user_id(self.stored)

    @property
    def can_save_after_headers(self) -> bool:
        """Whether a change can be saved without a cookie; a change of a session that has ended is dropped."""
        return not self.travels_with_answer and (self.found is not None or self.is_ended_by_another)

    def is_pending(self) -> bool:
        """Whether something would be written now; raises SessionDataError for what cannot be stored."""
        found = self.found
        return self.changes.is_pending(None if found is None else found.record)


class Touched(Protocol):
    """A session that was touched for the first time, as the load sees it."""

    _cookie_header: str
    _environ: Mapping[str, Any]
    _phase: Phase
    _request: SessionRequest | None


class Persistence(Protocol):
    """What a session asks of the code that loads, saves and ends it."""

    #: Gives seconds since the epoch.
    clock: Clock

    def load(self, session: Touched) -> SessionRequest:
        """Load what the request's cookie stands for, let *session* have it, and then tell of it."""
        ...

    def save(self, request: SessionRequest, *, after_headers: bool) -> bool:
        """Write what is pending now; ``False`` if another request has ended the session."""
        ...

    def end(self, request: SessionRequest) -> None:
        """End the session in the store and, with the answer, in the browser."""
