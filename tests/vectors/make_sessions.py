"""Writes the vectors of whole sessions: a cookie, a stored record and an index that every later version must open.

Run once for a format; a file that is there is never written again: ``python tests/vectors/make_sessions.py FILE``.
"""

from __future__ import annotations

import datetime as dt
import decimal
import json
import sys
import uuid
import zoneinfo
from pathlib import Path
from typing import Any

from markupsafe import Markup

from sessionware import SessionManager
from sessionware.stores import KeyValueStore
from sessionware.testing import FakeClock

SECRET = "vEc7oRs-aRe-0pened-4ever-J5q9xWbT"
NOW = 1_700_000_000.25
CONFIG = {"secret": SECRET, "cookie.prefix": "__Host-"}


def every_type() -> dict[str, Any]:
    """A value of each type that a session holds."""
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    in_berlin = dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    return {
        "none": None,
        "bools": [True, False],
        "ints": [0, -1, 2**64, -(2**200)],
        "floats": [0.0, 1.5, -1e300],
        "text": "Zürich 東京 😀",
        "bytes": b"\x00\xff",
        "tuple": (1, ("two", 3.0)),
        "sets": [{1, 2}, frozenset({"a", None})],
        "dict": {1: "int", "1": "str", (1, 2): "tuple", None: "none", uuid.UUID(int=7): "uuid"},
        "datetimes": [dt.datetime(2024, 2, 29, 12, 30, 1, 5), dt.datetime(2024, 2, 29, tzinfo=zone), in_berlin],
        "date": dt.date(1999, 12, 31),
        "times": [dt.time(23, 59, 59, 999999), dt.time(1, 2, tzinfo=dt.timezone.utc)],
        "timedelta": dt.timedelta(days=-1, microseconds=1),
        "uuid": uuid.UUID(int=2**127),
        "decimals": [decimal.Decimal("1.10"), decimal.Decimal("-Infinity")],
        "markup": Markup("<b>bold</b>"),
    }


def vectors() -> dict[str, Any]:
    """A signed-in session with every type, a flash and a CSRF token, as a cookie and as a record."""
    entries: dict[str, bytes] = {}
    found: dict[str, Any] = {"secret": SECRET, "now": NOW}
    for name, backend in (("cookie", "cookie"), ("store", KeyValueStore(entries))):
        manager = SessionManager(CONFIG, backend=backend, clock=FakeClock(NOW))
        session = manager.open({"wsgi.url_scheme": "https"})
        session.update(every_type())
        session.login(42, label="a phone")
        session.flash(Markup("<b>saved</b>"), "success")
        token = session.csrf_token
        lines = dict(manager.commit(session))
        found[name] = {"cookie": lines["Set-Cookie"].partition(";")[0], "id": session.id, "csrf token": token}
    found["store"]["entries"] = {key: value.hex() for key, value in entries.items()}
    return found


if __name__ == "__main__":
    with Path(sys.argv[1]).open("x") as file:
        json.dump(vectors(), file, indent=1)
        file.write("\n")
