"""Sessions in a table of PostgreSQL, MariaDB, MySQL or SQLite, through SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from sessionware.exceptions import (
    AlreadyExists,
    ConfigError,
    Conflict,
    Gone,
    RecordTooLarge,
    StoreUnavailable,
    hiding_arguments,
)
from sessionware.stores.contract import Duration, Entry, Version, seconds
from sessionware.stores.failures import guarded, noting
from sessionware.stores.framing import new_version
from sessionware.stores.sql import statements
from sessionware.stores.sql.connections import Answer, Connections, DriverConnections, EngineConnections, connect
from sessionware.stores.sql.engine import checked_engine, make_engine, place_of
from sessionware.stores.sql.failures import DriverFailed, WrongTable, cause_of, is_duplicate, is_undone
from sessionware.stores.sweeping import Sweeping

if TYPE_CHECKING:
    from sqlalchemy import Engine

_PURGE_BATCH = 200
#: The part of the timeout for which a request waits while all connections are in use.
_POOL_TIMEOUT_SHARE = 0.5
#: The isolation level in which the table is created: a transaction, where the database has them for DDL.
_ISOLATION_OF_DDL = {"postgresql": "READ COMMITTED", "mysql": "AUTOCOMMIT", "sqlite": "AUTOCOMMIT"}
_Statement = Literal["load", "insert", "update", "exists", "delete", "purge"]


class SQLAlchemyStore:
    """Keeps entries in the table *table* of the database at *url*, or of an application's own *engine*.

    *url* is ``postgresql+psycopg://…``, ``mysql+pymysql://…``, ``mariadb+pymysql://…`` or ``sqlite:///…``; each needs
    its driver. Each statement is a transaction by itself, and takes the time from the database's clock. The table is
    created at the first use, unless *create_table* is false; then an operator runs what :meth:`ddl` returns. *timeout*
    (seconds, or a string such as ``"5s"``) is how long a request waits for the database before the store raises
    :exc:`StoreUnavailable`.

    An *engine* is used as it is, with its pool, its events and its timeouts, which *timeout* does not change: give it a
    connect timeout and a read timeout. For this store alone the isolation level is AUTOCOMMIT (READ COMMITTED for a
    purge of MySQL), and parameters are hidden from the engine's logs. The store connects at its first use, and a child
    process never uses a connection of its parent. For SQLite ``SQLiteStore`` is faster and needs no driver.
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

    @hiding_arguments
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
        self._table = statements.make_table(statements.checked_table_name(table))
        self._connections = _make_connections(url, engine, seconds(timeout))
        self._dialect = self._connections.engine.dialect
        self._failures = _failures()
        self._place = f"{place_of(self._connections.engine)}, table {self._table.fullname}"
        url_of_engine = self._connections.engine.url
        self._hidden = [url_of_engine.password, url_of_engine.username]
        self._creates_table = create_table
        self._is_ready = False
        self._sweeping = Sweeping()
        self._use(statements.Capabilities())

    def _use(self, capabilities: statements.Capabilities) -> None:
        self._capabilities = capabilities
        self._statements = statements.make_statements(self._table, self._dialect, capabilities)

    @staticmethod
    def ddl(dialect: str, table: str = "sessions") -> str:
        """The statements that create *table*, for an operator to run; *dialect* is the URL's, before the ``+``."""
        _require_sqlalchemy()
        return statements.ddl(dialect, table)

    @guarded
    def load(self, key: str) -> Entry | None:
        """The entry under *key*, or ``None``."""
        rows, _ = self._execute("load", {"k": key})
        return Entry(*rows[0]) if rows else None

    @guarded
    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`."""
        try:
            version = self._write("insert", key, payload, ttl)
        except self._failures as error:
            if not is_duplicate(error):
                raise
            version = None
        if version is None:
            raise AlreadyExists
        self._sweeping.after_write(self.purge)
        return version

    @guarded
    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        try:
            written = self._write("update", key, payload, ttl, was=version)
        except self._failures as error:
            if is_undone(error):
                raise Conflict from None
            raise
        if written is None:
            rows, _ = self._execute("exists", {"k": key})
            raise Conflict if rows else Gone
        self._sweeping.after_write(self.purge)
        return written

    @guarded
    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        return self._change("delete", {"k": key}) > 0

    @guarded
    def purge(self, limit: int | None = None) -> int:
        """Remove expired entries, *limit* at most, in statements of 200; how many went.

        It neither waits for a locked row nor makes a writer wait. The exceptions are MariaDB before 10.6, MySQL before
        8.0.1, and one of these whose binary log has statements instead of rows.
        """
        removed = 0
        while limit is None or removed < limit:
            batch = _PURGE_BATCH if limit is None else min(limit - removed, _PURGE_BATCH)
            try:
                count = self._change("purge", {"batch": batch})
            except self._failures as error:
                if is_undone(error):
                    break
                raise
            removed += count
            if count < batch:
                break
        return removed

    def close(self) -> None:
        """Close the connections of this process that are not in use, unless the engine is the application's."""
        self._connections.close()

    def _write(self, name: _Statement, key: str, payload: bytes, ttl: float | None, **more: Any) -> Version | None:
        """The new version, or ``None`` if no row was written."""
        version = new_version()
        parameters = {"k": key, "p": payload, "v": version, "ttl": None if ttl is None else float(ttl), **more}
        return version if self._change(name, parameters) else None

    def _change(self, name: _Statement, parameters: dict[str, Any]) -> int:
        """How many rows were changed. A driver may answer -1 (PEP 249); then no write can be acknowledged."""
        _, count = self._execute(name, parameters)
        if count < 0:
            raise StoreUnavailable("the SQL store failed: its driver does not report how many rows have changed")
        return count

    def _execute(self, name: _Statement, parameters: dict[str, Any]) -> Answer:
        """The rows that the statement gives, and the number of those that it changed."""
        if not self._is_ready:
            self._prepare()
        self._check_size(parameters.get("p", b""))
        return self._connections.execute(getattr(self._statements, name), parameters)

    def _cause_of(self, error: Exception) -> Exception | None:
        return cause_of(error, self._hidden) if isinstance(error, self._failures) else None

    def _prepare(self) -> None:
        """Create the table, or look whether it is there, and ask the server for its capabilities."""
        engine = self._connections.engine
        if self._creates_table:
            with noting("creating the table"), connect(engine) as connection:
                kind = statements.dialect_kind(self._dialect)
                connection.execution_options(isolation_level=_ISOLATION_OF_DDL[kind])
                with connection.begin():
                    statements.create(connection, self._table)
        with noting("looking at the table"), connect(engine) as connection:
            statements.check(connection, self._table)
            self._use(statements.ask_capabilities(connection))
        self._is_ready = True

    def _check_size(self, payload: bytes) -> None:
        largest = self._capabilities.largest_payload
        if largest is not None and len(payload) > largest:
            raise RecordTooLarge("the record is larger than the database takes")


def _require_sqlalchemy() -> None:
    try:
        import sqlalchemy  # noqa: F401
    except ImportError as error:
        raise ConfigError("the SQL store needs SQLAlchemy: pip install 'sessionware[sqlalchemy]'") from error


def _failures() -> tuple[type[Exception], ...]:
    from sqlalchemy.exc import SQLAlchemyError

    return (DriverFailed, WrongTable, SQLAlchemyError, OSError, OverflowError)


def _make_connections(url: str | None, engine: Engine | None, timeout: float) -> Connections:
    if (url is None) == (engine is None):
        raise ConfigError(
            "the SQL store needs a url or an engine, and not both; a url is such as 'postgresql+psycopg://host/database'"
        )
    if engine is not None:
        return EngineConnections(checked_engine(engine), is_own=False)
    made = make_engine(str(url), timeout)
    if made.dialect.name == "sqlite":
        return EngineConnections(made, is_own=True)
    return DriverConnections(made, pool_timeout=timeout * _POOL_TIMEOUT_SHARE)
