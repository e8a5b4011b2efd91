"""What a crash report shows of an error: no local of a frame that it left through holds a token, a key or a cookie."""

from __future__ import annotations

import gc
import traceback
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from security.tokens import fill, key_of, token_in
from support.actions import Action, call, put, raised_by, read, then
from support.browser import Site
from support.constants import COOKIE, HTTPS
from support.frames import walked
from support.stores import RecordingStore

from sessionware import ConflictError, CookieTooLarge, RecordTooLarge, Session, SessionDataError, StoreUnavailable
from sessionware.stores import MemoryStore


class DriverError(Exception):
    """What a driver raises, with the statement and its parameters."""


class Down(RecordingStore):
    """A store whose driver tells the key in its error."""

    def load(self, key: str) -> Any:
        if "load" in self.broken:
            self._fail(key)
        return super().load(key)

    def create(self, key: str, payload: bytes, ttl: float | None) -> Any:
        if "create" in self.broken:
            self._fail(key)
        return super().create(key, payload, ttl)

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Any:
        if "replace" in self.broken:
            self._fail(key)
        return super().replace(key, payload, ttl, version)

    def _fail(self, key: str) -> None:
        try:
            raise DriverError(f"SELECT … {key}")
        except DriverError:
            raise StoreUnavailable("sql at db: load: connection refused") from TimeoutError("timed out")


def chain(error: BaseException) -> Iterator[BaseException]:
    pending, seen = [error], set()
    while pending:
        one = pending.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            pending += [other for other in (one.__cause__, one.__context__) if other is not None]


def shown(error: BaseException) -> str:
    """The error, all that it holds, and the locals of all frames but those of the test and of its server."""
    parts = ["".join(traceback.format_exception(error))]
    for one in chain(error):
        parts.append(f"{one!r} {one}")
        for frame, _ in traceback.walk_tb(one.__traceback__):
            module = frame.f_globals["__name__"]
            if module.startswith("sessionware.wsgi") or not module.startswith(("sessionware", "support.stores")):
                continue
            parts += [f"{module} {name}={walked(value)}" for name, value in frame.f_locals.items()]
    return "\n".join(parts)


def secrets_of(store: RecordingStore | None, *cookies: str | None) -> list[str]:
    found = [] if store is None else list(store.keys)
    for cookie in filter(None, cookies):
        found += [cookie, cookie.rpartition(".")[2], cookie.rpartition(".")[0][8:]]
        if store is not None:
            found += [key_of(cookie), repr(token_in(cookie))[2:-1]]
    return found


def fault(site: Site, action: Action, cookie: str | None) -> BaseException:
    environ = {**HTTPS, "HTTP_COOKIE": f"{COOKIE}={cookie}"} if cookie else HTTPS
    session = site.manager.open(environ)
    try:
        action(session)
        site.manager.commit(session)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
        return error
    raise AssertionError("nothing was raised")


ACTIONS: dict[str, tuple[str, Action]] = {
    "load": ("load", read),
    "save": ("replace", put(new=1)),
    "save in the middle": ("replace", then(put(new=1), call("save"))),
    "regenerate": ("create", call("regenerate")),
    "login": ("replace", call("login", "ada")),
    "logout": ("replace", call("clear")),
    "logout that loads": ("replace", then(put(new=1), call("invalidate"))),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_a_store_that_fails_shows_nothing(name: str) -> None:
    operation, action = ACTIONS[name]
    store = Down(MemoryStore())
    site = Site(store)
    cookie = site.begin(fill)
    store.broken = {operation}

    error = fault(site, action, cookie)

    assert isinstance(error, StoreUnavailable)
    assert [secret for secret in secrets_of(store, cookie) if secret in shown(error)] == []
    assert str(error) == "sql at db: load: connection refused"
    assert isinstance(error.__cause__, TimeoutError)


@pytest.mark.parametrize("name", ACTIONS)
def test_its_error_holds_nothing_of_the_driver_but_the_cause(name: str) -> None:
    operation, action = ACTIONS[name]
    store = Down(MemoryStore())
    site = Site(store)
    cookie = site.begin(fill)
    store.broken = {operation}

    error = fault(site, action, cookie)

    assert [one for one in chain(error) if isinstance(one, DriverError)] == []
    assert error.__context__ is None


def test_a_new_session_that_cannot_be_stored_shows_nothing() -> None:
    store = Down(MemoryStore())
    site = Site(store)
    store.broken = {"create"}

    error = fault(site, then(lambda session: session.id, put(new=1)), None)

    assert [secret for secret in secrets_of(store) if secret in shown(error)] == []


def test_a_conflict_shows_nothing() -> None:
    site = Site(RecordingStore())
    cookie = site.begin(fill)
    new = site.request(lambda session: session.regenerate(), cookie).cookie

    error = fault(site, put(new=1), cookie)

    assert isinstance(error, ConflictError)
    assert [secret for secret in secrets_of(site.store, cookie, new) if secret in shown(error)] == []


def test_a_conflict_in_the_middle_of_a_request_shows_nothing() -> None:
    site = Site(RecordingStore())
    cookie = site.begin(fill)
    new: list[str | None] = []

    def overtaken(session: Session) -> None:
        session["late"] = 1
        new.append(site.request(lambda other: other.regenerate(), cookie).cookie)
        session.save()

    error = fault(site, overtaken, cookie)

    assert [secret for secret in secrets_of(site.store, cookie, *new) if secret in shown(error)] == []


@pytest.mark.parametrize(("backend", "kind"), [("cookie", CookieTooLarge), ("memory", RecordTooLarge)])
def test_too_much_data_shows_nothing(backend: str, kind: type[Exception]) -> None:
    store = RecordingStore() if backend == "memory" else None
    site = Site(store or "cookie")
    cookie = site.begin(fill)
    if store is not None:
        store.limit = 1000

    error = fault(site, put(large="x" * 5000), cookie)

    assert isinstance(error, kind)
    assert error.__context__ is None
    assert [secret for secret in secrets_of(store, cookie) if secret in shown(error)] == []


@pytest.mark.parametrize("backend", ["cookie", "memory"])
def test_an_alter_that_fails_in_a_merge_shows_nothing_but_its_own(backend: str) -> None:
    store = RecordingStore() if backend == "memory" else None
    site = Site(store or "cookie")
    cookie = site.begin(fill)

    def once(value: Any) -> int:
        if value == "other":
            raise ZeroDivisionError
        return 1

    def overtaken(session: Session) -> None:
        session.alter("kept", once)
        site.request(lambda other: other.update(kept="other"), cookie)
        if store is None:
            raise ZeroDivisionError

    error = fault(site, overtaken, cookie)

    assert isinstance(error, ZeroDivisionError)
    assert [secret for secret in secrets_of(store, cookie) if secret in shown(error)] == []


class Broken(RecordingStore):
    """A store with a fault of its own: it raises what is no error of ours."""

    def load(self, key: str) -> Any:
        self._unless_broken("load", key)
        return super().load(key)

    def create(self, key: str, payload: bytes, ttl: float | None) -> Any:
        self._unless_broken("create", key)
        return super().create(key, payload, ttl)

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Any:
        self._unless_broken("replace", key)
        return super().replace(key, payload, ttl, version)

    def delete(self, key: str) -> Any:
        self._unless_broken("delete", key)
        return super().delete(key)

    def _unless_broken(self, operation: str, key: str) -> None:
        if operation in self.broken:
            try:
                raise DriverError(operation)
            except DriverError as error:
                raise TypeError("a fault of the store's") from error


BROKEN = {**ACTIONS, "logout that deletes": ("delete", call("clear")), "renewal": ("replace", read)}


@pytest.mark.parametrize("name", BROKEN)
def test_a_store_with_a_fault_of_its_own_shows_nothing(name: str) -> None:
    operation, action = BROKEN[name]
    store = Broken(MemoryStore())
    site = Site(store)
    cookie = site.begin(fill)
    site.clock.advance(1800)
    store.broken = {operation}

    error = fault(site, action, cookie)

    assert isinstance(error, TypeError)
    assert [secret for secret in secrets_of(store, cookie) if secret in shown(error)] == []


@pytest.mark.parametrize("ask", [call("sessions_of", "ada"), call("revoke_user", "ada"), call("revoke", "A" * 22)])
def test_a_manager_of_a_store_with_a_fault_of_its_own_shows_nothing(ask: Callable[[Any], Any]) -> None:
    store = Broken(MemoryStore())
    manager = Site(store).manager
    store.broken = {"load"}

    with pytest.raises(TypeError) as caught:
        ask(manager)

    assert modules_below(caught.value) == []


class Stopped(Broken):
    """A store in the midst of whose work a worker is stopped, as by gunicorn's timeout or by gevent's."""

    def _unless_broken(self, operation: str, key: str) -> None:
        if operation in self.broken:
            raise SystemExit(1)


@pytest.mark.parametrize("name", BROKEN)
def test_a_request_that_is_stopped_shows_nothing(name: str) -> None:
    operation, action = BROKEN[name]
    store = Stopped(MemoryStore())
    site = Site(store)
    cookie = site.begin(fill)
    site.clock.advance(1800)
    store.broken = {operation}

    with pytest.raises(SystemExit) as caught:
        fault(site, action, cookie)

    assert modules_below(caught.value) == []


def modules_below(error: BaseException) -> list[str]:
    """The modules in the traceback of *error* that see tokens, keys and records."""
    modules = [frame.f_globals["__name__"] for one in chain(error) for frame, _ in traceback.walk_tb(one.__traceback__)]
    below = ("sessionware.backends", "sessionware.protocol", "sessionware.crypto", "sessionware.session.formats")
    return [module for module in modules if module.startswith(below)]


def test_the_log_says_where_a_store_with_a_fault_of_its_own_has_raised(caplog: pytest.LogCaptureFixture) -> None:
    store = Broken(MemoryStore())
    site = Site(store)
    cookie = site.begin(fill)
    store.broken = {"load"}

    fault(site, read, cookie)

    assert "Broken raised TypeError" in caplog.text
    assert "in _unless_broken" in caplog.text
    assert [secret for secret in secrets_of(store, cookie) if secret in caplog.text] == []


def test_a_new_session_in_a_store_with_a_fault_of_its_own_shows_nothing() -> None:
    store = Broken(MemoryStore())
    site = Site(store)
    store.broken = {"create"}
    sent: list[str] = []

    def begin(session: Session) -> None:
        sent.append(session.id)
        session["new"] = 1

    error = fault(site, begin, None)

    assert isinstance(error, TypeError)
    assert [frame for frame in frames_of(error) if frame.startswith(("create", "_create", "replace", "load"))] == []


def frames_of(error: BaseException) -> list[str]:
    return [frame.f_code.co_name for one in chain(error) for frame, _ in traceback.walk_tb(one.__traceback__)]


def test_the_place_in_the_application_where_an_alter_has_failed_stays_in_the_traceback() -> None:
    site = Site(RecordingStore())
    cookie = site.begin(fill)

    def fails_again(value: Any) -> int:
        if value == "other":
            raise ZeroDivisionError
        return 1

    def overtaken(session: Session) -> None:
        session.alter("kept", fails_again)
        site.request(lambda other: other.update(kept="other"), cookie)

    error = fault(site, overtaken, cookie)

    assert frames_of(error)[-1] == "fails_again"


@pytest.mark.parametrize("backend", ["cookie", "memory"])
def test_a_value_that_cannot_be_stored_shows_nothing(backend: str) -> None:
    store = RecordingStore() if backend == "memory" else None
    site = Site(store or "cookie")
    cookie = site.begin(then(fill, put(nested=[1])))

    error = fault(site, lambda session: session["nested"].append(object()), cookie)

    assert isinstance(error, SessionDataError)
    assert [secret for secret in secrets_of(store, cookie) if secret in shown(error)] == []


# What a request remembers of an error.


@pytest.mark.parametrize(
    ("broken", "action"),
    [
        pytest.param("load", raised_by(read), id="load"),
        pytest.param("replace", raised_by(then(put(new=1), call("save"))), id="save"),
        pytest.param("replace", raised_by(call("clear")), id="logout"),
    ],
)
def test_an_error_that_is_remembered_leaves_nothing_for_the_collector(
    broken: str, action: Callable[[Session], Any]
) -> None:
    store = Down(MemoryStore())
    site = Site(store)
    cookie = site.begin(fill)
    store.broken = {broken}
    gc.collect()
    gc.disable()
    try:
        session = site.manager.open({**HTTPS, "HTTP_COOKIE": f"{COOKIE}={cookie}"})
        for _ in range(3):
            action(session)
        gone = weakref.ref(session)
        del session
        assert gone() is None
    finally:
        gc.enable()
