"""The contract of a store, held by each database."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.places import PATIENCE_SECONDS
from support.servers.mariadb import MariaDBServer
from support.servers.postgresql import PostgreSQLServer

from sessionware.stores import SQLAlchemyStore
from sessionware.testing import FakeClock, StoreConformance


class TableClock(FakeClock):
    """Lets time pass in a table, whose times are the database's own: what is an hour older ends an hour earlier."""

    def __init__(self) -> None:
        super().__init__()
        self.engine: sa.Engine | None = None
        self.table = f"t_{secrets.token_hex(8)}"

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        assert self.engine is not None
        with self.engine.begin() as connection:
            connection.execute(sa.text(f"UPDATE {self.table} SET expires_at = expires_at - :s"), {"s": seconds})


class SQLConformance(StoreConformance):
    """For each database a URL."""

    url: str

    @pytest.fixture
    def clock(self) -> Iterator[TableClock]:
        clock = TableClock()
        yield clock
        if clock.engine is not None:
            clock.engine.dispose()

    def make_store(self, clock: FakeClock) -> SQLAlchemyStore:
        assert isinstance(clock, TableClock)
        store = SQLAlchemyStore(self.url, table=clock.table, timeout=PATIENCE_SECONDS)
        if clock.engine is None:
            clock.engine = sa.create_engine(self.url, poolclass=sa.NullPool)
            store.purge()
        return store


class TestPostgreSQL(SQLConformance):
    @pytest.fixture(autouse=True)
    def server(self, postgresql: PostgreSQLServer) -> None:
        self.url = postgresql.url


class TestMariaDB(SQLConformance):
    @pytest.fixture(autouse=True)
    def server(self, mariadb: MariaDBServer) -> None:
        self.url = mariadb.url


class TestSQLite(SQLConformance):
    @pytest.fixture(autouse=True)
    def server(self, tmp_path: Path) -> None:
        self.url = f"sqlite:///{tmp_path}/sessions.db"


class TestAnEngineOfTheApplication(SQLConformance):
    """With transactions, as SQLAlchemy makes it by default."""

    @pytest.fixture(autouse=True)
    def server(self, postgresql: PostgreSQLServer) -> None:
        self.url = postgresql.url

    def make_store(self, clock: FakeClock) -> SQLAlchemyStore:
        assert isinstance(clock, TableClock)
        if clock.engine is None:
            clock.engine = sa.create_engine(self.url, isolation_level="SERIALIZABLE")
        store = SQLAlchemyStore(engine=clock.engine, table=clock.table)
        store.purge()
        return store
