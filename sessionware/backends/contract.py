"""How a session travels between requests: the contract of its carriers.

All of it in the cookie, or a token with a record in a store; nobody above asks which of the two it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from sessionware.cookies.request import CookieContext
from sessionware.session.changes import Changes
from sessionware.session.records import Live


class Base(Protocol):
    """What a carrier knows of a session that it has found."""

    @property
    def record(self) -> Live: ...
    @property
    def is_superseded(self) -> bool: ...


class Outcome(NamedTuple):
    """What has become of a session, and the lines of Set-Cookie that tell the browser."""

    base: Base | None
    cookie_lines: tuple[str, ...] = ()
    is_saved: bool = True


class Carrier(Protocol):
    """One way for a session to travel between requests."""

    #: Whether a change of a session that was found can be saved when the headers are out.
    can_save_late: bool

    def make_keys(self, full_name: str) -> Any:
        """What opens and seals the cookie of this name; made once."""

    def open(self, context: CookieContext[Any]) -> Base | None:
        """The session that the request's cookie stands for; the first live one of several."""

    def draw(self) -> bytes:
        """The seed of a new id."""
        ...

    def handle(self, seed: bytes) -> bytes:
        """The handle that *seed* gives."""
        ...

    def save(self, context: CookieContext[Any], base: Any, changes: Changes, seed: bytes | None) -> Outcome:
        """Write what is pending."""
        ...

    def renew(self, context: CookieContext[Any], base: Any) -> Outcome:
        """Note that the session was seen now, without writing its data from this request."""
        ...

    def end(self, base: Any) -> bool:
        """End the session; whether this call has ended it."""
        ...
