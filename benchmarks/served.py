"""Measures a read under gunicorn: requests per second, and the worker's processor time for each request.

All contenders get the same request, whose Cookie header has the cookies of all, because a server reads the header even
if no application asks for it. The worker runs on one processor and the clients on another, if the machine has two, and
there are enough clients to keep the worker busy. Requests per second still depend on what else the machine does, so the
contenders take many short turns, and the medians count. A worker's processor time does not depend on other processes,
so it is the figure to trust; its inverse is what a worker that never waits would serve.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from multiprocessing.queues import Queue
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import bare
from benchmarks.contenders import BEAKERS, OURS, beaker_cookie, filling, ours, plain_list, reading
from benchmarks.processors import MEASURED, OTHERS, keep_to
from benchmarks.rows import Row
from benchmarks.subject import cookie_header, sessions

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CLIENTS = 2
SECONDS_PER_TURN = 1.0
HERE = Path(__file__).parents[1]
PLAIN, BY_HAND, MINE, BEAKER, OTHER = "plain", "by hand", "sessionware", "beaker", "other version"


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
    if name == PLAIN:
        return plain_list
    if name == BY_HAND:
        return _by_hand
    return beaker_cookie()(_paths(BEAKERS)) if name == BEAKER else ours()(_paths(OURS))


def _paths(key: str) -> WSGIApplication:
    """Begins one of the sessions at the path ``/3``, and reads at ``/``."""
    read = reading(key)
    fill = {f"/{number}": filling(key, data) for number, data in enumerate(sessions())}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        return read(environ, start_response) if path == "/" else fill[path](environ, start_response)

    return app


def _by_hand(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/":
        return bare.reading(environ, start_response)
    start_response("200 OK", [("Content-Length", "2"), ("Set-Cookie", bare.cookies()[int(path[1:])])])
    return [b"ok"]


def is_possible() -> bool:
    """Whether the system has the file with a process's processor time; prints a line if it has not."""
    if Path("/proc/self/schedstat").exists():
        return True
    print("left out: gunicorn (this system has no /proc/<pid>/schedstat)", file=sys.stderr)
    return False


def loads(turns: int, roots: Mapping[str, Path]) -> dict[str, Load]:
    """The median of each contender over *turns* turns, which the contenders take one after another.

    *roots* are the directories from which further contenders are run, which are other versions of ours.
    """
    places = {PLAIN: HERE, BY_HAND: HERE, MINE: HERE, BEAKER: HERE, **roots}
    found: dict[str, list[Load]] = {name: [] for name in places}
    with contextlib.ExitStack() as servers:
        workers = {name: servers.enter_context(_worker(name, root)) for name, root in places.items()}
        # All versions of ours have the same cookie, so that only the last one's is in the common header.
        shared = [workers[name] for name in (BY_HAND, MINE, BEAKER)]
        requests = {name: _requests(shared) for name in workers}
        requests |= {name: _requests([workers[BY_HAND], workers[name], workers[BEAKER]]) for name in roots}
        for _ in range(max(1, turns)):
            for name, worker in workers.items():
                found[name].append(_load(worker, requests[name]))
    return {name: Load(*map(statistics.median, zip(*all_turns, strict=True))) for name, all_turns in found.items()}


def rows(found: dict[str, Load]) -> list[Row]:
    """The comparisons of sessionware with the others; processor time has the bound of requests per second."""
    if not found:
        return []
    mine, plain, by_hand, beaker = (found[name] for name in (MINE, PLAIN, BY_HAND, BEAKER))
    return [
        _row("processor time", "of the bare work's requests/s of processor", 1e6 / mine[1], 1e6 / by_hand[1], 0.92),
        _row("requests/s", "of the bare work's requests/s", mine[0], by_hand[0], 0.92),
        _row("requests/s", "of the bare app's requests/s", mine[0], plain[0], None),
        _row("requests/s", "of Beaker's requests/s", mine[0], beaker[0], None),
        Row("gunicorn, by hand", "of the bare app's requests/s", by_hand[0], plain[0], by_hand[0] / plain[0], None),
    ]


def _row(what: str, compared_with: str, mine: float, theirs: float, bound: float | None) -> Row:
    return Row(f"gunicorn, {what}", compared_with, mine, theirs, mine / theirs, bound, is_at_least=True)


def print_loads(found: dict[str, Load]) -> None:
    if found:
        print("\na cookie read under gunicorn, the median of all turns:")
    for name, load in found.items():
        print(f"  {name:<12}{load.requests_per_second:>8.0f} requests/s{load.microseconds:>8.1f} µs of the worker each")


def _requests(workers: list[_Worker]) -> list[bytes]:
    """A reading request of each session, with the cookies that *workers* have given to it."""
    requests = []
    for number in range(len(sessions())):
        answers = [_answer(worker.port, _request(f"/{number}", "")) for worker in workers]
        requests.append(_request("/", "; ".join(map(_cookie, answers))))
    return requests


def _request(path: str, cookies: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", "Host: shop.example.org", "X-Forwarded-Proto: https", "Connection: close")
    return "\r\n".join((*lines, f"Cookie: {cookie_header(cookies)}", "", "")).encode()


def _cookie(answer: bytes) -> str:
    head = answer.decode("latin-1").partition("\r\n\r\n")[0]
    lines = [line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("set-cookie:")]
    return lines[0].partition(";")[0].strip() if lines else ""


@contextlib.contextmanager
def _worker(name: str, root: Path) -> Iterator[_Worker]:
    """A gunicorn of one worker, which runs the packages in *root*."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    command = [sys.executable, "-m", "gunicorn", "--workers=1", f"--bind=127.0.0.1:{port}", "--log-level=critical"]
    environment = {**os.environ, "BENCHMARK_APP": name}
    process = subprocess.Popen([*command, "benchmarks.served:application()"], env=environment, cwd=root)
    try:
        _wait(port)
        worker = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        keep_to(MEASURED, worker)
        yield _Worker(worker, port)
    finally:
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    """Return when a request is answered, which shows that the worker has loaded the application."""
    deadline = time.monotonic() + 20
    while True:
        try:
            _answer(port, _request("/0", ""))
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _load(worker: _Worker, requests: list[bytes]) -> Load:
    context = multiprocessing.get_context("fork")
    counts: Queue[int] = context.Queue()
    clients = [context.Process(target=_ask, args=(worker.port, requests, counts)) for _ in range(CLIENTS)]
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


def _ask(port: int, requests: list[bytes], counts: Queue[int]) -> None:
    """Send one request after another for a turn, and put their number into *counts*."""
    keep_to(OTHERS)
    count, end, turns = 0, time.monotonic() + SECONDS_PER_TURN, itertools.cycle(requests)
    while time.monotonic() < end:
        _answer(port, next(turns))
        count += 1
    counts.put(count)


def _answer(port: int, request: bytes) -> bytes:
    """The answer to one request, over a connection of its own, as gunicorn's default worker has it."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError("the server answered something else")
    return answer
