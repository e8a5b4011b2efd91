"""Ways to a database: through an application's engine as it is, or over connections that only this store uses."""

from __future__ import annotations

import contextlib
import select
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sessionware.stores.sql_failures import DriverFailed

if TYPE_CHECKING:
    from sqlalchemy import Engine, Executable

#: What one statement gives: its rows, and how many it changed.
Answer = tuple[Sequence[Any], int]

#: Of one process. It is more than SQL needs whose statements take less than a millisecond, and a server's limit is
#: often a hundred for all processes.
MOST_CONNECTIONS = 15


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


class EngineWay:
    """Through the pool of an engine, and all that an application has hung onto it."""

    def __init__(self, engine: Engine, *, is_own: bool) -> None:
        self._engine = engine
        self._is_own = is_own

    def run(self, statement: Executable, parameters: Mapping[str, Any]) -> Answer:
        with self._engine.connect() as connection:
            result = connection.execute(statement, parameters)
            return result.all() if result.returns_rows else (), result.rowcount

    def leave_to_parent(self) -> None:
        _inherited.append(self._engine.pool)
        self._engine.dispose(close=False)

    def close(self) -> None:
        if self._is_own:
            self._engine.dispose()


class DriverWay:
    """Over the driver's own connections, which *engine* opens, at most 15 of them.

    A result and a transaction of SQLAlchemy would cost twice as much as the statement itself. A request waits for
    *patience* seconds for a connection if all are in use.
    """

    def __init__(self, engine: Engine, patience: float) -> None:
        self._engine = engine
        self._patience = patience
        self._errors = (_errors_of(engine), OSError)
        self._texts: dict[Executable, tuple[str, Sequence[str] | None]] = {}
        self._open_anew()

    def _open_anew(self) -> None:
        # Borrowed and given back instead of one per thread: a threading.local made before gevent patches the world
        # is shared by all greenlets. Both methods of a deque are atomic.
        self._idle: deque[Any] = deque()
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def run(self, statement: Executable, parameters: Mapping[str, Any]) -> Answer:
        text, order = self._texts.get(statement) or self._compile(statement)
        given = parameters if order is None else [parameters[name] for name in order]
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

    def _executed(self, connection: Any, text: str, given: Any) -> Answer:
        try:
            cursor = connection.cursor()
            cursor.execute(text, given)
            return cursor.fetchall() if cursor.description else (), cursor.rowcount
        except self._errors as error:
            connection.close()
            # One that is broken is seldom alone.
            self._close_idle()
            raise DriverFailed(error, text) from error
        except BaseException:
            connection.close()
            raise

    def leave_to_parent(self) -> None:
        _inherited.append(self._idle)
        self._open_anew()

    def close(self) -> None:
        self._close_idle()

    def _compile(self, statement: Executable) -> tuple[str, Sequence[str] | None]:
        compiled: Any = statement.compile(dialect=self._engine.dialect)  # type: ignore[attr-defined]
        self._texts[statement] = text = str(compiled), compiled.positiontup
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
