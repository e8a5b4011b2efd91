"""What the tests of WSGI share: a store that can fail, and a visitor who has a session in it."""

from __future__ import annotations

import pytest
from support.exchange import Site, SwitchStore


@pytest.fixture
def store() -> SwitchStore:
    return SwitchStore()


@pytest.fixture
def site(store: SwitchStore) -> Site:
    """A site with a store, and a visitor who has a session."""
    site = Site(backend=store)
    site.view(lambda session: session.update(old=1))
    return site
