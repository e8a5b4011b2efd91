"""A site in which requests can be run inside one another, meet a store that fails, or lose their worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from concurrency.actions import Kind, beginning
from support.actions import Action
from support.browser import Answer, Site
from support.stores import OPERATIONS

from sessionware import StoreUnavailable
from sessionware.stores import MemoryStore, Store
from sessionware.testing import FakeClock


class WorkerDied(BaseException):
    """The process of a request has ended: nothing that would run after this has run."""


def make_store(clock: FakeClock) -> Store:
    """What a world is over if no store is given: the fixture ``over_each_store`` puts another function here."""
    return MemoryStore(clock=clock)


class World(Site):
    """A site whose store counts its operations, so that a test can say at which of them something happens.

    The first operation after :meth:`begin` or :meth:`read` has the number 0.
    """

    def __init__(self, store: Store | None = None, **options: Any) -> None:
        clock = FakeClock()
        super().__init__(make_store(clock) if store is None else store, clock, **options)

    def fails(self, when: str, point: int) -> None:
        """The store fails once, "before" or "after" this operation has taken effect."""
        self._at(when, point, self._fail)

    def dies(self, when: str, point: int) -> None:
        """The worker dies "before" or "after" this operation, and no later one takes effect."""
        self._at(when, point, self._die)

    def _at(self, when: str, point: int, happening: Callable[[], object]) -> None:
        happenings = {"before": self.store.before, "after": self.store.after}[when]
        happenings[point].append(happening)

    def _fail(self) -> None:
        raise StoreUnavailable("switched off")

    def _die(self) -> None:
        self.store.failure = WorkerDied()
        self.store.broken = set(OPERATIONS)
        raise self.store.failure

    def request(self, action: Action, value: str | None = None, *, header: str | None = None) -> Answer:
        return super().request(action, value or None, header=header)

    def begin(self, action: Action) -> str:
        value = super().begin(action)
        self.store.reset()
        return value

    def read(self, value: str | None = None, *, header: str | None = None) -> Answer:
        """What a later request sees, from a store that works."""
        self.store.reset()
        return super().read(value, header=header)

    def vanish(self, action: Action, value: str | None) -> Answer | None:
        """A request whose worker may die on the way: then there is no answer. The next one has another worker."""
        try:
            return self.request(action, value)
        except WorkerDied:
            return None
        finally:
            self.store.reset()

    def opens(self, value: str | None) -> tuple[Answer, str | None]:
        """What a later request sees, and the public id under which it does."""
        before = len(self.events)
        answer = self.read(value)
        loaded = [event.session_id for event in self.events[before:] if event.name == "loaded"]
        return answer, loaded[-1] if loaded else None


def arrive(value: str | None, *answers: Answer) -> str | None:
    """The value of the cookie that a browser holds after *answers* have come in, in that order."""
    for answer in answers:
        if answer.cookie is not None:
            value = answer.cookie or None
    return value


def points(first: Kind, user: str | None, make: Callable[[], World]) -> int:
    """How many operations a request of this kind makes."""
    world = make()
    cookie = world.begin(beginning(user))
    world.request(lambda session: first.run(session, "a"), cookie)
    return len(world.store.calls)
