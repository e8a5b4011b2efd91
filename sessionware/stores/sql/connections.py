"""Ways to a database: through an application's engine as it is, or over connections that only this store uses."""

from __future__ import annotations

import contextlib
import select
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sessionware.stores.sql.failures import DriverFailed

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Executable

#: What one statement gives: its rows, and how many it changed.
Answer = tuple[Sequence[Any], int]

#: Of one process. It is more than SQL needs whose statements take less than a millisecond, and a server's limit is
#: often a hundred for all processes.
MOST_CONNECTIONS = 15

#: The execution option of a statement that shall be a transaction of this isolation level.
ISOLATION = "sessionware_isolation"


class Way(Protocol):
    """How statements get to the database, each a transaction by itself."""

    def run(self, statement: Executable, parameters: Mapping[str, Any]) -> Answer:
        """Execute *statement*; it is never sent a second time."""
        ...

    def leave_to_parent(self) -> None:
        """After a fork: set the parent's connections aside, where nothing closes them."""
        ...

    def close(self) -> None:
        """Close the connections that are not in use."""
        ...


class _Text(NamedTuple):
    """A statement in the words of a driver: its parameters have an order there, or names."""

    sql: str
    order: Sequence[str] | None
    isolation: str | None


class EngineWay:
    """Through the pool of an engine, and all that an application has hung onto it."""

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        self._engine = engine
        self._is_own = is_own

    def run(self, statement: Executable, parameters: Mapping[str, Any]) -> Answer:
        isolation = statement.get_execution_options().get(ISOLATION)
        with self._engine.connect() as connection:
            if isolation is not None:
                connection.execution_options(isolation_level=isolation)
            result = connection.execute(statement, parameters)
            answer = result.all() if result.returns_rows else (), result.rowcount
            if not result.returns_rows:
                _commit(connection)
            return answer

    def leave_to_parent(self) -> None:
        _inherited.append(self._engine.pool)
        self._engine.dispose(close=False)

    def close(self) -> None:
        if self._is_own:
            self._engine.dispose()


def _commit(connection: Connection) -> None:
    """End the transaction, if there is one in spite of AUTOCOMMIT; else the pool would undo what we acknowledge.

    An application may begin one by an event, as SQLAlchemy's manual shows it for SQLite.
    """
    from sqlalchemy.exc import DBAPIError

    try:
        connection.commit()
    except DBAPIError as error:
        raise DriverFailed(error.orig if isinstance(error.orig, Exception) else error, "COMMIT") from error


class DriverWay:
    """Over the driver's own connections, which *engine* opens, at most 15 of them.

    A result and a transaction of SQLAlchemy would cost twice as much as the statement itself. A request waits for
    *patience* seconds for a connection if all are in use.
    """

    def __init__(self, engine: Engine, patience: float) -> None:
        self._engine = engine
        self._patience = patience
        self._errors = (_errors_of(engine), OSError)
        self._texts: dict[Executable, _Text] = {}
        self._open_anew()

    def _open_anew(self) -> None:
        # Borrowed and given back instead of one per thread: a threading.local made before gevent patches the world
        # is shared by all greenlets. Both methods of a deque are atomic.
        self._idle: deque[Any] = deque()
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def run(self, statement: Executable, parameters: Mapping[str, Any]) -> Answer:
        text = self._texts.get(statement) or self._compile(statement)
        given = parameters if text.order is None else [parameters[name] for name in text.order]
        idle, free = self._idle, self._free
        if not free.acquire(timeout=self._patience):
            raise TimeoutError(f"all {MOST_CONNECTIONS} connections were in use")
        try:
            connection = self._borrow()
            answer = self._executed(connection, text, given)
            idle.append(connection)
            return answer
        finally:
            free.release()

    def _executed(self, connection: Any, text: _Text, given: Any) -> Answer:
        try:
            cursor = connection.cursor()
            if text.isolation is not None:
                # Of the next transaction alone.
                cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {text.isolation}")
            cursor.execute(text.sql, given)
            return cursor.fetchall() if cursor.description else (), cursor.rowcount
        except self._errors as error:
            connection.close()
            # One that is broken is seldom alone.
            self._close_idle()
            raise DriverFailed(error, text.sql) from error
        except BaseException:
            connection.close()
            raise

    def leave_to_parent(self) -> None:
        _inherited.append(self._idle)
        self._open_anew()

    def close(self) -> None:
        self._close_idle()

    def _compile(self, statement: Executable) -> _Text:
        compiled: Any = statement.compile(dialect=self._engine.dialect)  # type: ignore[attr-defined]
        text = _Text(str(compiled), compiled.positiontup, statement.get_execution_options().get(ISOLATION))
        self._texts[statement] = text
        return text

    def _borrow(self) -> Any:
        """A connection that is idle and alive, or a new one."""
        while self._idle:
            with contextlib.suppress(IndexError):
                connection = self._idle.pop()
                if not _has_ended(connection):
                    return connection
                connection.close()
        try:
            opened = self._engine.raw_connection()
        except self._errors as error:
            raise DriverFailed(error) from error
        connection = opened.driver_connection
        opened.detach()
        return connection

    def _close_idle(self) -> None:
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()


def _errors_of(engine: Engine) -> type[Exception]:
    driver: Any = engine.dialect.dbapi
    errors: type[Exception] = driver.Error
    return errors


def _has_ended(connection: Any) -> bool:
    """Whether there is something to read where nothing was asked: a farewell.

    So a write after a restart of the server goes to a new connection, where otherwise nobody would know whether it
    had taken effect; and it costs no round trip.
    """
    # PyMySQL has no public way to its socket.
    socket = getattr(connection, "_sock", connection)
    poll = select.poll()
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


#: What parent processes have left open. To close it here would end it there, too.
_inherited: list[Any] = []
