"""The sessions of a former configuration of this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from sessionware.backends.contract import Backend, Seen, UserSessions
from sessionware.backends.former import (
    SAME_COOKIE,
    Arrival,
    identity_of,
    mark_of,
)
from sessionware.backends.store import StoreBackend
from sessionware.cookies.header import CookieSettings
from sessionware.cookies.request import CookieContext, Cookies
from sessionware.events import Decision
from sessionware.session.lifetimes import Lifetimes
from sessionware.session.records import Live


class FormerRequest(NamedTuple):
    """The former cookie of one request; it is ``in_reach`` if the browser would have sent it."""

    cookie: CookieContext[Any]
    is_in_reach: bool


class FormerConfiguration:
    """The sessions of a former configuration of this package, in *backend*; *stored* is the one with a store in it."""

    def __init__(
        self,
        backend: Backend,
        stored: StoreBackend | None,
        *,
        cookie: CookieSettings,
        until: float,
        lifetimes: Lifetimes,
        is_same_cookie: bool,
    ) -> None:
        name, domain, path = cookie.scope
        self.mark = mark_of("sessionware", name, domain, path)
        self.until = until
        self.is_same_cookie = is_same_cookie
        self.users: UserSessions | None = backend.users
        self._backend = backend
        self._stored = stored
        self._lifetimes = lifetimes
        self._cookies = Cookies(cookie, partial(backend.make_keys, domain=domain, path=path))

    def open(self, header: str, environ: Mapping[str, Any]) -> FormerRequest:
        return FormerRequest(self._cookies.open(header, environ), self._cookies.is_in_reach(environ))

    def load(
        self, context: FormerRequest, touched_at: float, *, has_data: bool
    ) -> tuple[Arrival | None, Sequence[Decision]]:
        found, rejected = self._backend.load(context.cookie, touched_at, has_data=has_data)
        if found is None:
            return None, rejected
        record = found.record
        login = identity_of(record.user_id, record.started_at)
        identity = SAME_COOKIE if self.is_same_cookie else login
        reference = record.handle if found.key else b""
        return Arrival(found, self, context, identity, record.handle + login, reference, record.started_at), ()

    def stands(self, context: FormerRequest, reference: bytes) -> bool:
        if not context.is_in_reach:
            return True
        if self._stored is not None and reference:
            return self._stored.stands(reference)
        return bool(context.cookie.candidates())

    def renew(self, arrival: Arrival) -> tuple[Live, tuple[str, ...]]:
        context: FormerRequest = arrival.context
        outcome = self._backend.renew(context.cookie, arrival.found)
        record = arrival.found.record if outcome.found is None else outcome.found.record
        if not isinstance(outcome.cookie, Seen):
            return record, ()
        end = self._lifetimes.end_of(record)
        line = context.cookie.set_seen(outcome.cookie.value, end, record.seen_at, is_persistent=record.is_remembered)
        return record, (line,)

    def end(self, reference: bytes) -> None:
        if self._stored is not None and reference:
            self._stored.end_handle(reference)

    def deletions(self, context: FormerRequest) -> list[str]:
        return context.cookie.delete() if context.cookie.candidates() else []
