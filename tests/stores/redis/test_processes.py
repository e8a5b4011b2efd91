"""Processes and greenlets that use one Redis at the same moment."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import textwrap
import threading
from functools import partial

import pytest
from support.browser import Site
from support.servers.redis import RedisCluster, RedisSentinel, RedisServer, ask

from sessionware import Session
from sessionware.stores import RedisStore
from sessionware.testing.conformance.fixtures import in_children, new_key, together

SOAK = "SESSIONWARE_SOAK" in os.environ
PROCESSES = 8
INCREMENTS = 2000 if SOAK else 160
ROUNDS = 1000 if SOAK else 25
#: After so many on one session, whoever waits for another process waits in vain.
WRITES = 5000


@pytest.fixture(params=["server", "Sentinel", "Cluster"])
def url(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    redis_sentinel: RedisSentinel,
    redis_cluster: RedisCluster,
) -> str:
    """That of each kind of Redis in turn."""
    urls = {"server": redis_server.url, "Sentinel": redis_sentinel.url, "Cluster": redis_cluster.url}
    return urls[request.param]


def count(url: str, cookie: str) -> None:
    world = Site(RedisStore(url, timeout=10))
    for _ in range(INCREMENTS // PROCESSES):
        answer = world.request(lambda session: session.alter("count", lambda count: count + 1, default=0), cookie)
        assert answer.status == 200, world.names()[-3:]


def test_eight_processes_lose_no_count(url: str) -> None:
    store = RedisStore(url, timeout=10)
    world = Site(store)
    cookie = world.begin(lambda session: session.alter("count", lambda count: count, default=0))

    statuses = in_children([partial(count, url, cookie)] * PROCESSES)

    assert statuses == [0] * PROCESSES
    assert world.read(cookie).seen["count"] == INCREMENTS
    store.close()


def test_different_keys_changed_at_once_are_all_kept(url: str) -> None:
    store = RedisStore(url, timeout=10)
    world = Site(store)
    cookie = world.begin(lambda session: session.update(start=True))

    def change(name: str) -> None:
        # The store was used before the fork.
        for number in range(20):
            answer = world.request(partial(Session.update, **{f"{name}-{number}": number}), cookie)
            assert answer.status == 200

    statuses = in_children([partial(change, str(number)) for number in range(PROCESSES)])

    assert statuses == [0] * PROCESSES
    assert len(world.read(cookie).seen) == 1 + 20 * PROCESSES
    store.close()


def test_threads_that_search_for_the_master_at_once_all_find_it(redis_sentinel: RedisSentinel) -> None:
    """The first Sentinel of the URL is nobody, so each search moves the second to the front."""
    for _ in range(30):
        store = RedisStore(redis_sentinel.url, timeout=10)
        together([partial(store.load, new_key()) for _ in range(16)])
        store.close()


def test_a_session_ended_while_others_write_stays_ended(url: str) -> None:
    store = RedisStore(url, timeout=10)
    world = Site(store)
    cookies = [world.begin(lambda session: session.update(start=True)) for _ in range(ROUNDS)]

    def add(session: Session) -> None:
        if "start" in session:
            session.alter("writes", lambda writes: writes + 1, default=0)

    def write() -> None:
        """Until it has ended, so that the end falls into the middle of a write."""
        for cookie in cookies:
            assert any("start" not in world.request(add, cookie).seen for _ in range(WRITES))

    def end() -> None:
        for cookie in cookies:
            assert any(world.request(lambda _: None, cookie).seen.get("writes", 0) > 5 for _ in range(WRITES))
            assert world.request(lambda session: session.invalidate(), cookie).status == 200

    statuses = in_children([write, end, write])

    assert statuses == [0, 0, 0]
    assert [world.read(cookie).seen for cookie in cookies] == [{}] * ROUNDS
    store.close()


def test_threads_that_begin_together_share_one_client(redis_cluster: RedisCluster) -> None:
    store = RedisStore(redis_cluster.url + "?client_name=together", timeout=10)
    start = threading.Barrier(8)

    def begin() -> None:
        start.wait()
        store.load(secrets.token_urlsafe(32))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(f"{ask(port, 'CLIENT LIST')}".count("together") for port in redis_cluster.processes) <= 8
    store.close()


def test_greenlets_share_no_connection(redis_server: RedisServer) -> None:
    """The store is made before gevent patches the world, as under gunicorn --preload."""
    program = """
        import secrets, sys
        from sessionware.stores import RedisStore
        store = RedisStore(sys.argv[1], timeout=10)
        from gevent import monkey
        monkey.patch_all()
        import gevent

        def work(number):
            key, payload = secrets.token_urlsafe(32), str(number).encode()
            version = store.create(key, payload, 60)
            for _ in range(20):
                assert store.load(key).payload == payload
                version = store.replace(key, payload, 60, version)
            return True

        jobs = [gevent.spawn(work, number) for number in range(50)]
        gevent.joinall(jobs, raise_error=True)
        print(sum(job.value for job in jobs))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), redis_server.url]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)

    assert done.stdout == "50\n", done.stderr


def test_a_store_used_before_a_fork_has_connections_of_its_own_in_each_child(redis_server: RedisServer) -> None:
    store = RedisStore(redis_server.url, timeout=10)
    own = secrets.token_urlsafe(32)
    store.create(own, b"parent's", 60)

    def work() -> None:
        key, payload = secrets.token_urlsafe(32), secrets.token_bytes(100)
        store.create(key, payload, 60)
        for _ in range(100):
            entry = store.load(key)
            assert entry is not None
            assert entry.payload == payload

    statuses = in_children([work] * 4)

    assert statuses == [0] * 4
    entry = store.load(own)
    assert entry is not None
    assert entry.payload == b"parent's"
    store.close()
