"""Processes, threads and greenlets that share sessions in memcached, and a store made before they began."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from pymemcache.client.base import Client, PooledClient  # type: ignore[import-untyped]
from pymemcache.client.hash import HashClient  # type: ignore[import-untyped]
from support.browser import Site
from support.servers.memcached import Memcached

from sessionware import Session
from sessionware.stores import MemcachedStore
from sessionware.testing.conformance.fixtures import in_children

IS_SOAK = bool(os.environ.get("SESSIONWARE_SOAK"))
PROCESSES = 8
INCREMENTS = 2000 if IS_SOAK else 200
ROUNDS = 1000 if IS_SOAK else 30
READS = 1250 if IS_SOAK else 100


@pytest.fixture
def world(memcached_cluster: list[Memcached]) -> Iterator[Site]:
    store = MemcachedStore("memcached://" + ",".join(server.place for server in memcached_cluster), timeout=30)
    yield Site(store)
    store.close()


def increment(session: Session) -> None:
    session.alter("count", lambda count: count + 1, default=0)


def test_increments_of_eight_processes_are_all_kept(world: Site) -> None:
    cookie = world.begin(increment)

    def count() -> None:
        for _ in range(INCREMENTS // PROCESSES):
            assert world.request(increment, cookie).status == 200

    assert in_children([count] * PROCESSES) == [0] * PROCESSES
    assert world.read(cookie).seen == {"count": INCREMENTS + 1}


def test_different_keys_that_processes_change_at_once_are_all_kept(world: Site) -> None:
    cookie = world.begin(increment)

    def change(me: int) -> None:
        for number in range(INCREMENTS // PROCESSES):
            new = {f"{me}-{number}": me}
            assert world.request(partial(Session.update, **new), cookie).status == 200

    assert in_children([partial(change, me) for me in range(PROCESSES)]) == [0] * PROCESSES
    assert len(world.read(cookie).seen) == PROCESSES * (INCREMENTS // PROCESSES) + 1


def test_a_session_that_is_ended_while_others_write_stays_ended(world: Site) -> None:
    cookies = [world.begin(increment) for _ in range(ROUNDS)]

    def write_until_they_have_ended() -> None:
        for cookie in cookies:
            while world.request(write_if_there, cookie).seen:
                pass

    def write_if_there(session: Session) -> None:
        if not session.is_new:
            increment(session)

    def end_each_while_it_is_written() -> None:
        for cookie in cookies:
            while world.read(cookie).seen["count"] < 5:
                pass
            assert world.request(lambda session: session.invalidate(), cookie).status == 200

    writers = [write_until_they_have_ended] * 3

    assert in_children([*writers, end_each_while_it_is_written]) == [0] * 4
    assert [world.read(cookie).seen for cookie in cookies] == [{}] * ROUNDS


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda servers: None, id="URL"),
        pytest.param(lambda servers: Client(servers[0].address), id="Client"),
        pytest.param(lambda servers: PooledClient(servers[0].address), id="PooledClient"),
        pytest.param(lambda servers: HashClient([server.address for server in servers]), id="HashClient"),
    ],
)
def test_no_connection_is_shared_after_a_fork(
    memcached_cluster: list[Memcached], make: Callable[[list[Memcached]], Any]
) -> None:
    client = make(memcached_cluster)
    url = "memcached://" + ",".join(server.place for server in memcached_cluster)
    store = MemcachedStore(url, timeout=30) if client is None else MemcachedStore(client=client)
    keys = [f"{os.urandom(8).hex():x<43}" for _ in range(4)]
    for key in keys:
        store.create(key, key.encode(), 60)

    def read_my_own(key: str) -> None:
        for _ in range(READS):
            entry = store.load(key)
            assert entry is not None
            assert entry.payload == key.encode()

    statuses = in_children([partial(read_my_own, key) for key in keys])
    read_my_own(keys[0])

    assert statuses == [0] * 4
    store.close()
    if client is not None:
        client.close()


@pytest.mark.parametrize("kind", [Client, PooledClient])
def test_a_child_leaves_alone_a_connection_that_the_application_opened_before_the_store_was_used(
    memcached_server: Memcached, kind: Callable[[Any], Any]
) -> None:
    client = kind(memcached_server.address)
    store = MemcachedStore(client=client)
    client.set("opened by the application".replace(" ", "-"), b"")
    keys = [f"{os.urandom(8).hex():x<43}" for _ in range(4)]

    def write_my_own(key: str) -> None:
        version = store.create(key, key.encode(), 60)
        for _ in range(READS):
            entry = store.load(key)
            assert entry is not None
            assert (entry.payload, entry.version) == (key.encode(), version)

    statuses = in_children([partial(write_my_own, key) for key in keys])

    assert statuses == [0] * 4
    client.close()


GREENLETS = """
import sys
from pymemcache.client.base import Client
from sessionware.stores import MemcachedStore, StoreUnavailable

host, port, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
client = Client((host, port), timeout=5) if kind == "client" else None
store = MemcachedStore(client=client) if client else MemcachedStore(f"memcached://{host}:{port}", timeout=5)

from gevent import monkey
monkey.patch_all()
import gevent

def visit(number):
    key = f"{kind}{number:030}".ljust(43, "g")
    store.delete(key)
    version = store.create(key, key.encode(), 60)
    for _ in range(20):
        entry = store.load(key)
        assert entry.payload == key.encode()
        version = store.replace(key, key.encode(), 60, entry.version)
        # What takes too long is cut off anywhere, with an answer on its way.
        try:
            with gevent.Timeout(0.0005):
                store.load("x" * 43)
        except gevent.Timeout:
            pass
    assert store.delete(key)

greenlets = [gevent.spawn(visit, number) for number in range(20)]
gevent.joinall(greenlets, raise_error=True)
store.close()
if client:
    client.close()
print("all got their own")
"""


@pytest.mark.parametrize("kind", ["url", "client"])
def test_greenlets_get_their_own_entries_from_a_store_made_before_gevent_came(
    memcached_server: Memcached, kind: str
) -> None:
    host, _, port = memcached_server.place.partition(":")

    done = subprocess.run(
        [sys.executable, "-c", GREENLETS, host, port, kind], capture_output=True, text=True, check=False
    )

    assert done.stdout == "all got their own\n", done.stderr
