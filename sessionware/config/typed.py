"""The types of the options, for editors and type checkers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, TypedDict

from sessionware.config.table import OnStoreFailure
from sessionware.events import Listener
from sessionware.stores.contract import Store

Duration = float | str | timedelta
Boolean = bool | str
Secret = str | bytes
Path = str | os.PathLike[str]


class CookieOptions(TypedDict, total=False):
    """The nested form of the options ``cookie.*``."""

    name: str
    domain: str | None
    path: str
    secure: Boolean
    httponly: Boolean
    samesite: Literal["Lax", "Strict", "None"]
    partitioned: Boolean
    prefix: Literal["auto", "__Host-", "__Secure-", ""]
    persistent: Boolean


class BackendOptions(TypedDict, total=False):
    """The nested form of ``backend`` and the options of the stores in this package."""

    type: str | type[Store] | Store
    path: Path
    timeout: Duration
    prefix: str
    url: str
    client: object
    engine: object
    table: str
    create_table: Boolean
    obj: object


Options = TypedDict(
    "Options",
    {
        "backend": str | type[Store] | Store | BackendOptions,
        "backend.path": Path,
        "backend.timeout": Duration,
        "backend.prefix": str,
        "backend.url": str,
        "backend.client": object,
        "backend.engine": object,
        "backend.table": str,
        "backend.create_table": Boolean,
        "backend.obj": object,
        "secret": Secret | Sequence[Secret] | None,
        "types": Mapping[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] | str,
        "idle_timeout": Duration | None,
        "absolute_timeout": Duration | None,
        "refresh_after": Duration | None,
        "regenerate_grace": Duration | None,
        "user_key": str | None,
        "max_sessions_per_user": int | str | None,
        "on_store_failure": Literal["unavailable", "raise", "anonymous"] | OnStoreFailure,
        "save_on_error": Boolean,
        "cookie": CookieOptions,
        "cookie.name": str,
        "cookie.domain": str | None,
        "cookie.path": str,
        "cookie.secure": Boolean,
        "cookie.httponly": Boolean,
        "cookie.samesite": Literal["Lax", "Strict", "None"],
        "cookie.partitioned": Boolean,
        "cookie.prefix": Literal["auto", "__Host-", "__Secure-", ""],
        "cookie.persistent": Boolean,
        "login_backend": str | type[Store] | Store | BackendOptions | None,
        "on_event": Listener | Sequence[Listener | str] | str | None,
        "clock": Callable[[], float] | str | None,
        "environ_key": str,
    },
    total=False,
)
