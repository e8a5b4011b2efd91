"""A store that keeps nothing, for tests of how stores are found and made."""

from __future__ import annotations

from typing import Any


class EmptyStore:
    """Has the four methods of a store, and finds nothing."""

    def load(self, key: str) -> None:
        """See Store."""

    def create(self, key: str, payload: bytes, ttl: float | None) -> int:
        """See Store."""
        return 0

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> int:
        """See Store."""
        return 0

    def delete(self, key: str) -> bool:
        """See Store."""
        return False
