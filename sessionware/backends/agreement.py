"""The rules of a move for a request with a session of ours: whether that goes on, or an old worker has ended it.

While workers of both kinds serve one site, a user may sign in or out at either. So at each request ours is compared
with what the former cookie stands for. If both **agree**, ours goes on. If not, it has ended where the former session
**has gone**, or where another **has replaced** it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sessionware.backends.former import ANONYMOUS, SAME_COOKIE, Arrival, FormerRequest, Missing
from sessionware.backends.ties import Tie, tie_of
from sessionware.session.lifetimes import Lifetimes
from sessionware.session.records import Found, Live


def agree(found: Found, arrival: Arrival) -> bool:
    """Whether the same user is signed in on both sides: by the login that was taken over, or on each by itself.

    Where ours was not made of this session, no login of the other side is known, and the user has to be the same.
    """
    tie = _tie_between(found, arrival)
    if tie is not None:
        return tie.identity == arrival.identity
    ours, theirs = found.record.user_id, arrival.record.user_id
    return bool(found.key) and ours is not None and str(ours) == str(theirs)


def has_replaced(found: Found, arrival: Arrival) -> bool:
    """Whether a login or a logout at an old worker, with which ours does not agree, is later than ours.

    Where ours was made of this session, it is: what that says now, it did not say then. Elsewhere the later login
    counts, and any login counts more than a visitor.
    """
    if _tie_between(found, arrival) is not None:
        return True
    if arrival.record.user_id is None or found.record.user_id is None:
        return arrival.record.user_id is not None
    return arrival.began_at is None or arrival.began_at > found.record.started_at


def has_gone(
    found: Found, requests: Sequence[FormerRequest], missing: Missing, *, lifetimes: Lifetimes, now: float
) -> bool:
    """Whether an old worker has ended the former session, which has not come: its cookie was deleted, or its record.

    But a user counts as signed out only if one was signed in, and if nothing but an old worker can be the reason: not
    the end of a time, not a path that the cookie is not sent to. Where the cookie of another session has come instead,
    the record of the former one may have been left where it was, and counts for nothing.
    """
    tie, record = tie_of(found.record), found.record
    if tie is None or tie.identity == ANONYMOUS or now >= tie.until:
        return False
    if tie.identity == SAME_COOKIE and tie.handle != record.handle:
        return False  # it has an id, and so a cookie, that an old worker never had
    if record.is_remembered and not tie.was_remembered and _may_be_idle(record, lifetimes, now):
        return False
    asked = [request for request in requests if request.former.mark == tie.mark and request.is_in_reach]
    is_there = any(
        request.former.stands(tie.reference) if tie.reference else bool(request.cookie.candidates())
        for request in asked
    )
    return bool(asked) and (missing.is_another or not is_there or _was_before_limit(record, lifetimes))


def _tie_between(found: Found, arrival: Arrival) -> Tie | None:
    """The tie of ours, if it was taken over from where *arrival* has come from."""
    tie = tie_of(found.record)
    return tie if tie is not None and tie.mark == arrival.former.mark else None


def _may_be_idle(record: Live, lifetimes: Lifetimes, now: float) -> bool:
    """Whether the former session may have ended of idleness; ours, which is remembered, has not."""
    idle, refresh_after = lifetimes.idle, lifetimes.refresh_after
    return idle is not None and now - record.seen_at >= idle - (refresh_after or 0)


def _was_before_limit(record: Live, lifetimes: Lifetimes) -> bool:
    """Whether the user signed in before ``not_before``, at another package."""
    not_before, signed_in_at = lifetimes.not_before, record.signed_in_at
    return not_before is not None and signed_in_at is not None and signed_in_at < not_before
