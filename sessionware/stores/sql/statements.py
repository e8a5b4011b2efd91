"""The table of the SQL store: its columns, its DDL, and its statements in each dialect."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sessionware.exceptions import ConfigError
from sessionware.stores.sql.connections import ISOLATION

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect, Executable, Table

VERSION_BYTES = 16
DIALECTS = ("postgresql", "mysql", "mariadb", "sqlite")
COLUMNS = ("key", "payload", "version", "expires_at")

#: Shorter than any database's limit, because the name of the index is longer.
_NAME = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,49}\.)?[A-Za-z_][A-Za-z0-9_]{0,49}")

#: The database's own clock, in seconds since the epoch, whatever the time zone of the session. It stands still during
#: a statement: of a clock that runs on, PostgreSQL would not look up the index.
_NOW = {
    "postgresql": "CAST(extract(epoch FROM statement_timestamp()) AS double precision)",
    "mysql": "timestampdiff(MICROSECOND, '1970-01-01', utc_timestamp(6)) / 1e6",
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
}

#: For those who create the table at once. PostgreSQL lets go at the end of the transaction.
_LOCK = {
    "postgresql": "SELECT pg_advisory_xact_lock(hashtext('sessionware'))",
    "mysql": "SELECT get_lock('sessionware', 60)",
}
_UNLOCK = {"mysql": "SELECT release_lock('sessionware')"}

#: PostgreSQL sends bytes as hexadecimal digits, and no answer of it exceeds a gigabyte.
_LARGEST_IN_POSTGRESQL = (1 << 29) - 1024
#: PyMySQL sends bytes as hexadecimal digits, too.
_CHARACTERS_PER_BYTE = 2
_REST_OF_A_STATEMENT = 1024
#: The versions that know SKIP LOCKED.
FIRST_TO_SKIP_LOCKED = {"mariadb": (10, 6, 0), "mysql": (8, 0, 1)}


@dataclass(frozen=True, slots=True)
class Statements:
    """What the store says to its database; parameters are k(ey), p(ayload), v(ersion), was, ttl and batch."""

    load: Executable
    insert: Executable
    update: Executable
    exists: Executable
    delete: Executable
    purge: Executable


@dataclass(frozen=True, slots=True)
class Server:
    """What a server takes and can do, where that depends on its version and settings."""

    largest_payload: int | None = None
    reads_committed: bool = True
    skips_locked: bool = True


def family(dialect: Dialect) -> str:
    """The dialect's name, MariaDB's being MySQL."""
    return "mysql" if dialect.name == "mariadb" else dialect.name


def checked_name(name: str) -> str:
    """*name*, which may have a schema before a dot; what could be anything else is a :exc:`ConfigError`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ConfigError(
            "table: a name has up to 50 letters, digits and underscores, and may have a schema before a dot: "
            f"'sessions', 'web.sessions'; this one is {name!r}"
        )
    return name


def make_table(name: str) -> Table:
    """The table; its types are chosen so that keys compare byte for byte, and no payload is cut off anywhere."""
    import sqlalchemy as sa
    from sqlalchemy.dialects import mysql

    schema, _, plain = name.rpartition(".")
    # A plain VARCHAR in PostgreSQL: compared with one, a CHAR would be converted, row by row.
    key = sa.String(43).with_variant(sa.String(43, collation="C"), "postgresql")
    key = key.with_variant(mysql.CHAR(43, charset="ascii", collation="ascii_bin"), "mysql", "mariadb")
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
    ends = table.c.expires_at
    sa.Index(f"{plain}_expiry", ends, postgresql_where=ends.is_not(None), sqlite_where=ends.is_not(None))
    return table


def ddl(dialect_name: str, name: str = "sessions") -> str:
    """The statements that create the table *name*, each ended by a semicolon, for whoever creates it by hand."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.schema import CreateIndex, CreateTable, DDLElement

    if dialect_name not in DIALECTS:
        raise ConfigError(f"there is no DDL for {dialect_name!r}; there is for {', '.join(DIALECTS)}")
    dialect = make_url(f"{dialect_name}://").get_dialect()()
    table = make_table(checked_name(name))
    elements: list[DDLElement] = [CreateTable(table), *(CreateIndex(index) for index in table.indexes)]
    return "".join(f"{_tidied(str(element.compile(dialect=dialect)))};\n" for element in elements)


def _tidied(statement: str) -> str:
    return "\n".join(line.rstrip().replace("\t", "    ") for line in statement.strip().splitlines())


def create(connection: Connection, table: Table) -> None:
    """Create the table if it is not there, however many do so at once; raises ConfigError if it is somebody else's."""
    from sqlalchemy.schema import CreateIndex, CreateTable

    kind = family(connection.dialect)
    if _is_there(connection, table):
        return
    with _locked(connection, kind):
        if _is_there(connection, table):
            return
        connection.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            connection.execute(CreateIndex(index, if_not_exists=kind != "mysql"))


@contextlib.contextmanager
def _locked(connection: Connection, kind: str) -> Iterator[None]:
    """One at a time: "if it does not exist" is not atomic in PostgreSQL, and in MySQL no index can be made so."""
    import sqlalchemy as sa

    if kind in _LOCK:
        connection.execute(sa.text(_LOCK[kind]))
    try:
        yield
    finally:
        if kind in _UNLOCK:
            connection.execute(sa.text(_UNLOCK[kind]))


def _is_there(connection: Connection, table: Table) -> bool:
    import sqlalchemy as sa

    try:
        columns = {column["name"] for column in sa.inspect(connection).get_columns(table.name, table.schema)}
    except sa.exc.NoSuchTableError:
        return False
    if not columns:
        # Of SQLite: created between the two questions that are asked for this.
        return False
    if not columns.issuperset(COLUMNS):
        raise ConfigError(f"the table {table.fullname!r} has columns of somebody else; name another by 'table'")
    return True


def ask_server(connection: Connection) -> Server:
    """What the server at the other end says of itself, and what is known of its kind."""
    import sqlalchemy as sa

    kind = family(connection.dialect)
    if kind == "mysql":
        names = "'version', 'max_allowed_packet', 'log_bin', 'binlog_format'"
        rows = connection.execute(sa.text(f"SHOW VARIABLES WHERE Variable_name IN ({names})")).all()
        return mysql_server({str(row[0]).lower(): str(row[1]) for row in rows})
    return Server(_LARGEST_IN_POSTGRESQL if kind == "postgresql" else None)


def mysql_server(variables: Mapping[str, str]) -> Server:
    """A server of MySQL or MariaDB with these *variables*.

    The largest payload is known, because it would not answer to a larger one, but hang up. A log of statements, which
    is not that of rows, takes no write of a transaction that is READ COMMITTED.
    """
    packet = int(variables["max_allowed_packet"])
    logs_statements = variables.get("log_bin") == "ON" and variables.get("binlog_format") == "STATEMENT"
    version = tuple(map(int, re.findall(r"\d+", variables["version"])[:3]))
    first = FIRST_TO_SKIP_LOCKED["mariadb" if "mariadb" in variables["version"].lower() else "mysql"]
    return Server(
        largest_payload=(packet - _REST_OF_A_STATEMENT) // _CHARACTERS_PER_BYTE,
        reads_committed=not logs_statements,
        skips_locked=not logs_statements and version >= first,
    )


def make_statements(table: Table, dialect: Dialect, server: Server) -> Statements:
    """The statements for *table*, one for each thing that is to be done."""
    import sqlalchemy as sa

    kind = family(dialect)
    columns = table.c
    here = columns.key == sa.bindparam("k")
    ends: Any = sa.literal_column(_NOW[kind], sa.Double()) + sa.bindparam("ttl", type_=sa.Double())
    written = {"payload": sa.bindparam("p"), "version": sa.bindparam("v"), "expires_at": ends}
    return Statements(
        load=sa.select(columns.payload, columns.version).where(here),
        # Of an insert SQLAlchemy counts no rows unless it is asked to.
        insert=_insert(table, kind).values(key=sa.bindparam("k"), **written).execution_options(preserve_rowcount=True),
        update=sa.update(table).where(here, columns.version == sa.bindparam("was")).values(**written),
        exists=sa.select(sa.literal_column("1")).select_from(table).where(here),
        delete=sa.delete(table).where(here),
        purge=_purge(table, dialect, server),
    )


def _insert(table: Table, kind: str) -> Any:
    """Where it can be said, a key that is there is no error: errors quote it, and the server would log it."""
    from sqlalchemy.dialects import mysql, postgresql, sqlite

    if kind == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing(index_elements=["key"])
    if kind == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing(index_elements=["key"])
    return mysql.insert(table)


def _purge(table: Table, dialect: Dialect, server: Server) -> Executable:
    """A batch by the order of the index, so that those who purge at once do not wait for one another in a circle.

    What somebody else has locked is left for another time: nobody waits, and nobody is waited for.
    """
    import sqlalchemy as sa

    kind = family(dialect)
    if kind == "mysql":
        return _purge_in_mysql(dialect.identifier_preparer.format_table(table), server)
    ended = sa.select(table.c.key).where(table.c.expires_at <= sa.literal_column(_NOW[kind], sa.Double()))
    ended = ended.order_by(table.c.expires_at).limit(sa.bindparam("batch", type_=sa.Integer()))
    if kind == "sqlite":
        return sa.delete(table).where(table.c.key.in_(ended))
    doomed = ended.with_for_update(skip_locked=True).cte("doomed")
    return sa.delete(table).where(table.c.key.in_(sa.select(doomed.c.key)))


def _purge_in_mysql(name: str, server: Server) -> Executable:
    """By default InnoDB locks the gaps between rows, too, and new rows would wait for their place in the index.

    All rows of the batch are locked before the first is looked up by its key, which no scan of the table may replace;
    so whoever waits for a purge, waits for nobody who waits.
    """
    import sqlalchemy as sa

    ended = f"expires_at <= {_NOW['mysql']} ORDER BY expires_at LIMIT :batch"
    text = f"DELETE FROM {name} WHERE {ended}"  # noqa: S608 - the name was checked
    if server.skips_locked:
        doomed = f"SELECT `key` FROM {name} WHERE {ended} FOR UPDATE SKIP LOCKED"  # noqa: S608 - as above
        rows = f"({doomed}) AS doomed STRAIGHT_JOIN {name} AS entry FORCE INDEX (PRIMARY)"
        text = f"DELETE entry FROM {rows} ON entry.`key` = doomed.`key`"
    statement = sa.text(text)
    return statement.execution_options(**{ISOLATION: "READ COMMITTED"}) if server.reads_committed else statement
