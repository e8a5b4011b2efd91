"""Django's sessions of the engine ``signed_cookies``, which are JSON in a signed cookie."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from hmac import compare_digest, digest

from sessionware.backends.imported import Imported, Unreadable, WithoutRecord
from sessionware.exceptions import hiding_arguments
from sessionware.importers.compression import in_cookie
from sessionware.importers.settings import Secrets, cookie_settings, moment_of, seconds_of, secrets_of
from sessionware.wire.bounds import blame_application

_SALT = b"django.contrib.sessions.backends.signed_cookies" + b"signer"
#: Of the present release, and of those before 3.1 or with its setting for them.
_ALGORITHMS = ("sha256", "sha1")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MAX_DIGITS = 10
#: Where Django keeps the user's id, and a lifetime of the session's own.
_USER_KEY = "_auth_user_id"
_EXPIRY = "_session_expiry"


class DjangoSessions(WithoutRecord):
    """Takes over Django's signed cookies; *secret_key* is its ``SECRET_KEY``, or a list with the fallbacks.

    The other parameters have Django's defaults: ``SESSION_COOKIE_NAME``, ``SESSION_COOKIE_DOMAIN``,
    ``SESSION_COOKIE_PATH``, ``SESSION_COOKIE_AGE``. Nothing but JSON is read, Django's default.
    """

    @hiding_arguments
    def __init__(
        self,
        secret_key: Secrets,
        *,
        until: object,
        cookie_name: str = "sessionid",
        cookie_domain: str | None = None,
        cookie_path: str = "/",
        lifetime: object = "14d",
        user_key: str = _USER_KEY,
    ) -> None:
        name = type(self).__name__
        self.until = moment_of(name, until)
        self.cookie = cookie_settings(cookie_name, cookie_domain, cookie_path)
        self.user_key = user_key
        self._lifetime = seconds_of(name, "lifetime", lifetime)
        self._keys = [
            (algorithm, hashlib.new(algorithm, _SALT + secret).digest())
            for secret in secrets_of(name, secret_key)
            for algorithm in _ALGORITHMS
        ]

    def read(self, value: str, now: float) -> Imported | None:
        signed, _, signature = value.rpartition(":")
        if not any(compare_digest(signature.encode("latin-1"), _signature(*key, signed)) for key in self._keys):
            raise Unreadable("bad_signature")
        packed, _, timestamp = signed.rpartition(":")
        try:
            data, signed_at = json.loads(in_cookie(packed).decode("latin-1")), _number(timestamp)
        except (ValueError, RecursionError) as error:
            blame_application(error)
            raise Unreadable("malformed") from error
        if type(data) is not dict:
            raise Unreadable("malformed")
        own = data.pop(_EXPIRY, None)
        lifetime = own if type(own) is int and own > 0 else self._lifetime
        return Imported(data=data, began_at=float(signed_at), ends_at=signed_at + lifetime)


def _signature(algorithm: str, key: bytes, signed: str) -> bytes:
    return urlsafe_b64encode(digest(key, signed.encode("latin-1"), algorithm)).rstrip(b"=")


def _number(text: str) -> int:
    """The number that *text* writes in base 62."""
    if not 0 < len(text) <= _MAX_DIGITS:
        raise ValueError("no timestamp")
    number = 0
    for digit in text:
        number = number * len(_DIGITS) + _DIGITS.index(digit)
    return number
