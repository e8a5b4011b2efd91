"""Starts a real server with an application of the tests in it."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from support.client import HOST

TIMEOUT_SECONDS = 20


@contextlib.contextmanager
def running(server: str, *, module: str = "wsgi.served", log: IO[str] | None = None) -> Iterator[int]:
    """*server* in a process of its own, with the application of *module*; the port on which it answers."""
    with socket.create_server((HOST, 0)) as listening:
        number = listening.fileno()
        tests = str(Path(__file__).parent.parent)
        path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-m", module, server, str(number)]
        process = subprocess.Popen(command, pass_fds=[number], env={**os.environ, "PYTHONPATH": path}, stderr=log)
        try:
            yield listening.getsockname()[1]
        finally:
            process.terminate()
            process.wait(TIMEOUT_SECONDS)
