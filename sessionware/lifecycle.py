"""One request's session, from its first touch to its answer: load, save, renew, end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from sessionware.backends.contract import DELETE, Backend, NoValue, Outcome, Send
from sessionware.config.settings import OnStoreFailure, Settings
from sessionware.cookies.request import CookieContext, Cookies, location_of
from sessionware.events import Decision, Events, logger
from sessionware.exceptions import (
    ConflictError,
    CookieTooLarge,
    HeadersSent,
    RecordTooLarge,
    SessionwareError,
    StoreUnavailable,
)
from sessionware.session.changes import Changes
from sessionware.session.lifetimes import Verdict
from sessionware.session.mapping import Session
from sessionware.session.records import Found
from sessionware.session.request import COMMITTED, FINISHED, OPEN, SessionRequest

_VARY = ("Vary", "Cookie")
_NO_STORE = ("Cache-Control", "no-store")
_ENCRYPTED = {"wsgi.url_scheme": "https"}
_LARGEST_KEYS = 5
_SERVER_ERROR = 500


class Lifecycle:
    """Serves the sessions of one manager: what :class:`Persistence` promises them, and the commit of their answers."""

    def __init__(self, settings: Settings, backend: Backend, events: Events) -> None:
        self._backend = backend
        self._events = events
        self._serializer = settings.serializer
        self._lifetimes = settings.lifetimes
        self._save_on_error = settings.save_on_error
        self._is_anonymous_in_outage = settings.on_store_failure is OnStoreFailure.ANONYMOUS
        _, domain, path = settings.cookie.scope
        self._cookies = Cookies(settings.cookie, partial(backend.make_keys, domain=domain, path=path))
        self.clock = settings.clock
        self.environ_key = settings.environ_key
        self.manager_key = settings.manager_key
        self.cookie_scope = settings.cookie.scope
        self.raises_store_failures = settings.on_store_failure is OnStoreFailure.RAISE

    def open(self, environ: Mapping[str, Any]) -> Session:
        """The session of this request, untouched: nothing is read before it is used."""
        # environ will hold this session; holding environ in turn would make a reference cycle. Over TLS, the scheme is
        # all that a session needs of it, unless its cookie is for a part of the site.
        needed = environ
        if environ.get("wsgi.url_scheme") == "https":
            needed = _ENCRYPTED if self._cookies.covers_all else location_of(environ)
        return Session(self, needed, environ.get("HTTP_COOKIE", ""))

    def cookie_name(self, environ: Mapping[str, Any]) -> str:
        """The full name of the cookie that this request reads and sets."""
        return self._cookies.full_name(environ)

    # The answer.

    def commit(self, session: Session, status: int) -> list[tuple[str, str]]:
        """Save what is to be saved, and give the header pairs of the answer; none for an untouched session."""
        request = session._request
        if request is None:
            session._phase = COMMITTED
            return []
        if session._phase is not OPEN:
            raise HeadersSent("this session was committed already")
        session._phase = FINISHED
        self._complete(request, status)
        session._phase = COMMITTED
        pairs = [_VARY]
        for line in request.cookie_lines:
            pairs.append(("Set-Cookie", line))
        return [*pairs, _NO_STORE] if request.is_anonymous else pairs

    def _complete(self, request: SessionRequest, status: int) -> None:
        if request.outage is not None and status == _SERVER_ERROR and not self.raises_store_failures:
            # The framework turned StoreUnavailable into its own 500 page; our 503 takes its place.
            raise request.outage
        if request.load_failure is not None:
            return
        if request.is_pending() and not self._is_refused(request, status):
            self._save(request)
        self._renew(request)

    def _is_refused(self, request: SessionRequest, status: int) -> bool:
        """Whether the changes are discarded, because the application answers with an error."""
        is_refused = status >= _SERVER_ERROR and not self._save_on_error
        if is_refused:
            self._discard(request, "error_status")
        return is_refused

    def commit_after_headers(self, session: Session, *, status: int) -> None:
        """Save what has changed since the headers were sent; raises as :meth:`commit` does, and HeadersSent."""
        request = session._request
        if request is None or session._phase is not COMMITTED or request.load_failure is not None:
            return
        can_save = request.can_save_after_headers
        if request.is_pending() and not self._is_refused(request, status):
            if not can_save:
                raise HeadersSent("a nested value was changed after the cookie was sent; that change is not saved")
            self._save(request)
        if can_save:
            self._renew(request)

    def abandon(self, session: Session) -> None:
        """The application has raised: discard what is unsaved. What was ended stays ended."""
        request = session._request
        session._phase = FINISHED
        if request is None or request.load_failure is not None:
            return
        try:
            is_pending = request.is_pending()
        except SessionwareError:
            is_pending = True
        if is_pending:
            self._discard(request, "app_raised")

    def finish(self, session: Session) -> None:
        """The answer is complete: any later change raises HeadersSent."""
        session._phase = FINISHED

    # What a session asks for.

    def load(self, cookie_header: str, environ: Mapping[str, Any], *, after_headers: bool) -> SessionRequest:
        """Load the session of a request, at its first touch."""
        if after_headers:
            logger.warning("a session was first read after the headers were sent: the answer lacks Vary: Cookie")
        context = self._cookies.open(cookie_header, environ)
        now = self.clock()
        try:
            found = self._backend.load(context)
        except StoreUnavailable as error:
            self._events.store_failed(None)
            request = self._request(context, None, now)
            request.load_failure = error
            request.is_anonymous = self._is_anonymous_in_outage
            request.outage = None if request.is_anonymous else error
            return request
        return self._request(context, found, now)

    def _request(self, context: CookieContext[Any], found: Found | None, now: float) -> SessionRequest:
        changes = Changes(None if found is None else found.record, self._serializer, self._lifetimes)
        return SessionRequest(
            context, found, changes, touched_at=now, saves_after_headers=self._backend.saves_after_headers
        )

    def save(self, request: SessionRequest, *, after_headers: bool) -> bool:
        """Write what is pending in the middle of a request; ``False`` if another request has ended the session."""
        if not request.is_pending():
            return not request.is_ended_by_another
        if after_headers and not request.can_save_after_headers:
            raise HeadersSent("the headers are sent; this change needs a cookie")
        return self._save(request)

    def _save(self, request: SessionRequest) -> bool:
        if request.save_failure is not None:
            # Whether that write took effect is unknown: a second one might count what was counted already.
            raise request.save_failure
        has_expired = self._has_expired(request)
        if (request.is_ended_by_another or has_expired) and request.changes.login is None:
            self._discard(request, "ended")
            if has_expired:
                self._take(request, Outcome(None), ())
            return False
        if has_expired:
            # The login stands, and takes nothing along of what has ended.
            request.found = None
        try:
            outcome = self._backend.save(request.context, request.found, changes=request.changes, token=request.token)
            lines = self._cookie_lines(request.context, outcome)
        except StoreUnavailable as error:
            request.save_failure = error
            self._note_outage(request, error)
            raise
        except ConflictError:
            self._events.tell(Decision("rejected", request.record, "superseded"))
            raise
        except (CookieTooLarge, RecordTooLarge) as error:
            raise self._explained(error, request.changes.data) from None
        self._take(request, outcome, lines)
        return not request.is_ended_by_another

    def _take(self, request: SessionRequest, outcome: Outcome, lines: tuple[str, ...]) -> None:
        """Let *request* know what its session is now; an answer to a session that has ended carries no cookie."""
        request.found = outcome.found
        request.token = None
        request.is_ended_by_another = outcome.is_discarded
        request.changes.start_from(None if outcome.found is None else outcome.found.record)
        if lines or request.is_ended_by_another:
            request.cookie_lines = lines
        self._events.tell(*outcome.events)

    def _cookie_lines(self, context: CookieContext[Any], outcome: Outcome) -> tuple[str, ...]:
        """The Set-Cookie values of *outcome*; raises CookieTooLarge."""
        cookie, found = outcome.cookie, outcome.found
        if cookie is DELETE:
            return tuple(context.delete())
        if isinstance(cookie, NoValue) or found is None:
            return ()
        record = found.record
        write = context.set if isinstance(cookie, Send) else context.set_seen
        ends_at = self._lifetimes.end_of(record)
        return (write(cookie.value, ends_at, record.seen_at, is_persistent=record.is_remembered),)

    def _has_expired(self, request: SessionRequest) -> bool:
        """Whether the session has reached its end since this request touched it; idleness counts from that touch."""
        found, now = request.found, self.clock()
        if found is None or found.superseded is not None:
            return False
        if self._lifetimes.verdict(found.record, now) is Verdict.ALIVE:
            return False
        touched = replace(found.record, seen_at=max(found.record.seen_at, request.touched_at))
        return self._lifetimes.verdict(touched, now) is not Verdict.ALIVE

    def _renew(self, request: SessionRequest) -> None:
        found = request.found
        if found is None or not self._lifetimes.is_stale(found.record, request.touched_at):
            return
        if found.superseded is not None or request.is_renewal_tried or self._has_expired(request):
            return
        request.is_renewal_tried = True
        try:
            outcome = self._backend.renew(request.context, found)
        except (StoreUnavailable, RecordTooLarge) as error:
            # The request only read: its answer is right, and the next one renews.
            self._events.store_failed(found.record)
            logger.debug("renewal failed: %s", error)
            return
        request.found = outcome.found
        request.cookie_lines += self._cookie_lines(request.context, outcome)
        self._events.tell(*outcome.events)

    def end(self, request: SessionRequest) -> None:
        """End the session now (LOGOUT)."""
        if request.found is not None:
            # A second end in one request finds nothing to end, and keeps the deletion that the first one asked for.
            try:
                request.cookie_lines = self._end(request, request.found)
            except StoreUnavailable as error:
                self._note_outage(request, error)
                raise
        request.found, request.token, request.is_new = None, None, True
        request.is_ended_by_another, request.save_failure = False, None
        request.changes = Changes(None, self._serializer, self._lifetimes)

    def _end(self, request: SessionRequest, found: Found) -> tuple[str, ...]:
        """End *found*, and give the deletion of its cookie; none if it had ended already, as its cookie may be new."""
        has_expired = self._has_expired(request)
        if not self._backend.end(found) or has_expired:
            return ()
        self._events.tell(Decision("ended", found.record, "invalidated"))
        return self._cookie_lines(request.context, Outcome(None, DELETE))

    # What goes wrong.

    def _explained(self, error: CookieTooLarge | RecordTooLarge, data: Mapping[str, Any]) -> SessionwareError:
        sizes = [(key, len(self._serializer.dumps([value]))) for key, value in data.items()]
        sizes.sort(key=lambda pair: pair[1], reverse=True)
        return type(error)(str(error) or "the session is too large for its store", sizes[:_LARGEST_KEYS])

    def _note_outage(self, request: SessionRequest, error: StoreUnavailable) -> None:
        request.outage = error
        self._events.store_failed(request.stored)

    def _discard(self, request: SessionRequest, reason: str) -> None:
        record = request.record
        record.handle = request.handle
        self._events.tell(Decision("discarded", record, reason))
        request.changes.discard(request.stored)
