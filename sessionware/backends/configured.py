"""The sessions of a former configuration of this package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sessionware.backends.contract import Backend, Seen
from sessionware.backends.former import Arrival, FormerRequest, identity_of, mark_of
from sessionware.backends.store import StoreBackend
from sessionware.cookies.header import CookieSettings, max_age_until
from sessionware.cookies.request import CookieContext, Cookies
from sessionware.events import Decision
from sessionware.session.lifetimes import Lifetimes
from sessionware.session.records import Live


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
    ) -> None:
        name, domain, path = cookie.scope
        self.mark = mark_of("sessionware", name, domain, path)
        self.until = until
        self.users = None if stored is None else stored.users
        self.cookie = cookie
        self._backend = backend
        self._stored = stored
        self._lifetimes = lifetimes
        self._cookies = Cookies(cookie, partial(backend.make_keys, domain=domain, path=path))
        self._is_persistent = cookie.persistent

    def cookies(self, present: CookieContext[Any]) -> Cookies[Any]:
        return self._cookies

    def load(
        self, request: FormerRequest, touched_at: float, *, has_data: bool
    ) -> tuple[Arrival | None, Sequence[Decision]]:
        found, rejected = self._backend.load(request.cookie, touched_at, has_data=has_data)
        if found is None:
            return None, rejected
        record = found.record
        login = identity_of(record.user_id, record.started_at)
        reference = record.handle if found.key else b""
        return Arrival(found, request, login, record.handle + login, reference, record.started_at), ()

    def stands(self, reference: bytes) -> bool:
        return self._stored is not None and self._stored.stands(reference)

    def renew(self, arrival: Arrival) -> tuple[Live, tuple[str, ...]]:
        cookie = arrival.request.cookie
        outcome = self._backend.renew(cookie, arrival.found)
        record = arrival.record if outcome.found is None else outcome.found.record
        if not isinstance(outcome.cookie, Seen):
            return record, ()
        max_age = None
        if record.is_remembered or self._is_persistent:
            max_age = max_age_until(self._lifetimes.end_of(record), record.seen_at)
        return record, (cookie.set_seen(outcome.cookie.value, max_age),)

    def end(self, reference: bytes) -> None:
        if self._stored is not None and reference:
            self._stored.end_handle(reference)
