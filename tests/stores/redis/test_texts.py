"""What the text of a failure says: which server, which step, and the driver's words; never a user or a password."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from support.frames import failures_show_nothing
from support.servers.process import free_port
from support.servers.redis import PASSWORD, USER, RedisCluster, RedisSentinel, RedisServer, one_server

from sessionware.exceptions import StoreUnavailable
from sessionware.stores import RedisStore

TIMEOUT = 0.3
KEY = "k" * 43


def text_of(store: RedisStore, call: Callable[[RedisStore], object] = lambda store: store.load(KEY)) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        call(store)
    store.close()
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        pytest.param(
            "redis://user:hunter2@127.0.0.1:1/3",
            "Redis at 127.0.0.1:1: connect failed: redis.exceptions.ConnectionError: "
            "Error 111 connecting to 127.0.0.1:1. Connection refused.",
            id="no server",
        ),
        pytest.param(
            "redis://[::1]:1",
            "Redis at [::1]:1: connect failed: redis.exceptions.ConnectionError: Error ",
            id="IPv6",
        ),
        pytest.param(
            "redis://:hunter2@nowhere.invalid",
            "Redis at nowhere.invalid:6379: connect failed: redis.exceptions.ConnectionError: Error -",
            id="unknown host",
        ),
        pytest.param(
            "unix:///nowhere/redis.sock",
            "Redis at /nowhere/redis.sock: connect failed: redis.exceptions.ConnectionError: Error 2 connecting to "
            "/nowhere/redis.sock. No such file or directory.",
            id="unix socket",
        ),
        pytest.param(
            "redis+sentinel://:hunter2@127.0.0.1:1,127.0.0.1:2/s?sentinel_password=hunter3",
            "the master of 's' by the Redis Sentinels at 127.0.0.1:1,127.0.0.1:2: asking the Sentinels failed: "
            "redis.sentinel.MasterNotFoundError: 127.0.0.1:1: Error 111 connecting to 127.0.0.1:1. Connection refused.;"
            " 127.0.0.1:2: Error 111 connecting to 127.0.0.1:2. Connection refused.",
            id="Sentinels",
        ),
        pytest.param(
            "redis+cluster://:hunter2@127.0.0.1:1,127.0.0.1:2",
            "Redis Cluster at 127.0.0.1:1,127.0.0.1:2: reading the map of the Cluster failed: "
            "redis.exceptions.RedisClusterException: Redis Cluster cannot be connected.",
            id="Cluster",
        ),
    ],
)
def test_what_cannot_be_reached_is_named(url: str, text: str) -> None:
    told = text_of(RedisStore(url, timeout=TIMEOUT))

    assert told.startswith(text)
    assert "hunter" not in told


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One whose default user has a password, beside the user of few rights."""
    with one_server(tmp_path_factory.mktemp("texts"), "--maxmemory-policy", "noeviction") as server:
        yield server


def test_a_wrong_password_is_told(server: RedisServer) -> None:
    told = text_of(RedisStore(server.user_url.replace("p%40ss", "p%40zz")))

    assert told == (
        f"Redis at 127.0.0.1:{server.port}: connect failed: redis.exceptions.AuthenticationError: "
        "invalid username-password pair or user is disabled."
    )


def test_a_database_that_is_not_there_is_told(server: RedisServer) -> None:
    told = text_of(RedisStore(server.url.removesuffix("/0") + "/99"))

    assert told.startswith(f"Redis at 127.0.0.1:{server.port}: connect failed: redis.exceptions.ResponseError: ")
    assert told.endswith("DB index is out of range")


@pytest.mark.parametrize(
    ("step", "call"),
    [
        ("load", lambda store: store.load(KEY)),
        ("replace", lambda store: store.replace(KEY, b"payload", 60, b"v" * 16)),
        ("delete", lambda store: store.delete(KEY)),
    ],
)
def test_the_step_is_told(server: RedisServer, step: str, call: Callable[[RedisStore], object]) -> None:
    user = f"none-{step}"
    server.ask("ACL", "SETUSER", user, "on", ">secret", "~sessionware:*")
    store = RedisStore(f"redis://{user}:secret@127.0.0.1:{server.port}")

    told = text_of(store, call)

    assert told.startswith(
        f"Redis at 127.0.0.1:{server.port}: {step} failed: redis.exceptions.NoPermissionError: this user has no "
    )
    assert user not in told


def test_a_server_that_hangs_is_told(own_server: RedisServer) -> None:
    store = RedisStore(own_server.url, timeout=TIMEOUT)
    store.load(KEY)
    own_server.process.freeze()

    told = text_of(store)
    own_server.process.thaw()

    words = "load failed: redis.exceptions.TimeoutError: Timeout reading from "
    assert told.startswith(f"Redis at 127.0.0.1:{own_server.port}: {words}")


def test_a_replica_and_a_full_memory_are_told(own_server: RedisServer) -> None:
    store = RedisStore(own_server.url)
    store.create(KEY, b"payload", 60)
    place = f"Redis at 127.0.0.1:{own_server.port}"

    own_server.ask("REPLICAOF", "127.0.0.1", free_port())
    read_only = text_of(store, lambda store: store.delete(KEY))
    own_server.ask("REPLICAOF", "NO", "ONE")
    own_server.ask("CONFIG", "SET", "maxmemory", "1mb")
    full = text_of(store, lambda store: store.create("l" * 43, b"payload", 60))

    assert read_only.startswith(f"{place}: delete failed: redis.exceptions.ReadOnlyError: ")
    assert "redis.exceptions.OutOfMemoryError: " in full


def test_a_sentinel_that_knows_no_such_master_is_told(redis_sentinel: RedisSentinel) -> None:
    url = redis_sentinel.url.replace("/sessions/", "/nothing/")

    told = text_of(RedisStore(url))

    assert told.endswith(f"127.0.0.1:{redis_sentinel.port}: it knows no master of this name that is up")


def test_the_master_and_the_node_are_named(redis_sentinel: RedisSentinel, redis_cluster: RedisCluster) -> None:
    wrong = {"of a Sentinel": redis_sentinel.url.removesuffix("/0") + "/99", "of a Cluster": redis_cluster.url}
    stores = {name: RedisStore(url) for name, url in wrong.items()}
    node = redis_cluster.master_of(f"sessionware:{KEY}")
    redis.Redis(port=node).rpush(f"sessionware:{KEY}", "no string")

    told = {name: text_of(store) for name, store in stores.items()}
    redis.Redis(port=node).delete(f"sessionware:{KEY}")

    assert told["of a Sentinel"].startswith(f"Redis at 127.0.0.1:{redis_sentinel.master()}: connect failed: ")
    assert told["of a Cluster"].startswith(f"Redis at 127.0.0.1:{node}: load failed: ")


def test_a_full_pool_is_told(redis_server: RedisServer) -> None:
    pool = redis.ConnectionPool(port=redis_server.port, max_connections=1)
    store = RedisStore(client=redis.Redis(connection_pool=pool), timeout=TIMEOUT)
    lent = pool.get_connection()

    told = text_of(store)

    pool.release(lent)
    assert told.endswith(": TimeoutError: all connections were in use for 0.3 seconds")
    assert store.load(KEY) is None
    pool.disconnect()


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        pytest.param({"port": 1}, "Redis at localhost:1", id="host"),
        pytest.param({"unix_socket_path": "/nowhere"}, "Redis at /nowhere", id="unix socket"),
    ],
)
def test_the_server_of_a_client_is_named(settings: dict[str, Any], place: str) -> None:
    client = redis.Redis(**settings, username=USER, password=PASSWORD, retry=Retry(NoBackoff(), 0))

    told = text_of(RedisStore(client=client))

    assert told.startswith(f"{place}: connect failed: redis.exceptions.ConnectionError: ")
    assert PASSWORD not in told


def test_the_master_of_a_client_of_sentinel_is_named() -> None:
    driver: Any = redis
    sentinel = driver.Sentinel([("127.0.0.1", 1)], sentinel_kwargs={"password": secrets.token_hex()})

    told = text_of(RedisStore(client=sentinel.master_for("s", retry=Retry(NoBackoff(), 0))))

    assert told.startswith("the master of 's' by Redis Sentinels: connect failed: redis.sentinel.MasterNotFoundError: ")
    assert "password" not in told


def test_no_frame_of_a_failure_has_a_key_or_a_payload(own_server: RedisServer) -> None:
    """A crash report shows the locals of every frame of the traceback, and of what is chained to it."""
    store = RedisStore(own_server.url, timeout=TIMEOUT)
    own_server.process.kill()
    key = secrets.token_urlsafe(32)
    assert failures_show_nothing(store, key)


def test_an_unknown_certificate_is_told(redis_server: RedisServer) -> None:
    told = text_of(RedisStore(redis_server.tls_url.partition("?")[0]))

    assert told.startswith(f"Redis at 127.0.0.1:{redis_server.tls_port}: connect failed: ")
    assert "certificate verify failed" in told
