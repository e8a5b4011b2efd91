"""The stores of other packages: what cannot work is told at start, and what fails says where and why."""

from __future__ import annotations

import socket
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any

import pymemcache  # type: ignore[import-untyped]
import pytest
import redis
import redis.asyncio
import sqlalchemy
from support.children import Tell, a_child

from sessionware import ConfigError, StoreUnavailable
from sessionware.importers.beaker_files import BeakerFiles
from sessionware.importers.cache_files import CacheFiles
from sessionware.importers.kvsession import KVRecords
from sessionware.importers.records import MemcachedRecords, RedisRecords, SQLRecords

HIDDEN = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("make", "given", "cure"),
    [
        (
            RedisRecords,
            "localhost:6379",
            "RedisRecords: expected a URL such as 'redis://localhost:6379/0', or a client",
        ),
        (RedisRecords, f"u:{HIDDEN}@cache", "RedisRecords: expected a URL such as"),
        (RedisRecords, None, "or a client of redis-py that is not async, got an object of the type NoneType"),
        (RedisRecords, redis.asyncio.Redis(), "or a client of redis-py that is not async, got an object of the type"),
        (RedisRecords, redis.Redis(decode_responses=True), "RedisRecords: make its client without decode_responses"),
        (
            SQLRecords,
            "database",
            "SQLRecords: expected a URL such as 'postgresql+psycopg://host/database', or an engine",
        ),
        (SQLRecords, f"postgres://u:{HIDDEN}@h/d", "SQLRecords: expected a URL such as 'postgresql+psycopg://"),
        (SQLRecords, None, "or an engine of SQLAlchemy, got an object of the type NoneType"),
        (MemcachedRecords, "localhost:port", "MemcachedRecords: expected 'host:port', or a client of pymemcache"),
        (MemcachedRecords, "h1,h2", "MemcachedRecords: expected 'host:port', or a client of pymemcache"),
        (MemcachedRecords, None, "MemcachedRecords: expected 'host:port', or a client of pymemcache"),
        (CacheFiles, None, "CacheFiles: expected a directory, got an object of the type NoneType"),
        (CacheFiles, "", "CacheFiles: expected a directory, got an empty text"),
        (BeakerFiles, 5, "BeakerFiles: expected a directory, got an object of the type int"),
    ],
)
def test_what_names_no_place_is_refused_at_start(make: Callable[[Any], Any], given: Any, cure: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(given)

    assert cure in str(caught.value)
    assert HIDDEN not in f"{caught.value}{caught.value.__cause__}{caught.value.__context__}"


@pytest.mark.parametrize(
    ("records", "told"),
    [
        (
            lambda: RedisRecords(f"redis://user:{HIDDEN}@127.0.0.1:1/0"),
            "Redis at 127.0.0.1:1 does not give a former session: redis.exceptions.ConnectionError: Error 111",
        ),
        (
            lambda: MemcachedRecords("127.0.0.1:1"),
            "memcached at 127.0.0.1:1 does not give a former session: ConnectionRefusedError: [Errno 111]",
        ),
        (
            lambda: SQLRecords("sqlite:////nowhere/former.db"),
            "SQLite at /nowhere/former.db does not give a former session: sqlite3.OperationalError: unable to open",
        ),
        (
            lambda: SQLRecords(sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.NullPool), "missing"),
            "SQLite does not give a former session: sqlite3.OperationalError: no such table: missing",
        ),
    ],
    ids=["redis", "memcached", "sqlite", "a table"],
)
def test_a_failure_says_where_and_why_without_credentials(records: Callable[[], Any], told: str) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        records().get("session:abc", 0.0)

    assert str(caught.value).startswith(told)
    assert "abc" not in str(caught.value)
    assert HIDDEN not in str(caught.value)


class Like:
    """A client of an application's own, which does as redis-py does."""

    def get(self, key: str) -> bytes:
        raise ConnectionResetError(104, key)

    def pttl(self, key: str) -> int:
        return -1

    def delete(self, key: str) -> None:
        """Remove nothing."""


def test_a_client_that_tells_no_place_is_told_without_one() -> None:
    with pytest.raises(StoreUnavailable) as caught:
        RedisRecords(Like()).get("abc", 0.0)

    assert str(caught.value) == (
        "Redis does not give a former session: ConnectionResetError: [Errno 104] Connection reset by peer"
    )


def test_a_file_that_cannot_be_read_is_told_by_its_directory(tmp_path: Path) -> None:
    (tmp_path / "a" / "ab" / "abc.cache").mkdir(parents=True)

    with pytest.raises(StoreUnavailable) as caught:
        BeakerFiles(file_dir=tmp_path).get("abc", 0.0)

    assert str(caught.value) == (
        f"a file of Beaker in {tmp_path} does not give a former session: IsADirectoryError: [Errno 21] Is a directory"
    )


@pytest.mark.parametrize(
    "value", [b"{}", bytearray(b"{}"), memoryview(b"{}"), "{}"], ids=lambda value: type(value).__name__
)
def test_bytes_of_another_type_and_a_text_are_a_record(value: Any) -> None:
    record = KVRecords({"key": value}).get("key", 0.0)

    assert record is not None
    assert record.payload == b"{}"


def test_what_is_no_bytes_is_no_session_that_is_missing() -> None:
    with pytest.raises(StoreUnavailable, match="a dict gives a former session as an object of the type list"):
        KVRecords({"key": [1]}).get("key", 0.0)


@pytest.fixture
def silent_server() -> Any:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_redis_that_hangs_costs_one_timeout(silent_server: int) -> None:
    records = RedisRecords(f"redis://127.0.0.1:{silent_server}/0")
    opened = records._client.connection_pool.connection_kwargs

    with pytest.raises(StoreUnavailable, match="Timeout"):
        records.get("key", 0.0)

    assert opened["socket_timeout"] == 1.0
    assert opened["retry"]._retries == 1
    assert opened["socket_keepalive"] is True


def test_a_memcached_client_keeps_no_idle_connection() -> None:
    client = MemcachedRecords("127.0.0.1:1")._clients.get()

    assert isinstance(client, pymemcache.PooledClient)
    assert client.client_pool.idle_timeout == 60


def test_an_engine_of_ours_keeps_no_idle_connection() -> None:
    engine = SQLRecords("postgresql+psycopg://127.0.0.1:1/d")._engine

    assert isinstance(engine.pool, sqlalchemy.NullPool)


def test_a_url_of_sqlalchemy_and_one_of_memcached_are_taken() -> None:
    SQLRecords(sqlalchemy.make_url("sqlite:///shop.db"))
    MemcachedRecords("memcached://localhost:11211")


def test_a_process_that_has_forked_reads_no_answer_to_the_other_one(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("memcached_server").url.partition("://")[2]
    client = pymemcache.Client(server)
    for key in ("parent", "child"):
        client.set(key, key.encode(), noreply=False)
    client.close()
    records = MemcachedRecords(server)

    def wrong_answers(key: str) -> int:
        answers = [records.get(one, 0.0) for one in repeat(key, 2000)]
        return sum(answer is None or answer.payload != key.encode() for answer in answers)

    def run(tell: Tell) -> None:
        tell(0)
        tell(wrong_answers("child"))

    assert records.get("parent", 0.0)
    with a_child(run) as child:
        child.listen(1)
        own = wrong_answers("parent")
        child.listen(1)

    assert (own, child.last) == (0, 0)
