"""Lists and revokes the sessions of users during a move: ours, and former ones that have not been taken over."""

from __future__ import annotations

from collections.abc import Sequence

from sessionware.backends.former import Former
from sessionware.backends.ties import tie_of
from sessionware.clock import Clock
from sessionware.crypto.identifiers import HANDLE_BYTES, handle_from_session_id, session_id_of, store_key
from sessionware.protocol.users import SessionInfo, Users
from sessionware.protocol.vault import Vault
from sessionware.session.records import Found


class MovingUsers:
    """The sessions of users: ours, and former ones that have not been taken over."""

    def __init__(self, current: Users, vault: Vault, formers: Sequence[Former], clock: Clock) -> None:
        self._current = current
        self._vault = vault
        self._formers = formers
        self._clock = clock

    def sessions_of(self, user_id: str | int) -> list[SessionInfo]:
        ours = self._current.records_of(user_id)
        known = {record.handle for record in ours} | {tie.reference for tie in map(tie_of, ours) if tie is not None}
        listed = [(record, self._current) for record in ours]
        for users in self._users():
            listed += [(record, users) for record in users.records_of(user_id) if record.handle not in known]
        listed.sort(key=lambda pair: pair[0].started_at, reverse=True)
        return [users.info_of(record, user_id) for record, users in listed]

    def revoke(self, session_id: str) -> bool:
        return self._current.revoke(session_id) or any(users.revoke(session_id) for users in self._users())

    def revoke_user(self, user_id: str | int, keep: str | None = None) -> int:
        former = None if keep is None else self._former_id(keep)
        ended = self._current.revoke_user(user_id, keep)
        # What was ended with ours is not there any more, and so is not counted twice.
        return ended + sum(users.revoke_user(user_id, former or keep) for users in self._users())

    def _users(self) -> list[Users]:
        now = self._clock()
        return [former.users for former in self._formers if now < former.until and former.users is not None]

    def _former_id(self, session_id: str) -> str | None:
        """The id that the session of this id had before it was taken over."""
        handle = handle_from_session_id(session_id) if isinstance(session_id, str) else None
        loaded = None if handle is None else self._vault.load_without_data(store_key(handle))
        tie = tie_of(loaded.record) if isinstance(loaded, Found) else None
        return None if tie is None or len(tie.reference) != HANDLE_BYTES else session_id_of(tie.reference)
