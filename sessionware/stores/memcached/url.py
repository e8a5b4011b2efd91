"""Reads the addresses of memcached servers from a URL."""

from __future__ import annotations

from urllib.parse import unquote

from sessionware.exceptions import ConfigError

#: A host and a port, or the path of a unix socket.
Address = tuple[str, int] | str

_SCHEME = "memcached"
_PORT = 11211
_HIGHEST_PORT = 65535
_FORM = "write it as memcached://host, memcached://host:port,host:port or memcached:///path/of/a/socket"


def addresses_in(url: str) -> dict[str, Address]:
    """The addresses in *url*, by the names that a HashClient of pymemcache, too, gives them to place keys.

    Raises :exc:`ConfigError`, which does not repeat the URL.
    """
    scheme, colon, rest = url.partition("://")
    if scheme.lower() != _SCHEME or not colon:
        raise ConfigError(f"not a memcached URL; {_FORM}")
    if any(mark in rest for mark in "@?#"):
        raise ConfigError(f"the memcached URL has a user, a query or a fragment, and can have none here; {_FORM}")
    hosts, slash, path = rest.partition("/")
    if path and not hosts:
        socket_path = unquote(slash + path)
        return {socket_path: socket_path}
    if path or not hosts:
        raise ConfigError(f"the memcached URL names no server, or has a path after one; {_FORM}")
    addresses = [_address(host) for host in hosts.split(",")]
    by_node: dict[str, Address] = {f"{host}:{port}": (host, port) for host, port in addresses}
    if len(by_node) < len(addresses):
        raise ConfigError("the memcached URL names a server twice")
    return by_node


def _address(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if not colon or server.endswith("]"):
        host, port = server, str(_PORT)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError("the memcached URL has an IPv6 address without brackets; write memcached://[::1]:11211")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) <= _HIGHEST_PORT):
        raise ConfigError(f"the memcached URL has a server without a name, or with a wrong port; {_FORM}")
    return host, int(port)
