"""What a request asks of its session's identity, until it is saved: whose it is, and how long it lives."""

from __future__ import annotations

from typing import Any

from sessionware.exceptions import SessionDataError
from sessionware.session.lifetimes import parse_duration

MAX_CHARACTERS = 1024
MAX_ID_BITS = 256
_NO_LIFETIME = "the configured timeouts"


class Login:
    """A login, at *at*, *over* the session of a user or of a visitor. Over another user's, the session starts empty.

    Two ids are one user if ``str`` makes them equal. Raises :exc:`SessionDataError` for an id that is neither a
    non-empty str nor an int, and for a label that is no str.
    """

    __slots__ = ("at", "is_over_another_user", "label", "user_id")

    def __init__(self, user_id: str | int, label: str | None, at: float, *, over: str | int | None) -> None:
        check_user_id(user_id, "login()")
        if label is not None and not _is_short(label):
            raise SessionDataError(f"login(label=…) takes a string of up to {MAX_CHARACTERS} characters")
        self.user_id = user_id
        self.label = label
        self.at = at
        self.is_over_another_user = over is not None and str(over) != str(user_id)


class Remember:
    """A lifetime of the session's own, counted from *at*; ``None`` goes back to the configured timeouts.

    Raises :exc:`SessionDataError` for what is no duration.
    """

    __slots__ = ("at", "lifetime")

    def __init__(self, lifetime: Any, at: float) -> None:
        self.lifetime = None if lifetime is None else duration_for("remember", lifetime, none_means=_NO_LIFETIME)
        self.at = at


def duration_for(member: str, value: Any, *, none_means: str = "") -> float:
    """The seconds of the duration that *member* of a session was given.

    Raises :exc:`SessionDataError` for what is none, which tells what ``None`` means to a member that takes it.
    """
    try:
        return parse_duration(value)
    except (ValueError, OverflowError) as error:
        cure = f"; None means {none_means}" if none_means else ""
        raise SessionDataError(f"{member}(): {error}{cure}") from None


def check_user_id(user_id: object, taker: str) -> None:
    """Raise SessionDataError, in the name of its *taker*, for what is no user's id."""
    if type(user_id) is int and user_id.bit_length() <= MAX_ID_BITS:
        return
    if not user_id or not _is_short(user_id):
        raise SessionDataError(
            f"{taker} takes the user's id as a str of 1 to {MAX_CHARACTERS} characters, or as an int of up to "
            f"{MAX_ID_BITS} bits, and this {_fault_of(user_id)}"
        )


def _fault_of(user_id: object) -> str:
    if user_id == "":
        return "is empty, as a form's field is that was not filled in"
    if type(user_id) is int:
        return f"has {user_id.bit_length()} bits"
    if type(user_id) is str:
        return "holds a lone surrogate" if _has_surrogate(user_id) else f"has {len(user_id)} characters"
    if user_id is None:
        return "is None, as the id of a user is who was not found or is not in the database yet"
    cure = "" if type(user_id) is bool else "; give str(id) for ids of other kinds"
    return f"is of type {type(user_id).__name__}{cure}"


def _is_short(value: object) -> bool:
    return type(value) is str and len(value) <= MAX_CHARACTERS and not _has_surrogate(value)


def _has_surrogate(value: str) -> bool:
    # UTF-8 has no bytes for half a character.
    return not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)
