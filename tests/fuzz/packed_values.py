"""Any bytes for the serializer: malformed, or a value that packs into bytes which give it again."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

from fuzz.choices import Choices
from fuzz.values import wild_value
from vectors.make_sessions import every_type

from sessionware.exceptions import SessionDataError
from sessionware.wire.serializer import Malformed, Serializer


class Money(Decimal):
    """An own type, whose ``from_plain`` raises for most values."""


@functools.cache
def serializer() -> Serializer:
    return Serializer({Money: ("money", str, Money)})


@functools.cache
def _samples() -> tuple[bytes, ...]:
    deep: Any = 1
    for _ in range(60):
        deep = [deep]
    values = [*every_type().items(), ("own", Money("1.5")), ("deep", deep)]
    return tuple(serializer().dumps({key: value}) for key, value in values)


def check(data: bytes) -> None:
    choices = Choices(data)
    if choices.below(2):
        _check_loaded(choices.edited(choices.one_of(_samples())))
    else:
        _check_loaded(choices.rest())
    _check_dumped(choices)


def _check_loaded(packed: bytes) -> None:
    try:
        value = serializer().loads(packed)
    except (Malformed, SessionDataError):
        return
    again = serializer().dumps([value])
    # As bytes, because a NaN in it is not equal to itself.
    assert serializer().dumps(serializer().loads(again)) == again


def _check_dumped(choices: Choices) -> None:
    value: Any = {"key": wild_value(choices)}
    try:
        serializer().check("key", value["key"])
        packed = serializer().dumps(value)
        serializer().verify_packed(value)
    except SessionDataError:
        return
    assert serializer().dumps(serializer().loads(packed)) == packed


def seeds() -> Iterable[bytes]:
    """Each type alone, as it is and with a changed bit, and a frozen record of all types."""
    for number, sample in enumerate(_samples()):
        yield b"\0" + sample
        yield bytes([1, number, 1, 4, 4, 1])
    vectors = json.loads((Path(__file__).parents[1] / "vectors" / "sealing.json").read_text())
    yield b"\0" + bytes.fromhex(vectors["payloads"]["session"])
