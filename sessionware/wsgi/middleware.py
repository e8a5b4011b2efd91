"""One request through WSGI: a session in its environ, and the response that carries it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, cast

from sessionware.conversions import is_async
from sessionware.cookies.request import COMPANION_SUFFIX
from sessionware.exceptions import ConfigError, hiding_arguments
from sessionware.lifecycle import Lifecycle
from sessionware.manager import SessionManager
from sessionware.session.mapping import Session
from sessionware.session.request import OPEN
from sessionware.wsgi.reply import Reply

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from sessionware.config.settings import Config

#: Where the open sessions stand, the innermost first: the same key for all middlewares, so that they find each other.
OPEN_KEY = "sessionware.open"
#: A request may pass through one middleware again, for a page within a page, but not without end.
MAX_PASSES = 32


class SessionMiddleware:
    """A WSGI application around another one: it puts a session into ``environ`` and saves it with the response.

    ``config`` is a mapping or a :class:`Config`; ``options`` win over it. Raises :exc:`ConfigError`, which names
    every fault found. What it promises follows PEP 3333.
    """

    @hiding_arguments
    def __init__(self, app: WSGIApplication, config: Mapping[str, Any] | Config | None = None, **options: Any) -> None:
        if not callable(app) or isinstance(app, Mapping):
            # Most likely the configuration: it is not shown, because it has the secret.
            what = "None" if app is None else f"a {type(app).__name__}"
            raise ConfigError(f"expected a WSGI application first, got {what}: write SessionMiddleware(app, {{...}})")
        if is_async(app):
            raise ConfigError(
                f"expected a WSGI application, and {_named(app)} is async, as those of ASGI are (FastAPI, "
                "Starlette, Quart): nothing here would await it"
            )
        self._wrap(app, SessionManager(config, **options))

    def _wrap(self, app: WSGIApplication, manager: SessionManager) -> None:
        self.app = app
        self.manager = manager
        # Together, because a class that has a __getattr__ finds each attribute slowly.
        self._parts = manager, manager._lifecycle, manager._answers

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        manager, lifecycle, answers = self._parts
        outer = environ.get(OPEN_KEY)
        if outer is not None:
            outer = _checked(lifecycle, outer)
        # As lifecycle.open() does; one call less for requests that do not touch their session.
        session = lifecycle.session_class(lifecycle, environ, environ.get("HTTP_COOKIE", ""))
        environ[OPEN_KEY] = (session, *outer) if outer else (session,)
        environ[lifecycle.environ_key] = session
        environ[lifecycle.manager_key] = manager
        reply = Reply(answers, session, environ, start_response)
        try:
            body = self.app(environ, reply.start)
        except BaseException as error:
            answer = reply.give_up(error)
            if answer is None:
                raise
            return answer
        return reply.deliver(body)

    if not TYPE_CHECKING:  # or every attribute would pass a type checker

        def __getattr__(self, name: str) -> NoReturn:
            """Say where a member of the application is found, whose name the middleware often takes."""
            text = f"{type(self).__name__!r} object has no attribute {name!r}"
            app = self.__dict__.get("app")
            if not name.startswith("_") and hasattr(app, name):
                text += f", which the application has; {_cure_of_name(app, name)}"
            raise AttributeError(text)


def _named(app: object) -> str:
    return f"the function {app.__name__}" if isinstance(app, FunctionType) else f"a {type(app).__name__}"


def _cure_of_name(app: object, name: str) -> str:
    if hasattr(app, "wsgi_app"):
        return "write app.wsgi_app = SessionMiddleware(app.wsgi_app, {...}), so that app stays the application"
    return f"give the middleware another name than the application, or write app.app.{name}"


def get_session(environ: WSGIEnvironment, key: str = "sessionware.session") -> Session:
    """The session of this request; *key* is the option ``environ_key``.

    Raises :exc:`ConfigError` where no middleware has put one there. Getting it touches nothing.
    """
    try:
        session = environ.get(key)
    except AttributeError:
        session = None
    if isinstance(session, Session):
        return session
    if not isinstance(environ, Mapping):
        what = f"environ is an object of the type {type(environ).__name__}"
        raise ConfigError(f"{what}: write get_session(environ), which a request has as request.environ")
    raise ConfigError(
        f"environ has no session under {key!r}: wrap the application, app = SessionMiddleware(app, {{...}}), "
        "or, if it is wrapped, ask for the key that its option environ_key names"
    )


def _checked(lifecycle: Lifecycle, outer: tuple[Session, ...]) -> tuple[Session, ...]:
    """Those of *outer* that later passes must know; ConfigError if another middleware shares a name with this one."""
    if len(outer) >= MAX_PASSES:
        raise ConfigError(
            "the application calls the middleware that wraps it, without end: wrap what is called within it, as in "
            "app.wsgi_app = SessionMiddleware(app.wsgi_app, {...})"
        )
    for session in outer:
        other = cast(Lifecycle, session._persistence)
        if other is lifecycle:
            continue
        place = next((name for name in lifecycle.environ_names if name in other.environ_names), None)
        if place is not None and session._phase is OPEN:
            raise ConfigError(
                f"two middlewares put their sessions, or their managers, under {place!r}: wrap the application once, "
                "or give one of them an environ_key and a cookie.name of its own"
            )
        names = other.cookie_names & lifecycle.cookie_names
        if names and other.cookie_reach == lifecycle.cookie_reach:
            raise ConfigError(
                f"two middlewares use the cookie {min(names)!r} with one domain and path, and would overwrite each "
                "other's: give one of them a cookie.name of its own (a cookie session has a companion, its name and "
                f"{COMPANION_SUFFIX!r})"
            )
    # A dict that serves for many passes must not collect their sessions.
    return tuple(session for session in outer if session._persistence is not lifecycle or session._phase is OPEN)
