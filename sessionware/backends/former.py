"""Where former sessions come from: a former configuration of this package, or another package.

What a request's former cookie stands for is an :class:`Arrival`. A session that was taken over remembers it by a
:class:`Tie`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from hashlib import sha256
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from sessionware.clock import Clock
from sessionware.cookies.header import CookieSettings
from sessionware.cookies.request import CookieContext, Cookies
from sessionware.crypto.identifiers import HANDLE_BYTES
from sessionware.events import Decision
from sessionware.protocol.users import Users
from sessionware.session.records import Found, Live

K = TypeVar("K")

MARK_BYTES = 8
IDENTITY_BYTES = 16
#: No user is signed in.
ANONYMOUS = bytes(IDENTITY_BYTES)
#: The former cookie is the session's own cookie, too, so that there is no second one to compare with.
SAME_COOKIE = b"\xff" * IDENTITY_BYTES
_TIE = struct.Struct(f">{MARK_BYTES}s{IDENTITY_BYTES}s{HANDLE_BYTES}sd?")


class FormerRequest(NamedTuple):
    """The former cookie of one request.

    It ``is_in_reach`` if a browser sends it with such a request. It ``is_same_cookie`` if it has the name, the Domain,
    the Path and the partitions of ours, so that the browser keeps one of the two.
    """

    cookie: CookieContext[Any]
    is_in_reach: bool
    is_same_cookie: bool

    def deletions(self) -> list[str]:
        """The Set-Cookie values that delete it, if the request carries it, but not where that would delete ours."""
        return [] if self.is_same_cookie or not self.cookie.candidates() else self.cookie.delete()


class Arrival(Struct, frozen=True, eq=False):
    """A session of a former worker that has come with a request.

    ``login`` tells who is signed in, and by which login where that is known. ``reference`` finds the session again
    without its cookie, and ``seed`` is the same for all requests that have come with it. Its user signed in at
    ``began_at`` at the latest, if that is known. ``events`` are told when it is taken over. Unless it ``is_unique``,
    the session of another browser may have the same seed: a signed cookie without an id, that two visitors got in one
    second. It ``is_alone`` if no cookie of ours has come for what it was taken over as, if it was.
    """

    found: Found
    former: Former
    request: FormerRequest
    login: bytes
    seed: bytes
    reference: bytes
    began_at: float | None
    events: tuple[Decision, ...] = ()
    is_unique: bool = True
    is_alone: bool = False

    def __repr__(self) -> str:
        """Without what opens the session."""
        return f"Arrival({self.found!r})"

    @property
    def identity(self) -> bytes:
        """What both sides have to agree on."""
        return SAME_COOKIE if self.request.is_same_cookie else self.login


class Former(Protocol):
    """Where sessions come from: a former configuration, or another package."""

    #: Names it in the sessions that were taken over from it; :data:`MARK_BYTES` long.
    mark: bytes
    #: The end of the move, in seconds since the epoch. From then on its sessions are not looked for.
    until: float
    #: Lists and revokes the sessions that are still there, if that can be done.
    users: Users | None
    cookie: CookieSettings

    def cookies(self, present: CookieContext[Any]) -> Cookies[Any]:
        """What opens its cookie in a request that has *present* as ours."""
        ...

    def load(
        self, request: FormerRequest, touched_at: float, *, has_data: bool
    ) -> tuple[Arrival | None, Sequence[Decision]]:
        """The session that the request's cookie stands for, and what was rejected."""
        ...

    def stands(self, reference: bytes) -> bool:
        """Whether the session of this reference, whose cookie may not have come, is still in its store."""
        ...

    def renew(self, arrival: Arrival) -> tuple[Live, tuple[str, ...]]:
        """Note that the session was seen now; its record, and the Set-Cookie values that this needs."""
        ...

    def end(self, reference: bytes) -> None:
        """End the session in its store, if it is in one. Raises :exc:`StoreUnavailable`."""
        ...


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

    formers: tuple[tuple[Former, FormerRequest], ...] = ()

    def delete(self) -> list[str]:
        return [*self.former_deletions(), *super().delete()]

    def former_deletions(self) -> list[str]:
        """The Set-Cookie values that remove the former cookies; not ours, which may have the same name."""
        return [line for _, request in self.formers for line in request.deletions()]


class _BesideFormer(CookieSettings):
    """Our cookie, where on plain http, as on a developer's machine, its name without a prefix is the former one's."""

    def full_name(self, *, secure: bool) -> str:
        name = super().full_name(secure=secure)
        return name if secure else f"{name}-moved"


def _beside(settings: CookieSettings, formers: Sequence[Former]) -> CookieSettings:
    for cookie in (former.cookie for former in formers):
        is_same_name = [
            cookie.full_name(secure=secure) == settings.full_name(secure=secure) for secure in (False, True)
        ]
        if is_same_name == [True, False] and cookie.reach == settings.reach:
            return _BesideFormer(**{field.name: getattr(settings, field.name) for field in fields(settings)})
    return settings


class MovingCookies(Cookies[K]):
    """Opens the cookie context of each request, with the cookies of former workers until their time is over."""

    def __init__(
        self, settings: CookieSettings, make_keys: Callable[[str], K], *, formers: Sequence[Former], clock: Clock
    ) -> None:
        super().__init__(_beside(settings, formers), make_keys)
        self._formers = formers
        self._clock = clock

    def open(self, header: str, environ: Mapping[str, Any]) -> MovingContext[K]:
        context, now = super().open(header, environ), self._clock()
        requests = tuple(
            (former, self._request(former, context, header, environ)) for former in self._formers if now < former.until
        )
        return MovingContext(context._form, header, context.keys, context._warn_of_reach, requests)

    def _request(
        self, former: Former, present: CookieContext[K], header: str, environ: Mapping[str, Any]
    ) -> FormerRequest:
        """The cookie of *former*, without a look into it."""
        cookies = former.cookies(present)
        cookie = cookies.open(header, environ)
        has_reach_of_ours = former.cookie.reach == self.settings.reach
        is_same_cookie = has_reach_of_ours and cookie.full_name == present.full_name
        return FormerRequest(cookie, cookies.is_in_reach(environ), is_same_cookie)
