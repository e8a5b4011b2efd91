"""How a session travels between requests: the contract of the backends.

All of it in the cookie, or a token in the cookie and a record in a store; later modules do not ask which of the two.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from msgspec import Struct

from sessionware.cookies.request import CookieContext
from sessionware.events import Decision
from sessionware.protocol.users import SessionInfo
from sessionware.session.changes import Changes
from sessionware.session.records import Found, Live


class Send(Struct, frozen=True):
    """The cookie is set to ``value``."""

    value: str

    def __repr__(self) -> str:
        """Without the value, which opens the session."""
        return "Send(...)"


class Seen(Struct, frozen=True):
    """The companion cookie, which only says when the session was seen, is set to ``value``."""

    value: str

    def __repr__(self) -> str:
        """Without the value, as of any cookie."""
        return "Seen(...)"


class NoValue(enum.Enum):
    """What an answer does with the cookie without giving it a value."""

    KEEP = "keep"
    DELETE = "delete"


KEEP, DELETE = NoValue


class Outcome(Struct, frozen=True):
    """What a session is now, what the answer does with its cookie, and the events to tell.

    Nothing is found and the cookie is kept where another request has ended the session: what was to be written went
    with it. ``more_lines`` are Set-Cookie values of other cookies than the session's own.
    """

    found: Found | None
    cookie: NoValue | Send | Seen = KEEP
    events: tuple[Decision, ...] = ()
    more_lines: tuple[str, ...] = ()


class TakenOver(NamedTuple):
    """A session that was taken over, by this request if it ``is_new``; and its cookie, unless saving it says more."""

    found: Found
    cookie: NoValue | Send
    is_new: bool


class UserSessions(Protocol):
    """Lists and revokes the sessions of users, as the members of the same names of the manager."""

    def sessions_of(self, user_id: str | int) -> list[SessionInfo]: ...

    def revoke(self, session_id: str) -> bool: ...

    def revoke_user(self, user_id: str | int, keep: str | None = None) -> int: ...


class Backend(Protocol):
    """One way for a session to travel between requests."""

    #: Whether a session is saved, and ended, by the answer alone. If so, nothing can be saved after the headers, an
    #: event is told when the answer leaves, and an answer that never leaves takes along what was saved and ended.
    travels_with_answer: bool

    @property
    def users(self) -> UserSessions | None:
        """Lists and revokes the sessions of users; ``None`` where only browsers hold them."""

    def make_keys(self, full_name: str, *, domain: str | None, path: str) -> Any:
        """What opens and seals the cookie of this name, Domain and Path; made once."""

    def load(
        self, context: CookieContext[Any], touched_at: float, *, has_data: bool = True
    ) -> tuple[Found | None, Sequence[Decision]]:
        """The session that the request's cookie stands for, the first live one of several, and what was rejected.

        The request touches it at *touched_at*, which is now; a store may have let time pass until it has answered.

        Without *has_data* the data is empty, as an end needs of data that cannot be made again.

        It tells no event itself, because the session cannot be read before this has returned.
        """
        ...

    def save(
        self,
        context: CookieContext[Any],
        found: Found | None,
        *,
        changes: Changes,
        token: bytes | None,
        touched_at: float,
    ) -> Outcome:
        """Write *changes* over what was *found*, and alive when the request touched it.

        A new session gets its id from *token*, if that is given and free.
        """
        ...

    def take_over(self, context: CookieContext[Any], record: Live, token: bytes) -> TakenOver | None:
        """Take over the session of *record*, which is none of ours, under *token*; ``None`` if it was ended since.

        What another request has taken over under this token is the session then.
        """
        ...

    def renew(self, context: CookieContext[Any], found: Found) -> Outcome:
        """Note that the session was seen now, without writing its data from this request."""
        ...

    def end(self, found: Found) -> bool:
        """End the session; ``False`` if another request has ended it."""
        ...
