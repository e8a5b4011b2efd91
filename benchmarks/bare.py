"""The bare work of a cookie session, written by hand: the same ciphers, and nothing around them.

It is the least that we know how to write: a key is hashed once and its HMAC copied, as ours does, because
``hmac.digest`` takes 1 µs more.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgpack
import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from benchmarks.contenders import HEADERS, checked
from benchmarks.subject import COUNTER_KEY, SECRET, USER_KEY, Request, sessions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

COOKIE = "bare"
SALT_BYTES, NONCE_BYTES = 24, 12
SEALING, SIGNING = HMAC(SECRET.encode(), SHA256()), HMAC(SECRET[::-1].encode(), SHA256())
ATTRIBUTES = "; Secure; HttpOnly; Path=/; SameSite=Lax"


def keyed(key: HMAC, message: bytes) -> bytes:
    """The HMAC-SHA256 of *message*."""
    copied = key.copy()
    copied.update(message)
    return copied.finalize()


def seal(data: dict[str, Any]) -> str:
    """Pack, encrypt under a key of its own, sign."""
    salt = secrets.token_bytes(SALT_BYTES)
    cipher = AESGCM(keyed(SEALING, salt))
    payload = base64.urlsafe_b64encode(salt + cipher.encrypt(salt[-NONCE_BYTES:], msgpack.packb(data), None))
    signature = base64.urlsafe_b64encode(keyed(SIGNING, payload))
    return (payload + b"." + signature).decode("ascii")


def unseal(text: str) -> Any:
    """Verify, decrypt, unpack."""
    payload, _, signature = text.encode("ascii").partition(b".")
    if not hmac.compare_digest(base64.urlsafe_b64encode(keyed(SIGNING, payload)), signature):
        raise ValueError("a wrong signature")
    sealed = base64.urlsafe_b64decode(payload)
    salt = sealed[:SALT_BYTES]
    cipher = AESGCM(keyed(SEALING, salt))
    return msgspec.msgpack.decode(cipher.decrypt(salt[-NONCE_BYTES:], sealed[SALT_BYTES:], None))


def find(header: str) -> str:
    """The value of our cookie."""
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == COOKIE:
            return value
    raise ValueError("no cookie")


def reading(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    data = unseal(find(environ["HTTP_COOKIE"]))
    checked(data[USER_KEY])
    start_response("200 OK", [*HEADERS, ("Vary", "Cookie")])
    return [b"ok"]


def writing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    data = unseal(find(environ["HTTP_COOKIE"]))
    data[COUNTER_KEY] += 1
    start_response("200 OK", [*HEADERS, ("Vary", "Cookie"), ("Set-Cookie", f"{COOKIE}={seal(data)}{ATTRIBUTES}")])
    return [b"ok"]


def cookies() -> list[str]:
    """The cookie of each session."""
    return [f"{COOKIE}={seal(data)}" for data in sessions()]


def cookie_requests() -> tuple[Request, Request]:
    """A reading and a writing request of an application that does by hand what a cookie session does."""
    return Request(reading, cookies()), Request(writing, cookies())
