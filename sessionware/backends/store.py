"""The session in a store: the cookie carries a signed token, and the record stands under a hash of it."""

from __future__ import annotations

from sessionware.backends.contract import DELETE, KEEP, Outcome, Send
from sessionware.cookies.request import CookieContext
from sessionware.crypto.identifiers import handle_of, store_key
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSigner, Opened, Rejected
from sessionware.events import Events
from sessionware.protocol.end import end
from sessionware.protocol.rotate import NewId, create, write
from sessionware.protocol.update import Emptied, SameId, renew
from sessionware.protocol.vault import Vault
from sessionware.session.changes import Changes
from sessionware.session.records import Found

#: A client that sends many forged cookies must not make one request into many look-ups.
MAX_STORE_LOOKUPS = 4


class StoreBackend:
    """A signed token in the cookie; the record in a store, under a hash of it."""

    saves_after_headers = True

    def __init__(self, keyring: Keyring, vault: Vault, events: Events, *, grace: float | None) -> None:
        self._keyring = keyring
        self._vault = vault
        self._events = events
        self._grace = grace

    def make_keys(self, full_name: str, *, domain: str | None, path: str) -> CookieSigner:
        return CookieSigner(self._keyring, Purpose.TOKEN_SIGN, full_name)

    def load(self, context: CookieContext[CookieSigner]) -> Found | None:
        lookups = 0
        for value in context.candidates():
            try:
                opened = context.keys.open(value)
            except Rejected as error:
                self._events.rejected(error.reason)
                continue
            if lookups == MAX_STORE_LOOKUPS:
                break
            lookups += 1
            found = self._look_up(opened)
            if found is not None:
                return found
        return None

    def _look_up(self, opened: Opened) -> Found | None:
        handle = handle_of(opened.payload)
        loaded = self._vault.load(store_key(handle))
        if not isinstance(loaded, Found):
            self._events.rejected("unknown_id" if loaded is None else loaded.reason, handle)
            return None
        if loaded.superseded is not None and self._vault.successor_of(loaded.superseded) is None:
            self._events.rejected("revoked", handle)
            return None
        self._events.loaded(loaded.record, loaded.old_key_id if opened.is_current else opened.key_id)
        return loaded

    def save(
        self, context: CookieContext[CookieSigner], found: Found | None, *, changes: Changes, token: bytes | None
    ) -> Outcome:
        written = (
            create(self._vault, changes, token)
            if found is None
            else write(self._vault, found, changes, grace=self._grace)
        )
        if isinstance(written, NewId):
            return Outcome(written.found, Send(context.keys.sign(written.token)), written.events)
        if isinstance(written, SameId):
            return Outcome(written.found, KEEP, written.events)
        return Outcome(None, DELETE if isinstance(written, Emptied) else KEEP, written.events)

    def renew(self, context: CookieContext[CookieSigner], found: Found) -> Outcome:
        renewed = renew(self._vault, found)
        return Outcome(renewed.found, KEEP, renewed.events)

    def end(self, found: Found) -> bool:
        return end(self._vault, found.key)
