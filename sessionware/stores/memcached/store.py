"""Sessions in one memcached server, or in several that share the keys."""

from __future__ import annotations

import math
import re
import socket
import time
from typing import Any, ClassVar

from sessionware.exceptions import AlreadyExists, ConfigError, Conflict, Gone, RecordTooLarge, hiding_arguments
from sessionware.stores.contract import Duration, Entry, Version, seconds
from sessionware.stores.failures import guarded, told
from sessionware.stores.framing import VERSION_BYTES, new_version
from sessionware.stores.memcached.servers import servers_at, servers_of
from sessionware.stores.urls import query_options

_LONGEST_NAME_BYTES = 250
_KEY_BYTES = 43
_PREFIX = re.compile(r"[!-~]+")

#: memcached takes a longer time for a date.
_LONGEST_RELATIVE_SECONDS = 30 * 86400
#: memcached's dates are signed numbers of 32 bits.
_LAST_DATE = 2**31 - 1
_NO_END = 0

_TOO_LARGE = (b"object too large for cache",)
_NO_UNIQUES = b"0"


class _Version(bytes):
    """The random bytes of one write. One that was loaded also has the server's number for it, and when it was asked."""

    unique: bytes | None = None
    asked_at = -math.inf


class MemcachedStore:
    """Keeps entries in the memcached servers of *url*, under keys that begin with *prefix*.

    *url* is ``memcached://host``, ``memcached://host:11211,host2:11211``, or ``memcached:///path`` for a unix socket;
    *timeout* (seconds, or a string such as ``"1s"``) is for connecting and for each answer. In place of a URL,
    *client* is a ``Client``, ``PooledClient`` or ``HashClient`` of pymemcache. Its addresses, timeouts, TLS, pool and
    key prefix are used, and ``close()`` does not close it; without timeouts a request waits as long as a server
    hangs. A serializer and ``ignore_exc=True`` are refused.

    Several servers share the keys by rendezvous hashing. A key never moves: while its server is down, its sessions
    raise :exc:`StoreUnavailable`, and the others are served. To add a server to the list, or to remove one, ends the
    sessions whose server changes. A server that is added must be empty, or sessions that were ended come back.

    memcached is a cache. It evicts the least recently used records when it is full, and loses all when it restarts:
    such a session is gone, and its user has to log in again. Give it memory for all sessions, and share it with nothing
    else: then ``evictions`` in its ``stats`` stays 0. A record above its item size (a megabyte, see its option ``-I``)
    raises :exc:`RecordTooLarge`.
    """

    backend_name = "memcached"
    url_schemes = ("memcached",)
    option_help: ClassVar = {
        "url": "its servers (``'memcached://host:11211,host2:11211'``, ``'memcached:///path/of/a/socket'``)",
        "client": "a client of pymemcache, in place of a URL",
        "prefix": "what keys begin with",
        "timeout": "how long a request waits for a server",
    }

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """``memcached://host1,host2?option=value``; the servers are read when the store is made."""
        return {"url": url.partition("?")[0], **query_options(url, "memcached://host?option=value")}

    @hiding_arguments
    def __init__(
        self,
        url: str | None = None,
        *,
        client: Any = None,
        prefix: str = "sessionware:",
        timeout: Duration = 1.0,
    ) -> None:
        if (url is None) == (client is None):
            raise ConfigError("a memcached store needs either url, such as memcached://localhost, or client")
        self._servers = servers_of(client) if url is None else servers_at(url, seconds(timeout))
        self._place = f"memcached at {self._servers.place}"
        _check_prefix(prefix, b"" if client is None else client.key_prefix)
        self._prefix = prefix
        #: The servers that are known to number entries.
        self._checked: set[Any] = set()

    @guarded
    def load(self, key: str) -> Entry | None:
        """The entry under *key*, or ``None``."""
        name = self._prefix + key

        def question(client: Any, opened_at: float) -> tuple[bytes | None, bytes, float]:
            asked_at = time.monotonic()
            return (*client.gets(name), asked_at)

        value, unique, asked_at = self._servers.ask(name, question)
        if value is None:
            return None
        version = _Version(value[:VERSION_BYTES])
        version.unique, version.asked_at = _checked_unique(unique), asked_at
        return Entry(value[VERSION_BYTES:], version)

    @guarded
    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`."""
        name, version, expire = self._prefix + key, new_version(), _expire(ttl)

        def question(client: Any, opened_at: float) -> Any:
            is_added = client.add(name, version + payload, expire=expire, noreply=False)
            if is_added and client.server not in self._checked:
                self._check(client, name)
            return is_added

        if not self._servers.ask(name, question):
            raise AlreadyExists
        return version

    @guarded
    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none.

        It takes one round trip with the version of a load, and two with that of a write, whose number is not known.
        """
        name, written, expire = self._prefix + key, new_version(), _expire(ttl)

        def question(client: Any, opened_at: float) -> bool | None:
            # The server numbers writes from 1 again when it restarts. If this connection was open when the number was
            # asked for, the server has not restarted since; otherwise the random bytes are compared.
            unique = getattr(version, "unique", None)
            if unique is None or opened_at > version.asked_at:
                value, unique = client.gets(name)
                if value is None or value[:VERSION_BYTES] != version:
                    return None if value is None else False
            swapped: bool | None = client.cas(
                name, written + payload, _checked_unique(unique), expire=expire, noreply=False
            )
            return swapped

        swapped = self._servers.ask(name, question)
        if not swapped:
            raise Gone if swapped is None else Conflict
        return written

    @guarded
    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        name = self._prefix + key

        def question(client: Any, opened_at: float) -> Any:
            return client.delete(name, noreply=False)

        return bool(self._servers.ask(name, question))

    def close(self) -> None:
        """Close the connections of this process that are not in use; the next call opens one again."""
        self._servers.close()

    def _check(self, client: Any, name: str) -> None:
        """Refuse a server that numbers no entries: the session just made could never be changed or ended."""
        _, unique = client.gets(name)
        if unique == _NO_UNIQUES:
            client.delete(name, noreply=False)
        _checked_unique(unique)
        self._checked.add(client.server)

    def _cause_of(self, error: Exception) -> Exception:
        from pymemcache.exceptions import MemcacheServerError  # type: ignore[import-untyped]

        if type(error) is TimeoutError:
            # Of the socket or of the pool; neither names a key.
            return TimeoutError(str(error))
        if isinstance(error, socket.gaierror):
            return told(error, words=error.strerror or "")
        if type(error) is not MemcacheServerError:
            # The errors about an answer or a key show it.
            return told(error)
        if error.args == _TOO_LARGE:
            return RecordTooLarge("the record is larger than memcached takes")
        return told(error, words=b" ".join(error.args).decode("latin-1"))


def _check_prefix(prefix: str, client_prefix: bytes) -> None:
    if not _PREFIX.fullmatch(prefix):
        raise ConfigError(
            f"a key of memcached cannot begin with the prefix {prefix!r}; use printable ASCII without spaces"
        )
    if len(client_prefix) + len(prefix) + _KEY_BYTES > _LONGEST_NAME_BYTES:
        raise ConfigError(
            f"the prefix is too long: with it and the key_prefix of a client, a key of memcached has more than"
            f" {_LONGEST_NAME_BYTES} bytes"
        )


def _checked_unique(unique: bytes) -> bytes:
    if unique == _NO_UNIQUES:
        raise ConfigError("memcached runs without compare-and-swap, and changes would be lost; start it without -C")
    return unique


def _expire(ttl: float | None) -> int:
    """*ttl* as memcached takes it: never 0, which means no end, unless there is none.

    One second is added, because memcached counts ticks of its own clock, and the first may come at once.
    """
    if ttl is None:
        return _NO_END
    if ttl <= _LONGEST_RELATIVE_SECONDS - 1:
        return max(0, math.ceil(ttl)) + 1
    date = time.time() + ttl + 1
    # For an end beyond memcached's dates it is told none; the record inside has its own, which the manager goes by.
    return math.ceil(date) if date <= _LAST_DATE else _NO_END
