"""A session whose cookie is a signed token, and whose record stands in a store under a hash of it."""

from __future__ import annotations

from sessionware.backends.contract import Outcome
from sessionware.cookies.request import CookieContext
from sessionware.crypto.identifiers import handle_of, new_token, store_key
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import Opened, Rejected, SignedText
from sessionware.events import Events
from sessionware.protocol.rotate import Issued, Lost, Stored, Transitions
from sessionware.protocol.vault import Found, Unreadable, Vault
from sessionware.session.changes import Changes
from sessionware.session.lifetimes import Lifetimes
from sessionware.session.records import Ended, Live, Superseded

#: A client that sends many forged cookies must not make one request into many look-ups.
MAX_STORE_LOOKUPS = 4


class StoreCarrier:
    """A signed token in the cookie; the record in a store, under a hash of it."""

    can_save_late = True

    def __init__(
        self,
        keyring: Keyring,
        vault: Vault,
        transitions: Transitions,
        events: Events,
        *,
        lifetimes: Lifetimes,
    ) -> None:
        self._keyring = keyring
        self._lifetimes = lifetimes
        self._vault = vault
        self._transitions = transitions
        self._events = events

    def make_keys(self, full_name: str) -> SignedText:
        return SignedText(self._keyring, Purpose.TOKEN_SIGN, full_name)

    def open(self, context: CookieContext[SignedText]) -> Stored | None:
        lookups = 0
        for text in context.candidates():
            try:
                opened = context.keys.open(text)
            except Rejected as error:
                self._events.rejected(error.reason)
                continue
            if lookups == MAX_STORE_LOOKUPS:
                break
            lookups += 1
            stored = self._look_up(opened)
            if stored is not None:
                return stored
        return None

    def _look_up(self, opened: Opened) -> Stored | None:
        handle = handle_of(opened.payload)
        key = store_key(handle)
        found = self._vault.load(key)
        reason = self._reason_against(found)
        if found is None or reason is not None:
            self._events.rejected(reason or "unknown_id", handle)
            return None
        record = found.record
        is_superseded = isinstance(record, Superseded)
        live = record.was if isinstance(record, Superseded) else record
        if not isinstance(live, Live):
            raise AssertionError("a record that was not rejected is live")
        self._events.loaded(live, found.old_key if opened.is_current else opened.key_id)
        return Stored(live, key, found.version, is_superseded)

    def _reason_against(self, found: Found | None) -> str | None:
        record = found.record if found is not None else Ended("unknown_id")
        if isinstance(record, (Ended, Unreadable)):
            return record.reason
        if isinstance(record, Superseded) and self._vault.walk(record) is None:
            return "revoked"
        return None

    def draw(self) -> bytes:
        return new_token()

    def handle(self, seed: bytes) -> bytes:
        return handle_of(seed)

    def save(
        self, context: CookieContext[SignedText], base: Stored | None, changes: Changes, seed: bytes | None
    ) -> Outcome:
        if base is None:
            return self._sent(context, self._transitions.create(changes, seed))
        cause = changes.cause
        if cause is None or changes.leaves_nothing:
            saved = self._transitions.update(base, changes)
        else:
            saved = self._transitions.rotate(base, changes, cause)
        return self._sent(context, saved) if isinstance(saved, Issued) else self._updated(context, saved)

    def _sent(self, context: CookieContext[SignedText], issued: Issued) -> Outcome:
        record = issued.stored.record
        value = context.keys.sign(issued.token)
        line = context.set(value, self._lifetimes.end_of(record), record.seen_at, is_persistent=record.is_remembered)
        return Outcome(issued.stored, (line,))

    def _updated(self, context: CookieContext[SignedText], updated: Stored | Lost) -> Outcome:
        if updated is Lost.EMPTIED:
            return Outcome(None, tuple(context.delete()))
        if isinstance(updated, Lost):
            return Outcome(None, is_saved=False)
        return Outcome(updated)

    def renew(self, context: CookieContext[SignedText], base: Stored) -> Outcome:
        return Outcome(self._transitions.renew(base))

    def end(self, base: Stored) -> bool:
        return self._vault.end(base.key)
