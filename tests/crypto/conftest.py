"""What goes wrong below the package's cryptography."""

from __future__ import annotations

import pytest


@pytest.fixture
def no_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system whose random source fails with an OSError."""

    def fail(count: int) -> bytes:
        raise OSError("no randomness")

    for name in ("token_bytes", "token_urlsafe"):
        monkeypatch.setattr(f"secrets.{name}", fail)
