"""Reduces every spelling of a configuration to dotted names: nested dicts, prefixed names, environment variables."""

from __future__ import annotations

import configparser
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sessionware.config.faults import Faults, closest
from sessionware.config.table import GROUPS, OPTIONS, STORE_GROUPS, STORE_OPTIONS
from sessionware.conversions import shown

#: Precedes the names of our options in a dict that has other keys too, such as a section of an INI file.
PREFIX = "session."

#: The names that other session packages have for an option of ours.
OTHER_NAMES = {
    "timeout": "idle_timeout",
    "key": "cookie.name",
    "type": "backend",
    "encrypt_key": "secret",
    "validate_key": "secret",
    "secret_key": "secret",
    "cookie_expires": "cookie.persistent",
    "data_dir": "backend.path",
}

_UNREADABLE = object()


def flatten(given: object, faults: Faults) -> dict[str, Any]:
    """The options in *given* by their dotted names, not yet converted."""
    if not isinstance(given, Mapping):
        # The object is not shown: a secret may have been given in place of the dict.
        faults.add(f"expected a dict or a Config as configuration, got an object of the type {type(given).__name__}")
        return {}
    names = [name for name in given if isinstance(name, str) and name.startswith(PREFIX)]
    prefix = PREFIX if names else ""
    dotted = _DottedOptions(faults, lambda name: prefix + name)
    for name in names or given:
        if not isinstance(name, str):
            faults.add(f"expected a string as the name of an option, got {shown(name)}")
            continue
        value = _get(given, name, faults)
        if value is not _UNREADABLE:
            dotted.add(name[len(prefix) :], value)
    return dotted.options


def from_environment(environ: Mapping[str, str], prefix: str, faults: Faults) -> dict[str, Any]:
    """The options in the variables that begin with *prefix*, by their dotted names: ``__`` stands for the dot."""
    dotted = _DottedOptions(faults, lambda name: prefix + name.upper().replace(".", "__"))
    for variable in sorted(name for name in environ if name.startswith(prefix)):
        dotted.add(variable[len(prefix) :].lower().replace("__", "."), environ[variable])
    return dotted.options


def _get(given: Mapping[Any, Any], name: str, faults: Faults) -> Any:
    try:
        return given[name]
    except configparser.InterpolationError:
        # Its message quotes the value, which may be a secret.
        faults.add(f"{name}: the INI file's interpolation fails; write a '%' as '%%'")
        return _UNREADABLE


class _DottedOptions:
    """Collects options by their dotted names; *spell* turns such a name into the developer's spelling, for messages."""

    __slots__ = ("_faults", "_spell", "options")

    def __init__(self, faults: Faults, spell: Callable[[str], str]) -> None:
        self.options: dict[str, Any] = {}
        self._faults = faults
        self._spell = spell

    def add(self, name: str, value: object) -> None:
        """Add one option, or every option of a nested dict."""
        for dotted, single in self._unnested(name, value):
            self._add_one(dotted, single)

    def _unnested(self, name: str, value: object) -> Iterator[tuple[str, object]]:
        if name not in GROUPS or not isinstance(value, Mapping) or (name in STORE_GROUPS and _may_be_a_store(value)):
            yield name, value
            return
        if not value and name in STORE_GROUPS:
            self._faults.add(
                f"{self._spell(name)}: a dict is read as nested options, and this one is empty; "
                "to keep sessions in a dict or another key/value object, give KeyValueStore(obj)"
            )
        for key, single in value.items():
            if isinstance(key, str):
                yield f"{name}.{key}", single
            else:
                self._faults.add(f"{self._spell(name)}: expected a string as the name of an option, got {shown(key)}")

    def _add_one(self, name: str, value: object) -> None:
        group, _, option = name.partition(".")
        if group in STORE_GROUPS and option == "type":
            name = group
        if name not in OPTIONS and not (group in STORE_GROUPS and option):
            self._faults.add(self._unknown(name))
        elif name in self.options and not _is_same(name, self.options[name], value):
            self._faults.add(f"{name}: it is given twice, with different values")
        else:
            self.options[name] = value

    def _unknown(self, name: str) -> str:
        if name in GROUPS:
            example = self._spell("cookie.secure")
            return f"{self._spell(name)}: expected a dict of its options, or dotted names such as {example}"
        similar = suggestion(name)
        hint = f"; did you mean {self._spell(similar)}?" if similar else ""
        return f"{self._spell(name)}: unknown option{hint}"


def _may_be_a_store(value: Mapping[Any, Any]) -> bool:
    """Whether a mapping is more likely a store, or an object to keep entries in, than nested options."""
    return type(value) is not dict and "type" not in value


def _is_same(name: str, one: object, other: object) -> bool:
    """Whether two values of the option *name* mean the same, such as "1h" and 3600."""
    if one is other or (type(one) is type(other) and one == other):
        return True
    if name not in OPTIONS:
        return False
    convert = OPTIONS[name].convert
    try:
        return bool(convert(one) == convert(other))
    except ValueError:
        return False


def suggestion(name: str) -> str | None:
    """The option that a developer who wrote *name* probably meant."""
    written = name.lower().replace("-", "_").replace(".", "_").removeprefix("session_")
    known = [*OPTIONS, *STORE_OPTIONS]
    spelled = {option.rpartition(".")[2]: option for option in reversed(known)}
    spelled |= OTHER_NAMES | {option.replace(".", "_"): option for option in known}
    meant = closest(written, spelled, similarity=0.7)
    return None if meant is None else spelled[meant]
