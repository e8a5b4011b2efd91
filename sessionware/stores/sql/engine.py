"""The engine that the SQL store uses: made from a URL, with timeouts that hold, or an application's own."""

from __future__ import annotations

import math
import select
import selectors
import socket
import time
from collections.abc import Generator
from functools import cache
from typing import TYPE_CHECKING, Any

from sessionware.exceptions import ConfigError
from sessionware.stores.pools import (
    KEEPALIVE_IDLE_SECONDS,
    KEEPALIVE_INTERVAL_SECONDS,
    KEEPALIVE_PROBES,
    keepalive_options,
)

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine

DIALECTS = ("postgresql", "mysql", "mariadb", "sqlite")
_NAMES = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB", "sqlite": "SQLite"}
_DRIVERS = {"postgresql": "psycopg", "mysql": "pymysql", "mariadb": "pymysql", "sqlite": "pysqlite"}
_PACKAGES = {"psycopg": "psycopg[binary]", "pymysql": "PyMySQL"}
#: The driver waits 10 % longer than the server's own timeout: the server's "cancelled" proves that the write did not
#: happen, a timeout of the driver would not.
_DRIVER_TIMEOUT_FACTOR = 1.1


def make_engine(url: str, timeout: float) -> Engine:
    """An engine for *url* in AUTOCOMMIT; nothing is opened yet. Its pool keeps no connections, except for SQLite."""
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
        package = _PACKAGES.get(_DRIVERS[kind], _DRIVERS[kind])
        raise ConfigError(f"the SQL store needs a driver for {kind}: pip install '{package}'") from error
    _add_timeouts(engine, kind, timeout)
    return engine


def checked_engine(engine: Engine) -> Engine:
    """The application's engine, with the settings that each statement of this store needs."""
    from sqlalchemy import Engine
    from sqlalchemy.pool import SingletonThreadPool, StaticPool

    if not isinstance(engine, Engine):
        raise ConfigError(
            f"engine: expected an Engine of SQLAlchemy, from create_engine(), got {type(engine).__name__}"
        )
    if engine.dialect.name not in DIALECTS:
        raise ConfigError(f"engine: the SQL store speaks {', '.join(DIALECTS)}, not {engine.dialect.name}")
    if isinstance(engine.pool, (SingletonThreadPool, StaticPool)):
        raise ConfigError(
            f"engine: its {type(engine.pool).__name__} gives the connection that the application is using to the store "
            "as well, whose commits would be those of the application's open transaction; make the engine with "
            "poolclass=QueuePool"
        )
    ours = engine.execution_options(isolation_level="AUTOCOMMIT")
    ours.hide_parameters = True
    return ours


def place_of(engine: Engine) -> str:
    """Where the database of *engine* is, for a message: without user and password."""
    url = engine.url
    # libpq takes several hosts, or the directory of a socket, as an option; PyMySQL has unix_socket.
    named = url.host or url.query.get("host") or url.query.get("unix_socket") or ""
    hosts = named if isinstance(named, str) else ",".join(named)
    port = f":{url.port}" if url.port else ""
    name = _NAMES.get(url.get_backend_name(), url.get_backend_name())
    if not hosts and not url.database:
        return name
    return f"{name} at {url.database}" if not hosts else f"{name} at {hosts}{port}/{url.database or ''}"


def _checked_url(url: str) -> URL:
    """The URL with a driver whose timeouts are known. It may contain a password, so no message repeats it."""
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
            f"url: the SQL store cannot set the timeouts of {parsed.drivername!r}; give {kind}+{driver}://…, or an "
            "engine of yours"
        )
    if kind == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigError("url: each connection to an SQLite database in memory has a database of its own; name a file")
    return parsed.set(drivername=f"{kind}+{driver}")


def _connect_arguments(kind: str, timeout: float) -> dict[str, Any]:
    if kind == "postgresql":
        return {
            "connect_timeout": math.ceil(timeout),
            "keepalives_idle": KEEPALIVE_IDLE_SECONDS,
            "keepalives_interval": KEEPALIVE_INTERVAL_SECONDS,
            "keepalives_count": KEEPALIVE_PROBES,
        }
    if kind == "sqlite":
        return {"timeout": timeout}
    return {"connect_timeout": timeout, "read_timeout": timeout * _DRIVER_TIMEOUT_FACTOR, "write_timeout": timeout}


def _add_timeouts(engine: Engine, kind: str, timeout: float) -> None:
    from sqlalchemy import event

    if kind == "sqlite":
        return
    if kind == "postgresql":

        @event.listens_for(engine, "do_connect")
        def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
            return _psycopg_connection_class(timeout * _DRIVER_TIMEOUT_FACTOR).connect(*arguments, **options)

    if kind == "mysql":

        @event.listens_for(engine, "connect")
        def probe_when_idle(connection: Any, record: Any) -> None:
            # PyMySQL switches keepalive on, and has no option for its times, nor a public way to its socket.
            if connection._sock.family != socket.AF_UNIX:
                for option, value in keepalive_options().items():
                    connection._sock.setsockopt(socket.IPPROTO_TCP, option, value)

    @event.listens_for(engine, "connect")
    def set_server_timeout(connection: Any, record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(_server_timeout(kind, timeout))


def _server_timeout(kind: str, timeout: float) -> str:
    """The statement that lets the server itself give up, so that it does not work for a client that has gone."""
    if kind == "postgresql":
        return f"SET statement_timeout = {math.ceil(timeout * 1000)}"
    seconds = max(1, math.floor(timeout))
    return f"SET SESSION innodb_lock_wait_timeout = {seconds}, SESSION lock_wait_timeout = {seconds}"


@cache
def _psycopg_connection_class(timeout: float) -> Any:
    """A class of psycopg connections that wait for the server for *timeout* seconds, and then close.

    psycopg has no timeout for an answer: a server that was stopped, or a network that drops every packet, would hold a
    request forever.
    """
    import psycopg

    class AnswerTimeout(psycopg.OperationalError):
        """The server did not answer in time."""

        __qualname__ = "AnswerTimeout"

    class TimeoutConnection(psycopg.Connection[Any]):
        """Closes when an answer does not come in time."""

        @classmethod
        def _connect_gen(cls, *rest: Any, **options: Any) -> Any:
            # There is no public way: connect_timeout is in whole seconds, two at least, and connect(), which tries each
            # host that the URL names, calls nothing else that waits.
            return _limited(super()._connect_gen(*rest, **options), timeout, AnswerTimeout)

        def wait(self, gen: Any, *rest: Any, **options: Any) -> Any:
            try:
                return super().wait(_limited(gen, timeout, AnswerTimeout, descriptor=self.fileno()), *rest, **options)
            except AnswerTimeout:
                self.close()
                raise

    return TimeoutConnection


def _limited(
    waiting: Generator[Any, Any, Any], timeout: float, error: type[Exception], *, descriptor: int | None = None
) -> Generator[Any, Any, Any]:
    """psycopg's generator *waiting*, which yields what it waits for; raises *error* once *timeout* seconds have passed.

    While psycopg connects, the generator yields the socket as well; afterwards that is *descriptor*.
    """
    deadline = time.monotonic() + timeout
    try:
        wanted = next(waiting)
        while True:
            polled, events = wanted if descriptor is None else (descriptor, wanted)
            # A socket that is ready counts after the deadline, too: this machine may have been asleep.
            if not _is_ready(polled, events, deadline - time.monotonic()):
                raise error("no answer in time")
            wanted = waiting.send((yield wanted))
    except StopIteration as end:
        return end.value


def _is_ready(descriptor: int, events: int, timeout: float) -> bool:
    """Whether *descriptor* becomes ready for *events* within *timeout* seconds, or is ready now.

    psycopg's own waiting would block every greenlet if it was imported before gevent patched the standard library, and
    before 3.3 it does not return while nothing happens.
    """
    poll = select.poll()
    reading = select.POLLIN if events & selectors.EVENT_READ else 0
    poll.register(descriptor, reading | (select.POLLOUT if events & selectors.EVENT_WRITE else 0))
    return bool(poll.poll(max(0.0, timeout) * 1000))
