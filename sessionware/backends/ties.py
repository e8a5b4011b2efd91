"""What ties a session of ours to the former one that it was made of, so that the end of either ends both."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from contextlib import suppress
from hmac import digest
from typing import Any, NamedTuple

from msgspec.structs import replace

from sessionware.backends.former import IDENTITY_BYTES, MARK_BYTES, Arrival, Former, WithArrival
from sessionware.clock import Clock
from sessionware.cookies.request import CookieContext
from sessionware.crypto.identifiers import HANDLE_BYTES, handle_of, store_key
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSigner, Rejected
from sessionware.protocol.end import bury
from sessionware.protocol.vault import ENDED_TTL_SECONDS, Vault
from sessionware.session.lifetimes import Lifetimes
from sessionware.session.records import Found, Live

_TIE = struct.Struct(f">{MARK_BYTES}s{IDENTITY_BYTES}s{HANDLE_BYTES}sd?")


class Tie(NamedTuple):
    """What a session remembers of the one that it has taken over.

    ``handle`` is the one under which that was done. The former session ends by itself at ``until`` at the latest, and
    earlier, of idleness, unless it ``was_remembered``.
    """

    mark: bytes
    identity: bytes
    handle: bytes
    until: float
    was_remembered: bool
    reference: bytes

    def names_same(self, other: Tie) -> bool:
        """Whether both find the same former session."""
        return (self.mark, self.reference) == (other.mark, other.reference)

    def pack(self) -> bytes:
        *fixed, reference = self
        return _TIE.pack(*fixed) + reference


def tie_of(record: Live) -> Tie | None:
    """The tie of *record*, if it was taken over."""
    packed = record.taken_from
    if packed is None or len(packed) < _TIE.size:
        return None
    mark, identity, handle, until, was_remembered = _TIE.unpack_from(packed)
    return Tie(mark, identity, handle, until, was_remembered, packed[_TIE.size :])


class Ties:
    """Makes the ties of one manager, and ends what they lead to.

    A former session is taken over under a token that follows from it. So requests that come at once do that once; and
    where ours was ended there is a mark under the handle of this token, so that the former cookie does not bring it
    back.
    """

    def __init__(
        self, vault: Vault | None, formers: Sequence[Former], *, keyring: Keyring, lifetimes: Lifetimes, clock: Clock
    ) -> None:
        self._vault = vault
        self._formers = formers
        self._key = keyring.derive(Purpose.TAKE_OVER)[0]
        self._lifetimes = lifetimes
        self._clock = clock

    def token(self, context: CookieContext[Any], arrival: Arrival) -> bytes:
        """The token under which a former session is taken over: its own, if that opens with our keys, too."""
        if arrival.request.is_same_cookie and isinstance(context.keys, CookieSigner):
            for value in context.candidates():
                with suppress(Rejected):
                    token = context.keys.open(value).payload
                    if handle_of(token) == arrival.record.handle:
                        return token
        return self._derived_token(arrival)

    def _derived_token(self, arrival: Arrival) -> bytes:
        return digest(self._key, arrival.former.mark + arrival.seed, "sha256")

    def tied(self, arrival: Arrival, token: bytes) -> Live:
        """The record of the former session with its tie, as it becomes ours."""
        return replace(arrival.record, taken_from=self.tie(arrival, token).pack())

    def tie(self, arrival: Arrival, token: bytes) -> Tie:
        """The tie of what is taken over under *token*."""
        former, record = arrival.former, arrival.record
        end = self._lifetimes.end_of(record)
        return Tie(
            former.mark,
            arrival.identity,
            handle_of(token),
            former.until if end is None else min(former.until, end),
            record.is_remembered,
            arrival.reference,
        )

    # Ending. The two that take a record are what the end of a session in the store asks for: ``vault.Origins``.

    def end_formers(self, found: Found) -> None:
        """End the former session that *found* was taken over from, and the one that has come with it."""
        if isinstance(found, WithArrival):
            found.arrival.end()
            self.bury_arrival(found.arrival)
        self.end_former(found.record)
        self.bury(found.record)

    def bury_arrival(self, arrival: Arrival) -> None:
        """See to it that what has come is not taken over any more, whose tie may be in no record of ours."""
        handles = {handle_of(self._derived_token(arrival))}
        if arrival.request.is_same_cookie:
            # It may have been taken over under its own token.
            handles.add(arrival.record.handle)
        until = arrival.record.ends_at
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
