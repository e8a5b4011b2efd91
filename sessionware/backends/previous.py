"""Takes former sessions over, so that a move logs no user out.

A request whose session is none of ours may have that of a former worker. It reads as such a session, and its first
write makes it one of ours. Until the end of the move the former cookie and record stay, so that an old worker finds
them; whether the user is signed in, both sides have to agree on at each request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from hmac import digest
from typing import Any

from msgspec.structs import replace

from sessionware.backends.contract import DELETE, KEEP, Backend, NoValue, Outcome, Seen, Send, TakenOver, UserSessions
from sessionware.backends.former import ANONYMOUS, SAME_COOKIE, Arrival, Former, MovingContext, Tie, tie_of
from sessionware.backends.moving_users import MovingUsers
from sessionware.clock import Clock
from sessionware.cookies.request import CookieContext
from sessionware.crypto.identifiers import handle_of, new_token, store_key
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSigner, Rejected
from sessionware.events import Decision, rejection
from sessionware.exceptions import RecordTooLarge, StoreUnavailable
from sessionware.protocol.end import bury
from sessionware.protocol.update import refuse_superseded
from sessionware.protocol.users import Users
from sessionware.protocol.vault import ENDED_TTL_SECONDS, Vault
from sessionware.session.changes import Changes
from sessionware.session.lifetimes import IDLE, REVOKED, TOO_OLD, Lifetimes
from sessionware.session.records import Ended, Found, Live

#: Of ``rejected``: there was a session, and it is over.
_REASONS_OF_AN_END = frozenset({IDLE.value, REVOKED.value, TOO_OLD.value})
Loaded = tuple[Found | None, Sequence[Decision]]
#: Writes the changes of the request over a session of ours, or as a new one.
Write = Callable[[Found | None], Outcome]


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
        users: Users | None,
        keyring: Keyring,
        lifetimes: Lifetimes,
        clock: Clock,
    ) -> None:
        self.travels_with_answer = current.travels_with_answer
        self.users: UserSessions | None = None
        self._current = current
        self._vault = vault
        self._formers = formers
        self._key = keyring.derive(Purpose.TAKE_OVER)[0]
        self._lifetimes = lifetimes
        self._clock = clock
        if vault is not None and users is not None:
            vault.origins = self
            self.users = MovingUsers(users, vault, formers, clock)

    def make_keys(self, full_name: str, *, domain: str | None, path: str) -> Any:
        return self._current.make_keys(full_name, domain=domain, path=path)

    # What a request's cookies stand for.

    def load(self, context: CookieContext[Any], touched_at: float, *, has_data: bool = True) -> Loaded:
        """Ours, unless it was logged out, or another login has taken its place, at an old worker since."""
        found, rejected = self._current.load(context, touched_at, has_data=has_data)
        if not isinstance(context, MovingContext) or not context.formers:
            return found, rejected
        arrival, refused, is_another = _arrival(context, found, touched_at, has_data=has_data)
        if found is not None and arrival is not None and _agree(found, arrival):
            return self._with_arrival(context, found, arrival), rejected
        became: Found | None = None
        if arrival is not None:
            became, refused = self._what_became_of(arrival, context, has_data=has_data)
        if found is not None:
            is_refused = arrival is None or bool(refused)
            has_gone = is_refused and self._has_gone(context, found, is_another=is_another)
            if not (has_gone if is_refused else _is_replaced(found, arrival)):
                return found, rejected
            self._drop(found)
            rejected = [*rejected, rejection("revoked", found.record.handle)]
        if became is None:
            # ``session.rejected`` is the first: where the former side knows how its session ended, that says more.
            return None, sorted([*rejected, *refused], key=lambda told: told.reason not in _REASONS_OF_AN_END)
        # Under the same name, what is none of our cookies is the former one.
        return became, () if became.arrived.request.is_same_cookie else rejected

    def _with_arrival(self, context: MovingContext[Any], found: Found, arrival: Arrival) -> Found:
        """Ours, which both sides agree on; an old worker may have given the former session another id since."""
        tie, tie_now = tie_of(found.record), self._tie(context, arrival)
        if not found.key or (tie is not None and (tie.mark, tie.reference) == (tie_now.mark, tie_now.reference)):
            return replace(found, arrived=arrival)
        # As what is ahead, the next request corrects it.
        record = replace(found.record, taken_from=tie_now.pack())
        return replace(found, record=record, arrived=arrival, is_ahead=True)

    def _what_became_of(self, arrival: Arrival, context: MovingContext[Any], *, has_data: bool) -> Loaded:
        """What the former session has become: ours, or nothing if that was ended, or, not taken over yet, itself."""
        record, alone = arrival.found.record, replace(arrival, is_alone=True)
        if record.is_empty and has_data:
            return None, ()
        tied = replace(record, taken_from=self._tie(context, arrival).pack())
        itself = replace(arrival.found, record=tied, old_key_id=None, key="", arrived=alone)
        if self._vault is None or (self.travels_with_answer and record.user_id is None):
            return itself, ()
        handle = handle_of(self._token(context, arrival))
        key = store_key(handle)
        loaded = self._vault.load(key) if has_data else self._vault.load_without_data(key)
        if isinstance(loaded, Ended) and loaded.was_asked_for:
            return None, (rejection("revoked", handle),)
        if isinstance(loaded, Found) and arrival.is_unique:
            superseded = loaded.superseded
            if superseded is None or self._vault.has_live_successor(superseded):
                return replace(loaded, arrived=alone), ()
        return itself, ()

    def _has_gone(self, context: MovingContext[Any], found: Found, *, is_another: bool) -> bool:
        """Whether an old worker has ended the former session, which has not come with this request.

        What ``is_another`` is a cookie of that worker for a session that it has not written down: the one before it may
        have been left where it was.
        """
        tie, record, now = tie_of(found.record), found.record, self._clock()
        if tie is None or tie.identity == ANONYMOUS or now >= tie.until:
            return False  # no user has signed out there
        if tie.identity == SAME_COOKIE and tie.handle != record.handle:
            return False  # it has an id, and so a cookie, that an old worker never had
        if record.is_remembered and not tie.was_remembered and self._may_be_idle(record, now):
            return False
        asked = [pair for pair in context.formers if pair[0].mark == tie.mark and pair[1].is_in_reach]
        is_there = any(
            former.stands(tie.reference) if tie.reference else bool(request.cookie.candidates())
            for former, request in asked
        )
        return bool(asked) and (is_another or not is_there or self._was_before_limit(record))

    def _may_be_idle(self, record: Live, now: float) -> bool:
        """Whether the former session may have ended of idleness; ours, which is remembered, has not."""
        idle, refresh_after = self._lifetimes.idle, self._lifetimes.refresh_after
        return idle is not None and now - record.seen_at >= idle - (refresh_after or 0)

    def _was_before_limit(self, record: Live) -> bool:
        """Whether the user signed in before ``not_before``, at another package."""
        not_before, signed_in_at = self._lifetimes.not_before, record.signed_in_at
        return not_before is not None and signed_in_at is not None and signed_in_at < not_before

    def _drop(self, found: Found) -> None:
        """End ours alone: what has taken its place, at an old worker, goes on."""
        if self._vault is not None and found.key:
            bury(self._vault, found.key, ENDED_TTL_SECONDS)
            # The same user may sign in again at the old worker, in the same former session.
            self._vault.delete(found.key)

    def _token(self, context: CookieContext[Any], arrival: Arrival) -> bytes:
        """The token under which a former session is taken over: its own, if that opens with our keys, too."""
        if arrival.request.is_same_cookie and isinstance(context.keys, CookieSigner):
            for value in context.candidates():
                with suppress(Rejected):
                    token = context.keys.open(value).payload
                    if handle_of(token) == arrival.found.record.handle:
                        return token
        return self._derived_token(arrival)

    def _derived_token(self, arrival: Arrival) -> bytes:
        return digest(self._key, arrival.former.mark + arrival.seed, "sha256")

    def _tie(self, context: CookieContext[Any], arrival: Arrival) -> Tie:
        former, record = arrival.former, arrival.found.record
        end = self._lifetimes.end_of(record)
        return Tie(
            former.mark,
            arrival.identity,
            handle_of(self._token(context, arrival)),
            former.until if end is None else min(former.until, end),
            record.is_remembered,
            arrival.reference,
        )

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
        write = partial(self._current.save, context, changes=changes, touched_at=touched_at)
        if found is not None and changes.asked.is_over_another_user:
            outcome = self._log_in_over(found, partial(write, token=token))
        elif found is not None and arrival is not None and arrival.is_alone:
            outcome = self._take_and_save(context, found, changes=changes, write=partial(write, token=None))
        else:
            outcome = write(found, token=token)
        if outcome.found is None and outcome.cookie is DELETE and found is not None:
            self._end_formers(found)
        elif found is not None and not changes.asked.is_over_another_user:
            return self._kept(outcome, arrival, changes, touched_at)
        lines = tuple(context.former_deletions()) if isinstance(context, MovingContext) else ()
        return replace(outcome, more_lines=lines)

    def _kept(self, outcome: Outcome, arrival: Arrival | None, changes: Changes, touched_at: float) -> Outcome:
        """*outcome*, after which the former session goes on, too."""
        if arrival is None or outcome.found is None:
            return outcome
        found = replace(outcome.found, arrived=replace(arrival, is_alone=False))
        lines = () if changes.is_passive else self._keep_alive(arrival, touched_at)
        return replace(outcome, found=found, more_lines=lines)

    def _log_in_over(self, found: Found, write: Write) -> Outcome:
        """A login as another user, of whom nothing may stay: the former session ends before it."""
        arrival: Arrival | None = found.arrived
        if arrival is None or not arrival.is_alone:
            self._end_formers(found)
            return write(found)
        self.end(found)
        outcome = write(None)
        return replace(outcome, events=(Decision("ended", found.record, "login"), *outcome.events))

    def _take_and_save(self, context: CookieContext[Any], found: Found, *, changes: Changes, write: Write) -> Outcome:
        """Make the former session one of ours, then write *changes* over it, merged if another request was faster."""
        arrival: Arrival = found.arrived
        before = arrival.found.record
        if found.superseded is not None and changes.asked.login is None:
            if changes.needs_present_id():
                refuse_superseded()
            return Outcome(found)
        is_shared = arrival.is_unique and arrival.found.superseded is None
        token = self._token(context, arrival) if is_shared else new_token()
        tied = replace(before, taken_from=self._tie(context, arrival).pack())
        taken = self._current.take_over(context, tied, token)
        if taken is None:
            if changes.asked.login is None:
                return Outcome(None, KEEP, (Decision("discarded", before, "ended"),))
            return write(None)
        outcome = write(taken.found)
        events = outcome.events
        if taken.is_new:
            events = (Decision("regenerated", taken.found.record, "taken_over", before), *arrival.events, *events)
        return Outcome(outcome.found, _cookie_of(outcome, taken, arrival), events)

    def take_over(self, context: CookieContext[Any], record: Live, token: bytes) -> TakenOver | None:
        return self._current.take_over(context, record, token)

    def renew(self, context: CookieContext[Any], found: Found) -> Outcome:
        arrival: Arrival | None = found.arrived
        if arrival is not None and _is_untaken(found):
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
        has_ended = _is_untaken(found) or self._current.end(found)
        if arrival is not None:
            self._bury_arrival(arrival)
        return has_ended

    def _end_formers(self, found: Found) -> None:
        """End the former session that *found* was taken over from, and the one that has come with it."""
        arrival: Arrival | None = found.arrived
        if arrival is not None:
            arrival.former.end(arrival.reference)
            self._bury_arrival(arrival)
        self.end_former(found.record)
        self.bury(found.record)

    def _bury_arrival(self, arrival: Arrival) -> None:
        handles = {handle_of(self._derived_token(arrival))}
        if arrival.request.is_same_cookie:
            # It may have been taken over under its own token.
            handles.add(arrival.found.record.handle)
        until = arrival.found.record.ends_at
        for handle in handles:
            self._bury(handle, arrival.former.until if until is None or arrival.reference else until)

    def end_former(self, record: Live) -> None:
        """End the former session of *record*, wherever that is."""
        tie, now = tie_of(record), self._clock()
        for former in self._formers_of(tie):
            if tie is not None and now < former.until:
                former.end(tie.reference)

    def bury(self, record: Live) -> None:
        tie = tie_of(record)
        ends = [former.until for former in self._formers_of(tie)]
        if tie is not None and ends:
            self._bury(tie.handle, max(ends) if tie.reference else tie.until)

    def _formers_of(self, tie: Tie | None) -> list[Former]:
        """Where the former session of *tie* may be: several stores may have had one cookie, one after the other."""
        return [] if tie is None else [former for former in self._formers if former.mark == tie.mark]

    def _bury(self, handle: bytes, until: float) -> None:
        """See to it that until then no request takes the former session over; an old worker may write it once more."""
        ttl = until - self._clock()
        if self._vault is not None and ttl > 0:
            bury(self._vault, store_key(handle), max(ttl, ENDED_TTL_SECONDS))


def _arrival(
    context: MovingContext[Any], found: Found | None, touched_at: float, *, has_data: bool
) -> tuple[Arrival | None, Sequence[Decision], bool]:
    """The first former session that lives, or what was rejected; where ours was taken over from is asked first.

    At last, whether that has given the browser another session, of which there is no record.
    """
    tie = None if found is None else tie_of(found.record)
    first = None if tie is None else tie.mark
    refused: list[Decision] = []
    is_another = False
    for former, request in sorted(context.formers, key=lambda pair: pair[0].mark != first):
        arrival, rejected = former.load(request, touched_at, has_data=has_data)
        if arrival is not None:
            return arrival, (), False
        refused += rejected
        if former.mark == first:
            is_another = any(decision.reason == "unknown_id" for decision in rejected)
    return None, refused, is_another


def _agree(found: Found, arrival: Arrival) -> bool:
    """Whether the same user is signed in on both sides, by the same login or on each by itself."""
    tie = tie_of(found.record)
    if tie is not None and tie.mark == arrival.former.mark:
        return tie.identity == arrival.identity
    ours, theirs = found.record.user_id, arrival.found.record.user_id
    return bool(found.key) and ours is not None and str(ours) == str(theirs)


def _is_replaced(found: Found, arrival: Arrival | None) -> bool:
    """Whether a login or a logout at an old worker, which ours does not know, is later than ours."""
    if arrival is None:
        return False
    tie, theirs = tie_of(found.record), arrival.found.record
    if tie is not None and tie.mark == arrival.former.mark:
        return True
    if theirs.user_id is None or found.record.user_id is None:
        return theirs.user_id is not None
    return arrival.began_at is None or arrival.began_at > found.record.started_at


def _is_untaken(found: Found) -> bool:
    """Whether *found* is a former session that is none of ours yet."""
    return found.arrived is not None and found.arrived.is_alone and not found.key


def _cookie_of(outcome: Outcome, taken: TakenOver, arrival: Arrival) -> NoValue | Send | Seen:
    """What the answer does with our cookie; under the name of the former one it would take that from old workers.

    Until it has a name of its own, the session is found by the former cookie.
    """
    is_kept = outcome.cookie is KEEP and outcome.found is not None and outcome.found.superseded is None
    is_needed = is_kept and not (arrival.request.is_same_cookie and arrival.is_unique)
    return taken.cookie if is_needed else outcome.cookie
