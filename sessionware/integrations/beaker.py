"""Beaker's middleware and its session, over sessions of ours: a change of one import for an application that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from sessionware.config.beaker import DEFAULTS, read_options
from sessionware.cookies.request import WarnedOnce
from sessionware.exceptions import ConfigError
from sessionware.integrations.explicit import MANAGERS, BeakerManager, keep
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

#: What a session without a request is opened for.
_NO_REQUEST: Mapping[str, Any] = {"wsgi.url_scheme": "https"}
_BY_ID = (
    "a session cannot be opened by its id, which is safe to show and therefore opens nothing; to end another session, "
    "write manager.revoke(id), and to list those of a user, manager.sessions_of(user_id)"
)
_FOR_ALL = (
    "session.%s was set for one session, which has no effect: it is an option for all of them, %s. For a session that "
    "outlives the browser write session.remember(lifetime)"
)
_MISSING = object()
_warned = WarnedOnce()


# The session.


class Session(MutableMapping[str, Any]):
    """A session with the members of Beaker's, and those of ours beside them.

    ``Session(request, use_cookies=False, **options)`` is a new session that no cookie leads to; without that, *request*
    is a dict whose ``"cookie"`` is the header of a request, and which is given ``"cookie_out"`` by :meth:`save`.
    """

    #: Keys of Beaker's that can be read, and that are no keys of the data.
    _HIDDEN: ClassVar[dict[str, Callable[[Session], Any]]] = {
        "_id": lambda session: session.id,
        "_creation_time": lambda session: session.created,
        "_accessed_time": lambda session: session._core._loaded().touched_at,
        "_domain": lambda session: session.domain,
        "_path": lambda session: session.path,
    }
    _core: CoreSession
    request: MutableMapping[str, Any]
    was_invalidated: bool

    def __init__(
        self,
        request: MutableMapping[str, Any],
        id: object = None,  # noqa: A002
        use_cookies: bool = True,
        **options: Any,
    ) -> None:
        if id is not None:
            raise ConfigError(_BY_ID)
        header = request.get("cookie") if use_cookies else None
        try:
            manager = MANAGERS.of(options)
        except Exception:
            del request, header, options  # they have the secret, and a crash report shows the locals of this frame
            raise
        core = manager.open({**_NO_REQUEST, "HTTP_COOKIE": header if isinstance(header, str) else ""})
        self._bind(core, request, {**options, "use_cookies": use_cookies})
        if use_cookies:
            request.setdefault("cookie_out", None)
            request["set_cookie"] = False

    def _bind(self, core: CoreSession, request: MutableMapping[str, Any], options: Mapping[str, Any]) -> None:
        self.__dict__.update(_core=core, request=request, _options=options, was_invalidated=False)

    @classmethod
    def _of(cls, core: CoreSession, request: MutableMapping[str, Any], options: Mapping[str, Any]) -> Session:
        """The session *core* of a request."""
        session = cls.__new__(cls)
        session._bind(core, request, options)
        return session

    # As a dict.

    def __getitem__(self, key: str) -> Any:
        return self._HIDDEN[key](self) if key in self._HIDDEN else self._core[key]

    def __contains__(self, key: object) -> bool:
        return key in self._HIDDEN or key in self._core

    def __iter__(self) -> Iterator[str]:
        return iter(self._core)

    def __len__(self) -> int:
        return len(self._core)

    def __bool__(self) -> bool:
        """Always true: in Beaker there are keys of its own."""
        return True

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in self._HIDDEN:
            self._core[key] = value

    def __delitem__(self, key: str) -> None:
        if key not in self._HIDDEN:
            del self._core[key]

    def __repr__(self) -> str:
        """Without a value, which a log should not have."""
        return _shown(self.__dict__.get("_core"))

    def has_key(self, key: object) -> bool:
        return key in self

    def copy(self) -> dict[str, Any]:
        return dict(self)

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        if key in self._HIDDEN:
            return self[key]
        return self._core.pop(key) if default is _MISSING else self._core.pop(key, default)

    def popitem(self) -> tuple[str, Any]:
        return self._core.popitem()

    def setdefault(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self._HIDDEN else self._core.setdefault(key, default)

    def clear(self) -> None:
        """Empty the session. As in Beaker it is no end before it is saved; what is written next gets a new id."""
        if self._core.user_id is not None:
            self._core.clear()
            return
        for key in list(self._core):
            del self._core[key]
        CoreSession.regenerate(self._core)  # not one that is kept without save()

    # What it is.

    @property
    def id(self) -> str:
        """Safe to show; it opens nothing."""
        return self._core.id

    @property
    def is_new(self) -> bool:
        return self._core.is_new

    @property
    def created(self) -> float:
        return self._core.created_at.timestamp()

    @property
    def last_accessed(self) -> float | None:
        return None if self._core.is_new else self._core.last_seen_at.timestamp()

    @property
    def accessed_dict(self) -> dict[str, Any]:
        """The data as this request has found it, or has saved it since."""
        return self._core._loaded().changes.as_read()

    # What is done to it.

    def save(self, accessed_only: bool = False) -> None:
        """Write the session now; with *accessed_only*, nothing: that it was seen is written down by itself."""
        if accessed_only:
            return
        keep(self._core)
        self._core.save()
        self._tell_cookie()

    def _tell_cookie(self) -> None:
        """Let the dict of a request that has no middleware have the cookie."""
        request = self._core._request
        if "set_cookie" in self.request and request is not None and self._core._phase is OPEN and request.cookie_lines:
            self.request["cookie_out"] = request.cookie_lines[-1]
            self.request["set_cookie"] = bool(self._options.get("use_cookies"))

    def delete(self) -> None:
        """End the session now, in the store and in the browser."""
        self._core.invalidate()
        keep(self._core)
        self._tell_cookie()

    expire = delete

    def invalidate(self) -> None:
        """End the session now; what is written afterwards begins a new one, if it is saved."""
        self._core.invalidate()
        self.__dict__["was_invalidated"] = True
        self._tell_cookie()

    def load(self) -> None:
        """The same as :meth:`revert`: a request loads its session once."""
        self._core.revert()

    def revert(self) -> None:
        self._core.revert()

    def regenerate_id(self) -> None:
        """A new id, which comes with the answer, whether the data is saved or not."""
        self._core.regenerate()

    def lock(self) -> None:
        """Nothing: changes of two requests at once are merged."""

    def unlock(self) -> None:
        """Nothing, as :meth:`lock`."""

    @staticmethod
    def serialize_cookie_date(date: datetime) -> str:
        return date.strftime("%a, %d-%b-%Y %H:%M:%S GMT")

    # All other attributes.

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_core" not in self.__dict__:
            raise AttributeError(name)
        if name in _ATTRIBUTES:
            return _ATTRIBUTES[name](self._options)
        return getattr(self._core, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _ATTRIBUTES:
            if value != getattr(self, name):
                _warned.warn(_FOR_ALL, name, _OPTIONS_OF_ATTRIBUTES.get(name, name))
        elif isinstance(getattr(type(self), name, None), property):
            raise AttributeError(f"session.{name} can be read, and not be set")
        else:
            self.__dict__[name] = value


def _option(name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda options: options.get(name, DEFAULTS.get(name))


_OPTIONS_OF_ATTRIBUTES = {"domain": "cookie_domain", "path": "cookie_path", "save_atime": "save_accessed_time"}
#: Attributes of Beaker's sessions that are options of all sessions; what has no meaning here is None.
_ATTRIBUTES: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    **{name: _option(name) for name in ("key", "timeout", "secret", "encrypt_key", "validate_key", "samesite")},
    **{name: _option(name) for name in ("cookie_expires", "use_cookies", "data_serializer", "invalidate_corrupt")},
    **{name: _option(name) for name in ("data_dir", "namespace_class", "secure")},
    **{name: _option(option) for name, option in _OPTIONS_OF_ATTRIBUTES.items()},
    "type": lambda options: options.get("type") or ("file" if options.get("data_dir") else "memory"),
    "httponly": lambda options: True,
    "namespace_args": lambda options: {},
    "cookie": lambda options: {},
    **{name: lambda options: None for name in ("namespace", "crypto_module", "serializer", "encrypt_nonce_size")},
}


def _shown(core: CoreSession | None) -> str:
    return "<Session, not loaded>" if core is None else repr(core)


class CookieSession(Session):
    """A session whose type is ``cookie``."""

    def __init__(self, request: MutableMapping[str, Any], **options: Any) -> None:
        super().__init__(request, **{**options, "type": "cookie"})


class SessionObject:
    """What stands in ``environ["beaker.session"]``: it becomes a :class:`Session` when it is used.

    ``SessionObject(environ, **options)`` works without the middleware: after :meth:`persist` the Set-Cookie line is in
    ``__dict__["_headers"]``, as in Beaker.
    """

    def __init__(self, environ: WSGIEnvironment, **params: Any) -> None:
        self._begin(environ, params, None)

    def _begin(self, environ: Mapping[str, Any], params: Mapping[str, Any], core: CoreSession | None) -> None:
        state = self.__dict__
        state["_params"] = params
        state["_environ"] = environ
        state["_sess"] = None
        state["_headers"] = {"cookie_out": None, "set_cookie": False}
        state["_dirty"] = False
        state["_core"] = core
        state["_is_served"] = core is not None

    @classmethod
    def _of(cls, core: CoreSession, params: Mapping[str, Any]) -> SessionObject:
        """The object over the session *core* of the middleware. Without environ, which holds it in turn."""
        session = cls.__new__(cls)
        session._begin(_NO_REQUEST, params, core)
        return session

    def _opened(self) -> CoreSession:
        core: CoreSession | None = self.__dict__["_core"]
        if core is None:
            core = MANAGERS.of(self.__dict__["_params"]).open(self.__dict__["_environ"])
            self.__dict__["_core"] = core
            if self.__dict__["_dirty"]:
                keep(core)
        return core

    def _session(self) -> Session:
        """The session itself."""
        session: Session | None = self.__dict__["_sess"]
        if session is None:
            session = Session._of(self._opened(), {}, self.__dict__["_params"])
            self.__dict__["_sess"] = session
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
        return _shown(self.__dict__.get("_core"))

    def has_key(self, key: object) -> bool:
        return key in self._session()

    def get_by_id(self, id: object) -> None:  # noqa: A002
        """A :exc:`ConfigError`, which says what to write: an id opens no session."""
        raise ConfigError(_BY_ID)

    def save(self) -> None:
        """Keep what the session holds when the answer begins, and what is written later."""
        self.__dict__["_dirty"] = True
        core = self.__dict__["_core"]
        if core is not None:
            keep(core)

    def delete(self) -> None:
        """End the session now, in the store and in the browser."""
        self.__dict__["_dirty"] = True
        self._session().delete()

    def persist(self) -> None:
        """Write the session now, if it was saved or the option ``auto`` is on."""
        core = self._session()._core
        if not self.__dict__["_is_served"] and core._phase is OPEN:
            self._answer(core)
        elif self.dirty() or self.__dict__["_params"].get("auto"):
            core.save()

    def _answer(self, core: CoreSession) -> None:
        """Commit, and leave the cookie where who has no middleware looks for it."""
        pairs = MANAGERS.of(self.__dict__["_params"]).commit(core)
        lines = [value for name, value in pairs if name == "Set-Cookie"]
        # The last is the session's own, where there is another one, which tells when it was seen.
        self.__dict__["_headers"].update(cookie_out=lines[-1] if lines else None, set_cookie=bool(lines))

    def dirty(self) -> bool:
        """Whether ``save()`` or ``delete()`` was called."""
        return bool(self.__dict__["_dirty"])

    def accessed(self) -> bool:
        """Whether the session was used."""
        return self.__dict__["_sess"] is not None


# The middleware.


class _Middleware(CoreMiddleware):
    """The middleware of ours with a manager that was made before."""

    def __init__(self, app: WSGIApplication, manager: SessionManager) -> None:
        self.app = app
        self.manager = manager
        self._lifecycle = manager._lifecycle
        self._answers = manager._answers


class SessionMiddleware:
    """Beaker's middleware by name, arguments and what it puts into environ; its sessions are ours.

    Options are Beaker's, with the prefix ``session.`` or ``beaker.session.`` or as keywords, and ours beside them.
    Raises :exc:`ConfigError`, which names every fault found.
    """

    #: Paste's proxy for the session of the request, where Paste is installed.
    session = beaker_session

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
        try:
            self.manager = BeakerManager(self.options, environ_key=self._core_key)
        except Exception:
            del config, kwargs  # they have the secret, and a crash report shows the locals of this frame
            raise
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
            raise ConfigError(_BY_ID)
        return Session._of(self.manager.open(_NO_REQUEST), {}, {**self.options, "use_cookies": False})


def session_filter_factory(global_conf: Mapping[str, Any], **options: Any) -> Callable[[WSGIApplication], Any]:
    """A filter for PasteDeploy, which gives the options of its section, and the file's own."""
    return lambda app: SessionMiddleware(app, global_conf, **options)


def session_filter_app_factory(
    app: WSGIApplication, global_conf: Mapping[str, Any], **options: Any
) -> SessionMiddleware:
    """The same for ``filter-app`` sections."""
    return SessionMiddleware(app, global_conf, **options)
