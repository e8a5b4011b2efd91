"""Opens sessions and commits them: decides to save, renew or leave alone, and gives the headers that say so.

It needs no WSGI server: a bare environ with a cookie, a scheme and a host is enough, for tests, WebSockets and jobs.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sessionware.backends.assembly import make_carrier
from sessionware.backends.contract import Base, Outcome
from sessionware.config.settings import Config, OnStoreFailure, settle
from sessionware.cookies.caching import merge_headers
from sessionware.cookies.header import CookieSettings
from sessionware.cookies.request import Cookies
from sessionware.events import Events, logger
from sessionware.exceptions import CookieTooLarge, HeadersSent, RecordTooLarge, SessionwareError, StoreUnavailable
from sessionware.session.changes import Changes
from sessionware.session.lifetimes import Verdict
from sessionware.session.mapping import Session
from sessionware.session.request import COMMITTED, FINISHED, OPEN, Draft
from sessionware.stores.contract import Closable, Purgeable

_VARY = ("Vary", "Cookie")
_NO_STORE = ("Cache-Control", "no-store")
_ENCRYPTED = {"wsgi.url_scheme": "https"}
_LARGEST_KEYS = 5
_SERVER_ERROR = 500


class SessionManager:
    """What stands behind the middleware and the integrations; configured as :class:`SessionMiddleware` is.

    Raises :exc:`ConfigError` that names every fault of the configuration.
    """

    def __init__(self, config: Mapping[str, Any] | Config | None = None, **options: Any) -> None:
        settings = settle(config, options)
        self._settings = settings
        self.now = settings.clock
        self._serializer = settings.serializer
        self._lifetimes = settings.lifetimes
        self._events = Events(settings.listeners, settings.clock)
        self._carrier = make_carrier(settings, self._events)
        self._cookies = Cookies(settings.cookie, self._carrier.make_keys)
        self.environ_key = settings.environ_key
        self.manager_key = settings.manager_key
        #: The cookie that is ours alone: two managers over one application must not share it.
        self.cookie_identity = _identity(settings.cookie)
        self.raises_store_failures = settings.on_store_failure is OnStoreFailure.RAISE

    # One request.

    def open(self, environ: Mapping[str, Any]) -> Session:
        """The session of this request, untouched: nothing is read before it is used."""
        # Over TLS the scheme is all that a session needs of its environ, which holds it: the circle would keep both.
        told = _ENCRYPTED if environ.get("wsgi.url_scheme") == "https" else environ
        return Session(self, told, environ.get("HTTP_COOKIE", ""))

    def commit(self, session: Session, *, status: int = 200) -> list[tuple[str, str]]:
        """Save what is to be saved, and give the header pairs of the answer; none for an untouched session.

        Raises :exc:`StoreUnavailable`, :exc:`ConflictError`, :exc:`CookieTooLarge`, :exc:`RecordTooLarge` or
        :exc:`SessionDataError`; then nothing may be sent. What comes after is too late for a cookie.
        """
        draft = session._draft
        if draft is None:
            session._phase = COMMITTED
            return []
        if session._phase is not OPEN:
            raise HeadersSent("this session was committed already")
        session._phase = FINISHED
        self._settle(draft, status)
        session._phase = COMMITTED
        pairs = [_VARY]
        for line in draft.cookie_lines:
            pairs.append(("Set-Cookie", line))
        return [*pairs, _NO_STORE] if draft.is_anonymous else pairs

    def _settle(self, draft: Draft, status: int) -> None:
        if draft.outage is not None and status == _SERVER_ERROR and not self.raises_store_failures:
            # A framework has made a page of its own of the error; it is the store's fault, and passes.
            raise draft.outage
        if draft.load_failure is not None:
            return
        if draft.changes.is_pending() and not self._is_dropped(draft, status):
            self._save(draft)
        self._renew(draft)

    def _is_dropped(self, draft: Draft, status: int) -> bool:
        """Whether the changes are not to be kept, because the application answers with an error; they are gone then."""
        is_dropped = status >= _SERVER_ERROR and not self._settings.save_on_error
        if is_dropped:
            self._discard(draft, "error_status")
        return is_dropped

    def commit_late(self, session: Session, *, status: int = 200) -> None:
        """Save what has changed since the headers went out; raises as :meth:`commit` does, and HeadersSent."""
        draft = session._draft
        if draft is None or session._phase is not COMMITTED or draft.load_failure is not None:
            return
        can_save = self.can_save_late(draft)
        if draft.changes.is_pending() and not self._is_dropped(draft, status):
            if not can_save:
                raise HeadersSent("a nested value was changed when the cookie had been sent; that change is lost")
            self._save(draft)
        if can_save:
            self._renew(draft)

    def abandon(self, session: Session) -> None:
        """The application has raised: forget what is unsaved. What was ended stays ended."""
        draft = session._draft
        session._phase = FINISHED
        if draft is None or draft.load_failure is not None:
            return
        try:
            is_pending = draft.changes.is_pending()
        except SessionwareError:
            is_pending = True
        if is_pending:
            self._discard(draft, "app_raised")

    def finish(self, session: Session) -> None:
        """The answer is complete: any later change raises HeadersSent."""
        session._phase = FINISHED

    def merge_headers(self, headers: list[tuple[str, str]], pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The *pairs* of :meth:`commit` laid into a response's *headers*, which are not changed themselves."""
        return merge_headers(headers, pairs)

    # What a session asks for.

    def load(self, cookie_header: str, environ: Mapping[str, Any], *, is_late: bool) -> Draft:
        """Load the session of a request, at its first touch."""
        if is_late:
            logger.warning("a session was first read after the headers were sent: the answer lacks Vary: Cookie")
        context = self._cookies.open(cookie_header, environ)
        now = self.now()
        try:
            base = self._carrier.open(context)
        except StoreUnavailable as error:
            self._events.store_failed(None)
            is_anonymous = self._settings.on_store_failure is OnStoreFailure.ANONYMOUS
            outage = None if is_anonymous else error
            changes = self._changes(None)
            return Draft(changes, context, now, load_failure=error, outage=outage, is_anonymous=is_anonymous)
        return Draft(self._changes(base), context, now, base, base is None)

    def _changes(self, base: Base | None) -> Changes:
        return Changes(None if base is None else base.record, self._serializer, self._lifetimes)

    def save(self, draft: Draft, *, is_late: bool) -> bool:
        """Write what is pending in the middle of a request."""
        if not draft.changes.is_pending():
            return not draft.is_lost
        if is_late and not self.can_save_late(draft):
            raise HeadersSent("the headers are sent; this change needs a cookie")
        return self._save(draft)

    def _save(self, draft: Draft) -> bool:
        if draft.save_failure is not None:
            # Whether that write took effect is unknown: a second one might count what was counted already.
            raise draft.save_failure
        has_expired = self._has_expired(draft)
        if (draft.is_lost or has_expired) and draft.changes.login is None:
            self._discard(draft, "ended")
            if has_expired:
                self._take(draft, Outcome(None, is_saved=False))
            return False
        if has_expired:
            # The login stands, and takes nothing of what has ended along.
            draft.base = None
        try:
            outcome = self._carrier.save(draft.context, draft.base, draft.changes, draft.seed)
        except StoreUnavailable as error:
            draft.save_failure = error
            self._note_outage(draft, error)
            raise
        except (CookieTooLarge, RecordTooLarge) as error:
            raise self._explained(error, draft.changes.data) from None
        self._take(draft, outcome)
        return outcome.is_saved

    def _has_expired(self, draft: Draft) -> bool:
        """Whether the session has reached its end since this request touched it; idleness counts from that touch."""
        base, now = draft.base, self.now()
        if base is None or base.is_superseded:
            return False
        expires_at = self._lifetimes.expires_at(base.record)
        if expires_at is None or now < expires_at:
            return False
        touched = replace(base.record, seen_at=max(base.record.seen_at, draft.now))
        return self._lifetimes.verdict(touched, now) is not Verdict.ALIVE

    def _take(self, draft: Draft, outcome: Outcome) -> None:
        draft.base = outcome.base
        draft.seed = None
        draft.is_lost = not outcome.is_saved
        draft.changes.rebase(None if outcome.base is None else outcome.base.record)
        if outcome.cookie_lines or not outcome.is_saved:
            draft.cookie_lines = outcome.cookie_lines

    def _explained(self, error: CookieTooLarge | RecordTooLarge, data: Mapping[str, Any]) -> SessionwareError:
        sizes = [(key, len(self._serializer.dumps([value]))) for key, value in data.items()]
        sizes.sort(key=lambda pair: pair[1], reverse=True)
        return type(error)(str(error) or "the session is too large for its store", sizes[:_LARGEST_KEYS])

    def _renew(self, draft: Draft) -> None:
        base = draft.base
        if base is None or base.is_superseded or not self._lifetimes.is_stale(base.record, draft.now):
            return
        if draft.is_renewal_tried or self._has_expired(draft):
            return
        draft.is_renewal_tried = True
        try:
            outcome = self._carrier.renew(draft.context, base)
        except (StoreUnavailable, RecordTooLarge) as error:
            # The request only read: its answer is right, and the next one renews.
            self._events.store_failed(base.record)
            logger.debug("renewal failed: %s", error)
            return
        draft.cookie_lines += outcome.cookie_lines
        draft.base = outcome.base

    def end(self, draft: Draft) -> None:
        """End the session now."""
        if draft.base is not None:
            # A second end in one request finds nothing to end, and keeps the deletion that the first one asked for.
            try:
                draft.cookie_lines = self._end(draft, draft.base)
            except StoreUnavailable as error:
                self._note_outage(draft, error)
                raise
        draft.base, draft.seed, draft.is_new = None, None, True
        draft.is_lost, draft.save_failure = False, None
        draft.changes = self._changes(None)

    def _end(self, draft: Draft, base: Base) -> tuple[str, ...]:
        """End *base*, and give the deletion of its cookie; none if it had ended already, as its cookie may be new."""
        has_expired = self._has_expired(draft)
        if not self._carrier.end(base) or has_expired:
            return ()
        self._events.tell("ended", base.record, reason="invalidated")
        return tuple(draft.context.delete())

    def can_save_late(self, draft: Draft) -> bool:
        """Whether a change needs no cookie, now that the headers are out; that of a lost session goes with it."""
        return self._carrier.can_save_late and (draft.base is not None or draft.is_lost)

    def draft_handle(self, draft: Draft) -> bytes:
        """The handle of the session; a new one's is drawn in advance."""
        if draft.base is not None:
            handle: bytes = draft.base.record.handle
            return handle
        if draft.seed is None:
            draft.seed = self._carrier.draw()
        return self._carrier.handle(draft.seed)

    def expires_at(self, draft: Draft) -> float | None:
        """When the session dies if nobody touches it any more, in seconds since the epoch."""
        record = draft.changes.base or draft.changes.blank(draft.now)
        return self._lifetimes.expires_at(record)

    def _note_outage(self, draft: Draft, error: StoreUnavailable) -> None:
        draft.outage = error
        self._events.store_failed(None if draft.base is None else draft.base.record)

    def _discard(self, draft: Draft, reason: str) -> None:
        record = draft.changes.base or draft.changes.blank(draft.now)
        record.handle = self.draft_handle(draft)
        self._events.tell("discarded", record, reason=reason)
        draft.changes.forget()

    # The store.

    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries of the store, *limit* at most; how many went. Where the store sees to it itself, 0."""
        store = self._settings.store
        return store.purge(limit) if isinstance(store, Purgeable) else 0

    def ping(self) -> None:
        """Ask the store for something that is not there; raises :exc:`StoreUnavailable`. For health checks."""
        if self._settings.store is not None:
            self._settings.store.load(secrets.token_urlsafe(32))

    def close(self) -> None:
        """Close the store's connections; a later request opens them again."""
        if isinstance(self._settings.store, Closable):
            self._settings.store.close()


def _identity(cookie: CookieSettings) -> tuple[str, str | None, str]:
    # Browsers ignore a leading dot, and compare domains without case (RFC 6265, 5.2.3).
    domain = cookie.domain.removeprefix(".").lower() if cookie.domain else None
    return cookie.name, domain, cookie.path
