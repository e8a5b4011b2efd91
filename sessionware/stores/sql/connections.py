"""Executes statements: through the pool of an engine, or over connections that only this store uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sessionware.stores.failures import noting
from sessionware.stores.pools import PerProcess, Pool, is_readable
from sessionware.stores.sql.failures import DriverFailed, is_read_only

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Executable

#: The rows that one statement gives, and how many it changed.
Answer = tuple[Sequence[Any], int]

#: In one process. Statements take less than a millisecond, so fifteen are enough, and a server often allows a hundred
#: connections for all processes.
MOST_CONNECTIONS = 15

#: The execution option that gives a statement an isolation level of its own.
ISOLATION_OPTION = "sessionware_isolation"


class Connections(Protocol):
    """The connections of this process to a database."""

    @property
    def engine(self) -> Engine:
        """An engine without connections of a parent process in its pool."""
        ...

    def execute(self, statement: Executable, parameters: Mapping[str, Any]) -> Answer:
        """Execute *statement* as a transaction by itself; it is never sent a second time."""
        ...

    def close(self) -> None:
        """Close the connections that are not in use, unless they are the application's."""
        ...


class EngineConnections:
    """Those in the pool of *engine*, used with all the events and settings that an application gave it."""

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        self._is_own = is_own
        # Of the engines that the store makes only SQLite's has a pool, and SQLite's connections must not be open while
        # the process forks (https://www.sqlite.org/howtocorrupt.html, 2.6).
        self._engine = PerProcess(
            lambda: _EngineOfProcess(engine),
            leave=_EngineOfProcess.leave,
            close_before_fork=_EngineOfProcess.close if is_own else None,
        )
        # Not at the first use alone: the application may fill the pool and fork before that.
        self._engine.get()

    @property
    def engine(self) -> Engine:
        return self._engine.get().engine

    def execute(self, statement: Executable, parameters: Mapping[str, Any]) -> Answer:
        isolation = statement.get_execution_options().get(ISOLATION_OPTION)
        with connect(self.engine) as connection:
            if isolation is not None:
                connection.execution_options(isolation_level=isolation)
            try:
                result = connection.execute(statement, parameters)
            except Exception as error:
                if is_read_only(error):
                    # After a failover only a new connection leads to the primary, and a pool keeps the old one.
                    connection.invalidate()
                raise
            rows = result.all() if result.returns_rows else ()
            if not statement.is_select:
                _commit(connection)
            return rows, len(rows) if result.returns_rows else result.rowcount

    def close(self) -> None:
        if self._is_own:
            self._engine.get().close()


class _EngineOfProcess:
    """An engine, and, after a fork, the pool that it had in the parent."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._pool_of_parent: Any = None

    def leave(self) -> None:
        """In a child: give the engine a new pool, and keep the parent's; collected, its connections would be closed."""
        self._pool_of_parent = self.engine.pool
        self.engine.dispose(close=False)

    def close(self) -> None:
        self.engine.dispose()


def connect(engine: Engine) -> Connection:
    """A connection of *engine*'s pool."""
    from sqlalchemy.exc import SQLAlchemyError

    with noting("connect"):
        try:
            return engine.connect()
        except (SQLAlchemyError, OSError):
            raise
        except Exception as error:
            # Of an option that it does not know, or an event of the application: a driver's TypeError, or any other.
            raise DriverFailed(error) from error


def _commit(connection: Connection) -> None:
    """Commit the transaction that an application's event may have begun in spite of AUTOCOMMIT.

    SQLAlchemy's manual shows such an event for SQLite. Without a commit the pool would undo a write that the store has
    acknowledged.
    """
    from sqlalchemy.exc import DBAPIError

    try:
        connection.commit()
    except DBAPIError as error:
        raise DriverFailed(error.orig if isinstance(error.orig, Exception) else error, "COMMIT") from error


class _DriverStatement(NamedTuple):
    """A statement as a driver takes it; its parameters are named, or stand in the order of *parameter_names*."""

    sql: str
    parameter_names: Sequence[str] | None
    isolation: str | None


class DriverConnections:
    """Those that *engine* opens and this store alone uses; the statements go over the cursor of the driver.

    A result and a transaction of SQLAlchemy would cost twice as much as the statement itself. A request waits for
    *pool_timeout* seconds if all connections are in use.
    """

    def __init__(self, engine: Engine, *, pool_timeout: float) -> None:
        # A pool of the house: with SQLAlchemy's QueuePool and the same two checks of a connection, a read from
        # PostgreSQL took 58 µs instead of 43, and a write 77 instead of 57.
        self._pool = PerProcess(
            lambda: Pool(
                lambda: _open(engine),
                lambda connection: connection.close(),
                has_ended=_is_closed_by_server,
                most=MOST_CONNECTIONS,
                patience=pool_timeout,
            )
        )
        self._engine = engine
        self._errors = (_driver_error(engine), OSError)
        self._statements: dict[Executable, _DriverStatement] = {}

    @property
    def engine(self) -> Engine:
        # It has a NullPool, so it holds no connection that a child could inherit.
        return self._engine

    def execute(self, statement: Executable, parameters: Mapping[str, Any]) -> Answer:
        compiled = self._statements.get(statement) or self._compile(statement)
        names = compiled.parameter_names
        values = parameters if names is None else [parameters[name] for name in names]
        pool = self._pool.get()
        connection = pool.borrow()
        try:
            answer = _execute(connection, compiled, values)
        except self._errors as error:
            pool.discard(connection)
            # After one broken connection (restart, failover) the idle ones are usually broken as well.
            pool.close_idle()
            raise DriverFailed(error, compiled.sql) from error
        except BaseException:
            pool.discard(connection)
            raise
        pool.give_back(connection)
        return answer

    def _compile(self, statement: Executable) -> _DriverStatement:
        compiled: Any = statement.compile(dialect=self._engine.dialect)  # type: ignore[attr-defined]
        isolation = statement.get_execution_options().get(ISOLATION_OPTION)
        self._statements[statement] = _DriverStatement(str(compiled), compiled.positiontup, isolation)
        return self._statements[statement]

    def close(self) -> None:
        self._pool.get().close_idle()


def _execute(connection: Any, statement: _DriverStatement, values: Any) -> Answer:
    cursor = connection.cursor()
    if statement.isolation is not None:
        # Without SESSION it applies to the next transaction alone.
        cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {statement.isolation}")
    cursor.execute(statement.sql, values)
    return cursor.fetchall() if cursor.description else (), cursor.rowcount


def _open(engine: Engine) -> Any:
    with noting("connect"):
        try:
            opened = engine.raw_connection()
        except Exception as error:
            raise DriverFailed(error) from error
    connection = opened.driver_connection
    opened.detach()
    return connection


def _driver_error(engine: Engine) -> type[Exception]:
    driver: Any = engine.dialect.dbapi
    error: type[Exception] = driver.Error
    return error


def _is_closed_by_server(connection: Any) -> bool:
    # PyMySQL has no public way to its socket: ping() is a round trip, and TLS wraps a socket that connect() is given.
    # psycopg's connection has a fileno().
    return is_readable(getattr(connection, "_sock", connection))
