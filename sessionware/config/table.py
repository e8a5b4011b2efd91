"""The table of the options: how each is read, what it is by default, and what it means."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sessionware.conversions import (
    BOOLEANS,
    Converter,
    boolean,
    duration,
    function,
    functions,
    imported,
    one_of,
    optional,
    shown,
    text,
)
from sessionware.crypto.keys import read_secrets
from sessionware.wire.serializer import Serializer


class OnStoreFailure(enum.Enum):
    """What a request that needs its session gets while the store cannot answer."""

    UNAVAILABLE = "unavailable"
    RAISE = "raise"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Option:
    """One option. ``default`` is what one would write; ``shown_default`` says it where a value cannot."""

    convert: Converter
    default: Any
    meaning: str
    shown_default: str | None = None

    @property
    def default_text(self) -> str:
        """The default as reStructuredText."""
        return f"``{self.default!r}``" if self.shown_default is None else self.shown_default


def _backend(value: object) -> object:
    if isinstance(value, str):
        return text(value).strip()
    if value is None:
        raise ValueError("None is no backend; leave the option out for 'cookie'")
    return value


def _secret(value: object) -> tuple[bytes, ...] | None:
    """The secrets, newest first; what an unset variable gives is no secret, not a weak one."""
    if value is None or (isinstance(value, (str, bytes)) and not value.strip()):
        return None
    return read_secrets(value)


def _types(value: object) -> Mapping[Any, Any]:
    found = imported(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping):
        raise ValueError(f"{shown(value)} is no mapping; give {{Money: ('money', to_plain, from_plain)}}")
    Serializer(found)
    return found


def _on_store_failure(value: object) -> OnStoreFailure:
    words = (member.value for member in OnStoreFailure)
    return value if isinstance(value, OnStoreFailure) else OnStoreFailure(one_of(*words)(value))


def _secure(value: object) -> bool | str:
    if isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in BOOLEANS):
        return boolean(value)
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    raise ValueError(f"{shown(value)} is neither true, false nor 'auto'")


def _same_site(value: object) -> str:
    if value is None:
        raise ValueError("None says nothing; write 'None' for SameSite=None, or leave the option out for 'Lax'")
    return str(one_of("Lax", "Strict", "None")(value))


def _later(value: object) -> None:
    raise ValueError("this option is not in this version yet; leave it out")


OPTIONS: dict[str, Option] = {
    "backend": Option(
        _backend,
        "cookie",
        "Where sessions live: ``cookie``, ``memory``, ``file``, ``sqlite``, ``sqlalchemy``, ``redis``, ``memcached``; "
        "a URL (``sqlite:///sessions.db``, ``redis://localhost:6379/0``, …); a class, also as ``pkg.mod:Class``; or a "
        "store, among them ``KeyValueStore(obj)`` around a key/value object. A store's own options are "
        "``backend.path`` and so on.",
    ),
    "secret": Option(
        _secret,
        None,
        "At least 32 bytes that nobody can guess, as ``str`` or ``bytes``; several, newest first, as a list or as "
        "the lines of one string. ``sessionware secret`` makes a good one.",
        "required (``memory``: drawn at start)",
    ),
    "types": Option(
        _types,
        {},
        "Types of your own, by exact class: ``{Money: ('money', to_plain, from_plain)}``.",
    ),
    "idle_timeout": Option(
        optional(duration), "1h", "A session ends after this long without a request that touched it; ``None`` for none."
    ),
    "absolute_timeout": Option(
        optional(duration),
        "24h",
        "A session ends this long after it began, or after the last login; ``None`` for none.",
    ),
    "refresh_after": Option(
        optional(duration),
        None,
        "How old “last seen” may become before a request that only reads renews it.",
        "a tenth of ``idle_timeout``",
    ),
    "regenerate_grace": Option(
        optional(duration),
        "10s",
        "How long the old id of a regenerated session still reads; ``None`` for not at all.",
    ),
    "user_key": Option(
        optional(_later), None, "A session key whose change counts as a login. Not in this version yet."
    ),
    "max_sessions_per_user": Option(
        optional(_later), None, "At login, the oldest sessions above this number end. Not in this version yet."
    ),
    "on_store_failure": Option(
        _on_store_failure,
        "unavailable",
        "What a request gets that needs its session while the store is down: ``'unavailable'`` (503), ``'raise'``, "
        "or ``'anonymous'`` (an empty session that cannot be changed).",
    ),
    "save_on_error": Option(boolean, True, "Whether changes are kept when the app answers with a 5xx."),
    "cookie.name": Option(text, "sid", "The cookie's name, without a prefix."),
    "cookie.domain": Option(
        optional(text), None, "The Domain attribute; ``None`` for a cookie of this host alone, which is safer."
    ),
    "cookie.path": Option(text, "/", "The Path attribute."),
    "cookie.secure": Option(
        _secure,
        "auto",
        "``True``, ``False``, or ``'auto'``: Secure, but for plain http on a loopback host without a proxy.",
    ),
    "cookie.httponly": Option(boolean, True, "Whether scripts in the page are kept from the cookie."),
    "cookie.samesite": Option(_same_site, "Lax", "``'Lax'``, ``'Strict'`` or ``'None'``."),
    "cookie.partitioned": Option(boolean, False, "Whether a page in a frame has a cookie per top-level site (CHIPS)."),
    "cookie.prefix": Option(
        one_of("auto", "__Host-", "__Secure-", ""),
        "auto",
        "``'auto'``, ``'__Host-'``, ``'__Secure-'``, or ``''`` for none; ``'auto'`` is the strongest that is allowed.",
    ),
    "cookie.persistent": Option(
        boolean, False, "``True`` sends Max-Age, so that the cookie outlives the browser (400 days at most)."
    ),
    "login_backend": Option(
        optional(_later), None, "A store for signed-in sessions beside the cookie backend. Not in this version yet."
    ),
    "on_event": Option(functions, None, "A callable, or a list of them, that gets every event."),
    "clock": Option(
        optional(function),
        None,
        "A callable that gives seconds since the epoch, for tests; a store that takes ``clock`` is given it.",
        "``time.time``",
    ),
    "environ_key": Option(
        text,
        "sessionware.session",
        "The session's key in ``environ``; of ``x.session`` the manager's is ``x.manager``.",
    ),
}

#: The options of the stores in this package.
STORE_OPTIONS: dict[str, str] = {
    "backend.path": "``file``: the directory; ``sqlite``: the database file.",
    "backend.timeout": (
        "How long a request waits: ``sqlite``, for a locked database (``'5s'``); ``sqlalchemy``, for its database "
        "(``'5s'``); ``redis`` and ``memcached``, for their servers (``'1s'``)."
    ),
    "backend.prefix": (
        "What keys begin with: ``redis`` and ``memcached`` (``'sessionware:'``), ``KeyValueStore`` "
        "(``'sessionware-'``)."
    ),
    "backend.url": (
        "``redis``: ``'redis://user:password@host:6379/0'``, ``'rediss://host'`` with TLS, ``'unix:///path?db=0'``, "
        "``'redis+sentinel://host1,host2/service/0'``, ``'redis+cluster://host1,host2'``; ``memcached``: its servers "
        "(``'memcached://host:11211,host2:11211'``, ``'memcached:///path/of/a/socket'``); ``sqlalchemy``: "
        "``'postgresql+psycopg://user:password@host/database'``, ``'mysql+pymysql://user:password@host/database'``."
    ),
    "backend.client": "``redis`` and ``memcached``: a client of redis-py, Valkey's or pymemcache, in place of a URL.",
    "backend.engine": "``sqlalchemy``: an Engine of the application, in place of a URL.",
    "backend.table": "``sqlalchemy``: the table, which may have a schema before a dot (``'sessions'``).",
    "backend.create_table": "``sqlalchemy``: whether the table is created if it is not there (``True``).",
    "backend.obj": "``KeyValueStore``: the key/value object.",
}

#: Groups whose options may also be given as a nested dict.
GROUPS = ("cookie", "backend", "login_backend")

#: Groups whose options are a store's own.
STORE_GROUPS = ("backend", "login_backend")


def render_options() -> str:
    """The tables of the options and of the stores' options as reStructuredText, for the documentation."""
    rows = [(name, option.default_text, option.meaning) for name, option in OPTIONS.items()]
    return (
        _list_table(("option", "default", "meaning"), rows)
        + "\n"
        + _list_table(("store's option", "meaning"), list(STORE_OPTIONS.items()))
    )


def _list_table(heads: tuple[str, ...], rows: list[Any]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [heads, *((f"``{name}``", *cells) for name, *cells in rows)]:
        lines += [f"   {'*' if place == 0 else ' '} - {cell}" for place, cell in enumerate(row)]
    return "\n".join(lines) + "\n"
