"""Servers that hang, die, move and come back while an application is used."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from support.browser import Site
from support.elapsed import seconds_of
from support.servers.process import ServerProcess
from support.servers.redis import RedisCluster, RedisSentinel, RedisServer, a_sentinel, ask, wait_until

from sessionware import Session, SessionMiddleware
from sessionware.exceptions import AlreadyExists, StoreUnavailable
from sessionware.stores import RedisStore

TIMEOUT = 0.6
#: What may be added to one timeout. A second one is more.
SLACK = 0.4
PREFIX = "sessionware:"


@pytest.fixture
def world(own_server: RedisServer) -> Iterator[Site]:
    store = RedisStore(own_server.url, timeout=TIMEOUT)
    yield Site(store)
    store.close()


def write(session: Session) -> None:
    session["count"] = session.get("count", 0) + 1


def fault_of(server: RedisServer, fault: str) -> Callable[[], None]:
    """Let it happen; what is returned repairs it."""
    if fault == "hangs":
        server.process.freeze()
        return server.process.thaw
    server.process.kill()
    return server.process.start


@pytest.mark.parametrize("fault", ["hangs", "is dead"])
def test_an_outage_costs_a_timeout_and_no_session(world: Site, own_server: RedisServer, fault: str) -> None:
    cookie = world.begin(write)
    answers: list[Any] = []
    repair = fault_of(own_server, fault)

    seconds = [seconds_of(lambda: answers.append(world.request(write, cookie))) for _ in range(3)]
    repair()
    after = world.request(write, cookie if fault == "hangs" else None)

    assert [(answer.status, answer.cookie) for answer in answers] == [(503, None)] * 3
    assert max(seconds) < TIMEOUT + SLACK
    assert after.status == 200
    # A server that hung has its sessions still; what was sent to it then may have been carried out.
    assert after.seen["count"] >= (2 if fault == "hangs" else 1)


def served(app: SessionMiddleware, path: str) -> tuple[str, dict[str, str], bytes]:
    seen: list[Any] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.url_scheme": "https", "HTTP_HOST": "example.org"}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        seen.append((status, dict(headers)))

    body = b"".join(app(environ, start_response))
    return (*seen[-1], body)


def test_who_does_not_touch_the_session_is_served_and_others_may_retry(own_server: RedisServer) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/touch":
            environ["sessionware.session"]["a"] = 1
        start_response("200 OK", [])
        return [b"served"]

    store = RedisStore(own_server.url, timeout=TIMEOUT)
    app = SessionMiddleware(application, {"backend": store, "secret": secrets.token_urlsafe(32)})
    own_server.process.freeze()

    untouched, touched = served(app, "/"), served(app, "/touch")
    own_server.process.thaw()

    assert untouched == ("200 OK", {}, b"served")
    assert touched[0].startswith("503")
    assert "Retry-After" in touched[1]
    assert served(app, "/touch")[0] == "200 OK"
    store.close()


def test_connections_to_a_server_that_hung_are_not_used_again(own_server: RedisServer) -> None:
    """An answer that comes late must not be taken for that of the next command."""
    store = RedisStore(own_server.url, timeout=TIMEOUT)
    first, second = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    store.create(first, b"first", 60)
    store.create(second, b"second", 60)
    own_server.process.freeze()
    with pytest.raises(StoreUnavailable):
        store.load(first)
    own_server.process.thaw()

    entry = store.load(second)

    assert entry is not None
    assert entry.payload == b"second"
    store.close()


def time_of_failure(store: RedisStore) -> float:
    def call() -> None:
        with pytest.raises(StoreUnavailable):
            store.load(secrets.token_urlsafe(32))

    return seconds_of(call)


def is_served(store: RedisStore) -> bool:
    with contextlib.suppress(StoreUnavailable):
        store.create(secrets.token_urlsafe(32), b"payload", 60)
        return True
    return False


def freeze(processes: list[ServerProcess]) -> Callable[[], None]:
    for process in processes:
        process.freeze()

    def thaw() -> None:
        for process in processes:
            process.thaw()

    return thaw


@pytest.mark.parametrize("is_used", [False, True], ids=["not yet used", "used"])
def test_a_cluster_in_which_all_hang_costs_one_timeout(redis_cluster: RedisCluster, is_used: bool) -> None:
    """However many of its nodes are asked, over new connections or those that are open. Two timeouts would show."""
    store = RedisStore(redis_cluster.url, timeout=TIMEOUT)
    if is_used:
        for _ in range(30):
            store.load(secrets.token_urlsafe(32))
    thaw = freeze(list(redis_cluster.processes.values()))

    try:
        seconds = [time_of_failure(store) for _ in range(2)]
    finally:
        thaw()

    assert max(seconds) < TIMEOUT + SLACK
    wait_until(redis_cluster.is_whole)
    wait_until(lambda: is_served(store))
    store.close()


def test_a_sentinel_that_hangs_is_passed_over(redis_sentinel: RedisSentinel, tmp_path: Path) -> None:
    with a_sentinel(tmp_path / "hanging") as hanging:
        hanging.sentinel.freeze()
        url = redis_sentinel.url.replace("127.0.0.1:1,", f"127.0.0.1:{hanging.port},")
        store = RedisStore(url, timeout=1)

        seconds = seconds_of(lambda: store.load("key"))
        hanging.sentinel.thaw()

    assert seconds < 0.9
    store.close()


def test_sentinels_that_all_hang_cost_one_timeout(redis_sentinel: RedisSentinel) -> None:
    store = RedisStore(redis_sentinel.url, timeout=TIMEOUT)
    redis_sentinel.sentinel.freeze()

    try:
        seconds = [time_of_failure(store) for _ in range(2)]
    finally:
        redis_sentinel.sentinel.thaw()

    assert max(seconds) < TIMEOUT + SLACK
    store.close()


@pytest.mark.parametrize(
    "url",
    ["redis://192.0.2.1", "redis+sentinel://192.0.2.1,192.0.2.2,192.0.2.3/s", "redis+cluster://192.0.2.1,192.0.2.2"],
)
def test_servers_that_cannot_be_reached_cost_one_timeout(url: str) -> None:
    seconds = time_of_failure(RedisStore(url, timeout=TIMEOUT))

    assert seconds < TIMEOUT + SLACK


# Slots that move


def test_a_slot_on_the_move_is_followed(redis_cluster: RedisCluster) -> None:
    """The keys that have moved are asked for where they are (ASK), and then the slot (MOVED)."""
    client = redis.RedisCluster(host="127.0.0.1", port=next(iter(redis_cluster.processes)))
    store = RedisStore(client=client)
    key = secrets.token_urlsafe(32)
    name = PREFIX + key
    source = redis_cluster.master_of(name)
    target = next(port for port in redis_cluster.slots().values() if port != source)
    version = store.create(key, b"1", 600)
    slot = ask(source, "CLUSTER KEYSLOT", name)
    ids = {port: redis_cluster.node_id(port) for port in (source, target)}

    ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
    ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
    ask(source, "MIGRATE", "127.0.0.1", target, name, 0, 1000)
    version = store.replace(key, b"2", 600, version)
    with pytest.raises(AlreadyExists):
        store.create(key, b"x", 600)
    # A node that is too new for the map.
    del client.nodes_manager.nodes_cache[f"127.0.0.1:{target}"]
    assert store.load(key) == (b"2", version)
    for port in (target, source):
        ask(port, "CLUSTER", "SETSLOT", slot, "NODE", ids[target])
    version = store.replace(key, b"3", 600, version)
    wait_until(lambda: redis_cluster.master_of(name) == target)

    assert store.load(key) == (b"3", version)
    assert store.delete(key)
    client.close()


def test_nodes_that_redirect_to_each_other_are_unavailable(redis_cluster: RedisCluster) -> None:
    """A move that was begun at one end only."""
    store = RedisStore(redis_cluster.url, timeout=5)
    key = secrets.token_urlsafe(32)
    source = redis_cluster.master_of(PREFIX + key)
    target = next(port for port in redis_cluster.slots().values() if port != source)
    slot = ask(source, "CLUSTER KEYSLOT", PREFIX + key)
    ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", redis_cluster.node_id(target))

    with pytest.raises(StoreUnavailable):
        store.create(key, b"payload", 600)
    ask(source, "CLUSTER", "SETSLOT", slot, "STABLE")

    version = store.create(key, b"payload", 600)
    assert store.load(key) == (b"payload", version)
    store.close()
