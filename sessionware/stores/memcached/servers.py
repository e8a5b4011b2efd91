"""Lends connections to the memcached server that a key belongs to."""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import select
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from sessionware.exceptions import ConfigError
from sessionware.stores.memcached.url import Address, addresses_in

_REMEMBERED_KEYS = 4096

_Answer = TypeVar("_Answer")
#: What is asked of a client of pymemcache; the second argument is when its connection was opened.
Question = Callable[[Any, float], _Answer]


class Pool(Protocol):
    """Clients of one server, each lent to one caller at a time; an ``ObjectPool`` of pymemcache is one."""

    @property
    def free(self) -> Iterable[Any]:
        """Those that nobody is using."""
        ...

    def get(self) -> Any:
        """Borrow one."""
        ...

    def release(self, client: Any) -> None:
        """Give it back."""
        ...

    def destroy(self, client: Any) -> None:
        """Give it back with its connection closed, for nobody knows what would be read from it."""
        ...


class Servers:
    """The servers of one store, the same for all of its life.

    A key stays with its server, and waits for it while it is down. Moved to another server, as HashClient does it,
    a session would seem to have ended, and what was ended or changed there would be undone when the first comes back.
    """

    def __init__(self, make_pools: Callable[[], Mapping[str, Pool]], node_of: Callable[[str], str]) -> None:
        self._make_pools = make_pools
        self._node_of = node_of
        self._connections: _Connections | None = None
        self._beginnings: dict[int, threading.Lock] = {}

    def ask(self, key: str, question: Question[_Answer]) -> _Answer:
        """What *question* finds out at the server of *key*; it is asked once. Raises whatever the driver raises."""
        connections = self._current()
        pool = connections.pools[self._node_of(key)]
        client = pool.get()
        try:
            answer = question(client, connections.opened_at(client))
        except BaseException:
            # pymemcache itself closes after an Exception only; a gevent.Timeout is none, and would leave an answer
            # on the way for whoever asks next.
            pool.destroy(client)
            raise
        pool.release(client)
        return answer

    def close(self) -> None:
        """Close the connections of this process that are not in use; those of an injected client stay as they are."""
        for pool in self._current().pools.values():
            if isinstance(pool, _OwnPool):
                pool.close()

    def _current(self) -> _Connections:
        connections = self._connections
        if connections is None or connections.process != os.getpid():
            return self._begin()
        return connections

    def _begin(self) -> _Connections:
        """Start afresh in this process, once. The lock is made here, when gevent has patched its class, or not."""
        process = os.getpid()
        with self._beginnings.setdefault(process, threading.Lock()):
            connections = self._connections
            if connections is None or connections.process != process:
                if connections is not None:  # pragma: no cover - runs in children
                    connections.leave_to_parent()
                self._connections = connections = _Connections(process, self._make_pools())
        return connections


class _Connections:
    """What one process has open."""

    def __init__(self, process: int, pools: Mapping[str, Pool]) -> None:
        self.process = process
        self.pools = pools
        self._opened_at: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()

    def opened_at(self, client: Any) -> float:
        """When the connection of *client* was opened, by the monotonic clock; not before, at any rate.

        One that the server has closed meanwhile is opened anew, before anything is sent: that is no second try.
        """
        if client.sock is not None and _is_over(client.sock):
            client.close()
        if client.sock is None:
            client.version()
        opened_at = self._opened_at.get(client.sock)
        return self._opened_at.setdefault(client.sock, time.monotonic()) if opened_at is None else opened_at

    def leave_to_parent(self) -> None:  # pragma: no cover - runs in children
        """Close this process's copies of the sockets; the parent's connections live on."""
        for pool in self.pools.values():
            for client in (*pool.free, *getattr(pool, "used", ())):
                client.close()


class _OwnPool:
    """As many clients as there are callers at once. Both methods of a deque are atomic."""

    def __init__(self, make_client: Callable[[], Any]) -> None:
        self._make_client = make_client
        self.free: deque[Any] = deque()

    def get(self) -> Any:
        try:
            return self.free.pop()
        except IndexError:
            return self._make_client()

    def release(self, client: Any) -> None:
        self.free.append(client)

    def destroy(self, client: Any) -> None:
        client.close()

    def close(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self.free.pop().close()


class _SharedClient:
    """A ``Client`` with one connection, for which callers wait in turn, no longer than it waits for its server."""

    def __init__(self, client: Any) -> None:
        self._timeout = -1 if client.timeout is None else client.timeout
        self._lock = threading.Lock()
        self.free = (client,)

    def get(self) -> Any:
        if not self._lock.acquire(timeout=self._timeout):
            raise TimeoutError("others were using the only connection")
        return self.free[0]

    def release(self, client: Any) -> None:
        self._lock.release()

    def destroy(self, client: Any) -> None:
        client.close()
        self._lock.release()


def servers_at(url: str, timeout: float) -> Servers:
    """The servers that *url* names, with *timeout* seconds for connecting and for each answer."""
    addresses = addresses_in(url)
    base = _driver()

    def make_pools() -> dict[str, Pool]:
        return {node: _OwnPool(functools.partial(make_client, address)) for node, address in addresses.items()}

    def make_client(address: Address) -> Any:
        return base.Client(address, connect_timeout=timeout, timeout=timeout, no_delay=True, default_noreply=False)

    from pymemcache.client.rendezvous import RendezvousHash  # type: ignore[import-untyped]

    return Servers(make_pools, _placement(list(addresses), RendezvousHash(list(addresses)).get_node))


def servers_of(client: Any) -> Servers:
    """The servers of a ``Client``, ``PooledClient`` or ``HashClient`` of pymemcache.

    Of a HashClient the servers, their clients and its hasher count, as they are now: not its failover.
    """
    base = _driver()
    from pymemcache.client.hash import HashClient  # type: ignore[import-untyped]

    if not isinstance(client, (base.Client, base.PooledClient, HashClient)):
        raise ConfigError(
            f"client: a {type(client).__name__} is none of pymemcache's Client, PooledClient and HashClient"
            " (a RetryingClient would send a write twice; give the client in it)"
        )
    clients = dict(client.clients) if isinstance(client, HashClient) else {"": client}
    if not clients:
        raise ConfigError("client: the HashClient has no servers")
    for one in (client, *clients.values()):
        _check(one)

    def make_pools() -> dict[str, Pool]:
        return {
            node: one.client_pool if isinstance(one, base.PooledClient) else _SharedClient(one)
            for node, one in clients.items()
        }

    hasher = copy.deepcopy(client.hasher) if isinstance(client, HashClient) else None
    return Servers(make_pools, _placement(list(clients), getattr(hasher, "get_node", None)))


def _driver() -> Any:
    try:
        from pymemcache.client import base  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError("memcached needs pymemcache: pip install sessionware[memcached]") from error
    return base


def _check(client: Any) -> None:
    """Refuse the settings that would break the contract of a store."""
    if client.ignore_exc:
        raise ConfigError(
            "client: with ignore_exc=True an outage looks like a logout; make the client with ignore_exc=False"
        )
    serde = getattr(client, "serde", None)
    if serde is not None and not (_is_own(serde, "serialize") and _is_own(serde, "deserialize")):
        raise ConfigError(
            "client: it has a serializer, and would unpickle what lies in memcached, or change it; records are bytes:"
            " make a client without serde, serializer and deserializer"
        )


def _is_own(serde: Any, name: str) -> bool:
    """Whether it is the default of pymemcache, which gives back bytes as they are, and not a function put into it."""
    from pymemcache.serde import LegacyWrappingSerde  # type: ignore[import-untyped]

    return type(serde) is LegacyWrappingSerde and getattr(getattr(serde, name), "__self__", None) is serde


def _placement(nodes: list[str], get_node: Callable[[str], str] | None) -> Callable[[str], str]:
    """The server of a key. pymemcache hashes in pure Python, so the last keys' servers are remembered."""
    if len(nodes) == 1 or get_node is None:
        return lambda key: nodes[0]
    return functools.lru_cache(_REMEMBERED_KEYS)(get_node)


def _is_over(sock: Any) -> bool:
    """Whether there is something to read where nothing was asked: the end, or what belongs to nobody."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
