"""The bare work of a store, written by hand: the commands or statements alone, sent by the clients that our stores use.

Each function returns two calls: one reads a record, the other reads it and replaces it by compare-and-swap.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgpack

from benchmarks.servers import address
from benchmarks.subject import sessions

Calls = tuple[Callable[[], object], Callable[[], object]]

KEY = secrets.token_urlsafe(32)
#: It has the size of the sealed record of the first session that is measured.
PAYLOAD = secrets.token_bytes(len(msgpack.packb(sessions()[0])) + 140)
VERSION_BYTES = 16
TTL_SECONDS = 3600

_SWAP = """
if redis.call('GETRANGE', KEYS[1], 0, 15) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


def sqlite(directory: Path) -> Calls:
    connection = sqlite3.connect(directory / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE bare (key TEXT PRIMARY KEY, payload BLOB, version INTEGER, expires_at REAL)")
    connection.execute("CREATE INDEX bare_expiry ON bare (expires_at) WHERE expires_at IS NOT NULL")
    connection.execute("INSERT INTO bare VALUES (?, ?, 0, 1e12)", (KEY, PAYLOAD))

    def read() -> None:
        connection.execute("SELECT payload, version FROM bare WHERE key = ?", (KEY,)).fetchall()

    def write() -> None:
        _, version = connection.execute("SELECT payload, version FROM bare WHERE key = ?", (KEY,)).fetchone()
        connection.execute(
            "UPDATE bare SET payload = ?, version = ?, expires_at = ? WHERE key = ? AND version = ?",
            (PAYLOAD, version + 1, 1e12 + version, KEY, version),
        )

    return read, write


def postgresql(url: str) -> Calls:
    import psycopg

    connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
    connection.execute(
        "CREATE TABLE bare (key text PRIMARY KEY, payload bytea, version bytea, expires_at double precision)"
    )
    connection.execute("CREATE INDEX bare_expiry ON bare (expires_at)")
    connection.execute("INSERT INTO bare VALUES (%s, %s, %s, 1e12)", (KEY, PAYLOAD, bytes(VERSION_BYTES)))
    select = "SELECT payload, version FROM bare WHERE key = %s"
    update = """
        UPDATE bare SET payload = %s, version = %s,
            expires_at = CAST(extract(epoch FROM statement_timestamp()) AS double precision) + %s
        WHERE key = %s AND version = %s"""

    def read() -> None:
        connection.execute(select, (KEY,)).fetchall()

    def write() -> None:
        ((_, version),) = connection.execute(select, (KEY,)).fetchall()
        changed = os.urandom(VERSION_BYTES)
        count = connection.execute(update, (PAYLOAD, changed, float(TTL_SECONDS), KEY, version)).rowcount
        _check(count == 1)

    return read, write


def redis(url: str) -> Calls:
    import redis as driver

    client = driver.Redis.from_url(url)
    swap = client.script_load(_SWAP)
    client.set(KEY, bytes(VERSION_BYTES) + PAYLOAD, ex=TTL_SECONDS)

    def read() -> None:
        client.get(KEY)

    def write() -> None:
        version = client.get(KEY)[:VERSION_BYTES]  # type: ignore[index]
        changed = os.urandom(VERSION_BYTES) + PAYLOAD
        _check(client.evalsha(swap, 1, KEY, version, changed, TTL_SECONDS * 1000) == 1)

    return read, write


def memcached(url: str) -> Calls:
    from pymemcache.client.base import Client  # type: ignore[import-untyped]

    client = Client(address(url), no_delay=True, connect_timeout=1, timeout=1, default_noreply=False)
    client.set(KEY, bytes(VERSION_BYTES) + PAYLOAD, expire=TTL_SECONDS)

    def read() -> None:
        client.gets(KEY)

    def write() -> None:
        _, unique = client.gets(KEY)
        _check(client.cas(KEY, os.urandom(VERSION_BYTES) + PAYLOAD, unique, expire=TTL_SECONDS))

    return read, write


def _check(swapped: object) -> None:
    if not swapped:
        raise AssertionError("another process has written the record")
