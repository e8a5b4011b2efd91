"""Makes plain values of those of related types, for a serializer that is not strict: a base, a value, a text, a dict.

Applications that come from sessions in JSON or pickle keep such values, and their libraries do: tokens of OAuth, which
are subclasses of dict, enums, the lazy texts of translations.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Container
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

from markupsafe import Markup

_MAX_STEPS = 64  # an enum whose value is itself an enum, a proxy behind a proxy; a proxy may even stand for itself
_MAX_KINDS = 1000  # an application may make classes for each request

#: What a text that is made when it is shown has of a str, besides its ``__str__``; arrays have ``__sub__``, too.
_TEXT_METHODS = ("__len__", "__getitem__", "__contains__", "__add__", "__mod__")
_NO_TEXTS = (str, bytes, bytearray)
#: The class of Django's.
_LAZY_PROXY = "__proxy__"

_logger = logging.getLogger("sessionware")


class _Way(NamedTuple):
    """What is kept of a value, in words, and how that is made."""

    kept_as: str
    make: Callable[[Any], Any]


_BASES: tuple[tuple[type, _Way], ...] = (
    (str, _Way("str", str.__str__)),
    (int, _Way("int", int.__index__)),
    (float, _Way("float", float.__float__)),
)
_CONTAINERS: tuple[tuple[type, _Way], ...] = (
    # By its items, and not by what it stores: a MultiDict stores lists.
    (dict, _Way("dict", lambda value: dict(value.items()))),
    (list, _Way("list", list)),
    (tuple, _Way("tuple", tuple)),
)
_ENUM = _Way("its value", lambda value: value.value)
_PROXY = _Way("the object behind it", lambda value: value._get_current_object())
_LAZY = _Way("str", str)
_MARKUP = _Way("Markup", lambda value: Markup(value.__html__()))  # noqa: S704 - the value says so itself
_DATACLASS = _Way("dict", lambda value: {field.name: getattr(value, field.name) for field in fields(value)})


class Leniency:
    """Makes values of related types plain; tells of each type once, at DEBUG."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: set[str] = set()

    def plain(self, value: Any, supported: Container[type]) -> Any:
        """What is kept of *value*, which is of a *supported* type; the parts of a container may still be of any.

        Raises ``LookupError`` for a value of another type, and what the value itself raises.
        """
        for _ in range(_MAX_STEPS):
            kind = type(value)
            if kind in supported:
                return value
            way = _way_of(kind)
            if way is None:
                break
            self._tell(kind, way)
            value = way.make(value)
        raise LookupError("no related type is supported")

    def _tell(self, kind: type, way: _Way) -> None:
        name = f"{kind.__module__}.{kind.__qualname__}"
        if name not in self._told and len(self._told) < _MAX_KINDS:
            self._told.add(name)
            _logger.debug("values of the type %s are kept as %s", name, way.kept_as)


def _way_of(kind: type) -> _Way | None:
    """How values of *kind* are made plain. Only the type is asked: a proxy's ``__class__`` lies."""
    if issubclass(kind, enum.Enum):
        return _ENUM
    if kind.__module__ == "werkzeug.local" and hasattr(kind, "_get_current_object"):
        return _PROXY
    for base, way in _CONTAINERS:
        if issubclass(kind, base):
            return way
    if _is_lazy_text(kind):
        return _LAZY
    if hasattr(kind, "__html__"):
        return _MARKUP
    for base, way in _BASES:
        if issubclass(kind, base):
            return way
    return _DATACLASS if is_dataclass(kind) else None


def _is_lazy_text(kind: type) -> bool:
    """Whether it is a proxy of a text that is made when it is shown, as flask-babel's, speaklater's or Django's."""
    if issubclass(kind, _NO_TEXTS) or is_dataclass(kind) or kind.__str__ is object.__str__:
        return False
    if all(hasattr(kind, name) for name in _TEXT_METHODS) and not hasattr(kind, "__sub__"):
        return True
    return any("lazy" in base.__name__.lower() or base.__name__ == _LAZY_PROXY for base in kind.__mro__)
