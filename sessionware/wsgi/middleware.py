"""One request through WSGI: a session in its environ, and the response that carries it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sessionware.exceptions import ConfigError
from sessionware.manager import SessionManager
from sessionware.session.mapping import Session
from sessionware.session.request import OPEN
from sessionware.wsgi.reply import Reply

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    from sessionware.config.settings import Config

    Outer = tuple[tuple[Session, "SessionMiddleware"], ...]

#: Where the sessions that are open stand, each with its middleware, the innermost first. The same key for all, so that
#: middlewares find each other.
OPEN_KEY = "sessionware.open"


class SessionMiddleware:
    """A WSGI application around another one: it puts a session into environ, and saves it with the response.

    ``config`` is a mapping or a :class:`Config`; ``options`` win over it. Raises :exc:`ConfigError`, which names
    every fault found. What it promises follows PEP 3333.
    """

    def __init__(self, app: WSGIApplication, config: Mapping[str, Any] | Config | None = None, **options: Any) -> None:
        self.app = app
        self.manager = SessionManager(config, **options)
        settings = self.manager._settings
        self._lifecycle = self.manager._lifecycle
        self._environ_key = settings.environ_key
        self._manager_key = settings.manager_key
        self._cookie_scope = settings.cookie.scope

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        outer = environ.get(OPEN_KEY)
        if outer is not None:
            outer = self._checked(outer)
        session = self._lifecycle.open(environ)
        environ[OPEN_KEY] = ((session, self), *outer) if outer else ((session, self),)
        environ[self._environ_key] = session
        environ[self._manager_key] = self.manager
        reply = Reply(self._lifecycle, session, environ, start_response)
        try:
            body = self.app(environ, reply.start)
        except BaseException as error:
            answer = reply.give_up(error)
            if answer is None:
                raise
            return answer
        return reply.deliver(body)

    def _checked(self, outer: Outer) -> Outer:
        """Those of *outer* that later passes must know; ConfigError if another middleware uses one of our names."""
        for session, other in outer:
            if other is self:
                continue
            if other._environ_key == self._environ_key and session._phase is OPEN:
                raise ConfigError(
                    f"two middlewares put their sessions under {self._environ_key!r}: wrap the application once, "
                    "or give one of them an environ_key and a cookie.name of its own"
                )
            if other._cookie_scope == self._cookie_scope:
                raise ConfigError(
                    f"two middlewares use the cookie {self._cookie_scope[0]!r} with one domain and path, "
                    "and would overwrite each other's: give one of them a cookie.name of its own"
                )
        # A dict that serves for many passes must not collect their sessions.
        return tuple(pair for pair in outer if pair[1] is not self or pair[0]._phase is OPEN)


def get_session(environ: WSGIEnvironment, key: str = "sessionware.session") -> Session:
    """The session of this request; *key* is the option ``environ_key``.

    Raises :exc:`ConfigError` where no middleware has put one there. Getting it touches nothing.
    """
    session = environ.get(key)
    if isinstance(session, Session):
        return session
    raise ConfigError(
        f"environ has no session under {key!r}: wrap the application, app = SessionMiddleware(app, {{...}}), "
        "or, if it is wrapped, ask for the key that its option environ_key names"
    )
