"""What a store is made from, and the table that it makes."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import SingletonThreadPool, StaticPool
from stores.sql.makers import StoreMaker
from support.servers.mariadb import MariaDBServer
from support.servers.postgresql import PostgreSQLServer

from sessionware import SessionMiddleware
from sessionware.exceptions import ConfigError
from sessionware.stores import SQLAlchemyStore

PG = "postgresql+psycopg://u:hunter2@127.0.0.1:1/d"
Server = PostgreSQLServer | MariaDBServer


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, "a url or an engine", id="neither"),
        pytest.param({"url": PG, "engine": sa.create_engine("sqlite://")}, "not both", id="both"),
        pytest.param({"engine": "sqlite://"}, "expected an Engine of SQLAlchemy", id="no engine"),
        pytest.param({"url": "hunter2"}, "url: give", id="no url"),
        pytest.param({"url": "postgresql+psycopg://u:hunter2@h:port/d"}, "url: give", id="no port"),
        pytest.param({"url": "oracle://u:hunter2@h/d"}, "url: give", id="another database"),
        pytest.param({"url": "postgresql+asyncpg://u:hunter2@h/d"}, "give postgresql+psycopg://", id="another driver"),
        pytest.param({"url": "sqlite://"}, "name a file", id="in memory"),
        pytest.param({"url": PG, "timeout": "soon"}, "timeout: ", id="timeout"),
        pytest.param({"url": PG, "table": "a b"}, "table: ", id="space"),
        pytest.param({"url": PG, "table": "a.b.c"}, "table: ", id="two dots"),
        pytest.param({"url": PG, "table": "a;--"}, "table: ", id="injection"),
        pytest.param({"url": PG, "table": "a" * 51}, "table: ", id="long"),
        pytest.param({"url": PG, "table": ""}, "table: ", id="empty"),
    ],
)
def test_what_cannot_work_is_refused_at_once(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SQLAlchemyStore(**options)

    assert expected in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_engine_of_another_database_is_refused() -> None:
    engine = sa.create_engine("sqlite://")
    engine.dialect.name = "oracle"

    with pytest.raises(ConfigError, match="not oracle"):
        SQLAlchemyStore(engine=engine)


@pytest.mark.parametrize("pool", [StaticPool, SingletonThreadPool])
def test_an_engine_that_shares_a_connection_with_the_application_is_refused(tmp_path: Path, pool: Any) -> None:
    """A load of the store committed what the application had not."""
    engine = sa.create_engine(f"sqlite:///{tmp_path}/app.db", poolclass=pool)

    with pytest.raises(ConfigError, match=f"{pool.__name__} .* poolclass=QueuePool"):
        SQLAlchemyStore(engine=engine)


def test_the_application_s_open_transaction_stays_its_own(url: str, table: str, make: StoreMaker) -> None:
    engine = sa.create_engine(url)
    store = make(engine=engine)
    store.load("k" * 43)
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE TABLE {table}_app (n INTEGER)"))

    with engine.connect() as connection:
        connection.execute(sa.text(f"INSERT INTO {table}_app VALUES (1)"))
        store.load("k" * 43)
        connection.rollback()

    with engine.connect() as connection:
        assert connection.execute(sa.text(f"SELECT count(*) FROM {table}_app")).scalar_one() == 0
    engine.dispose()


@pytest.mark.parametrize("module", ["sqlalchemy", "psycopg"])
def test_a_missing_package_is_named_with_its_cure(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(ConfigError, match="pip install"):
        SQLAlchemyStore(PG)


def test_making_a_store_connects_to_nothing() -> None:
    store = SQLAlchemyStore(PG)

    store.close()


def test_the_package_needs_no_driver_before_a_store_is_made() -> None:
    program = "import sys, sessionware.stores; print({'sqlalchemy', 'psycopg', 'pymysql'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


def test_a_configuration_names_it_by_a_url(server: Server, table: str) -> None:
    options = {"backend": server.url, "backend.table": table, "backend.timeout": "2s", "secret": secrets.token_hex()}

    middleware = SessionMiddleware(lambda environ, start_response: [], options)

    middleware.manager.ping()
    middleware.manager.close()


def test_a_configuration_names_sqlite_through_sqlalchemy(tmp_path: Path) -> None:
    options = {"backend": "sqlalchemy", "backend.url": f"sqlite:///{tmp_path}/s.db", "secret": secrets.token_hex()}

    middleware = SessionMiddleware(lambda environ, start_response: [], options)

    middleware.manager.ping()
    middleware.manager.close()


def test_a_store_uses_the_table_that_its_ddl_makes(url: str, table: str, make: StoreMaker) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in filter(str.strip, SQLAlchemyStore.ddl(engine.dialect.name, table).split(";")):
            connection.execute(sa.text(statement))
    store = make(url, create_table=False)

    version = store.create("k" * 43, b"payload", 60)

    assert store.load("k" * 43) == (b"payload", version)
    assert [index["column_names"] for index in sa.inspect(engine).get_indexes(table)] == [["expires_at"]]
    engine.dispose()


def test_the_table_that_is_created_is_that_of_the_ddl(url: str, table: str, make: StoreMaker) -> None:
    make(url).load("k" * 43)

    engine = sa.create_engine(url)
    indexes = sa.inspect(engine).get_indexes(table)
    engine.dispose()

    assert [index["column_names"] for index in indexes] == [["expires_at"]]


def test_a_dialect_without_ddl_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of postgresql"):
        SQLAlchemyStore.ddl("oracle")


@pytest.mark.parametrize("dialect", ["postgresql", "mysql", "mariadb", "sqlite"])
def test_the_ddl_is_for_people_to_read(dialect: str) -> None:
    ddl = SQLAlchemyStore.ddl(dialect, "web.sessions")

    assert ddl.startswith("CREATE TABLE web.sessions (\n")
    assert "CREATE INDEX" in ddl
    assert ddl.endswith(";\n")


def test_a_table_may_stand_in_a_schema(postgresql: PostgreSQLServer, table: str, make: StoreMaker) -> None:
    engine = sa.create_engine(postgresql.url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA {table}"))
    store = make(postgresql.url, table=f"{table}.web")

    store.create("k" * 43, b"payload", 60)

    with engine.connect() as connection:
        assert connection.execute(sa.text(f"SELECT count(*) FROM {table}.web")).scalar_one() == 1
    engine.dispose()


def test_a_name_that_means_something_in_sql_is_quoted(url: str, make: StoreMaker) -> None:
    store = make(url, table="Order")

    store.load("k" * 43)

    assert store.purge(limit=1) == 0
