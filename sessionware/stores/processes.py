"""What to warn of where a server runs several processes over one store."""

from __future__ import annotations

from sessionware.stores.contract import Store, is_atomic
from sessionware.stores.memory import MemoryStore

_ONE_PROCESS = (
    "the server says that it runs several processes (wsgi.multiprocess), and the %s 'memory' keeps its sessions in "
    "one: the others do not find them, and their visitors are signed out; use 'file', 'sqlite' or a server there"
)
_NOT_ATOMIC = (
    "the server says that it runs several processes (wsgi.multiprocess), and %s cannot compare and swap between them: "
    "two that change one session at once lose a change, and a logout may be undone; if its object is in this process "
    "alone, the others do not even find its sessions; use 'file', 'sqlite' or a server there"
)


def warning_of_processes(store: Store | None, option: str) -> str | None:
    """What is to be said if a server runs several processes over *store*, which *option* has named."""
    if isinstance(store, MemoryStore):
        return _ONE_PROCESS.replace("%s", option)
    return None if store is None or is_atomic(store) else _NOT_ATOMIC.replace("%s", f"a {type(store).__name__}")
