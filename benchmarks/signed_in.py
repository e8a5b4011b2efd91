"""Measures logins, lists and revocations among many users, and with few."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from benchmarks import subject
from benchmarks.collections_of import Collection, Record
from benchmarks.contenders import HEADERS, OURS
from benchmarks.subject import Request
from sessionware import SessionMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: Users in the small collection.
FEW = 100
LISTED_SESSIONS = 1000
LISTS = 10
TIMES = 100
BATCH = 5000
_COLLECTOR = "user with a thousand sessions"


class Visitor:
    """Signs in as the user whose number is given, each time with a new session."""

    def __init__(self, **options: Any) -> None:
        middleware = SessionMiddleware(self._app, {"secret": subject.SECRET, **options})
        self.manager = middleware.manager
        self._request = Request(middleware)
        self._data = subject.sessions()[0]
        self._user: int | str = 0
        self._opened: Any = None

    def _app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self._opened = environ[OURS]
        self._opened.login(self._user)
        self._opened.update(self._data)
        start_response("200 OK", HEADERS[:])
        return [b"ok"]

    def log_in(self, user: int | str) -> None:
        self._user = user
        self._request()

    @property
    def session_id(self) -> str:
        """The id of the last session."""
        found: str = self._opened.id
        return found


def fill(pairs: dict[str, tuple[Collection, Collection]], collector: Any, users: int, options: dict[str, Any]) -> None:
    """Let each of *users* have one session, and each of a few in the small collections, which the collector made."""
    visitor = Visitor(backend=collector, **options)
    for batch in _batches(users):
        for user in batch:
            visitor.log_in(user)
        records: list[Record] = collector.take()
        for small, large in pairs.values():
            if batch.start < FEW:
                small.add(records)
            large.add(records)


def _batches(users: int) -> Iterator[range]:
    yield range(min(FEW, users))
    for start in range(FEW, users, BATCH):
        yield range(start, min(start + BATCH, users))


def measure(name: str, both: tuple[Collection, Collection], users: int, options: dict[str, Any]) -> dict[str, float]:
    """The median microseconds of each call, in the small and in the large collection in turns."""
    taken: dict[str, list[float]] = {}
    visitors = [Visitor(backend=collection.store, **options) for collection in both]
    for visitor in visitors:
        for _ in range(LISTED_SESSIONS):
            visitor.log_in(_COLLECTOR)
    for turn in range(TIMES):
        for size, known, visitor in zip(("small", "large"), (min(FEW, users), users), visitors, strict=True):
            for what, microseconds in _turn(visitor, turn * known // TIMES, turn):
                taken.setdefault(f"{what} {name} {size}", []).append(microseconds)
    return {what: statistics.median(times) for what, times in taken.items()}


def _turn(visitor: Visitor, user: int, turn: int) -> Iterator[tuple[str, float]]:
    """A user who has a session signs in twice more; one session is revoked, and then all that are left."""
    manager = visitor.manager
    yield "login", _timed(lambda: visitor.log_in(user))
    visitor.log_in(user)
    session_id = visitor.session_id
    yield "revoke", _timed(lambda: manager.revoke(session_id))
    yield "revoke_user", _timed(lambda: manager.revoke_user(user))
    visitor.log_in(user)
    if turn < LISTS:
        yield f"list of {LISTED_SESSIONS:,}", _timed(lambda: manager.sessions_of(_COLLECTOR))


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e6
