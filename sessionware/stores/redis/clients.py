"""Makes the driver's clients from a URL, without retries, and looks at those that an application has made."""

from __future__ import annotations

import copy
import importlib
from dataclasses import dataclass
from typing import Any

from sessionware.exceptions import ConfigError
from sessionware.stores.redis.deadline import in_time, step
from sessionware.stores.redis.url import CLUSTER, SENTINEL, SOCKET, RedisURL

#: Packages whose clients have one shape: Valkey's began as a copy of Redis's.
_DRIVERS = ("redis", "valkey")


@dataclass(frozen=True)
class Driver:
    """The package that a client comes from, and the errors that it raises."""

    package: Any
    failures: tuple[type[Exception], ...]


def import_driver(name: str = "redis") -> Driver:
    """The driver; a :exc:`ConfigError` with the cure where it is not installed."""
    try:
        package: Any = importlib.import_module(name)
        importlib.import_module(f"{name}.sentinel")
    except ImportError as error:
        raise ConfigError("the Redis store needs its driver: pip install sessionware[redis]") from error
    errors = package.exceptions
    # The errors of a Cluster and the one of a fork do not descend from the driver's own base.
    names = ("RedisError", "RedisClusterException", "ValkeyError", "ValkeyClusterException", "ChildDeadlockedError")
    found = tuple(getattr(errors, known) for known in names if hasattr(errors, known))
    return Driver(package, (*found, OSError))


def driver_of(client: Any) -> Driver:
    """The driver of a client that an application has made; a :exc:`ConfigError` for one that cannot serve."""
    modules = [base.__module__.split(".") for base in type(client).__mro__]
    drivers = [module[0] for module in modules if module[0] in _DRIVERS]
    if not drivers or not (hasattr(client, "connection_pool") or hasattr(client, "nodes_manager")):
        raise ConfigError(
            f"the client of the Redis store is an object of the type {type(client).__name__}; give a redis.Redis, "
            "a client that Sentinel.master_for() made, or a RedisCluster"
        )
    if any("asyncio" in module for module in modules):
        raise ConfigError("the client of the Redis store is an asynchronous one; give a redis.Redis")
    holder = client.nodes_manager if hasattr(client, "nodes_manager") else client.connection_pool
    if getattr(holder, "is_master", True) is not True:
        raise ConfigError("the client of the Redis store is one for replicas; take Sentinel.master_for()")
    if getattr(holder, "cache", None) is not None or getattr(holder, "_cache", None) is not None:
        raise ConfigError("the client of the Redis store caches on its own side; a session would be read out of date")
    return import_driver(drivers[0])


def make_client(driver: Driver, url: RedisURL, timeout: float) -> Any:
    """A client for *url*. Only one of a Cluster asks servers at once, and raises the driver's errors."""
    if url.kind == CLUSTER:
        return _cluster(driver.package, url, timeout)
    if url.kind == SENTINEL:
        return _sentinel_client(driver.package, url, timeout)
    package = driver.package
    options = {**_settings(package, timeout), **_login(url.username, url.password), **url.options}
    if url.kind == SOCKET:
        connection_class = package.UnixDomainSocketConnection
        place: dict[str, Any] = {"path": url.path}
    else:
        connection_class = package.SSLConnection if url.tls else package.Connection
        host, port = url.hosts[0]
        place = {"host": host, "port": port}
    pool = package.ConnectionPool(connection_class=in_time(connection_class), **place, **options)
    return package.Redis(connection_pool=pool)


def _settings(package: Any, timeout: float) -> dict[str, Any]:
    """No retries: an answer that did not come says nothing about the write. RESP2, which every server speaks."""
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": _no_retries(package),
        "protocol": 2,
    }


def _no_retries(package: Any) -> Any:
    return importlib.import_module(f"{package.__name__}.retry").Retry(package.backoff.NoBackoff(), 0)


def _login(username: str | None, password: str | None) -> dict[str, str]:
    given = {"username": username, "password": password}
    return {name: value for name, value in given.items() if value is not None}


def _sentinel_client(package: Any, url: RedisURL, timeout: float) -> Any:
    """A client that asks the Sentinels for the master whenever it connects, each of them for a part of the time."""
    options = dict(url.options)
    asking = {
        **_settings(package, step(timeout)),
        **_login(options.pop("sentinel_username", None), options.pop("sentinel_password", None)),
        **{name: value for name, value in options.items() if name.startswith("ssl_")},
    }
    plain, managed = package.Connection, package.sentinel.SentinelManagedConnection
    if url.tls:
        plain, managed = package.SSLConnection, package.sentinel.SentinelManagedSSLConnection
    sentinel = _patient(package.sentinel.Sentinel)([])
    sentinel.sentinels = [
        package.Redis(
            connection_pool=package.ConnectionPool(connection_class=in_time(plain), host=host, port=port, **asking)
        )
        for host, port in url.hosts
    ]
    settings = {**_settings(package, timeout), **_login(url.username, url.password), **options}
    return sentinel.master_for(url.service, connection_class=in_time(managed), **settings)


def _patient(sentinel_class: Any) -> Any:
    """*sentinel_class* of the driver, whose every search for the master walks a list of its own.

    The driver's own moves whoever answered to the front of the list that other threads are walking, so that one of them
    may meet a dead Sentinel twice and the living one never: no master, though there is one.
    """

    class Sentinel(sentinel_class):  # type: ignore[misc]
        sentinels: list[Any]

        def discover_master(self, service_name: str) -> Any:
            search = copy.copy(self)
            search.sentinels = [*self.sentinels]
            address = super(Sentinel, search).discover_master(service_name)
            self.sentinels = search.sentinels
            return address

    return Sentinel


def _cluster(package: Any, url: RedisURL, timeout: float) -> Any:
    """A client of a Cluster, used as a map of its nodes. Only from a URL it makes connections of a given class."""
    (host, port), *others = url.hosts
    settings = {**_settings(package, timeout), **_login(url.username, url.password), **url.options}
    return package.RedisCluster(
        url=f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}",
        startup_nodes=[package.cluster.ClusterNode(*other) for other in others],
        connection_class=in_time(package.SSLConnection if url.tls else package.Connection),
        # One shard without a master is no reason to refuse the others.
        require_full_coverage=False,
        **settings,
    )
