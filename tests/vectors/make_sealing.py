"""Writes the vectors of a new format, once: ``python tests/vectors/make_sealing.py sealing-2.json``.

A file of vectors is never rewritten, for it represents the cookies and records that are in use.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSealer, CookieSigner, RecordSealer

SECRETS = ["NpX1kT7-wZq4bR9_cJf2Hs8Gm0VdYe5L", "Ua6_Wt3oKx9-Bi1nQz7Cj5Pg0Rl8EhFv"]
NAME = "__Secure-sid"
SCOPE: dict[str, Any] = {"domain": "example.com", "path": "/shop"}
STORE_KEY = "KA0SH2hMlYq1GEOSjfVybYAoeoyWmLi860DentEniAY"
TOKEN = bytes(range(32))
SEEN = bytes(range(24))
DATA = b"\x81\xa5theme\xa4dark"


def make(secrets: list[str]) -> dict[str, str]:
    """One of each kind, sealed by the first of *secrets*."""
    keyring = Keyring([secret.encode() for secret in secrets])
    return {
        "token": CookieSigner(keyring, Purpose.TOKEN_SIGN, NAME).sign(TOKEN),
        "seen": CookieSigner(keyring, Purpose.SEEN_SIGN, NAME, **SCOPE).sign(SEEN),
        "session": CookieSealer(keyring, NAME, **SCOPE).seal(DATA),
        "record": RecordSealer(keyring).seal(DATA, STORE_KEY).hex(),
    }


def main(path: str) -> None:
    """Write the vectors of both secrets to *path*, where nothing may be yet."""
    vectors = {
        "secrets": SECRETS,
        "name": NAME,
        "scope": SCOPE,
        "store_key": STORE_KEY,
        "payloads": {"token": TOKEN.hex(), "seen": SEEN.hex(), "session": DATA.hex(), "record": DATA.hex()},
        "sealed_by_the_first": make(SECRETS),
        "sealed_by_the_second": make(SECRETS[1:]),
    }
    with open(path, "x", encoding="ascii") as file:
        json.dump(vectors, file, indent=2)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
