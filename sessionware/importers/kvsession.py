"""The sessions of Flask-KVSession, whose cookie has a signed id with the time at which it was made."""

from __future__ import annotations

import re
from typing import Any

from itsdangerous import Signer

from sessionware.exceptions import hiding_arguments
from sessionware.importers.flask_session import StoredFlaskSessions
from sessionware.importers.records import Record, asking, payload_of
from sessionware.importers.settings import Secrets, secrets_of
from sessionware.stores.keyvalue.adapters import described


class KVRecords:
    """Records in *store*, an object of simplekv or minimalkv."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self._place = described(store)

    def get(self, key: str, now: float) -> Record | None:
        with asking(self._place):
            try:
                found = self._store.get(key)
            except KeyError:
                return None
        payload = payload_of(found, self._place)
        return None if payload is None else Record(payload, None)

    def delete(self, key: str) -> None:
        with asking(self._place):
            self._store.delete(key)


class KVSessions(StoredFlaskSessions):
    """Takes over the sessions of Flask-KVSession in *store*, where its serialization was changed to JSON.

    *secret_key* is Flask's ``SECRET_KEY``, or a list with former ones. The other parameters have Flask's defaults;
    *user_key* as of :class:`sessionware.importers.flask.FlaskSessions`.
    """

    #: Behind the underscore it has the moment at which it was made, in hexadecimal seconds.
    _id = re.compile(r"[0-9a-f]{1,128}_[0-9a-f]{1,12}")

    @hiding_arguments
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
        super().__init__(
            KVRecords(store),
            until=until,
            key_prefix="",
            cookie_name=cookie_name,
            cookie_domain=cookie_domain,
            cookie_path=cookie_path,
            lifetime=lifetime,
            user_key=user_key,
        )
        # Without the salt of Flask-Session. The last one signs, all verify.
        self._signer = Signer(secrets_of(type(self).__name__, secret_key)[::-1])

    def _times(self, sid: str, record: Record, now: float) -> tuple[float | None, float]:
        made_at = int(sid.rpartition("_")[2], 16)
        return float(made_at), made_at + self._lifetime
