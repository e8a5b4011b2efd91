"""The answer to a request: what is saved before it leaves, and what it says of the session."""

from __future__ import annotations

from sessionware.config.settings import OnStoreFailure, Settings
from sessionware.cookies.caching import VARY
from sessionware.cookies.origin import SAFE_METHODS, needed_of
from sessionware.cookies.request import ENCRYPTED
from sessionware.events import logger
from sessionware.exceptions import (
    ConflictError,
    CrossSiteRequest,
    HeadersSent,
    SessionwareError,
    StoreUnavailable,
    without_frames,
)
from sessionware.lifecycle import Lifecycle
from sessionware.session.mapping import Session
from sessionware.session.request import COMMITTED, FINISHED, OPEN, Phase, SessionRequest

_NO_STORE = ("Cache-Control", "no-store")
_UNANSWERED = (
    "a change of a session needed a cookie, and the connection has left WSGI, as that of a WebSocket does: no answer "
    "can carry one, so the change is lost. Begin a session and sign in by ordinary requests"
)
_UNANSWERED_FAILURE = (
    "a change of a session was not saved, which no answer can tell, because the connection has left WSGI, as that of a "
    "WebSocket does: %s"
)
_SERVER_ERROR = 500


class Answers:
    """The answers of one manager's requests; what a session asks for in the middle of one is :class:`Lifecycle`'s."""

    def __init__(self, lifecycle: Lifecycle, settings: Settings) -> None:
        self._lifecycle = lifecycle
        #: Tells the events of a request whose session travels with the answer, once that has left.
        self.answered = lifecycle.tell_untold
        self._save_on_error = settings.save_on_error
        self._clear_site_data = ", ".join(f'"{word}"' for word in settings.clear_site_data)
        self._raises_store_failures = settings.on_store_failure is OnStoreFailure.RAISE

    def commit(self, session: Session, status: int) -> list[tuple[str, str]]:
        """Save what is to be saved, and give the header pairs of the answer; none for an untouched session."""
        request = session._request
        if request is None:
            self.leave_untouched(session, COMMITTED)
            return []
        if session._phase is not OPEN:
            raise HeadersSent("this session was committed already")
        session._phase = FINISHED
        if status >= _SERVER_ERROR or not self._lifecycle.only_reads(request):
            self._complete(request, status)
        session._phase = COMMITTED
        pairs = [VARY]
        for line in request.cookie_lines:
            pairs.append(("Set-Cookie", line))
        if request.is_of_https_site:
            pairs += self._clearing_pairs(request)
        return [*pairs, _NO_STORE] if request.is_anonymous else pairs

    def _clearing_pairs(self, request: SessionRequest) -> list[tuple[str, str]]:
        """What an answer tells the browser to forget that deletes the cookie, and with which no session begins."""
        is_told = request.is_of_https_site and request.found is None and request.cookie_lines
        return [("Clear-Site-Data", self._clear_site_data)] if is_told else []

    def _complete(self, request: SessionRequest, status: int) -> None:
        if request.outage is not None and status == _SERVER_ERROR and self.has_own_answer(request.outage):
            # The framework turned the error into its own 500 page; our 503, 409 or 403 takes its place.
            raise without_frames(request.outage)
        if request.load_failure is not None:
            return
        found = request.found
        if status >= _SERVER_ERROR and self._discards(status):
            self._discard_if_pending(request)
        elif request.changes.is_pending(None if found is None else found.record):
            request.is_leaving = True
            self._lifecycle.save_pending(request)
            if request.found is not found:
                return  # what was written says that the session was seen, or that it has ended
        self._lifecycle.renew_if_stale(request)

    def _discards(self, status: int) -> bool:
        """Whether the application answers with an error for which nothing is kept."""
        return status >= _SERVER_ERROR and not self._save_on_error

    def _discard_if_pending(self, request: SessionRequest) -> None:
        if request.is_pending_or_unstorable():
            self._lifecycle.discard(request, "error_status")

    def commit_after_headers(self, session: Session, *, status: int) -> None:
        """Save what has changed since the headers were sent; raises as :meth:`commit` does, and HeadersSent."""
        request = session._request
        if request is None or session._phase is not COMMITTED or request.load_failure is not None:
            return
        can_save = request.can_save_after_headers
        if self._discards(status):
            self._discard_if_pending(request)
            self._lifecycle.tell_untold(request)
        elif request.is_pending():
            if not can_save:
                session._come_too_late("a nested value was changed after the cookie was sent; that change is not saved")
                return
            self._lifecycle.save_pending(request)
        if can_save:
            self._lifecycle.renew_if_stale(request)

    def abandon(self, session: Session) -> None:
        """The application has raised: discard what is unsaved. What was ended stays ended."""
        request = session._request
        self.finish(session)
        if request is None or request.load_failure is not None:
            return
        is_pending = request.is_pending_or_unstorable() or bool(request.untold)
        request.untold = ()
        if not request.is_cookie_standing:
            request.cookie_lines = ()
        if is_pending:
            self._lifecycle.discard(request, "app_raised")
            self._lifecycle.tell_untold(request)  # there is no answer to wait for

    def hand_over(self, session: Session) -> None:
        """The connection has left WSGI, as a WebSocket's does: save what needs no cookie, and discard the rest.

        It raises nothing, because no answer could tell.
        """
        request = session._request
        if request is not None and request.load_failure is None:
            try:
                self._save_without_answer(request)
            except SessionwareError as error:
                logger.error(_UNANSWERED_FAILURE, error)
        self.finish(session)

    def _save_without_answer(self, request: SessionRequest) -> None:
        needs_cookie = request.changes.asked.needs_new_id or not request.can_save_after_headers
        is_lost = request.has_unsent_cookie
        if request.is_pending():
            if needs_cookie:
                is_lost = True
            else:
                self._lifecycle.save_pending(request)
        if is_lost:
            logger.warning(_UNANSWERED)
            request.untold = ()
            self._lifecycle.discard(request, "unanswered")
            self._lifecycle.tell_untold(request)
        elif not needs_cookie:
            self._lifecycle.renew_if_stale(request)

    def finish(self, session: Session) -> None:
        """The answer is complete: any later change raises HeadersSent."""
        if session._request is None:
            self.leave_untouched(session, FINISHED)
        session._phase = FINISHED

    def leave_untouched(self, session: Session, phase: Phase) -> None:
        """The answer leaves without the session: keep of environ, which holds the session, what a late read needs."""
        session._phase = phase
        environ = session._environ
        if environ.get("wsgi.url_scheme") == "https":
            session._environ = ENCRYPTED
        else:
            session._environ = self._lifecycle.cookies.needed_of(environ)
        if environ.get("REQUEST_METHOD") not in SAFE_METHODS:
            session._environ = {**session._environ, **needed_of(environ)}

    def has_own_answer(self, error: BaseException) -> bool:
        """Whether an answer of our own, 503, 409 or 403, takes the place of the application's."""
        if isinstance(error, StoreUnavailable):
            return not self._raises_store_failures
        return isinstance(error, (ConflictError, CrossSiteRequest))

    def standing_pairs(self, session: Session) -> list[tuple[str, str]]:
        """The header pairs of what ``save()`` or an end has made true in the store, whatever answer carries them.

        A cookie session has none: there, the answer that is dropped would have made it true.
        """
        request = session._request
        if request is None or not request.is_cookie_standing:
            return []
        return [*(("Set-Cookie", line) for line in request.cookie_lines), *self._clearing_pairs(request)]
