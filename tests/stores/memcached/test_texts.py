"""What the text of a failure says: which server, which step, and the words of the system or of memcached."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pymemcache.client.base import Client, PooledClient  # type: ignore[import-untyped]
from pymemcache.client.hash import HashClient  # type: ignore[import-untyped]
from support.frames import failures_show_nothing
from support.servers.memcached import Memcached, memcached

from sessionware.exceptions import StoreUnavailable
from sessionware.stores import MemcachedStore

TIMEOUT = 0.4
KEY = "k" * 43
REFUSED = "connect failed: ConnectionRefusedError: [Errno 111] Connection refused"


def text_of(store: MemcachedStore, call: Callable[[MemcachedStore], object] = lambda store: store.load(KEY)) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        call(store)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        pytest.param("memcached://127.0.0.1:1", f"memcached at 127.0.0.1:1: {REFUSED}", id="no server"),
        pytest.param("memcached://[::1]:1", "memcached at [::1]:1: connect failed: ", id="IPv6"),
        pytest.param(
            "memcached:///nowhere/memcached.sock",
            "memcached at /nowhere/memcached.sock: connect failed: FileNotFoundError: [Errno 2] No such file or "
            "directory",
            id="unix socket",
        ),
        pytest.param(
            "memcached://nowhere.invalid",
            "memcached at nowhere.invalid:11211: connect failed: socket.gaierror: ",
            id="unknown host",
        ),
    ],
)
def test_what_cannot_be_reached_is_named(url: str, text: str) -> None:
    assert text_of(MemcachedStore(url, timeout=TIMEOUT)).startswith(text)


def test_of_several_servers_the_one_that_fails_is_named(memcached_server: Memcached) -> None:
    store = MemcachedStore(f"memcached://{memcached_server.place},127.0.0.1:1")
    told = set()

    for _ in range(40):
        try:
            store.load(secrets.token_urlsafe(32))
        except StoreUnavailable as failure:
            told.add(str(failure))

    store.close()
    assert told == {f"memcached at 127.0.0.1:1: {REFUSED}"}


@pytest.mark.parametrize(
    ("step", "call"),
    [
        ("load", lambda store: store.load(KEY)),
        ("create", lambda store: store.create(KEY, b"payload", 60)),
        ("replace", lambda store: store.replace(KEY, b"payload", 60, b"v" * 16)),
        ("delete", lambda store: store.delete(KEY)),
    ],
)
def test_the_step_at_which_a_server_hangs_is_told(
    own_memcached: Memcached, step: str, call: Callable[[MemcachedStore], object]
) -> None:
    store = MemcachedStore(own_memcached.url, timeout=TIMEOUT)
    store.load(KEY)
    own_memcached.freeze()

    told = text_of(store, call)
    own_memcached.thaw()
    store.close()

    assert told == f"memcached at {own_memcached.place}: {step} failed: TimeoutError: timed out"


def test_what_memcached_says_is_told() -> None:
    with memcached("-M", "-m", "2") as server:
        store = MemcachedStore(server.url)

        def fill(store: MemcachedStore) -> None:
            for _ in range(2000):
                store.create(secrets.token_urlsafe(32), bytes(10_000), 600)

        told = text_of(store, fill)
        store.close()

    assert told == (
        f"memcached at {server.place}: create failed: pymemcache.exceptions.MemcacheServerError: "
        "out of memory storing object"
    )


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Client(("127.0.0.1", 1)), id="Client"),
        pytest.param(lambda: PooledClient(("127.0.0.1", 1)), id="PooledClient"),
        pytest.param(lambda: HashClient([("127.0.0.1", 1)]), id="HashClient"),
        pytest.param(lambda: HashClient([("127.0.0.1", 1)], use_pooling=True), id="HashClient with pools"),
    ],
)
def test_the_server_of_a_client_is_named(make: Callable[[], Any]) -> None:
    assert text_of(MemcachedStore(client=make())) == f"memcached at 127.0.0.1:1: {REFUSED}"


@pytest.mark.parametrize("uses_hashing", [False, True], ids=["PooledClient", "HashClient"])
def test_the_full_pool_of_a_client_is_waited_for(memcached_server: Memcached, uses_hashing: bool) -> None:
    """By itself it raises at once."""
    options = {"max_pool_size": 2, "timeout": 10, "connect_timeout": 10}
    address = memcached_server.address
    client = HashClient([address], use_pooling=True, **options) if uses_hashing else PooledClient(address, **options)
    store = MemcachedStore(client=client)

    def work(_: int) -> None:
        for _ in range(20):
            key = secrets.token_urlsafe(32)
            version = store.create(key, b"payload", 60)
            assert store.load(key) == (b"payload", version)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))

    client.close()


def test_the_full_pool_of_a_client_is_waited_for_no_longer_than_its_timeout(own_memcached: Memcached) -> None:
    client = PooledClient(own_memcached.address, max_pool_size=1, timeout=TIMEOUT, connect_timeout=TIMEOUT)
    store = MemcachedStore(client=client)
    lent = client.client_pool.get()

    told = text_of(store)

    client.client_pool.release(lent)
    words = "TimeoutError: all connections were in use for 0.4 seconds"
    assert told == f"memcached at {own_memcached.place}: load failed: {words}"
    assert store.load(KEY) is None
    client.close()


def test_no_frame_of_a_failure_has_a_key_or_a_payload(own_memcached: Memcached) -> None:
    """A crash report shows the locals of every frame of the traceback, and of what is chained to it."""
    store = MemcachedStore(own_memcached.url, timeout=TIMEOUT)
    own_memcached.kill()
    key = secrets.token_urlsafe(32)
    assert failures_show_nothing(store, key)
