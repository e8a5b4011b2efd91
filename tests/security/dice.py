"""A random source that repeats itself, so that ids collide."""

from __future__ import annotations

import secrets

import pytest

from sessionware.crypto.identifiers import TOKEN_BYTES


class Dice:
    """A random source that gives the *loaded* bytes first, and then random ones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *loaded: bytes) -> None:
        self._real = secrets.token_bytes
        self._loaded = list(loaded)
        monkeypatch.setattr(secrets, "token_bytes", self)

    def __call__(self, size: int | None = None) -> bytes:
        if self._loaded and size == TOKEN_BYTES:
            return self._loaded.pop(0)
        return self._real(size)

    @property
    def is_spent(self) -> bool:
        return not self._loaded
