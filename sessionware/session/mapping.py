"""The session as an application sees it: a lazy mapping with a few members of its own.

It knows neither cookie nor store: what it needs of them it asks of its owner, once it is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from datetime import datetime, timezone
from typing import Any

from sessionware.crypto.identifiers import session_id_of
from sessionware.exceptions import HeadersSent
from sessionware.session.changes import Changes
from sessionware.session.login import Login, Remember
from sessionware.session.request import FINISHED, OPEN, Draft, Owner

#: Values that nobody can change in place. Whatever else is handed out may come back changed.
_IMMUTABLE = frozenset({type(None), bool, int, float, str, bytes})
_MISSING = object()
_NO_ENVIRON: Mapping[str, Any] = {}


class Session(MutableMapping[str, Any]):
    """One visitor's session: a dict that is loaded at the first touch and saved by itself.

    Every member reads the session, but ``repr``. A value of a type that does not come back as it was raises
    :exc:`SessionDataError` where it is assigned. While the store cannot answer, every member raises
    :exc:`StoreUnavailable`. Once the headers are out, what needs a cookie raises :exc:`HeadersSent`.

    One request, and one thread at a time.
    """

    __slots__ = ("__weakref__", "_cookie_header", "_draft", "_environ", "_owner", "_phase")

    def __init__(self, owner: Owner, environ: Mapping[str, Any], cookie_header: str) -> None:
        self._owner = owner
        self._environ = environ
        self._cookie_header = cookie_header
        self._phase = OPEN
        self._draft: Draft | None = None

    @property
    def _is_touched(self) -> bool:
        return self._draft is not None

    @property
    def _is_committed(self) -> bool:
        return self._phase is not OPEN

    @property
    def _manager(self) -> Any:
        return self._owner

    # Reading.

    def _loaded(self) -> Draft:
        draft = self._draft
        if draft is None:
            draft = self._draft = self._owner.load(self._cookie_header, self._environ, is_late=self._phase is not OPEN)
            # It holds this session: the circle would keep both, and all that hangs on them, from being freed at once.
            self._environ = _NO_ENVIRON
        if draft.load_failure is not None and not draft.is_anonymous:
            raise draft.load_failure
        return draft

    def __getitem__(self, key: str) -> Any:
        changes = self._loaded().changes
        value = changes.data[key]
        if type(value) not in _IMMUTABLE:
            changes.is_exposed = True
        return value

    def __contains__(self, key: object) -> bool:
        return key in self._loaded().changes.data

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded().changes.data)

    def __len__(self) -> int:
        return len(self._loaded().changes.data)

    def __repr__(self) -> str:
        if self._draft is None:
            return "<Session, not loaded>"
        if self._draft.load_failure is not None:
            return "<Session, its store is unavailable>"
        state = "new" if self._draft.base is None else "stored"
        return f"<Session {self.id}, {len(self)} keys, {state}, {self._phase.value}>"

    # Changing the data.

    def _writable(self) -> Draft:
        draft = self._loaded()
        if draft.load_failure is not None:
            # It reads as an empty session; a change, a logout above all, must not look done.
            draft.outage = draft.load_failure
            raise draft.outage
        return draft

    def _changing(self) -> Changes:
        draft = self._writable()
        is_late = self._phase is not OPEN
        if is_late and (self._phase is FINISHED or not self._owner.can_save_late(draft)):
            raise HeadersSent("the response is on its way; this change could reach neither the browser nor the store")
        return draft.changes

    def __setitem__(self, key: str, value: Any) -> None:
        changes = self._changing()
        changes.check(key, value)
        changes.data[key] = value
        changes.is_assigned = True
        if type(value) not in _IMMUTABLE:
            changes.is_exposed = True

    def __delitem__(self, key: str) -> None:
        changes = self._changing()
        del changes.data[key]
        changes.is_assigned = True

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """Remove *key* and give its value, or *default*; KeyError if there is neither."""
        changes = self._changing()
        if key not in changes.data and default is not _MISSING:
            return default
        changes.is_assigned = True
        return changes.data.pop(key)

    def popitem(self) -> tuple[str, Any]:
        """Remove the last key and give it with its value; KeyError if the session is empty."""
        changes = self._changing()
        changes.is_assigned = True
        return changes.data.popitem()

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of *key*, which becomes *default* if it is missing."""
        self._changing()
        if key not in self:
            self[key] = default
        return self[key]

    def update(self, other: Any = (), /, **values: Any) -> None:
        """Set many keys, as a dict does; a value that cannot be stored leaves the session as it was."""
        changes = self._changing()
        given = dict(other, **values)
        for key, value in given.items():
            changes.check(key, value)
        for key, value in given.items():
            self[key] = value

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
        and a cart no item. It is given a copy of its own, and should do nothing but compute.
        """
        return self._changing().alter(key, function, default)

    def revert(self) -> None:
        """Forget the unsaved changes of the data; never a login, an end, or what :meth:`save` wrote."""
        self._changing().revert()

    # What it is.

    @property
    def id(self) -> str:
        """The public handle: safe to log and to show, never enough to open the session.

        It changes when a new id is committed, not before.
        """
        return session_id_of(self._owner.draft_handle(self._loaded()))

    @property
    def is_new(self) -> bool:
        """Whether no session was found when it was loaded, or it was ended since."""
        return self._loaded().is_new

    @property
    def modified(self) -> bool:
        """Whether something would be written now. Setting it to ``True`` forces a write."""
        draft = self._loaded()
        return not draft.is_anonymous and draft.changes.is_pending()

    @modified.setter
    def modified(self, value: bool) -> None:
        if value is not True:
            raise ValueError("modified can only be set to True; revert() forgets changes")
        self._changing().is_forced = True

    @property
    def user_id(self) -> str | int | None:
        """The user that the session is bound to, as given to :meth:`login`."""
        return self._loaded().changes.user_id

    @property
    def created_at(self) -> datetime:
        """When the session began, in UTC; :meth:`login` keeps it."""
        draft = self._loaded()
        return _moment(draft.changes.base.created_at if draft.changes.base is not None else draft.now)

    @property
    def last_seen_at(self) -> datetime:
        """When a request touched the session, in UTC, as it is stored: up to ``refresh_after`` old."""
        draft = self._loaded()
        return _moment(draft.changes.base.seen_at if draft.changes.base is not None else draft.now)

    @property
    def expires_at(self) -> datetime | None:
        """When the session ends if no request touches it any more, in UTC; ``None`` without timeouts."""
        expires_at = self._owner.expires_at(self._loaded())
        return None if expires_at is None else _moment(expires_at)

    # Identity.

    def _identifying(self) -> Changes:
        draft = self._writable()
        if self._phase is not OPEN:
            raise HeadersSent("the response is on its way; a new id could not reach the browser any more")
        return draft.changes

    def login(self, user_id: str | int, *, label: str | None = None) -> None:
        """Bind the session to *user_id*: a new id, against fixation, and a new absolute lifetime.

        Over another user's session it starts empty; the data of an anonymous or the same user's session stays.
        *label* is for a list of the user's devices. Raises SessionDataError for what is neither str nor int.
        """
        changes = self._identifying()
        changes.log_in(Login(user_id, label, self._owner.now(), over=changes.user_id))

    def regenerate(self) -> None:
        """Ask for a new id with the same data. Of an empty new session it is nothing."""
        changes = self._identifying()
        changes.is_regenerated = changes.base is not None

    def remember(self, lifetime: Any) -> None:
        """Let this session live for *lifetime*, over restarts of the browser, instead of the configured timeouts.

        Counted from now; seconds, a timedelta or a text such as ``"30d"``. ``None`` undoes it, and so does
        :meth:`login`. Raises SessionDataError for what is no duration.
        """
        changes = self._identifying()
        now = self._owner.now()
        if lifetime is None:
            was_remembered = changes.base is not None and changes.base.is_remembered and changes.login is None
            changes.remember = Remember(None, now) if was_remembered else None
        else:
            changes.remember = Remember(lifetime, now)

    def invalidate(self) -> None:
        """End the session now, in the store and in the browser; what is written afterwards begins a new one."""
        self._changing()
        self._owner.end(self._loaded())

    def clear(self) -> None:
        """The same as :meth:`invalidate`: ``session.clear()`` is a logout."""
        self.invalidate()

    def save(self) -> bool:
        """Write what has changed now, in the middle of a request, a pending change of id included.

        ``False`` if the session was ended meanwhile. Without a change it asks no store. In a cookie session it
        prepares the cookie and measures it. Raises what saving raises.
        """
        draft = self._writable()
        if self._phase is FINISHED:
            raise HeadersSent("the response is complete; nothing can be saved any more")
        return self._owner.save(draft, is_late=self._phase is not OPEN)


#: What no date can tell is told as the last one that can: a session may be granted more than 8,000 years.
_LAST_MOMENT = datetime.max.replace(tzinfo=timezone.utc)
_LAST_SECOND = int(_LAST_MOMENT.timestamp())


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc) if seconds < _LAST_SECOND else _LAST_MOMENT
