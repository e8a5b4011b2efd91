"""A site to which a session has moved, whose former cookie comes with every request, as a copy of it would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from concurrency.actions import Kind
from concurrency.world import World, make_store
from support.actions import Action
from support.browser import Answer, Site
from support.constants import COOKIE, NEW_SECRET, PREFIX, SECRET
from support.stores import RecordingStore

from sessionware.testing import FakeClock

OLD_COOKIE = f"{PREFIX}old"
DAY = 86400.0


class _CountedStore(RecordingStore):
    """The store of old workers, whose operations are counted with those of another store."""

    def __init__(self, counter: RecordingStore) -> None:
        super().__init__()
        self._counter = counter

    @contextmanager
    def _operation(self, name: str, key: str, payload: bytes = b"") -> Iterator[None]:
        with self._counter._operation(name, key, payload):
            yield


class MovingWorld(World):
    """The former session is in a store of its own; a session of ours has come of it where a request has written."""

    is_former_stored = True

    def __init__(self, **options: Any) -> None:
        clock = FakeClock()
        store = RecordingStore(make_store(clock))
        backend = _CountedStore(store) if self.is_former_stored else "cookie"
        former = {"backend": backend, "secret": SECRET, "cookie.name": "old", "until": clock() + 30 * DAY}
        super().__init__(store, **{"secret": NEW_SECRET, "previous": former, **options})
        self.old = Site(backend, self.clock, **{"cookie.name": "old"}, **options)
        self.former = ""

    def begin(self, action: Action) -> str:
        self._ask(action)
        assert self.former
        self.events.clear()
        self.store.reset()
        return ""

    def ask_old_worker(self, kind: Kind) -> None:
        """A request to an old worker, whose operations are not counted; a browser has the cookie that comes of it."""
        with self.store.aside():
            self._ask(lambda session: kind.run(session, "b"))

    def _ask(self, action: Action) -> None:
        answer = self.old.ask(action, {OLD_COOKIE: self.former} if self.former else None)
        self.former = answer.cookies.get(OLD_COOKIE, self.former) or ""

    def request(self, action: Action, value: str | None = None, *, header: str | None = None) -> Answer:
        cookies = {OLD_COOKIE: self.former, COOKIE: value or ""}
        return super().request(action, header="; ".join(f"{name}={held}" for name, held in cookies.items() if held))


class MovingFromCookieWorld(MovingWorld):
    """The former session is all in its cookie."""

    is_former_stored = False


MOVES: tuple[Callable[[], MovingWorld], ...] = (MovingWorld, MovingFromCookieWorld)
