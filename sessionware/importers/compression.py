"""What other packages have compressed with zlib, expanded up to a bound."""

from __future__ import annotations

import zlib
from base64 import urlsafe_b64decode

#: More than this is no session of a user.
MAX_EXPANDED_BYTES = 1 << 20
#: Of what is all in a cookie of 4 KB, so that a client cannot make each of its requests a long one.
MAX_COOKIE_BYTES = 1 << 16


def in_cookie(text: str) -> bytes:
    """What *text* of a cookie of Flask or Django stands for: base64, and compressed behind a dot."""
    encoded = text.removeprefix(".")
    payload = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    return payload if encoded == text else expanded(payload, at_most=MAX_COOKIE_BYTES)


def expanded(payload: bytes, *, at_most: int) -> bytes:
    """What *payload* was before it was compressed; raises ``ValueError`` for what is not all of that, or too large."""
    expander = zlib.decompressobj()
    try:
        found = expander.decompress(payload, at_most)
    except zlib.error as error:
        raise ValueError("not compressed") from error
    if not expander.eof:
        raise ValueError("cut off, or larger than any session needs")
    return found
