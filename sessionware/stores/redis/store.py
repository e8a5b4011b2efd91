"""Sessions in Redis or Valkey: one server, Sentinel or Cluster."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from sessionware.exceptions import AlreadyExists, ConfigError, Conflict, Gone, RecordTooLarge, hiding_arguments
from sessionware.stores.contract import Duration, Entry, Version, seconds
from sessionware.stores.failures import guarded, noting, told
from sessionware.stores.framing import VERSION_BYTES, new_version
from sessionware.stores.pools import PerProcess
from sessionware.stores.redis.connections import driver_of, import_driver, place_of_client, secrets_of_client
from sessionware.stores.redis.deadline import begin
from sessionware.stores.redis.servers import Servers, servers_of_client, servers_of_url
from sessionware.stores.redis.url import SCHEMES, read_url, store_options

# Redis runs nothing else during a script, so the key cannot change between the look and the write. SET without PX takes
# a lifetime away.
_REPLACE = f"""\
local version = redis.call('GETRANGE', KEYS[1], 0, {VERSION_BYTES - 1})
if version == '' then return -1 end
if version ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1
""".encode()
# EVALSHA identifies a script by its SHA-1, which is not used for security.
_REPLACE_NAME = hashlib.sha1(_REPLACE, usedforsecurity=False).hexdigest()

#: What has the form of a key and is none, for no handle is hashed to it.
_NO_KEY = b"-" * 43

#: A thousand years. Redis refuses a lifetime whose end, in milliseconds since the epoch, exceeds 64 bits.
_LONGEST_MILLISECONDS = 1000 * 365 * 86_400_000

#: Every server takes a string of a megabyte; how much more, ``proto-max-bulk-len`` says.
_TAKEN_BY_ALL = 1024 * 1024

#: In a message: what repeats the arguments of the command (the key, the payload) or the settings of a client, and a
#: user's name.
_SECRETS = re.compile(r",? with args.*|[:,] *<.*|(?<=\buser )\S+(?= has )", re.IGNORECASE | re.DOTALL)


class RedisStore:
    """Keeps entries in Redis 4 or newer, or in Valkey, under keys that begin with *prefix*, each with its native end.

    *url* is ``redis://user:password@host:6379/0``, ``rediss://`` with TLS, ``unix:///run/redis.sock?db=0``,
    ``redis+sentinel://h1,h2/service/0`` or ``redis+cluster://h1,h2``. Connections are opened on first use, per process.
    *timeout* (seconds, or a text such as ``"1s"``) holds for a whole call, whatever it takes to find the server, and to
    wait for a connection while as many as the URL's ``max_connections`` are in use.

    Let Redis evict nothing (``maxmemory-policy noeviction``): an evicted session is gone. What Redis acknowledges it
    may still lose, at a crash (see its ``appendfsync``) and at a failover (its replicas follow later; see
    ``min-replicas-to-write``): an ended session may come back with the replica.

    *client* is instead a ``redis.Redis``, what ``Sentinel.master_for()`` made, a ``RedisCluster``, or one of these of
    the package ``valkey``. It is used as it is and never closed here; then its own timeouts hold, which want to be
    short. Its retries of commands are not used: a write is sent once, and one without an answer is
    :exc:`StoreUnavailable`.
    """

    backend_name = "redis"
    url_schemes = SCHEMES
    option_help: ClassVar = {
        "url": (
            "``'redis://user:password@host:6379/0'``, ``'rediss://host'`` with TLS, ``'unix:///path?db=0'``, "
            "``'redis+sentinel://host1,host2/service/0'``, ``'redis+cluster://host1,host2'``"
        ),
        "client": "a client of redis-py or of valkey, in place of a URL",
        "prefix": "what keys begin with",
        "timeout": "how long a request waits for a server",
    }

    @classmethod
    def options_from_url(cls, url: str) -> dict[str, Any]:
        """The URL itself, without those of its options that are the store's own."""
        return store_options(url)

    @hiding_arguments
    def __init__(
        self,
        url: str | None = None,
        *,
        client: Any = None,
        prefix: str = "sessionware:",
        timeout: Duration = 1.0,
    ) -> None:
        if not isinstance(prefix, str) or not prefix:
            raise ConfigError("the prefix of the Redis store is empty; sessions must not share keys with anything else")
        if (url is None) == (client is None):
            raise ConfigError("the Redis store needs either url, such as 'redis://localhost:6379/0', or client")
        self._prefix = prefix.encode()
        self._timeout = seconds(timeout)
        self._is_client_given = client is not None
        self._driver = driver_of(client) if self._is_client_given else import_driver()
        self._errors = self._driver.errors
        make: Callable[[], Servers]
        if self._is_client_given:
            self._place, self._hidden = place_of_client(client), secrets_of_client(client)
            make = partial(servers_of_client, self._driver, client)
        else:
            parsed = read_url(url)
            self._place, self._hidden = parsed.place, parsed.secrets
            make = partial(servers_of_url, self._driver, parsed)
        self._servers = PerProcess(make)

    @guarded
    def load(self, key: str) -> Entry | None:
        """The entry under *key*, or ``None``."""
        name = self._prefix + key.encode()
        value = self._call(name, "GET", name, repeatable=True)
        return None if value is None else Entry(value[VERSION_BYTES:], value[:VERSION_BYTES])

    @guarded
    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        """Store *payload* under a new *key*, or raise :exc:`AlreadyExists`."""
        servers = self._servers.get()
        if not servers.has_commands:
            self._require_commands()
            servers.has_commands = True
        name, version = self._prefix + key.encode(), new_version()
        lifetime = () if ttl is None else ("PX", _milliseconds(ttl))
        if self._write(name, "SET", name, version + payload, "NX", *lifetime) is None:
            raise AlreadyExists
        return version

    @guarded
    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        """Replace the entry if it still has *version*; raise :exc:`Conflict` if not, :exc:`Gone` if there is none."""
        name, changed = self._prefix + key.encode(), new_version()
        arguments = (1, name, version, changed + payload, b"" if ttl is None else _milliseconds(ttl))
        try:
            answer = self._write(name, "EVALSHA", _REPLACE_NAME, *arguments)
        except self._errors.NoScriptError:
            # A server that was restarted does not know the script, so it has not run it.
            answer = self._write(name, "EVAL", _REPLACE, *arguments)
        if answer == 1:
            return changed
        raise Conflict if answer == 0 else Gone

    @guarded
    def delete(self, key: str) -> bool:
        """Remove the entry; whether there was one."""
        name = self._prefix + key.encode()
        return bool(self._call(name, "DEL", name))

    def close(self) -> None:
        """Close the connections of this process; the next call opens them again. A client that was given stays open."""
        servers = self._servers.take()
        if servers is not None and not self._is_client_given:
            servers.close()

    def _require_commands(self) -> None:
        """Send each command that sessions need, about an entry that is never there.

        A server may lack one, or the user the right to it. Then no session may be created, for it could not be changed
        or ended later.
        """
        name = self._prefix + _NO_KEY
        nothing = (1, name, b"", b"", b"")
        for command in (
            ("GET", name),
            ("GETRANGE", name, 0, 0),
            ("DEL", name),
            ("EVAL", _REPLACE, *nothing),
            ("EVALSHA", _REPLACE_NAME, *nothing),
        ):
            with noting(f"the command {command[0]}"):
                self._call(name, *command)

    def _write(self, name: bytes, *command: Any) -> Any:
        try:
            return self._call(name, *command)
        except self._driver.failures:
            size = max(len(argument) for argument in command if isinstance(argument, bytes))
            if size > _TAKEN_BY_ALL and size > self._largest(name):
                raise RecordTooLarge("the record is larger than the Redis server takes") from None
            raise

    def _largest(self, name: bytes) -> float:
        """The bytes that the server takes at once. One that is sent more hangs up, often without a word."""
        try:
            answer = self._call(name, "CONFIG", "GET", "proto-max-bulk-len", repeatable=True)
        except self._driver.failures:
            return math.inf
        # RESP2 gives a list of name and value, RESP3 a dict.
        values = answer[1::2] if isinstance(answer, list) else [*answer.values()]
        return int(values[0]) if values else math.inf

    def _call(self, name: bytes, *command: Any, repeatable: bool = False) -> Any:
        begin(self._timeout)
        return self._servers.get().call(name, command, repeatable=repeatable)

    def _cause_of(self, error: Exception) -> Exception | None:
        if not isinstance(error, self._driver.failures):
            return None
        return told(error, words=words_of(error), hidden=self._hidden)


def words_of(error: Exception) -> str:
    """What a driver's *error* says, without the commands and the users that it repeats."""
    return _SECRETS.sub("***", str(error))


def _milliseconds(ttl: float) -> int:
    """What Redis takes: neither nothing nor more than its clock can hold."""
    return max(1, math.ceil(min(ttl * 1000, _LONGEST_MILLISECONDS)))
