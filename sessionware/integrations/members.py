"""What the sessions of other packages have beside ours: a look at the flashes, and a CSRF token that stays the same."""

from __future__ import annotations

from typing import Any

from sessionware.crypto import csrf
from sessionware.session.mapping import Session


def peek_flashes(session: Session, category: str) -> list[Any]:
    """The messages of *category*, oldest first, which all stay."""
    request = session._loaded()
    return [message for _, message in request.changes.flashes_in(request.stored, category).values()]


def fixed_csrf_token(session: Session) -> str:
    """A token of the session that is the same at each call; ``verify_csrf`` takes it as any other."""
    token = session.csrf_token  # it begins the session, where that has no token yet
    secret = session._loaded().csrf
    return token if secret is None else csrf.mask_fixed(secret)


def has_csrf_token(session: Session) -> bool:
    """Whether the session has a token already: to ask for one would begin it."""
    return session._loaded().csrf is not None


def renew_csrf(session: Session) -> None:
    """Let the session have new CSRF tokens, so that those from before are good no more."""
    changes = session._changing()
    changes.replace_csrf(session._persistence.csrf.new())
