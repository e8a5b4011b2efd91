"""Reads the spellings of one configuration: dotted, nested, prefixed names, and environment variables."""

from __future__ import annotations

import configparser
import difflib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sessionware.config.faults import Faults
from sessionware.config.table import GROUPS, OPTIONS, STORE_GROUPS, STORE_OPTIONS
from sessionware.conversions import shown

#: Before the names of our options in a dict that others share, such as the section of an INI file.
PREFIX = "session."

#: What other session packages call an option of ours.
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
    """The options of *given* by their dotted names, as they were written, whatever the spelling."""
    if not isinstance(given, Mapping):
        # Never the object itself: it may well be the secret, by itself.
        faults.add(f"the configuration is an object of the type {type(given).__name__}; give a dict or a Config")
        return {}
    names = [name for name in given if isinstance(name, str) and name.startswith(PREFIX)]
    prefix = PREFIX if names else ""
    flat = _Flat(faults, lambda name: prefix + name)
    for name in names or given:
        if not isinstance(name, str):
            faults.add(f"{shown(name)}: the name of an option is a string")
            continue
        value = _get(given, name, faults)
        if value is not _UNREADABLE:
            flat.take(name[len(prefix) :], value)
    return flat.options


def from_environment(environ: Mapping[str, str], prefix: str, faults: Faults) -> dict[str, Any]:
    """The options in the variables that begin with *prefix*; a double underscore stands for the dot."""
    flat = _Flat(faults, lambda name: prefix + name.upper().replace(".", "__"))
    for variable in sorted(name for name in environ if name.startswith(prefix)):
        flat.take(variable[len(prefix) :].lower().replace("__", "."), environ[variable])
    return flat.options


def _get(given: Mapping[Any, Any], name: str, faults: Faults) -> Any:
    try:
        return given[name]
    except configparser.InterpolationError:
        # Its message quotes the value, which may be a secret.
        faults.add(f"{name}: the INI file's interpolation fails; write a '%' as '%%'")
        return _UNREADABLE


class _Flat:
    """The options taken so far; *spell* says a dotted name as the developer spells names here."""

    __slots__ = ("_faults", "_spell", "options")

    def __init__(self, faults: Faults, spell: Callable[[str], str]) -> None:
        self.options: dict[str, Any] = {}
        self._faults = faults
        self._spell = spell

    def take(self, name: str, value: object) -> None:
        """Take one option, or one group of them."""
        for dotted, plain in self._unnested(name, value):
            self._take_one(dotted, plain)

    def _unnested(self, name: str, value: object) -> Iterator[tuple[str, object]]:
        if name not in GROUPS or not isinstance(value, Mapping) or (name in STORE_GROUPS and _may_be_a_store(value)):
            yield name, value
            return
        if not value and name in STORE_GROUPS:
            self._faults.add(
                f"{self._spell(name)}: a dict is read as nested options and this one is empty; "
                "to keep sessions in a dict or another key/value object, give KeyValueStore(obj)"
            )
        for key, plain in value.items():
            if isinstance(key, str):
                yield f"{name}.{key}", plain
            else:
                self._faults.add(f"{self._spell(name)}: {shown(key)}: the name of an option is a string")

    def _take_one(self, name: str, value: object) -> None:
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
            return f"{self._spell(name)}: give a dict of its options, or dotted names such as {example}"
        similar = suggestion(name)
        hint = f"; did you mean {self._spell(similar)}?" if similar else ""
        return f"{self._spell(name)}: unknown option{hint}"


def _may_be_a_store(value: Mapping[Any, Any]) -> bool:
    """Whether what can be read as a mapping was rather meant as a store, or as what a store may keep entries in."""
    return not (type(value) is dict or "type" in value)


def _is_same(name: str, one: object, other: object) -> bool:
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
    """The option that *name* was probably meant to be."""
    plain = name.lower().replace("-", "_").replace(".", "_").removeprefix("session_")
    known = [*OPTIONS, *STORE_OPTIONS]
    spelled = {option.rpartition(".")[2]: option for option in reversed(known)}
    spelled |= OTHER_NAMES | {option.replace(".", "_"): option for option in known}
    close = difflib.get_close_matches(plain, spelled, n=1, cutoff=0.7)
    return spelled[close[0]] if close else None
