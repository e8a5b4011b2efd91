"""Collections of sessions in SQLite, PostgreSQL and Redis, filled in bulk in the form that the stores give them."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from pathlib import Path
from typing import Any, Protocol

from benchmarks.servers import address
from sessionware.stores import RedisStore, SQLAlchemyStore, SQLiteStore

#: A key, a sealed record, and its seconds to live.
Record = tuple[str, bytes, float]

_NOBODY = "0" * 43
_VERSION_BYTES = 16
_PREFIX = "sessionware:"


class Collection(Protocol):
    """One store, and a bulk write that bypasses it."""

    @property
    def store(self) -> Any: ...

    def add(self, records: list[Record]) -> None:
        """Write *records* in bulk."""

    def bytes_used(self) -> float:
        """The bytes that all records take, with indexes."""
        ...


class InSQLite:
    """A database file of its own."""

    def __init__(self, path: Path) -> None:
        self.store = SQLiteStore(path)
        self.store.load(_NOBODY)
        self._path = path
        self._connection = sqlite3.connect(path)

    def add(self, records: list[Record]) -> None:
        now = time.time()
        rows = [(key, payload, secrets.randbits(62), now + ttl) for key, payload, ttl in records]
        with self._connection:
            self._connection.executemany("INSERT INTO sessionware_sessions VALUES (?, ?, ?, ?)", rows)

    def bytes_used(self) -> float:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return self._path.stat().st_size


class InPostgreSQL:
    """A table of its own."""

    def __init__(self, url: str, table: str) -> None:
        import psycopg

        self.store = SQLAlchemyStore(url, table=table)
        self.store.load(_NOBODY)
        self._table = table
        self._connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)

    def add(self, records: list[Record]) -> None:
        now = time.time()
        statement = f"COPY {self._table} (key, payload, version, expires_at) FROM STDIN"
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for key, payload, ttl in records:
                copy.write_row((key, payload, os.urandom(_VERSION_BYTES), now + ttl))

    def bytes_used(self) -> float:
        (size,) = self._connection.execute("SELECT pg_total_relation_size(%s)", (self._table,)).fetchall()[0]
        return float(size)


class InRedis:
    """A numbered database of its own."""

    def __init__(self, url: str, number: int) -> None:
        import redis

        host, port = address(url)
        self.store = RedisStore(f"redis://{host}:{port}/{number}", prefix=_PREFIX)
        self._client = redis.Redis(host=host, port=port, db=number)
        self._taken = 0.0

    def add(self, records: list[Record]) -> None:
        before = self._used()
        with self._client.pipeline(transaction=False) as pipeline:
            for key, payload, ttl in records:
                pipeline.set(_PREFIX + key, os.urandom(_VERSION_BYTES) + payload, px=round(ttl * 1000))
            pipeline.execute()
        self._taken += self._used() - before

    def bytes_used(self) -> float:
        return self._taken

    def _used(self) -> float:
        return float(self._client.info("memory")["used_memory"])


def pairs(directory: Path, urls: dict[str, str]) -> dict[str, tuple[Collection, Collection]]:
    """A small collection and a large one, in SQLite and on each server that runs."""
    found: dict[str, tuple[Collection, Collection]] = {
        "sqlite": (InSQLite(directory / "small.db"), InSQLite(directory / "large.db"))
    }
    if "postgresql" in urls:
        url = urls["postgresql"]
        found["postgresql"] = InPostgreSQL(url, "small"), InPostgreSQL(url, "large")
    if "redis" in urls:
        found["redis"] = InRedis(urls["redis"], 0), InRedis(urls["redis"], 1)
    return found
