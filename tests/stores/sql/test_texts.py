"""What the text of a failure says: which database and table, which step, and the database's words; never a secret."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from stores.sql.makers import StoreMaker
from support.constants import SECRET
from support.frames import failures_show_nothing
from support.servers.mariadb import MariaDBServer, mariadb_server
from support.servers.postgresql import PASSWORD, USER, PostgreSQLServer, postgresql_server

from sessionware import SessionMiddleware
from sessionware.exceptions import StoreUnavailable
from sessionware.stores import SQLAlchemyStore

KEY = "k" * 43
OTHER_USER = "reader_of_all"
Server = PostgreSQLServer | MariaDBServer
Call = Callable[[SQLAlchemyStore], object]


def load(store: SQLAlchemyStore) -> object:
    return store.load(KEY)


def create(store: SQLAlchemyStore) -> object:
    return store.create(secrets.token_urlsafe(32), b"payload", 60)


def text_of(store: SQLAlchemyStore, call: Call = load) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        call(store)
    text = str(caught.value)
    assert not re.search(rf"{USER}|{OTHER_USER}|{re.escape(PASSWORD)}|p%40ss", text)
    return text


def place_of(server: Server, table: str) -> str:
    name, database = ("PostgreSQL", "postgres") if isinstance(server, PostgreSQLServer) else ("MySQL", "web")
    return f"{name} at 127.0.0.1:{server.port}/{database}, table {table}"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        pytest.param(
            "postgresql://app_user:hunter2@127.0.0.1:1/web",
            "PostgreSQL at 127.0.0.1:1/web, table sessions: connect failed: psycopg.OperationalError: connection "
            'failed: connection to server at "127.0.0.1", port 1 failed: Connection refused',
            id="no PostgreSQL",
        ),
        pytest.param(
            "mariadb://app_user:hunter2@127.0.0.1:1/web",
            "MariaDB at 127.0.0.1:1/web, table sessions: connect failed: pymysql.err.OperationalError (2003): "
            "(2003, \"Can't connect to MySQL server on '127.0.0.1' ([Errno 111] Connection refused)\")",
            id="no MariaDB",
        ),
        pytest.param(
            "postgresql://app_user:hunter2@nowhere.invalid/web",
            "PostgreSQL at nowhere.invalid/web, table sessions: connect failed: psycopg.OperationalError: ",
            id="an unknown host",
        ),
        pytest.param(
            "postgresql:///web?host=/nowhere",
            "PostgreSQL at /nowhere/web, table sessions: connect failed: psycopg.OperationalError: ",
            id="a unix socket",
        ),
        pytest.param(
            "sqlite:////nowhere/web.db",
            "SQLite at /nowhere/web.db, table sessions: connect failed: sqlite3.OperationalError: unable to open "
            "database file",
            id="SQLite",
        ),
    ],
)
def test_what_cannot_be_reached_is_named(url: str, text: str) -> None:
    told = text_of(SQLAlchemyStore(url))

    assert told.startswith(text)
    assert "hunter2" not in told


def test_a_wrong_password_is_told(make: StoreMaker, server: Server, table: str) -> None:
    told = text_of(make(server.url.replace("p%40ss", "p%40zz")))

    assert told.startswith(f"{place_of(server, table)}: connect failed: ")
    assert re.search(r"password authentication failed for user \"\*\*\*\"|Access denied for user '\*\*\*'", told)


def test_an_unknown_database_is_told(make: StoreMaker, server: Server) -> None:
    told = text_of(make(re.sub(r"/\w+$", "/nothing", server.url)))

    assert "/nothing, table " in told
    assert re.search(r"database \"nothing\" does not exist|Unknown database 'nothing'", told)


@pytest.fixture
def administer(server: Server) -> Iterator[Callable[..., None]]:
    """Executes statements as the administrator that the user of the tests is."""
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")

    def administer(*statements: str) -> None:
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    yield administer
    engine.dispose()


@pytest.fixture
def url_of_reader(server: Server, table: str, make: StoreMaker, administer: Callable[..., None]) -> Iterator[str]:
    """That of a user who may read the table and do nothing else."""
    make(server.url).load(KEY)
    is_postgresql = isinstance(server, PostgreSQLServer)
    password = f"PASSWORD '{PASSWORD}'" if is_postgresql else f"IDENTIFIED BY '{PASSWORD}'"
    drop = [f"DROP OWNED BY {OTHER_USER}"] if is_postgresql else []
    administer(f"CREATE USER {OTHER_USER} {password}", f"GRANT SELECT ON {table} TO {OTHER_USER}")
    yield server.url.replace(USER, OTHER_USER)
    administer(*drop, f"DROP USER {OTHER_USER}")


@pytest.mark.parametrize(
    ("step", "call"),
    [
        ("create", create),
        ("replace", lambda store: store.replace(KEY, b"payload", 60, b"v" * 16)),
        ("delete", lambda store: store.delete(KEY)),
        ("purge", lambda store: store.purge()),
    ],
)
def test_a_missing_right_to_a_table_is_told(
    make: StoreMaker, server: Server, table: str, url_of_reader: str, step: str, call: Call
) -> None:
    store = make(url_of_reader)

    assert store.load(KEY) is None
    told = text_of(store, call)

    assert told.startswith(f"{place_of(server, table)}: {step} failed: ")
    assert re.search(rf"permission denied for table {table}|command denied to user '\*\*\*'@'\S+' for table", told)


def test_a_missing_right_to_create_the_table_is_told(make: StoreMaker, server: Server, url_of_reader: str) -> None:
    told = text_of(make(url_of_reader, table="another"))

    assert told.startswith(f"{place_of(server, 'another')}: creating the table failed: ")
    assert re.search(r"permission denied for schema|\w+ command denied to user '\*\*\*'", told)


def test_a_database_that_is_read_only_is_told(make: StoreMaker, server: Server, table: str) -> None:
    store = make(server.url)
    store.load(KEY)
    store.close()
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")
    is_postgresql = isinstance(server, PostgreSQLServer)
    switch = "ALTER ROLE CURRENT_USER SET default_transaction_read_only = {}"
    if not is_postgresql:
        switch = "SET GLOBAL tx_read_only = {}"
    with engine.connect() as connection:
        connection.exec_driver_sql(switch.format("on" if is_postgresql else 1))
        told = [text_of(store, create), text_of(make(server.url, table=f"{table}_2"))]
        connection.exec_driver_sql("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE" if is_postgresql else "DO 0")
        connection.exec_driver_sql(switch.format("off" if is_postgresql else 0))
    engine.dispose()

    assert told[0].startswith(f"{place_of(server, table)}: create failed: ")
    assert told[1].startswith(f"{place_of(server, table + '_2')}: creating the table failed: ")
    words = (
        r"cannot execute \w+( TABLE)? in a read-only transaction|Cannot execute statement in a READ ONLY transaction"
    )
    assert all(re.search(words, text) for text in told)


def test_a_row_that_is_locked_is_told(make: StoreMaker, server: Server, table: str) -> None:
    store = make(server.url, timeout=1)
    version = store.create(KEY, b"payload", 60)
    engine = sa.create_engine(server.url)
    with engine.connect() as connection:
        key = engine.dialect.identifier_preparer.quote("key")
        connection.execute(sa.text(f"SELECT 1 FROM {table} WHERE {key} = :k FOR UPDATE"), {"k": KEY})
        told = text_of(store, lambda store: store.replace(KEY, b"changed", 60, version))
    engine.dispose()

    assert told.startswith(f"{place_of(server, table)}: replace failed: ")
    assert re.search("canceling statement due to statement timeout|Lock wait timeout exceeded", told)


@pytest.fixture(params=[postgresql_server, mariadb_server], ids=["postgresql", "mariadb"])
def own_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as server:
        yield server


def test_a_server_that_hangs_or_ended_is_told(own_server: Server) -> None:
    store = SQLAlchemyStore(own_server.url, timeout=0.5)
    store.load(KEY)
    own_server.process.freeze()
    told = [text_of(store), text_of(store)]
    own_server.process.thaw()
    own_server.process.kill()
    told.append(text_of(store))
    store.close()

    place = place_of(own_server, "sessions")
    assert told[0].startswith(f"{place}: load failed: ")
    assert re.search("no answer in time|timed out", told[0])
    assert told[1].startswith(f"{place}: connect failed: ")
    assert told[2].startswith(f"{place}: connect failed: ")


# The table


@pytest.mark.parametrize("creates", [True, False])
@pytest.mark.parametrize(
    ("columns", "words"),
    [
        pytest.param("id INTEGER", "it has no column 'key', it has no column 'payload'", id="another table"),
        pytest.param(
            "{key} VARCHAR(43), payload TEXT, version {binary}, expires_at DOUBLE PRECISION",
            "its column 'payload' has the type TEXT",
            id="a type",
        ),
        pytest.param(
            "{key} VARCHAR(20), payload {binary}, version {binary}, expires_at DOUBLE PRECISION",
            "its column 'key' is shorter than 43",
            id="a length",
        ),
    ],
)
def test_a_table_that_cannot_keep_entries_is_told_by_its_columns(
    url: str, table: str, make: StoreMaker, columns: str, words: str, creates: bool
) -> None:
    engine = sa.create_engine(url)
    binary = {"postgresql": "BYTEA", "mysql": "VARBINARY(200)", "sqlite": "BLOB"}[engine.dialect.name]
    written = columns.format(key=engine.dialect.identifier_preparer.quote("key"), binary=binary)
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE {table} ({written})"))
    engine.dispose()

    for _ in range(2):
        told = text_of(make(url, create_table=creates))

        assert f", table {table}: looking at the table failed: {words}" in told


def test_a_table_that_is_not_there_is_told_with_its_cure(url: str, table: str, make: StoreMaker) -> None:
    store = make(url, create_table=False)

    told = text_of(store)

    assert told.endswith("looking at the table failed: it does not exist; create it as SQLAlchemyStore.ddl() says")


def test_a_ping_tells_of_the_table(url: str, table: str) -> None:
    options = {"backend": "sqlalchemy", "backend.url": url, "backend.table": table, "backend.create_table": "no"}
    app = SessionMiddleware(lambda environ, start_response: [], {**options, "secret": SECRET})

    with pytest.raises(StoreUnavailable, match=f", table {table}: looking at the table failed: it does not exist"):
        app.manager.ping()

    app.manager.close()


def test_a_table_that_is_created_later_is_used(url: str, table: str, make: StoreMaker) -> None:
    store = make(url, create_table=False)
    text_of(store)

    make(url).load(KEY)

    assert store.load(KEY) is None


def test_a_column_of_another_is_named_where_it_wants_a_value(url: str, table: str, make: StoreMaker) -> None:
    engine = sa.create_engine(url)
    make(url).load(KEY)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(sa.text(f"DROP TABLE {table}"))
            columns = "key TEXT PRIMARY KEY, payload BLOB, version BLOB, expires_at REAL, tenant TEXT NOT NULL"
            connection.execute(sa.text(f"CREATE TABLE {table} ({columns})"))
        else:
            connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN tenant VARCHAR(9) NOT NULL"))
    engine.dispose()

    told = text_of(make(url), create)

    assert f", table {table}: create failed: " in told
    assert "tenant" in told


def test_no_frame_of_a_failure_has_a_key_or_a_payload(make: StoreMaker, server: Server, table: str) -> None:
    """A crash report shows the locals of every frame of the traceback, and of what is chained to it."""
    store, key = make(server.url), secrets.token_urlsafe(32)
    store.load(key)
    engine = sa.create_engine(server.url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP TABLE {table}"))
    engine.dispose()
    assert failures_show_nothing(store, key, PASSWORD)
