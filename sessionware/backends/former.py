"""Where former sessions come from, and what a request of a move finds.

What a request's former cookie stands for is an :class:`Arrival`. With it the request has found one of four:

- a plain :class:`Found`: a session of ours, and no former one has come with it that counts;
- :class:`Agreed`: a session of ours, and a former one, which says the same of the user;
- :class:`TakenBefore`: a session of ours that was made of the former one, by whose cookie alone it was found;
- :class:`Untaken`: the former session itself, which is none of ours yet.

After a write the last two are the second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from hashlib import sha256
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from sessionware.clock import Clock
from sessionware.cookies.header import CookieSettings
from sessionware.cookies.request import CookieContext, Cookies
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


class FormerRequest(NamedTuple):
    """The cookie of ``former`` in one request.

    It ``is_in_reach`` if a browser sends it with such a request. It ``is_same_cookie`` if it has the name, the Domain,
    the Path and the partitions of ours, so that the browser keeps one of the two.
    """

    former: Former
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
    second.
    """

    found: Found
    request: FormerRequest
    login: bytes
    seed: bytes
    reference: bytes
    began_at: float | None
    events: tuple[Decision, ...] = ()
    is_unique: bool = True

    def __repr__(self) -> str:
        """Without what opens the session."""
        return f"Arrival({self.found!r})"

    @property
    def former(self) -> Former:
        return self.request.former

    @property
    def record(self) -> Live:
        return self.found.record

    @property
    def identity(self) -> bytes:
        """What both sides have to agree on."""
        return SAME_COOKIE if self.request.is_same_cookie else self.login

    def end(self) -> None:
        """End it in its store, if it is in one. Raises :exc:`StoreUnavailable`."""
        self.former.end(self.reference)


class Missing(NamedTuple):
    """No former session has come that lives; what was ``rejected`` tells why.

    It ``is_another`` if the old workers that ours was taken over from have given the browser the cookie of another
    session, of which there is no record.
    """

    rejected: Sequence[Decision] = ()
    is_another: bool = False


class WithArrival(Found, frozen=True, kw_only=True):
    """A session that was found while a former one has come with the same request."""

    arrival: Arrival


class Agreed(WithArrival, frozen=True):
    """A session of ours, found by its own cookie; the former side says the same of its user."""


class Alone(WithArrival, frozen=True, kw_only=True):
    """What the former cookie alone stands for: ``token`` is the one under which a write takes the session over."""

    token: bytes


class TakenBefore(Alone, frozen=True):
    """A session of ours that was taken over before, in a store."""


class Untaken(Alone, frozen=True):
    """The former session itself, which is none of ours; its record has the tie already with which it will be one."""


def fields_of(found: Found) -> dict[str, Any]:
    """What *found* has in every state."""
    return {name: getattr(found, name) for name in Found.__struct_fields__}


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


def identity_of(user_id: str | int | None, *marks: object) -> bytes:
    """The identity of a session of *user_id*, and of the login that *marks* tell apart from others of this user."""
    if user_id is None:
        return ANONYMOUS
    return sha256(repr((str(user_id), *marks)).encode()).digest()[:IDENTITY_BYTES]


def mark_of(*names: object) -> bytes:
    """The mark of the former sessions that *names* tell apart from others."""
    return sha256(repr(names).encode()).digest()[:MARK_BYTES]


class MovingContext(CookieContext[K], frozen=True, eq=False):
    """The session cookie of one request, and the former cookies that may have come with it."""

    requests: tuple[FormerRequest, ...] = ()

    def delete(self) -> list[str]:
        return [*self.former_deletions(), *super().delete()]

    def former_deletions(self) -> list[str]:
        """The Set-Cookie values that remove the former cookies; not ours, which may have the same name."""
        return [line for request in self.requests for line in request.deletions()]


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
            self._request(former, context, header, environ) for former in self._formers if now < former.until
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
        return FormerRequest(former, cookie, cookies.is_in_reach(environ), is_same_cookie)
