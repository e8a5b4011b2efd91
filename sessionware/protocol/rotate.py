"""ROTATE: a session is given a new id, by ``regenerate``, ``login``, ``confirm`` or ``remember``.

The order of the store operations is the proof of what is promised, whatever runs between two of them and wherever a
worker dies: the new record is complete, and a user's in the index, before the old one points to it, and the
compare-and-swap on the old one is the moment of the change.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from sessionware.crypto.identifiers import handle_of, new_token, store_key
from sessionware.events import Decision, created, regenerated
from sessionware.exceptions import AlreadyExists, Conflict, ConflictError, Gone, StoreUnavailable
from sessionware.protocol.end import end
from sessionware.protocol.update import (
    Discarded,
    Emptied,
    Refilled,
    SameId,
    discarded,
    merged,
    refuse_superseded,
    update,
)
from sessionware.protocol.users import Users
from sessionware.protocol.vault import Backoff, Loaded, Vault, superseded_in
from sessionware.session.changes import Changes
from sessionware.session.records import Ended, Found, Live, Superseded
from sessionware.stores.contract import Version

#: A random source that gives the same token again and again must fail, not hang.
MAX_COLLISIONS = 16


class NewId(Struct, frozen=True):
    """A session under a new id, whose token goes into the cookie."""

    found: Found
    token: bytes
    events: tuple[Decision, ...]

    def __repr__(self) -> str:
        return f"NewId({self.found!r}, token=...)"


def write(
    vault: Vault, found: Found, changes: Changes, *, grace: float | None, users: Users
) -> NewId | SameId | Emptied | Discarded:
    """Write *changes*, under a new id if they need one; the old id reads for *grace* seconds.

    If the changes would empty the session, it is ended under its old id. If a concurrent write has filled it, the new
    id is issued after all.
    """
    events: tuple[Decision, ...] = ()
    if changes.has_conflict or (found.record.packed != changes.read and changes.clashes(found.record)):
        events = (Decision("conflict", found.record),)
    outcome: NewId | SameId | Emptied | Discarded | Refilled
    if changes.asked.needs_new_id and not _leaves_nothing(vault, found.record, changes):
        outcome = _Rotation(vault, found, changes, grace=grace, users=users, events=events).run()
    else:
        outcome = update(vault, found, changes, events)
    while isinstance(outcome, Refilled):
        rotation = _Rotation(vault, outcome.found, changes, grace=grace, users=users, events=outcome.events)
        outcome = rotation.run()
    return outcome


def _leaves_nothing(vault: Vault, record: Live, changes: Changes) -> bool:
    if record.packed == changes.read or changes.asked.login is not None:
        return changes.leaves_nothing(record)
    # Another request has written since: only the merge tells what is left.
    return isinstance(changes.over(record, vault.clock()), Ended)


def create(vault: Vault, changes: Changes, token: bytes | None, *, users: Users, former: Live | None = None) -> NewId:
    """Begin a session, under *token* if it is free, or move the *former* one, which is not in the store, into it."""
    found, token = _create(vault, former, changes, token)
    _add_to_index(vault, users, found, changes, was=None)
    event = created(found.record, changes) if former is None else regenerated(found.record, former, changes)
    return NewId(found, token, (event,))


def _create(vault: Vault, record: Live | None, changes: Changes, token: bytes | None) -> tuple[Found, bytes]:
    new = changes.over(record, vault.clock())
    if isinstance(new, Ended):
        raise AssertionError("a session without content was given an id")
    for _ in range(MAX_COLLISIONS):
        token = token or new_token()
        new.handle = handle_of(token)
        key = store_key(new.handle)
        try:
            return Found(new, vault.create(key, new), None, key), token
        except AlreadyExists:
            token = None
    raise StoreUnavailable("every new session id that was drawn is taken: the random source or the store is broken")


def _add_to_index(vault: Vault, users: Users, new: Found, changes: Changes, *, was: bytes | None) -> None:
    """Add *new* to the index of its user; a login also ends the user's oldest sessions above the limit."""
    try:
        entries = users.add(new.record, was=was)
        if changes.asked.login is not None:
            users.limit(entries, new.record)
    except Exception:
        # No browser will ever have the token of the new record.
        vault.delete(new.key)
        raise


class _Rotation:
    """One change of id of one session."""

    __slots__ = ("_changes", "_events", "_found", "_grace", "_new", "_token", "_users", "_vault")
    _new: Found
    _token: bytes

    def __init__(
        self,
        vault: Vault,
        found: Found,
        changes: Changes,
        *,
        grace: float | None,
        users: Users,
        events: tuple[Decision, ...],
    ) -> None:
        self._vault = vault
        self._found = found
        self._changes = changes
        self._grace = grace
        self._users = users
        self._events = list(events)

    def run(self) -> NewId | SameId | Emptied | Discarded | Refilled:
        """The new record first; then, as the moment of the change, the old one.

        :class:`SameId` means that another request has given the session its new id, so that this answer carries no
        cookie.
        """
        found, changes = self._found, self._changes
        if found.superseded is not None and changes.asked.login is None:
            if changes.needs_present_id():
                refuse_superseded()
            return SameId(found, ())
        self._new, self._token = _create(self._vault, found.record, changes, None)
        takes_its_place = found.superseded is None and not changes.asked.is_over_another_user
        was = found.record.handle if takes_its_place else None
        _add_to_index(self._vault, self._users, self._new, changes, was=was)
        if found.superseded is not None:
            return self._issued(created(self._new.record, changes))
        try:
            return self._supersede()
        except StoreUnavailable:
            if not self._has_happened():
                self._vault.delete(self._new.key)
                raise
            return self._changed()
        except ConflictError:
            raise
        except Exception:
            # The old record grows by the key of the new one, perhaps beyond what the store takes; or a function given
            # to alter() was run again and has raised. No browser will ever have the token of the new record.
            self._vault.delete(self._new.key)
            self._users.take_out(self._new.record, [self._new.key])
            raise

    def _supersede(self) -> NewId | SameId | Emptied | Discarded | Refilled:
        found, vault = self._found, self._vault
        was, version = found.record, found.version
        backoff = Backoff()
        while True:
            try:
                self._swap_out(was, version)
                return self._changed()
            except (Conflict, Gone):
                backoff.pause()
                loaded = vault.load(found.key)
            if not isinstance(loaded, Found) or loaded.superseded is not None:
                return self._overtaken(loaded)
            was, version = loaded.record, loaded.version
            record = merged(vault, self._changes, was, self._events)
            if isinstance(record, Ended):
                # Both requests removed what the other had kept, so the session is empty: end it under its present id.
                end(vault, self._new.key)
                return update(vault, loaded, self._changes, tuple(self._events))
            if not self._reissue(record):
                return discarded(found, self._events)

    def _swap_out(self, was: Live, version: Version) -> None:
        """Let the old id say where the session went; of another user's session, that it has ended."""
        key, changes, vault = self._found.key, self._changes, self._vault
        if changes.asked.is_over_another_user:
            vault.replace(key, Ended(), version)
        else:
            until = vault.clock() + (self._grace or 0)
            vault.replace(key, Superseded(was, self._new.key, changes.asked.cause(self._found.record), until), version)

    def _reissue(self, record: Live) -> bool:
        """Replace the new record by one that holds the concurrent write; ``False`` if the new one was revoked."""
        new = self._new
        record.handle = new.record.handle
        try:
            version = self._vault.replace(new.key, record, new.version)
        except (Conflict, Gone):
            return False
        self._new = Found(record, version, None, new.key)
        return True

    def _overtaken(self, loaded: Loaded) -> NewId | SameId | Discarded:
        """Another request has ended the session, or has given it another id first."""
        superseded = superseded_in(loaded)
        if self._changes.asked.login is not None:
            return self._logged_in(has_ended=superseded is None)
        end(self._vault, self._new.key)
        self._users.take_out(self._new.record, [self._new.key])
        if superseded is None:
            return discarded(self._found, self._events)
        if self._changes.needs_present_id():
            refuse_superseded()
        event = Decision("discarded", self._found.record, "superseded")
        return SameId(replace(self._found, superseded=superseded), (*self._events, event))

    def _logged_in(self, *, has_ended: bool) -> NewId | Discarded:
        """A login stands, whatever became of the session before it; of one that has ended it takes nothing along."""
        if has_ended and not self._changes.asked.is_over_another_user:
            alone = self._changes.over(None, self._vault.clock())
            if not isinstance(alone, Live) or not self._reissue(alone):
                return discarded(self._found, self._events)
        return self._issued(created(self._new.record, self._changes))

    def _has_happened(self) -> bool:
        """After an unknown outcome: whether the old record says that the change of id took place."""
        loaded = self._vault.load_without_data(self._found.key)
        superseded = superseded_in(loaded)
        if superseded is not None:
            return superseded.next_key == self._new.key
        return isinstance(loaded, Ended) and self._changes.asked.is_over_another_user

    def _changed(self) -> NewId:
        before, after = self._found.record, self._new.record
        if self._changes.asked.is_over_another_user:
            self._vault.delete(self._found.key)
            self._users.take_out(before, [self._found.key])
            return self._issued(Decision("ended", before, "login"), created(after, self._changes))
        return self._issued(regenerated(after, before, self._changes))

    def _issued(self, *events: Decision) -> NewId:
        return NewId(self._new, self._token, (*self._events, *events))
