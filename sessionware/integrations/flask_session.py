"""The session that Flask's views see: ours, with the members of Flask's beside its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from flask.sessions import SessionMixin

from sessionware.events import logger
from sessionware.session.mapping import Session
from sessionware.session.request import FINISHED, OPEN
from sessionware.session.user_key import UserKeySession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask

    from sessionware.manager import SessionManager

#: Under this key Flask's own session says that it is permanent.
_PERMANENT = "_permanent"
_MISSING = object()
_DROPPED = (
    "flask.session was changed after its response had begun, and the change is dropped: %s. A view that returns a "
    "stream should change the session, or use current_user, before it returns"
)


@dataclass(slots=True)
class FlaskRequest:
    """What the integration keeps of one request: ``manager`` is the one that commits, unless a middleware does."""

    app: Flask
    manager: SessionManager | None
    is_accessed: bool = False
    is_kept_back: bool = False
    was_modified: bool = False
    has_warned: bool = False
    is_failed: bool = False
    is_settled: bool = False


class FlaskSession(Session):
    """A session with the members of Flask's ``SessionMixin``; what comes after the response is dropped with a warning.

    It has no slots of its own, so that the session that a middleware has made can become one.
    """

    __slots__ = ()
    _integration: FlaskRequest

    # What Flask and its extensions ask.

    @property
    def sid(self) -> str:
        """The same as :attr:`id`."""
        return self.id

    @property
    def new(self) -> bool:
        """Whether no session was found. It loads nothing: a session that was not used counts as found."""
        return self._request is not None and self._request.is_new

    @property
    def accessed(self) -> bool:
        """Whether this request has used the session. It loads nothing."""
        return self._integration.is_accessed or self._request is not None

    @accessed.setter
    def accessed(self, value: bool) -> None:
        self._integration.is_accessed = bool(value)

    @property
    def modified(self) -> bool:
        """Whether something would be written, or was written at the end of the request. It loads nothing."""
        state, request = self._integration, self._request
        if request is None or state.is_kept_back:
            return False
        return state.was_modified or (self._phase is OPEN and request.is_pending_or_unstorable())

    @modified.setter
    def modified(self, value: bool) -> None:
        """``True`` forces a write; ``False`` keeps back what was changed until now."""
        if value:
            self._changing().force()
        elif self._request is not None:
            self._integration.is_kept_back = True

    @property
    def permanent(self) -> bool:
        """Whether the session outlives the browser. Set to ``True``, it lives for PERMANENT_SESSION_LIFETIME.

        Setting what is set already does nothing.
        """
        request = self._loaded()
        remembered = request.changes.asked.remembered
        if remembered is not None:
            return remembered.lifetime is not None
        stored = request.stored
        return stored is not None and stored.is_remembered and request.changes.asked.login is None

    @permanent.setter
    def permanent(self, value: bool) -> None:
        if bool(value) is not self.permanent:
            self.remember(self._integration.app.permanent_session_lifetime if value else None)

    def __reversed__(self) -> Iterator[str]:
        return reversed(dict(self))

    def copy(self) -> dict[str, Any]:
        """The data, as a dict."""
        return dict(self)

    def destroy(self) -> None:
        """The same as :meth:`clear`."""
        self.clear()

    def login(self, user_id: str | int, *, label: str | None = None) -> None:
        """As of any session; it stays permanent if it was."""
        is_permanent = self.permanent
        super().login(user_id, label=label)
        self.permanent = is_permanent

    # The key of Flask's own: it is neither kept nor listed, and setting it sets `permanent`.

    def __getitem__(self, key: str) -> Any:
        if key == _PERMANENT and self.permanent:
            return True
        return super().__getitem__(key)

    def __setitem__(self, key: str, value: Any) -> None:
        if key == _PERMANENT:
            self.permanent = value
        else:
            super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """As of any session."""
        if key == _PERMANENT:
            was_permanent, self.permanent = self.permanent, False
            if was_permanent:
                return True
        return super().pop(key) if default is _MISSING else super().pop(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """As of any session."""
        if key != _PERMANENT:
            return super().setdefault(key, default)
        if not self.permanent:
            self.permanent = default
        return self.permanent

    def update(self, other: Any = (), /, **values: Any) -> None:
        """As of any session."""
        given = dict(other, **values)
        is_permanent = given.pop(_PERMANENT, None)
        super().update(given)
        if is_permanent is not None:
            self.permanent = is_permanent

    # Changes.

    def _changing(self) -> Any:
        self._integration.is_kept_back = False
        return super()._changing()

    def _come_too_late(self, message: str) -> None:
        state = self._integration
        if not state.has_warned:
            state.has_warned = True
            logger.warning(_DROPPED, message)
        # What follows is seen by this request, and by no later one.
        self._phase = FINISHED


class FlaskUserSession(FlaskSession, UserKeySession):
    """The same with the option ``user_key``, whose removal signs out as it does in Flask-Login."""

    __slots__ = ()

    def _remove_user(self) -> None:
        """End the session; what else it held, flashes among it, goes on in a new one, which is a visitor's."""
        kept = {key: value for key, value in self.items() if key != self._user_key}
        is_permanent = self.permanent
        super()._remove_user()
        self.update(kept)
        self.permanent = is_permanent


SessionMixin.register(FlaskSession)


@cache
def _flask_class_of(kind: type[Session]) -> type[FlaskSession]:
    if issubclass(kind, FlaskSession):
        return kind
    ours = FlaskUserSession if issubclass(kind, UserKeySession) else FlaskSession
    return type("Session", (ours, kind) if kind is not Session else (ours,), {"__slots__": ()})


def for_flask(session: Session, state: FlaskRequest) -> FlaskSession:
    """The very *session*, with Flask's members from now on."""
    session.__class__ = _flask_class_of(type(session))
    session._integration = state
    return cast(FlaskSession, session)
