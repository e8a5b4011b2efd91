"""Where former sessions come from: a former configuration of this package, or another package.

What a request's former cookie stands for is an :class:`Arrival`. A session that was taken over remembers it by a
:class:`Tie`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from sessionware.backends.contract import UserSessions
from sessionware.clock import Clock
from sessionware.cookies.header import CookieSettings
from sessionware.cookies.request import CookieContext, Cookies
from sessionware.crypto.identifiers import HANDLE_BYTES
from sessionware.events import Decision
from sessionware.session.records import Found, Live

K = TypeVar("K")

MARK_BYTES = 8
IDENTITY_BYTES = 16
#: Nobody is signed in.
ANONYMOUS = bytes(IDENTITY_BYTES)
#: The former cookie is the session's own cookie, too, so that there is no second one to compare with.
SAME_COOKIE = b"\xff" * IDENTITY_BYTES
_TIE = struct.Struct(f">{MARK_BYTES}s{IDENTITY_BYTES}s{HANDLE_BYTES}sd")


class Arrival(Struct, frozen=True, eq=False):
    """A session of a former worker that has come with a request.

    ``identity`` tells who is signed in, and by which login where that is known. ``reference`` finds the session again
    without its cookie, and ``seed`` is the same for all requests that have come with it. Its user signed in at
    ``began_at`` at the latest, if that is known. ``events`` are told when it is taken over. Unless it ``is_unique``,
    the session of another browser may have the same seed: a signed cookie without an id, that two visitors got in one
    second.
    """

    found: Found
    former: Former
    context: Any
    identity: bytes
    seed: bytes
    reference: bytes
    began_at: float | None
    events: tuple[Decision, ...] = ()
    is_unique: bool = True

    def __repr__(self) -> str:
        """Without what opens the session."""
        return f"Arrival({self.found!r})"


class Former(Protocol):
    """Where sessions come from: a former configuration, or another package."""

    #: Names it in the sessions that were taken over from it; :data:`MARK_BYTES` long.
    mark: bytes
    #: The end of the move, in seconds since the epoch. From then on its sessions are not looked for.
    until: float
    #: Whether its cookie has the name, the Domain and the Path of ours.
    is_same_cookie: bool

    @property
    def users(self) -> UserSessions | None:
        """Lists and revokes the sessions that are still there, if that can be done."""

    def open(self, header: str, environ: Mapping[str, Any]) -> Any:
        """What is known of its cookie in a request, without a look into it."""
        ...

    def load(self, context: Any, touched_at: float, *, has_data: bool) -> tuple[Arrival | None, Sequence[Decision]]:
        """The session that the request's cookie stands for, and what was rejected."""
        ...

    def stands(self, context: Any, reference: bytes) -> bool:
        """Whether a session, whose cookie has not come with this request, may still live."""
        ...

    def renew(self, arrival: Arrival) -> tuple[Live, tuple[str, ...]]:
        """Note that the session was seen now; its record, and the Set-Cookie values that this needs."""
        ...

    def end(self, reference: bytes) -> None:
        """End the session in its store, if it is in one. Raises :exc:`StoreUnavailable`."""
        ...

    def deletions(self, context: Any) -> list[str]:
        """The Set-Cookie values that delete its cookie, if the request carries one."""
        ...


class Tie(NamedTuple):
    """What a session remembers of the one that it has taken over.

    ``handle`` is the one under which that was done. Until ``until`` both sides agree on whose session it is.
    """

    mark: bytes
    identity: bytes
    handle: bytes
    until: float
    reference: bytes

    def pack(self) -> bytes:
        return _TIE.pack(self.mark, self.identity, self.handle, self.until) + self.reference


def tie_of(record: Live) -> Tie | None:
    """The tie of *record*, if it was taken over."""
    packed = record.taken_from
    if packed is None or len(packed) < _TIE.size:
        return None
    mark, identity, handle, until = _TIE.unpack_from(packed)
    return Tie(mark, identity, handle, until, packed[_TIE.size :])


def identity_of(user_id: str | int | None, *marks: object) -> bytes:
    """The identity of a session of *user_id*, and of the login that *marks* tell apart from others of this user."""
    if user_id is None:
        return ANONYMOUS
    return sha256(repr((str(user_id), *marks)).encode()).digest()[:IDENTITY_BYTES]


def mark_of(*names: object) -> bytes:
    """The mark of the former sessions that *names* tell apart from others."""
    return sha256(repr(names).encode()).digest()[:MARK_BYTES]


class MovingContext(CookieContext[K], frozen=True, eq=False):
    """The session cookie of one request, and what has come with it of former workers."""

    formers: tuple[tuple[Former, Any], ...] = ()

    def delete(self) -> list[str]:
        return [*self.former_deletions(), *super().delete()]

    def former_deletions(self) -> list[str]:
        """The Set-Cookie values that remove the former cookies; not ours, which may have the same name."""
        return [
            line for former, context in self.formers if not former.is_same_cookie for line in former.deletions(context)
        ]


class MovingCookies(Cookies[K]):
    """Opens the cookie context of each request, with the cookies of former workers until their time is over."""

    def __init__(
        self, settings: CookieSettings, make_keys: Callable[[str], K], *, formers: Sequence[Former], clock: Clock
    ) -> None:
        super().__init__(settings, make_keys)
        self._formers = formers
        self._clock = clock

    def open(self, header: str, environ: Mapping[str, Any]) -> MovingContext[K]:
        context, now = super().open(header, environ), self._clock()
        formers = tuple((former, former.open(header, environ)) for former in self._formers if now < former.until)
        return MovingContext(context._form, header, context.keys, context._warn_of_reach, formers)
