"""Sessions for any WSGI application: lazy, encrypted, in a cookie or in a key/value store."""

from __future__ import annotations

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
