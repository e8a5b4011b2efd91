"""Sessions of ours in the place of Beaker's, for Beaker's own suite, whose secrets are short or missing."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import beaker.middleware  # type: ignore[import-untyped]
import beaker.session  # type: ignore[import-untyped]
import pytest
from beaker.container import MemoryNamespaceManager  # type: ignore[import-untyped]
from peers.secrets import lengthened
from peers.suites import PEERS

from sessionware.integrations import beaker as ours
from sessionware.stores import MemoryStore

#: Beaker has one for all sessions in memory, whatever their other options are.
_MEMORY = MemoryStore()
_SECRETS = ("secret", "encrypt_key", "validate_key")


def _strengthened(options: dict[str, Any]) -> dict[str, Any]:
    """*options* with secrets that are long enough, and with one if there is none."""
    if options.get("data_dir"):
        os.makedirs(options["data_dir"], exist_ok=True)  # Beaker makes it at once, and tests remove it
    longer = {
        name: lengthened(value)
        for name, value in options.items()
        if name.rpartition(".")[2] in _SECRETS and isinstance(value, str)
    }
    if not options.keys() & {"type", "data_dir"} and not any("." in name for name in options):
        options = {**options, "backend": _MEMORY}
    # The middleware reads a dict only by its prefix.
    prefix = "beaker.session." if any("." in name for name in options) else ""
    return {**options, **(longer or {f"{prefix}secret": lengthened("")})}


#: An id opens no session of ours: here it stands for the cookie of the session that had it when it was saved.
_COOKIES: dict[str, str] = {}


class _Remembered(ours.Session):
    """Remembers the cookie of what is saved."""

    def save(self, accessed_only: bool = False) -> None:
        super().save(accessed_only)
        request: Any = self._core._request
        if request is not None and request.cookie_lines:
            _COOKIES[self.id] = request.cookie_lines[-1].partition(";")[0]


class Session(_Remembered):
    """Beaker's by name."""

    #: What a test looks at before all others of its class.
    namespace_class = MemoryNamespaceManager

    def __init__(self, request: dict[str, Any], id: str | None = None, **options: Any) -> None:  # noqa: A002
        if id is None:
            super().__init__(request, **_strengthened(options))
        else:
            super().__init__({"cookie": _COOKIES.get(id)}, **_strengthened({**options, "use_cookies": True}))
            if not options.get("use_cookies", True):
                self.request = {}


class CookieSession(_Remembered, ours.CookieSession):
    """Beaker's by name, which reads no id."""

    def __init__(self, request: dict[str, Any], id: str | None = None, **options: Any) -> None:  # noqa: A002
        ours.CookieSession.__init__(self, request, **_strengthened({**options, "type": "cookie"}))


class SessionObject(ours.SessionObject):
    """Beaker's by name."""

    def __init__(self, environ: dict[str, Any], **options: Any) -> None:
        super().__init__(environ, **_strengthened(options))

    def persist(self) -> None:
        super().persist()
        cookie = self.__dict__["_headers"]["cookie_out"]
        if cookie:
            _COOKIES[self.id] = cookie.partition(";")[0]


class SessionMiddleware(ours.SessionMiddleware):
    """Beaker's by name."""

    def __init__(self, app: Any, config: dict[str, Any] | None = None, **options: Any) -> None:
        config = None if config is None else _strengthened(config)
        super().__init__(app, config, **(_strengthened(options) if config is None else options))


def stand_in_for_dummies(module: ModuleType) -> None:
    """Let each check that must differ, of those that one test makes in turn, fail as it must."""
    for node in PEERS["Beaker"].excluded:
        path, _, name = node.partition("::")
        if name.startswith("check_") and module.__name__ == path.removesuffix(".py").replace("/", "."):
            setattr(module, name, _failing(getattr(module, name)))


def _failing(check: Callable[[Any], None]) -> Callable[[Any], None]:
    def must_fail(session_getter: Any) -> None:
        with pytest.raises(AssertionError):
            check(session_getter)

    return must_fail


def stand_in() -> None:
    """Let the suite import these."""
    beaker.session.Session, beaker.session.CookieSession = Session, CookieSession
    beaker.session.SessionObject = SessionObject
    beaker.middleware.SessionMiddleware = SessionMiddleware
