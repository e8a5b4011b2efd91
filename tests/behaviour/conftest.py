"""Sites over every backend, with a clock that stands still until it is told to move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import Browser, Site, SiteMaker, visitor
from support.places import IS_SOAK
from support.stores import RecordingStore, local_store

from sessionware.testing import FakeClock

#: The file store differs in nothing that these tests ask for; its own tests are with the stores.
STORED = ["memory", "file", "sqlite"] if IS_SOAK else ["memory", "sqlite"]


def _maker(name: str, path: Path, clock: FakeClock) -> Iterator[SiteMaker]:
    if name == "cookie":
        yield lambda **options: Site("cookie", clock, **options)
        return
    recorder = RecordingStore(local_store(name, path, clock))
    yield lambda **options: Site(recorder, clock, **options)
    recorder.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["cookie", *STORED])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[SiteMaker]:
    """Makes sites with options of their own, over every backend in turn."""
    yield from _maker(request.param, tmp_path, clock)


@pytest.fixture(params=STORED)
def make_stored(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[SiteMaker]:
    """The same over every store in turn."""
    yield from _maker(request.param, tmp_path, clock)


@pytest.fixture
def make_memory(tmp_path: Path, clock: FakeClock) -> Iterator[SiteMaker]:
    """The same over memory, for what no store decides."""
    yield from _maker("memory", tmp_path, clock)


@pytest.fixture
def make_cookie(tmp_path: Path, clock: FakeClock) -> Iterator[SiteMaker]:
    """The same for cookie sessions."""
    yield from _maker("cookie", tmp_path, clock)


@pytest.fixture(params=["cookie", "memory"])
def light_site(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Site]:
    """A site once without and once with a store, for what no store decides."""
    for make in _maker(request.param, tmp_path, clock):
        yield make()


@pytest.fixture
def light(light_site: Site) -> Browser:
    """The visitor of :func:`browser` at such a site."""
    return visitor(light_site)


@pytest.fixture
def site(make: SiteMaker) -> Site:
    return make()


@pytest.fixture
def stored(make_stored: SiteMaker) -> Site:
    return make_stored()


@pytest.fixture
def memory(make_memory: SiteMaker) -> Site:
    return make_memory()


@pytest.fixture
def cookie_site(make_cookie: SiteMaker) -> Site:
    return make_cookie()


@pytest.fixture
def browser(site: Site) -> Browser:
    """A visitor whose session holds ``{"old": 1}``."""
    return visitor(site)


@pytest.fixture
def signed_in(site: Site) -> Browser:
    """A user whose session holds ``{"old": 1}``."""

    def begin(session: Any) -> None:
        session.login("ada")
        session["old"] = 1

    return visitor(site, begin)
