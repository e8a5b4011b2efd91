"""A session store of one's own: the four methods of the contract, over one table.

The middleware finds it by its dotted path, and ``path`` is an option because ``__init__`` takes it::

    SessionMiddleware(app, {
        "backend": "examples.custom_store:TableStore",
        "backend.path": "/var/lib/app/sessions.db",
        "secret": os.environ["SESSION_SECRET"],
    })

That it keeps the contract is proved by ``sessionware.testing.StoreConformance``.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator

from sessionware.stores import AlreadyExists, Conflict, Entry, Gone, StoreUnavailable


class TableStore:
    """Opens the database for every call, which is slow, but safe with threads and forks without a thought."""

    def __init__(self, path: str) -> None:
        self.path = path

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(self.path)) as database, database:
                database.execute("CREATE TABLE IF NOT EXISTS visits (key TEXT PRIMARY KEY, payload BLOB, version TEXT)")
                yield database
        except sqlite3.Error as error:
            raise StoreUnavailable("the table of sessions cannot be reached") from error

    def load(self, key: str) -> Entry | None:
        with self._database() as database:
            row = database.execute("SELECT payload, version FROM visits WHERE key = ?", (key,)).fetchone()
        return row and Entry(*row)

    def create(self, key: str, payload: bytes, ttl: float | None) -> str:
        version = secrets.token_hex(16)
        with self._database() as database:
            added = database.execute("INSERT OR IGNORE INTO visits VALUES (?, ?, ?)", (key, payload, version))
        if not added.rowcount:
            raise AlreadyExists
        return version

    def replace(self, key: str, payload: bytes, ttl: float | None, version: str) -> str:
        new = secrets.token_hex(16)
        with self._database() as database:
            update = "UPDATE visits SET payload = ?, version = ? WHERE key = ? AND version = ?"
            if database.execute(update, (payload, new, key, version)).rowcount:
                return new
            raise Conflict if database.execute("SELECT 1 FROM visits WHERE key = ?", (key,)).fetchone() else Gone

    def delete(self, key: str) -> bool:
        with self._database() as database:
            return database.execute("DELETE FROM visits WHERE key = ?", (key,)).rowcount > 0
