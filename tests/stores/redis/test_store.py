"""What the store promises beyond the contract of all stores."""

from __future__ import annotations

import math
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
import redis.cache
import valkey
from redis.backoff import NoBackoff
from redis.cluster import LoadBalancingStrategy
from redis.retry import Retry
from support.elapsed import seconds_of
from support.servers.process import free_port
from support.servers.redis import (
    PASSWORD,
    RIGHTS,
    USER,
    RedisCluster,
    RedisSentinel,
    RedisServer,
    a_tls_sentinel,
    one_server,
    redis_process,
    running,
)

from sessionware.exceptions import AlreadyExists, ConfigError, Conflict, Gone, RecordTooLarge, StoreUnavailable
from sessionware.stores import Entry, RedisStore
from sessionware.testing.conformance.fixtures import together

Opener = Callable[..., RedisStore]
#: Without annotations of its own, as far as mypy knows.
DRIVER: Any = redis
VALKEY: Any = valkey
REPLICAS = DRIVER.Sentinel([]).slave_for("s")
PREFIX = "sessionware:"


@pytest.fixture
def open_store(redis_server: RedisServer) -> Iterator[Opener]:
    made: list[RedisStore] = []

    def open_store(url: str | None = redis_server.url, **options: Any) -> RedisStore:
        made.append(RedisStore(url, **{"timeout": 5, **options}))
        return made[-1]

    yield open_store
    for store in made:
        store.close()


@pytest.fixture
def store(open_store: Opener) -> RedisStore:
    return open_store()


@pytest.fixture
def key() -> str:
    return secrets.token_urlsafe(32)


def commands_seen(server: RedisServer) -> dict[str, int]:
    """How often each command was called; those of a script are counted too."""
    stats = server.ask("INFO", "commandstats")
    return {name.removeprefix("cmdstat_"): values["calls"] for name, values in stats.items()}


# Keys, values and lifetimes


def test_making_a_store_connects_to_nothing() -> None:
    RedisStore("redis://127.0.0.1:1/0")


def test_keys_begin_with_the_prefix(store: RedisStore, open_store: Opener, key: str, redis_server: RedisServer) -> None:
    store.create(key, b"mine", 60)
    open_store(prefix="other:").create(key, b"another's", 60)

    names = redis_server.ask("KEYS", f"*{key}")

    assert sorted(names) == [f"other:{key}".encode(), f"{PREFIX}{key}".encode()]
    assert store.load(key).payload == b"mine"  # type: ignore[union-attr]


@pytest.mark.parametrize("prefix", ["", None, b"x:"])
def test_a_prefix_is_mandatory(prefix: Any) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        RedisStore("redis://h", prefix=prefix)


@pytest.mark.parametrize(
    ("ttl", "expected"),
    [
        pytest.param(60, 60_000, id="seconds"),
        pytest.param(0.0001, 1, id="less than a millisecond"),
        pytest.param(0, 1, id="nothing"),
        pytest.param(-5, 1, id="past"),
        pytest.param(1e12, 31_536_000_000_000, id="longer than Redis can"),
        pytest.param(math.inf, 31_536_000_000_000, id="endless"),
    ],
)
def test_an_entry_expires_by_itself(
    store: RedisStore, key: str, redis_server: RedisServer, ttl: float, expected: int
) -> None:
    version = store.create(key, b"payload", 60)

    store.replace(key, b"payload", ttl, version)
    left = redis_server.ask("PTTL", PREFIX + key)

    # A millisecond may be over.
    assert expected - 5000 <= left <= expected or (expected, left) == (1, -2)


def test_an_entry_without_an_end_has_none(store: RedisStore, key: str, redis_server: RedisServer) -> None:
    store.replace(key, b"payload", None, store.create(key, b"payload", 60))

    assert redis_server.ask("PTTL", PREFIX + key) == -1


def test_an_expired_entry_is_gone(store: RedisStore, key: str, redis_server: RedisServer) -> None:
    version = store.create(key, b"payload", 60)
    redis_server.ask("PEXPIREAT", PREFIX + key, 1)

    with pytest.raises(Gone):
        store.replace(key, b"late", 60, version)

    assert store.load(key) is None


def test_a_load_and_a_save_are_one_round_trip_each(own_server: RedisServer, key: str) -> None:
    store = RedisStore(own_server.url)
    version = store.replace(key, b"1", 60, store.create(key, b"0", 60))
    before = commands_seen(own_server)

    store.load(key)
    store.replace(key, b"2", 60, version)

    after = commands_seen(own_server)
    store.close()
    sent = {name: count - before.get(name, 0) for name, count in after.items()}
    # SET and GETRANGE are the script's; the rest is of those who ask for the figures.
    others = ("set", "getrange", "info", "client", "hello")
    assert {name: count for name, count in sent.items() if count and not name.startswith(others)} == {
        "get": 1,
        "evalsha": 1,
    }


def test_a_server_without_the_script_is_told_it(store: RedisStore, key: str, redis_server: RedisServer) -> None:
    version = store.create(key, b"old", 60)
    redis_server.ask("SCRIPT", "FLUSH")

    version = store.replace(key, b"new", 60, version)

    assert store.load(key) == Entry(b"new", version)


def test_a_script_told_anew_answers_as_the_other_does(store: RedisStore, key: str, redis_server: RedisServer) -> None:
    version = store.create(key, b"old", 60)
    redis_server.ask("SCRIPT", "FLUSH")
    with pytest.raises(Conflict):
        store.replace(key, b"new", 60, b"another version.")
    redis_server.ask("SCRIPT", "FLUSH")
    store.delete(key)

    with pytest.raises(Gone):
        store.replace(key, b"new", 60, version)


# Servers that refuse


def test_a_record_beyond_the_servers_limit_is_too_large(tmp_path: Path, key: str) -> None:
    with one_server(tmp_path / "redis", "--proto-max-bulk-len", 1024 * 1024) as server:
        store = RedisStore(server.url)
        version = store.create(key, b"small", 60)

        with pytest.raises(RecordTooLarge):
            store.create(secrets.token_urlsafe(32), bytes(8_000_000), 60)
        with pytest.raises(RecordTooLarge):
            store.replace(key, bytes(1024 * 1024), 60, version)

        assert store.load(key) == Entry(b"small", version)
        store.close()


def test_a_large_record_is_unavailable_where_the_server_is(own_server: RedisServer, key: str) -> None:
    store = RedisStore(own_server.url, timeout=0.2)
    own_server.process.kill()

    with pytest.raises(StoreUnavailable):
        store.create(key, bytes(2_000_000), 60)


def test_a_server_that_hides_its_limit_leaves_it_open(own_server: RedisServer, key: str) -> None:
    store = RedisStore(own_server.user_url, timeout=0.3)
    own_server.ask("CONFIG", "SET", "maxmemory", "1mb")

    with pytest.raises(StoreUnavailable):
        store.create(key, bytes(2_000_000), 60)

    store.close()


def test_a_server_without_memory_reads_and_is_unavailable_for_writes(own_server: RedisServer, key: str) -> None:
    store = RedisStore(own_server.url)
    version = store.create(key, b"payload", 60)
    own_server.ask("CONFIG", "SET", "maxmemory", "1")

    with pytest.raises(StoreUnavailable) as caught:
        store.replace(key, b"changed", 60, version)

    assert "OOM" in str(caught.value.__cause__) or "memory" in str(caught.value.__cause__)
    assert store.load(key) == Entry(b"payload", version)
    store.close()


def test_a_replica_is_unavailable_for_writes_until_it_is_a_master(own_server: RedisServer, key: str) -> None:
    store = RedisStore(own_server.url)
    store.load(key)
    own_server.ask("REPLICAOF", "127.0.0.1", "1")

    with pytest.raises(StoreUnavailable):
        store.create(key, b"payload", 60)
    own_server.ask("REPLICAOF", "NO", "ONE")

    store.create(key, b"payload", 60)
    store.close()


def test_a_value_of_another_kind_is_unavailable(store: RedisStore, key: str, redis_server: RedisServer) -> None:
    redis_server.ask("RPUSH", PREFIX + key, "x")

    with pytest.raises(StoreUnavailable):
        store.load(key)


# What errors show


def shown_by(error: BaseException | None) -> str:
    """All that a report of *error* and of what is chained to it may print."""
    return f"{error}{error!r}{shown_by(error.__cause__)}{shown_by(error.__context__)}" if error else ""


def test_an_error_shows_neither_key_nor_payload(key: str, tmp_path: Path) -> None:
    """Redis repeats the command that it does not know."""
    port = free_port()
    process = redis_process(tmp_path / "old", port, "--rename-command", "EVALSHA", "", "--rename-command", "GET", "")
    with running([process]):
        store = RedisStore(f"redis://127.0.0.1:{port}")
        version = b"version-of-it---"
        shown = ""
        calls: list[Callable[[], object]] = [
            lambda: store.load(key),
            lambda: store.create(key, b"hidden", 60),
            lambda: store.replace(key, b"hidden", 60, version),
        ]
        for call in calls:
            with pytest.raises(StoreUnavailable) as caught:
                call()
            shown += shown_by(caught.value)
        store.close()

    assert "unknown command" in shown
    assert key[:8] not in shown
    assert "hidden" not in shown
    assert "version-of" not in shown


@pytest.mark.parametrize("password", ["wrong-password", PASSWORD])
def test_a_refused_user_is_not_named(open_store: Opener, redis_server: RedisServer, password: str) -> None:
    written = password.replace("@", "%40").replace("/", "%2F").replace("#", "%23")
    url = redis_server.user_url.replace("p%40ss%2Fword%3A%231", written)
    store = open_store(url, prefix="elsewhere:")

    with pytest.raises(StoreUnavailable) as caught:
        store.load("key")

    shown = shown_by(caught.value)
    assert "user" in shown
    assert f" {USER} " not in shown
    assert password not in shown


def test_an_error_tells_which_command_the_user_may_not_send(
    open_store: Opener, redis_server: RedisServer, key: str
) -> None:
    rights = [right for right in RIGHTS if right != "+set"]
    redis_server.ask("ACL", "SETUSER", "reader", "on", ">secret", *rights)
    store = open_store(f"redis://reader:secret@127.0.0.1:{redis_server.port}")

    with pytest.raises(StoreUnavailable) as caught:
        store.create(key, b"payload", 60)

    assert "no permissions to run the 'set' command" in shown_by(caught.value)
    assert "reader" not in shown_by(caught.value)


@pytest.mark.parametrize("command", ["get", "set", "getrange", "del", "eval", "evalsha"])
def test_no_session_is_created_where_a_command_is_missing_that_it_would_need_later(
    open_store: Opener, redis_server: RedisServer, key: str, command: str
) -> None:
    user = f"without-{command}"
    redis_server.ask("ACL", "SETUSER", user, "on", ">secret", *RIGHTS, f"-{command}")
    store = open_store(f"redis://{user}:secret@127.0.0.1:{redis_server.port}")

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=f"run the '{command}' command"):
            store.create(key, b"payload", 60)

    assert redis_server.ask("EXISTS", PREFIX + key) == 0
    redis_server.ask("ACL", "SETUSER", user, f"+{command}")
    assert store.load(key) is None
    store.create(key, b"payload", 60)


def test_no_session_is_created_where_a_server_does_not_know_a_command(tmp_path: Path, key: str) -> None:
    """Such as one that cannot run scripts at all."""
    port = free_port()
    process = redis_process(tmp_path / "old", port, "--rename-command", "EVAL", "")
    with running([process]):
        store = RedisStore(f"redis://127.0.0.1:{port}")

        with pytest.raises(StoreUnavailable, match=r"the command EVAL failed: .*unknown command 'EVAL'"):
            store.create(key, b"payload", 60)
        assert store.load(key) is None
        store.close()


def test_the_commands_are_asked_for_once(own_server: RedisServer) -> None:
    store = RedisStore(own_server.url)
    store.create(secrets.token_urlsafe(32), b"payload", 60)
    own_server.ask("CONFIG", "RESETSTAT")

    store.create(secrets.token_urlsafe(32), b"payload", 60)

    assert commands_seen(own_server).keys() - {"config|resetstat", "info", "hello"} == {"set"}
    store.close()


def test_an_error_holds_nothing_of_the_drivers(key: str) -> None:
    """A crash reporter walks from an error to its frames, whose locals hold keys and payloads."""
    with pytest.raises(StoreUnavailable) as caught:
        RedisStore("redis://127.0.0.1:1").create(key, b"hidden", 60)

    cause = caught.value.__cause__
    assert cause is not None
    assert (cause.__traceback__, cause.__context__, caught.value.__context__) == (None, None, None)


def test_the_repr_of_a_store_shows_no_password(open_store: Opener, redis_server: RedisServer) -> None:
    store = open_store(redis_server.user_url)

    assert PASSWORD not in f"{store!r}"


# Connections


def test_a_restarted_server_costs_no_answer(own_server: RedisServer, key: str) -> None:
    """Its old connections are seen to be closed before anything is sent."""
    store = RedisStore(own_server.url)
    start = threading.Barrier(4)
    threads = [threading.Thread(target=lambda: (start.wait(), store.load(key))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    own_server.process.kill()
    own_server.process.start()

    version = store.create(key, b"payload", 60)
    version = store.replace(key, b"changed", 60, version)

    assert store.load(key) == Entry(b"changed", version)
    store.close()


class Closing:
    """A server that hangs up on the first commands after a handshake, or on the first ones of the name *on*."""

    def __init__(self, hang_ups: int, on: bytes = b"") -> None:
        self.commands: list[bytes] = []
        self._hang_ups = hang_ups
        self._on = on
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self._listening.accept()
                with connection:
                    while received := connection.recv(65536):
                        if b"CLIENT" in received:
                            connection.sendall(b"+OK\r\n")
                            continue
                        self.commands.append(received.split(b"\r\n")[2])
                        if self._hang_ups and self._on in (b"", self.commands[-1]):
                            self._hang_ups -= 1
                            break
                        connection.sendall(b"$-1\r\n")
        except OSError:
            return

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def hang_up() -> Iterator[Callable[..., Closing]]:
    made: list[Closing] = []

    def hang_up(times: int, on: bytes = b"") -> Closing:
        made.append(Closing(times, on))
        return made[-1]

    yield hang_up
    for server in made:
        server.close()


def test_a_read_without_an_answer_is_tried_once_more(hang_up: Callable[..., Closing], key: str) -> None:
    server = hang_up(1)
    store = RedisStore(server.url)

    assert store.load(key) is None
    assert server.commands == [b"GET", b"GET"]
    store.close()


def test_a_read_is_tried_no_more_than_twice(hang_up: Callable[..., Closing], key: str) -> None:
    server = hang_up(9)

    with pytest.raises(StoreUnavailable):
        RedisStore(server.url).load(key)

    assert server.commands == [b"GET", b"GET"]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(RedisStore, id="url"),
        pytest.param(lambda url: RedisStore(client=redis.Redis.from_url(url, protocol=2)), id="client that retries"),
        pytest.param(
            lambda url: RedisStore(client=VALKEY.Valkey(connection_pool=VALKEY.BlockingConnectionPool.from_url(url))),
            id="client of valkey",
        ),
    ],
)
@pytest.mark.parametrize(
    ("write", "sent"),
    [
        pytest.param(lambda store, key: store.create(key, b"", 60), b"SET", id="create"),
        pytest.param(lambda store, key: store.replace(key, b"", 60, b"v" * 16), b"EVALSHA", id="replace"),
        pytest.param(lambda store, key: store.delete(key), b"DEL", id="delete"),
    ],
)
def test_a_write_without_an_answer_is_sent_once(
    hang_up: Callable[..., Closing],
    key: str,
    write: Callable[[RedisStore, str], object],
    sent: bytes,
    make: Callable[[str], RedisStore],
) -> None:
    server = hang_up(1, sent)
    store = make(server.url)

    with pytest.raises(StoreUnavailable) as caught:
        write(store, key)

    # Before a first create each needed command is asked for.
    assert server.commands[-1] == sent
    assert len(server.commands) == 1 or server.commands.count(sent) == 1
    assert "exceptions.ConnectionError" in str(caught.value.__cause__)
    store.close()


def test_a_connection_that_was_idle_for_a_minute_is_replaced(
    own_server: RedisServer, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall may have dropped it, without a word to either end."""
    store, now = RedisStore(own_server.url + "?client_name=idle"), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    store.load(key)
    used = connections_named(own_server, "idle")

    monkeypatch.setattr(time, "monotonic", lambda: now + 59)
    store.load(key)
    used_again = connections_named(own_server, "idle")
    monkeypatch.setattr(time, "monotonic", lambda: now + 120)
    store.load(key)

    replaced = connections_named(own_server, "idle")
    monkeypatch.undo()
    store.close()
    assert len(used) == len(replaced) == 1
    assert used_again == used
    assert replaced != used


def connections_named(server: RedisServer, name: str) -> list[str]:
    """The numbers of the connections with that client name."""
    return [client["id"] for client in server.ask("CLIENT LIST") if client["name"] == name]


@pytest.mark.parametrize("kind", ["one server", "Sentinel", "Cluster"])
def test_a_full_pool_is_waited_for(
    redis_server: RedisServer, redis_sentinel: RedisSentinel, redis_cluster: RedisCluster, kind: str
) -> None:
    urls = {"one server": redis_server.url, "Sentinel": redis_sentinel.url, "Cluster": redis_cluster.url}
    store = RedisStore(urls[kind] + "?max_connections=2", timeout=10)

    def work() -> None:
        for _ in range(20):
            key = secrets.token_urlsafe(32)
            version = store.create(key, b"payload", 60)
            assert store.load(key) == Entry(b"payload", version)

    together([work] * 8)

    store.close()


@pytest.mark.parametrize("package", [redis, valkey], ids=["redis", "valkey"])
def test_the_full_pool_of_a_client_is_waited_for(redis_server: RedisServer, package: Any) -> None:
    """By itself it raises at once."""
    pool = package.ConnectionPool.from_url(redis_server.url, max_connections=2)
    make_client = getattr(package, "Redis", None) or package.Valkey
    store = RedisStore(client=make_client(connection_pool=pool), timeout=10)

    def work() -> None:
        for _ in range(20):
            key = secrets.token_urlsafe(32)
            version = store.create(key, b"payload", 60)
            assert store.load(key) == Entry(b"payload", version)

    together([work] * 8)

    pool.disconnect()


def test_a_full_pool_is_waited_for_no_longer_than_the_timeout(own_server: RedisServer, key: str) -> None:
    store = RedisStore(own_server.url + "?max_connections=1", timeout=0.3)
    own_server.process.freeze()
    seconds: list[float] = []

    def load() -> None:
        with pytest.raises(StoreUnavailable):
            store.load(key)

    together([lambda: seconds.append(seconds_of(load))] * 4)
    own_server.process.thaw()

    assert len(seconds) == 4
    assert max(seconds) < 1
    assert store.load(key) is None
    store.close()


def test_close_closes_the_connections_of_the_process(own_server: RedisServer, key: str) -> None:
    store = RedisStore(own_server.url + "?client_name=closed")
    store.load(key)
    names = [own_server.ask("CLIENT LIST")]

    store.close()
    names.append(own_server.ask("CLIENT LIST"))

    assert ["closed" in f"{found}" for found in names] == [True, False]


# Clients that are injected


def redis_client(server: RedisServer, **options: Any) -> redis.Redis:
    return redis.Redis(port=server.port, **options)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="defaults"),
        pytest.param({"protocol": 2}, id="RESP2"),
        pytest.param({"protocol": 3}, id="RESP3"),
        pytest.param({"decode_responses": True}, id="decoding"),
        pytest.param({"single_connection_client": True}, id="single connection"),
        pytest.param({"health_check_interval": 1}, id="health checks"),
    ],
)
def test_a_client_of_ones_own_is_used_as_it_is(redis_server: RedisServer, key: str, options: dict[str, Any]) -> None:
    client = redis_client(redis_server, **options)
    store = RedisStore(client=client)
    payload = bytes(range(256))

    version = store.replace(key, payload, 60, store.create(key, b"", 60))
    entry = store.load(key)
    store.close()

    assert entry == Entry(payload, version)
    assert store.delete(key)
    assert client.ping()
    client.close()


def test_a_sentinel_speaks_tls(own_server: RedisServer, key: str) -> None:
    with a_tls_sentinel(own_server) as url:
        store = RedisStore(url, timeout=5)

        version = store.create(key, b"payload", 60)

        assert store.load(key) == Entry(b"payload", version)
        store.close()


def test_a_certificate_that_nobody_knows_is_refused(redis_server: RedisServer, key: str) -> None:
    url = redis_server.tls_url.partition("?")[0]

    with pytest.raises(StoreUnavailable):
        RedisStore(url, timeout=5).load(key)


def test_a_client_of_sentinel_is_used(redis_sentinel: RedisSentinel, key: str) -> None:
    sentinel = DRIVER.Sentinel([("127.0.0.1", redis_sentinel.port)], socket_timeout=5)
    client = sentinel.master_for("sessions")
    store = RedisStore(client=client)

    version = store.create(key, b"payload", 60)

    assert store.load(key) == Entry(b"payload", version)
    for asked in (client, *sentinel.sentinels):
        asked.close()


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="defaults"),
        pytest.param({"decode_responses": True}, id="decoding"),
        pytest.param({"load_balancing_strategy": LoadBalancingStrategy.RANDOM_REPLICA}, id="reading from replicas"),
    ],
)
def test_a_client_of_a_cluster_is_used(redis_cluster: RedisCluster, options: dict[str, Any]) -> None:
    client = redis.RedisCluster(host="127.0.0.1", port=next(iter(redis_cluster.processes)), **options)
    store = RedisStore(client=client)

    for key in (secrets.token_urlsafe(32) for _ in range(20)):
        version = store.replace(key, b"payload", 60, store.create(key, b"", 60))
        assert store.load(key) == Entry(b"payload", version)

    client.close()


@pytest.mark.parametrize("blocking", [False, True])
def test_a_client_of_valkey_is_used(redis_server: RedisServer, key: str, blocking: bool) -> None:
    pool = (valkey.BlockingConnectionPool if blocking else valkey.ConnectionPool)(port=redis_server.port)
    client = valkey.Valkey(connection_pool=pool)
    store = RedisStore(client=client)

    version = store.replace(key, b"payload", 60, store.create(key, b"", 60))

    assert store.load(key) == Entry(b"payload", version)
    with pytest.raises(AlreadyExists):
        store.create(key, b"", 60)
    pool.disconnect()


def test_a_client_of_a_cluster_of_valkey_is_used(redis_cluster: RedisCluster, key: str) -> None:
    cluster_class: Any = valkey.ValkeyCluster  # abstract by its annotations, in some of its versions
    client = cluster_class(host="127.0.0.1", port=next(iter(redis_cluster.processes)))
    store = RedisStore(client=client)

    version = store.replace(key, b"payload", 60, store.create(key, b"", 60))

    assert store.load(key) == Entry(b"payload", version)
    client.close()


@pytest.mark.parametrize(
    "client",
    [
        # By default it tries for seconds to connect, as it may: nothing is sent before.
        pytest.param(redis.Redis(port=1, retry=Retry(NoBackoff(), 1)), id="redis"),
        pytest.param(valkey.Valkey(port=1), id="valkey"),
    ],
)
def test_a_client_whose_server_is_away_is_unavailable(client: Any, key: str) -> None:
    store = RedisStore(client=client)

    with pytest.raises(StoreUnavailable):
        store.load(key)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(lambda: object(), "an object of the type object", id="stranger"),
        pytest.param(lambda: redis.ConnectionPool(), "an object of the type ConnectionPool", id="pool"),
        pytest.param(lambda: redis.asyncio.Redis(), "asynchronous", id="asynchronous"),
        pytest.param(lambda: REPLICAS, "for replicas", id="replicas"),
        pytest.param(lambda: redis.Redis(protocol=3, cache_config=redis.cache.CacheConfig()), "caches", id="caching"),
    ],
)
def test_a_client_that_cannot_serve_is_refused(make: Callable[[], Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        RedisStore(client=make())


@pytest.mark.parametrize("given", [{}, {"url": "redis://h", "client": object()}], ids=["neither", "both"])
def test_either_a_url_or_a_client_is_needed(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="either url"):
        RedisStore(**given)


def test_a_timeout_must_be_one() -> None:
    with pytest.raises(ConfigError, match="timeout: "):
        RedisStore("redis://h", timeout=0)


def test_without_the_driver_a_fault_names_the_extra() -> None:
    program = """
import sys
sys.modules["redis"] = None
import sessionware.stores
try:
    sessionware.stores.RedisStore("redis://h")
except sessionware.ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "pip install 'sessionware[redis]'" in done.stdout
