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
    #: Where those of its tests are that concern sessions.
    tests: tuple[str, ...] = ("tests",)
    #: The module here whose sessions take the place of those that it knows.
    sessions: str = "flask_sessions"
    excluded: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


_EXPIRES = "our cookies have Max-Age, which every browser knows, and no Expires, which depends on the client's clock"
_REFRESH = "a permanent session has its end from the beginning; no answer sends the cookie again just to move it"
_BEAKERS_COOKIES = ("cookie_expires", "domain_setting", "cookie_domain_only")
_PYRAMIDS = ("session", "csrf", "testing", "authentication", "viewderivers", "integration")
_CONFIG_ERROR = "a bad option is a ConfigError and no ValueError"
_PYRAMIDS_COOKIES = {
    "changed": "an empty session is no session, and nothing writes one",
    "cookie_max_age_invalid": "no option says in seconds how long the cookie lives",
    "reissue_invalid": _CONFIG_ERROR,
    "timeout_invalid": _CONFIG_ERROR,
    "_set_cookie_cookieval_too_long": "it is a CookieTooLarge and no ValueError, and a store has no such bound",
    "_set_cookie_on_exception_no_request_exception": "Cache-Control stands behind Set-Cookie",
    "_set_cookie_options": "Cache-Control stands behind Set-Cookie, whose attributes stand in another order",
    "_set_cookie_real_webob_response": "Cache-Control stands behind Set-Cookie",
    "no_set_cookie_with_exception": "save_on_error goes by the status, which is no 5xx, not by request.exception",
}
#: The reason, and the tests that differ for it.
_REDIS_SESSIONS = {
    "it looks into Redis, or at members that tell how a session is kept there": (
        *("created_access_after_invalidate_creates_new_session", "dict_multilevel_detect_changes_on"),
        *("invalidate", "invalidate_new_session_invalidate", "invalidate_new_session_invalidate_new_session"),
        *("managed_dict_access_after_invalidate_creates_new_session", "new_session_after_invalidate"),
        *("new_attribute_access_after_invalidate_creates_new_session", "timeout"),
        "repeated_invalidates_without_new_session_created_in_between",
        "session_id_access_after_invalidate_creates_new_session",
        "timeout_access_after_invalidate_creates_new_session",
    ),
    "ids are drawn, and are no keys of the store": ("init_existing_session", "init_new_session"),
    "a change within a value is always seen": ("dict_multilevel_detect_changes_off",),
    "a session has the members of a dict of Python 3": ("iteritems", "iterkeys", "itervalues"),
    "remember(lifetime) takes their place, as the error says": (
        *("adjust_session_timeout", "adjust_session_timeout__legacy"),
    ),
}
_INSIDE = "it looks into Beaker's cookies, files or attributes, which ours are not"
_OF_ONE_SESSION = "Domain and Path are options of all sessions; setting them for one is a warning"

PEERS = {
    "Flask": Peer(
        "Flask==3.1.3",
        ("asgiref", "python-dotenv"),
        excluded={
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
    "Beaker": Peer(
        # The last sdist that has its tests; its own cookie sessions need the module that encrypts.
        "Beaker==1.13.0",
        ("webtest", "pycryptodome"),
        tuple(f"tests/test_{name}.py" for name in ("session", "cookie_only", *_BEAKERS_COOKIES)),
        sessions="beaker_sessions",
        excluded={
            "tests/test_session.py::check_invalidate": "what begins in a request began with it, after invalidate() too",
            "tests/test_session.py::check_timeout": "an empty session is none, and begins when it is first written",
            "tests/test_session.py::test_regenerate_id": "the id changes when the new one is written, not before",
            "tests/test_session.py::test_timeout_requires_accessed_time": (
                "when a session was seen is always written down"
            ),
            "tests/test_session.py::test_cookies_enabled": _OF_ONE_SESSION,
            "tests/test_session.py::test_file_based_replace_optimization": _INSIDE,
            "tests/test_session.py::test_use_json_serializer_without_encryption_key": _INSIDE,
            "tests/test_session.py::test_invalidate_corrupt": _INSIDE,
            "tests/test_session.py::test_invalidate_invalid_signed_cookie": (
                "what a client sends never raises: a forged cookie is an empty session and an event"
            ),
            **dict.fromkeys(
                (
                    f"tests/test_session.py::TestSaveAccessedTime::test_saves_if_session_{case}"
                    for case in ("not_written_and_accessed_time_true", "written_and_accessed_time_false")
                ),
                "an empty session is no session, and a look at one is written down now and then",
            ),
            "tests/test_session.py::TestSessionObject::test_accessed_time_off_saves_atime_when_saving": (
                "when a session was seen is written down as it is saved, not as it was opened"
            ),
            "tests/test_cookie_only.py::test_json_serializer": _INSIDE,
            "tests/test_cookie_only.py::test_pickle_serializer": _INSIDE,
            "tests/test_cookie_only.py::test_custom_serializer": _INSIDE,
            "tests/test_cookie_only.py::test_expires": _EXPIRES,
            "tests/test_cookie_only.py::test_cookie_id": "repr() shows no value, and no key of Beaker's",
            "tests/test_cookie_only.py::test_invalidate_with_save_does_not_delete_session": (
                "an empty session is no session, and has no cookie"
            ),
            "tests/test_cookie_only.py::test_cookie_path_properly_set_after_delete": (
                "where there was no session, there is no cookie to delete"
            ),
            **dict.fromkeys(
                (
                    f"tests/test_cookie_expires.py::test_{name}"
                    for name in ("cookie_exprires_2", "cookie_expires_different_locale", "set_cookie_expires")
                ),
                _INSIDE,
            ),
            "tests/test_domain_setting.py::test_same_domain": "a Domain has no dot before it, which browsers ignore",
            "tests/test_domain_setting.py::test_different_domain": _OF_ONE_SESSION,
            "tests/test_cookie_domain_only.py::test_increment": _OF_ONE_SESSION,
            "tests/test_cookie_domain_only.py::test_cookie_attributes_are_preserved": _OF_ONE_SESSION,
        },
    ),
    "Pyramid": Peer(
        "pyramid==2.1",
        ("webtest", "zope.component"),
        (*(f"tests/test_{name}.py" for name in _PYRAMIDS), "tests/test_config/test_views.py"),
        sessions="pyramid_sessions",
        excluded={
            **{
                f"tests/test_session.py::Test{factory}CookieSession::test_{name}": reason
                for factory in ("Base", "Signed")
                for name, reason in _PYRAMIDS_COOKIES.items()
            },
            **dict.fromkeys(
                (
                    f"tests/test_integration.py::TestStaticAppWithEncodings::test_{name}"
                    for name in ("accept_gzip", "accept_gzip_returns_identity", "no_accept", "unsupported_accept")
                ),
                "each request here uses its session, which Vary tells",
            ),
        },
    ),
    "pyramid_beaker": Peer(
        # What it imports of Pyramid needs pkg_resources.
        "pyramid_beaker==0.9",
        ("Beaker==1.13.0", "pyramid==2.1", "setuptools<82"),
        ("pyramid_beaker/tests.py",),
        sessions="beaker_sessions",
    ),
    "pyramid_session_redis": Peer(
        "pyramid_session_redis==1.8.1",
        ("pyramid==2.1", "webtest", "waitress"),
        ("tests/test_session.py::TestRedisSession", "tests/test_pyramid.py"),
        sessions="pyramid_redis_sessions",
        excluded={
            **{
                f"tests/test_session.py::TestRedisSession::test_{name}": reason
                for reason, names in _REDIS_SESSIONS.items()
                for name in names
            },
            "tests/test_pyramid.py::Test_InvalidateEmptySession_False::test_configured_false": (
                "an empty session is no session: it ends, with its cookie"
            ),
        },
    ),
    "pyramid_debugtoolbar": Peer(
        "pyramid_debugtoolbar==4.12.1",
        ("pyramid==2.1", "webtest"),
        ("tests/test_panels/test_session.py",),
        sessions="pyramid_sessions",
        excluded={
            "tests/test_panels/test_session.py::TestSortingErrorsSession::test_panel": "a session's key is a str",
        },
    ),
    "pyramid_authsanity": Peer(
        "pyramid_authsanity==2.0.0",
        ("pyramid==2.1",),
        ("tests/test_authpolicy.py", "tests/test_sources.py"),
        sessions="pyramid_sessions",
    ),
    "Flask-WTF": Peer("Flask-WTF==1.3.0", ("flask-babel", "email-validator")),
    # Its digests are checked by what the session holds.
    "Flask-HTTPAuth": Peer("Flask-HTTPAuth==4.8.1", ("asgiref",)),
    "Flask-Multipass": Peer(
        # Without its suite for LDAP, which needs a library in C.
        "Flask-Multipass==0.11.2",
        ("Flask-WTF", "authlib", "requests", "sqlalchemy", "pytest-mock", "pytest-cov"),
        tuple(f"tests/test_{name}.py" for name in ("auth", "core", "data", "identity", "util")),
    ),
    "Flask-SocketIO": Peer(
        # With a store, events see what former events wrote, as its manual says; the one test expects a cookie session.
        "Flask-SocketIO==5.7.0",
        ("simple-websocket", "redis"),
        ("test_socketio.py", "--deselect=test_socketio.py::TestSocketIO::test_unmanaged_session"),
    ),
}
