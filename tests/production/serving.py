"""A real gunicorn, and visitors who check that each answer is their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.client import HOST, TIMEOUT_SECONDS, Client
from support.servers.process import START_SECONDS, ServerProcess, free_port

WORKERS = 2
_TESTS = Path(__file__).parent.parent
_WORKER_OPTIONS = {
    "sync": [],
    "gthread": ["--threads", "4"],
    "gevent": [],
}
#: When the application is imported, and its store used: by each worker, or in the master before it forks.
WAYS = {
    "in each worker": ([], {}),
    "--preload": (["--preload"], {"SITE_USE": "1"}),
    "on_starting": ([], {"SITE_USE": "1", "SITE_IMPORT": "on_starting"}),
}


@dataclass
class Answer:
    """What came back for one request."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class Visitor(Client):
    """A client who notes which processes have answered."""

    processes: set[int] = field(default_factory=set)

    def visit(self, path: str, timeout: float = TIMEOUT_SECONDS) -> Answer:
        with self.open(path, timeout=timeout) as response:
            text = response.read()
        answer = Answer(response.status, dict(response.getheaders()), text)
        if answer.status == 200:
            answer.body = json.loads(text)
            self.processes.add(answer.body["process"])
        return answer


def wait_for_all_workers(port: int, path: str = "/untouched") -> set[int]:
    """The workers, each of which has answered *path*; one may be up, or free, long before the other."""
    visitors = [Visitor(port) for _ in range(4 * WORKERS)]
    deadline = time.monotonic() + START_SECONDS
    with ThreadPoolExecutor(len(visitors)) as threads:
        while len(workers := set().union(*(visitor.processes for visitor in visitors))) < WORKERS:
            assert time.monotonic() < deadline, "not all workers answer"
            list(threads.map(lambda visitor: visitor.visit(path), visitors))
    return workers


@contextlib.contextmanager
def gunicorn(
    directory: Path, store_url: str, *, worker: str, way: str, timeout: str | None = None, bind: str | None = None
) -> Iterator[tuple[int, int]]:
    """Its port, and the id of its master; all of its workers have ended when the block ends, even by an error.

    It listens at *bind* too.
    """
    port = free_port()
    options, settings = WAYS[way]
    command = [sys.executable, "-m", "gunicorn", "--config", "python:production.gunicorn_settings"]
    command += ["--bind", f"{HOST}:{port}", "--workers", str(WORKERS), "--log-level", "warning"]
    command += ["--worker-class", worker, *_WORKER_OPTIONS[worker], *options, "production.site:application"]
    command += [] if bind is None else ["--bind", bind]
    path = os.pathsep.join([str(_TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "SITE_STORE": store_url, **settings}
    if timeout is not None:
        environment["SITE_TIMEOUT"] = timeout

    def answers() -> bool:
        return Visitor(port).visit("/untouched", timeout=5).status == 200

    process = ServerProcess(command, directory, answers, environment=environment)
    try:
        process.start()
        wait_for_all_workers(port)
        yield port, process.pid
    finally:
        process.stop()
        # Workers outlive a master that had to be killed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
