"""A move of a whole fleet: two old and two new workers, many users, deploy, rollback, deploy; nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from behaviour.moments import DAY
from support.browser import Site
from support.constants import NEW_SECRET, SECRET
from support.fleet import Losses, OurWorker, run
from support.stores import local_store

from sessionware.testing import FakeClock


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("former", "current"),
    [("cookie", "memory"), ("memory", "cookie"), ("memory", "memory"), ("cookie", "cookie")],
)
def test_a_move_to_another_configuration_loses_nothing(tmp_path: Path, former: str, current: str, seed: int) -> None:
    clock = FakeClock()
    old_store, new_store = (
        name if name == "cookie" else local_store(name, tmp_path, clock) for name in (former, current)
    )
    old = Site(old_store, clock)
    previous = {"backend": old_store, "secret": SECRET, "until": clock() + DAY}
    new = Site(new_store, clock, secret=NEW_SECRET, previous=previous, **{"cookie.name": "new"})

    losses = run(OurWorker(old), OurWorker(new), clock.advance, seed)

    assert losses == Losses()
    assert losses.requests > 1000
