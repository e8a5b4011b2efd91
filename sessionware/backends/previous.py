"""Takes former sessions over, so that a move logs no user out.

A request whose session is none of ours may have that of a former worker. It reads as such a session, and its first
write makes it one of ours. Until the end of the move the former cookie and record stay, so that an old worker finds
them; whether the user is signed in, both sides have to agree on at each request. What a request has found is in one of
the states of ``backends/former.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from msgspec.structs import replace

from sessionware.backends.agreement import agree, has_gone, has_replaced
from sessionware.backends.contract import DELETE, KEEP, Backend, NoValue, Outcome, Seen, Send, TakenOver, UserSessions
from sessionware.backends.former import (
    Agreed,
    Alone,
    Arrival,
    Former,
    Missing,
    MovingContext,
    TakenBefore,
    Untaken,
    WithArrival,
    fields_of,
)
from sessionware.backends.moving_users import MovingUsers
from sessionware.backends.ties import Ties, tie_of
from sessionware.clock import Clock
from sessionware.cookies.request import CookieContext
from sessionware.crypto.identifiers import handle_of, new_token, store_key
from sessionware.crypto.keys import Keyring
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
    """The sessions of *current*, and former ones until they are taken over."""

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
        self._ties = Ties(vault, formers, keyring=keyring, lifetimes=lifetimes, clock=clock)
        self._lifetimes = lifetimes
        self._clock = clock
        if vault is not None and users is not None:
            vault.origins = self._ties
            self.users = MovingUsers(users, vault, formers, clock)

    def make_keys(self, full_name: str, *, domain: str | None, path: str) -> Any:
        return self._current.make_keys(full_name, domain=domain, path=path)

    # What a request's cookies stand for.

    def load(self, context: CookieContext[Any], touched_at: float, *, has_data: bool = True) -> Loaded:
        """Ours, unless it was logged out, or another login has taken its place, at an old worker since."""
        found, rejected = self._current.load(context, touched_at, has_data=has_data)
        if not isinstance(context, MovingContext) or not context.requests:
            return found, rejected
        came = _first_arrival(context, found, touched_at, has_data=has_data)
        if found is not None and isinstance(came, Arrival) and agree(found, came):
            return self._agreed(context, found, came), rejected
        became = came if isinstance(came, Missing) else self._what_became_of(context, came, has_data=has_data)
        if found is not None:
            if not self._has_ended(context, found, became):
                return found, rejected
            self._drop(found)
            rejected = [*rejected, rejection("revoked", found.record.handle)]
        if isinstance(became, Untaken) and became.record.is_empty and has_data:
            became = Missing()  # what holds nothing is no session
        if isinstance(became, Missing):
            # ``session.rejected`` is the first: where the former side knows how its session ended, that says more.
            return None, sorted([*rejected, *became.rejected], key=lambda told: told.reason not in _REASONS_OF_AN_END)
        # Under the same name, what is none of our cookies is the former one.
        return became, () if became.arrival.request.is_same_cookie else rejected

    def _agreed(self, context: CookieContext[Any], found: Found, arrival: Arrival) -> Agreed:
        """Ours, which both sides agree on; an old worker may have given the former session another id since."""
        agreed = Agreed(**fields_of(found), arrival=arrival)
        tie, tie_now = tie_of(found.record), self._ties.tie(arrival, self._ties.token(context, arrival))
        if not found.key or (tie is not None and tie.names_same(tie_now)):
            return agreed
        # As what is ahead, the next request corrects it.
        return replace(agreed, record=replace(found.record, taken_from=tie_now.pack()), is_ahead=True)

    def _what_became_of(self, context: CookieContext[Any], arrival: Arrival, *, has_data: bool) -> Alone | Missing:
        """What the former session has become: ours, or nothing if that was ended, or, not taken over yet, itself."""
        token = self._ties.token(context, arrival)
        record = self._ties.tied(arrival, token)
        found = replace(arrival.found, record=record, old_key_id=None, key="")
        itself = Untaken(**fields_of(found), arrival=arrival, token=token)
        is_in_no_store = self.travels_with_answer and record.user_id is None
        if self._vault is None or is_in_no_store or (record.is_empty and has_data):
            return itself
        handle = handle_of(token)
        key = store_key(handle)
        loaded = self._vault.load(key) if has_data else self._vault.load_without_data(key)
        if isinstance(loaded, Ended) and loaded.was_asked_for:
            return Missing((rejection("revoked", handle),))
        if isinstance(loaded, Found) and arrival.is_unique:
            superseded = loaded.superseded
            if superseded is None or self._vault.has_live_successor(superseded):
                return TakenBefore(**fields_of(loaded), arrival=arrival, token=token)
        return itself

    def _has_ended(self, context: MovingContext[Any], found: Found, became: Alone | Missing) -> bool:
        """Whether an old worker has ended ours, since both sides do not agree."""
        if isinstance(became, Missing):
            return has_gone(found, context.requests, became, lifetimes=self._lifetimes, now=self._clock())
        return has_replaced(found, became.arrival)

    def _drop(self, found: Found) -> None:
        """End ours alone: what has taken its place, at an old worker, goes on."""
        if self._vault is not None and found.key:
            bury(self._vault, found.key, ENDED_TTL_SECONDS)
            # The same user may sign in again at the old worker, in the same former session.
            self._vault.delete(found.key)

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
        write = partial(self._current.save, context, changes=changes, touched_at=touched_at)
        is_over_another = changes.asked.is_over_another_user
        if found is not None and is_over_another:
            outcome = self._log_in_over(found, partial(write, token=token))
        elif isinstance(found, Alone):
            outcome = self._take_and_save(context, found, changes=changes, write=partial(write, token=None))
        else:
            outcome = write(found, token=token)
        if found is not None and outcome.found is None and outcome.cookie is DELETE:
            self._ties.end_formers(found)
        elif found is not None and not is_over_another:
            return self._kept(outcome, found, changes, touched_at)
        lines = tuple(context.former_deletions()) if isinstance(context, MovingContext) else ()
        return replace(outcome, more_lines=lines)

    def _kept(self, outcome: Outcome, found: Found, changes: Changes, touched_at: float) -> Outcome:
        """*outcome*, after which the former session of what was *found* goes on, too."""
        if not isinstance(found, WithArrival) or outcome.found is None:
            return outcome
        agreed = Agreed(**fields_of(outcome.found), arrival=found.arrival)
        lines = () if changes.is_passive else self._keep_alive(found.arrival, touched_at)
        return replace(outcome, found=agreed, more_lines=lines)

    def _log_in_over(self, found: Found, write: Write) -> Outcome:
        """A login as another user, of whom nothing may stay: the former session ends before it."""
        if not isinstance(found, Alone):
            self._ties.end_formers(found)
            return write(found)
        self.end(found)
        outcome = write(None)
        return replace(outcome, events=(Decision("ended", found.record, "login"), *outcome.events))

    def _take_and_save(self, context: CookieContext[Any], found: Alone, *, changes: Changes, write: Write) -> Outcome:
        """Make the former session one of ours, then write *changes* over it, merged if another request was faster."""
        arrival = found.arrival
        before = arrival.record
        if found.superseded is not None and changes.asked.login is None:
            if changes.needs_present_id():
                refuse_superseded()
            return Outcome(found)
        is_shared = arrival.is_unique and arrival.found.superseded is None
        token = found.token if is_shared else new_token()
        taken = self._current.take_over(context, self._ties.tied(arrival, found.token), token)
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
        if isinstance(found, Untaken):
            seen, lines = found.arrival.former.renew(found.arrival)
            return Outcome(replace(found, record=seen, is_ahead=False), KEEP, (Decision("renewed", seen),), lines)
        outcome = self._current.renew(context, found)
        if not isinstance(found, WithArrival) or outcome.found is None:
            return outcome
        lines = self._keep_alive(found.arrival, self._clock())
        return replace(outcome, found=replace(found, **fields_of(outcome.found)), more_lines=lines)

    def _keep_alive(self, arrival: Arrival, now: float) -> tuple[str, ...]:
        """Renew the former session, too, so that it has not ended of idleness where a deploy goes back."""
        refresh_after = self._lifetimes.refresh_after
        if arrival.found.superseded is not None or refresh_after is None:
            return ()
        if now - arrival.record.seen_at >= refresh_after:
            with suppress(StoreUnavailable, RecordTooLarge):
                return arrival.former.renew(arrival)[1]
        return ()

    # Ending.

    def end(self, found: Found) -> bool:
        if not isinstance(found, WithArrival):
            if not found.key:
                self._ties.end_former(found.record)
            return self._current.end(found)
        # First, so that where this fails the logout can be tried again.
        found.arrival.end()
        has_ended = isinstance(found, Untaken) or self._current.end(found)
        self._ties.bury_arrival(found.arrival)
        return has_ended


def _first_arrival(
    context: MovingContext[Any], found: Found | None, touched_at: float, *, has_data: bool
) -> Arrival | Missing:
    """The first former session that lives; where ours was taken over from is asked first."""
    tie = None if found is None else tie_of(found.record)
    first = None if tie is None else tie.mark
    refused: list[Decision] = []
    is_another = False
    for request in sorted(context.requests, key=lambda request: request.former.mark != first):
        arrival, rejected = request.former.load(request, touched_at, has_data=has_data)
        if arrival is not None:
            return arrival
        refused += rejected
        if request.former.mark == first:
            is_another = any(decision.reason == "unknown_id" for decision in rejected)
    return Missing(refused, is_another)


def _cookie_of(outcome: Outcome, taken: TakenOver, arrival: Arrival) -> NoValue | Send | Seen:
    """What the answer does with our cookie; under the name of the former one it would take that from old workers.

    Until it has a name of its own, the session is found by the former cookie.
    """
    is_kept = outcome.cookie is KEEP and outcome.found is not None and outcome.found.superseded is None
    is_needed = is_kept and not (arrival.request.is_same_cookie and arrival.is_unique)
    return taken.cookie if is_needed else outcome.cookie
