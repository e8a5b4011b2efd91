"""The types of the options, for editors and type checkers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

from sessionware.config.table import OnStoreFailure
from sessionware.events import Listener
from sessionware.stores.contract import Store

BooleanOption = bool | str
DurationOption = float | str | timedelta
PathOption = str | os.PathLike[str]
SecretOption = str | bytes


class CookieOptions(TypedDict, total=False):
    """The nested form of the options ``cookie.*``."""

    name: str
    domain: str | None
    path: str
    secure: BooleanOption
    httponly: BooleanOption
    samesite: Literal["Lax", "Strict", "None"]
    partitioned: BooleanOption
    prefix: Literal["auto", "__Host-Http-", "__Host-", "__Http-", "__Secure-", ""]
    persistent: BooleanOption


class BackendOptions(TypedDict, total=False):
    """The nested form of ``backend`` and the options of the stores in this package."""

    type: str | type[Store] | Store
    path: PathOption
    timeout: DurationOption
    prefix: str
    url: str
    client: object
    engine: object
    table: str
    create_table: BooleanOption
    obj: object


Options = TypedDict(
    "Options",
    {
        "backend": str | type[Store] | Store | BackendOptions,
        "backend.path": PathOption,
        "backend.timeout": DurationOption,
        "backend.prefix": str,
        "backend.url": str,
        "backend.client": object,
        "backend.engine": object,
        "backend.table": str,
        "backend.create_table": BooleanOption,
        "backend.obj": object,
        "secret": SecretOption | Sequence[SecretOption] | None,
        "types": Mapping[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] | str,
        "idle_timeout": DurationOption | None,
        "absolute_timeout": DurationOption | None,
        "refresh_after": DurationOption | None,
        "regenerate_grace": DurationOption | None,
        "user_key": str | None,
        "max_sessions_per_user": int | str | None,
        "on_store_failure": Literal["unavailable", "raise", "anonymous"] | OnStoreFailure,
        "save_on_error": BooleanOption,
        "cookie": CookieOptions,
        "cookie.name": str,
        "cookie.domain": str | None,
        "cookie.path": str,
        "cookie.secure": BooleanOption,
        "cookie.httponly": BooleanOption,
        "cookie.samesite": Literal["Lax", "Strict", "None"],
        "cookie.partitioned": BooleanOption,
        "cookie.prefix": Literal["auto", "__Host-Http-", "__Host-", "__Http-", "__Secure-", ""],
        "cookie.persistent": BooleanOption,
        "cross_site": Literal["refuse", "allow"],
        "trusted_origins": str | Sequence[str],
        "not_before": datetime | str | float | None,
        "clear_site_data": str | Sequence[str],
        "login_backend": str | type[Store] | Store | BackendOptions | None,
        "login_backend.path": PathOption,
        "login_backend.timeout": DurationOption,
        "login_backend.prefix": str,
        "login_backend.url": str,
        "login_backend.client": object,
        "login_backend.engine": object,
        "login_backend.table": str,
        "login_backend.create_table": BooleanOption,
        "login_backend.obj": object,
        "values": Literal["strict", "lenient"],
        "previous": Mapping[str, Any] | Sequence[Mapping[str, Any]],
        "import_from": Any,
        "event_context": Callable[[Mapping[str, Any]], Mapping[str, Any]] | str | None,
        "on_event": Listener | Sequence[Listener | str] | str | None,
        "clock": Callable[[], float] | str | None,
        "environ_key": str,
    },
    total=False,
)
