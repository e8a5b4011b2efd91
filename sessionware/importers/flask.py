"""Flask's sessions, which are signed cookies of JSON with tags."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any
from uuid import UUID

from itsdangerous import BadSignature, TimestampSigner
from markupsafe import Markup
from werkzeug.http import parse_date

from sessionware.backends.imported import Imported, Unreadable, WithoutRecord
from sessionware.exceptions import hiding_arguments
from sessionware.importers.compression import in_cookie
from sessionware.importers.settings import Secrets, cookie_settings, moment_of, seconds_of, secrets_of
from sessionware.wire.bounds import blame_application

#: Where Flask keeps whether the session outlives the browser.
PERMANENT = "_permanent"
#: Where Flask-WTF keeps a random token.
_CSRF_KEY = "csrf_token"


class FlaskSessions(WithoutRecord):
    """Takes over the sessions of Flask's own cookie; *secret_key* is its ``SECRET_KEY``, or a list with the fallbacks.

    The other parameters have Flask's defaults: ``SESSION_COOKIE_NAME``, ``SESSION_COOKIE_DOMAIN``,
    ``SESSION_COOKIE_PATH``, ``PERMANENT_SESSION_LIFETIME``. *user_key* is the session key that says who the user is,
    without which that of the option ``user_key`` counts, or Flask-Login's. Flashes and the token of Flask-WTF stand
    among the data, and come along there.
    """

    @hiding_arguments
    def __init__(
        self,
        secret_key: Secrets,
        *,
        until: object,
        cookie_name: str = "session",
        cookie_domain: str | None = None,
        cookie_path: str = "/",
        lifetime: object = "31d",
        user_key: str | None = None,
    ) -> None:
        name = type(self).__name__
        self.until = moment_of(name, until)
        self.cookie = cookie_settings(cookie_name, cookie_domain, cookie_path)
        self.user_key = user_key
        self._lifetime = seconds_of(name, "lifetime", lifetime)
        # The last one signs, all verify.
        self._signer = TimestampSigner(
            secrets_of(name, secret_key)[::-1],
            salt="cookie-session",
            key_derivation="hmac",
            digest_method=hashlib.sha1,
        )

    def read(self, value: str, now: float) -> Imported | None:
        try:
            packed, signed_at = self._signer.unsign(value, return_timestamp=True)
            written = json.loads(in_cookie(packed.decode("ascii")))
        except BadSignature as error:
            raise Unreadable("bad_signature") from error
        except (ValueError, RecursionError) as error:
            blame_application(error)
            raise Unreadable("malformed") from error
        if type(written) is not dict:
            raise Unreadable("malformed")
        began_at = signed_at.timestamp()
        return imported_from(written, began_at=began_at, ends_at=began_at + self._lifetime)


def imported_from(written: dict[str, Any], *, began_at: float, ends_at: float) -> Imported:
    """The session of a Flask application whose data was *written* with tags or without, key by key."""
    is_permanent = written.pop(PERMANENT, False) is True
    data, unreadable = {}, []
    for key, value in written.items():
        try:
            data[key] = untagged(value)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            blame_application(error)
            unreadable.append(key)
    return Imported(
        data=data,
        began_at=began_at,
        ends_at=ends_at,
        is_permanent=is_permanent,
        unreadable=tuple(unreadable),
        is_unique=_CSRF_KEY in data,
    )


def untagged(value: Any) -> Any:
    """*value* with what Flask marks in JSON made again; raises what a type raises for a mark without its value."""
    if isinstance(value, list):
        return [untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {key: untagged(item) for key, item in value.items()}
    if len(found) != 1:
        return found
    ((tag, tagged),) = found.items()
    return _TAGS[tag](tagged) if tag in _TAGS else found


def _date(text: str) -> Any:
    found = parse_date(text)
    if found is None:
        raise ValueError("no date")
    return found


def _dict(value: dict[str, Any]) -> dict[str, Any]:
    """A dict whose one key looks like a mark was written with two underscores behind it."""
    ((key, item),) = value.items()
    return {key[:-2]: item}


_TAGS: dict[str, Callable[[Any], Any]] = {
    " di": _dict,
    " t": tuple,
    " b": b64decode,
    " m": Markup,
    " u": UUID,
    " d": _date,
}
