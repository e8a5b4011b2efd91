"""What a request leaves behind: nothing that waits for the garbage collector."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import pytest
from support.actions import Action, call, login, nothing, put, read, then
from support.constants import KEY, PLAIN
from support.garbage import assert_no_garbage
from wsgi.applications import Boom, middleware

from sessionware import ConflictError, StoreUnavailable
from sessionware.stores import Entry, MemoryStore, Version

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Store(MemoryStore):
    """A store that can be down, and then says why."""

    broken = ""

    def load(self, key: str) -> Entry | None:
        self._look("load")
        return super().load(key)

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        self._look("create")
        return super().create(key, payload, ttl)

    def _look(self, operation: str) -> None:
        try:
            if operation == self.broken:
                raise ConnectionRefusedError
        except OSError as error:
            raise StoreUnavailable("refused") from error


class Marker:
    """Something in environ whose end can be seen."""


def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
    return None


def serve(app: WSGIApplication, scheme: str, host: str, cookie: str) -> weakref.ref[Marker]:
    """One request as a server serves it, which keeps nothing of it."""
    marker = Marker()
    environ: WSGIEnvironment = {"wsgi.url_scheme": scheme, "HTTP_HOST": host, "test.marker": marker}
    setup_testing_defaults(environ)
    environ["HTTP_COOKIE"] = cookie
    with suppress(Boom, StoreUnavailable, ConflictError, StopIteration):
        body: Any = app(environ, start_response)
        for _ in body:
            pass
        if hasattr(body, "close"):
            body.close()
    return weakref.ref(marker)


def a_list(act: Action) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        act(environ[KEY])
        start_response("200 OK", PLAIN)
        return [b"text"]

    return app


def a_generator(act: Action) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        act(environ[KEY])
        yield b"text"

    return app


def an_object(act: Action) -> Any:
    class App:
        """An application in a class, which holds environ and start_response for as long as it lives."""

        def __init__(self, environ: WSGIEnvironment, start_response: StartResponse) -> None:
            self.environ = environ
            self.start = start_response

        def __iter__(self) -> Iterator[bytes]:
            return self

        def __next__(self) -> bytes:
            if self.environ is None:
                raise StopIteration
            act(self.environ[KEY])
            self.start("200 OK", PLAIN)
            self.environ = None  # type: ignore[assignment]
            return b"text"

    return App


def a_framework(act: Action) -> WSGIApplication:
    """It makes an error page of every error."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        try:
            act(environ[KEY])
        except Exception:  # noqa: BLE001 - as frameworks do
            start_response("500 Internal Server Error", PLAIN)
        else:
            start_response("200 OK", PLAIN)
        return [b"text"]

    return app


def raise_boom(session: Any) -> None:
    session["new"] = 1
    raise Boom


def raise_conflict(session: Any) -> None:
    session["new"] = 1
    raise ConflictError("late")


def raise_stop_iteration(session: Any) -> None:
    session["new"] = 1
    raise StopIteration


ACTIONS: dict[str, Action] = {
    "untouched": nothing,
    "read": read,
    "a change": put(new=1),
    "a login": login("ada"),
    "a save": then(put(new=1), call("save")),
    "an end": call("clear"),
    "an error of the application": raise_boom,
    "an error before the first touch": lambda session: (_ for _ in ()).throw(Boom()),
    "409": raise_conflict,
}


def assert_leaves_nothing(app: WSGIApplication, scheme: str, host: str, cookie: str) -> None:
    serve(app, scheme, host, cookie)

    with assert_no_garbage():
        marker = serve(app, scheme, host, cookie)

    assert marker() is None


places = pytest.mark.parametrize(
    ("scheme", "host"), [("https", "shop.example"), ("http", "shop.example"), ("http", "localhost:8000")]
)
shapes = pytest.mark.parametrize("shape", [a_list, a_generator, an_object, a_framework])


@places
@shapes
@pytest.mark.parametrize("backend", ["cookie", "memory"])
@pytest.mark.parametrize("name", ACTIONS)
def test_a_request_leaves_no_cycle_of_objects(scheme: str, host: str, shape: Any, backend: str, name: str) -> None:
    assert_leaves_nothing(
        middleware(shape(ACTIONS[name]), {"backend": backend, "cookie.secure": "auto"}), scheme, host, ""
    )


def begin(store: Store) -> str:
    """The cookie of a session in *store*."""
    lines: list[str] = []

    def keep(status: str, headers: Any, exc_info: Any = None) -> Any:
        lines.extend(value for name, value in headers if name == "Set-Cookie")

    environ: WSGIEnvironment = {"wsgi.url_scheme": "https"}
    setup_testing_defaults(environ)
    middleware(a_list(put(old=1)), backend=store)(environ, keep)
    return lines[0].partition(";")[0]


@shapes
@pytest.mark.parametrize("mode", ["unavailable", "raise", "anonymous"])
@pytest.mark.parametrize(
    ("broken", "action"),
    [
        pytest.param("load", read, id="a load"),
        pytest.param("load", put(new=1), id="a load for a change"),
        pytest.param("create", login("ada"), id="a save"),
        pytest.param("create", then(login("ada"), call("save")), id="a save in the middle"),
    ],
)
def test_neither_does_one_whose_store_fails(shape: Any, mode: str, broken: str, action: Action) -> None:
    store = Store()
    cookie = begin(store)
    store.broken = broken

    assert_leaves_nothing(
        middleware(shape(action), backend=store, on_store_failure=mode), "https", "shop.example", cookie
    )


@pytest.mark.parametrize("action", [nothing, read, raise_stop_iteration, put(new=1)])
def test_neither_does_one_that_is_never_answered(action: Action) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        action(environ[KEY])
        return []

    store = Store()

    assert_leaves_nothing(middleware(app, backend=store), "http", "localhost", begin(store))


@pytest.mark.parametrize("broken", ["load", "create"])
@pytest.mark.parametrize("mode", ["unavailable", "anonymous"])
def test_neither_does_a_session_without_wsgi_whose_store_fails(broken: str, mode: str) -> None:
    store = Store()
    manager = middleware(a_list(nothing), backend=store, on_store_failure=mode).manager
    environ = {"wsgi.url_scheme": "https", "HTTP_COOKIE": begin(store)}
    store.broken = broken

    def use() -> None:
        session = manager.open(environ)
        with suppress(StoreUnavailable):
            session.login("ada")
        with suppress(StoreUnavailable):
            session.save()
        with suppress(StoreUnavailable):
            manager.commit(session)

    use()

    with assert_no_garbage():
        use()


@pytest.mark.parametrize(
    ("headers", "name"),
    [({}, "sid="), ({"HTTP_X_REAL_IP": "203.0.113.9"}, "__Host-Http-sid=")],
    ids=["direct", "proxy"],
)
def test_a_session_that_is_first_read_after_its_answer_finds_its_cookie_by_what_the_request_said(
    headers: dict[str, str], name: str
) -> None:
    seen = []
    cookies: list[str] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        if not cookies:
            environ[KEY]["a"] = 1
        start_response("200 OK", PLAIN)
        return []

    def keep(status: str, headers: Any, exc_info: Any = None) -> Any:
        cookies.extend(value for name, value in headers if name == "Set-Cookie")

    wrapped = middleware(app, {"backend": "memory", "cookie.secure": "auto"})
    for _ in range(2):
        environ: WSGIEnvironment = {"HTTP_HOST": "localhost:8000", "SERVER_PROTOCOL": "HTTP/1.1", **headers}
        environ["HTTP_COOKIE"] = "".join(cookies).partition(";")[0]
        setup_testing_defaults(environ)
        wrapped(environ, keep)
        seen.append(dict(environ[KEY]))

    assert cookies[0].startswith(name)
    assert seen == [{"a": 1}, {"a": 1}]
