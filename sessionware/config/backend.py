"""Finds the store that a configuration names, and makes it."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from sessionware.config.faults import Faults
from sessionware.config.parameters import (
    annotations_of,
    converter_for,
    named_parameters,
    parameters_of,
    takes_any_name,
)
from sessionware.conversions import imported, shown
from sessionware.exceptions import ConfigError
from sessionware.stores.contract import Store
from sessionware.stores.redis.url import SCHEMES as REDIS_SCHEMES
from sessionware.stores.redis.url import store_options

#: The backend that needs no store.
COOKIE = "cookie"
NAMES = (COOKIE, "memory", "file", "sqlite", "sqlalchemy", "redis", "memcached")
SCHEMES = ("sqlite", "file")
#: Those whose URL names servers: the store reads it, without the options after "?".
SERVER_SCHEMES = ("memcached",)
#: Those whose URL is SQLAlchemy's, with the options of the driver after "?".
_SQL_SCHEMES = re.compile(r"(postgresql|mysql|mariadb)(\+\w+)?")

METHODS = ("load", "create", "replace", "delete")

_SENSITIVE_NAME = re.compile(r"passw|secret|token|auth|credential|key", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend that was found and checked; nothing is opened yet. Neither a class nor a store: the cookie backend."""

    store_class: type | None = None
    store: Store | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, clock: Callable[[], float], faults: Faults) -> Store | None:
        """The store, which is given *clock* if it takes one; ``None`` for the cookie backend, or after a fault."""
        if self.store_class is None:
            return self.store
        parameters = parameters_of(self.store_class)
        names = named_parameters(parameters)
        options = {"clock": clock, **self.options} if "clock" in names else self.options
        missing = [name for name in names if name not in options and parameters[name].default is parameters[name].empty]
        for name in missing:
            faults.add(f"backend.{name}: {self.store_class.__name__} needs it")
        return None if missing else _construct(self.store_class, options, faults)


def find_backend(backend: object, options: Mapping[str, Any], faults: Faults) -> Backend | None:
    """What the option ``backend`` and the store's *options* (without ``backend.``) name; ``None`` after a fault."""
    try:
        found, from_url = _find(backend)
        found = _class_or_store(found, backend)
    except ValueError as error:
        faults.add_error("backend", error)
        return None
    if found is None:
        for name in options:
            faults.add(f"backend.{name}: the cookie backend has no options; name the store by backend (nested: type)")
        return Backend()
    if not isinstance(found, type):
        for name in options:
            faults.add(f"backend.{name}: the backend is a store that is already made; give this to its class")
        return Backend(store=found)
    in_url, here = _converted(found, from_url, faults), _converted(found, options, faults)
    for name in in_url.keys() & here.keys():
        if _plain(in_url[name]) != _plain(here[name]):
            faults.add(f"backend.{name}: it is given twice, here and in the URL, with different values")
    return Backend(store_class=found, options={**in_url, **here})


def _plain(value: object) -> object:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _find(backend: object) -> tuple[Any, dict[str, str]]:
    """A class, a store or ``None`` for the cookie, with the options that a URL holds."""
    if not isinstance(backend, str):
        return backend, {}
    if "://" in backend:
        return _from_url(backend)
    scheme, colon, _ = backend.partition(":")
    if not colon:
        return _by_name(backend), {}
    if scheme.lower() in SCHEMES:
        raise ValueError(f"a URL has slashes: {scheme}:///… ({scheme}:////… for an absolute path of sqlite)")
    return imported(backend), {}


def _by_name(name: str) -> type | None:
    """A driver is imported only when it is asked for."""
    lowered = name.lower()
    if lowered == COOKIE:
        return None
    if lowered == "memory":
        from sessionware.stores.memory import MemoryStore

        return MemoryStore
    if lowered == "file":
        from sessionware.stores.file import FileStore

        return FileStore
    if lowered == "sqlite":
        from sessionware.stores.sqlite import SQLiteStore

        return SQLiteStore
    if lowered == "redis":
        from sessionware.stores.redis.store import RedisStore

        return RedisStore
    if lowered == "memcached":
        from sessionware.stores.memcached.store import MemcachedStore

        return MemcachedStore
    if lowered == "sqlalchemy":
        from sessionware.stores.sql.store import SQLAlchemyStore

        return SQLAlchemyStore
    raise ValueError(_unknown_name(name))


def _unknown_name(name: str) -> str:
    if "." in name:
        return f"{shown(name)} is no backend; write a class as pkg.mod:Class, with a colon"
    close = difflib.get_close_matches(name.lower(), NAMES, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{shown(name)} is no backend{hint or '; give ' + ', '.join(map(repr, NAMES)) + ', a URL, or pkg.mod:Class'}"


def _from_url(url: str) -> tuple[type | None, dict[str, str]]:
    scheme = url.partition(":")[0].lower()
    if _SQL_SCHEMES.fullmatch(scheme):
        return _by_name("sqlalchemy"), {"url": url}
    if scheme in REDIS_SCHEMES:
        return _by_name("redis"), store_options(url)
    if scheme in SERVER_SCHEMES:
        address, _, query = url.partition("?")
        return _by_name(scheme), {"url": address, **_query_options(scheme, query, f"{scheme}://host?option=value")}
    if scheme not in SCHEMES:
        servers = ("redis", *SERVER_SCHEMES, "postgresql+psycopg", "mysql+pymysql")
        known = ", ".join([*(f"{known}:///…" for known in SCHEMES), *(f"{known}://…" for known in servers)])
        raise ValueError(f"no store is known for URLs of {scheme!r}; there are {known}")
    form = f"{scheme}:///path?option=value"
    try:
        parts = urlsplit(url)
    except ValueError:
        # The message may quote the URL.
        raise ValueError(f"the {scheme} URL cannot be read; write it as in {form}") from None
    options = _query_options(scheme, parts.query, form)
    if parts.fragment:
        raise ValueError(f"the {scheme} URL has a '#'; in a path it is written %23")
    return _by_name(scheme), {"path": _path_in(scheme, parts.netloc, parts.path), **options}


def _query_options(scheme: str, query: str, form: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise ValueError(f"the {scheme} URL cannot be read; write it as in {form}") from None
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ValueError(f"the {scheme} URL gives an option twice")
    return options


def _path_in(scheme: str, netloc: str, path: str) -> str:
    """The path of a file URL is absolute (RFC 8089); of a sqlite URL what follows the third slash."""
    if netloc and not (scheme == "file" and netloc == "localhost"):
        raise ValueError(
            "a file URL has three slashes and an absolute path: file:///var/lib/app/sessions"
            if scheme == "file"
            else "a sqlite URL has three slashes for a relative path, four for an absolute one: sqlite:///sessions.db"
        )
    decoded = unquote(path if scheme == "file" else path.removeprefix("/"))
    if not decoded.strip("/"):
        raise ValueError(f"the {scheme} URL names no path")
    return decoded


def _class_or_store(found: Any, backend: object) -> Any:
    if found is None:
        return None
    missing = [name for name in METHODS if not callable(getattr(found, name, None))]
    if not missing:
        return found
    lacks = f"lacks {', '.join(missing)}"
    if isinstance(found, type):
        raise ValueError(f"the class {found.__name__} is no store: it {lacks}")
    raise ValueError(
        f"an object of the type {type(found).__name__} is no store: it {lacks}; "
        "a dict or another key/value object is given as KeyValueStore(obj)"
    )


def _converted(store_class: type, given: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    parameters = parameters_of(store_class)
    names = named_parameters(parameters)
    annotations = annotations_of(store_class)
    options = {}
    for name, value in given.items():
        if name not in names and not takes_any_name(parameters):
            faults.add(f"backend.{name}: {store_class.__name__} has no such option{_hint(name, names)}")
            continue
        convert = converter_for(annotations[name]) if name in annotations and name in names else None
        try:
            options[name] = value if convert is None else convert(value)
        except ValueError as error:
            faults.add_error(f"backend.{name}", error)
    return options


def _hint(name: str, names: list[str]) -> str:
    if not names:
        return ""
    close = difflib.get_close_matches(name.lower(), names, n=1)
    if close:
        return f"; did you mean backend.{close[0]}?"
    return f"; it has {', '.join(f'backend.{known}' for known in names)}"


def _construct(store_class: type, options: Mapping[str, Any], faults: Faults) -> Store | None:
    try:
        return cast(Store, store_class(**options))
    except ConfigError as error:
        faults.add(f"backend: {error}", error.__cause__)
    except Exception as error:  # noqa: BLE001 - a store of others may raise anything
        failure = f"backend: {store_class.__name__} cannot be made: {type(error).__name__}"
        if any(hidden in str(error) for hidden in _credentials(options)):
            faults.add(failure)
        else:
            faults.add(f"{failure}: {error}", error)
    return None


def _credentials(options: Mapping[str, Any]) -> set[str]:
    """What among the options must not be repeated: the passwords of URLs, and what is named like a password."""
    hidden = set()
    for name, value in options.items():
        if not isinstance(value, (str, bytes)):
            continue
        written = value if isinstance(value, str) else value.decode("latin-1")
        if _SENSITIVE_NAME.search(name):
            hidden.add(written)
        if "@" in written and "://" in written:
            password = written.partition("://")[2].rpartition("@")[0].partition(":")[2]
            hidden |= {password, unquote(password)}
    return hidden - {""}
