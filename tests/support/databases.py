"""The connections that Flask-SQLAlchemy and others leave open when their application is dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from sqlalchemy.pool import Pool


@contextmanager
def closing_connections() -> Iterator[None]:
    """Close at the end all connections that any engine opens; SQLite's warn of being left open from Python 3.13 on."""
    opened: list[Any] = []

    def note(connection: Any, record: object) -> None:
        opened.append(connection)

    sqlalchemy.event.listen(Pool, "connect", note)
    try:
        yield
    finally:
        sqlalchemy.event.remove(Pool, "connect", note)
        for connection in opened:
            connection.close()
