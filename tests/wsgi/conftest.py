"""A store that can fail, and a visitor who has a session in it."""

from __future__ import annotations

import pytest
from support.actions import put
from support.browser import Browser, Site
from support.stores import RecordingStore


@pytest.fixture
def store() -> RecordingStore:
    return RecordingStore()


@pytest.fixture
def browser(store: RecordingStore) -> Browser:
    """A site with a store, and a visitor who has a session."""
    browser = Browser(Site(backend=store))
    browser.send(put(old=1))
    return browser
