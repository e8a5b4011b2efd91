"""The sessions of Flask-Session, whose cookie has the id of a record in a store."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from itsdangerous import BadSignature, Signer

from sessionware.backends.imported import Imported, Unreadable
from sessionware.exceptions import hiding_arguments
from sessionware.importers.flask import PERMANENT
from sessionware.importers.records import Record, Records, records_of
from sessionware.importers.settings import Secrets, cookie_settings, moment_of, seconds_of, secrets_of
from sessionware.wire.bounds import blame_application


class StoredFlaskSessions:
    """Takes over the sessions of Flask-Session in *records*: its Redis, its memcached, its table or its files.

    *secret_key* is given where ``SESSION_USE_SIGNER`` was set. The other parameters have the defaults of Flask-Session
    and Flask: ``SESSION_KEY_PREFIX``, ``SESSION_COOKIE_NAME``, ``SESSION_COOKIE_DOMAIN``, ``SESSION_COOKIE_PATH``,
    ``PERMANENT_SESSION_LIFETIME``; *user_key* as of :class:`sessionware.importers.flask.FlaskSessions`. A record may be
    msgpack or JSON. A pickled one, of a release before 0.7, is refused as ``malformed``, and read by
    :class:`sessionware.importers.pickled.PickledStoredFlaskSessions`.
    """

    #: An id of Flask-Session of any release; nothing else is asked of the store.
    _id = re.compile(r"[0-9A-Za-z_-]{16,128}")

    @hiding_arguments
    def __init__(
        self,
        records: Records,
        *,
        until: object,
        secret_key: Secrets | None = None,
        key_prefix: str = "session:",
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
        self._records = records_of(name, records)
        self._prefix = key_prefix
        self._lifetime = seconds_of(name, "lifetime", lifetime)
        self._signer = (
            None
            if secret_key is None
            else Signer(secrets_of(name, secret_key)[::-1], salt="flask-session", key_derivation="hmac")
        )

    def read(self, value: str, now: float) -> Imported | None:
        sid = self._id_in(value)
        record = self._records.get(self._prefix + sid, now)
        if record is None:
            return None
        data, unreadable = self._decode(record.payload)
        is_permanent = data.pop(PERMANENT, False) is True
        created_at, ends_at = self._times(sid, record, now)
        return Imported(
            data=data,
            began_at=None,
            created_at=created_at,
            ends_at=ends_at,
            is_permanent=is_permanent,
            unreadable=unreadable,
            reference=sid.encode("ascii"),
        )

    def _id_in(self, value: str) -> str:
        if self._signer is not None:
            try:
                value = self._signer.unsign(value.encode("latin-1")).decode("latin-1")
            except (BadSignature, UnicodeEncodeError) as error:
                raise Unreadable("bad_signature") from error
        if not self._id.fullmatch(value):
            raise Unreadable("malformed")
        return value

    def _decode(self, payload: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
        return _unpacked(payload), ()

    def _times(self, sid: str, record: Record, now: float) -> tuple[float | None, float]:
        """When the session began, if that is known, and when it ends."""
        left = self._lifetime if record.seconds_left is None else min(record.seconds_left, self._lifetime)
        return None, now + left

    def has(self, reference: bytes) -> bool:
        return self._records.get(self._prefix + reference.decode("ascii"), 0.0) is not None

    def delete(self, reference: bytes) -> None:
        self._records.delete(self._prefix + reference.decode("ascii"))


def _unpacked(payload: bytes) -> dict[str, Any]:
    """The data in *payload*, be it msgpack or JSON; no JSON is msgpack, too."""
    for decode in (msgspec.msgpack.decode, msgspec.json.decode):
        try:
            found = decode(payload)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            blame_application(error)
            continue
        if type(found) is dict and all(type(key) is str for key in found):
            return found
    raise Unreadable("malformed")
