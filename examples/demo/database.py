"""The demo's own database, beside that of the sessions: the addresses of its users, and the events that it has seen."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

DATA = Path(os.environ.get("DEMO_DATA", Path(__file__).parent / "data"))
_TABLES = """
PRAGMA journal_mode = wal;
CREATE TABLE IF NOT EXISTS addresses (user TEXT PRIMARY KEY, address TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, name TEXT NOT NULL, reason TEXT, session TEXT, user TEXT, device TEXT
);
"""


def prepare() -> None:
    """Make the folder, which only this user may enter, and the tables."""
    DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
    with connected() as database:
        database.executescript(_TABLES)


@contextlib.contextmanager
def connected() -> Iterator[sqlite3.Connection]:
    """A connection for one transaction. The four workers have no other state of their own in common."""
    with contextlib.closing(sqlite3.connect(DATA / "demo.db", timeout=5)) as database, database:
        yield database


def address_of(user: str) -> str:
    """The address of *user*, or nothing."""
    with connected() as database:
        row = database.execute("SELECT address FROM addresses WHERE user = ?", (user,)).fetchone()
    return str(row[0]) if row else ""


def set_address(user: str, address: str) -> None:
    """Write down where *user* lives now."""
    with connected() as database:
        database.execute("REPLACE INTO addresses VALUES (?, ?)", (user, address))
