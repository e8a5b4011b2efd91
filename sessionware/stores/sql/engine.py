"""The engine that the SQL store makes for itself: by URL, with timeouts that hold."""

from __future__ import annotations

import math
import select
import selectors
import time
from collections.abc import Generator
from functools import cache
from typing import TYPE_CHECKING, Any

from sessionware.exceptions import ConfigError

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

_DRIVERS = {"postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql", "sqlite": "pysqlite"}
#: How much longer than the server we wait for it to give a statement up: that answer is clear, a silence is not.
_PATIENCE = 1.1


def make_engine(url: str, timeout: float) -> Engine:
    """An engine for *url* whose statements stand for themselves; nothing is opened yet.

    It keeps no connections, but for SQLite, which needs no others.
    """
    import sqlalchemy as sa

    parsed = _checked_url(url)
    kind = parsed.get_backend_name()
    options: dict[str, Any] = {
        "isolation_level": "AUTOCOMMIT",
        "hide_parameters": True,
        "connect_args": _connect_arguments(kind, timeout),
    }
    if kind != "sqlite":
        options["poolclass"] = sa.NullPool
    if kind == "postgresql":
        options["use_native_hstore"] = False
    try:
        engine = sa.create_engine(parsed, **options)
    except ImportError as error:
        package = {"psycopg": "psycopg[binary]", "pymysql": "PyMySQL"}.get(_DRIVERS[kind], _DRIVERS[kind])
        raise ConfigError(f"the SQL store needs a driver for {kind}: pip install '{package}'") from error
    _listen(engine, kind, timeout)
    return engine


def _checked_url(url: str) -> URL:
    """The URL with the driver whose timeouts we can set. It may have a password, so it is never repeated."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    parsed = None
    try:
        parsed = make_url(url)
        kind = parsed.get_backend_name()
    except (SQLAlchemyError, ValueError):
        kind = ""
    if parsed is None or kind not in _DRIVERS:
        raise ConfigError("url: give postgresql+psycopg://…, mysql+pymysql://… or sqlite:///…, or an engine of yours")
    driver = _DRIVERS[kind]
    if parsed.drivername not in (kind, f"{kind}+{driver}"):
        raise ConfigError(
            f"url: of {parsed.drivername!r} we do not know how its timeouts are set; give {kind}+{driver}://…, or an "
            "engine of yours"
        )
    if kind == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError("url: each connection to an SQLite database in memory has a database of its own; name a file")
    return parsed.set(drivername=f"{kind}+{driver}")


def _connect_arguments(kind: str, timeout: float) -> dict[str, Any]:
    if kind == "postgresql":
        # libpq knows whole seconds, and two of them at least.
        return {"connect_timeout": math.ceil(timeout)}
    if kind == "sqlite":
        return {"timeout": timeout}
    return {"connect_timeout": timeout, "read_timeout": timeout * _PATIENCE, "write_timeout": timeout}


def _listen(engine: Engine, kind: str, timeout: float) -> None:
    from sqlalchemy import event

    if kind == "sqlite":
        return
    if kind == "postgresql":

        @event.listens_for(engine, "do_connect")
        def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
            return _patient_connection(timeout * _PATIENCE).connect(*arguments, **options)

    @event.listens_for(engine, "connect")
    def set_limits(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_limits(kind, timeout))


def _limits(kind: str, timeout: float) -> str:
    """The server's own limits, so that it does not go on for somebody who has gone."""
    if kind == "postgresql":
        return f"SET statement_timeout = {math.ceil(timeout * 1000)}"
    seconds = max(1, math.floor(timeout))
    return f"SET SESSION innodb_lock_wait_timeout = {seconds}, SESSION lock_wait_timeout = {seconds}"


@cache
def _patient_connection(seconds: float) -> Any:
    """A class of psycopg connections that wait *seconds* for the server, and then close.

    psycopg has no timeout of its own for an answer; a server that was stopped, or a network that swallows all, would
    hold a request forever. What waits is a generator, which yields what it waits for.
    """
    import psycopg

    class Late(psycopg.OperationalError):
        """The server has not answered in time."""

        __qualname__ = "Late"

    class PatientConnection(psycopg.Connection[Any]):
        """Closes when an answer does not come."""

        @classmethod
        def _connect_gen(cls, *rest: Any, **options: Any) -> Any:
            # libpq's own timeout is two seconds at least.
            return _in_time(super()._connect_gen(*rest, **options), seconds, Late)

        def wait(self, gen: Any, *rest: Any, **options: Any) -> Any:
            try:
                return super().wait(_in_time(gen, seconds, Late, socket=self.pgconn.socket), *rest, **options)
            except Late:
                self.close()
                raise

    return PatientConnection


def _in_time(
    waiting: Generator[Any, Any, Any], seconds: float, late: type[Exception], *, socket: int | None = None
) -> Generator[Any, Any, Any]:
    """The same as *waiting*, which says what it waits for, until *seconds* have passed without anything.

    While it connects it says by which socket, too; afterwards that is *socket*.
    """
    deadline = time.monotonic() + seconds
    try:
        wanted = next(waiting)
        while True:
            place, what = wanted if socket is None else (socket, wanted)
            # What has come is read first: a machine that was asleep is not a server that is late.
            if not _has_come(place, what, deadline - time.monotonic()):
                raise late("no answer in time")
            wanted = waiting.send((yield wanted))
    except StopIteration as end:
        return end.value


def _has_come(socket: int, wanted: int, seconds: float) -> bool:
    """Whether *socket* gets ready in *seconds*, or is now.

    We wait ourselves: psycopg would stop every greenlet if it was imported before gevent patched the world, and before
    3.3 it would not come back when nothing happens.
    """
    poll = select.poll()
    reading = select.POLLIN if wanted & selectors.EVENT_READ else 0
    poll.register(socket, reading | (select.POLLOUT if wanted & selectors.EVENT_WRITE else 0))
    return bool(poll.poll(max(0.0, seconds) * 1000))
