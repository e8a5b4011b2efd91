"""The targets by name: each is a module with a ``check`` of any bytes, which raises if a promise is broken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from fuzz import (
    configuration,
    cookie_header,
    packed_values,
    records,
    sealed_values,
    stored_entries,
    written_options,
)


class Target(Protocol):
    """What a module of a target has."""

    def check(self, data: bytes) -> None:
        """Raise an error if what is promised of any *data* does not hold."""

    def seeds(self) -> Iterable[bytes]:
        """Data from which a fuzzer starts: that of authentic values among them."""
        ...


TARGETS: dict[str, Target] = {
    module.__name__.rpartition(".")[2]: module
    for module in (
        cookie_header,
        sealed_values,
        packed_values,
        records,
        stored_entries,
        configuration,
        written_options,
    )
}
