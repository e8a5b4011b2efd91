"""Sessions for any WSGI application: lazy, encrypted, in a cookie or in a key/value store."""

from __future__ import annotations

from sessionware.config import Config
from sessionware.events import Event
from sessionware.exceptions import (
    ConfigError,
    ConflictError,
    CookieTooLarge,
    HeadersSent,
    RecordTooLarge,
    SessionDataError,
    SessionwareError,
    StoreUnavailable,
)
from sessionware.manager import SessionManager
from sessionware.middleware import SessionMiddleware, get_session
from sessionware.options import Options
from sessionware.session import Session

__all__ = [
    "Config",
    "ConfigError",
    "ConflictError",
    "CookieTooLarge",
    "Event",
    "HeadersSent",
    "Options",
    "RecordTooLarge",
    "Session",
    "SessionDataError",
    "SessionManager",
    "SessionMiddleware",
    "SessionwareError",
    "StoreUnavailable",
    "get_session",
]
