"""A session store of one's own, the four methods of the contract over one table, and an application that uses it.

Serve it, from this directory, with a secret of its own::

    pip install gunicorn
    SESSION_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py 'custom_store:make_app()'

In another module the dict may name the store by its dotted path, ``"backend": "custom_store:TableStore"``. Either way
``path`` is an option because ``__init__`` takes it. That the store keeps the contract is proved by
``sessionware.testing.StoreConformance``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sessionware import SessionMiddleware, get_session
from sessionware.stores import AlreadyExists, Conflict, Entry, Gone, StoreUnavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class TableStore:
    """Opens the database for every call, which is slow, but safe with threads and forks.

    It takes no notice of ``ttl``: the middleware refuses what has expired, and nothing here ever removes it.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(self.path)) as database, database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS sessions (key TEXT PRIMARY KEY, payload BLOB, version TEXT)"
                )
                yield database
        except sqlite3.Error as error:
            raise StoreUnavailable("the table of sessions cannot be reached") from error

    def load(self, key: str) -> Entry | None:
        with self._database() as database:
            row = database.execute("SELECT payload, version FROM sessions WHERE key = ?", (key,)).fetchone()
        return row and Entry(*row)

    def create(self, key: str, payload: bytes, ttl: float | None) -> str:
        version = secrets.token_hex(16)
        with self._database() as database:
            added = database.execute("INSERT OR IGNORE INTO sessions VALUES (?, ?, ?)", (key, payload, version))
        if not added.rowcount:
            raise AlreadyExists
        return version

    def replace(self, key: str, payload: bytes, ttl: float | None, version: str) -> str:
        new = secrets.token_hex(16)
        with self._database() as database:
            update = "UPDATE sessions SET payload = ?, version = ? WHERE key = ? AND version = ?"
            if database.execute(update, (payload, new, key, version)).rowcount:
                return new
            raise Conflict if database.execute("SELECT 1 FROM sessions WHERE key = ?", (key,)).fetchone() else Gone

    def delete(self, key: str) -> bool:
        with self._database() as database:
            return database.execute("DELETE FROM sessions WHERE key = ?", (key,)).rowcount > 0


def count(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Count the visits."""
    if environ["PATH_INFO"] != "/":  # a browser asks for /favicon.ico, too
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found"]
    visits = get_session(environ).alter("visits", lambda number: number + 1, default=0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d visits" % visits]


def make_app() -> SessionMiddleware:
    """The application, wrapped; a function, so that an import of the store alone needs no secret."""
    options = {"backend": TableStore, "backend.path": "custom.db", "secret": os.environ["SESSION_SECRET"]}
    return SessionMiddleware(count, options)
