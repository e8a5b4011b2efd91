"""Takes former sessions over, so that a move logs no user out.

A request whose session is none of ours may have that of a former worker. It reads as such a session, and its first
write makes it one of ours. Until the end of the move the former cookie and record stay, so that an old worker finds
them; whether the user is signed in, both sides have to agree on at each request.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hmac import digest
from typing import Any

from msgspec.structs import replace

from sessionware.backends.contract import DELETE, KEEP, Adopted, Backend, NoValue, Outcome, Seen, Send, UserSessions
from sessionware.backends.former import (
    SAME_COOKIE,
    Arrival,
    Former,
    MovingContext,
    Tie,
    tie_of,
)
from sessionware.clock import Clock
from sessionware.cookies.request import CookieContext
from sessionware.crypto.identifiers import (
    HANDLE_BYTES,
    handle_from_session_id,
    handle_of,
    new_token,
    session_id_of,
    store_key,
)
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSigner, Rejected
from sessionware.events import Decision, rejection
from sessionware.exceptions import RecordTooLarge, StoreUnavailable
from sessionware.protocol.update import refuse_superseded
from sessionware.protocol.users import SessionInfo
from sessionware.protocol.vault import ENDED_TTL_SECONDS, Vault
from sessionware.session.changes import Changes
from sessionware.session.lifetimes import Lifetimes
from sessionware.session.records import Ended, Found, Live


class PreviousBackend:
    """The sessions of *current*, and former ones until they are taken over.

    A session that was taken over is found in the store under an id that follows from the former session. So requests
    that come at once take it over once; and where it was ended there is a mark, so that its former cookie does not
    bring it back.
    """

    def __init__(
        self,
        current: Backend,
        vault: Vault | None,
        formers: Sequence[Former],
        *,
        keyring: Keyring,
        lifetimes: Lifetimes,
        clock: Clock,
    ) -> None:
        self.travels_with_answer = current.travels_with_answer
        self.users = None if current.users is None else MovingUsers(current.users, vault, formers, clock)
        self._current = current
        self._vault = vault
        self._formers = {former.mark: former for former in formers}
        self._key = keyring.derive(Purpose.TAKE_OVER)[0]
        self._lifetimes = lifetimes
        self._clock = clock
        if vault is not None:
            vault.origins = self

    def make_keys(self, full_name: str, *, domain: str | None, path: str) -> Any:
        return self._current.make_keys(full_name, domain=domain, path=path)

    # What a request's cookies stand for.

    def load(
        self, context: CookieContext[Any], touched_at: float, *, has_data: bool = True
    ) -> tuple[Found | None, Sequence[Decision]]:
        """Ours, unless it was logged out, or another login has taken its place, at an old worker since."""
        found, rejected = self._current.load(context, touched_at, has_data=has_data)
        if not isinstance(context, MovingContext) or not context.formers:
            return found, rejected
        arrival, refused = _first_arrival(context, touched_at, has_data=has_data)
        tie = None if found is None else tie_of(found.record)
        if found is not None and arrival is not None and tie is not None and _agree(tie, arrival):
            return self._with_arrival(context, found, arrival, tie), rejected
        taken: Found | None = None
        if arrival is not None:
            taken, refused = self._taken(context, arrival, has_data=has_data)
        if found is not None:
            has_ended = self._has_gone(context, found) if taken is None else _is_replaced(found, tie, arrival)
            if not has_ended:
                return found, rejected
            self._drop(found)
            rejected = [*rejected, rejection("revoked", found.record.handle)]
        if taken is None:
            return None, [*rejected, *refused]
        is_same_cookie = arrival is not None and arrival.former.is_same_cookie
        return taken, () if is_same_cookie else rejected

    def _with_arrival(self, context: MovingContext[Any], found: Found, arrival: Arrival, tie: Tie) -> Found:
        """Ours, which both sides agree on; an old worker may have given the former session another id since."""
        if arrival.reference == tie.reference or not found.key:
            return replace(found, arrived=arrival)
        taken_from = self._tie(context, arrival).pack()
        # As what is ahead, the next request corrects it.
        return replace(found, record=replace(found.record, taken_from=taken_from), arrived=arrival, is_ahead=True)

    def _taken(
        self, context: MovingContext[Any], arrival: Arrival, *, has_data: bool
    ) -> tuple[Found | None, Sequence[Decision]]:
        """What the former session has become: ours, or nothing if that was ended, or, not taken over yet, itself."""
        itself = Found(
            arrival.found.record, arrival, None, "", arrival.found.superseded, arrival.found.is_ahead, arrival
        )
        if self._vault is None or (self.travels_with_answer and arrival.found.record.user_id is None):
            return itself, ()
        handle = handle_of(self._token(context, arrival))
        key = store_key(handle)
        loaded = self._vault.load(key) if has_data else self._vault.load_without_data(key)
        if isinstance(loaded, Ended) and loaded.was_asked_for and loaded.former is None:
            return None, (rejection("revoked", handle),)
        if isinstance(loaded, Found) and loaded.superseded is None and arrival.is_unique:
            return replace(loaded, arrived=arrival), ()
        return itself, ()

    def _has_gone(self, context: MovingContext[Any], found: Found) -> bool:
        """Whether the former session, which has not come with this request, was ended by an old worker."""
        tie = tie_of(found.record)
        if tie is None or self._clock() >= tie.until:
            return False
        if tie.identity == SAME_COOKIE and tie.handle != found.record.handle:
            return False  # it has an id, and so a cookie, that an old worker never had
        for former, of_former in context.formers:
            if former.mark == tie.mark:
                return not former.stands(of_former, tie.reference)
        return False

    def _drop(self, found: Found) -> None:
        """End ours alone: what has taken its place, at an old worker, goes on."""
        if self._vault is not None and found.key:
            self._vault.bury(found.key, ENDED_TTL_SECONDS)
            # The same user may sign in again at the old worker, in the same former session.
            self._vault.delete(found.key)

    def _token(self, context: CookieContext[Any], arrival: Arrival) -> bytes:
        """The token under which a former session is taken over: its own, if that opens with our keys, too."""
        if arrival.former.is_same_cookie and isinstance(context.keys, CookieSigner):
            for value in context.candidates():
                with suppress(Rejected):
                    token = context.keys.open(value).payload
                    if handle_of(token) == arrival.found.record.handle:
                        return token
        return digest(self._key, arrival.former.mark + arrival.seed, "sha256")

    def _tie(self, context: CookieContext[Any], arrival: Arrival) -> Tie:
        former, handle = arrival.former, handle_of(self._token(context, arrival))
        return Tie(former.mark, arrival.identity, handle, former.until, arrival.reference)

    # Writing.

    def save(
        self,
        context: CookieContext[Any],
        found: Found | None,
        *,
        changes: Changes,
        token: bytes | None,
        touched_at: float,
    ) -> Outcome:
        arrival: Arrival | None = None if found is None else found.arrived
        lines: tuple[str, ...] = ()
        if found is not None and found.version is arrival and arrival is not None:
            outcome = self._take_over(context, arrival, changes=changes, touched_at=touched_at)
        else:
            outcome = self._current.save(context, found, changes=changes, token=token, touched_at=touched_at)
        if found is None or changes.is_over_another_user or (outcome.found is None and outcome.cookie is DELETE):
            lines = self._end_formers(context, found)
        elif arrival is not None:
            lines = self._keep_alive(arrival, touched_at)
        if arrival is not None and outcome.found is not None:
            outcome = replace(outcome, found=replace(outcome.found, arrived=arrival))
        return replace(outcome, more_lines=lines) if lines else outcome

    def _take_over(
        self, context: CookieContext[Any], arrival: Arrival, *, changes: Changes, touched_at: float
    ) -> Outcome:
        """Make the former session one of ours, then write *changes* over it, merged if another request was faster."""
        before = arrival.found.record
        if arrival.found.superseded is not None:
            refuse_superseded()
        token = self._token(context, arrival) if arrival.is_unique else new_token()
        record = replace(before, taken_from=self._tie(context, arrival).pack())
        adopted = self._current.adopt(context, record, token)
        if adopted is None:
            if changes.login is None:
                return Outcome(None, KEEP, (Decision("discarded", before, "ended"),))
            return self._current.save(context, None, changes=changes, token=None, touched_at=touched_at)
        outcome = self._current.save(context, adopted.found, changes=changes, token=None, touched_at=touched_at)
        events = (Decision("regenerated", adopted.found.record, "taken_over", before), *arrival.events, *outcome.events)
        cookie = self._cookie_of(outcome, adopted, arrival)
        return Outcome(outcome.found, cookie, events)

    def _cookie_of(self, outcome: Outcome, adopted: Adopted, arrival: Arrival) -> NoValue | Send | Seen:
        """What the answer does with our cookie; under the name of the former one it would take that from old workers.

        Until it has a name of its own, the session is found by the former cookie.
        """
        is_kept = outcome.cookie is KEEP and outcome.found is not None
        is_needed = is_kept and not (arrival.former.is_same_cookie and arrival.is_unique)
        return adopted.cookie if is_needed else outcome.cookie

    def adopt(self, context: CookieContext[Any], record: Live, token: bytes) -> Adopted | None:
        return self._current.adopt(context, record, token)

    def renew(self, context: CookieContext[Any], found: Found) -> Outcome:
        arrival: Arrival | None = found.arrived
        if arrival is not None and found.version is arrival:
            seen, lines = arrival.former.renew(arrival)
            return Outcome(replace(found, record=seen, is_ahead=False), KEEP, (Decision("renewed", seen),), lines)
        outcome = self._current.renew(context, found)
        if arrival is None or outcome.found is None:
            return outcome
        lines = self._keep_alive(arrival, self._clock())
        return replace(outcome, found=replace(outcome.found, arrived=arrival), more_lines=lines)

    def _keep_alive(self, arrival: Arrival, now: float) -> tuple[str, ...]:
        """Renew the former session, too, so that it has not ended of idleness where a deploy goes back."""
        refresh_after = self._lifetimes.refresh_after
        if arrival.found.superseded is not None or refresh_after is None:
            return ()
        if now - arrival.found.record.seen_at >= refresh_after:
            with suppress(StoreUnavailable, RecordTooLarge):
                return arrival.former.renew(arrival)[1]
        return ()

    # Ending.

    def end(self, found: Found) -> bool:
        arrival: Arrival | None = found.arrived
        if arrival is not None:
            # First, so that where this fails the logout can be tried again.
            arrival.former.end(arrival.reference)
        elif not found.key:
            self.end_former(found.record)
        has_ended = True if arrival is not None and found.version is arrival else self._current.end(found)
        if arrival is not None:
            self._bury_arrival(arrival)
        return has_ended

    def _end_formers(self, context: CookieContext[Any], found: Found | None) -> tuple[str, ...]:
        """What an answer ends of former sessions that has begun a session of ours, or has emptied one."""
        if found is not None and found.arrived is not None:
            found.arrived.former.end(found.arrived.reference)
            self._bury_arrival(found.arrived)
        if found is not None and found.record.taken_from is not None:
            self.end_former(found.record)
            self.bury(found.record)
        return tuple(context.former_deletions()) if isinstance(context, MovingContext) else ()

    def _bury_arrival(self, arrival: Arrival) -> None:
        # The token that both sides share needs the request's cookie; the session's own end has that mark.
        token = digest(self._key, arrival.former.mark + arrival.seed, "sha256")
        handles = {handle_of(token)}
        if arrival.former.is_same_cookie:
            handles.add(arrival.found.record.handle)
        for handle in handles:
            self._bury(handle, arrival.former.until, arrival.found.record)

    def end_former(self, record: Live) -> None:
        """End the former session of *record*, wherever that is."""
        tie = tie_of(record)
        former = None if tie is None else self._formers.get(tie.mark)
        if tie is not None and former is not None and self._clock() < former.until:
            former.end(tie.reference)

    def bury(self, record: Live) -> None:
        tie = tie_of(record)
        if tie is not None:
            self._bury(tie.handle, tie.until, record)

    def _bury(self, handle: bytes, until: float, record: Live) -> None:
        end = self._lifetimes.end_of(record)
        ttl = (until if end is None else min(until, end)) - self._clock()
        if self._vault is not None and ttl > 0:
            self._vault.bury(store_key(handle), max(ttl, ENDED_TTL_SECONDS))


class MovingUsers:
    """The sessions of users: ours, and former ones that have not been taken over."""

    def __init__(self, current: UserSessions, vault: Vault | None, formers: Sequence[Former], clock: Clock) -> None:
        self._current = current
        self._vault = vault
        self._formers = formers
        self._clock = clock

    def sessions_of(self, user_id: str | int) -> list[SessionInfo]:
        found = self._current.sessions_of(user_id)
        known = {info.id for info in found} | {self._former_id(info.id) for info in found}
        for users in self._users():
            found += [info for info in users.sessions_of(user_id) if info.id not in known]
        return sorted(found, key=lambda info: info.created_at, reverse=True)

    def revoke(self, session_id: str) -> bool:
        return self._current.revoke(session_id) or any(users.revoke(session_id) for users in self._users())

    def revoke_user(self, user_id: str | int, keep: str | None = None) -> int:
        former = None if keep is None else self._former_id(keep)
        ended = self._current.revoke_user(user_id, keep)
        # What was ended with ours is not there any more, and so is not counted twice.
        return ended + sum(users.revoke_user(user_id, former or keep) for users in self._users())

    def _users(self) -> list[UserSessions]:
        now = self._clock()
        return [former.users for former in self._formers if now < former.until and former.users is not None]

    def _former_id(self, session_id: str) -> str | None:
        """The id that the session of this id had before it was taken over."""
        handle = handle_from_session_id(session_id)
        loaded = None if self._vault is None or handle is None else self._vault.load_without_data(store_key(handle))
        tie = tie_of(loaded.record) if isinstance(loaded, Found) else None
        return None if tie is None or len(tie.reference) != HANDLE_BYTES else session_id_of(tie.reference)


def _first_arrival(
    context: MovingContext[Any], touched_at: float, *, has_data: bool
) -> tuple[Arrival | None, Sequence[Decision]]:
    """The first former session that lives, or what was rejected."""
    refused: list[Decision] = []
    for former, of_former in context.formers:
        arrival, rejected = former.load(of_former, touched_at, has_data=has_data)
        if arrival is not None:
            return arrival, ()
        refused += rejected
    return None, refused


def _agree(tie: Tie, arrival: Arrival) -> bool:
    """Whether the same user is signed in on both sides, by the same login."""
    return tie.mark == arrival.former.mark and tie.identity == arrival.identity


def _is_replaced(found: Found, tie: Tie | None, arrival: Arrival | None) -> bool:
    """Whether a login or a logout at an old worker, which ours does not know, is later than ours."""
    if arrival is None:
        return False
    if tie is not None and tie.mark == arrival.former.mark:
        return True
    return arrival.found.record.user_id is not None and (
        arrival.began_at is None or arrival.began_at > found.record.started_at
    )
