"""A move of a whole fleet: two old and two new workers, 200 users, deploy, rollback, deploy; nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from behaviour.fleet import Jar, Losses, run
from behaviour.moments import DAY
from support.actions import Action, call, login, member
from support.browser import Browser, Site
from support.constants import NEW_SECRET, SECRET
from support.stores import local_store

from sessionware.testing import FakeClock


class OurWorker:
    """A worker of a site with our middleware."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def _send(self, jar: Jar, action: Action) -> Any:
        browser = Browser(self._site)
        browser.cookies = jar.cookies
        return browser.send(action).result

    def log_in(self, jar: Jar, user: str) -> None:
        self._send(jar, login(user))

    def log_out(self, jar: Jar) -> None:
        self._send(jar, call("clear"))

    def write(self, jar: Jar) -> None:
        self._send(jar, call("alter", "visits", lambda visits: visits + 1, default=0))

    def who(self, jar: Jar) -> str | None:
        found: str | None = self._send(jar, member("user_id"))
        return found


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
    assert losses.requests > 5000
