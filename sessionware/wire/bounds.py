"""Refuses values whose loading or comparing would take more time or recursion than their length justifies.

The unpacker itself builds nothing that its input does not hold, whatever a header claims. What is left to bound is how
deep values nest, and how many items of a set, or keys of a dict, share a hash: each of them is compared with each
other. Numbers, and what is made of them, have hashes that a client can choose.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Collection
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from markupsafe import Markup

MAX_LEVELS = 64
"""How many levels deep the value of one key may nest."""

MAX_CONTAINERS = MAX_LEVELS + 2  # and around them the mapping of the session's data, in the array of its record

FEW_EXTENSIONS = 3
"""With so few extensions in the input, the keys of its maps cannot take long to compare."""

_EXTENSIONS = frozenset({0xC7, 0xC8, 0xC9, *range(0xD4, 0xD9)})
_OPENERS = frozenset({*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF})

#: Without these bytes, an input is reduced to its marks: the bytes that could begin an extension or a container,
#: wherever they stand. Most inputs have few.
NO_MARKS = bytes(byte for byte in range(256) if byte not in _EXTENSIONS | _OPENERS)
#: Without these, too, to those of extensions.
OPENERS = bytes(_OPENERS)

_STR = frozenset({str})
CONTAINERS = frozenset({list, dict, tuple, set, frozenset})


def check_depth(value: Any, marks: bytes) -> None:
    """Raise ``ValueError`` if *value*, which was loaded from an input with these *marks*, nests too deep.

    It looks at one level after the other, as long as the input may hold enough further containers.
    """
    left = len(marks)
    if left <= MAX_CONTAINERS:
        return
    level, depth = [value], 1
    while left + depth > MAX_CONTAINERS:
        parts, _ = parts_of(level)
        level = [part for part in parts if type(part) in CONTAINERS]
        if not level:
            return
        depth += 1
        left -= len(level)
        if depth > MAX_CONTAINERS:
            raise ValueError("nested too deep")


def has_used_up_stack() -> bool:
    """Whether it is the application's calls that leave too little of the stack to load what nests as deep as it may.

    An input that nests deeper shows at any depth; no server and no framework uses a quarter of the stack by itself.
    """
    return sum(1 for _ in traceback.walk_stack(None)) > sys.getrecursionlimit() // 4


def blame_application(error: Exception) -> None:
    """Raise *error* again if an input is not to blame for it, because the application has used up the stack."""
    if isinstance(error, RecursionError) and has_used_up_stack():
        raise error


def parts_of(values: list[Any]) -> tuple[list[Any], list[dict[Any, Any]]]:
    """All that stands directly in the containers among *values*, and the dicts among them with other keys than ``str``.

    A key that is a ``str`` is no part.
    """
    parts: list[Any] = []
    others: list[dict[Any, Any]] = []
    for value in values:
        kind = type(value)
        if kind is dict:
            parts += value.values()
            if has_other_keys(value):
                parts += value
                others.append(value)
        elif kind in CONTAINERS:
            parts += value
    return parts, others


def has_other_keys(mapping: dict[Any, Any]) -> bool:
    """Whether some key of *mapping* is not a ``str``."""
    return not _STR.issuperset(map(type, mapping))


_MAX_COMPARISONS = 4096
#: What one comparison may take in the end, in comparisons of two short strings: a Decimal is compared with a float by
#: the float's thousand digits, and types that are not here by functions written in Python.
_COST = dict.fromkeys((type(None), bool, float, str, bytes, Markup, date, timedelta), 1) | {UUID: 4}
_COST_OF_OTHERS = 16
_LONG_INT_BITS = 512
_PROBES = 16


def share_hashes(items: Collection[Any]) -> bool:
    """Whether some of *items* have the same hash."""
    return len(set(map(hash, items))) != len(items)


def check_hashes(items: Collection[Any]) -> None:
    """Raise ``ValueError`` if so many of *items* share a hash that to build a set of them would take long.

    Sixteen may: -1 and -2 have one hash, and so have the points of a grid that differ in them.
    """
    if not share_hashes(items):
        return
    groups: dict[int, list[Any]] = {}
    for item in items:
        groups.setdefault(hash(item), []).append(item)
    for group in groups.values():
        if len(group) > 1 and len(group) * sum(map(_cost, group)) > _MAX_COMPARISONS:
            raise ValueError("too many items of one hash")


def _cost(item: Any) -> int:
    """What it takes at most to compare *item* with another one of its hash."""
    kind = type(item)
    if kind is tuple:
        return 1 + sum(map(_cost, item))
    if kind is frozenset:
        # Each item is looked for among the other's, of which several may have its hash.
        return 1 + sum(map(_cost, item)) * min(len(item), _PROBES)
    if kind is int:
        # It is converted to compare it with a Decimal, in a time that grows with the square of its length.
        bits: int = item.bit_length()
        return 1 + (bits // _LONG_INT_BITS) ** 2
    return _COST.get(kind, _COST_OF_OTHERS)
