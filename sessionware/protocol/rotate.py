"""What happens to a stored session, step by step: update and change of id.

The order of the store operations is the proof of what is promised, whatever runs between two of them and wherever a
worker dies: a new record is complete before the old one points to it, and the compare-and-swap on the old one is the
moment of the change. An update never creates and is never sent twice.
"""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import NamedTuple, NoReturn

from sessionware.clock import Clock
from sessionware.crypto.identifiers import handle_of, new_token, store_key
from sessionware.events import Events
from sessionware.exceptions import AlreadyExists, Conflict, ConflictError, Gone, StoreUnavailable
from sessionware.protocol.vault import Found, Patience, Vault
from sessionware.session.changes import Changes
from sessionware.session.records import Cause, Ended, Live, Superseded
from sessionware.stores.contract import Version

#: A random source that gives one token over and over must fail, not hang.
MAX_COLLISIONS = 16


class Stored(NamedTuple):
    """A session as this request knows it in the store.

    ``is_superseded``: its id was replaced by another, so it can be read and not written.
    """

    record: Live
    key: str
    version: Version
    is_superseded: bool = False

    def __repr__(self) -> str:
        return f"Stored({self.record!r}, key=...)"


class Lost(enum.Enum):
    """Why an update has left no session behind."""

    ENDED_MEANWHILE = "ended"
    EMPTIED = "emptied"


class Issued(NamedTuple):
    """A session under a new id, whose token goes into the cookie."""

    stored: Stored
    token: bytes

    def __repr__(self) -> str:
        return f"Issued({self.stored!r}, token=...)"


class Transitions:
    """The moves of the protocol over one vault."""

    __slots__ = ("_grace", "_now", "_tell", "_vault")

    def __init__(self, vault: Vault, events: Events, *, grace: float | None, clock: Clock) -> None:
        self._vault = vault
        self._tell = events.tell
        self._grace = grace
        self._now = clock

    # Update: under the id that the session has, so that its answer carries no cookie.

    def update(self, base: Stored, changes: Changes) -> Issued | Stored | Lost:
        """Write *changes* over what stands under the session's key, merged if somebody else has written.

        A session that would have been left empty needs no new id; if somebody has put something into it, it does.
        """
        if base.is_superseded:
            self._refuse_superseded(base.record)
        key, version, is_merged = base.key, base.version, False
        record = changes.over(base.record, self._now())
        patience = Patience()
        while True:
            try:
                version = self._vault.replace(key, record, version)
                break
            except (Conflict, Gone):
                patience.pause()
                found = self._vault.load(key)
            if found is None or not isinstance(found.record, Live):
                return self._lost(base.record, found)
            record, version = self._merged(changes, found.record), found.version
            is_merged = True
            if changes.cause is not None and isinstance(record, Live):
                return self.rotate(Stored(found.record, key, version), changes, changes.cause)
        if isinstance(record, Ended):
            self._vault.forget(key)
            self._tell("ended", base.record, reason=Lost.EMPTIED.value)
            return Lost.EMPTIED
        self._tell("merged" if is_merged else "saved", record)
        return Stored(record, key, version)

    def _merged(self, changes: Changes, theirs: Live) -> Live | Ended:
        if changes.clashes(theirs):
            self._tell("conflict", theirs)
        return changes.over(theirs, self._now())

    def _lost(self, base: Live, found: Found | None) -> Lost:
        if _is_superseded(found):
            self._refuse_superseded(base)
        return self._discarded(base)

    def _discarded(self, base: Live) -> Lost:
        self._tell("discarded", base, reason=Lost.ENDED_MEANWHILE.value)
        return Lost.ENDED_MEANWHILE

    def _refuse_superseded(self, base: Live) -> NoReturn:
        self._tell("rejected", base, reason="superseded")
        raise ConflictError("a change under the former id of a session")

    def renew(self, base: Stored) -> Stored:
        """Write down that the session was seen now; if somebody else has written, they have just done so."""
        seen = replace(base.record, seen_at=max(base.record.seen_at, self._now()))
        try:
            version = self._vault.replace(base.key, seen, base.version)
        except (Conflict, Gone):
            return base
        self._tell("renewed", seen)
        return Stored(seen, base.key, version)

    # A new id.

    def create(self, changes: Changes, token: bytes | None) -> Issued:
        """Begin a session, under *token* if it is free."""
        issued = self._issue(None, changes, token)
        self._tell("created", issued.stored.record)
        return issued

    def rotate(self, base: Stored, changes: Changes, cause: Cause) -> Issued | Stored | Lost:
        """Give the session a new id: the new record first, then, as the moment of the change, the old one.

        A :class:`Stored` means that another request has given it one, so that this answer carries no cookie.
        """
        if base.is_superseded and changes.login is None:
            if changes.has_new_data() or changes.remember is not None:
                self._refuse_superseded(base.record)
            return base
        issued = self._issue(base.record, changes, None)
        if base.is_superseded:
            self._tell("created", issued.stored.record)
            return issued
        try:
            return self._supersede(base, issued, changes, cause)
        except StoreUnavailable:
            if not self._is_done(base, issued, changes):
                self._vault.forget(issued.stored.key)
                raise
            return self._rotated(base, issued, changes)
        except ConflictError:
            raise
        except Exception:
            # The old record grows by the name of the new one, perhaps too large; or a function of the application's,
            # run again, has raised. Nobody will ever have the token of the new one.
            self._vault.forget(issued.stored.key)
            raise

    def _issue(self, base: Live | None, changes: Changes, token: bytes | None) -> Issued:
        record = changes.over(base, self._now())
        if isinstance(record, Ended):
            raise AssertionError("a session without content was given an id")
        for _ in range(MAX_COLLISIONS):
            token = token or new_token()
            record.handle = handle_of(token)
            key = store_key(record.handle)
            try:
                return Issued(Stored(record, key, self._vault.create(key, record)), token)
            except AlreadyExists:
                token = None
        raise StoreUnavailable("every new session id that was drawn is taken: the random source or the store is broken")

    def _supersede(self, base: Stored, issued: Issued, changes: Changes, cause: Cause) -> Issued | Stored | Lost:
        was, version = base.record, base.version
        patience = Patience()
        while True:
            try:
                self._swap_out(base.key, was, version, issued, changes, cause)
                return self._rotated(base, issued, changes)
            except (Conflict, Gone):
                patience.pause()
                found = self._vault.load(base.key)
            if found is None or not isinstance(found.record, Live):
                return self._overtaken(base, found, issued, changes)
            was, version = found.record, found.version
            record = self._merged(changes, was)
            if isinstance(record, Ended):
                # Both have taken out what the other left: an empty session ends under the id that it has.
                self._vault.end(issued.stored.key)
                return self.update(Stored(was, base.key, version), changes)
            reissued = self._reissue(issued, record)
            if reissued is None:
                return self._discarded(base.record)
            issued = reissued

    def _swap_out(self, key: str, was: Live, version: Version, issued: Issued, changes: Changes, cause: Cause) -> None:
        if _is_over_another_user(changes):
            self._vault.replace(key, Ended(), version)
        else:
            self._vault.supersede(key, was, version, by=issued.stored.key, cause=cause, grace=self._grace)

    def _reissue(self, issued: Issued, record: Live) -> Issued | None:
        """Replace the new record by one that holds what came in between; ``None`` if it was revoked meanwhile."""
        stored = issued.stored
        record.handle = stored.record.handle
        try:
            version = self._vault.replace(stored.key, record, stored.version)
        except (Conflict, Gone):
            return None
        return Issued(Stored(record, stored.key, version), issued.token)

    def _overtaken(self, base: Stored, found: Found | None, issued: Issued, changes: Changes) -> Issued | Stored | Lost:
        is_superseded = _is_superseded(found)
        if changes.login is not None:
            return self._logged_in(base, issued, changes, holds_ended=not is_superseded)
        self._vault.end(issued.stored.key)
        if not is_superseded:
            return self._discarded(base.record)
        if changes.has_new_data() or changes.remember is not None:
            self._refuse_superseded(base.record)
        self._tell("discarded", base.record, reason="superseded")
        return base._replace(is_superseded=True)

    def _logged_in(self, base: Stored, issued: Issued, changes: Changes, *, holds_ended: bool) -> Issued | Lost:
        """A login stands, whatever became of the session before it; but nothing of one that has ended comes along."""
        login: Issued | None = issued
        if holds_ended and not _is_over_another_user(changes):
            alone = changes.over(None, self._now())
            login = self._reissue(issued, alone) if isinstance(alone, Live) else None
        if login is None:
            return self._discarded(base.record)
        self._tell("created", login.stored.record)
        return login

    def _is_done(self, base: Stored, issued: Issued, changes: Changes) -> bool:
        """After an unknown outcome: whether the old record says that the change of id took place."""
        found = self._vault.load(base.key)
        record = found.record if found is not None else None
        if isinstance(record, Ended):
            if record.former is None:
                return _is_over_another_user(changes)
            record = record.former
        return isinstance(record, Superseded) and record.next_key == issued.stored.key

    def _rotated(self, base: Stored, issued: Issued, changes: Changes) -> Issued:
        record = issued.stored.record
        if _is_over_another_user(changes):
            self._vault.forget(base.key)
            self._tell("ended", base.record, reason="login")
            self._tell("created", record)
        else:
            self._tell("regenerated", record, former=base.record)
        return issued


def _is_over_another_user(changes: Changes) -> bool:
    return changes.login is not None and changes.login.is_fresh


def _is_superseded(found: Found | None) -> bool:
    """Whether the session goes on under another id, though the grace may be over."""
    record = found.record if found is not None else None
    return isinstance(record, Superseded) or (isinstance(record, Ended) and record.former is not None)
