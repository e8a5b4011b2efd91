"""A store over each database."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from stores.sql.makers import StoreMaker
from support.places import PATIENCE_SECONDS
from support.servers.mariadb import MariaDBServer
from support.servers.postgresql import PostgreSQLServer

from sessionware.stores import SQLAlchemyStore

NETWORKED = ("postgresql", "mariadb")
DATABASES = (*NETWORKED, "sqlite")


@pytest.fixture(params=NETWORKED)
def server(request: pytest.FixtureRequest) -> PostgreSQLServer | MariaDBServer:
    """Each server in turn."""
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


@pytest.fixture
def table() -> str:
    """The name of a table that no other test uses."""
    return f"t_{secrets.token_hex(8)}"


@pytest.fixture
def make(table: str) -> Iterator[StoreMaker]:
    """Makes stores, which are closed at the end."""
    made: list[SQLAlchemyStore] = []

    def make(url: str | None = None, **options: Any) -> SQLAlchemyStore:
        patience = {} if url is None else {"timeout": PATIENCE_SECONDS}
        made.append(SQLAlchemyStore(url, **{"table": table, **patience, **options}))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of each database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/sessions.db"
    return str(request.getfixturevalue(request.param).url)


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    """An application's own, without any of the store's settings."""
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def no_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """No write of the test purges as well: for tests that count statements, or look at another purge."""
    monkeypatch.setattr(random, "randrange", lambda stop: 1)


@pytest.fixture
def store(make: StoreMaker, url: str) -> SQLAlchemyStore:
    """A store in each database in turn."""
    return make(url)
