"""A worker that is killed while it saves: what is found afterwards is the old record or the new one, and whole.

Around an object that writes in place it may be gone as well, and is nothing else.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from support.browser import Answer, Site
from support.children import Tell, a_child
from support.places import IS_SOAK, StoreMaker, in_places

from sessionware import Session
from sessionware.stores.keyvalue import store as keyvalue

ROUNDS = 200 if IS_SOAK else 8
PLACES = (
    "file",
    "sqlite",
    "sqlalchemy with sqlite",
    "redis",
    "memcached",
    "postgresql",
    "mariadb",
    "diskcache",
    "simplekv files",
    "minimalkv files",
    "cachelib files",
)
#: What they write, they write in place: a file is empty first.
PLACES_IN_PLACE = ("a class made from minimalkv's", "a mapping over files")
#: More than a page of a database or of a file.
LARGEST = 20_000


def contents(number: int) -> dict[str, Any]:
    """What the save of this number writes: a record that no mixture of two others equals."""
    return {"first": number, "padding": f"{number} " * (number * 7919 % LARGEST // 8), "last": number}


def killed_while_it_saves(save_on_and_on: Callable[[Tell], None]) -> int:
    """The last save that a worker has acknowledged; it was killed in the middle of the next one, or between two."""
    with a_child(save_on_and_on) as worker:
        worker.listen(random.randrange(1, 4))
        worker.listen_for(random.uniform(0, 0.004))
        worker.kill()
        acknowledged = worker.last
    assert acknowledged is not None
    return acknowledged


@in_places(*PLACES)
def test_every_record_is_the_old_or_the_new_one_and_its_session_goes_on(make_store: StoreMaker) -> None:
    site = Site(make_store())
    cookie = site.begin(lambda session: session.update(contents(0)))
    number = 0

    def save_on_and_on(tell: Tell) -> None:
        # The parent's store, as under gunicorn --preload.
        for following in range(number + 1, number + 1_000_000):
            assert site.request(partial(Session.update, **contents(following)), cookie).status == 200
            tell(following)

    for _ in range(ROUNDS):
        acknowledged = killed_while_it_saves(save_on_and_on)
        seen = site.read(cookie).seen
        number = seen["first"]

        assert number in (acknowledged, acknowledged + 1)
        assert seen == contents(number)
        number += 1
        assert site.request(partial(Session.update, **contents(number)), cookie).status == 200


def read_until_it_is_decided(site: Site, cookie: str) -> Answer:
    """A visitor who comes again after each 503."""
    deadline = time.monotonic() + 60
    while True:
        answer = site.read(cookie)
        assert answer.cookie is None
        assert answer.status == 200 or (answer.status == 503 and time.monotonic() < deadline)
        if answer.status == 200:
            return answer


@in_places(*PLACES_IN_PLACE)
def test_a_record_written_in_place_is_the_old_one_the_new_one_or_gone(
    make_store: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyvalue, "_PATIENCE_SECONDS", 0.1)
    site = Site(make_store())
    bystander = site.begin(lambda session: session.update(contents(0)))
    cookie = site.begin(lambda session: session.update(contents(1)))
    number = 1

    def save_on_and_on(tell: Tell) -> None:
        for following in range(number + 1, number + 1_000_000):
            assert site.request(partial(Session.update, **contents(following)), cookie).status == 200
            tell(following)

    for _ in range(ROUNDS):
        acknowledged = killed_while_it_saves(save_on_and_on)
        seen = read_until_it_is_decided(site, cookie).seen

        assert seen in ({}, contents(acknowledged), contents(acknowledged + 1))
        assert site.read(bystander).seen == contents(0)
        number = acknowledged + 2
        answer = site.request(partial(Session.update, **contents(number)), cookie)
        assert answer.status == 200
        cookie = answer.cookie or cookie
        assert site.read(cookie).seen == contents(number)


@in_places(*PLACES)
def test_one_that_is_killed_while_it_changes_the_id_logs_nobody_out(make_store: StoreMaker) -> None:
    site = Site(make_store(), regenerate_grace="1h")
    former = site.begin(lambda session: session.login("owner"))

    def change_the_id(tell: Tell) -> None:
        tell(1)
        site.request(Session.regenerate, former)
        signal.pause()

    for _ in range(ROUNDS):
        with a_child(change_the_id) as worker:
            worker.listen(1)
            worker.listen_for(random.uniform(0, 0.008))
            worker.kill()
        seen = site.read(former)

        # The visitor never got the new cookie, if there was one.
        assert (seen.status, seen.user_id) == (200, "owner")
        answer = site.request(lambda session: session.login("owner"), former)
        assert answer.status == 200
        assert answer.cookie
        former = answer.cookie
