"""A store in each place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.places import StoreMaker, store_in

from sessionware.stores import Store
from sessionware.stores.contract import Closable


@pytest.fixture
def make_store(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[StoreMaker]:
    """Makes stores that share what they keep, and are closed at the end."""
    made: list[Store] = []

    def make() -> Store:
        made.append(store_in(place, tmp_path, request))
        return made[-1]

    yield make
    for store in made:
        if isinstance(store, Closable):
            store.close()
