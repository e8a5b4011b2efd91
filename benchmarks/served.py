"""Measures a read under gunicorn: requests per second, and the worker's processor time for each request.

All contenders get the same request, whose Cookie header has the cookies of all, because a server reads the header even
if no application asks for it. The worker runs on one processor and the clients on another, if the machine has two, and
there are enough clients to keep the worker busy. Requests per second still depend on what else the machine does, so the
contenders take many short turns, and the medians count. A worker's processor time does not depend on other processes,
so it is the figure to trust; its inverse is what a worker that never waits would serve.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.queues import Queue
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.contenders import BEAKERS, OURS, beaker_cookie, ours, plain_list, reading, with_session
from benchmarks.rows import Row

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

CLIENTS = 2
SECONDS_PER_TURN = 1.0
CONTENDERS = ("plain", "sessionware", "beaker")


class Load(NamedTuple):
    """What one worker has served."""

    requests_per_second: float
    microseconds: float


class _Worker(NamedTuple):
    pid: int
    port: int


def application() -> WSGIApplication:
    """The application that gunicorn loads: the contender named by the variable BENCHMARK_APP."""
    name = os.environ["BENCHMARK_APP"]
    if name == "plain":
        return plain_list
    return ours()(reading(OURS)) if name == "sessionware" else beaker_cookie()(reading(BEAKERS))


def is_possible() -> bool:
    """Whether the system has the file with a process's processor time; prints a line if it has not."""
    if Path("/proc/self/schedstat").exists():
        return True
    print("left out: gunicorn (this system has no /proc/<pid>/schedstat)", file=sys.stderr)
    return False


def loads(turns: int) -> dict[str, Load]:
    """The median of each contender over *turns* turns, which the contenders take one after another."""
    cookies = "; ".join(_cookie(name) for name in ("sessionware", "beaker"))
    lines = ("GET / HTTP/1.1", "Host: shop.example.org", "X-Forwarded-Proto: https", f"Cookie: {cookies}", "", "")
    request = "\r\n".join(lines).encode()
    found: dict[str, list[Load]] = {name: [] for name in CONTENDERS}
    with contextlib.ExitStack() as servers:
        workers = {name: servers.enter_context(_worker(name, request)) for name in CONTENDERS}
        for _ in range(max(1, turns)):
            for name, worker in workers.items():
                found[name].append(_load(worker, request))
    return {name: Load(*map(statistics.median, zip(*all_turns, strict=True))) for name, all_turns in found.items()}


def rows(found: dict[str, Load]) -> list[Row]:
    """The comparisons of sessionware with the others; processor time has the bound of requests per second."""
    if not found:
        return []
    mine, plain, beaker = (found[name] for name in ("sessionware", "plain", "beaker"))
    return [
        _row("processor time", "of the bare app's requests/s of processor", 1e6 / mine[1], 1e6 / plain[1], 0.9),
        _row("requests/s", "of the bare app's requests/s", mine[0], plain[0], 0.9),
        _row("requests/s", "of Beaker's requests/s", mine[0], beaker[0], None),
    ]


def _row(what: str, compared_with: str, mine: float, theirs: float, bound: float | None) -> Row:
    return Row(f"gunicorn, {what}", compared_with, mine, theirs, mine / theirs, bound, "x", is_at_least=True)


def print_loads(found: dict[str, Load]) -> None:
    if found:
        print("\na cookie read under gunicorn, the median of all turns:")
    for name, load in found.items():
        print(f"  {name:<12}{load.requests_per_second:>8.0f} requests/s{load.microseconds:>8.1f} µs of the worker each")


def _cookie(name: str) -> str:
    """The header of a reading request."""
    middleware, key = (ours(), OURS) if name == "sessionware" else (beaker_cookie(), BEAKERS)
    request, _ = with_session(middleware, key)
    return str(request.environ["HTTP_COOKIE"])


@contextlib.contextmanager
def _worker(name: str, request: bytes) -> Iterator[_Worker]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "gunicorn", "--workers=1", f"--bind=127.0.0.1:{port}", "--log-level=critical"]
    environment = {**os.environ, "BENCHMARK_APP": name}
    process = subprocess.Popen([*command, "benchmarks.served:application()"], env=environment)
    try:
        _wait(port, request)
        worker = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        _keep_to(worker, 0)
        yield _Worker(worker, port)
    finally:
        process.terminate()
        process.wait()


def _keep_to(process: int, place: int) -> None:
    """Let *process* run on one of our processors, if there are two."""
    processors = sorted(os.sched_getaffinity(os.getpid()))
    if len(processors) > 1:
        os.sched_setaffinity(process, {processors[place]})


def _wait(port: int, request: bytes) -> None:
    """Return when a request is answered, which shows that the worker has loaded the application."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return _answer(port, request)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _load(worker: _Worker, request: bytes) -> Load:
    context = multiprocessing.get_context("fork")
    counts: Queue[int] = context.Queue()
    clients = [context.Process(target=_ask, args=(worker.port, request, counts)) for _ in range(CLIENTS)]
    began, used = time.monotonic(), _processor_seconds(worker.pid)
    for client in clients:
        client.start()
    total = sum(counts.get(timeout=60) for _ in clients)
    used, elapsed = _processor_seconds(worker.pid) - used, time.monotonic() - began
    for client in clients:
        client.join()
    return Load(total / elapsed, used / total * 1e6)


def _processor_seconds(process: int) -> float:
    """What *process* has used so far, to the nanosecond; ``/proc/<pid>/stat`` counts in hundredths of a second."""
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e9


def _ask(port: int, request: bytes, counts: Queue[int]) -> None:
    """Send one request after another for a turn, and put their number into *counts*."""
    _keep_to(os.getpid(), 1)
    count, end = 0, time.monotonic() + SECONDS_PER_TURN
    while time.monotonic() < end:
        _answer(port, request)
        count += 1
    counts.put(count)


def _answer(port: int, request: bytes) -> None:
    """One request, over a connection of its own, as gunicorn's default worker has it."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError("the server answered something else")
