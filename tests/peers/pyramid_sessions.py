"""Sessions of ours in the place of Pyramid's own and of its dummies, for Pyramid's own suite."""

from __future__ import annotations

import os
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import pyramid.session  # type: ignore[import-untyped]
import pyramid.testing  # type: ignore[import-untyped]
from peers.secrets import lengthened
from pyramid.config import Configurator  # type: ignore[import-untyped]
from pyramid.events import NewRequest  # type: ignore[import-untyped]
from pyramid.interfaces import ISessionFactory  # type: ignore[import-untyped]
from webob import Response
from webob.cookies import JSONSerializer, SignedSerializer

from sessionware import Event
from sessionware.integrations.pyramid import SessionFactory
from sessionware.integrations.pyramid_session import PyramidSession
from sessionware.stores import MemoryStore
from sessionware.testing import FakeClock

_WRITES = {"created", "saved", "renewed"}
#: Our names for the options of Pyramid's factories that need no more than another name.
_NAMES = {
    "path": "cookie.path",
    "domain": "cookie.domain",
    "httponly": "cookie.httponly",
    "samesite": "cookie.samesite",
    "timeout": "idle_timeout",
    "set_on_exception": "save_on_error",
}


def make_factory(**options: Any) -> SessionFactory:
    """One with a store of its own, and with a cookie that goes by http, too."""
    backend = MemoryStore() if os.environ["PEER_BACKEND"] == "memory" else "cookie"
    ours = {"backend": backend, "secret": lengthened("pyramid"), "cookie.prefix": "", "absolute_timeout": None}
    return SessionFactory({**ours, "values": "lenient", **options})


# Those that Pyramid's factories make.


class _FactorySession(PyramidSession):
    """Has what Pyramid's tests look for inside a session."""

    __slots__ = ("_cookie_on_exception", "_events", "_of")
    _events: list[Event]
    _of: Any

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def _dirty(self) -> bool:
        """Whether the answer writes it."""
        self._set_cookie(Response())
        return any(event.name in _WRITES for event in self._events)

    def _set_cookie(self, response: Any) -> bool:
        response.status_int = 200  # a dummy has none
        self._of.response_callbacks[0](self._of, response)
        return any(name == "Set-Cookie" for name, _ in response.headerlist)


def _base_factory(serializer: Any, cookie_name: str = "session", **options: Any) -> Any:
    """Pyramid's by name; a cookie of Pyramid's stands for a session of ours with its data, which was seen then."""
    clock, events = FakeClock(), list[Event]()
    factory = make_factory(clock=clock, on_event=events.append, **_translated(cookie_name, options))

    def session_of(request: Any) -> _FactorySession:
        former = request.cookies.get(cookie_name)
        if former is not None and "HTTP_COOKIE" not in request.environ:
            # One of Pyramid's, which only a dummy has.
            request.environ["HTTP_COOKIE"] = _taken_over(factory, serializer, former, clock)
        clock.now = time.time()
        events.clear()
        session = _FactorySession(factory(request)._session)
        session._of, session._events = request, events
        return session

    return session_of


def _translated(cookie_name: str, options: dict[str, Any]) -> dict[str, Any]:
    ours = {"cookie.name": cookie_name, "idle_timeout": 1200}
    ours.update({_NAMES[name]: value for name, value in options.items() if name in _NAMES})
    ours["cookie.secure"] = options.get("secure") or "auto"
    reissue_time = options.get("reissue_time", 0)
    if reissue_time is not None:
        ours["refresh_after"] = 0.001 if reissue_time in (0, "0") else reissue_time
    return ours


def _signed_factory(secret: Any, *, hashalg: str = "sha512", salt: Any = "pyramid.session.", **options: Any) -> Any:
    """Pyramid's by name."""
    inner = options.pop("serializer", None) or JSONSerializer()
    return _base_factory(SignedSerializer(secret, salt, hashalg, serializer=inner), **options)


def _taken_over(factory: SessionFactory, serializer: Any, former: Any, clock: FakeClock) -> str:
    """The header of a request with a session of ours that has the data of a cookie of Pyramid's."""
    request = pyramid.testing.DummyRequest()
    try:
        seen_at, _, state = serializer.loads(former if isinstance(former, bytes) else former.encode())
        data, clock.now = dict(state), float(seen_at)
    except (TypeError, ValueError):
        return f"{factory.manager.cookie_name({})}={former!s}"  # type: ignore[union-attr]
    session, response = factory(request), Response()
    session.update(data)
    request.response_callbacks[0](request, response)
    return str(response.headers["Set-Cookie"].partition(";")[0])


# Those that take the place of a dict, or of a dummy.


#: The key of the dummies for what Pyramid's own sessions have under another one.
_KEYS = {"csrf_token": "_csrft_"}


class _OwnSession(PyramidSession):
    """A session of ours with *data*, of a request of its own."""

    __slots__ = ()

    def __init__(self, data: Any = ()) -> None:
        super().__init__(make_factory().manager.open({}))  # type: ignore[union-attr]
        self.update({_KEYS.get(name, name): value for name, value in dict(data).items()})


def _with_our_session(dummy: type) -> type:
    """A class like *dummy*, a request, where a dict that becomes its session is one of ours with that data."""

    def set_session(request: Any, session: Any) -> None:
        vars(request)["session"] = _OwnSession(session) if isinstance(session, dict) else session

    place = property(lambda request: vars(request).get("session"), set_session)
    return type(dummy.__name__, (dummy,), {"session": place})


#: Modules of tests whose dummy of a request has a dict for its session.
_WITH_DICTS = {"test_csrf", "test_authentication", "test_authpolicy", "test_sources"}


def stand_in_for_dummies(module: ModuleType) -> None:
    """Let the tests in *module* have sessions of ours in the place of dicts, and of dummies of its own."""
    found = vars(module)
    if "DummySession" in found:
        found["DummySession"] = _OwnSession
    if module.__name__.rpartition(".")[2] in _WITH_DICTS:
        found["DummyRequest"] = _with_our_session(found["DummyRequest"])
    helped = found.get("TestSessionAuthenticationHelper")
    if helped is not None:
        helped._makeRequest = lambda test, session=None: SimpleNamespace(session=_OwnSession(session or {}))


# Those of whole applications.


def _make_app(config: Any) -> Any:
    """An application of *config* that counts its visits in a session, if it has no sessions of its own."""
    app = _MAKE_APP(config)
    if config.registry.queryUtility(ISessionFactory) is None:
        config.registry.registerUtility(make_factory(), ISessionFactory)
        config.registry.registerHandler(_count, (NewRequest,))
    return app


_MAKE_APP = Configurator.make_wsgi_app


def _count(event: Any) -> None:
    session = event.request.session
    session["visits"] = session.get("visits", 0) + 1


def stand_in() -> None:
    """Let the suite import these."""
    pyramid.session.BaseCookieSessionFactory = _base_factory
    pyramid.session.SignedCookieSessionFactory = _signed_factory
    pyramid.testing.DummySession = _OwnSession
    if os.environ["PEER"] == "Pyramid":
        Configurator.make_wsgi_app = _make_app
