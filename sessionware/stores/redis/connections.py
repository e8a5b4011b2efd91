"""Lends the driver's connections: those to the servers of a URL, or those of a client that an application has made."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from sessionware.exceptions import ConfigError
from sessionware.stores.failures import note, noting
from sessionware.stores.pools import Pool, keepalive_options, wait_for_free
from sessionware.stores.redis.deadline import InTime, in_small_steps, in_time
from sessionware.stores.redis.url import SENTINEL, SOCKET, RedisURL, written

#: Packages whose clients have one shape: Valkey's began as a copy of Redis's.
_DRIVERS = ("redis", "valkey")


@dataclass(frozen=True)
class Driver:
    """The package that connections come from, and the errors that it raises."""

    package: Any
    errors: Any
    failures: tuple[type[Exception], ...]


def import_driver(name: str = "redis") -> Driver:
    """The driver; a :exc:`ConfigError` with the cure where it is not installed."""
    try:
        package: Any = importlib.import_module(name)
    except ImportError as error:
        raise ConfigError("the Redis store needs its driver: pip install 'sessionware[redis]'") from error
    errors = package.exceptions
    # The errors of a Cluster and the one of a fork do not descend from the driver's own base.
    names = ("RedisError", "RedisClusterException", "ValkeyError", "ValkeyClusterException", "ChildDeadlockedError")
    found = tuple(getattr(errors, known) for known in names if hasattr(errors, known))
    return Driver(package, errors, (*found, OSError))


def driver_of(client: Any) -> Driver:
    """The driver of a client that an application has made; a :exc:`ConfigError` for one that cannot serve."""
    modules = [base.__module__.split(".") for base in type(client).__mro__]
    drivers = [module[0] for module in modules if module[0] in _DRIVERS]
    if not drivers or not (is_cluster(client) or hasattr(client, "connection_pool")):
        raise ConfigError(
            f"the client of the Redis store is an object of the type {type(client).__name__}; give a redis.Redis, "
            "a client that Sentinel.master_for() made, or a RedisCluster"
        )
    if any("asyncio" in module for module in modules):
        raise ConfigError("the client of the Redis store is an asynchronous one; give a redis.Redis")
    one_server = client_of_node(client, client.get_nodes()[0]) if is_cluster(client) else client
    if getattr(one_server.connection_pool, "is_master", True) is not True:
        raise ConfigError("the client of the Redis store is one for replicas; take Sentinel.master_for()")
    if hasattr(one_server, "get_cache") and one_server.get_cache() is not None:
        raise ConfigError("the client of the Redis store caches on its own side; a session would be read out of date")
    return import_driver(drivers[0])


def is_cluster(client: Any) -> bool:
    """Whether *client* is one of a Cluster."""
    return hasattr(client, "get_node_from_key")


def client_of_node(client: Any, node: Any) -> Any:
    """The client of one *node* of a Cluster, whose *client* it belongs to."""
    find = getattr(client, "get_redis_connection", None) or client.get_valkey_connection
    return find(node)


def place_of_client(client: Any) -> str:
    """What *client* is connected to, for a message."""
    if is_cluster(client):
        nodes = ",".join(written(node.host, node.port) for node in client.get_nodes())
        return f"Redis Cluster at {nodes}"
    pool = client.connection_pool
    if hasattr(pool, "service_name"):
        return f"the master of {pool.service_name!r} by Redis Sentinels"
    return _place_in(pool.connection_kwargs) or "Redis"


def secrets_of_client(client: Any) -> tuple[str | None, ...]:
    """What no message may repeat of an application's *client*."""
    one_server = client_of_node(client, client.get_nodes()[0]) if is_cluster(client) else client
    settings = one_server.connection_pool.connection_kwargs
    return tuple(settings.get(name) for name in ("username", "password"))


def place_of(connection: Any) -> str | None:
    """Where *connection* leads to."""
    return _place_in({name: getattr(connection, name, None) for name in ("path", "host", "port")})


def _place_in(settings: Mapping[str, Any]) -> str | None:
    if settings.get("path"):
        return f"Redis at {settings['path']}"
    return f"Redis at {written(settings['host'], settings['port'])}" if settings.get("host") else None


class ClientPool:
    """The pool of an application's client, with the methods of ours."""

    __slots__ = ("_arguments", "_pool")

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._arguments = ("GET",) if _wants_a_command(pool.__class__) else ()

    def borrow(self, patience: float) -> Any:
        """A connection that is open, as far as can be seen: the pool replaces one that its server has closed."""
        try:
            return self._pool.get_connection(*self._arguments)
        except Exception as error:
            note(error, place=_place_in(self._pool.connection_kwargs), step="connect")
            if not _is_exhausted(error):
                raise
        # Only now, because a connection is nearly always free.
        get = partial(self._pool.get_connection, *self._arguments)
        return wait_for_free(get, is_exhausted=_is_exhausted, patience=patience)

    def give_back(self, connection: Any) -> None:
        """Keep *connection* for the next caller."""
        self._pool.release(connection)

    def discard(self, connection: Any) -> None:
        """Close *connection*, which is broken or has an answer under way; the pool opens it again."""
        connection.disconnect()
        self._pool.release(connection)

    def close_idle(self) -> None:
        """Close the connections that are not lent, if the pool can spare those that are."""
        if _knows_idle_ones(self._pool.__class__):
            self._pool.disconnect(inuse_connections=False)


def _is_exhausted(error: Exception) -> bool:
    """Whether a pool could give no connection because all are lent: it raises while it handles that none is idle.

    Older drivers raise for this what they raise where a server cannot be reached.
    """
    return isinstance(error.__context__, IndexError)


@functools.cache
def _wants_a_command(pool_class: Any) -> bool:
    """Whether ``get_connection`` must be told a command, as in Valkey's client; Redis's warns of it."""
    name = inspect.signature(pool_class.get_connection).parameters.get("command_name")
    return name is not None and name.default is name.empty


@functools.cache
def _knows_idle_ones(pool_class: Any) -> bool:
    """Whether ``disconnect`` can spare the connections in use; a blocking pool could not always."""
    return "inuse_connections" in inspect.signature(pool_class.disconnect).parameters


def open_pool(driver: Driver, url: RedisURL) -> Pool[Any]:
    """A pool of connections to the one server of *url*, or to the master that its Sentinels name."""
    if url.kind == SENTINEL:
        sentinels = _Sentinels(driver, url)
        return _pool(url, sentinels.connect_to_master, sentinels.has_ended)
    if url.kind == SOCKET:
        return _pool(url, partial(_connect, driver, url, path=url.path))
    return node_pool(driver, url, *url.hosts[0])


def node_pool(driver: Driver, url: RedisURL, host: str, port: int) -> Pool[Any]:
    """A pool of connections to the server at *host* and *port*, with what *url* says besides."""
    return _pool(url, partial(_connect, driver, url, host=host, port=port))


def _pool(url: RedisURL, connect: Callable[[], Any], has_ended: Callable[[Any], bool] = InTime.has_ended) -> Pool[Any]:
    return Pool(connect, lambda connection: connection.disconnect(), has_ended=has_ended, most=url.max_connections)


def _connect(driver: Driver, url: RedisURL, **place: Any) -> Any:
    connection = connection_class(driver, url)(**place, **connection_options(url))
    with noting("connect", place_of(connection)):
        connection.connect()
    return connection


def connection_class(driver: Driver, url: RedisURL) -> Any:
    """The class of the driver's connections to the servers of *url*, with a deadline."""
    package = driver.package
    if url.kind == SOCKET:
        return in_time(package.UnixDomainSocketConnection)
    return in_time(package.SSLConnection if url.tls else package.Connection)


def connection_options(url: RedisURL) -> dict[str, Any]:
    """What the driver's connections are made with, besides the address. RESP2, since every server speaks it."""
    keepalive: dict[str, Any] = {}
    if url.kind != SOCKET:
        keepalive = {"socket_keepalive": True, "socket_keepalive_options": keepalive_options()}
    return {"protocol": 2, "username": url.username, "password": url.password, **keepalive, **url.options}


class _Sentinels:
    """The Sentinels of a URL, asked for the master whenever a connection is opened."""

    def __init__(self, driver: Driver, url: RedisURL) -> None:
        self._connect = partial(_connect, driver, url)
        self._service = url.service
        self._master: tuple[str, int] | None = None
        login = {"username": url.sentinel_username, "password": url.sentinel_password}
        tls = {name: value for name, value in url.options.items() if name.startswith("ssl_")}
        connecting = {"connection_class": connection_class(driver, url), "protocol": 2, **login, **tls}
        self._errors = driver.errors
        self._sentinel = driver.package.Sentinel([])
        self._not_found = driver.package.sentinel.MasterNotFoundError
        # Sentinel() itself would make clients whose connections have no deadline.
        self._clients = [
            (
                written(host, port),
                driver.package.Redis(connection_pool=driver.package.ConnectionPool(host=host, port=port, **connecting)),
            )
            for host, port in url.hosts
        ]

    def connect_to_master(self) -> Any:
        """A connection to the server that is the master now."""
        with noting("asking the Sentinels"):
            self._master = host, port = self._find_master()
        return self._connect(host=host, port=port)

    def _find_master(self) -> tuple[str, int]:
        # The driver's discover_master() tells why each Sentinel gave no master by the settings of its client alone. And
        # it moves the one that answers to the front of the list while other searches walk over it, which could then
        # meet a dead Sentinel twice and the living one never.
        said = []
        for place, client in self._clients:
            try:
                with in_small_steps():
                    state = client.sentinel_masters().get(self._service)
            except (self._errors.ConnectionError, self._errors.TimeoutError) as error:
                said.append(f"{place}: {error}")
                continue
            finally:
                client.connection_pool.disconnect(inuse_connections=False)
            if state and self._sentinel.check_master_state(state, self._service):
                others = [other for other in self._clients if other[1] is not client]
                self._clients = [(place, client), *others]
                return state["ip"], state["port"]
            said.append(f"{place}: it knows no master of this name that is up")
        raise self._not_found("; ".join(said))

    def has_ended(self, connection: Any) -> bool:
        """Whether *connection* is closed, or leads to a server that is no longer the master."""
        return (connection.host, connection.port) != self._master or InTime.has_ended(connection)
