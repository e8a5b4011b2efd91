"""Refuses the values that a session cannot hold, with the path to each and what to store instead."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, MappingView
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from msgpack import ExtType, Timestamp

from sessionware.exceptions import SessionDataError
from sessionware.wire.bounds import CONTAINERS, MAX_LEVELS, check_hashes, has_other_keys, parts_of, share_hashes
from sessionware.wire.lenient import Leniency
from sessionware.wire.tags import LEAVES, MAX_ZONES, encode_str

PLAIN = frozenset({type(None), bool, int, float, bytes})
"""The types whose values are all supported, so that none needs a look."""

_MOMENTS = frozenset({datetime, time})

SUPPORTED = PLAIN | {str} | CONTAINERS | LEAVES.keys()

UNTAGGABLE = frozenset({bytearray, memoryview, ExtType, Timestamp})
"""The types that msgpack packs as another type without asking, even if it is told to be strict."""

#: The root and the keys and indexes that lead from it to a value.
ValuePath = tuple[object, ...]


class _Note(str):
    """A step of a path that is not a subscript."""


_KEY = _Note(" (a key)")
_ELEMENT = _Note(" (an element)")
_PLAIN_VALUE = _Note(" (what its to_plain gave)")


class Inspector:
    """Walks over values, and raises :exc:`SessionDataError` for the first that is not supported.

    *to_plain* maps each own type to the function that gives a supported value for it. With a *leniency*, values that it
    makes plain are supported, too.
    """

    __slots__ = ("_leniency", "_supported", "_to_plain")

    def __init__(self, to_plain: Mapping[type, Callable[[Any], Any]], leniency: Leniency | None) -> None:
        self._to_plain = to_plain
        self._leniency = leniency
        self._supported = SUPPORTED | to_plain.keys()

    def inspect_data(self, data: dict[Any, Any]) -> None:
        """Inspect a session's data: its keys, and its values with everything in them."""
        for key, value in data.items():
            self.inspect_item(key, value)

    def passes_by_types(self, data: dict[Any, Any]) -> bool:
        """Whether nothing can be wrong with *data*, which was packed just now, by the types that it holds.

        What was packed has no str without UTF-8 and no moment without an offset. What packing lets pass shows in the
        types of each level, which are looked at as a set; only data with own types, and with keys that share a hash,
        needs a walk.
        """
        level: list[Any] = [data]
        zones: set[Any] = set()
        for _ in range(MAX_LEVELS + 1):
            parts, others = parts_of(level)
            kinds = set(map(type, parts))
            if not kinds <= SUPPORTED or any(map(share_hashes, others)):
                return False
            if not kinds.isdisjoint(_MOMENTS):
                zones.update(part.tzinfo for part in parts if type(part) in _MOMENTS and type(part.tzinfo) is ZoneInfo)
                if len(zones) > MAX_ZONES:
                    return False
            if kinds.isdisjoint(CONTAINERS):
                return True
            level = [part for part in parts if type(part) in CONTAINERS]
        return False

    def inspect_item(self, key: Any, value: Any) -> None:
        """Inspect one key of a session and its value."""
        if type(key) is not str and not (self._leniency is not None and isinstance(key, str)):
            got = name_of(type(key))
            raise SessionDataError(f"session[{_show(key)}]: expected a str as key, got {got}; {_key_cure(key)}")
        if type(key) is str:
            _inspect_leaf(key, ("session", key, _KEY))
        else:
            self.inspect(key, ("session", key, _KEY), 1)
        self.inspect(value, ("session", key), 1)

    def inspect(self, value: Any, path: ValuePath, level: int) -> None:
        """Inspect a value and everything in it; *level* counts the containers around it, and itself."""
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
            self.inspect(self._made_plain(value, path), path, level)

    def _made_plain(self, value: Any, path: ValuePath) -> Any:
        """What is kept of *value*, whose own type is not supported."""
        kind = name_of(type(value))
        if self._leniency is not None:
            try:
                return self._leniency.plain(value, self._supported)
            except LookupError:
                pass
            except Exception as error:  # the value is the application's, and may raise anything
                drop_our_frames(error)
                raise SessionDataError(
                    f"{_render(path)}: to keep a plain value of {kind} raised {name_of(type(error))}; see the cause"
                ) from error
        raise SessionDataError(f"{_render(path)}: {kind} is not a type that a session holds; {_cure(value)}")

    def _inspect_keys(self, items: Collection[Any], path: ValuePath) -> None:
        """Inspect the hashes of *items*, the keys of a dict or the elements of a set, as they will be loaded."""
        kept = items if self._leniency is None else [self._key(item, path) for item in items]
        _inspect_hashes(kept, path, kind=type(items))

    def _key(self, item: Any, path: ValuePath) -> Any:
        """What is kept of *item*, with all that it holds; it must have a hash."""
        kind = type(item)
        if kind is tuple or kind is frozenset:
            return kind(self._key(part, path) for part in item)
        if kind in self._supported:
            return item
        plain = self._made_plain(item, path)
        if type(plain) in (list, dict, set):
            raise SessionDataError(
                f"{_render(path)}: {name_of(kind)} would become a {type(plain).__name__}, which can be no key and no "
                "element; store a plain value"
            )
        return self._key(plain, path)

    def _inspect_parts(self, kind: type, value: Any, path: ValuePath, level: int) -> None:
        if kind in self._to_plain:
            self.inspect(self._plain(value, path), (*path, _PLAIN_VALUE), level)
        elif kind is dict:
            if has_other_keys(value):
                self._inspect_keys(value, path)
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
            self._inspect_keys(value, path)
            for item in value:
                self.inspect(item, (*path, _ELEMENT), level)

    def _plain(self, value: Any, path: ValuePath) -> Any:
        try:
            return self._to_plain[type(value)](value)
        except Exception as error:  # the function is the application's, and may raise anything
            drop_our_frames(error)
            raise SessionDataError(
                f"{_render(path)}: the to_plain of {name_of(type(value))} raised {name_of(type(error))}; see the cause"
            ) from error


def drop_our_frames(error: Exception) -> None:
    """Take from *error*, which the application's code has raised, the frames of ours that have called that code.

    Crash reports show the locals of each frame, and ours hold a session's data.
    """
    raised = error.__traceback__
    while raised is not None and raised.tb_frame.f_globals.get("__name__", "").startswith("sessionware."):
        raised = raised.tb_next
    error.__traceback__ = raised


def _inspect_leaf(value: Any, path: ValuePath) -> None:
    fault = _fault_of_leaf(value)
    if fault:
        raise SessionDataError(f"{_render(path)}: {fault}")


def _fault_of_leaf(value: Any) -> str:
    try:
        encode_str(value) if type(value) is str else LEAVES[type(value)].encode(value)
    except ValueError as error:
        return str(error)
    return ""


def _inspect_hashes(items: Collection[Any], path: ValuePath, *, kind: type) -> None:
    try:
        check_hashes(items)
    except ValueError:
        what, cure = ("keys", "a list of pairs") if kind is dict else ("elements", "a list")
        fault = f"so many of its {what} share a hash that to load them would take long; store {cure}"
    else:
        return
    raise SessionDataError(f"{_render(path)}: {fault}")


def name_of(kind: type) -> str:
    """The name of *kind* with its module; of a built-in type only the name."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _key_cure(key: object) -> str:
    if isinstance(key, enum.Enum):
        return "take its .value"
    return "take x.decode()" if isinstance(key, bytes) else "take str(x)"


_MAX_KEY_CHARACTERS = 40
_MAX_KEY_BITS = 40
_MAX_PATH_STEPS = 8


def _show(key: object) -> str:
    """A key as a path shows it; of an own or unknown type only the type, because its ``repr`` may tell a secret."""
    if type(key) is str:
        return repr(key if len(key) <= _MAX_KEY_CHARACTERS else key[:_MAX_KEY_CHARACTERS] + "…")
    if type(key) in (bool, float, type(None)) or (type(key) is int and key.bit_length() <= _MAX_KEY_BITS):
        return repr(key)
    return f"<{name_of(type(key))}>"


def _render(path: ValuePath) -> str:
    root, *steps = path
    shown = [step if isinstance(step, _Note) else f"[{_show(step)}]" for step in steps]
    if len(shown) > _MAX_PATH_STEPS:
        shown[_MAX_PATH_STEPS:] = ["[…]"]
    return f"{root}{''.join(shown)}"


# The first match is the advice, so subclasses stand before their base classes.
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


def _cure(value: object) -> str:
    """What to store instead of *value*. Only ``type()`` is asked: a proxy's ``__class__`` lies, or raises."""
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    if package == "numpy":
        return "store x.tolist()" if kind.__name__ == "ndarray" else "store x.item()"
    if package == "pandas" and issubclass(kind, datetime):
        return "store x.to_pydatetime()"
    if kind.__module__ == "_io":
        return "store what the file contains, or its name"
    if kind.__module__ == "werkzeug.local":
        return "store the object behind the proxy: x._get_current_object()"
    for kinds, advice in _CURES:
        if issubclass(kind, kinds):
            return advice
    if is_dataclass(kind):
        return "store dataclasses.asdict(x), or name its class in the option types"
    return "store what it is made of, or name its class in the option types"
