"""The statements that a store sends: how many, by which index, and how long they wait."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from stores.sql.makers import StoreMaker
from support.servers.mariadb import MariaDBServer
from support.servers.postgresql import PostgreSQLServer

from sessionware.exceptions import Conflict, RecordTooLarge, StoreUnavailable
from sessionware.stores import SQLAlchemyStore
from sessionware.testing.conformance.fixtures import new_key

Server = PostgreSQLServer | MariaDBServer


def expire_all(engine: sa.Engine, table: str) -> None:
    """Let all entries expire."""
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE {table} SET expires_at = 1"))


@pytest.mark.usefixtures("no_sweeps")
def test_a_load_and_a_save_are_one_statement_each(mariadb: MariaDBServer, make: StoreMaker) -> None:
    store, key = make(mariadb.url), new_key()
    version = store.create(key, b"payload", 60)

    with contextlib.closing(mariadb.connect()) as connection, connection.cursor() as cursor:

        def statements() -> int:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
            return int(cursor.fetchone()[1])

        before = statements()
        overhead = statements() - before
        before = statements()
        store.load(key)
        after_load = statements()
        store.replace(key, b"changed", 60, version)
        after_save = statements()

    assert (after_load - before - overhead, after_save - after_load - overhead) == (1, 1)


def test_a_load_and_a_save_begin_no_transaction(postgresql: PostgreSQLServer, make: StoreMaker, table: str) -> None:
    store, key = make(postgresql.url), new_key()
    store.create(key, b"payload", 60)
    store.load(key)

    with psycopg.connect(postgresql.arguments) as connection:
        rows = connection.execute(
            "SELECT state, query FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()", (f"%{table}%",)
        ).fetchall()

    ((state, query),) = rows
    assert state == "idle"
    assert query.startswith("SELECT")


def test_a_connection_that_was_idle_for_a_minute_is_replaced(
    mariadb: MariaDBServer, make: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, now = make(mariadb.url), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    store.load(new_key())

    with contextlib.closing(mariadb.connect()) as connection, connection.cursor() as cursor:

        def connections() -> int:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Connections'")
            return int(cursor.fetchone()[1])

        opened = [connections()]
        for seconds in (59, 120):
            monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: now + seconds)
            store.load(new_key())
            opened.append(connections())

    assert opened == [opened[0], opened[0], opened[0] + 1]


def test_a_purge_finds_what_has_ended_by_the_index(postgresql: PostgreSQLServer, make: StoreMaker, table: str) -> None:
    make(postgresql.url).load(new_key())
    with psycopg.connect(postgresql.arguments) as connection:
        connection.execute(f"INSERT INTO {table} SELECT md5(n::text), '', '', 4e9 + n FROM generate_series(1, 20000) n")
        connection.execute(f"ANALYZE {table}")
        plan = connection.execute(
            f"EXPLAIN SELECT key FROM {table} WHERE expires_at <= "
            "CAST(extract(epoch FROM statement_timestamp()) AS double precision) LIMIT 200 FOR UPDATE SKIP LOCKED"
        ).fetchall()

    assert f"{table}_expiry" in str(plan)


def test_writes_purge_a_little_on_their_way(store: SQLAlchemyStore, engine: sa.Engine, table: str) -> None:
    store.create(new_key(), b"payload", 60)
    expire_all(engine, table)

    for _ in range(100):
        store.create(new_key(), b"payload", 600)

    with engine.connect() as connection:
        assert connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() == 100


@pytest.fixture
def locked(server: Server, make: StoreMaker, table: str) -> Iterator[tuple[SQLAlchemyStore, str, Any]]:
    """A store with a short timeout, and an entry that another transaction has locked."""
    store, key = make(server.url, timeout=1), new_key()
    version = store.create(key, b"payload", 60)
    engine = sa.create_engine(server.url)
    with engine.connect() as connection:
        quoted = engine.dialect.identifier_preparer.quote("key")
        connection.execute(sa.text(f"SELECT 1 FROM {table} WHERE {quoted} = :k FOR UPDATE"), {"k": key})
        yield store, key, version
    engine.dispose()


def test_a_writer_that_waits_for_a_lock_is_unavailable_after_the_timeout(
    locked: tuple[SQLAlchemyStore, str, Any],
) -> None:
    store, key, version = locked

    with pytest.raises(StoreUnavailable):
        store.replace(key, b"changed", 60, version)

    assert store.load(key) == (b"payload", version)


def test_to_be_undone_for_another_writer_is_a_conflict(
    postgresql: PostgreSQLServer, make: StoreMaker, table: str
) -> None:
    engine = sa.create_engine(postgresql.url, connect_args={"options": "-c default_transaction_isolation=serializable"})
    store, key = make(engine=engine), new_key()
    version = store.create(key, b"payload", 60)
    outcomes: list[type[Exception] | None] = []

    def replace() -> None:
        try:
            store.replace(key, b"mine", 60, version)
        except Exception as error:  # noqa: BLE001 - which one is the question
            outcomes.append(type(error))

    with psycopg.connect(postgresql.arguments) as writer:
        writer.execute(f"UPDATE {table} SET payload = 'theirs' WHERE key = %s", (key,))
        thread = threading.Thread(target=replace)
        thread.start()
        wait_for_a_waiter(postgresql)
        writer.commit()
        thread.join()
    engine.dispose()

    assert outcomes == [Conflict]


def wait_for_a_waiter(postgresql: PostgreSQLServer) -> None:
    with psycopg.connect(postgresql.arguments, autocommit=True) as connection:
        while not connection.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            pass


def test_what_the_server_would_not_take_is_too_large(mariadb: MariaDBServer, make: StoreMaker) -> None:
    store, key = make(mariadb.url), new_key()

    with pytest.raises(RecordTooLarge):
        store.create(key, b"x" * (8 * 1024 * 1024), 60)

    assert store.load(key) is None


def test_what_the_server_just_takes_comes_back(mariadb: MariaDBServer, make: StoreMaker) -> None:
    store, key = make(mariadb.url), new_key()
    payload = b"'" * (8 * 1024 * 1024 - 512)

    version = store.create(key, payload, 60)

    assert store.load(key) == (payload, version)


def test_postgresql_is_not_sent_what_it_could_not_answer(postgresql: PostgreSQLServer, make: StoreMaker) -> None:
    with pytest.raises(RecordTooLarge):
        make(postgresql.url).create(new_key(), bytes(1 << 29), 60)


def test_sqlite_refuses_what_is_too_large(url: str, make: StoreMaker, tmp_path: object) -> None:
    store = make(f"sqlite:///{tmp_path}/large.db")

    with pytest.raises(RecordTooLarge):
        store.create(new_key(), bytes(1_000_000_001), 60)


def test_times_are_those_of_the_database(
    store: SQLAlchemyStore, engine: sa.Engine, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1.0)

    store.create(new_key(), b"payload", 60)
    store.create(new_key(), b"payload", 660)

    with engine.connect() as connection:
        ends = connection.execute(sa.text(f"SELECT expires_at FROM {table} ORDER BY expires_at")).scalars().all()
    assert ends[0] > 1_700_000_000
    assert 599 < ends[1] - ends[0] < 700


def test_a_write_leaves_the_end_alone_that_moves_less_than_a_thirty_second_of_the_ttl(
    store: SQLAlchemyStore, engine: sa.Engine, table: str
) -> None:
    """The index of the ends would be a good part of what each write adds to the database's log."""
    key = new_key()

    def end() -> float:
        with engine.connect() as connection:
            return float(connection.execute(sa.text(f"SELECT expires_at FROM {table}")).scalar_one())

    ends = []
    version = store.create(key, b"payload", 32_000)
    for ttl in (32_000, 32_000, 32_500, 32_900, 64_000, 32_000):
        version = store.replace(key, b"payload", ttl, version)
        ends.append(end())

    first, second, third, fourth, doubled, last = ends
    assert first == second == third == fourth
    assert doubled - first == pytest.approx(33_000, abs=100)
    assert last == pytest.approx(first, abs=100)


def test_an_entry_without_an_end_is_given_one_by_the_next_write(
    store: SQLAlchemyStore, engine: sa.Engine, table: str
) -> None:
    key, ends = new_key(), []
    version = store.create(key, b"payload", 60)

    for ttl in (None, 60):
        version = store.replace(key, b"payload", ttl, version)
        with engine.connect() as connection:
            ends.append(connection.execute(sa.text(f"SELECT expires_at FROM {table}")).scalar_one())

    assert ends[0] is None
    assert ends[1] > 1_700_000_000


def test_more_threads_than_connections_take_turns(postgresql: PostgreSQLServer, make: StoreMaker) -> None:
    store, key = make(postgresql.url), new_key()
    store.create(key, b"payload", 60)
    seen: list[object] = []

    threads = [threading.Thread(target=lambda: seen.append(store.load(key))) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(seen) == 40
    assert len({repr(entry) for entry in seen}) == 1
