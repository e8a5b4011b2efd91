"""The suites of other packages that are run through the integrations, and which of their tests must differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class Peer:
    """A package whose sdist has its tests: what they need, where they are, and what is excluded, with each reason."""

    requirement: str
    needs: tuple[str, ...] = ()
    excluded: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


_EXPIRES = "our cookies have Max-Age, which every browser knows, and no Expires, which depends on the client's clock"
_REFRESH = "a permanent session has its end from the beginning; no answer sends the cookie again just to move it"

PEERS = {
    "Flask": Peer(
        "Flask==3.1.3",
        ("asgiref", "python-dotenv"),
        {
            "tests/test_basic.py::test_session_using_samesite_attribute": (
                "a bad SESSION_COOKIE_SAMESITE is a ConfigError and no ValueError; without one, SameSite is Lax"
            ),
            "tests/test_basic.py::test_session_expiration": _EXPIRES,
            "tests/test_basic.py::test_session_cookie_setting": _REFRESH,
            "tests/test_basic.py::test_session_refresh_vary": "a view that does not use the session sends no Vary",
            "tests/test_reqctx.py::test_bad_environ_raises_bad_request": (
                "it fails with Flask's own session, too, under the werkzeug of today"
            ),
        },
    ),
    "Flask-Login": Peer("Flask-Login==0.6.3", ("semantic_version", "asgiref")),
    "Flask-WTF": Peer("Flask-WTF==1.3.0", ("flask-babel", "email-validator")),
}
