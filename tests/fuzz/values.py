"""Values of the types that options and records may be given, good and bad, chosen by bytes."""

from __future__ import annotations

import datetime as dt
import math
import struct
from typing import Any

from fuzz.choices import Choices

_MAX_LEVELS = 3
_MAX_ITEMS = 4
#: Values of which one more or less makes a difference somewhere.
SINGLE = (
    None, True, False, 0, 1, -1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**70), 10**400, 0.0, -0.0, 0.5, 1e15, 1e300,
    math.inf, -math.inf, math.nan, "", "none", "true", "1h", "0", "-1", "nan", b"", (), dt.timedelta(0),
    dt.timedelta.max, dt.timedelta.min, dt.datetime.min, dt.timezone.utc, frozenset({1}),
)  # fmt: skip


def wild_value(choices: Choices, level: int = 0) -> Any:
    """Any value: a strange one of a supported type, or a container of such values."""
    kind = choices.below(8 if level < _MAX_LEVELS else 5)
    if kind <= 1:
        return choices.one_of(SINGLE)
    if kind == 2:
        return choices.text()
    if kind == 3:
        return choices.some_bytes()
    if kind == 4:
        return choices.one_of((_integer, _float))(choices)
    items = [wild_value(choices, level + 1) for _ in range(choices.below(_MAX_ITEMS + 1))]
    if kind == 5:
        return items
    if kind == 6:
        return tuple(items)
    return {choices.text(): item for item in items}


def _integer(choices: Choices) -> int:
    return int.from_bytes(choices.take(1 + choices.below(12)), "big", signed=True)


def _float(choices: Choices) -> float:
    (value,) = struct.unpack(">d", choices.take(8).rjust(8, b"\0"))
    return float(value)
