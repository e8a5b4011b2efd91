"""A plugin for Bottle that gives each request its session, and callbacks that ask for it their argument."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from sessionware.exceptions import ConfigError, hiding_arguments
from sessionware.session.mapping import Session
from sessionware.session.request import OPEN
from sessionware.wsgi.middleware import SessionMiddleware, get_session

try:
    import bottle  # type: ignore[import-untyped]
except ImportError as error:
    raise ConfigError("the plugin for Bottle needs Bottle: pip install 'sessionware[bottle]'") from error

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from sessionware.config.settings import Config
    from sessionware.manager import SessionManager

_DEFAULT_KEY = "sessionware.session"
_ENVIRON_KEY = "environ_key"
#: Where Bottle keeps the attributes that plugins give to a request, and where a mounted application keeps its parent.
_ATTRIBUTE = "bottle.request.ext."
_PARENT = "_mount.app"


class SessionPlugin:
    """For ``Bottle.install``: gives ``bottle.request.session``, and the argument *keyword* to callbacks that have it.

    With a configuration it wraps the application as :class:`SessionMiddleware` does, and those that it is mounted in.
    Where a middleware around the application has put a session into ``environ``, it is that session, which the
    middleware saves. Without a configuration there must be such a middleware.

    Raises :exc:`ConfigError` that names every fault of the configuration.
    """

    api = 2

    @hiding_arguments
    def __init__(
        self, config: Mapping[str, Any] | Config | None = None, *, keyword: str = "session", **options: Any
    ) -> None:
        #: By which a route skips it.
        self.name = "sessionware" if keyword == "session" else f"sessionware {keyword}"
        self.keyword = keyword
        #: Where the session stands in environ.
        self.environ_key: str = options.get(_ENVIRON_KEY, _DEFAULT_KEY)
        #: What serves the sessions, where no middleware around the application does.
        self.middleware: SessionMiddleware | None = None
        if config is not None or options.keys() - {_ENVIRON_KEY}:
            self.middleware = SessionMiddleware(_nothing, config, **options)
            self.environ_key = self.middleware.manager._lifecycle.environ_key
        self._entries: list[_Entry] = []

    def setup(self, app: bottle.Bottle) -> None:
        """Stand in front of *app*, and of the applications that it is mounted in."""
        if any(entry.bottle is app for entry in self._entries):
            return
        self._entries.append(_Entry(app, self))
        app.add_hook("config", self._follow_mount)
        if app.config.get(_PARENT) is not None:
            self.setup(app.config[_PARENT])

    def apply(self, callback: Callable[..., Any], route: bottle.Route) -> Callable[..., Any]:
        """Give *callback* the session, if it has an argument of the name."""
        try:
            is_asked = self.keyword in inspect.signature(route.callback).parameters
        except (TypeError, ValueError):  # a callable that tells no arguments
            is_asked = False
        if not is_asked:
            return callback

        @functools.wraps(callback)
        def called(*arguments: Any, **named: Any) -> Any:
            # An argument of the address with this name goes first.
            if self.keyword not in named:
                named[self.keyword] = _session_in(bottle.request.environ, self.environ_key)
            return callback(*arguments, **named)

        return called

    def close(self) -> None:
        """Leave the applications as they were, and close the connections of the store."""
        for entry in reversed(self._entries):
            entry.bottle.remove_hook("config", self._follow_mount)
            entry.remove()
        self._entries.clear()
        if self.middleware is not None:
            self.middleware.manager.close()

    def _follow_mount(self, _: bottle.ConfigDict, name: str, value: Any) -> None:
        """The routes of an application that is mounted are called by its parent, and not through its own entry."""
        if name == _PARENT and value is not None:
            self.setup(value)


class _Entry:
    """What stands in the place of ``Bottle.wsgi`` for one application."""

    def __init__(self, app: bottle.Bottle, plugin: SessionPlugin) -> None:
        self.bottle = app
        #: What it wraps.
        self.app: WSGIApplication = app.wsgi
        self._name = _ATTRIBUTE + plugin.keyword
        self._key = plugin.environ_key
        self._attribute = property(lambda request: _session_in(request.environ, plugin.environ_key))
        # All applications of a plugin share its manager.
        self._middleware = copy(plugin.middleware)
        #: Where :class:`sessionware.testing.SessionClient` looks for it.
        self.manager: SessionManager | None = None
        if self._middleware is not None:
            self._middleware.app, self.manager = self.app, self._middleware.manager
        # Bottle lets no second plugin set an attribute that one has set.
        vars(app)["wsgi"] = self

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ[self._name] = self._attribute
        session = environ.get(self._key)
        if self._middleware is None or (isinstance(session, Session) and session._phase is OPEN):
            return self.app(environ, start_response)
        return self._middleware(environ, start_response)

    def remove(self) -> None:
        if vars(self.bottle).get("wsgi") is self:
            vars(self.bottle)["wsgi"] = self.app


def _session_in(environ: WSGIEnvironment, key: str) -> Session:
    try:
        return get_session(environ, key)
    except ConfigError as error:
        raise ConfigError(f"{error}; or give the options to the plugin, SessionPlugin({{...}})") from None


def _nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    raise NotImplementedError
