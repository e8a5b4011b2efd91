"""Engines of an application that do what the store does not expect of them."""

from __future__ import annotations

import sqlite3
import traceback
from pathlib import Path

import pytest
import sqlalchemy as sa
from stores.sql.makers import StoreMaker
from support.servers.mariadb import MariaDBServer
from support.servers.postgresql import PostgreSQLServer

from sessionware.exceptions import StoreUnavailable
from sessionware.testing.conformance.fixtures import new_key


@pytest.fixture
def beginning(engine: sa.Engine) -> sa.Engine:
    """It begins transactions by itself, as SQLAlchemy's manual shows it for SQLite, whose driver is late with that."""

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


@pytest.mark.usefixtures("no_sweeps")
def test_what_is_acknowledged_is_there_for_others_although_an_engine_begins_transactions(
    beginning: sa.Engine, url: str, make: StoreMaker
) -> None:
    store, others, key, ended = make(engine=beginning), make(url), new_key(), new_key()

    version = store.create(key, b"payload", 60)
    assert others.load(key) == (b"payload", version)
    version = store.replace(key, b"changed", 60, version)
    assert others.load(key) == (b"changed", version)
    assert store.delete(key)
    assert others.load(key) is None
    store.create(ended, b"payload", -1.0)
    assert store.purge() == 1
    assert others.load(ended) is None


def test_what_is_acknowledged_is_there_for_others_although_autocommit_was_switched_off(
    tmp_path: Path, make: StoreMaker
) -> None:
    """As SQLAlchemy before 2.0.20 did, when it reset a connection of SQLite."""
    url = f"sqlite:///{tmp_path}/sessions.db"
    engine = sa.create_engine(url)
    store, others, key = make(engine=engine), make(url), new_key()

    @sa.event.listens_for(engine, "before_cursor_execute")
    def switch_off(connection: sa.Connection, *rest: object) -> None:
        connection.connection.driver_connection.isolation_level = ""  # type: ignore[union-attr]

    version = store.create(key, b"payload", 60)

    assert others.load(key) == (b"payload", version)
    engine.dispose()


UNKNOWN_OPTION = "mysql+pymysql://user:password@127.0.0.1:1/web?ssl-mode=REQUIRED"


@pytest.mark.parametrize("kind", ["of the store", "of the application"])
def test_what_a_driver_raises_for_an_option_that_it_does_not_know_is_told(kind: str, make: StoreMaker) -> None:
    engine = sa.create_engine(UNKNOWN_OPTION)
    store = make(UNKNOWN_OPTION) if kind == "of the store" else make(engine=engine)

    with pytest.raises(StoreUnavailable, match=r"connect failed: TypeError: .*'ssl-mode'"):
        store.load(new_key())


def test_what_an_event_of_the_application_raises_at_a_connection_is_told(tmp_path: Path, make: StoreMaker) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/sessions.db")

    @sa.event.listens_for(engine, "do_connect")
    def ask_for_a_password(*arguments: object) -> None:
        raise LookupError("the service of passwords does not answer")

    with pytest.raises(StoreUnavailable, match="connect failed: LookupError: the service of passwords"):
        make(engine=engine).load(new_key())


#: So that the session of a connection behaves as one to a server that is no longer the primary.
READ_ONLY = {
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
}


@pytest.mark.usefixtures("no_sweeps")
def test_a_connection_that_has_become_read_only_is_not_kept(
    server: PostgreSQLServer | MariaDBServer, make: StoreMaker
) -> None:
    engine = sa.create_engine(server.url, pool_size=1, max_overflow=0)
    store, key = make(engine=engine), new_key()
    version = store.create(key, b"first", 60)
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql(READ_ONLY[engine.dialect.name])

    with pytest.raises(StoreUnavailable):
        store.replace(key, b"second", 60, version)
    store.replace(key, b"third", 60, version)

    found = store.load(key)
    assert found is not None
    assert found.payload == b"third"
    engine.dispose()


class SilentCursor(sqlite3.Cursor):
    """Does not tell how many rows a statement has changed, which PEP 249 allows."""

    @property
    def rowcount(self) -> int:
        return -1


class SilentConnection(sqlite3.Connection):
    def cursor(self, factory: object = None) -> SilentCursor:  # type: ignore[override]
        return super().cursor(SilentCursor)


def test_nothing_is_acknowledged_whose_effect_the_driver_does_not_tell(tmp_path: Path, make: StoreMaker) -> None:
    url = f"sqlite:///{tmp_path}/sessions.db"
    engine = sa.create_engine(url, connect_args={"factory": SilentConnection})
    store, key = make(engine=engine), new_key()
    version = make(url).create(key, b"payload", 60)

    with pytest.raises(StoreUnavailable):
        store.create(key, b"mine", 60)
    with pytest.raises(StoreUnavailable):
        store.replace(key, b"mine", 60, b"0" * 16)
    with pytest.raises(StoreUnavailable):
        store.delete(new_key())
    with pytest.raises(StoreUnavailable):
        store.purge()

    assert store.load(key) == (b"payload", version)
    engine.dispose()


def test_an_error_at_the_end_of_a_transaction_quotes_no_value(
    postgresql: PostgreSQLServer, make: StoreMaker, table: str
) -> None:
    """A check that is put off until then, in a transaction that the application's engine has begun."""
    engine = sa.create_engine(postgresql.url)
    store, key = make(engine=engine), new_key()
    store.load(key)
    with engine.begin() as connection:
        check = f"FOREIGN KEY (key) REFERENCES {table}_other (key) DEFERRABLE INITIALLY DEFERRED"
        connection.execute(sa.text(f'CREATE TABLE {table}_other (key VARCHAR(43) COLLATE "C" PRIMARY KEY)'))
        connection.execute(sa.text(f"ALTER TABLE {table} ADD {check}"))
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))

    with pytest.raises(StoreUnavailable) as caught:
        store.create(key, b"payload", 60)

    assert "23503" in str(caught.value.__cause__)
    assert key not in "".join(traceback.format_exception(caught.value))
    engine.dispose()
