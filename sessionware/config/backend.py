"""Finds the store that the option ``backend`` names, and makes it."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from typing import Any, cast
from urllib.parse import unquote

from sessionware.config.faults import Faults
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
#: Where other packages announce their stores, by name or scheme.
ENTRY_POINTS = "sessionware.stores"
METHODS = ("load", "create", "replace", "delete")

_BY_NAME: dict[str, type] = {store.backend_name: store for store in STORES if hasattr(store, "backend_name")}
_SCHEMES = tuple(scheme for store in STORES for scheme in getattr(store, "url_schemes", ()))
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


def _find(backend: object) -> tuple[Any, Mapping[str, Any]]:
    """A class, a store or ``None`` for the cookie, with the options that a URL holds."""
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
        except Exception as error:  # an import runs code of others, which may raise anything
            package = entry_point.dist.name if entry_point.dist is not None else entry_point.value
            raise ValueError(
                f"{package} announces {name!r}, and {entry_point.value} cannot be imported: "
                f"{type(error).__name__}: {error}"
            ) from error
    return None


def _unknown_name(name: str) -> str:
    if "." in name:
        return f"{shown(name)} is no backend; write a class as pkg.mod:Class, with a colon"
    names = [COOKIE, *_BY_NAME]
    close = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{shown(name)} is no backend{hint or '; give ' + ', '.join(map(repr, names)) + ', a URL, or pkg.mod:Class'}"


def _from_url(url: str) -> tuple[type, Mapping[str, Any]]:
    scheme = scheme_of(url)
    for store in STORES:
        if any(fnmatchcase(scheme, known) for known in getattr(store, "url_schemes", ())):
            return store, _options_from_url(store, url)
    announced = _announced(scheme)
    if announced is None:
        raise ValueError(f"no store is known for URLs of {scheme!r}; there are {_listed_schemes()}")
    return announced, _options_from_url(announced, url)


def _listed_schemes() -> str:
    return ", ".join(f"{scheme}://…" for scheme in _SCHEMES if "*" not in scheme)


def _options_from_url(store_class: Any, url: str) -> Mapping[str, Any]:
    """What *url* gives; a class that does not read URLs itself is given it as its option ``url``."""
    read = getattr(store_class, "options_from_url", None)
    return {"url": url} if read is None else cast(Mapping[str, Any], read(url))


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
