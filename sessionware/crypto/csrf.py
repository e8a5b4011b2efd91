"""The CSRF tokens of a session: secrets that it keeps, masked for each page that shows one.

A page whose text is compressed tells, by its length, of a secret that stands in it each time (BREACH). So a token is
a random pad, followed by the secret XOR that pad: no two are alike, and none can be told from random bytes.
"""

from __future__ import annotations

import secrets
from hashlib import sha256
from hmac import compare_digest, digest

from itsdangerous.encoding import base64_decode
from itsdangerous.exc import BadData

from sessionware.crypto.identifiers import to_base64url
from sessionware.crypto.keys import Keyring, Purpose

SECRET_BYTES = 32
TOKEN_CHARACTERS = 86
_OF_ANOTHER = b"sessionware CSRF token of another package\0"
_FIXED_PAD = b"sessionware CSRF fixed pad"


class CsrfSecrets:
    """Makes the secrets of sessions whose cookie has this *name*."""

    __slots__ = ("_key",)

    def __init__(self, keyring: Keyring, name: str) -> None:
        self._key = keyring.derive(Purpose.CSRF, name)[0]

    def first(self, handle: bytes) -> bytes:
        """The secret that a session gets under *handle*: derived, so that two requests which ask at once get one."""
        return digest(self._key, handle, "sha256")

    def new(self) -> bytes:
        """A secret that has nothing in common with any before."""
        return secrets.token_bytes(SECRET_BYTES)


def mask(secret: bytes) -> str:
    """A token of 86 characters for *secret*, another one at each call."""
    return _masked(secrets.token_bytes(SECRET_BYTES), secret)


def mask_fixed(secret: bytes) -> str:
    """The one token for *secret* that is the same at each call, for code that compares texts. BREACH can find it."""
    return _masked(digest(secret, _FIXED_PAD, "sha256"), secret)


def secret_of_another(token: str) -> bytes:
    """The secret for which :func:`verify` takes this *token* of another package, too, and none that it did not make."""
    return sha256(_OF_ANOTHER + token.encode("utf-8", "surrogatepass")).digest()


def verify(secret: bytes, token: object) -> bool:
    """Whether *token* is one for *secret*, in a time that does not depend on where they differ; never raises."""
    if not isinstance(token, str) or not token.isascii():
        return False
    if len(token) != TOKEN_CHARACTERS:
        return compare_digest(secret_of_another(token), secret)
    try:
        decoded = base64_decode(token)
    except BadData:
        return False
    pad, masked = decoded[:SECRET_BYTES], decoded[SECRET_BYTES:]
    # The decoder skips other characters, and then bytes are missing.
    return len(masked) == SECRET_BYTES and compare_digest(_xor(pad, masked), secret)


def _masked(pad: bytes, secret: bytes) -> str:
    return to_base64url(pad + _xor(pad, secret)).decode("ascii")


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(SECRET_BYTES, "big")
