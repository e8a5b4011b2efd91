"""Objects that a session refuses."""

from __future__ import annotations

import enum


class Number(enum.IntEnum):
    """An enum that is an int."""

    ONE = 1


class Opaque:
    """A type without a serializer, whose repr holds a secret."""

    def __repr__(self) -> str:
        return "a-secret-value"
