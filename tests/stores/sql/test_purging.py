"""A purge: what it removes, for which locks it waits, and which statements wait for it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from stores.sql.makers import StoreMaker
from support.servers.mariadb import MariaDBServer
from support.servers.postgresql import PostgreSQLServer

from sessionware.exceptions import StoreUnavailable
from sessionware.stores import SQLAlchemyStore
from sessionware.stores.sql import statements
from sessionware.testing.conformance.fixtures import new_key

pytestmark = pytest.mark.usefixtures("no_sweeps")

Server = PostgreSQLServer | MariaDBServer
#: Two batches of a purge.
MANY = 400

#: A trigger that delays each delete until the lock with the table's name is free; how the test holds that lock; and
#: how it sees that the purge waits for it.
_TRIGGER = {
    "postgresql": [
        """CREATE FUNCTION {table}_wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('{table}')); RETURN OLD; END $$""",
        "CREATE TRIGGER {table}_wait BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_wait()",
    ],
    "mysql": ["CREATE TRIGGER {table}_wait BEFORE DELETE ON {table} FOR EACH ROW SET @x = get_lock('{table}', 60)"],
}
_HOLD = {"postgresql": "SELECT pg_advisory_lock(hashtext('{table}'))", "mysql": "SELECT get_lock('{table}', 60)"}
_LET_GO = {"postgresql": "SELECT pg_advisory_unlock(hashtext('{table}'))", "mysql": "SELECT release_lock('{table}')"}
_IS_HELD_UP = {
    "postgresql": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE state = 'User lock'",
}


@pytest.fixture
def url(server: Server) -> str:
    """Of each server in turn; SQLite has one writer at a time, whatever is said to it."""
    return server.url


@pytest.fixture(params=["by url", "by engine"])
def store(request: pytest.FixtureRequest, make: StoreMaker, url: str, engine: sa.Engine) -> SQLAlchemyStore:
    """A store over connections of its own, and one over those of an application."""
    return make(url, timeout=2) if request.param == "by url" else make(engine=engine)


def create_expired(store: SQLAlchemyStore, engine: sa.Engine, table: str, number: int) -> list[str]:
    """Entries that have ended one after another, and the keys of them."""
    store.load(new_key())
    keys = [new_key() for _ in range(number)]
    quoted = engine.dialect.identifier_preparer.quote("key")
    insert = sa.text(f"INSERT INTO {table} ({quoted}, payload, version, expires_at) VALUES (:k, :p, :v, :e)")
    with engine.begin() as connection:
        connection.execute(insert, [{"k": key, "p": b"", "v": b"0" * 16, "e": 1 + n} for n, key in enumerate(keys)])
    return keys


@contextlib.contextmanager
def held(engine: sa.Engine, table: str, key: str) -> Iterator[None]:
    """The entry is locked by another transaction."""
    quoted = engine.dialect.identifier_preparer.quote("key")
    with engine.connect() as connection:
        connection.execute(sa.text(f"SELECT 1 FROM {table} WHERE {quoted} = :k FOR UPDATE"), {"k": key})
        yield


@contextlib.contextmanager
def in_the_middle(engine: sa.Engine, table: str, purge: Callable[[], object]) -> Iterator[None]:
    """*purge* has locked what it is going to remove, and waits while this lasts."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:

        def say(statement: str) -> Any:
            return connection.execute(sa.text(statement.format(table=table))).scalar_one()

        kind = engine.dialect.name
        for statement in _TRIGGER[kind]:
            connection.execute(sa.text(statement.format(table=table)))
        say(_HOLD[kind])
        thread = threading.Thread(target=purge)
        thread.start()
        try:
            deadline = time.monotonic() + 60
            while not say(_IS_HELD_UP[kind]):
                assert time.monotonic() < deadline, "the purge has not begun"
            yield
        finally:
            say(_LET_GO[kind])
            thread.join()


def test_a_purge_takes_all_that_has_ended_in_batches(store: SQLAlchemyStore, engine: sa.Engine, table: str) -> None:
    store.create(new_key(), b"payload", 60)
    store.create(new_key(), b"payload", None)
    create_expired(store, engine, table, MANY + 5)

    assert store.purge() == MANY + 5


def test_a_purge_takes_no_more_than_its_limit(store: SQLAlchemyStore, engine: sa.Engine, table: str) -> None:
    create_expired(store, engine, table, 5)

    assert [store.purge(limit=3), store.purge(limit=3)] == [3, 2]


@pytest.mark.parametrize("number", [3, MANY], ids=["few", "many"])
def test_a_purge_leaves_a_locked_entry_for_the_next_one(
    store: SQLAlchemyStore, engine: sa.Engine, table: str, number: int
) -> None:
    keys = create_expired(store, engine, table, number)

    with held(engine, table, keys[1]):
        assert store.purge() == number - 1

    assert store.purge() == 1


def test_a_purge_waits_for_no_holder_of_an_entry_that_has_not_ended(
    store: SQLAlchemyStore, engine: sa.Engine, table: str
) -> None:
    key = new_key()
    store.create(key, b"payload", 60)
    create_expired(store, engine, table, 3)

    with held(engine, table, key):
        assert store.purge() == 3


def test_no_write_waits_for_a_purge(
    store: SQLAlchemyStore, make: StoreMaker, url: str, engine: sa.Engine, table: str
) -> None:
    """New entries find their place in the index beside those that go, and entries that have not ended are free.

    But for the one that ends next: MariaDB has read it, to see that there is no more to purge.
    """
    store.create(new_key(), b"ends next", 30)
    live = new_key()
    version = store.create(live, b"payload", 60)
    keys = create_expired(store, engine, table, 5)
    removed: list[int] = []
    other = make(url, timeout=10)

    with in_the_middle(engine, table, lambda: removed.append(store.purge())):
        for ttl in (-1e12, -1.0, 0.0, 60.0, None):
            other.create(new_key(), b"payload", ttl)
        other.replace(live, b"changed", 600, version)
        assert other.load(keys[0]) is not None
        assert removed == []

    assert removed[0] >= len(keys)
    assert store.load(keys[0]) is None


def test_those_who_purge_at_once_do_not_wait_for_one_another(
    store: SQLAlchemyStore, make: StoreMaker, url: str, engine: sa.Engine, table: str
) -> None:
    create_expired(store, engine, table, 5)
    removed: list[int] = []
    other = make(url, timeout=10)

    with in_the_middle(engine, table, lambda: removed.append(store.purge())):
        assert other.purge() == 0

    assert removed == [5]


def write_all(store: SQLAlchemyStore, keys: list[str], failures: list[Exception]) -> None:
    try:
        for key in keys:
            store.delete(key)
            store.create(key, b"payload", -1.0)
            store.delete(key)
            store.create(key, b"payload", -1.0)
    except Exception as error:  # noqa: BLE001 - any is one too many
        failures.append(error)


def test_purges_and_writers_of_what_has_ended_meet_without_harm(
    store: SQLAlchemyStore, make: StoreMaker, url: str, engine: sa.Engine, table: str
) -> None:
    keys = create_expired(store, engine, table, MANY)
    writers = [make(url) for _ in range(2)]
    failures: list[Exception] = []

    # Each has keys of its own, so that none finds an entry that the other has made.
    halves = [(writers[0], keys[: MANY // 2]), (writers[1], keys[MANY // 2 :])]
    threads = [threading.Thread(target=write_all, args=(writer, mine, failures)) for writer, mine in halves]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        store.purge()
    for thread in threads:
        thread.join()

    assert failures == []
    store.purge()
    assert [key for key in keys if store.load(key)] == []


def test_an_engine_keeps_the_isolation_level_of_its_application(
    mariadb: MariaDBServer, make: StoreMaker, table: str
) -> None:
    engine = sa.create_engine(mariadb.url, pool_size=1, max_overflow=0)
    store = make(engine=engine)
    create_expired(store, engine, table, 3)

    assert store.purge() == 3

    with engine.connect() as connection:
        level = connection.execute(sa.text("SELECT @@tx_isolation, @@autocommit")).one()
    engine.dispose()
    assert level == ("REPEATABLE-READ", 0)


def test_a_server_that_cannot_skip_what_is_locked_purges_all_the_same(
    mariadb: MariaDBServer, make: StoreMaker, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(statements.SKIP_LOCKED_SINCE, "mariadb", (99, 0, 0))
    store = make(mariadb.url, timeout=1)
    engine = sa.create_engine(mariadb.url)
    keys = create_expired(store, engine, table, 3)

    with held(engine, table, keys[1]), pytest.raises(StoreUnavailable):
        store.purge()

    assert store.purge() == 3
    engine.dispose()


@pytest.mark.parametrize(
    ("variables", "skips", "commits"),
    [
        pytest.param({"version": "10.11.6-MariaDB-0+deb12u1"}, True, True, id="MariaDB"),
        pytest.param({"version": "10.6.0-MariaDB"}, True, True, id="first of MariaDB"),
        pytest.param({"version": "10.5.29-MariaDB-log"}, False, True, id="old MariaDB"),
        pytest.param({"version": "8.4.3"}, True, True, id="MySQL"),
        pytest.param({"version": "8.0.1-dmr"}, True, True, id="first of MySQL"),
        pytest.param({"version": "5.7.44-log"}, False, True, id="old MySQL"),
        pytest.param({"log_bin": "ON", "binlog_format": "ROW"}, True, True, id="log of rows"),
        pytest.param({"log_bin": "ON", "binlog_format": "MIXED"}, True, True, id="mixed log"),
        pytest.param({"log_bin": "ON", "binlog_format": "STATEMENT"}, False, False, id="log of statements"),
        pytest.param({"log_bin": "OFF", "binlog_format": "STATEMENT"}, True, True, id="no log"),
    ],
)
def test_a_server_says_what_it_can_do(variables: dict[str, str], skips: bool, commits: bool) -> None:
    capabilities = statements.mysql_capabilities({"max_allowed_packet": "16777216", "version": "8.4.3", **variables})

    assert (capabilities.skips_locked, capabilities.reads_committed) == (skips, commits)
