"""The connections of a process to a server, as the kernel tells them."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from pathlib import Path

#: <linux/tcp.h>: where struct tcp_info has the bytes that were acknowledged, and those that were received.
_BYTES = struct.Struct("=120x2Q")


def connections_of(process: int, port: int) -> dict[str, int]:
    """The connections to *port* of this machine that *process* has open, and their descriptors.

    Those that it inherited from its parent are included.
    """
    opened = {}
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        # The descriptor may be closed while its directory is read.
        with contextlib.suppress(FileNotFoundError):
            opened[os.readlink(descriptor)] = int(descriptor.name)
    return {name: opened[name] for name in opened.keys() & _sockets_to(port)}


def traffic_of_this_process(port: int) -> dict[str, tuple[int, int]]:
    """The bytes over each connection of this process to *port*; after a fork, those of the other process count too."""
    return {name: _traffic(descriptor) for name, descriptor in connections_of(os.getpid(), port).items()}


def _traffic(descriptor: int) -> tuple[int, int]:
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        return _BYTES.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES.size))


def _sockets_to(port: int) -> set[str]:
    """As ``/proc/*/fd`` names them."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{line[9]}]" for line in lines if line[2].endswith(f":{port:04X}")}
