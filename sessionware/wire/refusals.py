"""Finds what a session cannot hold, and says where it stands and what to store instead."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MappingView
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgpack import ExtType, Timestamp

from sessionware.exceptions import SessionDataError
from sessionware.wire.bounds import MAX_LEVELS
from sessionware.wire.tags import LEAVES, encode_text

PLAIN = frozenset({type(None), bool, int, float, bytes})
"""The types of which no value can be refused."""

SUPPORTED = PLAIN | {str, list, tuple, dict, set, frozenset} | LEAVES.keys()

UNTAGGABLE = frozenset({bytearray, memoryview, ExtType, Timestamp})
"""What msgpack packs by itself, as something else, even where it is told to be strict."""

Path = tuple[object, ...]


class _Note(str):
    """A step of a path that no subscript leads to."""


_KEY = _Note(" (a key)")
_ELEMENT = _Note(" (an element)")
_GIVEN = _Note(" (what its to_plain gave)")


class Inspector:
    """Walks over values; *to_plain* has the own types' functions. Every refusal is a :exc:`SessionDataError`."""

    __slots__ = ("_to_plain",)

    def __init__(self, to_plain: Mapping[type, Callable[[Any], Any]]) -> None:
        self._to_plain = to_plain

    def inspect_data(self, data: dict[Any, Any]) -> None:
        """A session's data: its keys, and the values with all that is in them."""
        for key, value in data.items():
            self.inspect_item(key, value)

    def inspect_item(self, key: Any, value: Any) -> None:
        """One key of a session and its value."""
        if type(key) is not str:
            raise SessionDataError(f"session[{_show(key)}]: a key is a str, not {_name(type(key))}; {_key_cure(key)}")
        _inspect_leaf(key, ("session", key, _KEY))
        self.inspect(value, ("session", key), 1)

    def inspect(self, value: Any, path: Path, level: int) -> None:
        """A value and all that is in it; *level* counts the containers around it, and itself."""
        kind = type(value)
        if kind in PLAIN:
            return
        if kind is str or kind in LEAVES:
            _inspect_leaf(value, path)
        elif kind in self._to_plain or kind in SUPPORTED:
            if level > MAX_LEVELS:
                raise SessionDataError(f"{_render(path)}: nested deeper than {MAX_LEVELS} levels, or contains itself")
            self._inspect_parts(kind, value, path, level + 1)
        else:
            raise SessionDataError(f"{_render(path)}: {_name(kind)} is not a type that a session holds; {cure(value)}")

    def _inspect_parts(self, kind: type, value: Any, path: Path, level: int) -> None:
        if kind in self._to_plain:
            self.inspect(self._plain(value, path), (*path, _GIVEN), level)
        elif kind is dict:
            for key, item in value.items():
                if type(key) not in PLAIN:
                    self.inspect(key, (*path, key, _KEY), level)
                if type(item) not in PLAIN:
                    self.inspect(item, (*path, key), level)
        elif kind is list or kind is tuple:
            for index, item in enumerate(value):
                if type(item) not in PLAIN:
                    self.inspect(item, (*path, index), level)
        else:
            for item in value:
                self.inspect(item, (*path, _ELEMENT), level)

    def _plain(self, value: Any, path: Path) -> Any:
        try:
            return self._to_plain[type(value)](value)
        except Exception as error:  # the function is the application's
            raise SessionDataError(f"{_render(path)}: its to_plain raised {_name(type(error))}") from error


def _inspect_leaf(value: Any, path: Path) -> None:
    try:
        encode_text(value) if type(value) is str else LEAVES[type(value)].encode(value)
    except ValueError as error:
        raise SessionDataError(f"{_render(path)}: {error}") from error


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _key_cure(key: object) -> str:
    if isinstance(key, enum.Enum):
        return "take its .value"
    return "take x.decode()" if isinstance(key, bytes) else "take str(x)"


_LONGEST_KEY = 40
_LONGEST_PATH = 8


def _show(key: object) -> str:
    """A key as it stands in a path. Of own and other types only the type: who knows what their ``repr`` tells."""
    if type(key) is str:
        return repr(key if len(key) <= _LONGEST_KEY else key[:_LONGEST_KEY] + "…")
    if type(key) in (bool, float, type(None)) or (type(key) is int and key.bit_length() <= _LONGEST_KEY):
        return repr(key)
    return f"<{_name(type(key))}>"


def _render(path: Path) -> str:
    root, *steps = path
    shown = [step if isinstance(step, _Note) else f"[{_show(step)}]" for step in steps]
    if len(shown) > _LONGEST_PATH:
        shown[_LONGEST_PATH:] = ["[…]"]
    return f"{root}{''.join(shown)}"


# The first that fits is what is advised, so the special stand before the general.
_CURES: tuple[tuple[tuple[type, ...], str], ...] = (
    ((enum.Enum,), "store its .value"),
    ((bytearray, memoryview), "store bytes(x)"),
    ((Timestamp,), "store x.to_datetime()"),
    ((ExtType,), "store its data, which are bytes"),
    ((Mapping,), "store dict(x)"),
    ((str,), "store str(x)"),
    ((bytes,), "store bytes(x)"),
    ((int,), "store int(x)"),
    ((float,), "store float(x)"),
    ((tuple,), "store tuple(x)"),
    ((frozenset,), "store frozenset(x)"),
    ((set,), "store set(x)"),
    ((list, deque, range, Iterator, MappingView), "store list(x)"),
    ((datetime, date, time, timedelta), "store one of the datetime module's own types"),
    ((Decimal,), "store Decimal(x)"),
    ((UUID,), "store UUID(bytes=x.bytes)"),
)


def cure(value: object) -> str:
    """What to do instead of storing *value*. Asks its class only: proxies lie about theirs, and may raise."""
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    if package == "numpy":
        return "store x.tolist()" if kind.__name__ == "ndarray" else "store x.item()"
    if package == "pandas" and issubclass(kind, datetime):
        return "store x.to_pydatetime()"
    if kind.__module__ == "werkzeug.local":
        return "store what it stands for: x._get_current_object()"
    for kinds, advice in _CURES:
        if issubclass(kind, kinds):
            return advice
    if is_dataclass(kind):
        return "store dataclasses.asdict(x), or name its class in the option types"
    return "store what it is made of, or name its class in the option types"
