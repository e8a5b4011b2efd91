"""The three-way merge of a session's data: what a request has changed, laid over what another has written.

A merge needs three sides: the data that the request read, what the request has made of it, and the data that another
request has written since. Values are compared as bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sessionware.exceptions import SessionDataError
from sessionware.wire.serializer import Serializer

#: The types of the values that cannot be changed in place. A value of any other type may come back changed.
IMMUTABLE = frozenset({type(None), bool, int, float, str, bytes})
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Step:
    """One ``alter()`` call and the packed value that it produced.

    While the key still holds those bytes, a merge may run the function again.
    """

    function: Callable[[Any], Any]
    default: Any
    result: bytes


def pack_one(serializer: Serializer, value: Any) -> bytes:
    """The bytes of one value of the data."""
    # In a list, because a dict by itself is packed as a session's data, with nothing but str for keys.
    return serializer.dumps([value])


def altered(serializer: Serializer, key: str, function: Callable[[Any], Any], packed: bytes) -> Any:
    """What the *function* of an ``alter()`` gives for a copy of the *packed* value of *key*.

    Raises SessionDataError if it has changed that copy in place and given ``None``.
    """
    current = serializer.loads(packed)[0]
    value = function(current)
    if value is None and type(current) not in IMMUTABLE and pack_one(serializer, current) != packed:
        raise SessionDataError(
            f"alter({key!r}, …): the function has changed its argument in place and given None, which would take "
            "the place of the value; let it return what it has changed, or a new value"
        )
    return value


class DataChanges:
    """What a request has changed of the data that it *read*: the keys that it put, dropped or altered.

    It looks at *data*, the request's working copy, once, when it is made.
    """

    __slots__ = ("_data", "_dropped", "_put", "_read", "_serializer", "_steps")

    def __init__(
        self, serializer: Serializer, *, read: dict[str, Any], data: dict[str, Any], steps: Mapping[str, list[Step]]
    ) -> None:
        self._serializer = serializer
        self._read = read
        self._data = data
        self._put = {key: value for key, value in data.items() if self._bytes(read, key) != pack_one(serializer, value)}
        self._dropped = read.keys() - data.keys()
        #: The calls of ``alter`` whose result their key still holds.
        self._steps = {key: calls for key, calls in steps.items() if self._bytes(data, key) == calls[-1].result}

    def over(self, theirs: dict[str, Any]) -> dict[str, Any]:
        """The data that these changes make of another request's; raises SessionDataError for what cannot be stored."""
        # The application may hold a value that neither request has changed: it stays the very same object.
        merged = {
            key: self._data[key] if self._is_unchanged(key, value) else value
            for key, value in theirs.items()
            if key not in self._dropped
        }
        merged.update(self._put)
        for key, steps in self._steps.items():
            merged[key] = self._rerun(key, steps, theirs.get(key, _ABSENT))
        return merged

    def clash(self, theirs: dict[str, Any]) -> bool:
        """Whether another request has changed a key that was changed here, too, ``alter`` aside."""
        changed = self._dropped | (self._put.keys() - self._steps.keys())
        return any(self._bytes(self._read, key) != self._bytes(theirs, key) for key in changed)

    def _is_unchanged(self, key: str, value: Any) -> bool:
        return key in self._data and self._bytes(self._read, key) == pack_one(self._serializer, value)

    def _bytes(self, data: dict[str, Any], key: str) -> bytes | None:
        return pack_one(self._serializer, data[key]) if key in data else None

    def _rerun(self, key: str, steps: list[Step], value: Any) -> Any:
        for step in steps:
            current = step.default if value is _ABSENT else value
            value = altered(self._serializer, key, step.function, pack_one(self._serializer, current))
        self._serializer.check(key, value)
        return value
