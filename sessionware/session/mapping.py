"""The session as an application sees it: a lazy mapping with a few members of its own.

It knows neither cookie nor store. To load, save and end it calls :class:`Persistence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import datetime
from typing import Any, NoReturn

from sessionware.crypto import csrf
from sessionware.crypto.identifiers import session_id_of
from sessionware.exceptions import HeadersSent, SessionDataError, StoreUnavailable, hide_own_frames, without_frames
from sessionware.session.changes import Changes
from sessionware.session.lifetimes import moment
from sessionware.session.login import Login, duration_for
from sessionware.session.merging import IMMUTABLE
from sessionware.session.other_members import OtherMembers
from sessionware.session.request import FINISHED, OPEN, Persistence, SessionRequest

_MISSING = object()


class Session(OtherMembers, MutableMapping[str, Any]):
    """One visitor's session: a dict that is loaded at the first touch and saved by itself.

    Every member reads the session, but ``repr`` and :meth:`passive`. A value of a type that does not come back as it
    was raises :exc:`SessionDataError` where it is assigned. While the store cannot answer, every member that reads
    raises :exc:`StoreUnavailable`. Once the headers are out, what needs a cookie raises :exc:`HeadersSent`.

    One request, and one thread at a time.
    """

    __slots__ = (
        *("__weakref__", "_cookie_header", "_environ", "_integration", "_is_passive", "_loading_thread"),
        *("_persistence", "_phase", "_request"),
    )
    #: What an integration keeps with a session of its own class; without one it is never set.
    _integration: Any
    _loading_thread: int

    def __init__(self, persistence: Persistence, environ: Mapping[str, Any], cookie_header: str) -> None:
        self._persistence = persistence
        self._environ = environ
        self._cookie_header = cookie_header
        self._is_passive = False
        self._phase = OPEN
        self._request: SessionRequest | None = None

    # Reading.

    def _loaded(self) -> SessionRequest:
        request = self._request or self._persistence.load(self)
        if request.load_failure is not None and not request.is_anonymous:
            raise without_frames(request.load_failure)
        if request.changes.displaced:
            request.changes.take_back()
        return request

    def __getitem__(self, key: str) -> Any:
        request = self._request or self._persistence.load(self)
        if request.load_failure is not None or request.changes.displaced:
            request = self._loaded()
        changes = request.changes
        value = changes.data[key]
        if type(value) not in IMMUTABLE:
            changes.expose()
        return value

    def __contains__(self, key: object) -> bool:
        return key in self._loaded().changes.data

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded().changes.data)

    def __len__(self) -> int:
        return len(self._loaded().changes.data)

    def __repr__(self) -> str:
        request = self._request
        if request is None:
            return "<Session, not loaded>"
        if request.load_failure is not None:
            return "<Session, could not be loaded>"
        state = "new" if request.found is None else "stored"
        return f"<Session {self.id}, {len(self)} keys, {state}, {self._phase.value}>"

    def __sentry_repr__(self) -> str:
        """For Sentry's client, which would list a mapping's values in a crash report, and load them for that."""
        return repr(self)

    def __copy__(self) -> NoReturn:
        raise TypeError("a session belongs to its request and is not copied; copy its data, dict(session)")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a session belongs to its request and is not copied; copy its data, deepcopy(dict(session))")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a session belongs to its request and is not pickled; pickle its data, dict(session)")

    # Changing the data.

    def _writable(self) -> SessionRequest:
        request = self._loaded()
        if isinstance(request.load_failure, StoreUnavailable):
            # It reads as an empty session; a change, a logout above all, must not look done.
            request.outage = request.load_failure
            raise without_frames(request.outage)
        return request

    def _changing(self) -> Changes:
        phase = self._phase
        if phase is OPEN:
            # Most changes: nothing has gone wrong.
            request = self._request or self._persistence.load(self)
            if request.load_failure is None and not request.changes.displaced:
                return request.changes
        request = self._writable()
        if phase is not OPEN and (phase is FINISHED or not request.can_save_after_headers):
            self._come_too_late("the response has begun; this change could reach neither the browser nor the store")
        return request.changes

    def _come_too_late(self, message: str) -> None:
        """Refuse what can take no effect any more; the class of an integration may let it pass without one."""
        raise HeadersSent(message)

    def __setitem__(self, key: str, value: Any) -> None:
        self._changing().put(key, value)

    def __delitem__(self, key: str) -> None:
        self._changing().drop(key)

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """Remove *key* and give its value, or *default*; KeyError if there is neither."""
        changes = self._changing()
        if key not in changes.data and default is not _MISSING:
            return default
        return changes.drop(key)

    def popitem(self) -> tuple[str, Any]:
        """Remove the last key and give it with its value; KeyError if the session is empty."""
        changes = self._changing()
        if not changes.data:
            raise KeyError("popitem(): the session is empty")
        key = next(reversed(changes.data))
        return key, changes.drop(key)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of *key*, which becomes *default* if it is missing."""
        changes = self._changing()
        if key not in changes.data:
            changes.put(key, default)
        return self[key]

    def update(self, other: Any = (), /, **values: Any) -> None:
        """Set many keys, as a dict does; a value that cannot be stored leaves the session as it was."""
        self._changing().put_all(dict(other, **values))

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self) | dict(other)

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(other) | dict(self)

    def __ior__(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> Session:
        self.update(other)
        return self

    def alter(self, key: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Set *key* to ``function(current)`` and give the new value; *default* stands in for a missing one.

        On a conflict with another request the function runs again on the fresh value, so counters never lose a count
        and a cart no item. It is given a copy of its own, and should do nothing but compute. Raises SessionDataError
        for what a session cannot hold, and where the function has changed its copy and given ``None``.
        """
        changes = self._changing()
        try:
            return changes.alter(key, function, default)
        except Exception as error:
            hide_own_frames(error)
            raise error

    def revert(self) -> None:
        """Undo the unsaved changes of the data; never a login, an end, or what :meth:`save` wrote."""
        self._changing().revert()

    # What it is.

    @property
    def id(self) -> str:
        """The session id: safe to log and to show, never enough to open the session.

        It changes when a new id is committed, not before.
        """
        return session_id_of(self._loaded().handle)

    @property
    def is_new(self) -> bool:
        """Whether no session was found when it was loaded, or it was ended since."""
        return self._loaded().is_new

    @property
    def rejected(self) -> str | None:
        """Why the cookie that came was not accepted, of several the first: a reason of the event ``rejected``.

        ``None`` if one was accepted, or if none came. An end, and what is written after it, leave it as it was.
        """
        return self._loaded().rejected

    @property
    def modified(self) -> bool:
        """Whether something would be written now. Setting it to ``True`` forces a write."""
        request = self._loaded()
        return not request.is_anonymous and request.is_pending()

    @modified.setter
    def modified(self, value: bool) -> None:
        if value is not True:
            raise ValueError("modified can only be set to True; revert() undoes changes")
        self._changing().force()

    @property
    def user_id(self) -> str | int | None:
        """The user that the session is bound to, as given to :meth:`login`."""
        return self._loaded().user_id

    @user_id.setter
    def user_id(self, value: object) -> NoReturn:
        raise AttributeError("session.user_id can be read, and not be set; write session.login(user_id)")

    @property
    def created_at(self) -> datetime:
        """When the session began, in UTC; :meth:`login` keeps it."""
        return moment(self._loaded().record.created_at)

    @property
    def last_seen_at(self) -> datetime:
        """When a request touched the session, in UTC, as it is stored: up to ``refresh_after`` old."""
        return moment(self._loaded().record.seen_at)

    @property
    def expires_at(self) -> datetime | None:
        """When the session ends if no request touches it any more, in UTC; ``None`` without timeouts."""
        request = self._loaded()
        expires_at = request.changes.lifetimes.expires_at(request.record)
        return None if expires_at is None else moment(expires_at)

    @property
    def authenticated_at(self) -> datetime | None:
        """When the user signed in or was confirmed last, in UTC; ``None`` while no user is signed in."""
        request = self._loaded()
        at = request.changes.asked.authenticated_at(request.stored)
        return None if at is None else moment(at)

    def authenticated_within(self, duration: Any) -> bool:
        """Whether the user signed in or was confirmed less than *duration* ago: seconds, a timedelta, or ``"10m"``.

        ``False`` while no user is signed in. Raises SessionDataError for what is no duration.
        """
        seconds = duration_for("authenticated_within", duration)
        request = self._loaded()
        at = request.changes.asked.authenticated_at(request.stored)
        return at is not None and self._persistence.clock() - at < seconds

    # One-time messages, and CSRF tokens.

    def flash(self, message: Any, category: str = "message") -> None:
        """Keep *message* for the page that pops it, be it in this request or in a later one.

        Raises SessionDataError for what a session cannot hold.
        """
        self._changing().flash(message, category)

    def pop_flashes(self, category: str | None = None) -> list[tuple[str, Any]]:
        """Remove the messages, or those of *category*, and give them as pairs of category and message, oldest first.

        Where there is none it changes nothing, and so can be called after the headers, too.
        """
        if category is not None and not isinstance(category, str):
            raise SessionDataError(
                f"pop_flashes(category=…) takes a str, and this is of type {type(category).__name__}"
            )
        request = self._writable()
        flashes = request.changes.flashes_in(request.stored, category)
        if flashes:
            self._changing().pop_flashes(flashes)
        return list(flashes.values())

    @property
    def csrf_token(self) -> str:
        """A token for a form of this session, for :meth:`verify_csrf`; another text at each read.

        All of them are good until the session ends or :meth:`login` is called. The first one is a change of the
        session, and so begins that of a visitor.
        """
        request = self._writable()
        secret = request.csrf
        if secret is None:
            changes, made = self._changing(), self._persistence.csrf
            # Before a login, the same id may have given the secret that was good until now.
            secret = made.first(request.csrf_root) if changes.asked.login is None else made.new()
            changes.give_csrf(secret)
        return csrf.mask(secret)

    def verify_csrf(self, token: object) -> bool:
        """Whether *token* came from :attr:`csrf_token` of this session; ``False`` for ``None`` and all else."""
        secret = self._loaded().csrf
        return secret is not None and csrf.verify(secret, token)

    # Identity.

    def _identifying(self) -> SessionRequest:
        request = self._writable()
        if self._phase is not OPEN:
            self._come_too_late("the response has begun; a new id could not reach the browser any more")
        return request

    def login(self, user_id: str | int, *, label: str | None = None) -> None:
        """Bind the session to *user_id*: a new id, against fixation, and a new absolute lifetime.

        Over another user's session it starts empty; the data of an anonymous or the same user's session stays.
        *label* is shown in the list of the user's sessions, :meth:`SessionManager.sessions_of`. Raises SessionDataError
        for what is neither str nor int.
        """
        request = self._identifying()
        request.changes.log_in(Login(user_id, label, self._persistence.clock(), over=request.user_id))

    def confirm(self) -> None:
        """Note that the user has just proved again who they are, by a password, say, before a sensitive step.

        Gives a new id, and both timeouts start again; a remembered session keeps its end. Raises SessionDataError while
        no user is signed in.
        """
        request = self._identifying()
        if request.user_id is None:
            raise SessionDataError("confirm(): nobody is signed in; write session.login(user_id)")
        request.changes.confirm(self._persistence.clock())

    def regenerate(self) -> None:
        """Ask for a new id with the same data. It does nothing on a new session."""
        request = self._identifying()
        if request.found is not None:
            request.changes.regenerate()

    def remember(self, lifetime: Any) -> None:
        """Let this session live for *lifetime*, over restarts of the browser, instead of the configured timeouts.

        Counted from now; seconds, a timedelta or a string such as ``"30d"``. ``None`` undoes it, and so does
        :meth:`login`. Raises SessionDataError for what is no duration.
        """
        request = self._identifying()
        request.changes.remember(lifetime, self._persistence.clock(), request.stored)

    def passive(self) -> None:
        """Note that this request is none of the user's, but a poll or a countdown: it does not renew "last seen".

        A write keeps "last seen" as it was, too, unless it is a :meth:`login` or a :meth:`confirm`. It loads nothing.
        """
        self._is_passive = True
        if self._request is not None:
            self._request.changes.is_passive = True

    def invalidate(self) -> None:
        """End the session now, in the store and in the browser; what is written afterwards begins a new one."""
        request = self._request or self._persistence.load(self)
        if self._phase is not OPEN or not isinstance(request.load_failure, SessionDataError):
            self._changing()
        # Data that cannot be made again is not needed for an end.
        self._persistence.end(request)

    def clear(self) -> None:
        """The same as :meth:`invalidate`: ``session.clear()`` is a logout."""
        self.invalidate()

    def save(self) -> bool:
        """Write what has changed now, in the middle of a request, a pending change of id included.

        ``False`` if another request has ended the session. Without a change it asks no store. In a cookie session it
        prepares the cookie and measures it. Raises :exc:`StoreUnavailable`, :exc:`ConflictError`,
        :exc:`CookieTooLarge`, :exc:`RecordTooLarge` or :exc:`SessionDataError`.
        """
        request = self._writable()
        if self._phase is FINISHED:
            self._come_too_late("the response is complete; nothing can be saved any more")
            return False
        return self._persistence.save(request, after_headers=self._phase is not OPEN)
