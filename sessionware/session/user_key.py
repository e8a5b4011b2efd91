"""The session of an application that never calls ``login``: one key of its data says who the user is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from sessionware.session.login import check_user_id
from sessionware.session.mapping import Session

_MISSING = object()


class UserKeySession(Session):
    """A session that the option ``user_key`` protects: setting that key is a login, removing it is a logout.

    So code that was written for other sessions, as ``session["user_id"] = 42`` of a tutorial, gets all that
    :meth:`login` does. Setting the user who is signed in already does nothing, and ``None`` counts as no key.
    """

    __slots__ = ()
    _user_key: ClassVar[str]

    def login(self, user_id: str | int, *, label: str | None = None) -> None:
        super().login(user_id, label=label)
        self._put_user(user_id)

    def _put_user(self, user_id: str | int) -> None:
        super().__setitem__(self._user_key, user_id)

    def _set_user(self, value: Any) -> None:
        """Sign *value* in, unless that user is signed in already; ``None`` signs out."""
        if value is None:
            self._remove_user()
        elif self.get(self._user_key) != value or str(self.user_id) != str(value):
            check_user_id(value, f"session[{self._user_key!r}], which is the user_key,")
            self.login(value)

    def _remove_user(self) -> None:
        """Sign out, if there is a user, be it one whose login was before there was such a key."""
        self._changing()  # a logout that cannot be done raises, though no user can be seen
        if self._user_key in self or self.user_id is not None:
            self.clear()

    def __setitem__(self, key: str, value: Any) -> None:
        if key == self._user_key:
            self._set_user(value)
        else:
            super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """As of any session; of the user's key, a logout."""
        if key != self._user_key:
            return super().pop(key) if default is _MISSING else super().pop(key, default)
        self._changing()
        value = self[key] if default is _MISSING else self.get(key, default)
        self._remove_user()
        return value

    def popitem(self) -> tuple[str, Any]:
        """As of any session; if the last key is the user's, a logout."""
        key = next(reversed(list(self)), None)
        return (key, self.pop(key)) if key == self._user_key else super().popitem()

    def setdefault(self, key: str, default: Any = None) -> Any:
        """As of any session; if the user's key is missing, a login."""
        if key not in self:
            self[key] = default
        return self.get(key, default)

    def update(self, other: Any = (), /, **values: Any) -> None:
        """Set many keys; with the user's among them, the others belong to that user's session."""
        given = dict(other, **values)
        if self._user_key in given:
            user_id = given.pop(self._user_key)
            self._changing().check_all(given)
            self._set_user(user_id)
        super().update(given)

    def alter(self, key: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """As of any session; the function that gives a user is called once."""
        if key != self._user_key:
            return super().alter(key, function, default)
        self._changing()
        self[key] = function(self.get(key, default))
        return self.get(key)

    def revert(self) -> None:
        """As of any session: a login stays, and so does its key."""
        super().revert()
        login = self._loaded().changes.asked.login
        if login is not None:
            self._put_user(login.user_id)


def protected_by(user_key: str) -> type[Session]:
    """The class of the sessions whose *user_key* says who the user is."""
    return type("Session", (UserKeySession,), {"__slots__": (), "_user_key": user_key})
