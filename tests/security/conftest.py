"""A site over each backend, and the stores to look into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import Site, SiteMaker
from support.stores import LOCAL_STORES, RecordingStore, local_store


@pytest.fixture(params=LOCAL_STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecordingStore]:
    """A store of each kind."""
    store = RecordingStore(local_store(request.param, tmp_path))
    yield store
    store.close()


@pytest.fixture(params=["cookie", *LOCAL_STORES])
def make_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SiteMaker]:
    """Makes sites that share one backend, of each kind."""
    if request.param == "cookie":
        yield Site
        return
    store = RecordingStore(local_store(request.param, tmp_path))
    yield lambda **options: Site(store, **options)
    store.close()


@pytest.fixture
def site(make_site: SiteMaker) -> Site:
    return make_site()
