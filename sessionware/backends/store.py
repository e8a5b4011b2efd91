"""The session in a store: the cookie carries a signed token, and the record stands under a hash of it."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from sessionware.backends.contract import DELETE, KEEP, Outcome, Send, TakenOver
from sessionware.cookies.request import CookieContext
from sessionware.crypto.identifiers import handle_of, store_key
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSigner, Rejected
from sessionware.events import Decision, rejection
from sessionware.protocol.end import Ending, end
from sessionware.protocol.rotate import NewId, create, write
from sessionware.protocol.update import Emptied, SameId, discarded, renew, standing
from sessionware.protocol.users import Users
from sessionware.protocol.vault import Vault, superseded_in
from sessionware.session.changes import Changes
from sessionware.session.records import Ended, Found, Live

#: A client that sends many forged cookies must not make one request into many look-ups.
MAX_STORE_LOOKUPS = 4


class StoreBackend:
    """A signed token in the cookie; the record in a store, under a hash of it."""

    travels_with_answer = False

    def __init__(self, keyring: Keyring, vault: Vault, *, grace: float | None, users: Users) -> None:
        self.users = users
        self._keyring = keyring
        self._vault = vault
        self._grace = grace

    def make_keys(self, full_name: str, *, domain: str | None, path: str) -> CookieSigner:
        return CookieSigner(self._keyring, Purpose.TOKEN_SIGN, full_name)

    def load(
        self, context: CookieContext[CookieSigner], touched_at: float, *, has_data: bool = True
    ) -> tuple[Found | None, Sequence[Decision]]:
        load = self._vault.load if has_data else self._vault.load_without_data
        rejections: list[Decision] = []
        superseded: list[tuple[int, Found]] = []
        lookups = 0
        for value in context.candidates():
            try:
                opened = context.keys.open(value)
            except Rejected as error:
                rejections.append(rejection(error.reason))
                continue
            if lookups == MAX_STORE_LOOKUPS:
                break
            lookups += 1
            handle = handle_of(opened.payload)
            loaded = load(store_key(handle))
            if not isinstance(loaded, Found):
                rejections.append(rejection("unknown_id" if loaded is None else loaded.reason, handle))
                continue
            if not opened.is_current:
                loaded = replace(loaded, old_key_id=opened.key_id)
            if loaded.superseded is None:
                return loaded, rejections
            superseded.append((len(rejections), loaded))
        return self._first_that_lives(superseded, rejections), rejections

    def _first_that_lives(self, superseded: list[tuple[int, Found]], rejections: list[Decision]) -> Found | None:
        """Of the sessions under a former id the first that has become one which lives.

        The others are rejected; each comes with its place among the *rejections*.
        """
        for number, (place, found) in enumerate(superseded):
            if found.superseded is not None and self._vault.has_live_successor(found.superseded):
                return found
            rejections.insert(place + number, rejection("revoked", found.record.handle))
        return None

    def save(
        self,
        context: CookieContext[CookieSigner],
        found: Found | None,
        *,
        changes: Changes,
        token: bytes | None,
        touched_at: float,
    ) -> Outcome:
        sign_of_life = None if changes.is_passive else touched_at
        if found is not None and found.superseded is None and self._vault.is_over(found.record, sign_of_life):
            read, found = found, standing(self._vault, found)
            if found is None and changes.asked.login is None:
                return Outcome(None, KEEP, discarded(read, ()).events)
        # A login stands, and takes nothing along of what has ended.
        written = (
            create(self._vault, changes, token, users=self.users)
            if found is None
            else write(self._vault, found, changes, grace=self._grace, users=self.users)
        )
        if isinstance(written, NewId):
            return Outcome(written.found, Send(context.keys.sign(written.token)), written.events)
        if isinstance(written, SameId):
            return Outcome(written.found, KEEP, written.events)
        return Outcome(None, DELETE if isinstance(written, Emptied) else KEEP, written.events)

    def move_in(self, context: CookieContext[CookieSigner], found: Found | None, *, changes: Changes) -> Outcome:
        """Write the session of a user whose login was over one that was *found* in the cookie."""
        written = create(self._vault, changes, None, users=self.users, former=None if found is None else found.record)
        return Outcome(written.found, Send(context.keys.sign(written.token)), written.events)

    def take_over(self, context: CookieContext[CookieSigner], record: Live, token: bytes) -> TakenOver | None:
        handle = handle_of(token)
        found, is_new = self._vault.take_over(store_key(handle), replace(record, handle=handle))
        if isinstance(found, Ended):
            return None
        if is_new:
            # Where that fails, the next request with the former session finds this one, and adds it.
            self.users.add(found.record, was=None)
        elif found.superseded is None:
            self.users.ensure(found.record)
        return TakenOver(found, Send(context.keys.sign(token)), is_new)

    def renew(self, context: CookieContext[CookieSigner], found: Found) -> Outcome:
        renewed = renew(self._vault, found)
        return Outcome(renewed.found, KEEP, renewed.events)

    def stands(self, handle: bytes) -> bool:
        """Whether the session of *handle*, or what it became, lives."""
        loaded = self._vault.load_without_data(store_key(handle))
        superseded = superseded_in(loaded)
        return isinstance(loaded, Found) if superseded is None else self._vault.has_live_successor(superseded)

    def end_handle(self, handle: bytes) -> None:
        """End the session of *handle*, or what it became, if there is one."""
        ended = end(self._vault, store_key(handle), origins=self._vault.origins)
        if ended.record is not None:
            self.users.take_out(ended.record, ended.keys)

    def end(self, found: Found) -> bool:
        ended = end(self._vault, found.key, origins=self._vault.origins)
        self.users.take_out(found.record, ended.keys)
        if ended.ending is Ending.NOTHING_LEFT:
            # It went by itself, because its time was over; if it was not, another request has ended it.
            return self._vault.is_over(found.record)
        return ended.ending is Ending.DONE
