"""Checked by mypy, never run: a wrong option in an annotated dict is found before the application starts.

Each ``type: ignore`` stands where mypy must complain; one that is not needed is an error itself.
"""

from __future__ import annotations

from datetime import timedelta

from sessionware.config.settings import Config, make_settings
from sessionware.config.typed import Options
from sessionware.events import Event
from sessionware.stores.file import FileStore
from sessionware.stores.memory import MemoryStore


def listen(event: Event) -> None:
    """A listener."""


dotted: Options = {
    "backend": "sqlite",
    "backend.path": "sessions.db",
    "backend.timeout": "2s",
    "secret": ["new", b"old"],
    "idle_timeout": timedelta(minutes=30),
    "absolute_timeout": None,
    "on_event": [listen, "pkg.mod:listen"],
    "clock": lambda: 0.0,
    "cookie.secure": True,
    "cookie.samesite": "Strict",
}
nested: Options = {
    "backend": {"type": "file", "path": "sessions"},
    "cookie": {"secure": "auto", "samesite": "Lax", "prefix": ""},
}
instance: Options = {"backend": MemoryStore()}
store_class: Options = {"backend": FileStore, "backend.path": "sessions"}

misspelt: Options = {"cookie.secrue": True}  # type: ignore[typeddict-unknown-key]
misspelt_nested: Options = {"cookie": {"secrue": True}}  # type: ignore[typeddict-unknown-key]
of_a_wrong_type: Options = {"cookie.httponly": 3.5}  # type: ignore[typeddict-item]
no_such_value: Options = {"cookie.samesite": "Loose"}  # type: ignore[typeddict-item]
no_store: Options = {"backend": 5}  # type: ignore[typeddict-item]

Config(dotted)
make_settings(nested, {})
make_settings(None, dotted)
