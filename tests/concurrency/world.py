"""A site in which requests can be run inside one another, meet a store that fails, or lose their worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from concurrency.actions import OTHER, OWNER, Kind, beginning
from support.actions import Action
from support.browser import Answer, LoginSite, Site
from support.constants import COOKIE
from support.stores import OPERATIONS

from sessionware import Session, StoreUnavailable
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
        # Another world over the same store has left sessions of the same users.
        for user in (OWNER, OTHER):
            self.manager.revoke_user(user)
        self.events.clear()
        self.store.keys.clear()
        self.store.reset()

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

    def begin_from(self, value: str) -> str:
        """The cookie of a new id of the session; what happened for that is forgotten."""
        new = self.request(lambda session: session.regenerate(), value).cookie
        assert new
        self.events.clear()
        self.store.reset()
        return new

    def read(self, value: str | None = None, *, header: str | None = None) -> Answer:
        """What a later request sees, from a store that works."""
        self.store.reset()
        return super().read(value, header=header)

    def first(self, kind: Kind, cookie: str | None) -> Answer:
        """The request that others meet, with *cookie*."""
        return self.request(lambda session: kind.run(session, "a"), cookie)

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

    def writable_id(self, value: str | None) -> str | None:
        """The id of the signed-in session that a browser with this cookie can write to; ``None`` if there is none."""
        self.store.reset()
        ids: list[str] = []

        def write(session: Session) -> None:
            ids.append(session.id)
            session.modified = True

        answer = self.request(write, value) if value else Answer()
        return ids[0] if answer.status == 200 and answer.user_id is not None else None

    def check_index(self, *cookies: str | None) -> None:
        """Each session of a user that a browser can write to with one of *cookies* is in the user's list."""
        writable = {self.writable_id(cookie) for cookie in cookies} - {None}
        if writable:
            listed = {info.id for user in (OWNER, OTHER) for info in self.manager.sessions_of(user)}
            assert writable <= listed


class LoginWorld(World, LoginSite):
    """The sessions of users are in the store, and those of visitors are not."""


class SlowWorld(World):
    """The first request takes longer than the idle timeout, while another tab keeps the session alive."""

    def __init__(self) -> None:
        super().__init__(idle_timeout=100, refresh_after=10)

    def first(self, kind: Kind, cookie: str | None) -> Answer:
        def run(session: Session) -> object:
            with self.store.aside():
                for _ in range(2):
                    self.clock.advance(60)
                    self.request(lambda other: dict(other), cookie)
            return kind.run(session, "a")

        return self.request(run, cookie)


class TokensWorld(World):
    """The browser sends a former id before the present one, as from another path or domain."""

    former = ""

    def begin(self, action: Action) -> str:
        self.former = super().begin(action)
        return super().begin_from(self.former)

    def first(self, kind: Kind, cookie: str | None) -> Answer:
        header = f"{COOKIE}={self.former}; {COOKIE}={cookie}"
        return self.request(lambda session: kind.run(session, "a"), header=header)


class ChainWorld(World):
    """The first request comes with the first of five ids, and the others with the last."""

    former = ""

    def begin(self, action: Action) -> str:
        self.former = value = super().begin(action)
        for _ in range(4):
            value = super().begin_from(value)
        return value

    def first(self, kind: Kind, cookie: str | None) -> Answer:
        return super().first(kind, self.former)


def arrive(value: str | None, *answers: Answer) -> str | None:
    """The value of the cookie that a browser holds after *answers* have come in, in that order."""
    for answer in answers:
        if answer.cookie is not None:
            value = answer.cookie or None
    return value


def is_good(world: World, cookie: str | None, token: str) -> bool:
    """Whether the session of *cookie* accepts this CSRF token."""
    return world.request(lambda session: session.verify_csrf(token), cookie).result is True


def points(first: Kind, user: str | None, make: Callable[[], World]) -> int:
    """How many operations a request of this kind makes."""
    world = make()
    cookie = world.begin(beginning(user))
    world.first(first, cookie)
    return len(world.store.calls)
