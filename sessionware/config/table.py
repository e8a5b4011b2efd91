"""The table of the options: each one's converter, default and meaning."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

from sessionware.conversions import (
    BOOLEANS,
    Converter,
    boolean,
    duration_or_none,
    either,
    expected,
    function_of,
    functions_of,
    imported,
    integer,
    is_dotted_name,
    moment,
    nonempty_string,
    one_of,
    optional,
    shown,
)
from sessionware.cookies.origin import read_origins
from sessionware.crypto.keys import read_secrets
from sessionware.stores.contract import Duration
from sessionware.stores.file import FileStore
from sessionware.stores.keyvalue.store import KeyValueStore
from sessionware.stores.memcached.store import MemcachedStore
from sessionware.stores.memory import MemoryStore
from sessionware.stores.redis.store import RedisStore
from sessionware.stores.sql.store import SQLAlchemyStore
from sessionware.stores.sqlite import SQLiteStore
from sessionware.wire.serializer import Serializer

#: The names of CGI (RFC 3875), those of request headers among them.
_CGI_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")


class OnStoreFailure(enum.Enum):
    """What happens to a request that needs its session while the store cannot answer."""

    UNAVAILABLE = "unavailable"
    RAISE = "raise"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Option:
    """One option. ``default`` is converted like a given value; ``shown_default`` replaces it in the documentation."""

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
        return nonempty_string(value).strip()
    if value is None:
        raise ValueError("expected a backend, got None; leave the option out for 'cookie'")
    return value


def _secret(value: object) -> tuple[bytes, ...] | None:
    """The secrets, newest first. An empty value counts as missing, not as weak: an unset variable gives it."""
    if value is None or (isinstance(value, (str, bytes)) and not value.strip()):
        return None
    return read_secrets(value)


def _types(value: object) -> Mapping[Any, Any]:
    found = imported(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping):
        raise expected("a mapping such as {Money: ('money', to_plain, from_plain)}", value)
    Serializer(found)
    return found


def _at_least_one(value: object) -> int:
    number = integer(value)
    if number < 1:
        raise expected("a number of at least 1 (None for no limit)", value)
    return number


def _on_store_failure(value: object) -> OnStoreFailure:
    words = (member.value for member in OnStoreFailure)
    return value if isinstance(value, OnStoreFailure) else OnStoreFailure(one_of(*words)(value))


def _secure(value: object) -> bool | str:
    if isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in BOOLEANS):
        return boolean(value)
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    raise expected("True, False or 'auto'", value)


def _same_site(value: object) -> str:
    if value is None:
        raise ValueError("None is ambiguous; write 'None' for SameSite=None, or leave the option out for 'Lax'")
    return str(one_of("Lax", "Strict", "None")(value))


#: What a browser can be told to forget of a site (W3C, Clear Site Data), and why some of it must not be asked for.
CLEARABLE = ("cache", "storage")
_ALL_COOKIES = (
    "would remove the cookies of other applications on the host and on its subdomains; the session's own is removed "
    "without it"
)
_NOT_CLEARABLE = {
    "cookies": _ALL_COOKIES,
    "*": f"includes cookies, which {_ALL_COOKIES}",
    "executioncontexts": "would reload the other tabs of the site, and lose what is typed there",
}


def _clear_site_data(value: object) -> tuple[str, ...]:
    """The words in their order, each once."""
    written = re.split(r"[,\s]+", value) if isinstance(value, str) else value
    if value is None or written == ["none"]:
        return ()
    if not isinstance(written, (list, tuple, set, frozenset)):
        raise expected(f"{either(CLEARABLE)}, or a list of them", value)
    words = {_clearable(word) for word in written if word != ""}
    return tuple(word for word in CLEARABLE if word in words)


def _clearable(word: object) -> str:
    found = word.strip().strip('"').lower() if isinstance(word, str) else ""
    if found in _NOT_CLEARABLE:
        raise ValueError(f"{found!r} {_NOT_CLEARABLE[found]}; leave it out")
    if found not in CLEARABLE:
        raise expected(f"{either(CLEARABLE)}, or a list of them", word)
    return found


def _key(value: object) -> str:
    return nonempty_string(value).strip()


def _environ_key(value: object) -> str:
    key = nonempty_string(value)
    if _CGI_VARIABLE.fullmatch(key) or key.startswith("wsgi.") or key == "sessionware.open":
        raise ValueError(f"the key {shown(key)} has another use in environ; choose one such as 'myapp.session'")
    return key


def _former_configurations(value: object) -> tuple[Mapping[str, Any], ...]:
    """What each has is checked with the whole configuration, by which its store and its keys are made."""
    given = imported(value) if isinstance(value, str) and is_dotted_name(value) else value
    if given is None or (isinstance(given, str) and given.strip().lower() in ("", "none")):
        return ()
    found = (given,) if isinstance(given, Mapping) else given
    if not isinstance(found, (list, tuple)) or not all(isinstance(one, Mapping) for one in found):
        raise expected("a former configuration as a dict, or a list of them", value)
    return tuple(found)


def _importers(value: object) -> tuple[Any, ...]:
    given = imported(value) if isinstance(value, str) and is_dotted_name(value) else value
    if given is None or (isinstance(given, str) and given.strip().lower() in ("", "none")):
        return ()
    found = given if isinstance(given, (list, tuple)) else (given,)
    if not all(callable(getattr(one, "read", None)) and hasattr(one, "until") for one in found):
        fault = expected("an importer of sessionware.importers, or a list of them", value)
        kind = next((one.__name__ for one in found if isinstance(one, type)), None)
        raise fault if kind is None else ValueError(f"{fault}; {kind} is a class, write {kind}(…)")
    return tuple(found)


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
        "At least 32 random bytes, as ``str`` or ``bytes``; several, newest first, as a list or as the lines of one "
        "string. ``sessionware secret`` makes a good one.",
        "required (``memory``: a random one, made at start)",
    ),
    "types": Option(
        _types,
        {},
        "Types of your own, matched by exact class: ``{Money: ('money', to_plain, from_plain)}``.",
    ),
    "idle_timeout": Option(
        duration_or_none(none_means="no limit"),
        "1h",
        "A session ends after this long without a request that touched it; ``None`` for none.",
    ),
    "absolute_timeout": Option(
        duration_or_none(none_means="no limit"),
        "24h",
        "A session ends this long after it began, or after the last login; ``None`` for none.",
    ),
    "refresh_after": Option(
        duration_or_none(none_means="a tenth of idle_timeout"),
        None,
        "How old “last seen” may become before a request that only reads the session renews it.",
        "a tenth of ``idle_timeout``",
    ),
    "regenerate_grace": Option(
        duration_or_none(none_means="no grace"),
        "10s",
        "How long the old id of a regenerated session can still be read; ``None`` for not at all.",
    ),
    "user_key": Option(
        optional(_key),
        None,
        "A session key, such as Flask-Login's ``'_user_id'``, that says who the user is: setting it is a login, and "
        "removing it a logout, for code that never calls ``login``.",
    ),
    "max_sessions_per_user": Option(
        optional(_at_least_one),
        None,
        "At a login, the user's oldest sessions above this number end. Cookie sessions cannot be counted.",
    ),
    "on_store_failure": Option(
        _on_store_failure,
        "unavailable",
        "What happens to a request that needs its session while the store cannot answer: ``'unavailable'`` (503), "
        "``'raise'`` (``StoreUnavailable``), or ``'anonymous'`` (an empty session that cannot be changed).",
    ),
    "save_on_error": Option(boolean, True, "Whether changes are kept when the app answers with a 5xx."),
    "cookie.name": Option(nonempty_string, "sid", "The cookie's name, without a prefix."),
    "cookie.domain": Option(
        optional(nonempty_string),
        None,
        "The Domain attribute; ``None`` for a cookie of this host alone, which is safer.",
    ),
    "cookie.path": Option(nonempty_string, "/", "The Path attribute."),
    "cookie.secure": Option(
        _secure,
        "auto",
        "``True``, ``False``, or ``'auto'``: Secure except over plain http on a loopback host without a proxy.",
    ),
    "cookie.httponly": Option(boolean, True, "Whether the cookie is hidden from scripts in the page."),
    "cookie.samesite": Option(_same_site, "Lax", "``'Lax'``, ``'Strict'`` or ``'None'``."),
    "cookie.partitioned": Option(
        boolean, False, "Whether a framed page has a cookie for each top-level site (CHIPS); needs Werkzeug 3.1."
    ),
    "cookie.prefix": Option(
        one_of("auto", "__Host-Http-", "__Host-", "__Http-", "__Secure-", ""),
        "auto",
        "``'auto'``, ``'__Host-Http-'``, ``'__Host-'``, ``'__Http-'``, ``'__Secure-'``, or ``''`` for none; ``'auto'`` "
        "is ``'__Host-Http-'`` for a Secure cookie, ``'__Host-'`` for one that scripts can read, ``'__Secure-'`` for "
        "one with a domain or a path, and nothing without Secure. Every other choice but ``''`` sends Secure always.",
    ),
    "cookie.persistent": Option(
        boolean, False, "``True`` sends Max-Age, so that the cookie outlives the browser (400 days at most)."
    ),
    "cross_site": Option(
        one_of("refuse", "allow"),
        "refuse",
        "What happens to a request that another site has caused, with a method other than GET, HEAD, OPTIONS or TRACE, "
        "when it touches its session: ``'refuse'`` (403), or ``'allow'`` (nothing).",
    ),
    "trusted_origins": Option(
        read_origins,
        (),
        "Origins that may cause such requests all the same: ``'https://idp.example'``, or ``'https://*.example.com'`` "
        "for all subdomains of ``example.com``, but not itself; a list, or a text with blanks, commas or lines between "
        "them.",
    ),
    "not_before": Option(
        optional(moment),
        None,
        "Sessions whose last login, or else whose beginning, is earlier than this moment are over: a datetime with a "
        "zone, its ISO text (``2026-01-31T12:00:00Z``), or seconds since the epoch.",
    ),
    "clear_site_data": Option(
        _clear_site_data,
        (),
        "Of ``'cache'`` and ``'storage'``, what the browser of an https site is told to forget by the answer that ends "
        "a session and deletes its cookie.",
    ),
    "login_backend": Option(
        optional(_backend),
        None,
        "For the cookie backend: a store, named as ``backend`` names one (with options ``login_backend.path`` and so "
        "on), in which a session lives from its login to its logout. So it can be listed and revoked, and a copied "
        "cookie dies with the logout; visitors' sessions stay in the cookie and cost no store call.",
    ),
    "values": Option(
        one_of("strict", "lenient"),
        "strict",
        "``'strict'`` refuses values whose type would not come back; ``'lenient'`` keeps a subclass of dict, list, "
        "tuple, str, int or float as its base, an enum as its value, what has ``__html__`` as ``Markup``, a lazy text "
        "as ``str``, a dataclass as a dict.",
    ),
    "previous": Option(
        _former_configurations,
        (),
        "A former configuration of sessionware, or a list of them, whose sessions are taken over: a dict with its "
        "``backend``, ``secret`` (the present ones if it is left out) and ``cookie.*``, and with ``until``, the moment "
        "from which its sessions are no longer looked for.",
    ),
    "import_from": Option(
        _importers,
        (),
        "An importer of another package's sessions, or a list of them (``sessionware.importers``), each with its "
        "``until``: those sessions are taken over.",
    ),
    "event_context": Option(
        optional(function_of("environ")),
        None,
        "A callable that is given ``environ`` and gives a mapping of what the events of the request say of it, as its "
        "address; they have it as ``event.context``.",
    ),
    "on_event": Option(functions_of("event"), None, "A callable, or a list of them, called with every event."),
    "clock": Option(
        optional(function_of()),
        None,
        "A callable that returns seconds since the epoch, for tests; a store whose ``__init__`` takes ``clock`` is "
        "given it.",
        "``time.time``",
    ),
    "environ_key": Option(
        _environ_key,
        "sessionware.session",
        "The session's key in ``environ``. The manager's key is ``x.manager`` for ``x.session``, and ``k.manager`` for "
        "any other key ``k``.",
    ),
}

#: The stores in this package. A new one is added here; its class tells its name, its URLs and its options.
STORES: tuple[Any, ...] = (
    MemoryStore,
    FileStore,
    SQLiteStore,
    SQLAlchemyStore,
    RedisStore,
    MemcachedStore,
    KeyValueStore,
)


def _store_options() -> dict[str, str]:
    """What each of the stores' options means. Stores that say the same of an option are listed together."""
    words: dict[str, dict[str, list[str]]] = {}
    for store in STORES:
        parameters = signature(store).parameters
        for name, meaning in getattr(store, "option_help", {}).items():
            default = parameters[name].default
            is_telling = default is not Parameter.empty and default is not None
            described = f"{meaning} ({_default_text(parameters[name])})" if is_telling else meaning
            words.setdefault(name, {}).setdefault(described, []).append(getattr(store, "backend_name", store.__name__))
    return {
        f"backend.{name}": "; ".join(
            f"{', '.join(f'``{store}``' for store in stores)}: {described}" for described, stores in meanings.items()
        )
        + "."
        for name, meanings in words.items()
    }


def _default_text(parameter: Parameter) -> str:
    """The parameter's default as reStructuredText; a duration's has its unit."""
    is_duration = parameter.annotation in ("Duration", Duration)
    return f"``'{parameter.default:g}s'``" if is_duration else f"``{parameter.default!r}``"


#: The options of the stores in this package, and what they mean.
STORE_OPTIONS: dict[str, str] = _store_options()

#: Groups whose options may also be given as a nested dict.
GROUPS = ("cookie", "backend", "login_backend")

#: Groups whose options are those of a store.
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
