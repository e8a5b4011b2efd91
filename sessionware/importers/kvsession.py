"""The sessions of Flask-KVSession, whose cookie has a signed id with the time at which it was made."""

from __future__ import annotations

import re
from typing import Any

from itsdangerous import BadSignature, Signer

from sessionware.backends.imported import Imported, Unreadable
from sessionware.importers.flask import PERMANENT
from sessionware.importers.flask_session import unpacked
from sessionware.importers.records import Record, asking
from sessionware.importers.settings import Secrets, cookie_settings, moment_of, seconds_of, secrets_of

_ID = re.compile(r"[0-9a-f]{1,128}_([0-9a-f]{1,12})")


class KVRecords:
    """Records in *store*, an object of simplekv or minimalkv."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self, key: str, now: float) -> Record | None:
        with asking("the key/value store"):
            try:
                payload = self._store.get(key)
            except KeyError:
                return None
        return Record(payload, None) if isinstance(payload, bytes) else None

    def delete(self, key: str) -> None:
        with asking("the key/value store"):
            self._store.delete(key)


class KVSessions:
    """Takes over the sessions of Flask-KVSession in *store*, where its serialization was changed to JSON.

    *secret_key* is Flask's ``SECRET_KEY``, or a list with former ones. The other parameters have Flask's defaults;
    *user_key* as of :class:`sessionware.importers.flask.FlaskSessions`.
    """

    def __init__(
        self,
        store: Any,
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
        self._records = KVRecords(store)
        self._lifetime = seconds_of(name, "lifetime", lifetime)
        # The last one signs, all verify.
        self._signer = Signer(secrets_of(name, secret_key)[::-1])

    def read(self, value: str, now: float) -> Imported | None:
        try:
            signed = self._signer.unsign(value.encode("latin-1"))
        except (BadSignature, UnicodeEncodeError) as error:
            raise Unreadable("bad_signature") from error
        sid = signed.decode("latin-1")
        found = _ID.fullmatch(sid)
        if found is None:
            raise Unreadable("malformed")
        made_at = int(found[1], 16)
        record = self._records.get(sid, now)
        if record is None:
            return None
        data, unreadable = self._decode(record.payload)
        is_permanent = data.pop(PERMANENT, False) is True
        return Imported(
            data=data,
            began_at=None,
            created_at=float(made_at),
            ends_at=made_at + self._lifetime,
            is_permanent=is_permanent,
            unreadable=unreadable,
            reference=signed,
        )

    def _decode(self, payload: bytes) -> tuple[dict[str, Any], tuple[str, ...]]:
        return unpacked(payload), ()

    def has(self, reference: bytes) -> bool:
        return self._records.get(reference.decode("ascii"), 0.0) is not None

    def delete(self, reference: bytes) -> None:
        self._records.delete(reference.decode("ascii"))
