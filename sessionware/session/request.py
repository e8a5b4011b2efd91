"""What one request has loaded of its session, and what has become of it in this request."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Protocol

from msgspec import Struct

from sessionware.clock import Clock
from sessionware.crypto.csrf import CsrfSecrets
from sessionware.crypto.identifiers import handle_of, new_token
from sessionware.exceptions import ConflictError, CrossSiteRequest, SessionwareError, StoreUnavailable
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


class SessionRequest(Struct, eq=False):
    """One request's session, from the first touch on. Nothing else holds the record that the request knows.

    ``context`` is the lifecycle's own. ``token`` becomes the id of a new session. A load that failed is remembered,
    so that a store that is down is asked once in a request; ``outage`` is the last error that the application was
    given. What is written to a session that another request has ended goes with it, and begins no new one.
    ``untold`` are the events of a session that travels with the answer, until that leaves, as it does when this
    ``is_leaving``. Whether it travels may change, by a login or by a logout; ``is_cookie_standing`` says that the
    store has made true already what ``cookie_lines`` say. ``rejected`` is the reason of the event of this name, for
    a request that has come with no cookie that was accepted.
    """

    context: Any
    found: Found | None
    changes: Changes
    touched_at: float
    travels_with_answer: bool
    is_new: bool
    is_ended_by_another: bool = False
    is_anonymous: bool = False
    is_cookie_standing: bool = False
    is_leaving: bool = False
    is_renewal_tried: bool = False
    token: bytes | None = None
    cookie_lines: tuple[str, ...] = ()
    untold: tuple[Any, ...] = ()
    load_failure: SessionwareError | None = None
    save_failure: StoreUnavailable | None = None
    outage: StoreUnavailable | ConflictError | CrossSiteRequest | None = None
    rejected: str | None = None
    is_of_https_site: bool = False
    event_context: Mapping[str, Any] | None = None

    __repr__ = object.__repr__  # it holds a token, and the lines of cookies

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
    def csrf_root(self) -> bytes:
        """What the first CSRF secret follows from: the same before and after the session was taken over."""
        taken_from = None if self.found is None else self.found.record.taken_from
        return self.handle if taken_from is None else taken_from

    @property
    def user_id(self) -> str | int | None:
        """The user whom the session is bound to, or will be."""
        return self.changes.asked.user_id(self.stored)

    @property
    def csrf(self) -> bytes | None:
        """The secret of the session's CSRF tokens; ``None`` before one was asked for, and after a login."""
        return self.changes.asked.csrf_secret(self.stored)

    @property
    def can_save_after_headers(self) -> bool:
        """Whether a change can be saved without a cookie; a change of a session that has ended is dropped."""
        return not self.travels_with_answer and (self.found is not None or self.is_ended_by_another)

    @property
    def has_unsent_cookie(self) -> bool:
        """Whether the browser must still get a cookie for what is true already; that of an ended record is dead."""
        return bool(self.cookie_lines) and (self.found is not None or not self.is_cookie_standing)

    def is_pending(self) -> bool:
        """Whether something would be written now; raises SessionDataError for what cannot be stored."""
        found = self.found
        return self.changes.is_pending(None if found is None else found.record)

    def is_pending_or_unstorable(self) -> bool:
        """Whether something would be written now, or would be refused."""
        try:
            return self.is_pending()
        except SessionwareError:
            return True


class Touched(Protocol):
    """A session that was touched for the first time, as the load sees it."""

    _cookie_header: str
    _environ: Mapping[str, Any]
    _is_passive: bool
    #: Set while ``_environ`` is :data:`LOADING`.
    _loading_thread: int
    _phase: Phase
    _request: SessionRequest | None


class Persistence(Protocol):
    """What a session asks of the code that loads, saves and ends it."""

    #: Gives seconds since the epoch.
    clock: Clock
    #: Makes the secrets of CSRF tokens.
    csrf: CsrfSecrets

    def load(self, session: Touched) -> SessionRequest:
        """Load what the request's cookie stands for, let *session* have it, and then tell of it."""
        ...

    def save(self, request: SessionRequest, *, after_headers: bool) -> bool:
        """Write what is pending now; ``False`` if another request has ended the session."""
        ...

    def end(self, request: SessionRequest) -> None:
        """End the session in the store and, with the answer, in the browser."""
