"""Lends connections to the memcached server that a key belongs to."""

from __future__ import annotations

import copy
import functools
import os
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from sessionware.exceptions import ConfigError
from sessionware.stores.failures import note, noting
from sessionware.stores.memcached.url import Address, addresses_in
from sessionware.stores.pools import (
    KEEPALIVE_IDLE_SECONDS,
    KEEPALIVE_INTERVAL_SECONDS,
    KEEPALIVE_PROBES,
    PerProcess,
    Pool,
    is_readable,
    wait_for_free,
)

_REMEMBERED_KEYS = 4096

_Answer = TypeVar("_Answer")
#: Asks a client of pymemcache something; the second argument is when its connection was opened.
Question = Callable[[Any, float], _Answer]


class Lender(Protocol):
    """Lends the clients of one server, each to one caller at a time; a ``Pool`` does."""

    def borrow(self) -> Any:
        """A client; it goes back by one of the others."""
        ...

    def give_back(self, connection: Any) -> None:
        """Take a client back."""
        ...

    def discard(self, connection: Any) -> None:
        """Take a client back and close its connection, on which an answer may still arrive."""
        ...


class Servers:
    """The servers of one store, the same for all of its life.

    A key stays with its server and waits for it while it is down. HashClient moves the key to another server instead:
    there the session would seem to have ended, and a logout there would be undone when the first server comes back.
    """

    def __init__(
        self,
        make_lenders: Callable[[], Mapping[str, Lender]],
        node_of: Callable[[str], str],
        *,
        place: str,
        is_own: bool,
    ) -> None:
        #: Where they are, for a message.
        self.place = place
        self._lenders = PerProcess(make_lenders)
        self._node_of = node_of
        self._is_own = is_own

    def ask(self, key: str, question: Question[_Answer]) -> _Answer:
        """Ask the server of *key*, once, and return its answer. Raises whatever the driver raises."""
        lender = self._lenders.get()[self._node_of(key)]
        client = lender.borrow()
        try:
            answer = question(client, _opened_at(client))
        except BaseException as error:
            note(error, place=f"memcached at {_written(client.server)}")
            # pymemcache closes the connection after an Exception only. A gevent.Timeout is none: it would leave an
            # answer under way, which the next question would take for its own.
            lender.discard(client)
            raise
        lender.give_back(client)
        return answer

    def close(self) -> None:
        """Close the connections of this process that are not in use; an injected client is left as it is."""
        if self._is_own:
            for pool in self._lenders.get().values():
                if isinstance(pool, Pool):
                    pool.close_idle()


class _LendingPooledClient:
    """Lends from the pool of a ``PooledClient``, which the application may use at the same time."""

    def __init__(self, client: Any) -> None:
        self._pool = client.client_pool
        self._patience = client.timeout
        self.give_back = self._pool.release
        self.discard = self._pool.destroy

    def borrow(self) -> Any:
        client = wait_for_free(self._pool.get, is_exhausted=self._is_exhausted, patience=self._patience)
        try:
            if _has_ended(client):
                client.close()
        except BaseException:
            self.discard(client)
            raise
        return client

    def _is_exhausted(self, error: Exception) -> bool:
        return isinstance(error, RuntimeError) and len(self._pool.used) >= self._pool.max_size


def servers_at(url: str, timeout: float) -> Servers:
    """The servers that *url* names, with *timeout* seconds for connecting and for each answer."""
    addresses = addresses_in(url)
    base = _driver()
    keepalive = base.KeepaliveOpts(idle=KEEPALIVE_IDLE_SECONDS, intvl=KEEPALIVE_INTERVAL_SECONDS, cnt=KEEPALIVE_PROBES)

    def make_client(address: Address) -> Any:
        # pymemcache sets these options of TCP on unix sockets as well, where they fail, and knows them on Linux only.
        has_keepalive = isinstance(address, tuple) and sys.platform == "linux"
        return base.Client(
            address,
            connect_timeout=timeout,
            timeout=timeout,
            no_delay=True,
            default_noreply=False,
            socket_keepalive=keepalive if has_keepalive else None,
        )

    def make_pools() -> dict[str, Lender]:
        return {
            node: Pool(functools.partial(make_client, address), _close, has_ended=_has_ended)
            for node, address in addresses.items()
        }

    from pymemcache.client.rendezvous import RendezvousHash  # type: ignore[import-untyped]

    node_of = _placement(list(addresses), RendezvousHash(list(addresses)).get_node)
    return Servers(make_pools, node_of, place=",".join(map(_written, addresses.values())), is_own=True)


def servers_of(client: Any) -> Servers:
    """The servers of a ``Client``, ``PooledClient`` or ``HashClient`` of pymemcache.

    A HashClient gives its servers, their clients and its hasher, as they are now; its failover is not used.
    """
    base = _driver()
    from pymemcache.client.hash import HashClient  # type: ignore[import-untyped]

    if not isinstance(client, (base.Client, base.PooledClient, HashClient)):
        raise ConfigError(
            f"client: expected a Client, PooledClient or HashClient of pymemcache, got a {type(client).__name__}"
            " (a RetryingClient would send a write twice; give the client in it)"
        )
    clients = dict(client.clients) if isinstance(client, HashClient) else {"": client}
    if not clients:
        raise ConfigError("client: the HashClient has no servers")
    for one in (client, *clients.values()):
        _check(one)
    made_in = os.getpid()

    def make_lenders() -> dict[str, Lender]:
        if os.getpid() != made_in:
            # Here and not when the parent's lenders are left: the application may have connected before this store did.
            _close_inherited(clients)  # pragma: no cover - runs in children
        return {
            node: _LendingPooledClient(one) if isinstance(one, base.PooledClient) else _pool_of_one(one)
            for node, one in clients.items()
        }

    hasher = copy.deepcopy(client.hasher) if isinstance(client, HashClient) else None
    node_of = _placement(list(clients), getattr(hasher, "get_node", None))
    return Servers(
        make_lenders, node_of, place=",".join(_written(one.server) for one in clients.values()), is_own=False
    )


def _written(address: Address) -> str:
    """*address* as in a URL."""
    if isinstance(address, tuple):
        host, port = address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return address


def _close_inherited(clients: Mapping[str, Any]) -> None:  # pragma: no cover - runs in children
    """Close this process's copies of the sockets, so that each client connects again; the parent's connections stay."""
    for client in clients.values():
        pool = getattr(client, "client_pool", None)
        for one in [client] if pool is None else [*pool.free, *pool.used]:
            one.close()


def _pool_of_one(client: Any) -> Pool[Any]:
    """A pool for a ``Client``, which has one connection: callers wait for it as long as it waits for its server."""
    return Pool(lambda: client, _close, has_ended=_has_ended, most=1, patience=client.timeout)


def _close(client: Any) -> None:
    client.close()


def _has_ended(client: Any) -> bool:
    return client.sock is not None and is_readable(client.sock)


#: By socket, because a client connects again after an error.
_openings: weakref.WeakKeyDictionary[Any, float] = weakref.WeakKeyDictionary()


def _opened_at(client: Any) -> float:
    """When the connection of *client* was opened, or a later moment, by the monotonic clock."""
    if client.sock is None:
        with noting("connect"):
            client.version()
    return _openings.setdefault(client.sock, time.monotonic())


def _driver() -> Any:
    try:
        from pymemcache.client import base  # type: ignore[import-untyped]
    except ImportError as error:
        raise ConfigError("memcached needs pymemcache: pip install 'sessionware[memcached]'") from error
    return base


def _check(client: Any) -> None:
    """Refuse settings of *client* that would break the contract of a store."""
    if client.ignore_exc:
        raise ConfigError(
            "client: with ignore_exc=True an outage looks like a logout; make the client with ignore_exc=False"
        )
    serde = getattr(client, "serde", None)
    if serde is not None and not (_is_default(serde, "serialize") and _is_default(serde, "deserialize")):
        raise ConfigError(
            "client: its serializer would change records, or unpickle what lies in memcached; make a client without"
            " serde, serializer and deserializer"
        )


def _is_default(serde: Any, name: str) -> bool:
    """Whether it is pymemcache's own method, which leaves bytes as they are, and not a function put in its place."""
    from pymemcache.serde import LegacyWrappingSerde  # type: ignore[import-untyped]

    return type(serde) is LegacyWrappingSerde and getattr(getattr(serde, name), "__self__", None) is serde


def _placement(nodes: list[str], get_node: Callable[[str], str] | None) -> Callable[[str], str]:
    """The function that gives the server of a key. It remembers some, because pymemcache hashes in pure Python."""
    if len(nodes) == 1 or get_node is None:
        return lambda key: nodes[0]
    return functools.lru_cache(_REMEMBERED_KEYS)(get_node)
