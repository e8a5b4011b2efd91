"""Secrets that are long enough, for suites that have short ones."""

from __future__ import annotations

import hashlib


def lengthened(short: str | bytes) -> str:
    """A secret that is made of a short one, the same in every process."""
    return hashlib.sha256(short.encode() if isinstance(short, str) else short).hexdigest()
