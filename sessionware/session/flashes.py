"""One-time messages: what a request has added and popped, and laying that over a record.

A flash at rest is packed by itself, with a few random bytes that tell it from another one of the same text. So a
merge can remove exactly those flashes that this request has popped, and a session is loaded and ended without a
look at its messages, which may be of types of the application.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from sessionware.exceptions import SessionDataError
from sessionware.wire.serializer import Malformed, Serializer

#: It has to differ only from the marks of the few flashes of one session that have the same text.
FLASH_MARK_BYTES = 4


class FlashChanges:
    """What one request did to the flashes of its session. It is not changed, so that another can take its place."""

    __slots__ = ("_added", "_popped")

    def __init__(self, added: tuple[bytes, ...] = (), popped: frozenset[bytes] = frozenset()) -> None:
        self._added = added
        self._popped = popped

    def __bool__(self) -> bool:
        return bool(self._added or self._popped)

    def over(self, flashes: list[bytes]) -> list[bytes]:
        """The flashes of a record, less those popped here, and those added here."""
        return [*(flash for flash in flashes if flash not in self._popped), *self._added]

    def adding(self, flash: bytes) -> FlashChanges:
        """These changes, and *flash* added."""
        return FlashChanges((*self._added, flash), self._popped)

    def popping(self, flashes: Iterable[bytes]) -> FlashChanges:
        """These changes, and *flashes* popped; those that were added here are as if they had never been."""
        popped = frozenset(flashes)
        left = tuple(flash for flash in self._added if flash not in popped)
        return FlashChanges(left, self._popped | popped.difference(self._added))


def pack_flash(serializer: Serializer, message: Any, category: str, *, mark: bytes | None = None) -> bytes:
    """A flash as it is stored; raises SessionDataError, with the path, for what a session cannot hold.

    *mark* tells it from others of the same text; by default it is random.
    """
    if type(category) is not str:
        raise SessionDataError(f"flash(category=…) takes a str, and this is of type {type(category).__name__}")
    serializer.check_part("flash(category=…)", category)
    serializer.check_part("flash(message)", message)
    return serializer.dumps([secrets.token_bytes(FLASH_MARK_BYTES) if mark is None else mark, category, message])


def unpack_flash(serializer: Serializer, packed: bytes) -> tuple[str, Any] | None:
    """The category and the message of a flash, or ``None`` for what is none.

    Raises SessionDataError, which is the application's fault, for a message that cannot be made again.
    """
    try:
        _, category, message = serializer.loads(packed)
    except (Malformed, TypeError, ValueError):
        return None
    return (category, message) if type(category) is str else None
