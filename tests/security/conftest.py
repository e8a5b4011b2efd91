"""A site over each backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from security.kit import BACKENDS, STORES, Site, SpyStore, make_store

from sessionware.stores.contract import Closable


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SpyStore]:
    """A store of each kind, looked into."""
    spy = SpyStore(make_store(request.param, tmp_path))
    yield spy
    if isinstance(spy.inner, Closable):
        spy.inner.close()


@pytest.fixture(params=BACKENDS)
def make_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Makes sites that share one backend, of each kind."""
    backend: Any = request.param if request.param == "cookie" else make_store(request.param, tmp_path)
    yield lambda **options: Site(**{"backend": backend, **options})
    if isinstance(backend, Closable):
        backend.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()
