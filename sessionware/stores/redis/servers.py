"""Sends one command to the server that has its key, and never a second time what may have been carried out.

The driver's own ``execute_command`` sends a command again when no answer came. Here a command is sent again only if it
certainly was not carried out, or if it is *repeatable* and the server closed the connection; never after a timeout. The
errors that are raised are the driver's.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from sessionware.stores.failures import note, noting
from sessionware.stores.pools import Pool
from sessionware.stores.redis.connections import (
    ClientPool,
    Driver,
    client_of_node,
    connection_class,
    connection_options,
    is_cluster,
    node_pool,
    open_pool,
    place_of,
)
from sessionware.stores.redis.deadline import in_small_steps, time_left
from sessionware.stores.redis.url import CLUSTER, RedisURL

_MAX_REDIRECTIONS = 5

AnyPool: TypeAlias = "Pool[Any] | ClientPool"


def _ask(errors: Any, pool: AnyPool, connection: Any, command: tuple[Any, ...], *, asking: bool = False) -> Any:
    """The answer to *command*; *connection* goes back to its *pool*."""
    is_kept = False
    try:
        if asking:
            connection.send_command("ASKING")
            connection.read_response()
        connection.send_command(*command)
        answer = connection.read_response(disable_decoding=True)
        is_kept = True
        return answer
    except errors.ResponseError as error:
        # The server is no longer the master; only a new connection leads to the one that is.
        is_kept = not isinstance(error, (errors.ReadOnlyError, errors.MasterDownError))
        note(error, place=place_of(connection))
        raise
    except Exception as error:
        note(error, place=place_of(connection))
        raise
    finally:
        if is_kept:
            pool.give_back(connection)
        else:
            pool.discard(connection)
            # After one broken connection (a restart, a failover) the idle ones are usually broken as well.
            pool.close_idle()


class OneServer:
    """One server, or the master that Sentinel names."""

    #: Whether they have every command that sessions need, as far as was asked.
    has_commands = False

    def __init__(self, errors: Any, pool: AnyPool) -> None:
        self._errors = errors
        self._pool = pool

    def call(self, key: bytes, command: tuple[Any, ...], *, repeatable: bool = False) -> Any:
        """The server's answer to *command* about *key*: bytes, an ``int`` or ``None``."""
        connection = self._pool.borrow(time_left())
        try:
            return _ask(self._errors, self._pool, connection, command)
        except self._errors.ConnectionError:
            if not repeatable:
                raise
        return _ask(self._errors, self._pool, self._pool.borrow(time_left()), command)

    def close(self) -> None:
        """Close the connections that no call is using."""
        self._pool.close_idle()


class Cluster:
    """The masters of a Cluster. The driver's client keeps the map of them, which is read again after a failure."""

    has_commands = False

    def __init__(self, errors: Any, nodes: _OwnNodes | _NodesOfClient) -> None:
        self._errors = errors
        self._nodes = nodes
        self._client: Any = None
        self._is_stale = False
        self._lost = (errors.ConnectionError, errors.TimeoutError, errors.ClusterDownError)

    def call(self, key: bytes, command: tuple[Any, ...], *, repeatable: bool = False) -> Any:
        """The answer of the node that has *key*; a node that redirects has not carried the command out."""
        client = self._client
        if client is None or self._is_stale:
            client = self._read_map()
        node, asking = self._node_of(client, key), False
        for _ in range(_MAX_REDIRECTIONS):
            pool, connection = self._nodes.pool_of(client, node), None
            try:
                connection = pool.borrow(time_left())
                return _ask(self._errors, pool, connection, command, asking=asking)
            except self._errors.AskError as error:
                asking = not isinstance(error, self._errors.MovedError)
                # Where one slot has moved, others have: the next call reads the map.
                self._is_stale = self._is_stale or not asking
                client, node = self._node_at(client, error.host, error.port)
            except self._lost as error:
                self._is_stale = True
                was_closed = isinstance(error, self._errors.ConnectionError)
                if connection is not None and not (repeatable and was_closed):
                    raise
                client = self._read_map()
                former, node, asking = node, self._node_of(client, key), False
                if connection is None and node.name == former.name:
                    raise
                repeatable = False
        raise self._errors.ClusterError("redirected too often")

    def close(self) -> None:
        """Close the connections that no call is using."""
        self._nodes.close()

    def _read_map(self) -> Any:
        """The client with a map that is up to date."""
        client = self._client
        try:
            with in_small_steps(), noting("reading the map of the Cluster"):
                if client is None:
                    client = self._nodes.client()
                else:
                    # The driver has no other way to this but its execute_command.
                    client.nodes_manager.initialize()
        except BaseException:
            # The nodes that the client knows may all have gone elsewhere: the next call begins with the URL's.
            self._client = None
            raise
        self._client, self._is_stale = client, False
        self._nodes.tidy(client)
        return client

    def _node_of(self, client: Any, key: bytes) -> Any:
        try:
            return client.get_node_from_key(key)
        except self._errors.SlotNotCoveredError:
            self._is_stale = True
            raise

    def _node_at(self, client: Any, host: str, port: int) -> tuple[Any, Any]:
        """The client and the node of that address, which may be too new for the map."""
        node = client.get_node(host=host, port=port)
        if node is None:
            client = self._read_map()
            node = client.get_node(host=host, port=port)
        if node is None:
            self._is_stale = True
            raise self._errors.ClusterError("redirected to a node that is not on the map yet")
        return client, node


class _OwnNodes:
    """The nodes of the Cluster that a URL names, each with a pool of its own."""

    def __init__(self, driver: Driver, url: RedisURL) -> None:
        self._driver = driver
        self._url = url
        self._pools: dict[str, Pool[Any]] = {}

    def client(self) -> Any:
        """A client that has read the map. Only from a URL it makes connections of a given class."""
        package = self._driver.package
        (host, port), *others = self._url.hosts
        return package.RedisCluster(
            url=f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}",
            startup_nodes=[package.cluster.ClusterNode(*other) for other in others],
            connection_class=connection_class(self._driver, self._url),
            retry=package.retry.Retry(package.backoff.NoBackoff(), 0),
            # One shard without a master is no reason to refuse the others.
            require_full_coverage=False,
            **connection_options(self._url),
        )

    def pool_of(self, client: Any, node: Any) -> Pool[Any]:
        """The pool of *node*."""
        pool = self._pools.get(node.name)
        return pool or self._pools.setdefault(node.name, node_pool(self._driver, self._url, node.host, node.port))

    def tidy(self, client: Any) -> None:
        """Close the connections over which the map was read, and the idle ones to nodes that are no longer on it."""
        nodes = {node.name: node for node in client.get_nodes()}
        for node in nodes.values():
            client_of_node(client, node).connection_pool.disconnect(inuse_connections=False)
        for name in set(self._pools) - nodes.keys():
            gone = self._pools.pop(name, None)
            if gone is not None:
                gone.close_idle()

    def close(self) -> None:
        """Close the connections that no call is using."""
        for pool in tuple(self._pools.values()):
            pool.close_idle()


class _NodesOfClient:
    """The nodes of an application's client, which has a pool for each."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def client(self) -> Any:
        """The application's client."""
        return self._client

    def pool_of(self, client: Any, node: Any) -> ClientPool:
        """The pool of *node*."""
        return ClientPool(client_of_node(client, node).connection_pool)

    def tidy(self, client: Any) -> None:
        """The application's connections stay open."""

    def close(self) -> None:
        """The application's connections stay open."""


Servers: TypeAlias = OneServer | Cluster


def servers_of_url(driver: Driver, url: RedisURL) -> Servers:
    """What *url* names."""
    if url.kind == CLUSTER:
        return Cluster(driver.errors, _OwnNodes(driver, url))
    return OneServer(driver.errors, open_pool(driver, url))


def servers_of_client(driver: Driver, client: Any) -> Servers:
    """What *client*, which an application has made, is a client of. Its pools are used."""
    if is_cluster(client):
        return Cluster(driver.errors, _NodesOfClient(client))
    return OneServer(driver.errors, ClientPool(client.connection_pool))
