"""Sessions in a table of PostgreSQL, MariaDB, MySQL or SQLite, through SQLAlchemy."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sessionware.exceptions import (
    AlreadyExists,
    ConfigError,
    Conflict,
    Gone,
    RecordTooLarge,
    SessionwareError,
    StoreUnavailable,
)
from sessionware.stores.contract import Duration, Entry, Version, seconds
from sessionware.stores.sql import engine as sql_engine
from sessionware.stores.sql import failures as sql_failures
from sessionware.stores.sql import statements as sql_table
from sessionware.stores.sql.connections import Answer, DriverWay, EngineWay, Way
from sessionware.stores.sql.failures import DriverFailed
from sessionware.stores.sweeping import Upkeep

if TYPE_CHECKING:
    from sqlalchemy import Engine

_PURGE_BATCH = 200
#: The part of the timeout that a request waits while all connections are in use.
_QUEUEING = 0.5
_Statement = Literal["load", "insert", "update", "exists", "delete", "purge"]
_Translate = Callable[[Exception, Sequence[str | None]], SessionwareError]


class SQLAlchemyStore:
    """Keeps entries in the table *table* of the database at *url*, or of an application's own *engine*.

    *url* is ``postgresql+psycopg://…``, ``mysql+pymysql://…``, ``mariadb+pymysql://…`` or ``sqlite:///…``; each needs
    its driver. Every statement stands for itself, without a transaction around it, and takes the time from the
    database. The table is created at the first use unless *create_table* is false; :meth:`ddl` is what to run then.
    *timeout* (seconds, or a text such as ``"5s"``) is how long a request waits for the database before it is
    :exc:`StoreUnavailable`.

    An *engine* is used as it is, with its pool, its events and its timeouts, which *timeout* does not change: give it a
    connect timeout and a read timeout. Only the isolation level is AUTOCOMMIT, for a purge of MySQL READ COMMITTED, and
    parameters are hidden from its logs, all for this store alone. Nothing is connected before the first use, and a
    child of a fork never uses a connection of its parent. For SQLite alone ``SQLiteStore`` is faster and needs no
    driver.
    """

    backend_name = "sqlalchemy"
    url_schemes = ("postgresql", "postgresql+*", "mysql", "mysql+*", "mariadb", "mariadb+*")
    option_help: ClassVar = {
        "url": (
            "``'postgresql+psycopg://user:password@host/database'``, ``'mysql+pymysql://user:password@host/database'``"
        ),
        "engine": "an Engine of the application, in place of a URL",
        "table": "the table, which may have a schema before a dot",
        "create_table": "whether the table is created if it is not there",
        "timeout": "how long a request waits for the database",
    }

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """The URL as it is: what follows its ``?`` are options of the driver."""
        return {"url": url}

    def __init__(
        self,
        url: str | None = None,
        *,
        engine: Engine | None = None,
        table: str = "sessions",
        create_table: bool = True,
        timeout: Duration = 5.0,
    ) -> None:
        _require_sqlalchemy()
        self._table = sql_table.make_table(sql_table.checked_name(table))
        self._engine, self._way = _engine_and_way(url, engine, seconds(timeout))
        self._failures = _failures()
        self._hidden = [self._engine.url.password, self._engine.url.username]
        self._kind = sql_table.family(self._engine.dialect)
        self._server = sql_table.Server()
        self._sql = sql_table.make_statements(self._table, self._engine.dialect, self._server)
        self._creates_table = create_table
        self._is_ready = False
        self._upkeep = Upkeep(None)
        self._process = os.getpid()
        _stores.add(self)

    @staticmethod
    def ddl(dialect: str, table: str = "sessions") -> str:
        """The statements that create *table*, for a person to run, in *dialect*: that of the URL, before the ``+``."""
        _require_sqlalchemy()
        return sql_table.ddl(dialect, table)

    def load(self, key: str) -> Entry | None:
        """The entry under *key*, or ``None``."""
        rows, _ = self._execute("load", {"k": key})
        return Entry(*rows[0]) if rows else None

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`."""
        version = self._write("insert", key, payload, ttl, translate=_already_exists_or)
        if version is None:
            raise AlreadyExists
        self._upkeep.after_write(self.purge)
        return version

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        new_version = self._write("update", key, payload, ttl, was=version, translate=sql_failures.conflict_or)
        if new_version is None:
            rows, _ = self._execute("exists", {"k": key})
            raise Conflict if rows else Gone
        self._upkeep.after_write(self.purge)
        return new_version

    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        return self._change("delete", {"k": key}) > 0

    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most, in statements of 200; how many went.

        It neither waits for a row that somebody else has locked nor makes a writer wait, but in MariaDB before 10.6,
        in MySQL before 8.0.1, and where a server of these logs statements instead of rows.
        """
        removed = 0
        while limit is None or removed < limit:
            batch = _PURGE_BATCH if limit is None else min(limit - removed, _PURGE_BATCH)
            try:
                count = self._change("purge", {"batch": batch}, sql_failures.conflict_or)
            except Conflict:
                break
            removed += count
            if count < batch:
                break
        return removed

    def close(self) -> None:
        """Close the connections of this process that are not in use, unless the engine is the application's."""
        self._leave_to_parent()
        self._way.close()

    def _write(
        self, name: _Statement, key: str, payload: bytes, ttl: float | None, *, translate: _Translate, **more: Any
    ) -> Version | None:
        """The new version, or ``None`` if no row was written."""
        version = os.urandom(sql_table.VERSION_BYTES)
        parameters = {"k": key, "p": payload, "v": version, "ttl": None if ttl is None else float(ttl), **more}
        return version if self._change(name, parameters, translate) else None

    def _change(
        self, name: _Statement, parameters: dict[str, Any], translate: _Translate = sql_failures.translated
    ) -> int:
        """How many rows were changed. Of a driver that does not know, and says -1, nothing can be acknowledged."""
        _, count = self._execute(name, parameters, translate)
        if count < 0:
            raise StoreUnavailable("the SQL store failed: its driver does not tell how many rows have changed")
        return count

    def _execute(
        self, name: _Statement, parameters: dict[str, Any], translate: _Translate = sql_failures.translated
    ) -> Answer:
        """The rows of one statement, which is a transaction by itself, and the number of those that it changed."""
        self._leave_to_parent()
        try:
            if not self._is_ready:
                self._prepare()
            self._check_size(parameters.get("p", b""))
            return self._way.run(getattr(self._sql, name), parameters)
        except self._failures as error:
            failure = translate(error, self._hidden)
        # Not in the handler, where the driver's error would stay with it as its context.
        raise failure from failure.__cause__

    def _prepare(self) -> None:
        """Create the table, and ask what the server takes and can do, at the first use in a process."""
        if self._creates_table:
            with self._engine.connect() as connection:
                connection.execution_options(isolation_level=_TRANSACTION[self._kind])
                with connection.begin():
                    sql_table.create(connection, self._table)
        with self._engine.connect() as connection:
            self._server = sql_table.ask_server(connection)
        self._sql = sql_table.make_statements(self._table, self._engine.dialect, self._server)
        self._is_ready = True

    def _check_size(self, payload: bytes) -> None:
        largest = self._server.largest_payload
        if largest is not None and len(payload) > largest:
            raise RecordTooLarge("the record is larger than the database takes")

    def _leave_to_parent(self) -> None:
        """After a fork, set the parent's connections aside, where nothing closes them."""
        if self._process != os.getpid():  # pragma: no cover - runs in children, where nothing is measured
            self._way.leave_to_parent()
            self._process = os.getpid()

    def _close_before_fork(self) -> None:
        if self._kind == "sqlite":
            self._way.close()


#: The table is created in a transaction, where there are any for that.
_TRANSACTION = {"postgresql": "READ COMMITTED", "mysql": "AUTOCOMMIT", "sqlite": "AUTOCOMMIT"}


def _require_sqlalchemy() -> None:
    try:
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        raise ConfigError("the SQL store needs SQLAlchemy: pip install 'sessionware[sqlalchemy]'") from error


def _failures() -> tuple[type[Exception], ...]:
    from sqlalchemy.exc import SQLAlchemyError

    return (DriverFailed, SQLAlchemyError, OSError, OverflowError)


def _engine_and_way(url: str | None, engine: Engine | None, timeout: float) -> tuple[Engine, Way]:
    if (url is None) == (engine is None):
        raise ConfigError("the SQL store needs a url or an engine, and not both")
    if engine is not None:
        ours = _checked_engine(engine)
        return ours, EngineWay(ours, is_own=False)
    made = sql_engine.make_engine(str(url), timeout)
    if made.dialect.name == "sqlite":
        return made, EngineWay(made, is_own=True)
    return made, DriverWay(made, timeout * _QUEUEING)


def _checked_engine(engine: Engine) -> Engine:
    """The application's engine, with the settings that every statement of ours needs."""
    from sqlalchemy import Engine

    if not isinstance(engine, Engine):
        raise ConfigError(f"engine: {type(engine).__name__} is no Engine of SQLAlchemy; take that of create_engine()")
    if engine.dialect.name not in sql_table.DIALECTS:
        raise ConfigError(f"engine: the SQL store speaks {', '.join(sql_table.DIALECTS)}, not {engine.dialect.name}")
    ours = engine.execution_options(isolation_level="AUTOCOMMIT")
    ours.hide_parameters = True
    return ours


def _already_exists_or(error: Exception, hidden: Sequence[str | None]) -> SessionwareError:
    return AlreadyExists() if sql_failures.is_duplicate(error) else sql_failures.translated(error, hidden)


_stores: weakref.WeakSet[SQLAlchemyStore] = weakref.WeakSet()


def _close_before_fork() -> None:
    """Leave a child no open SQLite connection (https://www.sqlite.org/howtocorrupt.html, 2.6)."""
    for store in list(_stores):
        store._close_before_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch
    os.register_at_fork(before=_close_before_fork)
