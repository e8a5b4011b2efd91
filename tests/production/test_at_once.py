"""Eight processes at once on one store; what the folder of each server tests for its own is not repeated here."""

from __future__ import annotations

import random
import secrets
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.browser import Site
from support.places import IS_SOAK, StoreMaker, in_places

from sessionware import Session
from sessionware.exceptions import AlreadyExists
from sessionware.testing.conformance.fixtures import in_children

PROCESSES = 8
INCREMENTS = 2000 if IS_SOAK else 160
ROUNDS = 1000 if IS_SOAK else 10
KEYS = 200 if IS_SOAK else 8
#: So few that none of them draws more ids than a new session may.
SIBLINGS = 4
SESSIONS = 200 if IS_SOAK else 5

on_this_machine = in_places("file", "sqlite")
everywhere = in_places("file", "sqlite", "redis", "memcached", "postgresql", "mariadb")


def increment(session: Session) -> None:
    session.alter("count", lambda count: count + 1, default=0)


def increment_if_there(session: Session) -> None:
    if not session.is_new:
        increment(session)


@on_this_machine
def test_no_increment_is_lost(make_store: StoreMaker) -> None:
    site = Site(make_store())
    cookie = site.begin(lambda session: session.update(count=0))

    def count() -> None:
        for _ in range(INCREMENTS // PROCESSES):
            assert site.request(increment, cookie).status == 200

    assert in_children([count] * PROCESSES) == [0] * PROCESSES
    assert site.read(cookie).seen == {"count": INCREMENTS}


@on_this_machine
def test_different_keys_that_are_changed_at_once_are_all_kept(make_store: StoreMaker) -> None:
    site = Site(make_store())
    cookie = site.begin(lambda session: session.update(begun=True))
    keys = [[f"{process} {number}" for number in range(INCREMENTS // PROCESSES)] for process in range(PROCESSES)]

    def change(mine: list[str]) -> None:
        for key in mine:
            assert site.request(partial(Session.update, **{key: True}), cookie).status == 200

    assert in_children([partial(change, mine) for mine in keys]) == [0] * PROCESSES
    assert site.read(cookie).seen.keys() == {"begun", *chain(*keys)}


@on_this_machine
def test_a_session_that_is_ended_while_others_write_stays_ended(make_store: StoreMaker) -> None:
    site = Site(make_store())
    cookies = [site.begin(increment) for _ in range(ROUNDS)]

    def write_until_they_have_ended() -> None:
        for cookie in cookies:
            while site.request(increment_if_there, cookie).seen:
                pass

    def end_each_while_it_is_written() -> None:
        for cookie in cookies:
            while site.read(cookie).seen["count"] < 3:
                pass
            assert site.request(lambda session: session.invalidate(), cookie).status == 200

    assert in_children([*[write_until_they_have_ended] * 3, end_each_while_it_is_written]) == [0] * 4
    assert [site.read(cookie).seen for cookie in cookies] == [{}] * ROUNDS


@everywhere
def test_of_processes_that_create_one_key_at_once_one_succeeds(make_store: StoreMaker, tmp_path: Path) -> None:
    store = make_store()
    keys = [secrets.token_urlsafe(32) for _ in range(KEYS)]

    def create_all(me: int) -> None:
        won = []
        for key in keys:
            try:
                store.create(key, b"%d" % me, 600)
            except AlreadyExists:
                continue
            won.append(key)
        (tmp_path / f"won by {me}").write_text("\n".join(won))

    statuses = in_children([partial(create_all, me) for me in range(PROCESSES)])

    won = {me: (tmp_path / f"won by {me}").read_text().split() for me in range(PROCESSES)}
    assert statuses == [0] * PROCESSES
    assert sorted(key for mine in won.values() for key in mine) == sorted(keys)
    for me, mine in won.items():
        assert {entry and entry.payload for entry in map(store.load, mine)} <= {b"%d" % me}


@everywhere
def test_sessions_that_draw_the_same_ids_are_sessions_of_their_own(
    make_store: StoreMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(make_store())
    seed = secrets.randbits(64)

    def begin_some(me: int) -> None:
        cookies = []
        for number in range(SESSIONS):
            # Every process draws what all others draw.
            drawn = SimpleNamespace(token_bytes=random.Random(seed + number).randbytes)
            monkeypatch.setattr("sessionware.crypto.identifiers.secrets", drawn)
            cookies.append(site.begin(partial(Session.update, mine=[me, number])))
        (tmp_path / f"begun by {me}").write_text("\n".join(cookies))

    statuses = in_children([partial(begin_some, me) for me in range(SIBLINGS)])

    begun = {me: (tmp_path / f"begun by {me}").read_text().split() for me in range(SIBLINGS)}
    assert statuses == [0] * SIBLINGS
    for me, cookies in begun.items():
        assert [site.read(cookie).seen["mine"] for cookie in cookies] == [[me, n] for n in range(SESSIONS)]
