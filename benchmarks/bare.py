"""The bare work of a cookie session, written by hand: the same ciphers, and nothing around them."""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgpack
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from benchmarks.contenders import HEADERS
from benchmarks.subject import COUNTER_KEY, SECRET, USER_KEY, Request, ten_keys

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NONCE_BYTES = 12
SEALING_KEY, SIGNING_KEY = SECRET.encode(), SECRET[::-1].encode()
CIPHER = AESGCMSIV(SEALING_KEY)
ATTRIBUTES = "; Secure; HttpOnly; Path=/; SameSite=Lax"


def seal(data: dict[str, Any]) -> str:
    """Pack, encrypt, sign."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    payload = base64.urlsafe_b64encode(nonce + CIPHER.encrypt(nonce, msgpack.packb(data), None))
    signature = base64.urlsafe_b64encode(hmac.digest(SIGNING_KEY, payload, "sha256"))
    return (payload + b"." + signature).decode("ascii")


def unseal(text: str) -> Any:
    """Verify, decrypt, unpack."""
    payload, _, signature = text.encode("ascii").partition(b".")
    if not hmac.compare_digest(base64.urlsafe_b64encode(hmac.digest(SIGNING_KEY, payload, "sha256")), signature):
        raise ValueError("a wrong signature")
    sealed = base64.urlsafe_b64decode(payload)
    return msgpack.unpackb(CIPHER.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None))


def find(header: str) -> str:
    """The value of our cookie."""
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == "sid":
            return value
    raise ValueError("no cookie")


def reading(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    data = unseal(find(environ["HTTP_COOKIE"]))
    data[USER_KEY]
    start_response("200 OK", [*HEADERS, ("Vary", "Cookie")])
    return [b"ok"]


def writing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    data = unseal(find(environ["HTTP_COOKIE"]))
    data[COUNTER_KEY] += 1
    start_response("200 OK", [*HEADERS, ("Vary", "Cookie"), ("Set-Cookie", f"sid={seal(data)}{ATTRIBUTES}")])
    return [b"ok"]


def cookie_requests() -> tuple[Request, Request]:
    """A reading and a writing request of an application that does by hand what a cookie session does."""
    cookie = f"sid={seal(ten_keys())}"
    apps: tuple[WSGIApplication, WSGIApplication] = (reading, writing)
    return Request(apps[0], cookie), Request(apps[1], cookie)
