"""The session manager: what integrations, health checks and jobs call.

It needs no WSGI server: a bare environ with a cookie, a scheme and a host is enough, for tests, WebSockets and jobs.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from sessionware.answer import Answers
from sessionware.backends.configured import FormerConfiguration
from sessionware.backends.contract import Backend, UserSessions
from sessionware.backends.cookie import CookieBackend
from sessionware.backends.former import Former
from sessionware.backends.imported import ImportedSessions
from sessionware.backends.login import LoginBackend
from sessionware.backends.previous import PreviousBackend
from sessionware.backends.store import StoreBackend
from sessionware.config.settings import Config, FormerSettings, Settings, make_settings
from sessionware.cookies.caching import merge_headers
from sessionware.crypto.sealing import RecordSealer
from sessionware.events import Events, logger
from sessionware.exceptions import (
    ConfigError,
    StoreAnswer,
    StoreUnavailable,
    hide_own_frames,
    hiding_arguments,
    without_frames,
)
from sessionware.lifecycle import Lifecycle
from sessionware.protocol.users import SessionInfo, Users
from sessionware.protocol.vault import Vault
from sessionware.session.formats import Formats
from sessionware.session.mapping import Session
from sessionware.stores.contract import Closable, Purgeable, Store

#: What :meth:`SessionManager.ping` writes, and how long it stays if its deletion fails.
_PROBE = b"sessionware ping"
_PROBE_TTL_SECONDS = 60.0
_NO_USERS = (
    "the sessions of a user can be listed and revoked in a store, and not in cookies, which the browsers alone hold; "
    "set login_backend to a store for signed-in sessions, or backend to one for all"
)

_ONE_NAME = (
    "the session cookie has the name of the former one, %r: old workers do not find what was taken over, and a deploy "
    "that goes back signs its users out. Set cookie.name to another name"
)
_OVER = (
    "the move from the cookie %r is over, by its until: no former session is looked for any more. Remove it from "
    "previous or import_from, or correct the moment"
)

Answer = TypeVar("Answer")


class SessionManager:
    """What stands behind the middleware and the integrations; configured as :class:`SessionMiddleware` is.

    Raises :exc:`ConfigError` that names every fault of the configuration.
    """

    @hiding_arguments
    def __init__(self, config: Mapping[str, Any] | Config | None = None, **options: Any) -> None:
        settings = make_settings(config, options)
        events = Events(settings.listeners, settings.clock)
        self._settings = settings
        formers = _make_formers(settings, events)
        backend = _make_backend(settings, events, formers)
        self._users = backend.users
        self._lifecycle = Lifecycle(settings, backend, events, formers=formers)
        self._answers = Answers(self._lifecycle, settings)

    def open(self, environ: Mapping[str, Any]) -> Session:
        """The session of this request, untouched: nothing is read before it is used."""
        try:
            return self._lifecycle.open(environ)
        except AttributeError:
            if isinstance(environ, Mapping):
                raise
            what = f"environ is an object of the type {type(environ).__name__}"
        raise ConfigError(f"{what}: write manager.open(environ), which a request has as request.environ")

    def commit(self, session: Session, *, status: int = 200) -> list[tuple[str, str]]:
        """Save what is to be saved, and give the header pairs of the answer; none for an untouched session.

        Raises :exc:`StoreUnavailable`, :exc:`ConflictError`, :exc:`CookieTooLarge`, :exc:`RecordTooLarge` or
        :exc:`SessionDataError`; then nothing may be sent. A later change that needs a cookie raises :exc:`HeadersSent`.
        """
        pairs = self._answers.commit(session, status)
        if session._request is not None:
            self._answers.answered(session._request)
        return pairs

    def sessions_of(self, user_id: str | int) -> list[SessionInfo]:
        """The sessions of a user that are in force, the latest sign-in first. It asks the store once for each of them.

        Raises :exc:`ConfigError` for cookie sessions, :exc:`StoreUnavailable`, and :exc:`SessionDataError` for what is
        no user's id.
        """
        users = self._stored_users()
        return _asked(lambda: users.sessions_of(user_id))

    def revoke(self, session_id: str) -> bool:
        """End the session of this id, or what it became by a change of id; ``False`` if there is none.

        A former id is known for the grace, and not after a login over an anonymous session. Raises
        :exc:`ConfigError` for cookie sessions, :exc:`StoreUnavailable`, and :exc:`SessionDataError` for an object
        that has an id.
        """
        users = self._stored_users()
        return _asked(lambda: users.revoke(session_id))

    def revoke_user(self, user_id: str | int, keep: str | None = None) -> int:
        """End all sessions of a user, but the session of the id *keep* under any id that it has or had; how many.

        A login at the same time is revoked, or begins afterwards. Raises as :meth:`sessions_of` does; what was ended
        until then stays ended.
        """
        users = self._stored_users()
        return _asked(lambda: users.revoke_user(user_id, keep))

    def _stored_users(self) -> UserSessions:
        if self._users is None:
            raise ConfigError(_NO_USERS)
        return self._users

    def merge_headers(self, headers: list[tuple[str, str]], pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The *pairs* of :meth:`commit` laid into a response's *headers*, which are not changed themselves."""
        return merge_headers(headers, pairs)

    def cookie_name(self, environ: Mapping[str, Any]) -> str:
        """The full name, with its prefix, of the cookie that this request reads and sets."""
        return self._lifecycle.cookie_name(environ)

    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries of the store, *limit* at most; how many went. A store that removes them itself: 0."""
        store = self._settings.store
        return store.purge(limit) if isinstance(store, Purgeable) else 0

    def ping(self, *, write: bool = False) -> None:
        """Ask the store for something that is not there; with *write*, write and remove an entry of its own, too.

        For health checks, and for a look before a deploy. Raises :exc:`StoreUnavailable`, whose text has the cause.
        """
        store = self._settings.store
        if store is None:
            return
        key = secrets.token_urlsafe(32)
        store.load(key)
        if write:
            _write_to(store, key)

    def close(self) -> None:
        """Close the connections of the store, and of former ones; a later request opens them again."""
        for store in (self._settings.store, *(former.store for former in self._settings.previous)):
            if isinstance(store, Closable):
                store.close()


def _asked(operation: Callable[[], Answer]) -> Answer:
    """What *operation* gives; an error of the store shows none of its frames, which hold keys and payloads."""
    try:
        return operation()
    except StoreUnavailable as error:
        failure = without_frames(error)
    except BaseException as error:
        hide_own_frames(error)
        raise error
    raise failure


class _Stored(NamedTuple):
    """Where sessions travel, and the parts of it that are in a store."""

    backend: Backend
    stored: StoreBackend | None
    vault: Vault | None


def _make_backend(settings: Settings, events: Events, formers: Sequence[Former]) -> Backend:
    backend, stored, vault = _stored(settings, settings, events)
    if not formers:
        return backend
    return PreviousBackend(
        backend,
        vault,
        formers,
        users=None if stored is None else stored.users,
        keyring=settings.keyring,
        lifetimes=settings.lifetimes,
        clock=settings.clock,
    )


def _stored(where: Settings | FormerSettings, settings: Settings, events: Events) -> _Stored:
    """The backend of *where*, with the lifetimes, the types and the clock of *settings*."""
    formats, lifetimes, clock = Formats(settings.serializer), settings.lifetimes, settings.clock
    partitioned = where.cookie.partitioned
    cookie = CookieBackend(where.keyring, formats, lifetimes=lifetimes, clock=clock, partitioned=partitioned)
    if where.store is None:
        return _Stored(cookie, None, None)
    grace = settings.regenerate_grace
    sealed = RecordSealer(where.keyring)
    vault = Vault(where.store, sealed, formats, lifetimes=lifetimes, clock=clock, grace=grace)
    users = Users(vault, events.tell, max_sessions=settings.max_sessions_per_user)
    stored = StoreBackend(where.keyring, vault, grace=grace, users=users)
    backend: Backend = stored
    if where.is_store_for_logins:
        backend = LoginBackend(cookie, stored, clock, user_key=settings.user_key)
    return _Stored(backend, stored, vault)


def _warn_of_one_name(settings: Settings) -> None:
    """Warn where the cookie of a session that was taken over has to replace the former one, under the same name."""
    # A store finds again what it has taken over of a session with an id, by the former cookie.
    formers = [importer.cookie for importer in settings.import_from]
    if settings.store is None:
        formers += [former.cookie for former in settings.previous]
    present = settings.cookie
    for cookie in formers:
        if cookie.full_name(secure=True) == present.full_name(secure=True) and cookie.reach == present.reach:
            logger.warning(_ONE_NAME, present.full_name(secure=True))


def _make_formers(settings: Settings, events: Events) -> tuple[Former, ...]:
    """Where sessions are taken over from."""
    _warn_of_one_name(settings)
    formers: list[Former] = []
    for former in settings.previous:
        backend, stored, _ = _stored(former, settings, events)
        formers.append(
            FormerConfiguration(backend, stored, cookie=former.cookie, until=former.until, lifetimes=settings.lifetimes)
        )
    for importer in settings.import_from:
        formers.append(
            ImportedSessions(
                importer,
                serializer=settings.serializer,
                present=settings.cookie,
                lifetimes=settings.lifetimes,
                user_key=settings.user_key,
            )
        )
    now = settings.clock()
    for moved in formers:
        if moved.until <= now:
            logger.warning(_OVER, moved.cookie.name)
    return tuple(formers)


def _write_to(store: Store, key: str) -> None:
    """Create, replace and delete an entry that means nothing."""
    try:
        version = store.create(key, _PROBE, _PROBE_TTL_SECONDS)
        store.replace(key, _PROBE, _PROBE_TTL_SECONDS, version)
    except StoreAnswer as error:
        answer = type(error).__name__
    else:
        if store.delete(key):
            return
        answer = "nothing to delete"
    raise StoreUnavailable(f"the store {type(store).__name__} does not keep what is written: it answered {answer}")
