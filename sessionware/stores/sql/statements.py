"""The table of the SQL store: its columns, its DDL, and its statements in each dialect."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sessionware.exceptions import ConfigError
from sessionware.stores.framing import VERSION_BYTES
from sessionware.stores.sql.connections import ISOLATION_OPTION
from sessionware.stores.sql.engine import DIALECTS
from sessionware.stores.sql.failures import WrongTable
from sessionware.stores.sweeping import END_SLACK

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect, Executable, Table

_KEY_CHARACTERS = 43
_COLUMNS = ("key", "payload", "version", "expires_at")
#: What their values are in Python, and how long they may be at least.
_KINDS: dict[str, Any] = {"key": str, "payload": bytes, "version": bytes, "expires_at": (float, Decimal, int)}
_LENGTHS = {"key": _KEY_CHARACTERS, "version": VERSION_BYTES}

#: Shorter than any database's limit, because the name of the index is longer.
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,49}\.)?[A-Za-z_][A-Za-z0-9_]{0,49}")

#: The database's own clock, in seconds since the epoch, whatever the time zone of the session. Its value is constant
#: during a statement: PostgreSQL would not use the index for one that changes.
_NOW = {
    "postgresql": "CAST(extract(epoch FROM statement_timestamp()) AS double precision)",
    "mysql": "timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6)) / 1e6",
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
}

#: Taken by each process that creates the table. PostgreSQL releases it at the end of the transaction.
_LOCK_CREATION = {
    "postgresql": "SELECT pg_advisory_xact_lock(hashtext('sessionware'))",
    "mysql": "SELECT get_lock('sessionware', 60)",
}
_UNLOCK_CREATION = {"mysql": "SELECT release_lock('sessionware')"}

#: PostgreSQL answers with hexadecimal digits, and an answer has at most a gigabyte.
_LARGEST_IN_POSTGRESQL = (1 << 29) - 1024
#: PyMySQL sends bytes as hexadecimal digits, too.
_CHARACTERS_PER_BYTE = 2
#: What a statement has besides its payload.
_OTHER_CHARACTERS = 1024
#: The first versions that know SKIP LOCKED.
SKIP_LOCKED_SINCE = {"mariadb": (10, 6, 0), "mysql": (8, 0, 1)}


@dataclass(frozen=True, slots=True)
class Statements:
    """The statements of the store; parameters are k(ey), p(ayload), v(ersion), was (the old one), ttl and batch."""

    load: Executable
    insert: Executable
    update: Executable
    exists: Executable
    delete: Executable
    purge: Executable


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a server accepts and can do, where that depends on its version and settings."""

    largest_payload: int | None = None
    reads_committed: bool = True
    skips_locked: bool = True


def dialect_kind(dialect: Dialect) -> str:
    """The dialect's name, MariaDB's being MySQL."""
    return "mysql" if dialect.name == "mariadb" else dialect.name


def checked_table_name(name: str) -> str:
    """*name*, which may have a schema before a dot; anything that is not a plain name is a :exc:`ConfigError`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            "table: expected up to 50 letters, digits and underscores, perhaps after a schema and a dot ('sessions', "
            f"'web.sessions'), got {name!r}"
        )
    return name


def make_table(name: str) -> Table:
    """The table; its types are chosen so that keys compare byte for byte, and no database cuts a payload off."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    schema, _, plain = name.rpartition(".")
    # A VARCHAR in PostgreSQL, because the parameter is one, and a CHAR would be converted to it row by row.
    key = sa.String(_KEY_CHARACTERS).with_variant(sa.String(_KEY_CHARACTERS, collation="C"), "postgresql")
    key = key.with_variant(mysql.CHAR(_KEY_CHARACTERS, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
    payload = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
    version = sa.LargeBinary(VERSION_BYTES).with_variant(mysql.BINARY(VERSION_BYTES), "mysql", "mariadb")
    table = sa.Table(
        plain,
        sa.MetaData(),
        sa.Column("key", key, primary_key=True),
        sa.Column("payload", payload, nullable=False),
        sa.Column("version", version, nullable=False),
        sa.Column("expires_at", sa.Double()),
        schema=schema or None,
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )
    end = table.c.expires_at
    sa.Index(f"{plain}_expiry", end, postgresql_where=end.is_not(None), sqlite_where=end.is_not(None))
    return table


def ddl(dialect_name: str, name: str = "sessions") -> str:
    """The statements that create the table *name*, each with a semicolon, for an operator to run."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

    if dialect_name not in DIALECTS:
        raise ConfigError(f"dialect: expected one of {', '.join(DIALECTS)}, got {dialect_name!r}")
    dialect = make_url(f"{dialect_name}://").get_dialect()()
    table = make_table(checked_table_name(name))
    elements: list[DDLElement] = [CreateTable(table), *(CreateIndex(index) for index in table.indexes)]
    return "".join(f"{_without_tabs(str(element.compile(dialect=dialect)))};\n" for element in elements)


def _without_tabs(statement: str) -> str:
    return "\n".join(line.rstrip().replace("\t", "    ") for line in statement.strip().splitlines())


def create(connection: Connection, table: Table) -> None:
    """Create the table unless it exists, while other processes may do the same."""
    from sqlalchemy.schema import CreateIndex, CreateTable

    kind = dialect_kind(connection.dialect)
    if _exists(connection, table):
        return
    with _creation_lock(connection, kind):
        if _exists(connection, table):
            return
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            connection.execute(CreateIndex(index, if_not_exists=kind != "mysql"))


@contextlib.contextmanager
def _creation_lock(connection: Connection, kind: str) -> Iterator[None]:
    """Lets one process create at a time: IF NOT EXISTS is not atomic in PostgreSQL, and MySQL has none for an index."""
    import sqlalchemy as sa

    if kind in _LOCK_CREATION:
        connection.execute(sa.text(_LOCK_CREATION[kind]))
    try:
        yield
    finally:
        if kind in _UNLOCK_CREATION:
            connection.execute(sa.text(_UNLOCK_CREATION[kind]))


def _exists(connection: Connection, table: Table) -> bool:
    import sqlalchemy as sa

    try:
        columns = sa.inspect(connection).get_columns(table.name, table.schema)
    except sa.exc.NoSuchTableError:
        return False
    # SQLAlchemy asks SQLite two questions, and the table may be created between them: then it tells of no column.
    return bool(columns)


def check(connection: Connection, table: Table) -> None:
    """Raise :exc:`WrongTable` where the table is not there, or cannot keep entries."""
    import sqlalchemy as sa

    try:
        found = sa.inspect(connection).get_columns(table.name, table.schema)
    except sa.exc.NoSuchTableError:
        raise WrongTable("it does not exist; create it as SQLAlchemyStore.ddl() says") from None
    types = {column["name"]: column["type"] for column in found}
    faults = [fault for name in _COLUMNS if (fault := _fault_of_column(name, types.get(name)))]
    if faults:
        raise WrongTable(f"{', '.join(faults)}; name another table, or create it as SQLAlchemyStore.ddl() says")


def _fault_of_column(name: str, found: Any) -> str:
    if found is None:
        return f"it has no column {name!r}"
    try:
        kind = found.python_type
    except NotImplementedError:
        # A type that SQLAlchemy does not know.
        return ""
    if not issubclass(kind, _KINDS[name]):
        return f"its column {name!r} has the type {found!r}"
    length = getattr(found, "length", None)
    return f"its column {name!r} is shorter than {_LENGTHS[name]}" if length and length < _LENGTHS.get(name, 0) else ""


def ask_capabilities(connection: Connection) -> Capabilities:
    """Those of the server at the other end of *connection*."""
    import sqlalchemy as sa

    kind = dialect_kind(connection.dialect)
    if kind == "mysql":
        names = "'version', 'max_allowed_packet', 'log_bin', 'binlog_format'"
        rows = connection.execute(sa.text(f"SHOW VARIABLES WHERE Variable_name IN ({names})")).all()
        return mysql_capabilities({str(row[0]).lower(): str(row[1]) for row in rows})
    return Capabilities(_LARGEST_IN_POSTGRESQL if kind == "postgresql" else None)


def mysql_capabilities(variables: Mapping[str, str]) -> Capabilities:
    """Those of a MySQL or MariaDB with these *variables*.

    The store checks the largest payload itself, because the server closes the connection instead of refusing a larger
    one. Where the binary log has statements instead of rows, the server refuses writes in READ COMMITTED.
    """
    packet = int(variables["max_allowed_packet"])
    logs_statements = variables.get("log_bin") == "ON" and variables.get("binlog_format") == "STATEMENT"
    version = tuple(map(int, re.findall(r"\d+", variables["version"])[:3]))
    first = SKIP_LOCKED_SINCE["mariadb" if "mariadb" in variables["version"].lower() else "mysql"]
    return Capabilities(
        largest_payload=(packet - _OTHER_CHARACTERS) // _CHARACTERS_PER_BYTE,
        reads_committed=not logs_statements,
        skips_locked=not logs_statements and version >= first,
    )


def make_statements(table: Table, dialect: Dialect, capabilities: Capabilities) -> Statements:
    """The statements for *table*, in *dialect*."""
    import sqlalchemy as sa

    kind = dialect_kind(dialect)
    columns = table.c
    has_key = columns.key == sa.bindparam("k")
    now: Any = sa.literal_column(_NOW[kind], sa.Double())
    ttl: Any = sa.bindparam("ttl", type_=sa.Double())
    written: dict[str, Any] = {"payload": sa.bindparam("p"), "version": sa.bindparam("v")}
    end = now + ttl
    # Most writes leave the end, and with it its index, alone. A new end is given them for the writes that follow.
    latest = now + ttl * sa.literal_column(str(1 + END_SLACK), sa.Double())
    kept = sa.case((columns.expires_at.between(end, latest), columns.expires_at), else_=latest)
    return Statements(
        load=sa.select(columns.payload, columns.version).where(has_key),
        # SQLAlchemy does not count the rows of an insert unless it is asked to.
        insert=_insert(table, kind)
        .values(key=sa.bindparam("k"), expires_at=end, **written)
        .execution_options(preserve_rowcount=True),
        update=sa.update(table)
        .where(has_key, columns.version == sa.bindparam("was"))
        .values(expires_at=kept, **written),
        exists=sa.select(sa.literal_column("1")).select_from(table).where(has_key),
        delete=sa.delete(table).where(has_key),
        purge=_purge(table, dialect, capabilities),
    )


def _insert(table: Table, kind: str) -> Any:
    """Without an error for a key that exists, where the dialect can say so: an error quotes the key, and is logged."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql, postgresql, sqlite

    if kind == "postgresql":
        # psycopg forgets the number of rows before SQLAlchemy asks for it: only 2.0.28 has preserve_rowcount.
        insert = postgresql.insert(table).on_conflict_do_nothing(index_elements=["key"])
        return insert.returning(sa.literal_column("1"))
    if kind == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing(index_elements=["key"])
    return mysql.insert(table)


def _purge(table: Table, dialect: Dialect, capabilities: Capabilities) -> Executable:
    """Deletes a batch of expired rows, but none that another transaction has locked.

    All purges lock in the order of the index, so that two of them cannot deadlock.
    """
    import sqlalchemy as sa

    kind = dialect_kind(dialect)
    if kind == "mysql":
        return _purge_in_mysql(dialect.identifier_preparer.format_table(table), capabilities)
    expired = sa.select(table.c.key).where(table.c.expires_at <= sa.literal_column(_NOW[kind], sa.Double()))
    expired = expired.order_by(table.c.expires_at).limit(sa.bindparam("batch", type_=sa.Integer()))
    if kind == "sqlite":
        return sa.delete(table).where(table.c.key.in_(expired))
    batch = expired.with_for_update(skip_locked=True).cte("batch")
    return sa.delete(table).where(table.c.key.in_(sa.select(batch.c.key)))


def _purge_in_mysql(name: str, capabilities: Capabilities) -> Executable:
    """The same in READ COMMITTED: by default InnoDB locks gaps between rows, too, and inserts would wait for them.

    STRAIGHT_JOIN and the primary key lock the whole batch before the first delete, and no other row, so that two purges
    cannot deadlock.
    """
    import sqlalchemy as sa

    expired = f"expires_at <= {_NOW['mysql']} ORDER BY expires_at LIMIT :batch"
    text = f"DELETE FROM {name} WHERE {expired}"  # noqa: S608 - the name was checked
    if capabilities.skips_locked:
        batch = f"SELECT `key` FROM {name} WHERE {expired} FOR UPDATE SKIP LOCKED"  # noqa: S608 - as above
        rows = f"({batch}) AS batch STRAIGHT_JOIN {name} AS entry FORCE INDEX (PRIMARY)"
        text = f"DELETE entry FROM {rows} ON entry.`key` = batch.`key`"
    statement = sa.text(text)
    if not capabilities.reads_committed:
        return statement
    return statement.execution_options(**{ISOLATION_OPTION: "READ COMMITTED"})
