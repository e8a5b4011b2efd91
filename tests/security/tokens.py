"""What can be made of the cookie of a session by a thief, and by a test that knows how it is built."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from itsdangerous.encoding import base64_decode, base64_encode

from sessionware import Session
from sessionware.crypto.identifiers import handle_of, store_key

HEAD_CHARACTERS = 8


def fill(session: Session) -> None:
    """An action: give the session something to lose."""
    session["kept"] = "as it was"


def token_in(value: str) -> bytes:
    """The token in a cookie's value, which every holder of the cookie can read."""
    return base64_decode(value.partition(".")[0][HEAD_CHARACTERS:])


def key_of(value: str) -> str:
    """The key under which the record of a cookie's session is stored."""
    return store_key(handle_of(token_in(value)))


def encoded(data: bytes) -> str:
    return base64_encode(data).decode()


def spellings(value: str) -> Iterator[str]:
    """Every text that differs from *value* in the lowest bit of one character."""
    for place, character in zip(count(), value, strict=False):
        yield f"{value[:place]}{chr(ord(character) ^ 1)}{value[place + 1 :]}"
