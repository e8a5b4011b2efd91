"""Stores for server-side sessions, and the contract by which others are written."""

from sessionware.exceptions import AlreadyExists, Conflict, Gone, RecordTooLarge, StoreUnavailable
from sessionware.stores.contract import Closable, Entry, Purgeable, Store, Version, is_atomic
from sessionware.stores.file import FileStore
from sessionware.stores.keyvalue.store import KeyValueStore
from sessionware.stores.memcached.store import MemcachedStore
from sessionware.stores.memory import MemoryStore
from sessionware.stores.redis.store import RedisStore
from sessionware.stores.sql.store import SQLAlchemyStore
from sessionware.stores.sqlite import SQLiteStore

__all__ = [
    "AlreadyExists",
    "Closable",
    "Conflict",
    "Entry",
    "FileStore",
    "Gone",
    "KeyValueStore",
    "MemcachedStore",
    "MemoryStore",
    "Purgeable",
    "RecordTooLarge",
    "RedisStore",
    "SQLAlchemyStore",
    "SQLiteStore",
    "Store",
    "StoreUnavailable",
    "Version",
    "is_atomic",
]
