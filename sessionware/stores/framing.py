"""The frame around a payload, for stores whose medium keeps nothing but bytes: its version, its end and its length."""

from __future__ import annotations

import math
import os
import struct
from typing import NamedTuple

VERSION_BYTES = 16

_MAGIC = b"swE1"
# The length tells an entry that is cut off from a whole one.
_HEADER = struct.Struct(f">4s{VERSION_BYTES}sdQ")


class Frame(NamedTuple):
    """What stands in a file or under a key; ``expires_at`` is in seconds since the epoch, infinite for no end."""

    version: bytes
    expires_at: float
    payload: bytes

    def is_expired(self, now: float) -> bool:
        """Whether the entry has reached its end; it ends at ``expires_at``, not after it."""
        return now >= self.expires_at


def new_version() -> bytes:
    """A random version for one write: it does not come back, not after a delete and a restart either."""
    return os.urandom(VERSION_BYTES)


def pack(payload: bytes, version: bytes, expires_at: float | None) -> bytes:
    """The bytes of a frame."""
    end = math.inf if expires_at is None else expires_at
    return _HEADER.pack(_MAGIC, version, end, len(payload)) + payload


def as_bytes(data: object) -> object:
    """*data*, if it is a bytearray or a memoryview, as bytes; anything else unchanged."""
    return bytes(data) if isinstance(data, (bytearray, memoryview)) else data


def unpack(data: object) -> Frame | None:
    """The frame that :func:`pack` made into *data*; ``None`` for anything that is not a whole frame."""
    if not isinstance(data, bytes) or len(data) < _HEADER.size or not data.startswith(_MAGIC):
        return None
    _, version, expires_at, length = _HEADER.unpack_from(data)
    payload = data[_HEADER.size :]
    return Frame(version, expires_at, payload) if len(payload) == length else None


def is_cut_off(data: object) -> bool:
    """Whether *data* is the beginning of a frame, or empty: its writer has not finished, or was killed."""
    if not isinstance(data, bytes) or not data.startswith(_MAGIC[: len(data)]):
        return False
    if len(data) < _HEADER.size:
        return True
    length: int = _HEADER.unpack_from(data)[-1]
    return len(data) - _HEADER.size < length


def is_of_ours(data: bytes) -> bool:
    """Whether *data*, if it is no whole frame, may come from a write of this package that was not finished.

    It then begins as a frame does, or it is empty or begins with zeros, as a power failure leaves files. All else is
    another program's.
    """
    head = data[: len(_MAGIC)]
    return _MAGIC.startswith(head) or not head.strip(b"\0")
