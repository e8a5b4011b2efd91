"""The suite of stores over memcached, in every way to reach it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymemcache.client.base import Client, PooledClient  # type: ignore[import-untyped]
from pymemcache.client.hash import HashClient  # type: ignore[import-untyped]
from support.servers.memcached import Memcached

from sessionware.stores import MemcachedStore
from sessionware.testing import FakeClock, StoreConformance


class MemcachedSuite(StoreConformance):
    """memcached removes by itself what has expired."""

    without = ("purge",)


class ClosesClients:
    """What is injected is closed by whoever has made it."""

    @pytest.fixture(autouse=True)
    def clients_of_this_test(self) -> Iterator[None]:
        self.clients: list[Any] = []
        yield
        for client in self.clients:
            client.close()

    def store_with(self, client: Any) -> MemcachedStore:
        self.clients.append(client)
        return MemcachedStore(client=client)


class TestOneServer(MemcachedSuite):
    @pytest.fixture(autouse=True)
    def server_of_this_class(self, memcached_server: Memcached) -> None:
        self.server = memcached_server

    def make_store(self, clock: FakeClock) -> MemcachedStore:
        return MemcachedStore(self.server.url)


class TestClient(ClosesClients, TestOneServer):
    def make_store(self, clock: FakeClock) -> MemcachedStore:
        return self.store_with(Client(self.server.address, timeout=30))


class TestPooledClient(ClosesClients, TestOneServer):
    def make_store(self, clock: FakeClock) -> MemcachedStore:
        return self.store_with(PooledClient(self.server.address, key_prefix=b"app:"))


class TestThreeServers(MemcachedSuite):
    @pytest.fixture(autouse=True)
    def servers_of_this_class(self, memcached_cluster: list[Memcached]) -> None:
        self.servers = memcached_cluster

    def make_store(self, clock: FakeClock) -> MemcachedStore:
        return MemcachedStore("memcached://" + ",".join(server.place for server in self.servers))


class TestHashClient(ClosesClients, TestThreeServers):
    def make_store(self, clock: FakeClock) -> MemcachedStore:
        return self.store_with(HashClient([server.address for server in self.servers]))


class TestUnixSocket(MemcachedSuite):
    @pytest.fixture(autouse=True)
    def server_of_this_class(self, memcached_on_socket: Memcached) -> None:
        self.server = memcached_on_socket

    def make_store(self, clock: FakeClock) -> MemcachedStore:
        return MemcachedStore(self.server.url)
