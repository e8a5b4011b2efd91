"""Servers that are stopped, killed and started again, under an application that has sessions in them."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import pytest
from pymemcache.client.base import Client, PooledClient  # type: ignore[import-untyped]
from pymemcache.client.hash import HashClient  # type: ignore[import-untyped]
from support.constants import SECRET
from support.elapsed import seconds_of
from support.servers.memcached import Memcached, memcached

from sessionware import SessionMiddleware
from sessionware.exceptions import StoreUnavailable
from sessionware.stores import MemcachedStore

TIMEOUT = 0.4
KEY = "k" * 43
#: About one timeout: less than two, on a machine that is busy.
PATIENCE = 1.95 * TIMEOUT


@dataclass
class Answer:
    status: str
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def cookie(self) -> str:
        (morsel,) = SimpleCookie(self.headers["Set-Cookie"]).values()
        return f"{morsel.key}={morsel.value}"


class Site:
    """``/`` touches no session, ``/count`` counts in it, ``/read`` reads the count."""

    def __init__(self, store: MemcachedStore) -> None:
        self.app = SessionMiddleware(self._answer, {"secret": SECRET, "backend": store})

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        body = b"untouched"
        session = environ["sessionware.session"]
        if environ["PATH_INFO"] == "/count":
            session.alter("count", lambda count: count + 1, default=0)
        if environ["PATH_INFO"] != "/":
            body = b"%d" % session.get("count", -1)
        start_response("200 OK", [])
        return [body]

    def get(self, path: str, cookie: str = "") -> Answer:
        environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_HOST": "example.org", "PATH_INFO": path}
        started: list[Any] = []
        if cookie:
            environ["HTTP_COOKIE"] = cookie

        def start_response(*arguments: Any) -> Any:
            started.extend(arguments)

        body: list[bytes] = []
        seconds = seconds_of(lambda: body.extend(self.app(environ, start_response)))
        return Answer(started[0][:3], dict(started[1]), b"".join(body), seconds)


def assert_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.headers.get("Set-Cookie")) == ("503", None)
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.seconds < PATIENCE


@pytest.fixture
def store(own_memcached: Memcached) -> Iterator[MemcachedStore]:
    store = MemcachedStore(own_memcached.url, timeout=TIMEOUT)
    yield store
    store.close()


def test_a_server_that_hangs_costs_one_timeout_and_nobody_is_logged_out(
    own_memcached: Memcached, store: MemcachedStore
) -> None:
    site = Site(store)
    cookie = site.get("/count").cookie

    own_memcached.freeze()
    untouched, read, write = [site.get(path, cookie) for path in ("/", "/read", "/count")]
    new = site.get("/count")
    own_memcached.thaw()

    assert (untouched.status, untouched.body) == ("200", b"untouched")
    for answer in (read, write, new):
        assert_unavailable(answer)
    assert site.get("/count", cookie).body == b"2"


def test_a_server_that_is_killed_is_unavailable_at_once_and_comes_back_empty(
    own_memcached: Memcached, store: MemcachedStore
) -> None:
    site = Site(store)
    cookie = site.get("/count").cookie

    own_memcached.kill()
    untouched, *failed = [site.get(path, cookie) for path in ("/", "/read", "/count", "/count")]
    own_memcached.start()
    after = site.get("/read", cookie)

    assert untouched.status == "200"
    for answer in failed:
        assert_unavailable(answer)
    assert (after.status, after.body) == ("200", b"-1")
    assert site.get("/read", site.get("/count", cookie).cookie).body == b"1"


def test_of_several_servers_one_that_is_down_takes_its_own_sessions_only_and_moves_none() -> None:
    with memcached() as first, memcached() as second:
        store = MemcachedStore(f"memcached://{first.place},{second.place}", timeout=TIMEOUT)
        site = Site(store)
        cookies = [site.get("/count").cookie for _ in range(40)]

        first.freeze()
        store.close()
        answers: list[Answer] = []
        while {answer.status for answer in answers} != {"200", "503"}:
            answers.append(site.get("/read", cookies[len(answers)]))
        first.thaw()
        after = [site.get("/count", cookie).body for cookie in cookies]
        store.close()

    for answer in answers:
        if answer.status == "503":
            assert_unavailable(answer)
        else:
            assert answer.body == b"1"
    assert after == [b"2"] * 40


def failure_of(call: Callable[[], object]) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        call()
    return caught.value


TIMEOUTS = {"timeout": TIMEOUT, "connect_timeout": TIMEOUT}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda address: Client(address, **TIMEOUTS), id="Client"),
        pytest.param(lambda address: PooledClient(address, **TIMEOUTS), id="PooledClient"),
        pytest.param(lambda address: HashClient([address], **TIMEOUTS), id="HashClient"),
        pytest.param(
            lambda address: HashClient([address], **TIMEOUTS, use_pooling=True),
            id="HashClient with pools",
        ),
    ],
)
def test_an_injected_client_does_not_take_an_outage_for_an_answer(
    own_memcached: Memcached, make: Callable[[Any], Any]
) -> None:
    client, key = make(own_memcached.address), KEY
    store = MemcachedStore(client=client)
    version = store.create(key, b"payload", 60)
    calls: list[Callable[[], object]] = [
        lambda: store.load(key),
        lambda: store.create(key, b"", 60),
        lambda: store.replace(key, b"", 60, version),
        lambda: store.delete(key),
    ]

    own_memcached.freeze()
    causes = [type(failure_of(call).__cause__) for call in calls]
    own_memcached.thaw()

    assert causes == [TimeoutError] * 4
    assert store.load(key) == (b"payload", version)
    client.close()


def test_threads_wait_in_turn_for_the_one_connection_of_a_client_and_no_longer_than_it_does(
    own_memcached: Memcached,
) -> None:
    client = Client(own_memcached.address, **TIMEOUTS)
    store = MemcachedStore(client=client)
    store.load(KEY)
    own_memcached.freeze()
    failures: list[StoreUnavailable] = []

    def fail(number: int) -> None:
        failures.append(failure_of(lambda: store.load(KEY)))

    with ThreadPoolExecutor(6) as threads:
        seconds = list(threads.map(lambda number: seconds_of(lambda: fail(number)), range(6)))
    own_memcached.thaw()

    assert [type(failure.__cause__) for failure in failures] == [TimeoutError] * 6
    assert {str(failure.__cause__)[:5] for failure in failures} == {"timed", "all 1"}
    assert max(seconds) < 3 * TIMEOUT
    assert store.load(KEY) is None
    client.close()


def test_an_answer_that_came_too_late_is_never_taken_for_that_to_another_question(
    own_memcached: Memcached, store: MemcachedStore
) -> None:
    store.create("a" * 43, b"payload", 60)
    own_memcached.freeze()
    with pytest.raises(StoreUnavailable):
        store.delete("a" * 43)
    own_memcached.thaw()

    assert store.load("b" * 43) is None
    assert not store.delete("b" * 43)


@pytest.mark.parametrize("unit", [pytest.param(False, id="host"), pytest.param(True, id="unix socket")])
def test_a_server_that_was_never_there_is_unavailable(unit: bool) -> None:
    with memcached(on_socket=unit) as server:
        url = server.url
    store = MemcachedStore(url)

    with pytest.raises(StoreUnavailable) as caught:
        store.load(KEY)

    assert isinstance(caught.value.__cause__, OSError)


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """The URL of something that says its version as memcached does, and to all else *answer*."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while line := self.rfile.readline():
                self.wfile.write(b"VERSION 1\r\n" if line.startswith(b"version") else answer)
                if not answer:
                    return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def handle_error(self, *arguments: Any) -> None:
            """The store hangs up when it has seen enough."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"memcached://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"VALUE sessionware:" + KEY.upper().encode() + b" 0 4 1\r\nSALT\r\nEND\r\n", id="of another key"),
        pytest.param(b"SALT " + KEY.encode() + b"\r\n", id="nonsense"),
        pytest.param(b"VALUE " + KEY.encode() + b"\r\n", id="half a line"),
        pytest.param(b"CLIENT_ERROR " + KEY.encode() + b" SALT\r\n", id="error of the client"),
        pytest.param(b"", id="the end"),
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda store: store.load(KEY), id="load"),
        pytest.param(lambda store: store.create(KEY, b"SALT", 60), id="create"),
        pytest.param(lambda store: store.replace(KEY, b"SALT", 60, b"version"), id="replace"),
    ],
)
def test_what_memcached_does_not_say_is_unavailable_and_shows_nothing(
    answer: bytes, call: Callable[[MemcachedStore], object]
) -> None:
    with answering(answer) as url:
        store = MemcachedStore(url)

        with pytest.raises(StoreUnavailable) as caught:
            call(store)

        store.close()

    assert caught.value.__context__ is None
    shown = " ".join(f"{error} {error!r}" for error in (caught.value, caught.value.__cause__))
    assert KEY not in shown.lower()
    assert "SALT" not in shown
