"""Derives from a session's secret token its handle, and from the handle its session id and its key in a store.

A token is the 32 secret bytes that the cookie carries, a handle the 16 bytes that name the session inside the package,
and a session id the handle as text, which may be shown. Token to handle and handle to store key are one-way hashes
(SHA-256, each with a label of its own), so a reader of the store or of a log can open no session.
"""

from __future__ import annotations

import secrets
from binascii import b2a_base64
from hashlib import sha256

from itsdangerous.encoding import base64_decode
from itsdangerous.exc import BadData

TOKEN_BYTES = 32
HANDLE_BYTES = 16
_HANDLE_LABEL = b"sessionware handle\0"
_STORE_KEY_LABEL = b"sessionware store key\0"
_INDEX_KEY_LABEL = b"sessionware index key\0"
_SESSION_ID_CHARACTERS = 22
#: From standard to URL-safe base64 (RFC 4648, sections 4 and 5).
TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


def to_base64url(decoded: bytes) -> bytes:
    """*decoded* as base64url without padding, in a third of the time that itsdangerous takes for it."""
    return b2a_base64(decoded, newline=False).rstrip(b"=").translate(TO_URLSAFE)


def new_token() -> bytes:
    """A new secret token of 256 random bits. Raises OSError if the system has no randomness."""
    return secrets.token_bytes(TOKEN_BYTES)


def new_handle() -> bytes:
    """A new handle of 128 random bits, for a cookie session, which has no token."""
    return secrets.token_bytes(HANDLE_BYTES)


def handle_of(token: bytes) -> bytes:
    """The handle of *token*, from which the token cannot be computed."""
    return sha256(_HANDLE_LABEL + token).digest()[:HANDLE_BYTES]


def store_key(handle: bytes) -> str:
    """The key under which a store keeps the session of *handle*: 43 characters of ``[0-9A-Za-z_-]``."""
    return to_base64url(sha256(_STORE_KEY_LABEL + handle).digest()).decode("ascii")


def index_key(user_id: str | int) -> str:
    """The key under which a store keeps the index of a user; 42 and "42" are one user."""
    return to_base64url(sha256(_INDEX_KEY_LABEL + str(user_id).encode()).digest()).decode("ascii")


def session_id_of(handle: bytes) -> str:
    """*handle* as 22 characters of base64url: safe to log and to show."""
    return to_base64url(handle).decode("ascii")


def handle_from_session_id(text: str) -> bytes | None:
    """The handle whose session id is *text*, or ``None`` if *text* is not a session id."""
    if len(text) != _SESSION_ID_CHARACTERS:
        return None
    try:
        handle = base64_decode(text)
    except BadData:
        return None
    # The decoder skips other characters and ignores the last bits, so only encoding again shows the one spelling.
    return handle if session_id_of(handle) == text else None
