"""gunicorn with an application of the tests, in a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from support.client import HOST

STOP_SECONDS = 20.0


@contextlib.contextmanager
def served_by_gunicorn(app: str, home: Path) -> Iterator[int]:
    """The port on which *app* answers, ``module:name``; what gunicorn writes by itself goes to *home*."""
    with socket.create_server((HOST, 0)) as listening:
        number = listening.fileno()
        tests = str(Path(__file__).parents[2])
        path = os.pathsep.join([tests, *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{number}", "--graceful-timeout", "2", app]
        environment = {**os.environ, "PYTHONPATH": path, "HOME": str(home)}
        process = subprocess.Popen(command, pass_fds=[number], env=environment, cwd=home, stderr=subprocess.DEVNULL)
        try:
            yield int(listening.getsockname()[1])
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
