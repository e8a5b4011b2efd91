"""Key/value objects of other packages over a Redis server."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import cachelib
import minimalkv.memory.redisstore
import pytest
import redis
import redis.backoff
import redis.retry
import simplekv.decorator  # type: ignore[import-untyped]
import simplekv.memory.redisstore  # type: ignore[import-untyped]
from support.servers.redis import RedisServer

from sessionware.exceptions import StoreUnavailable
from sessionware.stores import KeyValueStore
from sessionware.testing import FakeClock, StoreConformance
from sessionware.testing.conformance.fixtures import new_key

#: simplekv and minimalkv use a command that redis-py would like to be without.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated p?setex:DeprecationWarning")

PREFIX = "sessionware-"
DAY = 86400
MAKERS: dict[str, Callable[[Any], Any]] = {
    "simplekv": simplekv.memory.redisstore.RedisStore,
    "minimalkv": minimalkv.memory.redisstore.RedisStore,
    "cachelib": cachelib.RedisCache,
}
every_package = pytest.mark.parametrize("package", list(MAKERS))


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Any]:
    with redis.Redis(host="127.0.0.1", port=redis_server.port, socket_timeout=5) as client:
        client.flushdb()
        yield client


class RedisSuite(StoreConformance):
    """``processes`` is what an object without compare-and-swap lacks."""

    without: ClassVar[tuple[str, ...]] = ("close", "processes", "purge")
    package: ClassVar[str]

    @pytest.fixture(autouse=True)
    def client_of_this_test(self, client: Any) -> None:
        self.obj = MAKERS[self.package](client)

    def make_store(self, clock: FakeClock) -> KeyValueStore:
        return KeyValueStore(self.obj, clock=clock)


class TestSimpleKV(RedisSuite):
    package = "simplekv"


class TestMinimalKV(RedisSuite):
    package = "minimalkv"


class TestCacheLib(RedisSuite):
    package = "cachelib"


def seconds_left(client: Any, key: str) -> int:
    """The seconds that the server will still keep it, 0 for one that is gone, -1 for no end."""
    seconds: int = client.ttl(PREFIX + key)
    return 0 if seconds == -2 else seconds


@every_package
@pytest.mark.parametrize(
    ("ttl", "left"),
    [
        pytest.param(60, 60, id="a minute"),
        pytest.param(0.001, 1, id="a millisecond"),
        pytest.param(90.2, 91, id="a fraction"),
        pytest.param(400 * DAY, 400 * DAY, id="more than a month"),
        pytest.param(None, -1, id="no end"),
    ],
)
def test_the_server_is_told_how_long_an_entry_lasts(client: Any, package: str, ttl: float | None, left: int) -> None:
    store, key, other = KeyValueStore(MAKERS[package](client)), new_key(), new_key()

    began = time.monotonic()
    store.create(key, b"payload", ttl)
    after_create = seconds_left(client, key)
    store.replace(other, b"payload", ttl, store.create(other, b"payload", 60))
    after_replace = seconds_left(client, other)
    late = time.monotonic() - began

    assert left - 1 - late <= after_create <= left
    assert left - 1 - late <= after_replace <= left


@every_package
def test_a_replace_that_has_no_end_takes_the_former_end_away(client: Any, package: str) -> None:
    store, key = KeyValueStore(MAKERS[package](client)), new_key()

    store.replace(key, b"payload", None, store.create(key, b"payload", 60))

    assert client.ttl(PREFIX + key) == -1


@pytest.mark.parametrize("package", ["simplekv", "minimalkv"])
def test_purge_removes_what_was_stored_without_an_end_on_the_server(client: Any, package: str) -> None:
    clock = FakeClock()
    store = KeyValueStore(MAKERS[package](client), clock=clock)
    alive, ended = new_key(), new_key()
    store.create(alive, b"payload", 61)
    store.create(ended, b"payload", 60)
    client.set("theirs", "kept")
    client.persist(PREFIX + ended)
    clock.advance(60)

    count = store.purge()

    assert count == 1
    assert sorted(client.keys()) == [f"{PREFIX}{alive}".encode(), b"theirs"]


def test_a_prefix_of_a_decorator_stands_before_ours(client: Any) -> None:
    obj = simplekv.decorator.PrefixDecorator("app-", MAKERS["simplekv"](client))
    store, key = KeyValueStore(obj), new_key()

    version = store.create(key, b"payload", 60)

    assert store.load(key) == (b"payload", version)
    assert client.keys() == [f"app-{PREFIX}{key}".encode()]
    assert 59 <= client.ttl(f"app-{PREFIX}{key}") <= 60


@every_package
def test_a_server_that_is_down_is_unavailable(package: str) -> None:
    retry = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    with redis.Redis(host="127.0.0.1", port=1, retry=retry) as client:
        store, key = KeyValueStore(MAKERS[package](client)), new_key()

        calls: list[Callable[[], object]] = [
            lambda: store.load(key),
            lambda: store.create(key, b"payload", 60),
            lambda: store.replace(key, b"payload", 60, b"version"),
            lambda: store.delete(key),
        ]
        for call in calls:
            with pytest.raises(StoreUnavailable) as caught:
                call()
            assert key not in repr(caught.value.__cause__)
