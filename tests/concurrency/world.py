"""A browser, an application and a store in which requests can be run inside one another, or made to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any

from sessionware import Event, Session, SessionMiddleware, StoreUnavailable
from sessionware.stores import Entry, MemoryStore, Store
from sessionware.testing import FakeClock

SECRET = "kQ2zV8sX4nB7mL1pR9tY3wE6uI0oA5dF"
COOKIE = "__Host-sid"
Action = Callable[[Session], object]
Clock = Callable[[], float]


class WorkerDied(BaseException):
    """The process of a request is no more: nothing that would run after this has run."""


class PointStore:
    """A store that lets something happen at the point before one of its operations, or makes one fail.

    ``dies_before`` and ``dies_after`` are the operation at which the worker dies; none of its operations takes effect
    from then on.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.operations = 0
        self.at_point: dict[int, Callable[[], None]] = {}
        self.fails_before: int | None = None
        self.fails_after: int | None = None
        self.dies_before: int | None = None
        self.dies_after: int | None = None
        self.is_dead = False

    def reset(self) -> None:
        self.operations = 0
        self.at_point = {}
        self.fails_before = self.fails_after = None
        self.dies_before = self.dies_after = None
        self.is_dead = False

    @contextmanager
    def _operation(self) -> Iterator[None]:
        point, self.operations = self.operations, self.operations + 1
        happening = self.at_point.pop(point, None)
        if happening is not None:
            happening()
        if self.is_dead or self.dies_before == point:
            self.is_dead = True
            raise WorkerDied
        if self.fails_before == point:
            raise StoreUnavailable("before it took effect")
        yield
        if self.dies_after == point:
            self.is_dead = True
            raise WorkerDied
        if self.fails_after == point:
            raise StoreUnavailable("after it took effect")

    def load(self, key: str) -> Entry | None:
        with self._operation():
            return self.inner.load(key)

    def create(self, key: str, payload: bytes, ttl: float | None) -> Any:
        with self._operation():
            return self.inner.create(key, payload, ttl)

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Any:
        with self._operation():
            return self.inner.replace(key, payload, ttl, version)

    def delete(self, key: str) -> bool:
        with self._operation():
            return self.inner.delete(key)


def make_store(clock: Clock) -> Store:
    """What a world is over unless it is told: the fixture ``over_each_store`` puts another here."""
    return MemoryStore(clock=clock)


@dataclass
class Answer:
    """What came back: ``cookie`` is a new value, "" a deletion, ``None`` neither."""

    status: int
    cookie: str | None
    seen: dict[str, Any] = field(default_factory=dict)
    user_id: str | int | None = None


class World:
    """One application over one store, and its visitors."""

    def __init__(self, store: Store | None = None, **options: Any) -> None:
        self.clock = FakeClock()
        self.store = PointStore(make_store(self.clock) if store is None else store)
        self.events: list[Event] = []
        self._actions: list[Action] = []
        self.app = SessionMiddleware(
            self._application,
            {"secret": SECRET, "backend": self.store, "clock": self.clock, "on_event": self.events.append, **options},
        )

    def _application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        action: Action = environ["test.action"]
        session = environ["sessionware.session"]
        action(session)
        answer: Answer = environ["test.answer"]
        answer.seen, answer.user_id = dict(session), session.user_id
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    def request(self, action: Action, cookie: str | None) -> Answer:
        """One request from the first byte to the last."""
        answer = Answer(0, None)
        environ = {
            "REQUEST_METHOD": "GET",
            "wsgi.url_scheme": "https",
            "HTTP_HOST": "example.org",
            "test.action": action,
            "test.answer": answer,
        }
        if cookie:
            environ["HTTP_COOKIE"] = f"{COOKIE}={cookie}"

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            answer.status = int(status[:3])
            for name, value in headers:
                if name == "Set-Cookie":
                    answer.cookie = SimpleCookie(value)[COOKIE].value

        body = self.app(environ, start_response)
        b"".join(body)
        if hasattr(body, "close"):
            body.close()
        return answer

    def begin(self, action: Action) -> str:
        """The cookie of a new session on which *action* was done."""
        cookie = self.request(action, None).cookie
        assert cookie
        self.store.reset()
        self.events.clear()
        return cookie

    def read(self, cookie: str | None) -> Answer:
        """What a later request with *cookie* sees, from a store that works."""
        self.store.reset()
        return self.request(lambda session: None, cookie)

    def vanish(self, action: Action, cookie: str | None) -> Answer | None:
        """A request whose worker may die on the way: then there is no answer. The next one has another worker."""
        try:
            return self.request(action, cookie)
        except WorkerDied:
            return None
        finally:
            self.store.reset()

    def opens(self, cookie: str | None) -> tuple[Answer, str | None]:
        """What a later request with *cookie* sees, and the public id under which it does."""
        before = len(self.events)
        answer = self.read(cookie)
        loaded = [event.session_id for event in self.events[before:] if event.name == "loaded"]
        return answer, loaded[-1] if loaded else None

    def names(self) -> list[str]:
        """The events so far, with their reasons."""
        return [event.name if event.reason is None else f"{event.name} {event.reason}" for event in self.events]


def arrive(cookie: str | None, *answers: Answer) -> str | None:
    """The cookie that a browser holds after *answers* have come in, in that order."""
    for answer in answers:
        if answer.cookie is not None:
            cookie = answer.cookie or None
    return cookie
