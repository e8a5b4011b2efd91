"""What gunicorn is told in these tests beside its command line; a release that lacks a setting ignores it."""

from __future__ import annotations

import importlib
import os
from typing import Any
from urllib.parse import urlsplit

from production.connections import traffic_of_this_process

#: The socket for commands would be one more thing that all servers of a user share.
control_socket_disable = True

_port = urlsplit(os.environ["SITE_STORE"]).port
_traffic_before_the_fork: dict[str, tuple[int, int]] = {}


def on_starting(server: object) -> None:
    """In the master, before there is a worker: one that is forked later finds the application already imported."""
    if os.environ.get("SITE_IMPORT") == "on_starting":
        importlib.import_module("production.site")


def when_ready(server: object) -> None:
    """In the master, which no longer uses its connections: from now on it forks."""
    if _port is not None:
        _traffic_before_the_fork.update(traffic_of_this_process(_port))


def on_exit(server: Any) -> None:
    """In the master, at the end: tell how many connections it has, and how many of them a worker has used."""
    before = _traffic_before_the_fork
    after = traffic_of_this_process(_port) if _port is not None else {}
    used = sum(before[name] != after.get(name) for name in before)
    server.log.warning("The master has %d connections; workers used %d", len(before), used)
