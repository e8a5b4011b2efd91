"""From the option ``backend`` to the store that it names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from typing import Any, cast

from sessionware.config.credentials import is_sensitive, shows_credentials
from sessionware.config.faults import Faults, closest
from sessionware.config.others import instead_of_backend
from sessionware.config.parameters import (
    annotations_of,
    converter_for,
    named_parameters,
    parameters_of,
    takes_any_name,
)
from sessionware.config.table import STORES
from sessionware.conversions import WITHHELD, cure_of, import_failure, imported, is_dotted_name, shown
from sessionware.exceptions import ConfigError
from sessionware.stores.contract import Store
from sessionware.stores.urls import scheme_of

#: The backend that needs no store.
COOKIE = "cookie"
#: The group of entry points in which other packages announce their stores, by name or by URL scheme.
ENTRY_POINTS = "sessionware.stores"
STORE_METHODS = ("load", "create", "replace", "delete")

#: The option that holds a store's URL.
URL = "url"

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")
#: What other packages and servers call a scheme of ours.
OTHER_SCHEMES = {
    **dict.fromkeys(("postgres", "pg", "psql", "pgsql", "postgres+psycopg", "postgres+psycopg2"), "postgresql+psycopg"),
    **dict.fromkeys(("mysql2", "mysqldb", "pymysql"), "mysql+pymysql"),
    **dict.fromkeys(("redis-sentinel", "sentinel"), "redis+sentinel"),
    "redis-cluster": "redis+cluster",
    "redis+ssl": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
    **dict.fromkeys(("redis-socket", "redis+socket"), "unix"),
    "memcache": "memcached",
    **dict.fromkeys(("sqlite3", "sqlite+pysqlite"), "sqlite"),
}

#: The packages of drivers whose clients a store takes.
_CLIENTS = {"redis": "redis", "valkey": "redis", "pymemcache": "memcached"}
#: What other packages and drivers call an option of a store of ours.
_OTHER_OPTIONS = {
    **dict.fromkeys(("host", "hosts", "port", "db", "server", "servers", "address", "addresses"), "url"),
    **dict.fromkeys(("username", "user", "password", "uri", "dsn", "service", "unix_socket_path"), "url"),
    **dict.fromkeys(("database", "file", "filename", "dir", "directory", "folder", "data_dir"), "path"),
    **dict.fromkeys(("connection", "redis", "memcache", "cache"), "client"),
    **dict.fromkeys(("key_prefix", "namespace"), "prefix"),
    **dict.fromkeys(("table_name", "tablename"), "table"),
}

_BY_NAME: dict[str, type] = {store.backend_name: store for store in STORES if hasattr(store, "backend_name")}
_SCHEMES = tuple(scheme for store in STORES for scheme in getattr(store, "url_schemes", ()))


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend that was found and checked, before anything is opened.

    It has a class with its options, or a store that the application has made, or neither: the cookie backend.
    ``failed`` has the names of the options with a fault; a store without them is not made.
    """

    store_class: type | None = None
    store: Store | None = None
    options: dict[str, Any] = field(default_factory=dict, repr=False)  # a URL may have a password
    failed: frozenset[str] = frozenset()

    def make(self, clock: Callable[[], float], faults: Faults) -> Store | None:
        """The store, made with *clock* if its class takes one; ``None`` for the cookie backend, or after a fault."""
        if self.store_class is None:
            return self.store
        parameters = parameters_of(self.store_class)
        names = named_parameters(parameters)
        options = {"clock": clock, **self.options} if "clock" in names else self.options
        missing = [name for name in names if name not in options and parameters[name].default is parameters[name].empty]
        if self.failed:
            # A URL gives several options: which ones cannot be told if it has a fault.
            missing = [] if URL in self.failed else [name for name in missing if name not in self.failed]
        for name in missing:
            faults.add(f"backend.{name}: {_what_is_missing(self.store_class, name)}")
        return None if missing or self.failed else _construct(self.store_class, options, faults)


def _what_is_missing(store_class: type, name: str) -> str:
    meaning = getattr(store_class, "option_help", {}).get(name)
    schemes = getattr(store_class, "url_schemes", ()) if name == "path" else ()
    needed = f"{store_class.__name__} needs it" + (f", {meaning}" if meaning else "")
    return f"{needed}; or give a URL as backend: {schemes[0]}:///path" if schemes else needed


def find_backend(backend: object, options: Mapping[str, Any], faults: Faults) -> Backend | None:
    """The backend that the option ``backend`` names, with the store's *options* (their names without ``backend.``).

    Adds what is wrong to *faults*; ``None`` if no backend was found.
    """
    try:
        found, url = _find(backend)
        _check_is_store(found)
        in_url = {} if url is None else _options_from_url(found, url)
    except ValueError as error:
        faults.add_error("backend", error, given=backend)
        return None
    if found is None:
        for name in options:
            faults.add(f"backend.{name}: the cookie backend has no options; name a store by backend (nested: type)")
        return Backend()
    if not isinstance(found, type):
        for name in options:
            faults.add(f"backend.{name}: the backend is a store that is already made; give this option to its class")
        return Backend(store=found)
    return _with_options(found, in_url, options, faults)


def _with_options(store_class: type, in_url: Mapping[str, Any], beside: Mapping[str, Any], faults: Faults) -> Backend:
    """The backend of *store_class* with the options in its URL and those beside it, among which may be a URL, too."""
    collected = _Options(store_class, faults)
    collected.add_all(in_url)
    others = dict(beside)
    if URL in others and hasattr(store_class, "options_from_url"):
        url = others.pop(URL)
        try:
            collected.add_all(_options_from_url(store_class, _checked_url(store_class, url)))
        except ValueError as error:
            collected.failed.add(URL)
            faults.add_error(f"backend.{URL}", error, given=url)
    collected.add_all(others)
    return Backend(store_class=store_class, options=collected.options, failed=frozenset(collected.failed))


def _checked_url(store_class: Any, url: Any) -> Any:
    """*url*; ValueError if the class makes options of their own of it, and it is none of its URLs."""
    if not isinstance(url, str):
        cure = "; is its environment variable set? Set it, or leave this option out" if url is None else ""
        raise ValueError(f"expected a URL as a string, got {shown(url)}{cure}")
    schemes = getattr(store_class, "url_schemes", ())
    is_url = "://" in url and any(fnmatchcase(scheme_of(url), known) for known in schemes)
    if is_url or URL in named_parameters(parameters_of(store_class)):
        return url
    names = ", ".join(f"backend.{name}" for name in named_parameters(parameters_of(store_class))[:1])
    raise ValueError(f"expected a URL that begins with {', '.join(f'{scheme}://' for scheme in schemes)}, or {names}")


class _Options:
    """Collects a store's options, converted; ``failed`` has the names of those with a fault."""

    __slots__ = ("_annotations", "_faults", "_names", "_store_class", "_takes_any_name", "failed", "options")

    def __init__(self, store_class: type, faults: Faults) -> None:
        parameters = parameters_of(store_class)
        self._store_class = store_class
        self._names = named_parameters(parameters)
        self._takes_any_name = takes_any_name(parameters)
        self._annotations = annotations_of(store_class)
        self._faults = faults
        self.options: dict[str, Any] = {}
        self.failed: set[str] = set()

    def add_all(self, given: Mapping[str, Any]) -> None:
        """Add the options in *given*; one that was added before must have the same value."""
        before = dict(self.options)
        for name, value in given.items():
            try:
                converted = self._converted(name, value)
            except ValueError as error:
                self.failed.add(name)
                self._faults.add_error(f"backend.{name}", error, given=value)
                continue
            if name in before and _comparable(before[name]) != _comparable(converted):
                self.failed.add(name)
                self._faults.add(f"backend.{name}: it is given twice, here and in the URL, with different values")
            self.options[name] = converted

    def _converted(self, name: str, value: Any) -> Any:
        if name not in self._names and not self._takes_any_name:
            raise ValueError(f"{self._store_class.__name__} has no such option{_hint(name, self._names)}")
        if name not in self._names or name not in self._annotations:
            return value
        try:
            return converter_for(self._annotations[name])(value)
        except ValueError:
            if not is_sensitive(name):
                raise
        raise ValueError(f"{self._store_class.__name__} does not take a value of this kind")


def _comparable(value: object) -> object:
    """*value*, of a path its text: the path in a URL is a str, the one beside it may be an object."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _find(backend: object) -> tuple[Any, str | None]:
    """What *backend* names (a class, a store, or ``None`` for the cookie backend), and the URL, if it is one."""
    if not isinstance(backend, str):
        return backend, None
    if "://" in backend:
        return _by_scheme(backend), backend
    name, colon, _ = backend.partition(":")
    if not colon:
        return _by_name(backend), None
    if name.lower() in _SCHEMES:
        raise ValueError(f"a URL has slashes: {name}://host, or {name}:///path")
    if not is_dotted_name(backend) or instead_of_backend(backend) is not None:
        raise ValueError(_unknown_name(backend))
    return imported(backend), None


def _by_name(name: str) -> type | None:
    lowered = name.lower()
    if lowered == COOKIE:
        return None
    found = _BY_NAME.get(lowered) or _announced(lowered)
    if found is None:
        raise ValueError(_unknown_name(name))
    return found


def _announced(name: str) -> type | None:
    """The class that another package announces under *name*."""
    for entry_point in entry_points(group=ENTRY_POINTS, name=name):
        try:
            return cast(type, entry_point.load())
        except Exception as error:  # noqa: BLE001 - an import runs a module's code, which may raise anything
            package = entry_point.dist.name if entry_point.dist is not None else entry_point.value
            failure = import_failure(f"{package} announces {name!r}, and {entry_point.value}", error)
        raise failure
    return None


def _unknown_name(name: str) -> str:
    # What is not shown, because it may hold a password, is not called by the words for it either.
    is_hidden = "@" in name or "://" in name
    unknown = "it names no store" if is_hidden else f"unknown backend {shown(name)}"
    instead = None if is_hidden else instead_of_backend(name.strip())
    if instead is not None:
        return f"{unknown}; {instead}"
    if "." in name:
        # A class is written with a capital letter, and a host is not.
        host = "" if name != name.lower() or is_hidden else f", or a server as a URL, redis://{name}"
        return f"{unknown}; write a class as pkg.mod:Class, with a colon{host}"
    names = [COOKIE, *_BY_NAME]
    meant = closest(name.lower(), names)
    if meant is not None:
        return f"{unknown}; did you mean {meant!r}?"
    return f"{unknown}; give {', '.join(map(repr, names))}, a URL, or pkg.mod:Class"


def _by_scheme(url: str) -> type:
    scheme = scheme_of(url)
    for store in STORES:
        if any(fnmatchcase(scheme, known) for known in getattr(store, "url_schemes", ())):
            return cast(type, store)
    announced = _announced(scheme)
    if announced is None:
        raise ValueError(_unknown_scheme(scheme))
    return announced


def _unknown_scheme(scheme: str) -> str:
    if not _SCHEME.fullmatch(scheme):
        # It may hold a password, as in user:password@redis://host.
        return f"this is no URL; give one of {_listed_schemes()}"
    meant = OTHER_SCHEMES.get(scheme) or closest(scheme, [known for known in _SCHEMES if "*" not in known])
    cure = f"did you mean {meant}://…?" if meant else instead_of_backend(scheme) or f"give one of {_listed_schemes()}"
    return f"no store reads URLs of the scheme {scheme!r}; {cure}"


def _listed_schemes() -> str:
    return ", ".join(f"{scheme}://…" for scheme in _SCHEMES if "*" not in scheme)


def _options_from_url(store_class: Any, url: str) -> Mapping[str, Any]:
    """The options that *store_class* reads from *url*; a class that reads none gets it as its option ``url``."""
    read = getattr(store_class, "options_from_url", None)
    if read is None:
        return {"url": url}
    try:
        options = cast(Mapping[str, Any], read(url))
        if scheme_of(url) == "file" and str(options.get("path", "")).startswith("/~"):
            raise ValueError(
                "~ is no home directory in a file URL, whose path is absolute; give it as backend.path, with the "
                "backend 'file'"
            )
        return options
    except Exception as error:
        if store_class in STORES:
            raise
        # The error is not raised from here, for it would be the context of what is.
        refusal = _refusal(store_class, url, error)
    raise refusal


def _refusal(store_class: Any, url: str, error: Exception) -> ValueError:
    """What is said where another package's store does not take *url*; the cause is chained if it may be shown."""
    told = f"the URL of {store_class.__name__} cannot be read: {type(error).__name__}"
    if shows_credentials(error, {"url": url}):
        return ValueError(told + WITHHELD)
    refusal = ValueError(str(error) if isinstance(error, ValueError) else f"{told}: {error}")
    refusal.__cause__ = error
    return refusal


def _check_is_store(found: Any) -> None:
    """Raise ValueError unless *found* has a store's methods, or is ``None``, the cookie backend."""
    missing = [name for name in STORE_METHODS if not callable(getattr(found, name, None))]
    if found is None or not missing:
        return
    is_class = isinstance(found, type)
    what = f"the class {found.__name__}" if is_class else f"an object of the type {type(found).__name__}"
    lacks = f"{what} is not a store: it lacks the methods {', '.join(missing)}"
    if cure_of(found):
        raise ValueError(lacks)  # with that cure
    cure = _cure_for(found if is_class else type(found), "a client" if is_class else "it")
    if not cure and not is_class:
        cure = "give a dict or another key/value object as KeyValueStore(obj)"
    raise ValueError(f"{lacks}; {cure}" if cure else lacks)


def _cure_for(found: type, what: str) -> str | None:
    """How a driver's object of the class *found* is given, or a path; *what* stands for a client."""
    packages = {base.__module__.partition(".")[0] for base in found.__mro__}
    if issubclass(found, os.PathLike) or "sqlite3" in packages:
        return "give the path as backend.path, with the backend 'sqlite' or 'file'"
    if packages & {"sqlalchemy", "flask_sqlalchemy"}:
        engine = "it" if what == "it" and "Engine" in {base.__name__ for base in found.__mro__} else "its engine"
        return f"give {engine} as backend.engine, with the backend 'sqlalchemy'"
    for package, backend in _CLIENTS.items():
        if package in packages:
            return f"give {what} as backend.client, with the backend {backend!r}"
    return None


def _hint(name: str, names: list[str]) -> str:
    if not names:
        return ""
    meant = closest(name.lower(), names)
    if meant is not None:
        return f"; did you mean backend.{meant}?"
    meant = _OTHER_OPTIONS.get(name.lower())
    if meant in names:
        return f"; give backend.{meant}"
    return f"; it has {', '.join(f'backend.{known}' for known in names)}"


def _construct(store_class: type, options: Mapping[str, Any], faults: Faults) -> Store | None:
    try:
        return cast(Store, store_class(**options))
    except Exception as error:  # noqa: BLE001 - a store of another package may raise anything
        if isinstance(error, ConfigError) and store_class in STORES:
            cure = next(filter(None, map(cure_of, options.values())), None)
            faults.add(f"backend: {error}; {cure}" if cure else f"backend: {error}", error.__cause__)
        elif shows_credentials(error, options):
            faults.add(f"backend: {store_class.__name__} cannot be made: {type(error).__name__}{WITHHELD}")
        elif isinstance(error, ConfigError):
            faults.add(f"backend: {error}", error.__cause__)
        else:
            faults.add(f"backend: {store_class.__name__} cannot be made: {type(error).__name__}: {error}", error)
    return None
