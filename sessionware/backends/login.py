"""The session of a visitor in the cookie, and in a store from its login to its logout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sessionware.backends.contract import Outcome, TakenOver
from sessionware.backends.cookie import CookieBackend, CookieKeys
from sessionware.backends.store import StoreBackend
from sessionware.clock import Clock
from sessionware.cookies.request import CookieContext
from sessionware.crypto.sealing import CookieSigner
from sessionware.events import Decision, rejection
from sessionware.session.changes import Changes
from sessionware.session.records import Found, Live


class LoginKeys(NamedTuple):
    """The keys of both backends, for a cookie that carries a whole session or a token."""

    cookie: CookieKeys
    token: CookieSigner


class LoginBackend:
    """Visitors' sessions in the cookie, users' sessions in a store, under one name.

    A login moves the session into the store, under a new id; a logout ends it there. What a session was found in tells
    where it is: in a store it has a key.
    """

    travels_with_answer = True

    def __init__(self, cookie: CookieBackend, store: StoreBackend, clock: Clock, *, user_key: str | None) -> None:
        self.users = store.users
        self._cookie = cookie
        self._store = store
        self._clock = clock
        self._user_key = user_key

    def make_keys(self, full_name: str, *, domain: str | None, path: str) -> LoginKeys:
        return LoginKeys(
            self._cookie.make_keys(full_name, domain=domain, path=path),
            self._store.make_keys(full_name, domain=domain, path=path),
        )

    def load(
        self, context: CookieContext[LoginKeys], touched_at: float, *, has_data: bool = True
    ) -> tuple[Found | None, Sequence[Decision]]:
        """A visitor's session asks no store; of a user's and a visitor's, the user's is meant."""
        values = context.candidates()
        tokens = [value for value in values if context.keys.token.is_of_kind(value)]
        found: Found | None
        rejected: Sequence[Decision] = ()
        if tokens:
            found, rejected = self._store.load(context.only(tokens, context.keys.token), touched_at, has_data=has_data)
            if found is not None or len(tokens) == len(values):
                return found, rejected
        sealed = context.only([value for value in values if value not in tokens], context.keys.cookie)
        found, others = self._cookie.load(sealed, touched_at, has_data=has_data)
        if found is not None and self._is_signed_in(found.record):
            # It was signed in before there was a store for it, where nothing could revoke it.
            others, found = [*others, rejection("revoked", found.record.handle)], None
        if not tokens:
            return found, others
        of_tokens, of_others = iter(rejected), iter(others)
        in_order = (next(of_tokens if value in tokens else of_others, None) for value in values)
        return found, [decision for decision in in_order if decision is not None]

    def _is_signed_in(self, record: Live) -> bool:
        return record.user_id is not None or (
            self._user_key is not None and record.data.get(self._user_key) is not None
        )

    def save(
        self,
        context: CookieContext[LoginKeys],
        found: Found | None,
        *,
        changes: Changes,
        token: bytes | None,
        touched_at: float,
    ) -> Outcome:
        if changes.asked.login is None and (found is None or not found.key):
            sealed = context.with_keys(context.keys.cookie)
            return self._cookie.save(sealed, found, changes=changes, token=token, touched_at=touched_at)
        signed = context.with_keys(context.keys.token)
        if found is None or found.key:
            return self._store.save(signed, found, changes=changes, token=token, touched_at=touched_at)
        return self._store.move_in(signed, self._cookie.standing(found, self._clock()), changes=changes)

    def take_over(self, context: CookieContext[LoginKeys], record: Live, token: bytes) -> TakenOver | None:
        if record.user_id is None:
            return self._cookie.take_over(context.with_keys(context.keys.cookie), record, token)
        return self._store.take_over(context.with_keys(context.keys.token), record, token)

    def renew(self, context: CookieContext[LoginKeys], found: Found) -> Outcome:
        if found.key:
            return self._store.renew(context.with_keys(context.keys.token), found)
        return self._cookie.renew(context.with_keys(context.keys.cookie), found)

    def end(self, found: Found) -> bool:
        return self._store.end(found) if found.key else self._cookie.end(found)
