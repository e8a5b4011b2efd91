"""A client of an application under test, whose session the test reads and changes between requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from sessionware.clock import current_time
from sessionware.exceptions import ConfigError
from sessionware.integrations.explicit import keep
from sessionware.manager import SessionManager
from sessionware.testing.clock import installed_clock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from sessionware.session.mapping import Session

_DEFAULT_KEY = "sessionware.session"
#: Where middlewares and frameworks keep the application that they wrap, and their sessions.
_INNER = (
    *("app", "application", "wsgi_app", "wsgi", "_app", "wrapped", "func", "__wrapped__", "__self__"),
    *("mounts", "registry", "sessionware"),
)
_NO_MANAGER = (
    "no manager of sessions was found in the application of this client: wrap it, SessionMiddleware(app, {...}), or "
    "name the manager, SessionClient(client, manager=middleware.manager)"
)
_STANDING_CLOCK = (
    "the clock of this application cannot be moved: give it the option clock = FakeClock(), or let one stand in for "
    "the time, by FakeClock(time.time()).installed() or by the fixture session_clock of pytest"
)


class SessionClient:
    """A client of an application under test, with its session: :meth:`log_in`, :meth:`session`, :meth:`advance`.

    *client* is a WebTest ``TestApp``, a werkzeug or Flask ``Client``, or a WSGI application, which is given a werkzeug
    client. All members of the client are members of this. *environ_key* tells which manager is meant where there are
    several, and *manager* names one that is not found. *base_url* is the scheme and the host of the requests, where
    they are not the client's own.

    Raises :exc:`ConfigError` where no manager is found.
    """

    def __init__(
        self,
        client: Any,
        *,
        manager: SessionManager | None = None,
        environ_key: str | None = None,
        base_url: str | None = None,
    ) -> None:
        #: What sends the requests and keeps the cookies.
        self.client = _client_of(client, base_url)
        place, attribute = _place_of_application(self.client)
        #: The manager of the sessions.
        self.manager = _manager_in(getattr(place, attribute), environ_key) if manager is None else manager
        self._base_url = base_url

    def __getattr__(self, name: str) -> Any:
        if name == "client":  # not set yet
            raise AttributeError(name)
        return getattr(self.client, name)

    @property
    def cookie_name(self) -> str:
        """The full name of the session's cookie for requests of this client."""
        return self.manager.cookie_name(self._environ())

    @contextmanager
    def session(self) -> Iterator[Session]:
        """The session that the client's next request would have; what the block changes is saved at its end.

        If the block raises, nothing is saved. Saving raises what :meth:`sessionware.SessionManager.commit` does, and
        :exc:`ConfigError` where the client does not send the cookie back, as a Secure one over http.
        """
        environ = self._environ()
        session = self.manager.open(environ)
        answers = self.manager._answers
        try:
            yield session
        except BaseException:
            answers.abandon(session)
            raise
        keep(session)
        pairs = self.manager.commit(session)
        answers.finish(session)
        self._keep([pair for pair in pairs if pair[0] == "Set-Cookie"], self.manager.cookie_name(environ))

    def log_in(self, user_id: str | int, *, label: str | None = None, **values: Any) -> None:
        """Log the client's user in, as ``session.login`` does, and set *values* in the session."""
        with self.session() as session:
            session.login(user_id, label=label)
            session.update(values)

    def log_out(self) -> None:
        """End the client's session."""
        with self.session() as session:
            session.clear()

    def advance(self, duration: Any) -> None:
        """Move the clock of the application ahead, as :meth:`FakeClock.advance` does."""
        clock: Any = self.manager._settings.clock
        if clock is current_time:
            clock = installed_clock()
        if not hasattr(clock, "advance"):
            raise ConfigError(_STANDING_CLOCK)
        clock.advance(duration)

    def _environ(self) -> WSGIEnvironment:
        """The environ of a request of this client, with its cookies."""
        return self._answer([])

    def _keep(self, cookies: list[tuple[str, str]], name: str) -> None:
        """Let the client receive *cookies*, as with an answer."""
        if not cookies:
            return
        self._answer(cookies)
        is_set = any(line.startswith(f"{name}=") and "Max-Age=0;" not in f"{line};" for _, line in cookies)
        if is_set and f"{name}=" not in self._environ().get("HTTP_COOKIE", ""):
            raise ConfigError(
                f"the client does not send the cookie {name!r} back: a Secure cookie needs https, and one with a "
                'domain needs a host of it. Write SessionClient(client, base_url="https://…"), and let the requests of '
                "the test go there, too"
            )

    def _answer(self, headers: list[tuple[str, str]]) -> WSGIEnvironment:
        """Answer one request of the client in the place of its application; the request's environ.

        So each client keeps and sends its cookies by its own rules.
        """
        environs = []

        def answer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
            environs.append(environ)
            start_response("200 OK", [("Content-Type", "text/plain"), *headers])
            return [b""]

        place, attribute = _place_of_application(self.client)
        with patch.object(place, attribute, answer), _keeping_contexts(self.client):
            _get(self.client, self._base_url, self.manager._settings.cookie.path)
        return environs[0]


# Clients


def _client_of(client: Any, base_url: str | None) -> Any:
    if isinstance(client, SessionClient):
        return client.client
    if hasattr(client, "do_request") or (hasattr(client, "open") and hasattr(client, "application")):
        return client
    if hasattr(client, "test_client"):
        return client.test_client()
    if not callable(client):
        raise ConfigError(
            "expected a WebTest TestApp, a werkzeug or Flask client, or a WSGI application, got an object of the type "
            f"{type(client).__name__}"
        )
    return _werkzeug_client(client, base_url)


def _werkzeug_client(app: WSGIApplication, base_url: str | None) -> Any:
    from werkzeug.test import Client

    class BasedClient(Client):
        """Sends to *base_url* what names no other host."""

        def open(self, *arguments: Any, **options: Any) -> Any:
            if arguments and isinstance(arguments[0], str) and arguments[0].startswith("/"):
                options["base_url"] = options.get("base_url") or base_url
            return super().open(*arguments, **options)

    return BasedClient(app)


def _place_of_application(client: Any) -> tuple[Any, str]:
    """The object and its attribute that hold what *client* calls."""
    if hasattr(client, "do_request"):
        return client, "app"
    # A Flask client needs its Flask to make a request.
    return (client.application, "wsgi_app") if hasattr(client.application, "wsgi_app") else (client, "application")


def _keeping_contexts(client: Any) -> AbstractContextManager[object]:
    """A Flask client within ``with client:`` leaves the contexts of its last request at the next one: not at ours."""
    stack = "_context_stack"
    return patch.object(client, stack, ExitStack()) if hasattr(client, stack) else nullcontext()


def _get(client: Any, base_url: str | None, path: str) -> None:
    if hasattr(client, "do_request"):
        client.get((base_url or "").rstrip("/") + path)
    else:
        client.get(path, base_url=base_url)


# Managers


def _manager_in(app: object, environ_key: str | None) -> SessionManager:
    """The manager in *app* whose sessions stand under *environ_key*, or else the only one, or that of the default."""
    managers: dict[str, SessionManager] = {}
    for manager in _managers_in(app):
        # An integration within a middleware leaves the session to that.
        managers.setdefault(manager._lifecycle.environ_key, manager)
    if not managers:
        raise ConfigError(_NO_MANAGER)
    if environ_key is None:
        environ_key = next(iter(managers)) if len(managers) == 1 else _DEFAULT_KEY
    if environ_key not in managers:
        found = ", ".join(map(repr, managers))
        raise ConfigError(f"no sessions stand under environ_key = {environ_key!r}, but under {found}")
    return managers[environ_key]


def _managers_in(app: object) -> Iterator[SessionManager]:
    """The managers of *app* and of what it wraps, the outermost first."""
    waiting, known = [app], set()
    while waiting:
        found = waiting.pop(0)
        if id(found) in known or found is None:
            continue
        known.add(id(found))
        # A session interface of Flask has a manager for each set of settings.
        manager_of = _member(_member(found, "session_interface"), "manager_of")
        manager = manager_of(found) if callable(manager_of) else _member(found, "manager")
        if isinstance(manager, SessionManager):
            yield manager
        waiting += _within(found)


def _within(app: object) -> Iterator[object]:
    if isinstance(app, Mapping):
        # Mounted applications.
        yield from app.values()
    for name in _INNER:
        yield _member(app, name)
    for cell in _member(app, "__closure__") or ():
        with suppress(ValueError):  # an empty one
            yield cell.cell_contents


def _member(found: object, name: str) -> Any:
    # A proxy, such as flask.request, raises RuntimeError outside a request.
    with suppress(AttributeError, RuntimeError):
        return getattr(found, name)
    return None
