"""What a session asks of its manager: load, save, renew and end it."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import get_ident
from typing import Any, TypeVar

from msgspec.structs import replace

from sessionware.backends.contract import DELETE, KEEP, Backend, NoValue, Outcome, Send
from sessionware.backends.former import Former, MovingCookies
from sessionware.config.settings import OnStoreFailure, Settings
from sessionware.cookies.header import max_age_until
from sessionware.cookies.origin import SAFE_METHODS
from sessionware.cookies.request import COMPANION_SUFFIX, CookieContext, Cookies, is_of_https_site
from sessionware.crypto.csrf import CsrfSecrets
from sessionware.events import Decision, Events, failure_of_store, is_logged, logger, told_of_load
from sessionware.exceptions import (
    ConflictError,
    CookieTooLarge,
    CrossSiteRequest,
    HeadersSent,
    RecordTooLarge,
    SessionDataError,
    SessionwareError,
    StoreUnavailable,
    hide_own_frames,
    without_frames,
)
from sessionware.session.asked import NOTHING
from sessionware.session.changes import Changes
from sessionware.session.lifetimes import ALIVE
from sessionware.session.mapping import Session
from sessionware.session.records import Found
from sessionware.session.request import LOADING, OPEN, SessionRequest, Touched
from sessionware.session.sizes import explained
from sessionware.session.user_key import protected_by
from sessionware.stores.processes import warning_of_processes

Answer = TypeVar("Answer")

#: A thread that waits for another's load waits no longer, in case the other one waits for it.
LONGEST_LOAD_SECONDS = 5.0
_PAUSE_SECONDS = 0.001


class Lifecycle:
    """Serves the sessions of one manager, as :class:`Persistence` promises them."""

    def __init__(self, settings: Settings, backend: Backend, events: Events, *, formers: Sequence[Former] = ()) -> None:
        self._backend = backend
        self._travels_with_answer = backend.travels_with_answer
        self._events = events
        self._serializer = settings.serializer
        self._lifetimes = settings.lifetimes
        refresh_after = settings.lifetimes.refresh_after
        self._refresh_after = math.inf if refresh_after is None else refresh_after
        self._clears_site_data = bool(settings.clear_site_data)
        self._event_context = settings.event_context
        self._asks_environ = self._clears_site_data or settings.event_context is not None
        self._other_sites = settings.other_sites
        self._is_anonymous_in_outage = settings.on_store_failure is OnStoreFailure.ANONYMOUS
        self._is_persistent = settings.cookie.persistent
        _, domain, path = settings.cookie.scope
        self._warning_of_processes = warning_of_processes(
            settings.store, "login_backend" if settings.is_store_for_logins else "backend"
        )
        make_keys = partial(backend.make_keys, domain=domain, path=path)
        self.cookies: Cookies[Any] = (
            MovingCookies(settings.cookie, make_keys, formers=formers, clock=settings.clock)
            if formers
            else Cookies(settings.cookie, make_keys)
        )
        self.clock = settings.clock
        #: What this makes for each request.
        self.session_class: type[Session] = Session if settings.user_key is None else protected_by(settings.user_key)
        self.environ_key = settings.environ_key
        self.manager_key = settings.manager_key
        name, *self.cookie_reach = settings.cookie.scope
        self.csrf = CsrfSecrets(settings.keyring, name)
        #: What no other middleware around the same application may use: places in environ, and names of cookies.
        self.environ_names = (settings.environ_key, settings.manager_key)
        self.cookie_names = {name, name + COMPANION_SUFFIX} if backend.travels_with_answer else {name}

    def open(self, environ: Mapping[str, Any]) -> Session:
        """The session of this request, untouched: nothing is read before it is used."""
        return self.session_class(self, environ, environ.get("HTTP_COOKIE", ""))

    def cookie_name(self, environ: Mapping[str, Any]) -> str:
        """The full name of the cookie that this request reads and sets."""
        return self.cookies.full_name(environ)

    def load(self, session: Touched) -> SessionRequest:
        """Load the session of a request, at its first touch."""
        now, thread = self.clock(), get_ident()
        environ = session._environ
        # Nothing is called in between, where another thread could take its turn.
        if environ is LOADING:
            return self._found_meanwhile(session, thread, now)
        session._loading_thread, session._environ = thread, LOADING
        context: CookieContext[Any] | None = None
        try:
            if environ.get("REQUEST_METHOD") not in SAFE_METHODS and self._other_sites is not None:
                self._other_sites.refuse(environ)
            context = self.cookies.open(session._cookie_header, environ)
            found, decisions = self._backend.load(context, now)
        except SessionwareError as error:
            decisions = told_of_load(error)
            request = self._failed(context, error, now, is_anonymous=self._is_anonymous_in_outage)
        except BaseException as error:
            session._environ = environ
            del environ, context
            hide_own_frames(error)
            raise error
        else:
            changes = Changes(self._serializer, self._lifetimes, session._is_passive)
            if found is not None:
                changes.data, changes.read = found.record.data, found.record.packed
            # As _travels() does; one call less.
            travels = self._travels_with_answer and (found is None or not found.key)
            request = SessionRequest(context, found, changes, now, travels, found is None)
            if decisions and found is None:
                request.rejected = decisions[0].reason
        session._request = request
        if self._asks_environ and session._phase is OPEN:
            self._ask_environ(request, environ)
        # What is told may be answered by a look at the session, which is complete now.
        if decisions or self._events.has_listeners or is_logged(logging.DEBUG):
            self._tell_of_load(request, decisions)
        if session._phase is not OPEN or self._warning_of_processes is not None:
            self._warn(session, environ)
        return request

    def _found_meanwhile(self, session: Touched, thread: int, now: float) -> SessionRequest:
        """What *thread* finds during a load: its own, or that of another thread of the request, which it waits for."""
        failed = partial(self._failed, None, StoreUnavailable("the session is being loaded"), now)
        if session._loading_thread == thread:
            # A filter of the log reads it while a driver logs: as an empty session, which cannot be changed.
            return failed(is_anonymous=True)
        deadline = time.monotonic() + LONGEST_LOAD_SECONDS
        while session._request is None and session._environ is LOADING:
            if time.monotonic() >= deadline:
                return failed(is_anonymous=False)
            time.sleep(_PAUSE_SECONDS)
        return session._request or self.load(session)

    def _ask_environ(self, request: SessionRequest, environ: Mapping[str, Any]) -> None:
        """Keep what the answer and the events need of *environ*, which the request does not hold."""
        if self._clears_site_data:
            request.is_of_https_site = is_of_https_site(environ, request.context)
        if self._event_context is not None:
            request.event_context = self._event_context.of(environ)

    def _tell_of_load(self, request: SessionRequest, decisions: Sequence[Decision]) -> None:
        found = request.found
        self._events.tell_all(decisions, request.event_context)
        if found is not None and (self._events.has_listeners or is_logged(logging.DEBUG)):
            self._events.loaded(found, request.event_context)

    def _warn(self, session: Touched, environ: Mapping[str, Any]) -> None:
        """Warn of a load that came too late, and, once, of a store that cannot serve this server."""
        if session._phase is not OPEN:
            logger.warning("a session was first read after the headers were sent: the answer lacks Vary: Cookie")
        if self._warning_of_processes is not None and environ.get("wsgi.multiprocess"):
            warning, self._warning_of_processes = self._warning_of_processes, None
            logger.warning(warning)

    def _travels(self, found: Found | None) -> bool:
        """Whether the session travels with the answer; one that was *found* in a store has a key there."""
        return self._travels_with_answer and (found is None or not found.key)

    def _failed(
        self, context: CookieContext[Any] | None, error: SessionwareError, now: float, *, is_anonymous: bool
    ) -> SessionRequest:
        """What a request knows of a session whose load has failed."""
        changes = Changes(self._serializer, self._lifetimes)
        request = SessionRequest(context, None, changes, now, self._travels_with_answer, is_new=True)
        request.load_failure = without_frames(error)
        if isinstance(error, StoreUnavailable):
            request.is_anonymous = is_anonymous
        if isinstance(error, (StoreUnavailable, CrossSiteRequest)) and not request.is_anonymous:
            request.outage = without_frames(error)
        return request

    def save(self, request: SessionRequest, *, after_headers: bool) -> bool:
        """Write what is pending in the middle of a request; ``False`` if another request has ended the session."""
        if not request.is_pending():
            return not request.is_ended_by_another
        if after_headers and not request.can_save_after_headers:
            raise HeadersSent("the headers are sent; this change needs a cookie")
        return self.save_pending(request)

    def save_pending(self, request: SessionRequest) -> bool:
        """Write what is pending; ``False`` if another request has ended the session.

        Raises StoreUnavailable, ConflictError, CookieTooLarge, RecordTooLarge or SessionDataError.
        """
        if request.save_failure is not None:
            # Whether that write took effect is unknown: a second one might count what was counted already.
            raise without_frames(request.save_failure)
        changes = request.changes
        if request.is_ended_by_another and changes.asked.login is None:
            self.discard(request, "ended")
            return False
        write, context = self._backend.save, request.event_context
        if context is not None:
            write = self._events.within(context, write)
        try:
            outcome = write(
                request.context, request.found, changes=changes, token=request.token, touched_at=request.touched_at
            )
            lines = self._cookie_lines(request, outcome)
        except SessionwareError as error:
            # Raised after the handler, for within it the store's error would be its context.
            failure = self._failure_of_save(request, error)
        except BaseException as error:
            hide_own_frames(error)
            raise error
        else:
            self._take(request, outcome, lines)
            return not request.is_ended_by_another
        try:
            raise failure
        finally:
            del failure  # or this frame, which the traceback holds, would hold it in turn

    def _failure_of_save(self, request: SessionRequest, error: SessionwareError) -> SessionwareError:
        """What is raised for *error*; the request remembers it, and it is told."""
        if isinstance(error, (CookieTooLarge, RecordTooLarge)):
            return explained(error, request.changes, request.stored)
        failure = without_frames(error)
        if isinstance(failure, StoreUnavailable):
            request.save_failure = without_frames(failure)
            self._note_outage(request, failure)
        elif isinstance(failure, ConflictError):
            request.outage = without_frames(failure)
            request.rejected = "superseded"
            self._events.tell(Decision("rejected", request.record, request.rejected), context=request.event_context)
        return failure

    def _take(self, request: SessionRequest, outcome: Outcome, lines: tuple[str, ...]) -> None:
        """Let *request* know what its session is now; an answer to a session that has ended carries no cookie."""
        found = request.found = outcome.found
        request.token = None
        is_ended = request.is_ended_by_another = found is None and outcome.cookie is KEEP
        if self._travels_with_answer and not is_ended:
            request.travels_with_answer = found is None or not found.key
        request.changes.start_from(None if found is None else found.record)
        if lines or is_ended:
            request.cookie_lines, request.is_cookie_standing = lines, not request.travels_with_answer
        self._tell(request, outcome.events)

    def _tell(self, request: SessionRequest, decisions: tuple[Decision, ...]) -> None:
        """Tell *decisions*, now or, of a session that travels with the answer, when that leaves.

        A login that has moved it into a store comes after what the same request did to it before; but a visitor's end
        before it is told with the answer, without which the browser keeps that session.
        """
        if request.travels_with_answer:
            request.untold += decisions
            return
        if request.untold:
            untold, request.untold = request.untold, ()
            if not request.is_leaving:
                request.untold = tuple(decision for decision in untold if decision.name == "ended")
                untold = tuple(decision for decision in untold if decision.name != "ended")
            decisions = (*untold, *decisions)
        self._events.tell_all(decisions, request.event_context)

    def tell_untold(self, request: SessionRequest) -> None:
        """Tell the events that have waited for the answer to leave."""
        untold, request.untold = request.untold, ()
        self._events.tell_all(untold, request.event_context)

    def _cookie_lines(self, request: SessionRequest, outcome: Outcome) -> tuple[str, ...]:
        """The Set-Cookie values of *outcome*; raises CookieTooLarge."""
        cookie, found, context = outcome.cookie, outcome.found, request.context
        if type(cookie) is NoValue or found is None:
            return tuple(context.delete()) if cookie is DELETE else outcome.more_lines
        record, max_age = found.record, None
        if record.is_remembered or self._is_persistent:
            # A passive request leaves "last seen" behind.
            max_age = max_age_until(self._lifetimes.end_of(record), max(record.seen_at, request.touched_at))
        write = context.set if isinstance(cookie, Send) else context.set_seen
        line = write(cookie.value, max_age)
        # The session's own comes last, as where it is deleted.
        return (*outcome.more_lines, line) if outcome.more_lines else (line,)

    def only_reads(self, request: SessionRequest) -> bool:
        """Whether *request* has a session to which it does nothing, and which need not be renewed: most requests."""
        found, changes = request.found, request.changes
        if found is None or changes.is_assigned or changes.is_exposed or changes.asked is not NOTHING:
            return False
        return not found.is_ahead and request.touched_at - found.record.seen_at < self._refresh_after

    def renew_if_stale(self, request: SessionRequest) -> None:
        """Write down that the session was seen now, if "last seen" is so old that a request which only reads does."""
        found = request.found
        if found is not None and (found.is_ahead or request.touched_at - found.record.seen_at >= self._refresh_after):
            self._renew(request, found)

    def _renew(self, request: SessionRequest, found: Found) -> None:
        if request.is_renewal_tried or found.superseded is not None or request.changes.is_passive:
            return
        if self._has_expired(found, request.touched_at):
            return
        request.is_renewal_tried = True
        try:
            outcome = self._backend.renew(request.context, found)
        except (StoreUnavailable, RecordTooLarge) as error:
            # The request only read: its answer is right, and the next one renews.
            self._events.tell(failure_of_store(found.record, error), context=request.event_context)
            return
        except BaseException as error:
            hide_own_frames(error)
            raise error
        request.found = outcome.found
        request.cookie_lines += self._cookie_lines(request, outcome)
        self._tell(request, outcome.events)

    def _has_expired(self, found: Found, touched_at: float) -> bool:
        """Whether the session has reached its end since a request touched it; idleness counts from that touch."""
        touched = replace(found.record, seen_at=max(found.record.seen_at, touched_at))
        return self._lifetimes.verdict(touched, self.clock()) is not ALIVE

    def end(self, request: SessionRequest) -> None:
        """End the session now (LOGOUT)."""
        found = request.found
        if isinstance(request.load_failure, SessionDataError):
            found = self._found_without_data(request)
            request.load_failure = None
            request.travels_with_answer = self._travels(found)
        decisions: tuple[Decision, ...] = ()
        if found is not None:
            has_ended = self._end(request, found)
            # A second end in one request finds nothing to end, and keeps the deletion that the first one asked for.
            request.cookie_lines = self._cookie_lines(request, Outcome(None, DELETE)) if has_ended else ()
            request.is_cookie_standing = not request.travels_with_answer
            decisions = (Decision("ended", found.record, "invalidated"),) if has_ended else ()
        is_passive = request.changes.is_passive
        # First, for without memory for it what was ended would begin again with this request's changes.
        request.changes = Changes(self._serializer, self._lifetimes, is_passive)
        request.found, request.token, request.is_new = None, None, True
        request.is_ended_by_another, request.save_failure = False, None
        self._tell(request, decisions)
        request.travels_with_answer = self._travels_with_answer

    def _found_without_data(self, request: SessionRequest) -> Found | None:
        """The session whose data could not be loaded."""
        load = partial(self._backend.load, request.context, self.clock(), has_data=False)
        return self._unless_failed(request, load)[0]

    def _end(self, request: SessionRequest, found: Found) -> bool:
        return self._unless_failed(request, partial(self._backend.end, found))

    def _unless_failed(self, request: SessionRequest, operation: Callable[[], Answer]) -> Answer:
        """What *operation* of an end gives; what it raises is told, and shows nothing."""
        try:
            return operation()
        except SessionwareError as error:
            failure = without_frames(error)
        except BaseException as error:
            hide_own_frames(error)
            raise error
        if isinstance(failure, StoreUnavailable):
            self._note_outage(request, failure)
        try:
            raise failure
        finally:
            del failure  # as in save_pending()

    # What goes wrong.

    def _note_outage(self, request: SessionRequest, error: StoreUnavailable) -> None:
        request.outage = without_frames(error)
        self._events.tell(failure_of_store(request.stored, error), context=request.event_context)

    def discard(self, request: SessionRequest, reason: str) -> None:
        """Drop what is pending, and tell the event ``discarded`` with this *reason*."""
        record = request.record
        record.handle = request.handle
        with suppress(SessionwareError):
            # If a value of an own type cannot be made again, that takes the place of no answer and of no other error.
            request.changes.discard(request.stored)
        self._tell(request, (Decision("discarded", record, reason),))
