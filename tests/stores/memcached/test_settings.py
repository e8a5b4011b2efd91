"""URLs, options and injected clients."""

from __future__ import annotations

import socket
import sys
import time
from typing import Any

import pytest
from pymemcache.client.base import Client, PooledClient  # type: ignore[import-untyped]
from pymemcache.client.hash import HashClient  # type: ignore[import-untyped]
from pymemcache.client.retrying import RetryingClient  # type: ignore[import-untyped]
from pymemcache.serde import compressed_serde, pickle_serde  # type: ignore[import-untyped]
from support.servers.memcached import Memcached

from sessionware.exceptions import ConfigError
from sessionware.stores import MemcachedStore
from sessionware.stores.memcached.url import addresses_in

PLACE = ("127.0.0.1", 11211)


@pytest.mark.parametrize(
    ("url", "addresses"),
    [
        pytest.param("memcached://h", [("h", 11211)], id="host"),
        pytest.param("Memcached://h/", [("h", 11211)], id="with a slash"),
        pytest.param("memcached://h1,h2:11212", [("h1", 11211), ("h2", 11212)], id="two"),
        pytest.param("memcached://[::1],[fe80::1]:11212", [("::1", 11211), ("fe80::1", 11212)], id="IPv6"),
        pytest.param("memcached:///run/a%20b.sock", ["/run/a b.sock"], id="unix socket"),
    ],
)
def test_a_url_names_servers(url: str, addresses: list[object]) -> None:
    assert list(addresses_in(url).values()) == addresses


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("redis://h", id="another scheme"),
        pytest.param("h:11211", id="no scheme"),
        pytest.param("memcached://", id="nothing"),
        pytest.param("memcached:///", id="the root"),
        pytest.param("memcached://h,", id="an empty name"),
        pytest.param("memcached://:11211", id="only a port"),
        pytest.param("memcached://h:x", id="a port of letters"),
        pytest.param("memcached://h:0", id="port 0"),
        pytest.param("memcached://h:65536", id="a port too high"),
        pytest.param("memcached://::1", id="IPv6 without brackets"),
        pytest.param("memcached://h/0", id="a database"),
        pytest.param("memcached://h1,h1:11211", id="one twice"),
        pytest.param("memcached://user:hunter2@h", id="credentials"),
        pytest.param("memcached://h?timeout=1s", id="a query"),
        pytest.param("memcached://h#f", id="a fragment"),
    ],
)
def test_a_url_that_names_no_servers_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        MemcachedStore(url)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("given", [{}, {"url": "memcached://h", "client": Client(PLACE)}], ids=["neither", "both"])
def test_it_takes_either_a_url_or_a_client(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="either url"):
        MemcachedStore(**given)


@pytest.mark.parametrize("prefix", ["", "my sessions:", "s\r\nset x", "schlüssel:", "\x00", "x" * 208])
def test_a_prefix_that_memcached_does_not_take_is_refused(prefix: str) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        MemcachedStore("memcached://h", prefix=prefix)


def test_the_prefix_of_a_client_counts_to_the_length() -> None:
    client = Client(PLACE, key_prefix=b"x" * 200)

    with pytest.raises(ConfigError, match="250 bytes"):
        MemcachedStore(client=client)


def test_the_longest_prefix_works(memcached_server: Memcached) -> None:
    store = MemcachedStore(memcached_server.url, prefix="x" * 207)

    version = store.create("k" * 43, b"payload", 60)

    assert store.load("k" * 43) == (b"payload", version)
    assert store.delete("k" * 43)
    store.close()


@pytest.mark.parametrize("timeout", [0, -1, "soon"])
def test_a_timeout_that_is_none_is_refused(timeout: Any) -> None:
    with pytest.raises(ConfigError, match="timeout"):
        MemcachedStore("memcached://h", timeout=timeout)


def test_nothing_is_opened_before_the_first_use() -> None:
    MemcachedStore("memcached://no.such.host.example").close()


@pytest.mark.parametrize(
    ("client", "cure"),
    [
        pytest.param(Client(PLACE, ignore_exc=True), "ignore_exc=False", id="Client ignore_exc"),
        pytest.param(PooledClient(PLACE, ignore_exc=True), "ignore_exc=False", id="PooledClient ignore_exc"),
        pytest.param(HashClient([PLACE], ignore_exc=True), "ignore_exc=False", id="HashClient ignore_exc"),
        pytest.param(Client(PLACE, serde=pickle_serde), "without serde", id="pickle"),
        pytest.param(PooledClient(PLACE, serde=compressed_serde), "without serde", id="compression"),
        pytest.param(HashClient([PLACE], serde=pickle_serde), "without serde", id="HashClient pickle"),
        pytest.param(Client(PLACE, serializer=lambda key, value: (value, 1)), "without serde", id="serializer"),
        pytest.param(Client(PLACE, deserializer=lambda key, value, flags: value), "without serde", id="deserializer"),
        pytest.param(HashClient([]), "no servers", id="no servers"),
        pytest.param(RetryingClient(Client(PLACE)), "twice", id="RetryingClient"),
        pytest.param("memcached://h", "Client, PooledClient or HashClient", id="text"),
    ],
)
def test_a_client_that_would_break_the_contract_is_refused_with_the_cure(client: Any, cure: str) -> None:
    with pytest.raises(ConfigError, match=f"client: .*{cure}"):
        MemcachedStore(client=client)


def test_a_client_that_asks_for_no_replies_is_made_to_get_them(memcached_server: Memcached) -> None:
    client = Client(memcached_server.address, default_noreply=True)
    store = MemcachedStore(client=client)

    store.create("n" * 43, b"payload", 60)

    assert (store.delete("n" * 43), store.delete("n" * 43)) == (True, False)
    client.close()


def test_an_injected_client_is_not_closed(memcached_server: Memcached) -> None:
    client = Client(memcached_server.address)
    store = MemcachedStore(client=client)
    store.load("n" * 43)

    store.close()

    assert client.sock is not None
    client.close()


def test_a_hash_client_with_the_same_servers_finds_the_same_keys(memcached_cluster: list[Memcached]) -> None:
    client = HashClient([server.address for server in memcached_cluster], use_pooling=True)
    by_url = MemcachedStore("memcached://" + ",".join(server.place for server in reversed(memcached_cluster)))
    by_client = MemcachedStore(client=client)
    keys = [f"{number:043}" for number in range(30)]

    versions = [by_url.create(key, b"payload", 60) for key in keys]

    assert [by_client.load(key) for key in keys] == [(b"payload", version) for version in versions]
    assert None not in [client.get(f"sessionware:{key}") for key in keys]
    for key in keys:
        by_client.delete(key)
    by_url.close()
    client.close()


@pytest.mark.skipif(sys.platform != "linux", reason="pymemcache knows keepalive on Linux only")
def test_connections_are_kept_alive_and_a_unix_socket_needs_nothing_of_it(
    memcached_server: Memcached, memcached_on_socket: Memcached, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes: list[int] = []
    connect = socket.socket.connect

    def look(sock: socket.socket, address: Any) -> None:
        probes.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", look)
    for server in (memcached_server, memcached_on_socket):
        store = MemcachedStore(server.url)
        store.load("n" * 43)
        store.close()

    assert probes == [1, 0]


def test_a_connection_that_was_idle_for_a_minute_is_not_trusted(
    memcached_server: Memcached, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemcachedStore(memcached_server.url)
    store.load("n" * 43)
    opened: list[object] = []
    connect = socket.socket.connect

    def count(sock: socket.socket, address: Any) -> None:
        opened.append(address)
        connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", count)
    store.load("n" * 43)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    store.load("n" * 43)

    assert opened == [memcached_server.address]
    store.close()


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymemcache.client", None)

    with pytest.raises(ConfigError, match=r"pip install 'sessionware\[memcached\]'"):
        MemcachedStore("memcached://h")


def test_no_repr_shows_anything() -> None:
    assert "hunter2" not in repr(MemcachedStore("memcached://hunter2", prefix="hunter2"))
