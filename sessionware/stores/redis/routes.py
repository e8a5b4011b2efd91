"""Sends one command to the server that has its key, and never a second time what may have been carried out."""

from __future__ import annotations

import functools
import inspect
from typing import Any

from sessionware.stores.redis.deadline import in_small_steps

_MAX_REDIRECTIONS = 5


class OneServer:
    """The way to one server, or to the master that Sentinel names. Raises the driver's errors.

    Of a client its pools are used, and not its ``execute_command``, which sends a command again when no answer came.
    Here a command is sent again only if it certainly was not carried out, or is *repeatable*.
    """

    #: Whether the client has lost its way, so that one who can should make another.
    is_lost = False

    def __init__(self, client: Any, errors: Any) -> None:
        self.client = client
        self._errors = errors

    def call(self, key: bytes, command: tuple[Any, ...], *, repeatable: bool = False) -> Any:
        """The server's answer to *command* about *key*: bytes, an ``int`` or ``None``."""
        pool = self.client.connection_pool
        connection = self._borrow(pool)
        try:
            return self._talk(pool, connection, command)
        except self._errors.ConnectionError:
            # The server closed the connection, as one does that restarts. After a timeout there is no second try.
            if not repeatable:
                raise
        return self._talk(pool, self._borrow(pool), command)

    def close(self) -> None:
        """Close the connections that nobody is using; those in use close with their pool."""
        pool = self.client.connection_pool
        sentinels = getattr(getattr(pool, "sentinel_manager", None), "sentinels", ())
        for opened in (pool, *(sentinel.connection_pool for sentinel in sentinels)):
            opened.disconnect(inuse_connections=False)

    def _borrow(self, pool: Any) -> Any:
        """A connection that is open, as far as can be seen: the pool replaces one that its server has closed."""
        return pool.get_connection("GET") if _wants_a_name(pool.__class__) else pool.get_connection()

    def _talk(self, pool: Any, connection: Any, command: tuple[Any, ...], before: str | None = None) -> Any:
        """The answer to *command*. A connection without an answer is closed, and so are the idle ones beside it."""
        try:
            if before is not None:
                connection.send_command(before)
                connection.read_response()
            connection.send_command(*command)
            return connection.read_response(disable_decoding=True)
        except self._errors.ResponseError as error:
            if isinstance(error, (self._errors.ReadOnlyError, self._errors.MasterDownError)):
                # It is the master no more. Who connects anew finds the one that is.
                self._close(pool, connection)
            raise
        except BaseException:
            self._close(pool, connection)
            raise
        finally:
            pool.release(connection)

    def _close(self, pool: Any, connection: Any) -> None:
        connection.disconnect()
        if _knows_idle_ones(pool.__class__):
            pool.disconnect(inuse_connections=False)


class Cluster(OneServer):
    """The way to the masters of a Cluster. The driver's client keeps the map, which is read anew after a failure."""

    def __init__(self, client: Any, errors: Any) -> None:
        super().__init__(client, errors)
        self._is_stale = False
        self._lost = (errors.ConnectionError, errors.TimeoutError, errors.ClusterDownError)

    def call(self, key: bytes, command: tuple[Any, ...], *, repeatable: bool = False) -> Any:
        """The answer of the node that has *key*; a node that redirects has not carried the command out."""
        if self._is_stale:
            self._read_map()
        slot = self.client.keyslot(key)
        pool, before = self._pool_of(slot), None
        for _ in range(_MAX_REDIRECTIONS):
            connection = None
            try:
                connection = self._borrow(pool)
                return self._talk(pool, connection, command, before)
            except self._errors.MovedError as error:
                self._move(error)
                pool, before = self._pool_of(slot), None
            except self._errors.AskError as error:
                pool, before = self._pool_at(error.host, error.port), "ASKING"
            except self._lost as error:
                self._is_stale = True
                was_closed = isinstance(error, self._errors.ConnectionError)
                if connection is not None and not (repeatable and was_closed):
                    raise
                self._read_map()
                former, pool, before = pool, self._pool_of(slot), None
                if connection is None and pool is former:
                    raise
                repeatable = False
        raise self._errors.ClusterError("redirected too often")

    def close(self) -> None:
        """Close the connections that nobody is using."""
        for node in self.client.get_nodes():
            self._pool(node).disconnect(inuse_connections=False)

    def _read_map(self) -> None:
        # Until it is done there is none: the nodes that the client knows may all have gone elsewhere.
        self.is_lost = True
        with in_small_steps():
            self.client.nodes_manager.initialize()
        self.is_lost = self._is_stale = False

    def _move(self, error: Any) -> None:
        manager = self.client.nodes_manager
        move = getattr(manager, "move_slot", None) or manager.update_moved_exception
        move(error)
        # Where one slot has moved, others have: the next call looks at them all.
        self._is_stale = True

    def _pool_of(self, slot: int) -> Any:
        return self._pool(self.client.nodes_manager.get_node_from_slot(slot))

    def _pool_at(self, host: str, port: int) -> Any:
        node = self.client.get_node(host=host, port=port)
        if node is None:
            self._is_stale = True
            raise self._errors.ClusterError("redirected to a node that is not on the map yet")
        return self._pool(node)

    def _pool(self, node: Any) -> Any:
        connection_of = getattr(self.client, "get_redis_connection", None) or self.client.get_valkey_connection
        return connection_of(node).connection_pool


def route_to(client: Any, errors: Any) -> OneServer:
    """The way for *client*, whose package has *errors*."""
    return Cluster(client, errors) if hasattr(client, "nodes_manager") else OneServer(client, errors)


@functools.cache
def _wants_a_name(pool_class: Any) -> bool:
    """Whether ``get_connection`` must be told a command, as in Valkey's client; Redis's warns of it."""
    name = inspect.signature(pool_class.get_connection).parameters.get("command_name")
    return name is not None and name.default is name.empty


@functools.cache
def _knows_idle_ones(pool_class: Any) -> bool:
    """Whether ``disconnect`` can spare the connections in use; a blocking pool could not always."""
    return "inuse_connections" in inspect.signature(pool_class.disconnect).parameters
