"""Sessions for any WSGI application: lazy, encrypted, in a cookie or in a key/value store."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sessionware.config.settings import Config
    from sessionware.config.typed import Options
    from sessionware.events import Event
    from sessionware.exceptions import (
        ConfigError,
        ConflictError,
        CookieTooLarge,
        CrossSiteRequest,
        HeadersSent,
        RecordTooLarge,
        SessionDataError,
        SessionwareError,
        StoreUnavailable,
    )
    from sessionware.manager import SessionManager
    from sessionware.protocol.users import SessionInfo
    from sessionware.session.mapping import Session
    from sessionware.wsgi.middleware import SessionMiddleware, get_session

__all__ = [
    "Config",
    "ConfigError",
    "ConflictError",
    "CookieTooLarge",
    "CrossSiteRequest",
    "Event",
    "HeadersSent",
    "Options",
    "RecordTooLarge",
    "Session",
    "SessionDataError",
    "SessionInfo",
    "SessionManager",
    "SessionMiddleware",
    "SessionwareError",
    "StoreUnavailable",
    "get_session",
]

#: Where a name is defined; the rest are errors.
_PLACES = {
    "Config": "config.settings",
    "Event": "events",
    "Options": "config.typed",
    "Session": "session.mapping",
    "SessionInfo": "protocol.users",
    "SessionManager": "manager",
    "SessionMiddleware": "wsgi.middleware",
    "get_session": "wsgi.middleware",
}


def __getattr__(name: str) -> Any:
    """Import *name* at its first use: pytest imports the plugin wherever this is installed, and needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_PLACES.get(name, 'exceptions')}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
