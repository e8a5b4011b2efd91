"""gunicorn's workers of every kind, over a store that was used before they were forked: each gets its own answers."""

from __future__ import annotations

import itertools
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from production.connections import connections_of
from production.serving import WAYS, WORKERS, Visitor, gunicorn, wait_for_all_workers
from support.places import IS_SOAK, url_of

REQUESTS = 10_000 if IS_SOAK else 320
VISITORS = 8
PLACES = ("file", "sqlite", "redis", "memcached", "postgresql", "mariadb")
#: Each place, kind of worker and way at least once.
SOME = [
    ("file", "sync", "in each worker"),
    ("sqlite", "gthread", "--preload"),
    ("redis", "gevent", "--preload"),
    ("memcached", "gthread", "on_starting"),
    ("postgresql", "gevent", "on_starting"),
    ("mariadb", "sync", "--preload"),
]
ALL = list(itertools.product(PLACES, ("sync", "gthread", "gevent"), WAYS))


def wrong_answers(visitor: Visitor, requests: int) -> list[object]:
    """Visit *requests* times, every third time with a change, and return the answers that are not this visitor's."""
    owner, count = secrets.token_hex(8), 0
    wrong: list[object] = []
    for number in range(requests):
        path = f"/begin?{owner}" if number == 0 else "/count" if number % 3 == 0 else "/read"
        count += path == "/count"
        answer = visitor.visit(path)
        is_mine = answer.status == 200 and (answer.body["owner"], answer.body["count"]) == (owner, count)
        if not is_mine or ("Set-Cookie" in answer.headers) != (number == 0):
            wrong.append((path, count, answer))
    return wrong


def check_that_they_share_none(workers: set[int], master: int, port: int) -> None:
    """What a worker inherited may still be open in it."""
    inherited = connections_of(master, port).keys()
    own = [connections_of(worker, port).keys() - inherited for worker in workers]
    assert all(own)
    assert len(set().union(*own)) == sum(map(len, own))


@pytest.mark.parametrize(("place", "worker", "way"), ALL if IS_SOAK else SOME)
def test_every_visitor_gets_their_own_session_and_no_connection_is_shared(
    place: str, worker: str, way: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = url_of(place, tmp_path, request)

    with gunicorn(tmp_path, url, worker=worker, way=way, timeout=None if place == "file" else "30s") as (port, master):
        visitors = [Visitor(port) for _ in range(VISITORS)]
        with ThreadPoolExecutor(VISITORS) as threads:
            wrong = list(threads.map(wrong_answers, visitors, [REQUESTS // VISITORS] * VISITORS))
        workers = wait_for_all_workers(port, "/begin?another")
        server = urlsplit(url).port
        if server is not None:
            check_that_they_share_none(workers, master, server)

    assert wrong == [[]] * VISITORS
    log = (tmp_path / "log.txt").read_text()
    inherited = 1 if server is not None and "SITE_USE" in WAYS[way][1] else 0
    assert f"The master has {inherited} connections; workers used 0" in log
    assert "Traceback" not in log
    assert len(workers) == WORKERS
    assert master not in workers
