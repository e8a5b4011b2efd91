"""After any sequence of requests, several of them open at once, a session holds what a dict and a user would.

Over each backend a state machine drives two browsers, and compares what they see with tests/behaviour/model.py.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from behaviour.model import ABSOLUTE, Companion, CookieRequest, Effect, Record, Refused, Request, StoredRequest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from support.browser import Browser, Site
from support.constants import HTTPS
from support.exchange import Headers, cookies_in
from support.places import IS_SOAK, store_in
from support.stores import LOCAL_STORES, local_store

from sessionware import ConflictError, Session
from sessionware.stores import Closable, Store
from sessionware.testing import FakeClock

SERVERS = ("redis", "memcached", "postgresql", "mariadb")
MAX_OPEN = 3
#: A superseded record stays for a minute, so that a request which has read it in time still gets its conflict.
MAX_SECONDS_OPEN = 45.0

KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=2), st.none())
USERS = st.sampled_from(["ada", "bob", 7, "7"])
WHICH = st.integers(0, MAX_OPEN - 1)


@dataclass
class Jar:
    """A browser, and what its cookies stand for."""

    browser: Browser
    record: Record | None = None
    companion: Companion | None = None
    answers: list[tuple[Headers, list[Effect]]] = field(default_factory=list)

    @property
    def seen_at(self) -> float | None:
        return self.companion.seen_at if self.companion and self.companion.record is self.record else None

    def receive(self, number: int) -> None:
        """Let one of the answers that are on the way come in."""
        headers, effects = self.answers.pop(number % len(self.answers))
        for name, value in cookies_in(headers).items():
            if value is None:
                self.browser.cookies.pop(name, None)
            else:
                self.browser.cookies[name] = value
        for effect in effects:
            if isinstance(effect, Companion):
                self.companion = effect
            else:
                self.record = effect.record
                self.companion = None if effect.deletes_companion else self.companion


@dataclass
class Open:
    """A request that has not been answered yet."""

    jar: Jar
    session: Session
    model: Request


def _numbered(number: int) -> Callable[[Any], Any]:
    return lambda value: f"{value}+{number}"[-12:]


class Sessions(RuleBasedStateMachine):
    """Two browsers and their requests at a site over ``backend``, which moves on with ``clock``."""

    backend: Store | str
    clock: FakeClock

    @initialize(user=st.none() | USERS, data=st.dictionaries(KEYS, VALUES), is_shared=st.booleans())
    def begin(self, user: str | int | None, data: dict[str, Any], is_shared: bool) -> None:
        self.site = Site(self.backend, self.clock)
        self.jars = [Jar(Browser(self.site)), Jar(Browser(self.site))]
        self.open: list[Open] = []
        self.seconds_open = 0.0
        self.touch(0)
        for key, value in data.items():
            self.put(0, key, value)
        if user is not None:
            self.login(0, user)
        self.answer(0, is_late=False)
        if is_shared:
            self.copy_cookies(0)

    # Requests.

    @precondition(lambda self: len(self.open) < MAX_OPEN)
    @rule(which=st.integers(0, 1))
    def touch(self, which: int) -> None:
        jar = self.jars[which]
        header = "; ".join(f"{name}={value}" for name, value in jar.browser.cookies.items())
        session = self.site.manager.open({**HTTPS, "HTTP_COOKIE": header})
        model = (StoredRequest if self.site.is_stored else CookieRequest)(self.clock)
        model.has_companion = jar.companion is not None
        model.start(jar.record, seen_at=jar.seen_at)
        assert session.is_new == (model.record is None)
        if model.was is not None:
            assert session.last_seen_at.timestamp() == model.was.seen_at
        self.open.append(Open(jar, session, model))
        self.check()

    @rule(which=st.integers(0, 1))
    def leave_alone(self, which: int) -> None:
        answer = self.jars[which].browser.ask(lambda session: None)

        assert answer.headers == [("Content-Type", "text/plain")]

    @precondition(lambda self: self.open)
    @rule(which=WHICH, is_late=st.booleans())
    def answer(self, which: int, is_late: bool) -> None:
        request = self.open.pop(which % len(self.open))
        try:
            effects = request.model.commit()
        except Refused:
            with pytest.raises(ConflictError):
                self.site.manager.commit(request.session)
            return
        headers = self.site.manager.commit(request.session)
        assert ("Vary", "Cookie") in headers
        assert bool(cookies_in(headers)) == bool(effects)
        request.jar.answers.append((headers, effects))
        if not is_late:
            request.jar.receive(-1)
        if not self.open:
            self.seconds_open = 0.0

    @precondition(lambda self: any(jar.answers for jar in self.jars))
    @rule(which=st.integers(0, 1), number=WHICH)
    def receive(self, which: int, number: int) -> None:
        jar = self.jars[which] if self.jars[which].answers else self.jars[1 - which]
        jar.receive(number)

    @rule(which=st.integers(0, 1))
    def copy_cookies(self, which: int) -> None:
        """The other browser gets the same cookies, as that of a thief."""
        mine, other = self.jars[which], self.jars[1 - which]
        other.browser.cookies = dict(mine.browser.cookies)
        other.record, other.companion = mine.record, mine.companion

    @rule(seconds=st.sampled_from([1.0, 5.0, 20.0, 400.0, 3000.0, 4000.0, ABSOLUTE - 100]))
    def pass_time(self, seconds: float) -> None:
        """Long times pass between requests only, and no session that one has read comes to its end."""
        if self.open:
            later = self.clock() + seconds
            copies = [request.model.was for request in self.open if request.model.was is not None]
            records = [request.model.record for request in self.open if request.model.record is not None]
            if self.seconds_open + seconds > MAX_SECONDS_OPEN:
                return
            if not all(record.is_in_time(later) for record in (*copies, *records)):
                return
            self.seconds_open += seconds
        self.clock.advance(seconds)

    # What an application does.

    def _with(self, which: int, act: Callable[[Any], Any], model: Callable[[Request], Any]) -> None:
        request = self.open[which % len(self.open)]
        act(request.session)
        model(request.model)
        self.check()

    @precondition(lambda self: self.open)
    @rule(which=WHICH, key=KEYS, value=VALUES)
    def put(self, which: int, key: str, value: Any) -> None:
        self._with(
            which,
            lambda session: session.update({key: copy.deepcopy(value)}),
            lambda model: model.data.update({key: copy.deepcopy(value)}),
        )

    @precondition(lambda self: self.open)
    @rule(which=WHICH, key=KEYS)
    def pop(self, which: int, key: str) -> None:
        self._with(which, lambda session: session.pop(key, None), lambda model: model.data.pop(key, None))

    @precondition(lambda self: self.open)
    @rule(which=WHICH, key=KEYS, number=st.integers(0, 9))
    def append(self, which: int, key: str, number: int) -> None:
        def run(data: Any) -> None:
            if isinstance(data.get(key), list):
                data[key].append(number)

        self._with(which, run, lambda model: run(model.data))

    @precondition(lambda self: self.open)
    @rule(which=WHICH, key=KEYS, number=st.integers(0, 9))
    def alter(self, which: int, key: str, number: int) -> None:
        step = _numbered(number)
        self._with(which, lambda session: session.alter(key, step), lambda model: model.alter(key, step))

    @precondition(lambda self: self.open)
    @rule(which=WHICH, user=USERS)
    def login(self, which: int, user: str | int) -> None:
        self._with(which, lambda session: session.login(user), lambda model: model.log_in(user))

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def regenerate(self, which: int) -> None:
        self._with(which, Session.regenerate, Request.regenerate)

    @precondition(lambda self: self.open)
    @rule(which=WHICH, days=st.sampled_from([30, None]))
    def remember(self, which: int, days: int | None) -> None:
        seconds = None if days is None else days * ABSOLUTE
        self._with(which, lambda session: session.remember(seconds), lambda model: model.remember(seconds))

    @precondition(lambda self: self.open)
    @rule(which=WHICH, is_called_clear=st.booleans())
    def invalidate(self, which: int, is_called_clear: bool) -> None:
        self._with(which, Session.clear if is_called_clear else Session.invalidate, Request.invalidate)

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def revert(self, which: int) -> None:
        self._with(which, Session.revert, Request.revert)

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def force(self, which: int) -> None:
        self._with(
            which,
            lambda session: setattr(session, "modified", True),
            lambda model: setattr(model, "is_forced", True),
        )

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def save(self, which: int) -> None:
        request = self.open[which % len(self.open)]
        try:
            is_saved = request.model.save()
        except Refused:
            with pytest.raises(ConflictError):
                request.session.save()
        else:
            assert request.session.save() is is_saved
        self.check()

    def check(self) -> None:
        for request in self.open:
            session, model = request.session, request.model
            assert dict(session) == model.data
            assert list(session) == list(model.data)
            assert session.user_id == model.user
            assert type(session.user_id) is type(model.user)
            assert session.modified == model.is_pending()


def drive(backend: Store | str, clock: FakeClock, examples: int) -> None:
    machine = type("SessionsOverOne", (Sessions,), {"backend": backend, "clock": clock})
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=40, deadline=None))


@pytest.mark.parametrize("name", ["cookie", *LOCAL_STORES])
def test_a_session_holds_what_a_dict_and_a_user_would(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    backend: Store | str = name if name == "cookie" else local_store(name, tmp_path, clock)

    drive(backend, clock, 2000 if IS_SOAK else 100)


@pytest.mark.parametrize("place", SERVERS)
def test_a_session_on_a_server_holds_what_a_dict_and_a_user_would(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store = store_in(place, tmp_path, request)

    drive(store, FakeClock(), 500 if IS_SOAK else 10)

    if isinstance(store, Closable):
        store.close()
