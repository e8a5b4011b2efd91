"""Reads decisions out of bytes, so that a fuzzer which changes bytes changes decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Option = TypeVar("Option")

_MAX_EDITS = 4


class Choices:
    """Decisions in the order in which they are asked for; where the bytes are used up, each is the first or empty."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def are_left(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """The next *count* bytes, or what is left."""
        taken = self._data[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))

    def below(self, limit: int) -> int:
        """A number from 0 to *limit*, which is not among them."""
        count = 1 if limit <= 1 << 8 else 2
        return int.from_bytes(self.take(count), "big") % limit

    def one_of(self, options: Sequence[Option]) -> Option:
        return options[self.below(len(options))]

    def some_bytes(self) -> bytes:
        """Up to 255 bytes, behind one that says how many."""
        return self.take(self.below(256))

    def text(self) -> str:
        """Any text, a lone surrogate for what is no UTF-8."""
        return self.some_bytes().decode("utf-8", "surrogateescape")

    def edited(self, original: bytes) -> bytes:
        """*original* after a few changes, none of which need make a difference."""
        changed = bytearray(original)
        for _ in range(self.below(_MAX_EDITS + 1)):
            kind, place = self.below(5), self.below(len(changed) + 1)
            if kind == 0:
                changed[place : place + 1] = self.take(1)
            elif kind == 1:
                changed[place:place] = self.some_bytes()
            elif kind == 2:
                del changed[place : place + 1 + self.below(32)]
            elif kind == 3:
                del changed[place:]
            elif place < len(changed):
                changed[place] ^= 1 << self.below(8)
        return bytes(changed)
