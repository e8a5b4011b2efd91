"""The stores of other packages, from which an importer reads records by their keys, as bytes."""

from __future__ import annotations

import importlib
import os
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sessionware.events import logger
from sessionware.exceptions import ConfigError, SessionwareError, StoreUnavailable, hiding_arguments
from sessionware.stores.failures import DriverError, told
from sessionware.stores.framing import as_bytes
from sessionware.stores.memcached.url import Address, addresses_in
from sessionware.stores.pools import (
    KEEPALIVE_IDLE_SECONDS,
    KEEPALIVE_INTERVAL_SECONDS,
    KEEPALIVE_PROBES,
    LONGEST_IDLE_SECONDS,
    PerProcess,
    keepalive_options,
)
from sessionware.stores.redis.connections import is_cluster, place_of_client, secrets_of_client
from sessionware.stores.redis.store import words_of
from sessionware.stores.sql.engine import make_engine, place_of
from sessionware.stores.sql.failures import cause_of

#: More than this is no session of a user.
MAX_RECORD_BYTES = 1 << 20
_TIMEOUT_SECONDS = 1.0
_SQL_TIMEOUT_SECONDS = 5.0
_EPOCH = datetime.fromtimestamp(0, timezone.utc).replace(tzinfo=None)


class Record(NamedTuple):
    """The bytes of a record, and the seconds that are left of it if its store tells."""

    payload: bytes
    seconds_left: float | None


class Records(Protocol):
    """Where another package keeps its records; both raise :exc:`StoreUnavailable`."""

    def get(self, key: str, now: float) -> Record | None:
        """The record of *key*, or ``None`` if there is none."""
        ...

    def delete(self, key: str) -> None:
        """Remove the record of *key*, if there is one."""
        ...


def records_of(importer: str, given: Records) -> Records:
    """*given*; raises :exc:`ConfigError` for what is no such place, as a URL or the client of a server by itself."""
    # redis-py has the two methods as well.
    has_both = all(callable(getattr(given, name, None)) for name in ("get", "delete"))
    if has_both and not isinstance(given, type) and not hasattr(given, "pttl"):
        return given
    raise ConfigError(
        f"{importer}: expected the place of the former records, as RedisRecords(...), MemcachedRecords(...), "
        f"SQLRecords(...), CacheFiles(...) or BeakerFiles(...), got an object of the type {type(given).__name__}"
    )


def payload_of(value: object, place: str) -> bytes | None:
    """The bytes of a record, be they of another type, or of a text; ``None`` stands for no record.

    Raises :exc:`StoreUnavailable` for all else, because to take it for nothing would sign its user out.
    """
    found = as_bytes(value)
    if found is None or isinstance(found, bytes):
        return found
    if isinstance(found, str):
        return found.encode("utf-8", "surrogateescape")
    raise StoreUnavailable(f"{place} gives a former session as an object of the type {type(found).__name__}")


def directory_of(name: str, directory: str | Path, part: str = "") -> Path:
    """*directory*, or the *part* of it. A wrong one would look like a store in which no user has a session.

    So a missing one is told, and what is none is a :exc:`ConfigError`.
    """
    if not isinstance(directory, (str, os.PathLike)) or not str(directory):
        given = "an empty text" if directory == "" else f"an object of the type {type(directory).__name__}"
        raise ConfigError(f"{name}: expected a directory, got {given}")
    path = Path(directory) / part
    if not path.is_dir():
        logger.warning("%s: there is no directory '%s', so no former session is found: is its path right?", name, path)
    return path


class RedisRecords:
    """Records in Redis; *server* is its URL, or a client of redis-py."""

    @hiding_arguments
    def __init__(self, server: Any) -> None:
        self._client = client = _redis_client(server) if isinstance(server, str) else server
        is_client = all(hasattr(client, name) for name in ("get", "pttl", "delete")) and not isinstance(client, type)
        if not is_client or "asyncio" in type(client).__module__.split("."):
            raise ConfigError(f"{_NO_REDIS}, got an object of the type {type(client).__name__}")
        pool = getattr(client, "connection_pool", None)
        self._tells_place = pool is not None or is_cluster(client)
        if pool is not None and pool.connection_kwargs.get("decode_responses") is True:
            raise ConfigError("RedisRecords: make its client without decode_responses: a record is bytes, and no text")

    def get(self, key: str, now: float) -> Record | None:
        with self._asking():
            found, milliseconds = self._client.get(key), self._client.pttl(key)
        payload = payload_of(found, "Redis")
        if payload is None:
            return None
        return Record(payload, milliseconds / 1000 if milliseconds >= 0 else None)

    def delete(self, key: str) -> None:
        with self._asking():
            self._client.delete(key)

    def _asking(self) -> AbstractContextManager[None]:
        if not self._tells_place:
            return asking("Redis")
        return asking("Redis", lambda: place_of_client(self._client), self._cause_of)

    def _cause_of(self, error: Exception) -> Exception:
        is_drivers = any("redis" in base.__module__ for base in type(error).__mro__)
        return told(error, words=words_of(error) if is_drivers else "", hidden=secrets_of_client(self._client))


_NO_REDIS = "RedisRecords: expected a URL such as 'redis://localhost:6379/0', or a client of redis-py that is not async"


def _redis_client(url: str) -> Any:
    """A client that asks once more over a new connection, because a firewall may have dropped the one that was idle."""
    redis, retry, backoff = map(_imported, ("redis", "redis.retry", "redis.backoff"))
    options: dict[str, Any] = {
        "socket_timeout": _TIMEOUT_SECONDS,
        "socket_connect_timeout": _TIMEOUT_SECONDS,
        "retry": retry.Retry(backoff.NoBackoff(), 1, (redis.ConnectionError,)),
    }
    if not url.startswith("unix:"):
        options |= {"socket_keepalive": True, "socket_keepalive_options": keepalive_options()}
    try:
        return redis.Redis.from_url(url, **options)
    except ValueError:
        pass  # its text may repeat a password
    raise ConfigError(_NO_REDIS)


class SQLRecords:
    """Records in a table of a database; *database* is its URL, or an engine of SQLAlchemy.

    The defaults are those of Flask-Session, whose times are in UTC. Without *end* the records tell no end.
    """

    @hiding_arguments
    def __init__(
        self,
        database: Any,
        table: str = "sessions",
        *,
        key: str = "session_id",
        data: str = "data",
        end: str | None = "expiry",
    ) -> None:
        self._sql = sql = _imported("sqlalchemy")
        is_url = isinstance(database, (str, sql.URL))
        self._engine = engine = _engine_of(database) if is_url else database
        if not isinstance(engine, sql.Engine):
            raise ConfigError(f"{_NO_DATABASE}, got an object of the type {type(engine).__name__}")
        self._key, self._data = sql.column(key), sql.column(data, sql.LargeBinary)
        self._end = None if end is None else sql.column(end, sql.DateTime)
        columns = (self._key, self._data) if self._end is None else (self._key, self._data, self._end)
        self._table = sql.table(table, *columns)

    def get(self, key: str, now: float) -> Record | None:
        wanted = (self._data,) if self._end is None else (self._data, self._end)
        question = self._sql.select(*wanted).select_from(self._table).where(self._key == key)
        with self._asking(), self._engine.connect() as connection:
            row = connection.execute(question).first()
        payload = None if row is None or None in tuple(row) else payload_of(row[0], "the database")
        if row is None or payload is None:
            return None
        if self._end is None:
            return Record(payload, None)
        seconds_left = (row[1] - (_EPOCH + timedelta(seconds=now))).total_seconds()
        return Record(payload, seconds_left) if seconds_left > 0 else None

    def delete(self, key: str) -> None:
        with self._asking(), self._engine.begin() as connection:
            connection.execute(self._sql.delete(self._table).where(self._key == key))

    def _asking(self) -> AbstractContextManager[None]:
        return asking("the database", lambda: place_of(self._engine), self._cause_of)

    def _cause_of(self, error: Exception) -> Exception:
        if not isinstance(error, self._sql.exc.DBAPIError):
            return told(error)
        url = self._engine.url
        return cause_of(error, (url.password, url.username))


_NO_DATABASE = "SQLRecords: expected a URL such as 'postgresql+psycopg://host/database', or an engine of SQLAlchemy"


def _engine_of(given: Any) -> Any:
    """An engine with timeouts, as the SQL store has it; of another database or driver one that keeps no connections."""
    sql = _imported("sqlalchemy")
    url = given if isinstance(given, str) else given.render_as_string(hide_password=False)
    # Neither text of an error is shown, because it may repeat a password.
    with suppress(ConfigError):
        return make_engine(url, _SQL_TIMEOUT_SECONDS)
    with suppress(ImportError, ValueError, sql.exc.SQLAlchemyError):
        return sql.create_engine(url, hide_parameters=True, poolclass=sql.NullPool)
    raise ConfigError(_NO_DATABASE)


class MemcachedRecords:
    """Records in memcached; *server* is ``host:port``, or a client of pymemcache without a serializer.

    Clients that unpickle by themselves are not taken.
    """

    @hiding_arguments
    def __init__(self, server: Any) -> None:
        _imported("pymemcache")
        if isinstance(server, str):
            self._clients = PerProcess(partial(_memcached_client, _address_of(server)))
            weakref.finalize(self, _close, self._clients)
        elif type(server).__module__.partition(".")[0] == "pymemcache":
            self._clients = PerProcess(lambda: server)
        else:
            raise ConfigError(_NO_MEMCACHED)

    def get(self, key: str, now: float) -> Record | None:
        with self._asking():
            found = self._clients.get().get(key)
        payload = payload_of(found, "memcached")
        return None if payload is None else Record(payload, None)

    def delete(self, key: str) -> None:
        with self._asking():
            self._clients.get().delete(key, noreply=False)

    def _asking(self) -> AbstractContextManager[None]:
        return asking("memcached", self._place)

    def _place(self) -> str:
        server = getattr(self._clients.get(), "server", "")
        return f"memcached at {server if isinstance(server, str) else ':'.join(map(str, server))}".removesuffix(" at ")


_NO_MEMCACHED = "MemcachedRecords: expected 'host:port', or a client of pymemcache, as HashClient for several servers"


def _address_of(server: str) -> Address:
    with suppress(ConfigError, ValueError):
        (address,) = addresses_in(f"memcached://{server.removeprefix('memcached://')}").values()
        return address
    raise ConfigError(_NO_MEMCACHED)


def _memcached_client(address: Address) -> Any:
    """A client that keeps no connection which was idle for a minute."""
    base = _imported("pymemcache.client.base")
    keepalive = base.KeepaliveOpts(idle=KEEPALIVE_IDLE_SECONDS, intvl=KEEPALIVE_INTERVAL_SECONDS, cnt=KEEPALIVE_PROBES)
    return base.PooledClient(
        address,
        connect_timeout=_TIMEOUT_SECONDS,
        timeout=_TIMEOUT_SECONDS,
        no_delay=True,
        pool_idle_timeout=LONGEST_IDLE_SECONDS,
        socket_keepalive=keepalive if isinstance(address, tuple) and sys.platform == "linux" else None,
    )


def _close(clients: PerProcess[Any]) -> None:
    client = clients.take()
    if client is not None:
        client.close()


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        failure = ConfigError(f"the importer needs {module}: {error}")
    raise failure


@contextmanager
def asking(
    what: str, place: Callable[[], str] | None = None, cause: Callable[[Exception], Exception] = told
) -> Iterator[None]:
    """Raise StoreUnavailable for what a driver raises: where that was, by *place*, and what *cause* shows of it."""
    try:
        yield
    except SessionwareError:
        raise
    except Exception as error:  # noqa: BLE001 - each driver has errors of its own
        where = what if place is None else place()
        shown = cause(error)
        words = str(shown) if isinstance(shown, DriverError) else f"{type(shown).__name__}: {shown}"
        failure = StoreUnavailable(f"{where} does not give a former session: {words}")
        failure.__cause__ = shown
    else:
        return
    raise failure
