"""What was sealed once opens forever."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sessionware.crypto.keys import Keyring, Purpose, read_secrets
from sessionware.crypto.sealing import CookieSealer, CookieSigner, Opened, RecordSealer

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("sealing.json").read_text(encoding="ascii"))


def open_vector(kind: str, sealed: str) -> Opened:
    keyring, name, scope = Keyring(read_secrets(VECTORS["secrets"])), VECTORS["name"], VECTORS["scope"]
    if kind == "token":
        return CookieSigner(keyring, Purpose.TOKEN_SIGN, name).open(sealed)
    if kind == "seen":
        return CookieSigner(keyring, Purpose.SEEN_SIGN, name, **scope).open(sealed)
    if kind == "session":
        return CookieSealer(keyring, name, **scope).open(sealed)
    return RecordSealer(keyring).open(bytes.fromhex(sealed), VECTORS["store_key"])


@pytest.mark.parametrize("kind", ["token", "seen", "session", "record"])
def test_what_the_first_secret_sealed_opens_forever(kind: str) -> None:
    opened = open_vector(kind, VECTORS["sealed_by_the_first"][kind])

    assert opened == Opened(bytes.fromhex(VECTORS["payloads"][kind]), "6847208c", True)


@pytest.mark.parametrize("kind", ["token", "seen", "session", "record"])
def test_what_an_older_secret_sealed_opens_forever(kind: str) -> None:
    opened = open_vector(kind, VECTORS["sealed_by_the_second"][kind])

    assert opened == Opened(bytes.fromhex(VECTORS["payloads"][kind]), "c9191de5", False)
