"""What a request asks for beside its data: the session's identity, its CSRF secret, and its flashes."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from sessionware.session.flashes import FlashChanges
from sessionware.session.lifetimes import Lifetimes
from sessionware.session.login import Login, Remember
from sessionware.session.records import Cause, Live


class Asked(Struct, frozen=True, eq=False):
    """What one request asks for. It is not changed, so that another can take its place, and most ask for nothing.

    ``csrf`` is the secret of the CSRF tokens that this request has given to the session; it takes the place of the
    session's own if ``is_csrf_replaced``. ``is_regenerated`` says that a new id was asked for, be it by a login, and
    ``is_over_another_user`` that the login is another user's than the session's, of which nothing may stay. What
    ``is_forced`` is written even if nothing differs.
    """

    login: Login | None = None
    confirmed_at: float | None = None
    remembered: Remember | None = None
    csrf: bytes | None = None
    flashes: FlashChanges | None = None
    is_regenerated: bool = False
    is_over_another_user: bool = False
    is_csrf_replaced: bool = False
    is_forced: bool = False

    __repr__ = object.__repr__  # it holds the secret of tokens, and what the application flashes

    def logging_in(self, login: Login) -> Asked:
        """These, and *login*, which undoes what was asked of the identity before; over another user's, all the rest."""
        kept = NOTHING if login.is_over_another_user else self
        return Asked(
            login,
            flashes=kept.flashes,
            is_regenerated=True,
            is_over_another_user=self.is_over_another_user or login.is_over_another_user,
            is_forced=kept.is_forced,
        )

    def confirming(self, now: float) -> Asked:
        """These, and that the user has proved *now* who they are."""
        return replace(self, confirmed_at=now, is_regenerated=True)

    @property
    def needs_new_id(self) -> bool:
        """Whether the session must be given a new id."""
        return self.is_regenerated or self.remembered is not None

    @property
    def has_more(self) -> bool:
        """Whether anything is to be changed beside the data and the identity."""
        return self.csrf is not None or self.flashes is not None

    @property
    def is_more_than_new_id(self) -> bool:
        """Whether anything was asked for beside a bare change of id, and beside a write."""
        return self.login is not None or self.remembered is not None or self.confirmed_at is not None or self.has_more

    # What the session is, or will be. Each of these takes the record that it has now, if it has one.

    def user_id(self, record: Live | None) -> str | int | None:
        """The user whom the session is bound to, or will be."""
        if self.login is not None:
            return self.login.user_id
        return None if record is None else record.user_id

    def csrf_secret(self, record: Live | None) -> bytes | None:
        """The secret that the session's CSRF tokens have, or will have; a login leaves none."""
        if self.csrf is not None or self.login is not None or record is None:
            return self.csrf
        return record.csrf

    def all_flashes(self, record: Live | None) -> list[bytes]:
        """The flashes that the session has, or will have."""
        stored = [] if record is None or self.is_over_another_user else record.flashes
        return stored if self.flashes is None else self.flashes.over(stored)

    def authenticated_at(self, record: Live | None) -> float | None:
        """When the user signed in or was confirmed last; ``None`` without a user."""
        if self.confirmed_at is not None:
            return self.confirmed_at
        if self.login is not None:
            return self.login.at
        return None if record is None else record.authenticated_at

    def cause(self, record: Live) -> Cause:
        """Why the session is given a new id."""
        if self.login is None:
            return Cause.REGENERATE
        return Cause.LOGIN if record.user_id is None else Cause.RELOGIN

    def reason_for_new_id(self, record: Live) -> str:
        """The reason of the event ``regenerated``."""
        if self.login is not None:
            return self.cause(record).value
        if self.confirmed_at is not None:
            return "confirm"
        return self.cause(record).value if self.remembered is None else "remember"

    def apply(self, live: Live, start: Live, lifetimes: Lifetimes) -> None:
        """Let *live*, which was made of *start*, be what was asked for."""
        if self.login is not None or self.confirmed_at is not None:
            live.signed_in_at = None
        if self.login is not None:
            live.user_id, live.label = self.login.user_id, self.login.label
            live.started_at = self.login.at
            live.seen_at = max(live.seen_at, self.login.at)
            live.ends_at = lifetimes.ends_at(self.login.at)
            live.is_remembered = False
            live.csrf = None
        if self.confirmed_at is not None:
            live.started_at = self.confirmed_at
            live.seen_at = max(live.seen_at, self.confirmed_at)
            if not live.is_remembered:
                live.ends_at = lifetimes.ends_at(self.confirmed_at)
        if self.remembered is not None:
            lifetime, at = self.remembered.lifetime, self.remembered.at
            live.is_remembered = lifetime is not None
            live.ends_at = lifetimes.ends_at(live.started_at) if lifetime is None else at + lifetime
        if self.has_more:
            live.csrf = self.csrf if self.is_csrf_replaced else live.csrf or self.csrf
            live.flashes = self.all_flashes(start)


#: What most requests ask for.
NOTHING = Asked()
