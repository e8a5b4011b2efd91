"""The contract of a store, over every way to Redis."""

from __future__ import annotations

import pytest
from support.servers.redis import RedisCluster, RedisSentinel, RedisServer

from sessionware.stores.redis.store import RedisStore
from sessionware.testing import FakeClock, StoreConformance


class RedisConformance(StoreConformance):
    #: Redis removes what has expired.
    without = ("purge",)
    url: str

    def make_store(self, clock: FakeClock) -> RedisStore:
        return RedisStore(self.url, timeout=5)


class TestOneServer(RedisConformance):
    @pytest.fixture(autouse=True)
    def server(self, redis_server: RedisServer) -> None:
        self.url = redis_server.url


class TestTLS(RedisConformance):
    @pytest.fixture(autouse=True)
    def server(self, redis_server: RedisServer) -> None:
        self.url = redis_server.tls_url


class TestUnixSocketAndUserOfFewRights(RedisConformance):
    @pytest.fixture(autouse=True)
    def server(self, redis_server: RedisServer) -> None:
        self.url = redis_server.socket_url


class TestSentinel(RedisConformance):
    @pytest.fixture(autouse=True)
    def server(self, redis_sentinel: RedisSentinel) -> None:
        self.url = redis_sentinel.url


class TestCluster(RedisConformance):
    @pytest.fixture(autouse=True)
    def server(self, redis_cluster: RedisCluster) -> None:
        self.url = redis_cluster.url
