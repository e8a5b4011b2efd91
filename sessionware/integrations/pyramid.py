"""Sessions for Pyramid: a session factory, a policy for CSRF tokens, and what ``config.include`` sets up."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sessionware.config.names import PREFIX, PREFIXES
from sessionware.config.settings import Config
from sessionware.exceptions import (
    ConfigError,
    ConflictError,
    CrossSiteRequest,
    HeadersSent,
    StoreUnavailable,
    hiding_arguments,
)
from sessionware.integrations.pyramid_session import PyramidSession
from sessionware.manager import SessionManager
from sessionware.session.mapping import Session
from sessionware.session.request import FINISHED, OPEN
from sessionware.wsgi.middleware import get_session
from sessionware.wsgi.reply import fixed_answer

try:
    from pyramid.i18n import TranslationString  # type: ignore[import-untyped]
    from pyramid.interfaces import ICSRFStoragePolicy  # type: ignore[import-untyped]
    from pyramid.response import Response  # type: ignore[import-untyped]
    from pyramid.threadlocal import manager as threadlocals  # type: ignore[import-untyped]
    from zope.interface import implementer  # type: ignore[import-untyped]
except ImportError as error:
    raise ConfigError("sessions for Pyramid need Pyramid: pip install 'sessionware[pyramid]'") from error

if TYPE_CHECKING:
    from pyramid.config import Configurator  # type: ignore[import-untyped]
    from pyramid.request import Request  # type: ignore[import-untyped]

_DEFAULT_KEY = "sessionware.session"
_ENVIRON_KEY = "environ_key"


class SessionFactory:
    """A session factory for ``config.set_session_factory``, configured as :class:`sessionware.SessionMiddleware` is.

    Where a middleware around the application has put a session into ``environ``, it is that session, which the
    middleware saves. Without a configuration there must be such a middleware.

    Raises :exc:`ConfigError` that names every fault of the configuration.
    """

    @hiding_arguments
    def __init__(self, config: Mapping[str, Any] | Config | None = None, **options: Any) -> None:
        self._key: str = options.get(_ENVIRON_KEY, _DEFAULT_KEY)
        #: The manager of the sessions; ``None`` where a middleware has it.
        self.manager: SessionManager | None = None
        if config is not None or options.keys() - {_ENVIRON_KEY}:
            self.manager = SessionManager(config, **_with_defaults(config, options))
            self._key = self.manager._lifecycle.environ_key

    def __call__(self, request: Request) -> PyramidSession:
        environ = request.environ
        session = environ.get(self._key)
        if isinstance(session, Session) and session._phase is OPEN:
            return PyramidSession(session)
        if self.manager is None:
            return PyramidSession(_session_in(environ, self._key))
        session = self.manager.open(environ)
        environ[self._key] = session
        environ[self.manager._lifecycle.manager_key] = self.manager
        if _is_over(request):
            self.manager._answers.leave_untouched(session, FINISHED)
            return PyramidSession(session)
        commit = _Commit(self.manager, session)
        request.add_response_callback(commit.answer)
        request.add_finished_callback(commit.finish)
        return PyramidSession(session)

    def answers(self, error: BaseException, environ: Mapping[str, Any]) -> bool:
        """Whether an answer of ours takes the place of *error*: not where a middleware's session has failed."""
        manager, session = self.manager, environ.get(self._key)
        if manager is None or not isinstance(session, Session) or session._persistence is not manager._lifecycle:
            return False
        return manager._answers.has_own_answer(error)


def _with_defaults(config: Mapping[str, Any] | Config | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """*options* with what Pyramid's applications rely on, unless *config* or they say otherwise."""
    try:
        given = {**_read(config), **_read(options)}
    except ConfigError:
        return dict(options)  # the manager tells this fault, with all others
    types = {TranslationString: TRANSLATION_STRING, **given.get("types", {})}
    return {**options, "types": types, "values": given.get("values", "lenient")}


def _read(config: Mapping[str, Any] | Config | None) -> Mapping[str, Any]:
    return config.options if isinstance(config, Config) else Config(config or {}).options


def _is_over(request: Request) -> bool:
    """Whether the router has let go of *request*, which a body that is a generator outlives.

    A request that the router never had, as in a script, is not.
    """
    is_routed = "request_iface" in request.__dict__
    return is_routed and all(entry["request"] is not request for entry in threadlocals.stack)


def _session_in(environ: dict[str, Any], key: str) -> Session:
    try:
        return get_session(environ, key)
    except ConfigError as error:
        raise ConfigError(f"{error}; or give options: settings that begin with {PREFIX!r}, or SessionFactory") from None


class _Commit:
    """Saves the session of one request with its response."""

    def __init__(self, manager: SessionManager, session: Session) -> None:
        self._manager = manager
        self._session = session
        self._is_last = False
        self._is_last_of_all = False
        self._status = 0

    def answer(self, request: Request, response: Response) -> None:
        """Save, and let *response* say so; where that fails, our 503, 409 or 403 takes its place."""
        if not self._is_last and any(callback != self.answer for callback in request.response_callbacks):
            # A later callback may still change the session.
            self._is_last = True
            request.add_response_callback(self.answer)
            return
        self._status = response.status_int
        try:
            pairs = self._manager.commit(self._session, status=self._status)
        except (ConflictError, CrossSiteRequest, StoreUnavailable) as error:
            answers = self._manager._answers
            if not answers.has_own_answer(error):
                raise
            text, headers = fixed_answer(error, response.headerlist)
            _become(response, error, [*headers, *answers.standing_pairs(self._session)], text=text)
        else:
            response.headerlist = self._manager.merge_headers(response.headerlist, pairs)

    def finish(self, request: Request) -> None:
        """The request is over: without a response, nothing is saved, and otherwise what has changed since."""
        if not self._is_last_of_all and request.finished_callbacks:
            # A later callback may still change the session, and shall run even if this one raises.
            self._is_last_of_all = True
            request.add_finished_callback(self.finish)
            return
        answers, session = self._manager._answers, self._session
        has_raised = sys.exc_info()[0] is not None
        if session._phase is OPEN:
            self._leave_unanswered(has_raised=has_raised)
            return
        try:
            if not has_raised:
                answers.commit_after_headers(session, status=self._status)
        finally:
            answers.finish(session)

    def _leave_unanswered(self, *, has_raised: bool) -> None:
        """No response carries the session: there is none, or it was there before the session was used."""
        request = self._session._request
        is_lost = request is not None and request.load_failure is None and request.is_pending_or_unstorable()
        self._manager._answers.abandon(self._session)
        if is_lost and not has_raised:
            raise HeadersSent(
                "the session was first used when the response had been made, and its change is lost: use it in the view"
            )


def _become(response: Response, error: Any, headers: list[tuple[str, str]], *, text: bytes) -> None:
    """Let *response* be the answer to *error*; its body is closed unread."""
    if hasattr(response.app_iter, "close"):
        response.app_iter.close()
    response.status, response.headerlist, response.body = f"{error.code} {error.name}", headers, text


@implementer(ICSRFStoragePolicy)
class CSRFPolicy:
    """A policy for ``config.set_csrf_storage_policy`` whose tokens are another text on each page (see BREACH)."""

    def new_csrf_token(self, request: Request) -> str:
        """A token of a new secret; those from before are good no more."""
        request.session.new_csrf_token()
        return self.get_csrf_token(request)

    def get_csrf_token(self, request: Request) -> str:
        """A token of the session, another text at each call."""
        return str(request.session.csrf_token)

    def check_csrf_token(self, request: Request, supplied_token: object) -> bool:
        """Whether the token came from this session, the one of ``session.get_csrf_token()`` included."""
        return bool(request.session.verify_csrf(supplied_token))


def includeme(config: Configurator) -> None:
    """``config.include("sessionware.integrations.pyramid")``: sessions by the settings that begin with ``session.``."""
    factory = _factory_of(config.registry.settings)
    config.registry.sessionware = factory  # for sessionware.testing
    config.set_session_factory(factory)
    config.set_csrf_storage_policy(CSRFPolicy())
    for error in (ConflictError, CrossSiteRequest, StoreUnavailable):
        config.add_exception_view(_answer_to, context=error)


@hiding_arguments
def _factory_of(settings: Mapping[str, Any]) -> SessionFactory:
    given = {name: value for name, value in settings.items() if name.startswith(PREFIXES)}
    options = Config(given).options
    if not options.keys() - {_ENVIRON_KEY}:
        return SessionFactory(**options)
    return SessionFactory(Config(given))


def _answer_to(error: Any, request: Request) -> Response:
    """Our 503, 409 or 403 for an error that a view left; one of a middleware's session is answered by that."""
    factory: SessionFactory = request.registry.sessionware
    if not factory.answers(error, request.environ):
        raise error
    response = Response()
    text, headers = fixed_answer(error, [])
    _become(response, error, headers, text=text)
    return response


def _to_plain(text: Any) -> list[Any]:
    mapping = None if text.mapping is None else dict(text.mapping)
    return [str(text), text.domain, text.default, mapping, text.context]


def _from_plain(plain: Any) -> Any:
    msgid, domain, default, mapping, context = plain
    return TranslationString(msgid, domain=domain, default=default, mapping=mapping, context=context)


#: For the option ``types``: a translation string keeps its mapping and its default.
TRANSLATION_STRING = ("translationstring", _to_plain, _from_plain)
