"""Any bytes for the reader of pickles: refused, or read as values of the types of a session and of no others."""

from __future__ import annotations

import functools
import pickle
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from fuzz.choices import Choices
from vectors.make_sessions import every_type

from sessionware.exceptions import SessionDataError
from sessionware.importers.pickled_types import read
from sessionware.wire.serializer import Serializer

PROTOCOLS = (0, 2, 4, 5)


class Unknown:
    """A class of an application, which is never made."""

    def __init__(self) -> None:
        self.part = [1]

    def __setstate__(self, state: Any) -> None:
        raise AssertionError


@functools.cache
def _samples() -> tuple[bytes, ...]:
    shared = [1]
    values = [*every_type().values(), Unknown(), OrderedDict(a=1), [shared, shared], bytearray(b"a")]
    return tuple(pickle.dumps({"key": value, "more": 1}, protocol) for value in values for protocol in PROTOCOLS)


def check(data: bytes) -> None:
    choices = Choices(data)
    payload = choices.edited(choices.one_of(_samples())) if choices.below(2) else choices.rest()
    try:
        found, unreadable = read(payload)
    except ValueError:
        return
    assert all(type(key) is str for key in (*found, *unreadable))
    for key, value in found.items():
        try:
            Serializer().check(key, value)
        except SessionDataError:
            continue
        Serializer().dumps({key: value})


def seeds() -> Iterable[bytes]:
    """Each type alone in each protocol, as it is and with a changed bit."""
    for number, sample in enumerate(_samples()):
        yield b"\0" + sample
        yield bytes([1, number % 256, 1, 4, 4, 1])
