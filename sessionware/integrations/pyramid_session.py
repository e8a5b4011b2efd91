"""The session that Pyramid's applications see: Pyramid's interface, and the members of ours beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from hmac import compare_digest
from typing import Any

from sessionware.exceptions import ConfigError
from sessionware.integrations.members import fixed_csrf_token, has_csrf_token, peek_flashes, renew_csrf
from sessionware.session.mapping import Session

try:
    from pyramid.interfaces import ISession  # type: ignore[import-untyped]
    from zope.interface import implementer  # type: ignore[import-untyped]
except ImportError as error:
    raise ConfigError("sessions for Pyramid need Pyramid: pip install 'sessionware[pyramid]'") from error

#: The keys under which Pyramid's own sessions keep a queue of messages, and the CSRF token.
_QUEUE = "_f_"
_TOKEN = "_csrft_"
_MISSING = object()


@implementer(ISession)
class PyramidSession(MutableMapping[str, Any]):
    """A session with the interface of Pyramid's; it has all other members of :class:`sessionware.Session`, too.

    The messages and the token are no keys of the data. They can still be read under Pyramid's keys for them, and what
    is written there, by a policy of Pyramid's for CSRF tokens or by an import, counts.
    """

    __slots__ = ("_session",)
    _session: Session

    def __init__(self, session: Session) -> None:
        object.__setattr__(self, "_session", session)

    # Pyramid's own members.

    @property
    def created(self) -> int:
        """When the session began, in seconds since the epoch."""
        return int(self._session.created_at.timestamp())

    @property
    def new(self) -> bool:
        """Whether no session was found."""
        return self._session.is_new

    def invalidate(self) -> None:
        """End the session, in the store and in the browser; what is written afterwards begins a new one."""
        self._session.invalidate()

    def changed(self) -> None:
        """Force a write. A change within a value is seen without it."""
        self._session.modified = True

    def flash(self, msg: Any, queue: str = "", allow_duplicate: bool = True) -> None:
        """Add *msg* to a queue, unless it is there and *allow_duplicate* is false."""
        if allow_duplicate or msg not in self.peek_flash(queue):
            self._session.flash(msg, queue)

    def pop_flash(self, queue: str = "") -> list[Any]:
        """The messages of a queue, which is empty afterwards."""
        written = self._take(_QUEUE + queue) or []
        return [*written, *(message for _, message in self._session.pop_flashes(queue))]

    def peek_flash(self, queue: str = "") -> list[Any]:
        """The messages of a queue, which keeps them."""
        return [*self._session.get(_QUEUE + queue, ()), *peek_flashes(self._session, queue)]

    def get_csrf_token(self) -> str:
        """A token that stays the same until the session ends, the user signs in, or a new one is asked for."""
        written = self._session.get(_TOKEN)
        return written if isinstance(written, str) else fixed_csrf_token(self._session)

    def new_csrf_token(self) -> str:
        """A new token; those from before are good no more."""
        self._take(_TOKEN)
        renew_csrf(self._session)
        return self.get_csrf_token()

    def verify_csrf(self, token: object) -> bool:
        """Whether *token* came from this session, or was written under Pyramid's key for it."""
        written = self._session.get(_TOKEN)
        if isinstance(written, str) and isinstance(token, str) and compare_digest(_bytes(written), _bytes(token)):
            return True
        return self._session.verify_csrf(token)

    def login(self, user_id: str | int, *, label: str | None = None) -> None:
        """As :meth:`sessionware.Session.login`: no CSRF token from before is good any more."""
        self._session.login(user_id, label=label)
        self._take(_TOKEN)

    # As a dict.

    def __getitem__(self, key: str) -> Any:
        found = self._session.get(key, _MISSING)
        if isinstance(key, str) and key.startswith((_QUEUE, _TOKEN)):
            found = self._beside(key, found)
        if found is _MISSING:
            raise KeyError(key)
        return found

    def _beside(self, key: str, written: Any) -> Any:
        """What stands under one of Pyramid's keys: *written*, and what is no key of the data."""
        if key.startswith(_QUEUE):
            flashes = peek_flashes(self._session, key.removeprefix(_QUEUE))
            return written if not flashes else flashes if written is _MISSING else [*written, *flashes]
        is_kept = written is _MISSING and key == _TOKEN and has_csrf_token(self._session)
        return fixed_csrf_token(self._session) if is_kept else written

    def _take(self, key: str) -> Any:
        """Remove what is written under *key*, if there is anything: only then it is a change."""
        return self._session.pop(key) if key in self._session else None

    def __setitem__(self, key: str, value: Any) -> None:
        self._session[key] = value
        self._replaced(key)

    def _replaced(self, key: str) -> None:
        """What is written under one of Pyramid's keys takes the place of what is no key of the data."""
        if key.startswith(_QUEUE):
            self._session.pop_flashes(key.removeprefix(_QUEUE))
        elif key == _TOKEN and has_csrf_token(self._session):
            renew_csrf(self._session)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        self._take(key)
        self._replaced(key)

    def __contains__(self, key: object) -> bool:
        return key in self._session or (isinstance(key, str) and self._beside(key, _MISSING) is not _MISSING)

    def __iter__(self) -> Iterator[str]:
        return iter(self._session)

    def __len__(self) -> int:
        return len(self._session)

    def update(self, other: Any = (), /, **values: Any) -> None:
        """Set many keys, as a dict does; a value that cannot be stored leaves the session as it was."""
        written = dict(other, **values)
        self._session.update(written)
        for key in written:
            self._replaced(key)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of *key*, which becomes *default* if it is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def popitem(self) -> tuple[str, Any]:
        """Remove the last key and give it with its value."""
        return self._session.popitem()

    def clear(self) -> None:
        """The same as :meth:`invalidate`."""
        self._session.clear()

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return self._session | other

    def __ror__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return other | self._session

    def __ior__(self, other: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> PyramidSession:
        self.update(other)
        return self

    # All else is the session's.

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._session, name, value)

    def __repr__(self) -> str:
        return repr(self._session)

    __sentry_repr__ = Session.__sentry_repr__

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._session.__reduce_ex__(protocol)


def _bytes(text: str) -> bytes:
    return text.encode(errors="backslashreplace")
