"""LIST, REVOKE, REVOKE_USER and LIMIT: the sessions of a signed-in user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sessionware.crypto.identifiers import handle_from_session_id, session_id_of, store_key
from sessionware.events import Decision
from sessionware.exceptions import RecordTooLarge, SessionDataError, StoreUnavailable
from sessionware.protocol import index
from sessionware.protocol.end import Ending, end
from sessionware.protocol.index import Entries
from sessionware.protocol.vault import MAX_CHAIN_STEPS, Loaded, Vault, superseded_in
from sessionware.session.lifetimes import moment
from sessionware.session.login import check_user_id
from sessionware.session.records import Found, Live

#: Of an index that the store takes no longer, this share is ended: few enough to be done in a request.
_SHARE_OF_OLDEST = 64


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session of a user, as a list of devices shows it; the times are aware datetimes in UTC.

    ``id`` is what :attr:`Session.id` is, and what :meth:`SessionManager.revoke` takes. ``label`` is what ``login`` was
    given. ``expires_at`` is when the session ends if no request touches it any more, or ``None``.
    """

    id: str
    user_id: str | int
    label: str | None
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime | None


class Users:
    """The signed-in users of one manager; all of a session's decisions are told as soon as they are true.

    *max_sessions* is the most sessions that a login leaves to its user.
    """

    __slots__ = ("_max_sessions", "_tell", "_vault")

    def __init__(self, vault: Vault, tell: Callable[..., None], *, max_sessions: int | None) -> None:
        self._vault = vault
        self._tell = tell
        self._max_sessions = max_sessions

    # What an application asks.

    def sessions_of(self, user_id: str | int) -> list[SessionInfo]:
        """The sessions of a user that are in force, the latest sign-in first; the dead are dropped from the index."""
        return [self.info_of(record, user_id) for record in self.records_of(user_id)]

    def records_of(self, user_id: str | int) -> list[Live]:
        """The records, without their data, of what :meth:`sessions_of` lists, in the same order."""
        check_user_id(user_id, "sessions_of()")
        entries = index.entries_of(self._vault, user_id)
        loaded = self._load(entries)
        live = _live(loaded, user_id)
        roots = _roots(entries, live)
        dead = {handle for handle, what in loaded.items() if index.is_dead(what)}
        if dead:
            # The list is complete without it.
            with suppress(StoreUnavailable):
                index.take_out(self._vault, user_id, dead)
        # A session whose change of id is under way stands in the index twice, and is one.
        records = [record for handle, record in reversed(live.items()) if roots[handle] == handle]
        records.sort(key=lambda record: record.started_at, reverse=True)
        return records

    def revoke(self, session_id: str) -> bool:
        """End the session of this id, or what it became; ``False`` if there is none."""
        if isinstance(session_id, (SessionInfo, Mapping)):
            raise SessionDataError(f"revoke() takes a session's id, a str, and not a {type(session_id).__name__}")
        handle = handle_from_session_id(session_id) if isinstance(session_id, str) else None
        return handle is not None and self._revoke(handle)

    def revoke_user(self, user_id: str | int, keep: str | None = None) -> int:
        """End the sessions of a user, but that of the id *keep*, what it was before and what it became; how many.

        A login at the same time is revoked, or begins afterwards.
        """
        check_user_id(user_id, "revoke_user()")
        if keep is not None and not isinstance(keep, str):
            raise SessionDataError(f"revoke_user(keep=…) takes a session's id, a str, and not a {type(keep).__name__}")
        spared = None if keep is None else handle_from_session_id(keep)
        tried: dict[bytes, bool] = {}

        def without_the_revoked(entries: Entries) -> Entries:
            line = set() if spared is None else self._line_of(entries, spared)
            for entry in entries:
                if entry.handle not in line and entry.handle not in tried:
                    tried[entry.handle] = self._revoke(entry.handle)
            return tuple(entry for entry in entries if entry.handle in line)

        index.change(self._vault, user_id, without_the_revoked)
        return sum(tried.values())

    def _line_of(self, entries: Entries, handle: bytes) -> set[bytes]:
        """The line of *handle*; what has had several ids since is no longer known to the index, but to its records."""
        line = index.line_of(entries, handle)
        if line.isdisjoint(entry.handle for entry in entries):
            heir = _heir_of(self._vault, handle)
            if heir is not None:
                line |= index.line_of(entries, heir)
        return line

    def _revoke(self, handle: bytes, reason: str | None = None) -> bool:
        ended = end(self._vault, store_key(handle), origins=self._vault.origins)
        if ended.ending is not Ending.DONE:
            return False
        self._tell(Decision("revoked", ended.record, reason, None, handle))
        return True

    # What a change of id and a logout ask.

    def add(self, record: Live, *, was: bytes | None) -> Entries:
        """Add a session to the index of its user, if it has one; the entries as they were written.

        Where the store takes no longer index, the oldest sessions in it end, so that the user can sign in.
        """
        if record.user_id is None:
            return ()
        try:
            return index.add(self._vault, record, record.user_id, was=was)
        except RecordTooLarge:
            self._make_room(record.user_id)
            return index.add(self._vault, record, record.user_id, was=was)

    def ensure(self, record: Live) -> None:
        """Add a session to the index of its user unless it is there: the request that has stored it may have died."""
        user_id = record.user_id
        if user_id is not None:
            entries = index.entries_of(self._vault, user_id)
            if all(entry.handle != record.handle for entry in entries):
                self.add(record, was=None)

    def _make_room(self, user_id: str | int) -> None:
        entries = index.entries_of(self._vault, user_id)
        oldest = [entry.handle for entry in entries[: max(len(entries) // _SHARE_OF_OLDEST, 1)]]
        for handle in oldest:
            self._revoke(handle, "limit")
        index.take_out(self._vault, user_id, oldest)

    def limit(self, entries: Entries, record: Live) -> None:
        """End the oldest sessions above the limit, of those in *entries*; never that of *record*, which logs in.

        The entries are those that this login has written, so that of two at once only the later one ends the other.
        """
        user_id, most = record.user_id, self._max_sessions
        if user_id is None or most is None or len(entries) <= most:
            return
        loaded = self._load(entries)
        live = _live(loaded, user_id)
        roots = _roots(entries, live)
        others = [handle for handle in live if roots[handle] == handle != roots.get(record.handle)]
        others.sort(key=lambda handle: live[handle].started_at)
        above = set(others[: max(len(others) + 1 - most, 0)])
        over = {handle for handle, what in loaded.items() if index.is_dead(what)}
        for handle in (handle for handle in live if roots[handle] in above):
            self._revoke(handle, "limit")
            over.add(handle)
        if over:
            index.take_out(self._vault, user_id, over)

    def take_out(self, record: Live, keys: Iterable[str]) -> None:
        """Take what stood under the store *keys* out of the index of its user, if that can be done.

        Otherwise a listing will: what has ended is dead, whatever the index says.
        """
        if record.user_id is not None:
            with suppress(StoreUnavailable):
                index.take_out_keys(self._vault, record.user_id, set(keys))

    # What both look at.

    def _load(self, entries: Entries) -> dict[bytes, Loaded]:
        return {entry.handle: self._vault.load_without_data(store_key(entry.handle)) for entry in entries}

    def info_of(self, record: Live, user_id: str | int) -> SessionInfo:
        """What a list shows of *record*, one of this user's."""
        expires_at = self._vault.expires_at(record)
        return SessionInfo(
            session_id_of(record.handle),
            user_id if record.user_id is None else record.user_id,
            record.label,
            moment(record.created_at),
            moment(record.seen_at),
            None if expires_at is None else moment(expires_at),
        )


def _live(loaded: dict[bytes, Loaded], user_id: str | int) -> dict[bytes, Live]:
    """The records of the user's sessions that are in force, or that are to be by a change of id under way."""
    return {
        handle: found.record
        for handle, found in loaded.items()
        if isinstance(found, Found) and found.superseded is None and _is_of(found.record, user_id)
    }


def _heir_of(vault: Vault, handle: bytes) -> bytes | None:
    """The handle of what the session of *handle* has become by changes of its id, if that lives."""
    loaded = vault.load_without_data(store_key(handle))
    for _ in range(MAX_CHAIN_STEPS):
        superseded = superseded_in(loaded)
        if superseded is None:
            break
        loaded = vault.load_without_data(superseded.next_key)
    return loaded.record.handle if isinstance(loaded, Found) else None


def _is_of(record: Live, user_id: str | int) -> bool:
    return record.user_id is not None and str(record.user_id) == str(user_id)


def _roots(entries: Entries, live: dict[bytes, Live]) -> dict[bytes, bytes]:
    """For each handle in *live* the one in force: what takes the place of a session that lives does not do so yet."""
    former = {entry.handle: entry.was for entry in entries}
    roots = {}
    for handle in live:
        root = handle
        for _ in entries:
            was = former[root]
            if was not in live:
                break
            root = was
        roots[handle] = root
    return roots
