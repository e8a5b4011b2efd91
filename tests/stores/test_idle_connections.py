"""Connections that were idle, and that a firewall has dropped without a word to either end."""

from __future__ import annotations

import os
import secrets
import socket
import time
from urllib.parse import urlsplit

import pytest
from production.connections import connections_of
from support.elapsed import seconds_of
from support.places import in_places, url_of
from support.silent_proxy import silent_proxy

from sessionware.stores import MemcachedStore, RedisStore, SQLAlchemyStore, StoreUnavailable

on_servers = in_places("redis", "memcached", "postgresql", "mariadb")
Stores = RedisStore | MemcachedStore | SQLAlchemyStore
_TIMEOUT_SECONDS = 1.0


def store_at(place: str, url: str) -> Stores:
    makers: dict[str, type[Stores]] = {"redis": RedisStore, "memcached": MemcachedStore}
    return makers.get(place, SQLAlchemyStore)(url, timeout=_TIMEOUT_SECONDS)


@on_servers
def test_a_connection_that_was_dropped_in_a_quiet_minute_costs_no_request(
    place: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    url = url_of(place, tmp_path, request)  # type: ignore[arg-type]
    port, key = urlsplit(url).port or 0, secrets.token_urlsafe(32)
    with silent_proxy(port) as proxy:
        store = store_at(place, url.replace(f":{port}", f":{proxy.port}"))
        version = store.create(key, b"payload", 600)
        monotonic = time.monotonic

        proxy.drop()
        monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 61)
        entries: list[object] = []
        replaced: list[object] = []
        seconds = seconds_of(lambda: replaced.append(store.replace(key, b"changed", 600, version)))
        seconds += seconds_of(lambda: entries.append(store.load(key)))

        monkeypatch.undo()
        assert entries == [(b"changed", *replaced)]
        assert seconds < _TIMEOUT_SECONDS
        store.close()


@on_servers
def test_a_connection_that_is_dropped_in_use_costs_one_timeout(
    place: str, request: pytest.FixtureRequest, tmp_path: object
) -> None:
    """The proxy does what its name says: without the minute there is no answer."""
    url = url_of(place, tmp_path, request)  # type: ignore[arg-type]
    port, key = urlsplit(url).port or 0, secrets.token_urlsafe(32)
    with silent_proxy(port) as proxy:
        store = store_at(place, url.replace(f":{port}", f":{proxy.port}"))
        store.create(key, b"payload", 600)

        proxy.drop()
        with pytest.raises(StoreUnavailable, match=f"{proxy.port}.*: load failed: "):
            store.load(key)
        entry = store.load(key)

        assert entry is not None
        assert entry.payload == b"payload"
        store.close()


@on_servers
def test_idle_connections_are_probed_before_a_pool_would_end_them(
    place: str, request: pytest.FixtureRequest, tmp_path: object
) -> None:
    url = url_of(place, tmp_path, request)  # type: ignore[arg-type]
    port = urlsplit(url).port or 0
    with silent_proxy(port) as proxy:
        store = store_at(place, url.replace(f":{port}", f":{proxy.port}"))
        store.load(secrets.token_urlsafe(32))
        settings = [keepalive_of(descriptor) for descriptor in connections_of(os.getpid(), proxy.port).values()]
        store.close()

    assert settings
    assert all(is_on and idle + interval * count < 60 for is_on, idle, interval, count in settings)


def keepalive_of(descriptor: int) -> tuple[int, ...]:
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE)]
    options += [(socket.IPPROTO_TCP, name) for name in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)]
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        return tuple(connection.getsockopt(*option) for option in options)
