"""Sites of Beaker's over every kind of session."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.beaker import KINDS, BeakerSite, Options, Visitor, beakers_options, set_to


@pytest.fixture(params=KINDS)
def options(request: pytest.FixtureRequest, tmp_path: Path) -> Options:
    return beakers_options(request.param, tmp_path)


@pytest.fixture
def memory(tmp_path: Path) -> Options:
    return beakers_options("memory", tmp_path)


@pytest.fixture
def site(options: Options) -> BeakerSite:
    return BeakerSite(options)


@pytest.fixture
def visitor(site: BeakerSite) -> Visitor:
    """A visitor whose session holds ``{"value": 1}``."""
    visitor = site.visitor()
    visitor.ask(set_to(value=1))
    site.events.clear()
    return visitor
