"""Beaker's middleware, over sessions of ours: a change of one import for an application that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sessionware.config.beaker import read_options
from sessionware.exceptions import ConfigError, hiding_arguments
from sessionware.integrations.beaker_managers import MANAGERS, BeakerManager
from sessionware.integrations.beaker_session import BY_ID, NO_REQUEST, CookieSession, Session, shown
from sessionware.integrations.explicit import keep
from sessionware.manager import SessionManager
from sessionware.session.mapping import Session as CoreSession
from sessionware.session.request import OPEN
from sessionware.wsgi.middleware import SessionMiddleware as CoreMiddleware

try:
    from paste.registry import StackedObjectProxy  # type: ignore[import-not-found,import-untyped,unused-ignore]
except ImportError:
    beaker_session = None
else:
    beaker_session = StackedObjectProxy(name="Beaker Session")

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = [
    "CookieSession",
    "Session",
    "SessionMiddleware",
    "SessionObject",
    "session_filter_app_factory",
    "session_filter_factory",
]


# What stands in environ.


class SessionObject:
    """What stands in ``environ["beaker.session"]``: it becomes a :class:`Session` when it is used.

    ``SessionObject(environ, **options)`` works without the middleware: after :meth:`persist` the Set-Cookie line is in
    ``__dict__["_headers"]``, as in Beaker.
    """

    _core: CoreSession | None
    _sess: Session | None
    _dirty: bool

    def __init__(self, environ: WSGIEnvironment, **params: Any) -> None:
        self._begin(environ, params, None)

    def _begin(self, environ: Mapping[str, Any], params: Mapping[str, Any], core: CoreSession | None) -> None:
        self.__dict__.update(
            _params=params,
            _environ=environ,
            _core=core,
            _sess=None,
            _headers={"cookie_out": None, "set_cookie": False},
            _dirty=False,
            _is_served=core is not None,
        )

    @classmethod
    def _of(cls, core: CoreSession, params: Mapping[str, Any]) -> SessionObject:
        """The object over the session *core* of the middleware. Without environ, which holds it in turn."""
        session = cls.__new__(cls)
        session._begin(NO_REQUEST, params, core)
        return session

    def _opened(self) -> CoreSession:
        core = self._core
        if core is None:
            core = self.__dict__["_core"] = MANAGERS.of(self._params).open(self._environ)
            if self._dirty:
                keep(core)
        return core

    def _session(self) -> Session:
        """The session itself."""
        session = self._sess
        if session is None:
            session = self.__dict__["_sess"] = Session._of(self._opened(), {}, self._params)
        return session

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_params" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self._session(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._session(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._session(), name)

    def __getitem__(self, key: str) -> Any:
        return self._session()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._session()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._session()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._session())

    def __contains__(self, key: object) -> bool:
        return key in self._session()

    def __repr__(self) -> str:
        return shown(self.__dict__.get("_core"))

    def has_key(self, key: object) -> bool:
        return key in self._session()

    def get_by_id(self, id: object) -> None:  # noqa: A002
        """A :exc:`ConfigError`, which says what to write: an id opens no session."""
        raise ConfigError(BY_ID)

    def save(self) -> None:
        """Keep what the session holds when the answer begins, and what is written later."""
        self.__dict__["_dirty"] = True
        if self._core is not None:
            keep(self._core)

    def delete(self) -> None:
        """End the session now, in the store and in the browser."""
        self.__dict__["_dirty"] = True
        self._session().delete()

    def persist(self) -> None:
        """Write the session now, if it was saved or the option ``auto`` is on."""
        core = self._session()._core
        if not self._is_served and core._phase is OPEN:
            self._answer(core)
        elif self.dirty() or self._params.get("auto"):
            core.save()

    def _answer(self, core: CoreSession) -> None:
        """Commit, and leave the cookie where who has no middleware looks for it."""
        pairs = MANAGERS.of(self._params).commit(core)
        lines = [value for name, value in pairs if name == "Set-Cookie"]
        # The last is the session's own, where there is another one, which tells when it was seen.
        self._headers.update(cookie_out=lines[-1] if lines else None, set_cookie=bool(lines))

    def dirty(self) -> bool:
        """Whether ``save()`` or ``delete()`` was called."""
        return self._dirty

    def accessed(self) -> bool:
        """Whether the session was used."""
        return self._sess is not None


# The middleware.


class _Middleware(CoreMiddleware):
    """The middleware of ours with a manager that was made before."""

    def __init__(self, app: WSGIApplication, manager: SessionManager) -> None:
        self._wrap(app, manager)


class SessionMiddleware:
    """Beaker's middleware by name, arguments and what it puts into environ; its sessions are ours.

    Options are Beaker's, with the prefix ``session.`` or ``beaker.session.`` or as keywords, and ours beside them.
    Raises :exc:`ConfigError`, which names every fault found.
    """

    #: Paste's proxy for the session of the request, where Paste is installed.
    session = beaker_session

    @hiding_arguments
    def __init__(
        self,
        wrap_app: WSGIApplication,
        config: Mapping[str, Any] | None = None,
        environ_key: str = "beaker.session",
        **kwargs: Any,
    ) -> None:
        if not callable(wrap_app) or isinstance(wrap_app, Mapping):
            raise ConfigError(f"expected a WSGI application first, got a {type(wrap_app).__name__}")
        self.options = read_options(config, kwargs)
        self.wrap_app = self.app = wrap_app
        self.environ_key = environ_key
        #: Of two middlewares around one application, each has a place of its own for our session, too.
        self._core_key = "sessionware.session" if environ_key == "beaker.session" else f"sessionware.{environ_key}"
        self.manager = BeakerManager(self.options, environ_key=self._core_key)
        self._middleware = _Middleware(self._serve, self.manager)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return self._middleware(environ, start_response)

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        session = SessionObject._of(environ[self._core_key], self.options)
        environ[self.environ_key] = session
        environ["beaker.get_session"] = self._get_session
        registry = environ.get("paste.registry")
        if registry is not None and registry.reglist:
            registry.register(self.session, session)
        if "paste.testing_variables" in environ and self.options.get("webtest_varname"):
            environ["paste.testing_variables"][self.options["webtest_varname"]] = session
        return self.wrap_app(environ, start_response)

    def _get_session(self, id: object = None) -> Session:  # noqa: A002
        """A new session that no cookie leads to."""
        if id is not None:
            raise ConfigError(BY_ID)
        return Session._of(self.manager.open(NO_REQUEST), {}, {**self.options, "use_cookies": False})


def session_filter_factory(global_conf: Mapping[str, Any], **options: Any) -> Callable[[WSGIApplication], Any]:
    """A filter for PasteDeploy, which gives the options of its section, and the file's own."""
    return lambda app: SessionMiddleware(app, global_conf, **options)


def session_filter_app_factory(
    app: WSGIApplication, global_conf: Mapping[str, Any], **options: Any
) -> SessionMiddleware:
    """The same for ``filter-app`` sections."""
    return SessionMiddleware(app, global_conf, **options)
