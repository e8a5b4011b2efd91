"""From a secret token to its public handle and to its key in a store.

Each step is a hash of its own, so none leads back: who reads the store, or is shown a handle, opens no session.
"""

from __future__ import annotations

import hashlib
import secrets

from itsdangerous.encoding import base64_decode, base64_encode
from itsdangerous.exc import BadData

TOKEN_BYTES = 32
HANDLE_BYTES = 16
_HANDLE_LABEL = b"sessionware handle\0"
_STORE_KEY_LABEL = b"sessionware store key\0"
_SESSION_ID_CHARACTERS = 22


def new_token() -> bytes:
    """A new secret token of 256 random bits; raises what a failing random source raises."""
    return secrets.token_bytes(TOKEN_BYTES)


def new_handle() -> bytes:
    """A new handle of 128 random bits, for a session that has no token."""
    return secrets.token_bytes(HANDLE_BYTES)


def handle_of(token: bytes) -> bytes:
    """The handle of *token*, from which the token cannot be found."""
    return hashlib.sha256(_HANDLE_LABEL + token).digest()[:HANDLE_BYTES]


def store_key(handle: bytes) -> str:
    """The key of 43 characters of ``[0-9A-Za-z_-]`` under which a store holds the session of *handle*."""
    return base64_encode(hashlib.sha256(_STORE_KEY_LABEL + handle).digest()).decode("ascii")


def session_id_of(handle: bytes) -> str:
    """*handle* as text of 22 characters: safe to log and to show."""
    return base64_encode(handle).decode("ascii")


def handle_from_session_id(text: str) -> bytes | None:
    """The handle that :func:`session_id_of` gave *text* for, or ``None`` for any other text."""
    if len(text) != _SESSION_ID_CHARACTERS:
        return None
    try:
        handle = base64_decode(text)
    except BadData:
        return None
    # The decoder skips what is no base64 and ignores the last bits; an id has one spelling.
    return handle if session_id_of(handle) == text else None
