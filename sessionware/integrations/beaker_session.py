"""Beaker's session, over one of ours: its members, and ours beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import datetime
from typing import Any, ClassVar

from sessionware.config.beaker import DEFAULTS
from sessionware.cookies.request import WarnedOnce
from sessionware.exceptions import ConfigError, hiding_arguments
from sessionware.integrations.beaker_managers import MANAGERS
from sessionware.integrations.explicit import keep
from sessionware.session.mapping import Session as CoreSession
from sessionware.session.request import OPEN

#: What a session without a request is opened for.
NO_REQUEST: Mapping[str, Any] = {"wsgi.url_scheme": "https"}
BY_ID = (
    "a session cannot be opened by its id, which is safe to show and therefore opens nothing; to end another session, "
    "write manager.revoke(id), and to list those of a user, manager.sessions_of(user_id)"
)
_FOR_ALL = (
    "session.%s was set for one session, which has no effect: it is an option for all of them, %s. For a session that "
    "outlives the browser write session.remember(lifetime)"
)
_MISSING = object()
_warned = WarnedOnce()


class Session(MutableMapping[str, Any]):
    """A session with the members of Beaker's, and those of ours beside them.

    ``Session(request, use_cookies=False, **options)`` is a new session that no cookie leads to; without that, *request*
    is a dict whose ``"cookie"`` is the header of a request, and which is given ``"cookie_out"`` by :meth:`save`.
    """

    #: Keys of Beaker's that can be read, and that are no keys of the data.
    _HIDDEN: ClassVar[dict[str, Callable[[Session], Any]]] = {
        "_id": lambda session: session.id,
        "_creation_time": lambda session: session.created,
        "_accessed_time": lambda session: session._core._loaded().touched_at,
        "_domain": lambda session: session.domain,
        "_path": lambda session: session.path,
    }
    _core: CoreSession
    request: MutableMapping[str, Any]
    was_invalidated: bool

    @hiding_arguments
    def __init__(
        self,
        request: MutableMapping[str, Any],
        id: object = None,  # noqa: A002
        use_cookies: bool = True,
        **options: Any,
    ) -> None:
        if id is not None:
            raise ConfigError(BY_ID)
        header = request.get("cookie") if use_cookies else None
        manager = MANAGERS.of(options)
        core = manager.open({**NO_REQUEST, "HTTP_COOKIE": header if isinstance(header, str) else ""})
        self._bind(core, request, {**options, "use_cookies": use_cookies})
        if use_cookies:
            request.setdefault("cookie_out", None)
            request["set_cookie"] = False

    def _bind(self, core: CoreSession, request: MutableMapping[str, Any], options: Mapping[str, Any]) -> None:
        self.__dict__.update(_core=core, request=request, _options=options, was_invalidated=False)

    @classmethod
    def _of(cls, core: CoreSession, request: MutableMapping[str, Any], options: Mapping[str, Any]) -> Session:
        """The session *core* of a request."""
        session = cls.__new__(cls)
        session._bind(core, request, options)
        return session

    # As a dict.

    def __getitem__(self, key: str) -> Any:
        return self._HIDDEN[key](self) if key in self._HIDDEN else self._core[key]

    def __contains__(self, key: object) -> bool:
        return key in self._HIDDEN or key in self._core

    def __iter__(self) -> Iterator[str]:
        return iter(self._core)

    def __len__(self) -> int:
        return len(self._core)

    def __bool__(self) -> bool:
        """Always true: in Beaker there are keys of its own."""
        return True

    def __setitem__(self, key: str, value: Any) -> None:
        if key not in self._HIDDEN:
            self._core[key] = value

    def __delitem__(self, key: str) -> None:
        if key not in self._HIDDEN:
            del self._core[key]

    def __repr__(self) -> str:
        """Without a value, which a log should not have."""
        return shown(self.__dict__.get("_core"))

    __sentry_repr__ = CoreSession.__sentry_repr__

    def has_key(self, key: object) -> bool:
        return key in self

    def copy(self) -> dict[str, Any]:
        return dict(self)

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        if key in self._HIDDEN:
            return self[key]
        return self._core.pop(key) if default is _MISSING else self._core.pop(key, default)

    def popitem(self) -> tuple[str, Any]:
        return self._core.popitem()

    def setdefault(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self._HIDDEN else self._core.setdefault(key, default)

    def clear(self) -> None:
        """Empty the session. As in Beaker it is no end before it is saved; what is written next gets a new id."""
        if self._core.user_id is not None:
            self._core.clear()
            return
        for key in list(self._core):
            del self._core[key]
        CoreSession.regenerate(self._core)  # not one that is kept without save()

    # What it is.

    @property
    def id(self) -> str:
        """Safe to show; it opens nothing."""
        return self._core.id

    @property
    def is_new(self) -> bool:
        return self._core.is_new

    @property
    def created(self) -> float:
        return self._core.created_at.timestamp()

    @property
    def last_accessed(self) -> float | None:
        return None if self._core.is_new else self._core.last_seen_at.timestamp()

    @property
    def accessed_dict(self) -> dict[str, Any]:
        """The data as this request has found it, or has saved it since."""
        return self._core._loaded().changes.as_read()

    # What is done to it.

    def save(self, accessed_only: bool = False) -> None:
        """Write the session now; with *accessed_only*, nothing: that it was seen is written down by itself."""
        if accessed_only:
            return
        keep(self._core)
        self._core.save()
        self._tell_cookie()

    def _tell_cookie(self) -> None:
        """Let the dict of a request that has no middleware have the cookie."""
        request = self._core._request
        if "set_cookie" in self.request and request is not None and self._core._phase is OPEN and request.cookie_lines:
            self.request["cookie_out"] = request.cookie_lines[-1]
            self.request["set_cookie"] = bool(self._options.get("use_cookies"))

    def delete(self) -> None:
        """End the session now, in the store and in the browser."""
        self._core.invalidate()
        keep(self._core)
        self._tell_cookie()

    expire = delete

    def invalidate(self) -> None:
        """End the session now; what is written afterwards begins a new one, if it is saved."""
        self._core.invalidate()
        self.__dict__["was_invalidated"] = True
        self._tell_cookie()

    def load(self) -> None:
        """The same as :meth:`revert`: a request loads its session once."""
        self._core.revert()

    def revert(self) -> None:
        self._core.revert()

    def regenerate_id(self) -> None:
        """A new id, which comes with the answer, whether the data is saved or not."""
        self._core.regenerate()

    def lock(self) -> None:
        """Nothing: changes of two requests at once are merged."""

    def unlock(self) -> None:
        """Nothing, as :meth:`lock`."""

    @staticmethod
    def serialize_cookie_date(date: datetime) -> str:
        return date.strftime("%a, %d-%b-%Y %H:%M:%S GMT")

    # All other attributes.

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_core" not in self.__dict__:
            raise AttributeError(name)
        if name in _ATTRIBUTES:
            return _ATTRIBUTES[name](self._options)
        return getattr(self._core, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _ATTRIBUTES:
            if value != getattr(self, name):
                _warned.warn(_FOR_ALL % (name, _OPTIONS_OF_ATTRIBUTES.get(name, name)))
        elif isinstance(getattr(type(self), name, None), property):
            raise AttributeError(f"session.{name} can be read, and not be set")
        else:
            self.__dict__[name] = value


def _option(name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda options: options.get(name, DEFAULTS.get(name))


_OPTIONS_OF_ATTRIBUTES = {"domain": "cookie_domain", "path": "cookie_path", "save_atime": "save_accessed_time"}
#: Attributes of Beaker's sessions that are options of all sessions; what has no meaning here is None.
_ATTRIBUTES: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    **{name: _option(name) for name in ("key", "timeout", "secret", "encrypt_key", "validate_key", "samesite")},
    **{name: _option(name) for name in ("cookie_expires", "use_cookies", "data_serializer", "invalidate_corrupt")},
    **{name: _option(name) for name in ("data_dir", "namespace_class", "secure")},
    **{name: _option(option) for name, option in _OPTIONS_OF_ATTRIBUTES.items()},
    "type": lambda options: options.get("type") or ("file" if options.get("data_dir") else "memory"),
    "httponly": lambda options: True,
    "namespace_args": lambda options: {},
    "cookie": lambda options: {},
    **{name: lambda options: None for name in ("namespace", "crypto_module", "serializer", "encrypt_nonce_size")},
}


def shown(core: CoreSession | None) -> str:
    """The session *core* as it is printed, which it may be before it is loaded."""
    return "<Session, not loaded>" if core is None else repr(core)


class CookieSession(Session):
    """A session whose type is ``cookie``."""

    def __init__(self, request: MutableMapping[str, Any], **options: Any) -> None:
        super().__init__(request, **{**options, "type": "cookie"})
