"""What lies in memcached, for how long, and what a version is worth."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable

import pytest
from pymemcache.client.base import Client  # type: ignore[import-untyped]
from support.servers.memcached import Memcached, memcached

from sessionware.exceptions import AlreadyExists, ConfigError, Conflict, Gone, RecordTooLarge, StoreUnavailable
from sessionware.stores import MemcachedStore
from sessionware.stores.contract import Entry
from sessionware.testing.conformance.fixtures import new_key

DAY = 86400
MEGABYTE = 2**20


def count(server: Memcached, name: str) -> int:
    with_stats = server.client()
    value = with_stats.stats()[name.encode()]
    with_stats.close()
    return int(value)


def seconds_left(server: Memcached, name: str) -> int:
    """The seconds that the server will still keep it, -1 for no end, by its own protocol for administrators."""
    client = server.client()
    answer = client.raw_command(f"mg {name} t")
    client.close()
    return int(answer.removeprefix(b"HD t"))


def seconds_behind(server: Memcached) -> int:
    """How far the server's clock is behind at most: it tells whole seconds, and later ones when it is busy."""
    client = server.client()
    its_time = int(client.stats()[b"time"])
    client.close()
    return max(0, math.ceil(time.time()) - its_time)


def trips(server: Memcached, call: Callable[[], object]) -> int:
    """How many commands the server has seen because of *call*."""
    names = ("cmd_get", "cmd_set", "delete_hits", "delete_misses")
    before = [count(server, name) for name in names]
    call()
    return sum(count(server, name) for name in names) - sum(before)


@pytest.mark.parametrize(
    ("ttl", "least", "most"),
    [
        pytest.param(0.001, 1, 2, id="a millisecond"),
        pytest.param(0, 0, 1, id="nothing"),
        pytest.param(-5, 0, 1, id="less than nothing"),
        pytest.param(90.5, 91, 92, id="fraction"),
        pytest.param(30 * DAY - 1, 30 * DAY - 1, 30 * DAY, id="just below thirty days"),
        pytest.param(30 * DAY, 30 * DAY - 1, 30 * DAY + 2, id="thirty days"),
        pytest.param(31 * DAY, 31 * DAY - 1, 31 * DAY + 2, id="more than thirty days"),
        pytest.param(400 * DAY, 400 * DAY - 1, 400 * DAY + 2, id="more than a year"),
        pytest.param(None, -1, -1, id="no end"),
        pytest.param(100 * 365 * DAY, -1, -1, id="longer than it can be told"),
    ],
)
@pytest.mark.parametrize("write", ["create", "replace"])
def test_the_server_keeps_an_entry_as_long_as_it_lasts(
    memcached_server: Memcached, write: str, ttl: float | None, least: int, most: int
) -> None:
    store, key = MemcachedStore(memcached_server.url), new_key()
    version = store.create(key, b"payload", ttl if write == "create" else 60)

    if write == "replace":
        store.replace(key, b"payload", ttl, version)

    late = seconds_behind(memcached_server)
    assert least <= seconds_left(memcached_server, f"sessionware:{key}") <= most + late
    store.close()


def test_what_is_past_its_end_is_gone(memcached_server: Memcached) -> None:
    store, key = MemcachedStore(memcached_server.url), new_key()
    version = store.create(key, b"payload", 0)
    deadline = time.monotonic() + 60

    while store.load(key) is not None:
        assert time.monotonic() < deadline

    with pytest.raises(Gone):
        store.replace(key, b"payload", 60, version)
    store.close()


def test_a_load_and_the_save_after_it_are_one_round_trip_each(memcached_server: Memcached) -> None:
    store, key = MemcachedStore(memcached_server.url), new_key()
    store.create(key, b"payload", 60)

    def load_and_save() -> None:
        entry = store.load(key)
        assert entry is not None
        store.replace(key, b"changed", 60, entry.version)

    assert trips(memcached_server, load_and_save) == 2
    store.close()


def test_a_conflict_and_an_end_are_seen_in_one_round_trip_as_well(memcached_server: Memcached) -> None:
    store, key = MemcachedStore(memcached_server.url), new_key()
    version = store.create(key, b"payload", 60)
    entry = store.load(key)
    assert entry is not None
    store.replace(key, b"changed", 60, version)

    with pytest.raises(Conflict):
        store.replace(key, b"late", 60, entry.version)
    store.delete(key)
    with pytest.raises(Gone):
        store.replace(key, b"late", 60, entry.version)
    store.close()


def with_the_next_unique(server: Memcached, unique: bytes) -> None:
    """Write until the server's next number is *unique*."""
    client = server.client()
    while True:
        client.set("counter", b"", noreply=False)
        if int(client.gets("counter")[1]) == int(unique) - 1:
            break
    client.close()


def test_a_number_that_comes_back_after_a_restart_replaces_nothing(own_memcached: Memcached) -> None:
    store, key = MemcachedStore(own_memcached.url), new_key()
    busy = own_memcached.client()
    for _ in range(20):
        busy.set("counter", b"", noreply=False)
    busy.close()
    store.create(key, b"of the former life", 60)
    entry = store.load(key)
    assert entry is not None
    client = own_memcached.client()
    unique = client.gets(f"sessionware:{key}")[1]
    client.close()

    own_memcached.kill()
    own_memcached.start()
    with_the_next_unique(own_memcached, unique)
    store.create(key, b"of this life", 60)
    client = own_memcached.client()
    came_back = client.gets(f"sessionware:{key}")[1] == unique
    client.close()

    assert came_back
    with pytest.raises(Conflict):
        store.replace(key, b"late", 60, entry.version)
    store.close()


def test_a_server_that_was_started_again_costs_no_failure(own_memcached: Memcached) -> None:
    store, key = MemcachedStore(own_memcached.url), new_key()
    store.create(key, b"payload", 60)

    own_memcached.kill()
    own_memcached.start()

    assert store.load(key) is None
    assert store.create(key, b"payload", 60)
    store.close()


def test_a_record_above_the_size_of_an_item_is_too_large_and_changes_nothing(memcached_server: Memcached) -> None:
    store, key, other = MemcachedStore(memcached_server.url), new_key(), new_key()
    version = store.create(key, b"payload", 60)

    with pytest.raises(RecordTooLarge) as caught:
        store.replace(key, bytes(MEGABYTE), 60, version)
    with pytest.raises(RecordTooLarge):
        store.create(other, bytes(MEGABYTE), 60)

    assert caught.value.largest == ()
    assert store.load(key) == Entry(b"payload", version)
    assert store.load(other) is None
    store.close()


def test_a_server_that_is_full_evicts_and_takes_the_record(own_memcached: Memcached) -> None:
    store, first = MemcachedStore(own_memcached.url), new_key()
    store.create(first, bytes(100_000), 60)

    for _ in range(400):
        store.create(new_key(), bytes(100_000), 60)

    assert count(own_memcached, "evictions") > 0
    assert store.load(first) is None
    store.close()


def fill(store: MemcachedStore) -> None:
    for _ in range(2000):
        store.create(new_key(), bytes(10_000), 60)


def test_a_server_without_memory_is_unavailable() -> None:
    with memcached("-M", "-m", "2") as server:
        store = MemcachedStore(server.url)

        with pytest.raises(StoreUnavailable) as caught:
            fill(store)

        assert "out of memory" in str(caught.value.__cause__)
        store.close()


def test_a_server_without_compare_and_swap_is_refused_before_it_keeps_a_session() -> None:
    with memcached("-C") as server:
        store, key = MemcachedStore(server.url), new_key()
        for _ in range(2):
            with pytest.raises(ConfigError, match="-C"):
                store.create(key, b"payload", 60)
        assert store.load(key) is None
        with contextlib.closing(server.client()) as client:
            client.add(f"sessionware:{key}", b"16 bytes of this", noreply=False)
        with pytest.raises(ConfigError, match="-C"):
            store.load(key)
        with pytest.raises(ConfigError, match="-C"):
            store.replace(key, b"payload", 60, b"16 bytes of this")

        store.close()


def test_keys_begin_with_the_prefix_and_those_of_others_are_not_seen(memcached_server: Memcached) -> None:
    key = new_key()
    ours, theirs = (MemcachedStore(memcached_server.url, prefix=prefix) for prefix in ("ours:", "theirs:"))
    ours.create(key, b"payload", 60)

    client = memcached_server.client()
    found = client.get(f"ours:{key}")
    client.close()

    assert found.endswith(b"payload")
    assert theirs.load(key) is None
    ours.close()
    theirs.close()


def test_a_payload_in_memcached_has_the_version_before_it_and_nothing_more(memcached_server: Memcached) -> None:
    store, key = MemcachedStore(memcached_server.url), new_key()
    version = store.create(key, b"payload", 60)

    client = memcached_server.client()
    found = client.get(f"sessionware:{key}")
    client.close()

    assert isinstance(version, bytes)
    assert found == version + b"payload"
    store.close()


@pytest.mark.parametrize("value", [pytest.param(b"", id="empty"), pytest.param(b"short", id="short")])
def test_what_somebody_else_put_under_a_key_can_be_replaced(memcached_server: Memcached, value: bytes) -> None:
    store, key = MemcachedStore(memcached_server.url), new_key()
    client = Client(memcached_server.address)
    client.set(f"sessionware:{key}", value, noreply=False)
    client.close()

    with pytest.raises(AlreadyExists):
        store.create(key, b"payload", 60)
    entry = store.load(key)
    assert entry is not None
    store.replace(key, b"payload", 60, entry.version)

    changed = store.load(key)
    assert changed is not None
    assert changed.payload == b"payload"
    store.close()
