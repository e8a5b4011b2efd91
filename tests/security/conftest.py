"""A site over each backend, and the stores to look into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.browser import LoginSite, Site, SiteMaker
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


@pytest.fixture(params=["cookie", *LOCAL_STORES, "login_backend"])
def make_any_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SiteMaker]:
    """The same, and sites that keep the sessions of users in a store, beside those of visitors in their cookies."""
    if request.param == "cookie":
        yield Site
        return
    is_for_logins = request.param == "login_backend"
    store = RecordingStore(local_store("memory" if is_for_logins else request.param, tmp_path))
    yield lambda **options: (LoginSite if is_for_logins else Site)(store, **options)
    store.close()


@pytest.fixture
def site(make_site: SiteMaker) -> Site:
    return make_site()
