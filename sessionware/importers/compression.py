"""What other packages have compressed with zlib, expanded up to a bound."""

from __future__ import annotations

import zlib

#: More than this is no session of a user.
_MAX_EXPANDED_BYTES = 1 << 20


def expanded(payload: bytes) -> bytes:
    """What *payload* was before it was compressed; raises ``ValueError`` for what is not all of that, or too large."""
    expander = zlib.decompressobj()
    try:
        found = expander.decompress(payload, _MAX_EXPANDED_BYTES)
    except zlib.error as error:
        raise ValueError("not compressed") from error
    if not expander.eof:
        raise ValueError("cut off, or larger than any session needs")
    return found
