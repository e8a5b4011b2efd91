"""The targets by name: each is a module with a ``check`` of any bytes, which raises if a promise is broken."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Protocol, cast

NAMES = (
    "cookie_header", "sealed_values", "packed_values", "pickled_values", "records", "stored_entries", "configuration",
    "written_options",
)  # fmt: skip


class Target(Protocol):
    """What a module of a target has."""

    def check(self, data: bytes) -> None:
        """Raise an error if what is promised of any *data* does not hold."""

    def seeds(self) -> Iterable[bytes]:
        """Data from which a search starts: that of authentic values among them."""
        ...


def target_of(name: str) -> Target:
    """The target of this name, imported now: what guides a search has to see what a target imports."""
    return cast(Target, importlib.import_module(f"fuzz.{name}"))
