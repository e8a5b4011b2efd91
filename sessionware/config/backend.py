"""From the option ``backend`` to the store that it names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from typing import Any, cast
from urllib.parse import unquote

from sessionware.config.faults import Faults, closest
from sessionware.config.parameters import (
    annotations_of,
    converter_for,
    named_parameters,
    parameters_of,
    takes_any_name,
)
from sessionware.config.table import STORES
from sessionware.conversions import imported, shown
from sessionware.exceptions import ConfigError
from sessionware.stores.contract import Store
from sessionware.stores.urls import scheme_of

#: The backend that needs no store.
COOKIE = "cookie"
#: The group of entry points in which other packages announce their stores, by name or by URL scheme.
ENTRY_POINTS = "sessionware.stores"
STORE_METHODS = ("load", "create", "replace", "delete")

_BY_NAME: dict[str, type] = {store.backend_name: store for store in STORES if hasattr(store, "backend_name")}
_SCHEMES = tuple(scheme for store in STORES for scheme in getattr(store, "url_schemes", ()))
#: Names of options whose values no message repeats.
_SENSITIVE_NAME = re.compile(r"passw|secret|token|auth|credential|key", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend that was found and checked, before anything is opened.

    It has a class with its options, or a store that the application has made, or neither: the cookie backend.
    """

    store_class: type | None = None
    store: Store | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def make(self, clock: Callable[[], float], faults: Faults) -> Store | None:
        """The store, made with *clock* if its class takes one; ``None`` for the cookie backend, or after a fault."""
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
    """The backend that the option ``backend`` names, with the store's *options* (their names without ``backend.``).

    Adds what is wrong to *faults*; ``None`` if no backend was found.
    """
    try:
        found, from_url = _find(backend)
        _check_is_store(found)
    except ValueError as error:
        faults.add_error("backend", error)
        return None
    if found is None:
        for name in options:
            faults.add(f"backend.{name}: the cookie backend has no options; name a store by backend (nested: type)")
        return Backend()
    if not isinstance(found, type):
        for name in options:
            faults.add(f"backend.{name}: the backend is a store that is already made; give this option to its class")
        return Backend(store=found)
    in_url, beside = _converted(found, from_url, faults), _converted(found, options, faults)
    for name in in_url.keys() & beside.keys():
        if _comparable(in_url[name]) != _comparable(beside[name]):
            faults.add(f"backend.{name}: it is given twice, here and in the URL, with different values")
    return Backend(store_class=found, options={**in_url, **beside})


def _comparable(value: object) -> object:
    """*value*, of a path its text: the path in a URL is a str, the one beside it may be an object."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _find(backend: object) -> tuple[Any, Mapping[str, Any]]:
    """What *backend* names (a class, a store, or ``None`` for the cookie backend), and the options in its URL."""
    if not isinstance(backend, str):
        return backend, {}
    if "://" in backend:
        return _from_url(backend)
    name, colon, _ = backend.partition(":")
    if not colon:
        return _by_name(backend), {}
    if name.lower() in _SCHEMES:
        raise ValueError(f"a URL has slashes: {name}://host, or {name}:///path")
    return imported(backend), {}


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
        except Exception as error:  # an import runs a module's code, which may raise anything
            package = entry_point.dist.name if entry_point.dist is not None else entry_point.value
            raise ValueError(
                f"{package} announces {name!r}, and {entry_point.value} cannot be imported: "
                f"{type(error).__name__}: {error}"
            ) from error
    return None


def _unknown_name(name: str) -> str:
    if "." in name:
        return f"unknown backend {shown(name)}; write a class as pkg.mod:Class, with a colon"
    names = [COOKIE, *_BY_NAME]
    meant = closest(name.lower(), names)
    if meant is not None:
        return f"unknown backend {shown(name)}; did you mean {meant!r}?"
    return f"unknown backend {shown(name)}; give {', '.join(map(repr, names))}, a URL, or pkg.mod:Class"


def _from_url(url: str) -> tuple[type, Mapping[str, Any]]:
    scheme = scheme_of(url)
    for store in STORES:
        if any(fnmatchcase(scheme, known) for known in getattr(store, "url_schemes", ())):
            return store, _options_from_url(store, url)
    announced = _announced(scheme)
    if announced is None:
        raise ValueError(f"no store reads URLs of the scheme {scheme!r}; give one of {_listed_schemes()}")
    return announced, _options_from_url(announced, url)


def _listed_schemes() -> str:
    return ", ".join(f"{scheme}://…" for scheme in _SCHEMES if "*" not in scheme)


def _options_from_url(store_class: Any, url: str) -> Mapping[str, Any]:
    """The options that *store_class* reads from *url*; a class that reads none gets it as its option ``url``."""
    read = getattr(store_class, "options_from_url", None)
    return {"url": url} if read is None else cast(Mapping[str, Any], read(url))


def _check_is_store(found: Any) -> None:
    """Raise ValueError unless *found* has a store's methods, or is ``None``, the cookie backend."""
    missing = [name for name in STORE_METHODS if not callable(getattr(found, name, None))]
    if found is None or not missing:
        return
    lacks = f"it lacks the methods {', '.join(missing)}"
    if isinstance(found, type):
        raise ValueError(f"the class {found.__name__} is not a store: {lacks}")
    raise ValueError(
        f"an object of the type {type(found).__name__} is not a store: {lacks}; "
        "give a dict or another key/value object as KeyValueStore(obj)"
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
    meant = closest(name.lower(), names)
    if meant is not None:
        return f"; did you mean backend.{meant}?"
    return f"; it has {', '.join(f'backend.{known}' for known in names)}"


def _construct(store_class: type, options: Mapping[str, Any], faults: Faults) -> Store | None:
    try:
        return cast(Store, store_class(**options))
    except ConfigError as error:
        faults.add(f"backend: {error}", error.__cause__)
    except Exception as error:  # noqa: BLE001 - a store of another package may raise anything
        failure = f"backend: {store_class.__name__} cannot be made: {type(error).__name__}"
        if any(hidden in str(error) for hidden in _credentials(options)):
            faults.add(failure)
        else:
            faults.add(f"{failure}: {error}", error)
    return None


def _credentials(options: Mapping[str, Any]) -> set[str]:
    """The values that no message may repeat: passwords in URLs, and the options that are named like a password."""
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
