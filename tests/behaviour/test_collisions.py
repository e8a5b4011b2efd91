"""Ids that are drawn twice, and random sources that are broken."""

from __future__ import annotations

from typing import Any

import pytest
from support.actions import call, put, then
from support.browser import Site, visitor


class Colliding:
    """Lets another visitor's session take the key before some creations."""

    def __init__(self, site: Site, times: int) -> None:
        self.times = times
        self.taken: list[str] = []
        self.inner = site.store.inner
        self._create = self.inner.create
        self.inner.create = self.create  # type: ignore[method-assign]

    def create(self, key: str, payload: bytes, ttl: float | None) -> Any:
        if len(self.taken) < self.times:
            self.taken.append(key)
            self._create(key, b"somebody else's", ttl)
        return self._create(key, payload, ttl)

    def left_alone(self) -> int:
        """How many of the others' sessions are as they were."""
        entries = [self.inner.load(key) for key in self.taken]
        return sum(entry is not None and entry.payload == b"somebody else's" for entry in entries)


def test_a_collision_on_a_change_of_id_overwrites_nobody(stored: Site) -> None:
    browser = visitor(stored)
    collisions = Colliding(stored, times=3)

    browser.send(then(call("regenerate"), put(new=2)))

    assert browser.data() == {"old": 1, "new": 2}
    assert collisions.left_alone() == 3


def test_a_collision_of_a_new_id_overwrites_nobody(stored: Site) -> None:
    collisions = Colliding(stored, times=3)
    browser = visitor(stored)

    assert browser.data() == {"old": 1}
    assert collisions.left_alone() == 3


def test_a_random_source_that_repeats_itself_fails_and_does_not_hang(stored: Site) -> None:
    Colliding(stored, times=10_000)

    assert stored.ask(put(new=2)).status == 503


def test_a_random_source_that_fails_fails_the_request(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(size: int) -> bytes:
        raise OSError("no randomness")

    monkeypatch.setattr("secrets.token_bytes", fail)

    with pytest.raises(OSError, match="no randomness"):
        site.ask(put(new=2))
