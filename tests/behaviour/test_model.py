"""After any sequence of requests, several of them open at once, a session holds what a dict and a user would.

Over each backend a state machine drives two browsers, and compares what they see with tests/behaviour/model.py.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from behaviour.model import ABSOLUTE, Companion, CookieRequest, Effect, Flash, Record, Refused, Request, StoredRequest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from support.browser import Browser, Site
from support.constants import HTTPS
from support.exchange import Headers, cookies_in
from support.places import IS_SOAK, store_in
from support.stores import LOCAL_STORES, local_store

from sessionware import ConflictError, Session, SessionDataError
from sessionware.stores import Closable, Store
from sessionware.testing import FakeClock

SERVERS = ("redis", "memcached", "postgresql", "mariadb")
MAX_OPEN = 3
#: A superseded record stays for a minute, so that a request which has read it in time still gets its conflict.
MAX_SECONDS_OPEN = 45.0

KEYS = st.sampled_from(["a", "b", "c"])
VALUES = st.one_of(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=2), st.none())
USERS = st.sampled_from(["ada", "bob", 7, "7"])
CATEGORIES = st.sampled_from(["info", "error"])
#: Numbers that no two runs, and no two flashes, have in common.
_NUMBERS = itertools.count(1)
#: In memory a run takes a few milliseconds.
EXAMPLES = {"cookie": 80, "memory": 80}
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


def _remember(seconds: float | None) -> tuple[Callable[[Session], Any], Callable[[Request], Any]]:
    return lambda session: session.remember(seconds), lambda model: model.remember(seconds)


#: What an application calls without an argument: of a session, and of the model.
MEMBERS: dict[str, tuple[Callable[[Session], Any], Callable[[Request], Any]]] = {
    "regenerate": (Session.regenerate, Request.regenerate),
    "invalidate": (Session.invalidate, Request.invalidate),
    "clear": (Session.clear, Request.invalidate),
    "revert": (Session.revert, Request.revert),
    "passive": (Session.passive, lambda model: setattr(model, "is_passive", True)),
    "modified": (lambda session: setattr(session, "modified", True), lambda model: setattr(model, "is_forced", True)),
    "remember": _remember(30 * ABSOLUTE),
    "forget": _remember(None),
}


class Sessions(RuleBasedStateMachine):
    """Two browsers and their requests at a site over ``backend``, which moves on with ``clock``."""

    backend: Store | str
    clock: FakeClock

    @initialize(
        user=st.none() | USERS,
        data=st.dictionaries(KEYS, VALUES),
        categories=st.lists(CATEGORIES, max_size=2),
        has_token=st.booleans(),
        is_shared=st.booleans(),
    )
    def begin(
        self, user: str | int | None, data: dict[str, Any], categories: list[str], has_token: bool, is_shared: bool
    ) -> None:
        self.site = Site(self.backend, self.clock)
        self.jars = [Jar(Browser(self.site)), Jar(Browser(self.site))]
        self.open: list[Open] = []
        self.seconds_open = 0.0
        self.written: list[Record] = []
        self.tokens: list[tuple[str, object]] = []
        number = next(_NUMBERS)
        #: A store may have sessions of other runs.
        self.users: dict[str | int, str | int] = {
            "ada": f"ada {number}",
            "bob": f"bob {number}",
            7: number,
            "7": str(number),
        }
        self.touch(0)
        for key, value in data.items():
            self.put(0, key, value)
        if user is not None:
            self.login(0, user)
        for category in categories:
            self.flash(0, category)
        if has_token:
            self.csrf_token(0)
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
        model = (StoredRequest if self.site.is_stored else CookieRequest)(self.clock, self.written)
        model.has_companion = jar.companion is not None
        model.start(jar.record, seen_at=jar.seen_at)
        assert session.is_new == (model.record is None)
        if model.was is not None:
            assert session.last_seen_at.timestamp() == model.was.seen_at
            assert session.user_id is None or session.authenticated_at is not None
            # Of a request that is never answered.
            probe = self.site.manager.open({**HTTPS, "HTTP_COOKIE": header})
            assert probe.pop_flashes() == [(flash.category, flash.message) for flash in model.was.flashes]
        self.open.append(Open(jar, session, model))
        self.name(self.open[-1])
        self.check()

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
        self.name(request)
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

    def change(self, which: int, act: Callable[[Any], Any], model: Callable[[Request], Any]) -> None:
        """Do the same with a session and with its model."""
        request = self.open[which % len(self.open)]
        act(request.session)
        model(request.model)
        self.check()

    @precondition(lambda self: self.open)
    @rule(which=WHICH, key=KEYS, value=VALUES)
    def put(self, which: int, key: str, value: Any) -> None:
        self.change(
            which,
            lambda session: session.update({key: copy.deepcopy(value)}),
            lambda model: model.data.update({key: copy.deepcopy(value)}),
        )

    @precondition(lambda self: self.open)
    @rule(which=WHICH, key=KEYS, number=st.integers(0, 9), how=st.sampled_from(["pop", "append", "alter"]))
    def change_one(self, which: int, key: str, number: int, how: str) -> None:
        step = _numbered(number)

        def append(data: Any) -> None:
            if isinstance(data.get(key), list):
                data[key].append(number)

        if how == "pop":
            self.change(which, lambda session: session.pop(key, None), lambda model: model.data.pop(key, None))
        elif how == "append":
            self.change(which, append, lambda model: append(model.data))
        else:
            self.change(which, lambda session: session.alter(key, step), lambda model: model.alter(key, step))

    @precondition(lambda self: self.open)
    @rule(which=WHICH, name=st.sampled_from(list(MEMBERS)))
    def call(self, which: int, name: str) -> None:
        self.change(which, *MEMBERS[name])

    @precondition(lambda self: self.open)
    @rule(which=WHICH, user=USERS)
    def login(self, which: int, user: str | int) -> None:
        name = self.users[user]
        self.change(which, lambda session: session.login(name), lambda model: model.log_in(name))

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def confirm(self, which: int) -> None:
        request = self.open[which % len(self.open)]
        if request.model.user is None:
            with pytest.raises(SessionDataError):
                request.session.confirm()
        else:
            self.change(which, Session.confirm, Request.confirm)

    @precondition(lambda self: self.open)
    @rule(which=WHICH, category=CATEGORIES)
    def flash(self, which: int, category: str) -> None:
        flash = Flash(next(_NUMBERS), category, "hello")
        self.change(
            which, lambda session: session.flash(flash.message, category), lambda model: model.added.append(flash)
        )

    @precondition(lambda self: self.open)
    @rule(which=WHICH, category=CATEGORIES | st.none())
    def pop_flashes(self, which: int, category: str | None) -> None:
        request = self.open[which % len(self.open)]
        assert request.session.pop_flashes(category) == request.model.pop_flashes(category)
        self.check()

    @precondition(lambda self: self.open)
    @rule(which=WHICH)
    def csrf_token(self, which: int) -> None:
        request = self.open[which % len(self.open)]
        self.tokens.append((request.session.csrf_token, request.model.make_csrf()))
        self.check()

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
            self.name(request)
        self.check()

    # What is asked of the manager.

    @precondition(lambda self: self.site.is_stored and self.written)
    @rule(user=USERS, number=st.integers(0, 9), how=st.sampled_from(["revoke", "revoke_user"]))
    def revoke(self, user: str | int, number: int, how: str) -> None:
        self.list_sessions(user)
        record, now = self.written[-1 - number % len(self.written)], self.clock()
        if how == "revoke_user":
            if self.has_orphan(user):
                return
            live = self.live_of(user)
            assert self.site.manager.revoke_user(self.users[user]) == len(live)
            for one in self.indexed_of(user):
                one.end(now)
        elif record.id and (record.successor is None or record.has_ended or now < record.grace_until):
            # When a former id is forgotten after its grace depends on the store.
            assert self.site.manager.revoke(record.id) is record.end(now)
        self.check()

    def list_sessions(self, user: str | int) -> None:
        told = [info.id for info in self.site.manager.sessions_of(self.users[user])]
        assert sorted(told) == sorted(record.id for record in self.live_of(user))

    def live_of(self, user: str | int) -> list[Record]:
        now, name = self.clock(), str(self.users[user])
        return [record for record in self.written if str(record.user) == name and record.is_live(now)]

    def indexed_of(self, user: str | int) -> list[Record]:
        """The live sessions of a user, and those that one of them has superseded, which the index names too."""
        now, name, live = self.clock(), str(self.users[user]), [id(record) for record in self.live_of(user)]
        own = [record for record in self.written if str(record.user) == name and not record.has_ended]
        return [
            record
            for record in own
            if id(record) in live or (id(record.successor) in live and now < record.grace_until)
        ]

    def has_orphan(self, user: str | int) -> bool:
        """Whether a former id stands in its grace, and the session that took its place has ended.

        The index names it until the next change that removes it. So whether a revocation ends it, too, and a request
        that has read it is told of an end or of a conflict, depends on what was written to the index before.
        """
        now, name = self.clock(), str(self.users[user])
        return any(
            record.successor is not None and record.successor.has_ended and not record.has_ended
            for record in self.written
            if str(record.user) == name and now < record.grace_until
        )

    # What is compared.

    def name(self, request: Open) -> None:
        """Note the id of what a request has read or written, which never changes."""
        record = request.model.record
        if record is not None:
            assert record.id in ("", request.session.id)
            record.id = request.session.id

    def check(self) -> None:
        for request in self.open:
            session, model = request.session, request.model
            assert dict(session) == model.data
            assert list(session) == list(model.data)
            assert session.user_id == model.user
            assert type(session.user_id) is type(model.user)
            assert session.modified == model.is_pending()
            for token, secret in self.tokens[-MAX_OPEN:]:
                assert session.verify_csrf(token) is (model.csrf is secret)


def drive(backend: Store | str, clock: FakeClock, examples: int) -> None:
    machine = type("SessionsOverOne", (Sessions,), {"backend": backend, "clock": clock})
    chosen = settings(max_examples=examples, stateful_step_count=40, deadline=None, phases=set(Phase) - {Phase.explain})
    run_state_machine_as_test(machine, settings=chosen)  # type: ignore[no-untyped-call, unused-ignore]


@pytest.mark.parametrize("name", ["cookie", *LOCAL_STORES])
def test_a_session_holds_what_a_dict_and_a_user_would(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    backend: Store | str = name if name == "cookie" else local_store(name, tmp_path, clock)

    drive(backend, clock, 3000 if IS_SOAK else EXAMPLES.get(name, 30))


@pytest.mark.parametrize("place", SERVERS)
def test_a_session_on_a_server_holds_what_a_dict_and_a_user_would(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    store = store_in(place, tmp_path, request)

    drive(store, FakeClock(), 500 if IS_SOAK else 8)

    if isinstance(store, Closable):
        store.close()
