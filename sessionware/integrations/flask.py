"""Makes ``flask.session`` a session of sessionware, with a middleware around the application or without one.

::

    from sessionware.integrations.flask import Sessionware

    app = flask.Flask(__name__)
    app.config.from_mapping(SECRET_KEY=..., SESSIONWARE={"backend": "redis"})
    Sessionware(app)
"""

from __future__ import annotations

import threading
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, NoReturn

from sessionware.config.faults import Faults
from sessionware.events import logger
from sessionware.exceptions import ConfigError, ConflictError, CrossSiteRequest, StoreUnavailable, hide_own_frames
from sessionware.manager import SessionManager
from sessionware.session.mapping import Session
from sessionware.session.request import COMMITTED, FINISHED, OPEN
from sessionware.wsgi.middleware import OPEN_KEY, SessionMiddleware
from sessionware.wsgi.reply import fixed_answer

try:
    import flask.sessions
except ImportError as error:
    raise ConfigError("the Flask integration needs Flask: pip install 'sessionware[flask]'") from error

from sessionware.integrations.flask_session import FlaskRequest, FlaskSession, for_flask
from sessionware.integrations.flask_settings import (
    OPTIONS_KEY,
    FlaskSettings,
    options_of,
    settings_of,
    tell_defaults,
    tell_flask_sessions_settings,
    tell_unread_settings,
    written_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Flask, Request, Response

_EXTENSION = "sessionware"
_SESSION_KEY = "sessionware.session"
#: Where wrappers of WSGI applications keep the one that they wrap, and how many of them are looked through.
_WRAPPED = ("app", "wsgi_app", "application", "_app")
_MAX_WRAPPERS = 16
#: An application whose settings change between requests, as in tests, has a manager for each of the last few.
_MAX_MANAGERS = 8
#: What takes the place of a chunk at the end of a stream.
_ENDED = object()


class _Managers:
    """The managers of one application: the one of a middleware around it, or its own by its settings."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own: list[tuple[FlaskSettings, SessionManager]] = []
        self._has_told_options = False
        #: That of a middleware that a request came through.
        self.around: SessionManager | None = None

    def for_app(self, app: Flask, interface: SessionInterface) -> SessionManager | None:
        """The manager of a session that no middleware has opened; ``None`` without a secret."""
        around = _manager_around(app) or self.around
        if around is not None:
            return around
        settings = settings_of(app, interface)
        for known, manager in self._own:
            if known == settings:
                return manager
        if not settings.has_secret:
            return None
        try:
            return self._made(settings)
        except Exception as error:
            hide_own_frames(error)
            del settings  # they have the secret, and a crash report shows the locals of this frame
            raise error

    def _made(self, settings: FlaskSettings) -> SessionManager:
        with self._lock:
            for known, manager in self._own:
                if known == settings:
                    return manager
            options = options_of(settings)
            manager = SessionManager(self._with_known_store(settings, options))
            if not self._own:
                tell_defaults(options)
            self._own = [(settings, manager), *self._own][:_MAX_MANAGERS]
            return manager

    def _with_known_store(self, settings: FlaskSettings, options: dict[str, Any]) -> dict[str, Any]:
        """*options* with the store that a former manager has by them: another one in memory would be empty."""
        for known, manager in self._own:
            store = manager._settings.store
            if store is not None and known.given == settings.given:
                group = "login_backend" if manager._settings.is_store_for_logins else "backend"
                others = {name: value for name, value in options.items() if not name.startswith(f"{group}.")}
                return {**others, group: store}
        return options

    def note_around(self, app: Flask, manager: SessionManager) -> None:
        """Note that a request came through the middleware of *manager*."""
        self.around = manager
        unused = sorted(written_options(app.config.get(OPTIONS_KEY), Faults()).keys() - {"environ_key"})
        if unused and not self._has_told_options:
            self._has_told_options = True
            logger.warning(
                "%s in the configuration of %s has options (%s), and the middleware around it has its own, which hold; "
                "give them to the middleware, or remove it",
                OPTIONS_KEY,
                app.name,
                ", ".join(unused),
            )


class SessionInterface(flask.sessions.SessionInterface):
    """Opens and saves ``flask.session``. It can be subclassed, and called by hand outside a request."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.save_session is not SessionInterface.save_session:
            cls.save_session = _keeping_no_more(cls.save_session)  # type: ignore[method-assign]

    def open_session(self, app: Flask, request: Request) -> FlaskSession | None:  # type: ignore[override]
        """The session of *request*, untouched; ``None`` where there is no secret."""
        environ, managers = request.environ, _managers_of(app)
        session = _session_around(app, environ)
        if session is not None:
            managers.note_around(app, environ[session._persistence.manager_key])  # type: ignore[attr-defined]
            return for_flask(session, FlaskRequest(app, None))
        manager = managers.for_app(app, self)
        if manager is None:
            return None
        session = manager.open(environ)
        if OPEN_KEY not in environ:
            environ[manager._lifecycle.environ_key] = session
            environ[manager._lifecycle.manager_key] = manager
        return for_flask(session, FlaskRequest(app, manager))

    def save_session(self, app: Flask, session: Any, response: Response) -> None:
        """Save what has changed, and lay the headers of that into *response*; a middleware does so itself.

        It may be called again. Where the save fails, *response* becomes the answer that a middleware would give.
        """
        state: FlaskRequest = session._integration
        self._settle(app, session, state)
        manager = state.manager
        if manager is None:
            return
        if session._phase is OPEN:
            _commit(manager, session, response)
        elif session._phase is COMMITTED:
            manager._answers.commit_after_headers(session, status=response.status_code)
        elif state.is_failed:
            # Flask answers with a page for the error of the first call.
            _merge(manager, response, manager._answers.standing_pairs(session))

    def _settle(self, app: Flask, session: FlaskSession, state: FlaskRequest) -> None:
        """Drop what is not to be kept, and note whether there is something, for who asks afterwards."""
        state.is_settled = True
        request = session._request
        if request is None or session._phase is not OPEN or request.load_failure is not None:
            return
        if state.is_kept_back:
            session.revert()
        if request.is_pending_or_unstorable():
            if self._decides_itself and not self.should_set_cookie(app, session):  # type: ignore[arg-type]
                _skip(session)
            else:
                state.was_modified = True

    @property
    def _decides_itself(self) -> bool:
        return type(self).should_set_cookie is not flask.sessions.SessionInterface.should_set_cookie

    def regenerate(self, session: Any) -> None:
        """Give *session* a new id; ``session.login(user_id)`` does so itself."""
        session.regenerate()

    def manager_of(self, app: Flask) -> SessionManager | None:
        """The manager that opens the sessions of *app* now, for :class:`sessionware.testing.SessionClient`."""
        return _managers_of(app).for_app(app, self)

    def get_signing_serializer(self, app: Flask) -> NoReturn:
        """There is none: raises ConfigError that says what to use in tests."""
        raise ConfigError(
            "sessions are encrypted, and no serializer of Flask reads or writes their cookies: in a test use "
            "client.session_transaction(), or the helpers of sessionware.testing"
        )


class Sessionware:
    """The extension: ``Sessionware(app)``, or ``Sessionware()`` and ``init_app(app)``.

    Options are read from the dict ``SESSIONWARE`` in ``app.config`` and from Flask's own settings. Raises ConfigError
    for contradictions and for every other fault.
    """

    def __init__(self, app: Flask | None = None, *, session_interface: SessionInterface | None = None) -> None:
        self._interface = SessionInterface() if session_interface is None else session_interface
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Let *app* have its sessions from here on."""
        if not hasattr(app, "session_interface"):
            raise ConfigError(
                f"expected a Flask application, got a {type(app).__name__}: write Sessionware(app), and the options as "
                f"app.config[{OPTIONS_KEY!r}]"
            )
        app.session_interface = self._interface
        managers = _managers_of(app)
        tell_flask_sessions_settings(app)
        tell_unread_settings(app)
        # Faults come at start. Without a secret there are no sessions yet: it may be set later.
        managers.for_app(app, self._interface)

    def manager_of(self, app: Flask) -> SessionManager:
        """The manager of *app*: it lists and revokes a user's sessions. Raises ConfigError where there is no secret."""
        manager = _managers_of(app).for_app(app, self._interface)
        if manager is None:
            raise ConfigError(
                "there are no sessions without a secret: set SECRET_KEY to what `sessionware secret` prints"
            )
        return manager


def _keeping_no_more(save: Callable[..., None]) -> Callable[..., None]:
    """The ``save_session`` of a subclass; where it returns without ours, a middleware around saves nothing either."""

    @wraps(save)
    def save_session(self: SessionInterface, app: Flask, session: Any, response: Response) -> None:
        save(self, app, session, response)
        state = session._integration if isinstance(session, FlaskSession) else None
        if state is not None and not state.is_settled:
            _skip(session)
            if state.manager is not None and session._request is not None:
                state.manager._answers.answered(session._request)  # no answer will carry it

    return save_session


def _skip(session: FlaskSession) -> None:
    request = session._request
    if request is None or session._phase is not OPEN or request.load_failure is not None:
        return
    if request.is_pending_or_unstorable():
        session._persistence.discard(request, "skipped")  # type: ignore[attr-defined]


def _managers_of(app: Flask) -> _Managers:
    found: _Managers | None = app.extensions.get(_EXTENSION)
    return app.extensions.setdefault(_EXTENSION, _Managers()) if found is None else found


def _session_around(app: Flask, environ: Mapping[str, Any]) -> Session | None:
    """The session that a middleware around *app* has opened for this very request, and will commit."""
    opened = environ.get(OPEN_KEY)
    if not opened:
        return None
    given = app.config.get(OPTIONS_KEY)
    key = written_options(given, Faults()).get("environ_key", _SESSION_KEY) if given else _SESSION_KEY
    session: Any = environ.get(key)
    # A request that is over may serve once more, for the events of a WebSocket.
    return next((one for one in opened if one is session and one._phase is OPEN), None)


def _manager_around(app: Flask) -> SessionManager | None:
    """The manager of the middleware that *app* was wrapped in, looking through other wrappers."""
    wrapper: Any = app.wsgi_app
    for _ in range(_MAX_WRAPPERS):
        if isinstance(wrapper, SessionMiddleware):
            return wrapper.manager
        attributes = getattr(wrapper, "__dict__", {})
        wrapper = next((attributes[name] for name in _WRAPPED if name in attributes), None)
        if wrapper is None:
            break
    return None


def _commit(manager: SessionManager, session: FlaskSession, response: Response) -> None:
    answers, status = manager._answers, response.status_code
    try:
        pairs = manager.commit(session, status=status)
    except (ConflictError, CrossSiteRequest, StoreUnavailable) as error:
        answers.finish(session)
        if not answers.has_own_answer(error):
            session._integration.is_failed = True
            raise
        _replace(response, error)
        _merge(manager, response, answers.standing_pairs(session))
    except Exception:
        answers.finish(session)
        session._integration.is_failed = True
        raise
    else:
        _merge(manager, response, pairs)
        if response.is_streamed and not response.direct_passthrough:
            response.response = _Stream(manager, session, response)
        response.call_on_close(partial(_finish, manager, session, status))


def _finish(manager: SessionManager, session: FlaskSession, status: int) -> None:
    """Save what a stream has changed, and end the request."""
    if session._request is None:
        session._phase = FINISHED  # the commit has let go of environ already
        return
    _save_rest(manager, session, status)
    manager._answers.finish(session)


def _save_rest(manager: SessionManager, session: FlaskSession, status: int) -> None:
    try:
        manager._answers.commit_after_headers(session, status=status)
    except BaseException:
        manager._answers.finish(session)
        raise


class _Stream:
    """The body of a streamed *response*, which may change its session until it ends.

    That is saved at the end, and not by ``close()``: servers call it when the client has been told that the response is
    whole, and Werkzeug's test client may never do so.
    """

    __slots__ = ("_abandon", "_body", "_iterator", "_save")

    def __init__(self, manager: SessionManager, session: FlaskSession, response: Response) -> None:
        self._body = response.response
        self._save = partial(_save_rest, manager, session, response.status_code)
        self._abandon = partial(manager._answers.abandon, session)

    def __iter__(self) -> _Stream:
        self._iterator = iter(self._body)
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._iterator, _ENDED)
        except GeneratorExit:
            raise  # a client that hangs up is no failure of the application: close() saves
        except BaseException:
            self._abandon()
            raise
        if chunk is _ENDED:
            self._save()
            raise StopIteration
        return chunk

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()


def _merge(manager: SessionManager, response: Response, pairs: list[tuple[str, str]]) -> None:
    if pairs:
        response.headers[:] = manager.merge_headers(list(response.headers), pairs)


def _replace(response: Response, error: ConflictError | CrossSiteRequest | StoreUnavailable) -> None:
    """Make *response* the answer for *error*, in the place of what the view has made."""
    text, headers = fixed_answer(error, list(response.headers))
    close = getattr(response.response, "close", None)
    if close is not None:
        close()
    response.status_code = int(error.code or 0)
    response.direct_passthrough = False
    response.headers[:] = headers
    response.set_data(text)
