"""What stands in front of a payload where the medium keeps nothing but bytes: its version and its end."""

from __future__ import annotations

import math
import os
import struct
from typing import NamedTuple

VERSION_BYTES = 16

_MAGIC = b"swE1"
# The length is there to tell a truncated entry from a whole one.
_HEADER = struct.Struct(f">4s{VERSION_BYTES}sdQ")


class Envelope(NamedTuple):
    """An entry as it lies in a file or under a key; ``expires_at`` in seconds since the epoch, infinite for no end."""

    version: bytes
    expires_at: float
    payload: bytes

    def is_expired(self, now: float) -> bool:
        """Whether its time is over: at the limit, not after it."""
        return now >= self.expires_at


def new_version() -> bytes:
    """A value for one write, drawn from the operating system: it does not come back, not even after a delete."""
    return os.urandom(VERSION_BYTES)


def wrap(payload: bytes, version: bytes, expires_at: float | None) -> bytes:
    """The bytes to keep."""
    end = math.inf if expires_at is None else expires_at
    return _HEADER.pack(_MAGIC, version, end, len(payload)) + payload


def unwrap(data: object) -> Envelope | None:
    """What :func:`wrap` was given; ``None`` for anything that is not whole or not ours."""
    if not isinstance(data, bytes) or len(data) < _HEADER.size or not data.startswith(_MAGIC):
        return None
    _, version, expires_at, length = _HEADER.unpack_from(data)
    payload = data[_HEADER.size :]
    return Envelope(version, expires_at, payload) if len(payload) == length else None


def is_cut_off(data: object) -> bool:
    """Whether it is the beginning of what :func:`wrap` gives, or nothing yet: a write that goes on, or was killed."""
    if not isinstance(data, bytes) or not data.startswith(_MAGIC[: len(data)]):
        return False
    if len(data) < _HEADER.size:
        return True
    length: int = _HEADER.unpack_from(data)[-1]
    return len(data) - _HEADER.size < length
