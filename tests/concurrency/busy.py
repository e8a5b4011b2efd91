"""Processes and threads that use one session at the same moment, each through a middleware of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from concurrency.world import World

from sessionware.stores import FileStore, SQLiteStore, Store


def make_store(kind: str, directory: str | Path) -> Store:
    """The store of this kind in *directory*, as any process opens it."""
    if kind == "file":
        return FileStore(Path(directory) / "sessions")
    return SQLiteStore(Path(directory) / "sessions.db")


def count(kind: str, directory: str, cookie: str, times: int) -> None:
    """Count up *times* times, each in a request; complain about any that is not served."""
    world = World(make_store(kind, directory))
    for _ in range(times):
        answer = world.request(lambda session: session.alter("count", lambda count: count + 1, default=0), cookie)
        if answer.status != 200:
            print(answer.status, world.names()[-3:], file=sys.stderr)
    world.app.manager.close()
