"""What no message, traceback or log may repeat."""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from stores.sql.makers import StoreMaker
from support.servers.mariadb import MariaDBServer
from support.servers.postgresql import PASSWORD, USER, PostgreSQLServer

from sessionware.exceptions import StoreUnavailable
from sessionware.stores import SQLAlchemyStore

KEY = "key-" + "K" * 39
PAYLOAD = b"payload-of-a-visitor"
VERSION = b"version-of-it---"

Server = PostgreSQLServer | MariaDBServer


@pytest.fixture(params=["own", "injected"])
def broken_store(
    request: pytest.FixtureRequest, make: StoreMaker, server: Server, table: str
) -> Iterator[SQLAlchemyStore]:
    """A store whose table has changed under it."""
    engine = sa.create_engine(server.url, echo=True)
    store = make(server.url) if request.param == "own" else make(engine=engine)
    store.create(secrets.token_urlsafe(32), PAYLOAD, 60)
    with engine.begin() as connection:
        connection.execute(sa.text(f"DROP TABLE {table}"))
    yield store
    engine.dispose()


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all that is behind it, shown by Python or not."""
    if error is not None:
        yield error
        yield from chain(error.__cause__)
        yield from chain(error.__context__)


CALLS: list[Callable[[SQLAlchemyStore], object]] = [
    lambda store: store.load(KEY),
    lambda store: store.create(KEY, PAYLOAD, 60),
    lambda store: store.replace(KEY, PAYLOAD, 60, VERSION),
    lambda store: store.delete(KEY),
]


@pytest.mark.parametrize("call", CALLS, ids=["load", "create", "replace", "delete"])
def test_no_value_of_a_statement_is_told(
    broken_store: SQLAlchemyStore, call: Callable[[SQLAlchemyStore], object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    with pytest.raises(StoreUnavailable) as caught:
        call(broken_store)

    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    told += "".join(repr((error, error.args, vars(error))) for error in chain(caught.value))
    assert "key-K" not in told
    assert "payload-of" not in told
    assert "version-of" not in told
    assert PASSWORD not in told


def test_the_cause_says_what_kind_of_error_it_was(broken_store: SQLAlchemyStore) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        broken_store.load(KEY)

    assert str(caught.value.__cause__).startswith(
        ("psycopg.errors.UndefinedTable (42P01): ", "pymysql.err.ProgrammingError (1146): ")
    )


def test_no_error_of_the_driver_stays_behind_that_of_the_store(broken_store: SQLAlchemyStore) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        broken_store.create(KEY, PAYLOAD, 60)

    assert list(chain(caught.value)) == [caught.value, caught.value.__cause__]


def test_a_refused_login_is_told_without_credentials(make: StoreMaker, server: Server) -> None:
    store = make(server.url.replace("p%40ss", "p%40zz"))

    with pytest.raises(StoreUnavailable) as caught:
        store.load(KEY)

    told = "".join(traceback.format_exception(caught.value))
    told += "".join(repr((error, error.args, vars(error))) for error in chain(caught.value))
    assert "***" in str(caught.value.__cause__)
    assert USER not in told
    assert "p@zz" not in told
    assert "p%40zz" not in told


def test_a_store_shows_nothing_of_its_url(make: StoreMaker, server: Server) -> None:
    store = make(server.url)

    assert PASSWORD not in repr(store)
    assert "p%40ss" not in repr(store)
