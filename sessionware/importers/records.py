"""The stores of other packages, from which an importer reads records by their keys, as bytes."""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sessionware.events import logger
from sessionware.exceptions import ConfigError, SessionwareError, StoreUnavailable, hiding_arguments
from sessionware.stores.memcached.url import Address, addresses_in
from sessionware.stores.pools import LONGEST_IDLE_SECONDS, PerProcess

#: More than this is no session of a user.
MAX_RECORD_BYTES = 1 << 20
_REDIS_URL = "write redis://:password@localhost:6379/0, where a '#' in a password is %23, or give a client of redis-py"
_SQL_URL = "write postgresql+psycopg://user:password@host/database as create_engine() takes it, or give an engine"
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


def directory_of(name: str, directory: str | Path) -> Path:
    """*directory*. A wrong one would look like a store in which no user has a session, so a missing one is told."""
    path = Path(directory)
    if not path.is_dir():
        logger.warning("%s: there is no directory '%s', so no former session is found: is its path right?", name, path)
    return path


class RedisRecords:
    """Records in Redis; *server* is its URL, or a client of redis-py that gives bytes."""

    @hiding_arguments
    def __init__(self, server: Any) -> None:
        if isinstance(server, str):
            connect = _imported("redis").Redis.from_url
            server = _made("RedisRecords", _REDIS_URL, connect, server, socket_timeout=1.0, socket_connect_timeout=1.0)
        if not callable(getattr(server, "pttl", None)) or "asyncio" in type(server).__module__.split("."):
            raise _wrong("RedisRecords", "a URL, or a client of redis-py that is not asynchronous", server)
        if getattr(getattr(server, "connection_pool", None), "connection_kwargs", {}).get("decode_responses"):
            raise ConfigError("RedisRecords: the client has decode_responses=True, and records are bytes; give another")
        self._client = server

    def get(self, key: str, now: float) -> Record | None:
        with asking("Redis"):
            payload, milliseconds = self._client.get(key), self._client.pttl(key)
        if not isinstance(payload, bytes):
            return None
        return Record(payload, milliseconds / 1000 if milliseconds >= 0 else None)

    def delete(self, key: str) -> None:
        with asking("Redis"):
            self._client.delete(key)


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
        self._engine = database
        if isinstance(database, (str, sql.URL)):
            # No connection is idle, which a firewall drops in silence, or is shared by two processes after a fork.
            options = {"hide_parameters": True, "poolclass": sql.NullPool}
            self._engine = _made("SQLRecords", _SQL_URL, sql.create_engine, database, **options)
        if not isinstance(self._engine, sql.Engine):
            raise _wrong("SQLRecords", "a URL, or an engine of SQLAlchemy that is not asynchronous", database)
        self._key, self._data = sql.column(key), sql.column(data, sql.LargeBinary)
        self._end = None if end is None else sql.column(end, sql.DateTime)
        columns = (self._key, self._data) if self._end is None else (self._key, self._data, self._end)
        self._table = sql.table(table, *columns)

    def get(self, key: str, now: float) -> Record | None:
        wanted = (self._data,) if self._end is None else (self._data, self._end)
        question = self._sql.select(*wanted).select_from(self._table).where(self._key == key)
        with asking("the database"), self._engine.connect() as connection:
            row = connection.execute(question).first()
        if row is None or None in tuple(row):
            return None
        if self._end is None:
            return Record(bytes(row[0]), None)
        seconds_left = (row[1] - (_EPOCH + timedelta(seconds=now))).total_seconds()
        return Record(bytes(row[0]), seconds_left) if seconds_left > 0 else None

    def delete(self, key: str) -> None:
        with asking("the database"), self._engine.begin() as connection:
            connection.execute(self._sql.delete(self._table).where(self._key == key))


class MemcachedRecords:
    """Records in memcached; *server* is ``host:port``, or a client of pymemcache without a serializer.

    Clients that unpickle by themselves are not taken.
    """

    @hiding_arguments
    def __init__(self, server: Any) -> None:
        pymemcache = _imported("pymemcache")
        if isinstance(server, str):
            # Two processes that share a connection after a fork would get each other's sessions.
            address = _address_of(server)
            options = {"connect_timeout": 1.0, "timeout": 1.0, "no_delay": True}
            self._client = PerProcess(
                lambda: pymemcache.PooledClient(address, pool_idle_timeout=LONGEST_IDLE_SECONDS, **options)
            )
            weakref.finalize(self, _close, self._client)
            return
        if type(server).__module__.partition(".")[0] != "pymemcache":
            raise ConfigError("MemcachedRecords: expected 'host:port', or a client of pymemcache")
        self._client = PerProcess(lambda: server)

    def get(self, key: str, now: float) -> Record | None:
        with asking("memcached"):
            payload = self._client.get().get(key)
        return Record(payload, None) if isinstance(payload, bytes) else None

    def delete(self, key: str) -> None:
        with asking("memcached"):
            self._client.get().delete(key, noreply=False)


def _close(clients: PerProcess[Any]) -> None:
    client = clients.take()
    if client is not None:
        client.close()


def _address_of(server: str) -> Address:
    addresses = addresses_in(f"memcached://{server.removeprefix('memcached://')}")
    if len(addresses) > 1:
        raise ConfigError("MemcachedRecords: one server is 'host:port'; of several give a HashClient of pymemcache")
    return next(iter(addresses.values()))


def _made(name: str, cure: str, make: Callable[..., Any], place: Any, **options: Any) -> Any:
    """What *make* gives for *place*, a URL; neither its text nor what the driver says of it is told."""
    kind = ""
    try:
        return make(place, **options)
    except ImportError as error:
        kind = f"a driver is missing, {error}"
    except Exception as error:  # noqa: BLE001 - each driver has errors of its own
        kind = type(error).__name__
    raise ConfigError(f"{name}: the URL cannot be used ({kind}): {cure}")


def _wrong(name: str, expected: str, given: object) -> ConfigError:
    return ConfigError(f"{name}: expected {expected}, got an object of the type {type(given).__name__}")


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        failure = ConfigError(f"the importer needs {module}: {error}")
    raise failure


@contextmanager
def asking(server: str) -> Iterator[None]:
    """Raise StoreUnavailable for what a driver raises, without its text, which may have a credential or a key."""
    try:
        yield
    except SessionwareError:
        raise
    except Exception as error:  # noqa: BLE001 - each driver has errors of its own
        failure = StoreUnavailable(f"{server} does not give a former session: {type(error).__name__}")
    else:
        return
    raise failure
