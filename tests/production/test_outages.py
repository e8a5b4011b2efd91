"""A server that hangs, and one that is killed, in the middle of the traffic of gunicorn's workers."""

from __future__ import annotations

import contextlib
import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from production.serving import Answer, Visitor, gunicorn
from support.places import IS_SOAK
from support.servers.mariadb import mariadb_server
from support.servers.memcached import memcached
from support.servers.postgresql import postgresql_server
from support.servers.process import ServerProcess
from support.servers.redis import one_server

VISITORS = 4
TIMEOUT = 0.5
#: What a machine that is busy with other tests, and requests that were there first, may add to it.
SLACK = 1.4
WAIT_SECONDS = 60
#: How failures name them; the URL of a MariaDB may be that of a MySQL.
NAMES = {"redis": "Redis", "memcached": "memcached", "postgresql": "PostgreSQL", "mariadb": "MySQL"}
SOME = [("redis", "gevent"), ("memcached", "gthread"), ("postgresql", "gevent")]
ALL = list(itertools.product(("redis", "memcached", "postgresql", "mariadb"), ("sync", "gthread", "gevent")))


@contextlib.contextmanager
def own_server(place: str, directory: Path) -> Iterator[tuple[str, ServerProcess]]:
    """The URL and the process of a server that may be frozen and killed."""
    if place == "redis":
        # What it has acknowledged is there again after a kill.
        with one_server(directory / "redis", "--appendonly", "yes", "--appendfsync", "always") as server:
            yield server.url, server.process
    elif place == "memcached":
        with memcached() as cache:
            yield cache.url, cache
    else:
        with postgresql_server() if place == "postgresql" else mariadb_server() as database:
            yield database.url, database.process


@dataclass
class Taken:
    """An answer, and how long it took."""

    answer: Answer
    seconds: float


@dataclass
class Traffic:
    """A visitor who asks for *path* again and again, from a thread of its own."""

    visitor: Visitor
    path: str
    taken: list[Taken] = field(default_factory=list)

    def run(self, until: threading.Event) -> None:
        while not until.is_set():
            start = time.monotonic()
            answer = self.visitor.visit(self.path)
            self.taken.append(Taken(answer, time.monotonic() - start))

    def statuses_since(self, number: int) -> list[int]:
        return [taken.answer.status for taken in self.taken[number:]]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the traffic does not change"
        time.sleep(0.01)


def wait_for_all(traffic: list[Traffic], status: int) -> None:
    """Until each visitor has got *status* twice from now on."""
    now = [len(each.taken) for each in traffic]
    wait_until(
        lambda: all(each.statuses_since(number).count(status) >= 2 for each, number in zip(traffic, now, strict=True))
    )


def answers_of(*traffic: Traffic) -> int:
    return sum(len(each.taken) for each in traffic)


@contextlib.contextmanager
def running(traffic: list[Traffic]) -> Iterator[None]:
    """All at once, until the end of the block; what fails in a thread fails here."""
    over = threading.Event()
    with ThreadPoolExecutor(len(traffic)) as threads:
        futures = [threads.submit(each.run, over) for each in traffic]
        try:
            yield
        finally:
            over.set()
    for future in futures:
        future.result()


def check_answers(traffic: Traffic, owner: str, *, keeps: bool) -> None:
    """Each is this visitor's own or a 503; what was acknowledged is never lost by a server that keeps it."""
    count = 0
    for taken in traffic.taken:
        answer = taken.answer
        if answer.status == 503:
            assert int(answer.headers["Retry-After"]) > 0
            assert "Set-Cookie" not in answer.headers
            assert taken.seconds < TIMEOUT + SLACK
            continue
        assert answer.status == 200
        assert answer.body["owner"] == owner or not keeps
        # After a 503 the change may stand or not.
        assert answer.body["count"] > count or not keeps
        count = answer.body["count"]


@pytest.mark.parametrize(("place", "worker"), ALL if IS_SOAK else SOME)
def test_traffic_survives_a_server_that_hangs_and_is_killed(place: str, worker: str, tmp_path: Path) -> None:
    with (
        own_server(place, tmp_path) as (url, server),
        gunicorn(tmp_path, url, worker=worker, way="--preload", timeout=f"{TIMEOUT}s") as (port, _),
    ):
        counting = [Traffic(Visitor(port), "/count") for _ in range(VISITORS)]
        for number, each in enumerate(counting):
            assert each.visitor.visit(f"/begin?{number}").status == 200
        elsewhere = Traffic(Visitor(port), "/untouched")
        with running([*counting, elsewhere]):
            wait_for_all(counting, 200)
            server.freeze()
            wait_for_all(counting, 503)
            before = answers_of(elsewhere), answers_of(*counting)
            wait_for_all(counting, 503)
            wait_for_all([elsewhere], 200)
            served, refused = answers_of(elsewhere) - before[0], answers_of(*counting) - before[1]
            server.thaw()
            wait_for_all(counting, 200)
            hung = [len(each.taken) for each in counting]
            server.kill()
            wait_for_all(counting, 503)
            wait_for_all([elsewhere], 200)
            server.start()
            wait_for_all(counting, 200)

    assert set(elsewhere.statuses_since(0)) == {200}
    # A sync worker serves no other request while it waits for the server.
    assert served > refused or worker == "sync"
    for number, each in enumerate(counting):
        check_answers(Traffic(each.visitor, each.path, each.taken[: hung[number]]), str(number), keeps=True)
        check_answers(each, str(number), keeps=place != "memcached")
    log = (tmp_path / "log.txt").read_text()
    assert "Traceback" not in log
    # What an operator needs stands in the log: where, which step, and what the driver or the system said.
    at = re.escape(f"127.0.0.1:{urlsplit(url).port}")
    assert re.search(rf"{NAMES[place]} at {at}[^:]*: connect failed: .+refused", log)
    assert re.search(rf"{NAMES[place]} at {at}[^:]*: (load|replace) failed: .+", log)
