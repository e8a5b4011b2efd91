"""Reads the URL of a Redis: one server, a unix socket, Sentinel or Cluster."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from sessionware.conversions import boolean, integer, nonempty_string, one_of, shown
from sessionware.exceptions import ConfigError

SERVER, SOCKET, SENTINEL, CLUSTER = "server", "socket", "sentinel", "cluster"

#: What each scheme names, and whether by TLS.
_SCHEMES = {
    "redis": (SERVER, False),
    "rediss": (SERVER, True),
    "unix": (SOCKET, False),
    "redis+unix": (SOCKET, False),
    "redis+sentinel": (SENTINEL, False),
    "rediss+sentinel": (SENTINEL, True),
    "redis+cluster": (CLUSTER, False),
    "rediss+cluster": (CLUSTER, True),
}
SCHEMES = tuple(_SCHEMES)

_OF_THE_STORE = ("timeout", "prefix")
_PORTS = {SERVER: 6379, SENTINEL: 26379, CLUSTER: 6379}
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.%\w]+\]|[^\[\]:/?#@\s]+)(:(?P<port>\d{1,5}))?")


def _existing(kind: str) -> Any:
    """The converter for a path; a certificate that is not there would only be missed at the first request."""
    exists = os.path.isfile if kind == "file" else os.path.isdir

    def convert(value: str) -> str:
        path = os.path.abspath(nonempty_string(value))
        if not exists(path):
            raise ValueError(f"there is no {kind} {path}")
        return path

    return convert


def _from(least: int) -> Any:
    def convert(value: str) -> int:
        number = integer(value)
        if number < least:
            raise ValueError(f"{number} is less than {least}")
        return int(number)

    return convert


_database = _from(0)

_EVERYWHERE = {"client_name": nonempty_string, "max_connections": _from(1)}
_WITH_TLS = {
    "ssl_ca_certs": _existing("file"),
    "ssl_ca_path": _existing("directory"),
    "ssl_certfile": _existing("file"),
    "ssl_keyfile": _existing("file"),
    "ssl_cert_reqs": one_of("required", "optional", "none"),
    "ssl_check_hostname": boolean,
}
_WITH_DATABASE = {"db": _database}
_WITH_SENTINEL = {"sentinel_username": nonempty_string, "sentinel_password": nonempty_string}
_NOT_OF_CONNECTIONS = {"max_connections", *_WITH_SENTINEL}


@dataclass(frozen=True)
class RedisURL:
    """What a URL says. ``options`` are more settings of the driver's connections, by its own names."""

    kind: str
    tls: bool
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    service: str = ""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    max_connections: int | None = None
    options: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def place(self) -> str:
        """What it names, for a message: without users and passwords."""
        if self.kind == SOCKET:
            return f"Redis at {self.path}"
        hosts = ",".join(written(*host) for host in self.hosts)
        if self.kind == SENTINEL:
            return f"the master of {self.service!r} by the Redis Sentinels at {hosts}"
        return f"Redis{' Cluster' if self.kind == CLUSTER else ''} at {hosts}"

    @property
    def secrets(self) -> tuple[str | None, ...]:
        """What no message may repeat."""
        return self.username, self.password, self.sentinel_username, self.sentinel_password


def written(host: str, port: int) -> str:
    """A host and a port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_url(url: object) -> RedisURL:
    """What *url* says; a :exc:`ConfigError` that shows no part of it which could be a secret.

    The driver's own parser would pass on an option that it does not know, and read a port 0 or a database of letters as
    the default: faults that only requests would meet.
    """
    try:
        return _read(nonempty_string(url).strip())
    except ValueError as error:
        fault = str(error)
    # After the handler: what urllib says may quote the URL, and would be this error's context.
    raise ConfigError(f"the URL of the Redis store: {fault}")


def store_options(url: str) -> dict[str, Any]:
    """The options of a store that *url* stands for: itself, without those of its options that are the store's own."""
    address, _, query = url.partition("?")
    pieces = [piece for piece in query.split("&") if piece]
    own = [piece for piece in pieces if piece.partition("=")[0] in _OF_THE_STORE]
    others = [piece for piece in pieces if piece not in own]
    options = dict(parse_qsl("&".join(own), keep_blank_values=True))
    if len(options) < len(own):
        raise ValueError("the Redis URL gives an option twice")
    return {"url": "?".join(filter(None, (address, "&".join(others)))), **options}


def _read(url: str) -> RedisURL:
    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        raise ValueError(f"it begins with none of {', '.join(f'{known}://' for known in SCHEMES)}")
    kind, tls = _SCHEMES[scheme]
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError("it cannot be read") from None
    if parts.fragment:
        raise ValueError("it has a '#'; within a password it is written %23")
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    place = _place(kind, hosts, parts.path)
    options = _options(kind, tls, query)
    if "db" in place and options.setdefault("db", place["db"]) != place.pop("db"):
        raise ValueError("it gives two databases, one in its path and one as db")
    besides = {name: options.pop(name) for name in _NOT_OF_CONNECTIONS & options.keys()}
    place |= {"username": unquote(username) or None, "password": unquote(password) or None}
    return RedisURL(kind, tls, **place, **besides, options=options)


def _place(kind: str, hosts: str, path: str) -> dict[str, Any]:
    """Where sessions live: the path of a socket, or hosts, and the name of a service and the database."""
    if kind == SOCKET:
        if hosts or not path.strip("/"):
            raise ValueError("a unix socket has three slashes and an absolute path: unix:///run/redis.sock")
        return {"path": unquote(path)}
    place: dict[str, Any] = {"hosts": tuple(_host(host, _PORTS[kind]) for host in (hosts or "localhost").split(","))}
    pieces = [unquote(piece) for piece in path.strip("/").split("/")] if path.strip("/") else []
    if kind == SERVER and len(place["hosts"]) > 1:
        raise ValueError("redis:// names one server; several are redis+sentinel:// or redis+cluster://")
    if kind == SENTINEL:
        if not 1 <= len(pieces) <= 2:
            raise ValueError("Sentinel needs the name of a service: redis+sentinel://h1,h2/service/0")
        place["service"] = pieces.pop(0)
    if kind == CLUSTER and pieces not in ([], ["0"]):
        raise ValueError("a Cluster has no databases")
    if len(pieces) > 1:
        raise ValueError("its path is the number of a database; of a socket write unix:///run/redis.sock")
    return place if kind == CLUSTER or not pieces else {**place, "db": _database(pieces[0])}


def _host(written: str, default_port: int) -> tuple[str, int]:
    match = _HOST.fullmatch(written)
    port = int(match["port"] or default_port) if match else 0
    if match is None or not 0 < port < 65536:
        raise ValueError("a host is written name, name:port or [IPv6 address]:port; in a password %40 stands for '@'")
    name = unquote(match["name"]).strip("[]")
    try:
        name.encode("idna")
    except UnicodeError:
        raise ValueError("it names a host that cannot be one") from None
    return name, port


def _options(kind: str, tls: bool, query: list[tuple[str, str]]) -> dict[str, Any]:
    known = {
        **_EVERYWHERE,
        **(_WITH_TLS if tls else {}),
        **(_WITH_DATABASE if kind != CLUSTER else {}),
        **(_WITH_SENTINEL if kind == SENTINEL else {}),
    }
    options: dict[str, Any] = {}
    for name, value in query:
        if name in _OF_THE_STORE:
            raise ValueError(f"{name} is an option of the store, not of its URL: backend.{name}")
        if name not in known:
            raise ValueError(f"it has the unknown option {shown(name)}; known are {', '.join(known)}")
        if name in options:
            raise ValueError(f"it gives {name} twice")
        try:
            options[name] = known[name](value)
        except ValueError as error:
            raise ValueError(f"{name}: {'it is wrong' if 'password' in name else error}") from None
    return options
