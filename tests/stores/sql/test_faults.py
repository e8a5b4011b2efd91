"""A database that is stopped, killed or restarted in the middle of traffic."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.constants import SECRET
from support.elapsed import seconds_of
from support.servers.mariadb import MariaDBServer, mariadb_server
from support.servers.postgresql import PostgreSQLServer, postgresql_server
from webtest import TestApp

from sessionware import SessionMiddleware
from sessionware.exceptions import StoreUnavailable
from sessionware.stores import SQLAlchemyStore

TIMEOUT = 0.5
#: One timeout and what a busy machine adds, and less than two.
AT_MOST = 0.95

Server = PostgreSQLServer | MariaDBServer


@pytest.fixture(scope="module", params=[postgresql_server, mariadb_server], ids=["postgresql", "mariadb"])
def shared_server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with request.param() as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Iterator[Server]:
    """One that may be broken, and is whole again afterwards."""
    yield shared_server
    shared_server.process.thaw()
    if not shared_server.process.is_running:
        shared_server.process.start()


@pytest.fixture
def store(server: Server, table: str) -> Iterator[SQLAlchemyStore]:
    store = SQLAlchemyStore(server.url, table=table, timeout=TIMEOUT)
    yield store
    store.close()


@pytest.fixture
def key(store: SQLAlchemyStore) -> str:
    """Of an entry that is there."""
    key = secrets.token_urlsafe(32)
    store.create(key, b"payload", 600)
    return key


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    session = environ["sessionware.session"]
    said = b"untouched"
    if environ["PATH_INFO"] == "/count":
        said = b"%d" % session.alter("count", lambda count: count + 1, default=0)
    elif environ["PATH_INFO"] == "/read":
        said = b"%d" % session.get("count", 0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said]


@pytest.fixture
def app(store: SQLAlchemyStore) -> Any:
    """An application with a visitor who has been there once."""
    app = TestApp(SessionMiddleware(application, {"secret": SECRET, "backend": store}))
    assert app.get("/count").text == "1"
    return app


def freeze(server: Server, store: SQLAlchemyStore) -> None:
    """Stop it; a signal takes a moment to reach all of its threads."""
    server.process.freeze()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            store.load("x" * 43)
        except StoreUnavailable:
            return
    raise AssertionError("the server does not stop")


def fails(call: Callable[[], object]) -> None:
    with pytest.raises(StoreUnavailable):
        call()


def test_a_stopped_server_costs_one_timeout_over_a_connection_that_was_open(
    server: Server, store: SQLAlchemyStore, key: str
) -> None:
    took = seconds_of(lambda: freeze(server, store))

    assert took < AT_MOST


def test_a_stopped_server_costs_one_timeout_over_a_new_connection(
    server: Server, store: SQLAlchemyStore, key: str
) -> None:
    freeze(server, store)

    took = [seconds_of(lambda: fails(lambda: store.load(key))), seconds_of(lambda: fails(lambda: store.delete(key)))]

    assert max(took) < AT_MOST


def test_a_stopped_server_costs_a_crowd_not_much_more(server: Server, store: SQLAlchemyStore, key: str) -> None:
    """Who gets no connection does not wait for the whole timeout before it tries."""
    freeze(server, store)
    with ThreadPoolExecutor(30) as threads:
        took = list(threads.map(lambda _: seconds_of(lambda: fails(lambda: store.load(key))), range(30)))

    assert max(took) < 2 * AT_MOST


def test_a_stopped_server_goes_on_by_itself(server: Server, store: SQLAlchemyStore, key: str) -> None:
    freeze(server, store)
    server.process.thaw()

    entry = store.load(key)

    assert entry is not None
    assert entry.payload == b"payload"


@pytest.mark.parametrize("break_it", [freeze, lambda server, store: server.process.kill()], ids=["stopped", "killed"])
def test_requests_are_answered_within_the_timeout_and_no_user_is_logged_out(
    server: Server, store: SQLAlchemyStore, app: Any, break_it: Callable[[Server, SQLAlchemyStore], None]
) -> None:
    break_it(server, store)

    untouched = app.get("/")
    answers: list[Any] = []
    took = [
        seconds_of(lambda: answers.append(app.get(path, expect_errors=True)))  # noqa: B023 - called at once
        for path in ("/read", "/count")
    ]

    assert untouched.text == "untouched"
    assert [answer.status_int for answer in answers] == [503, 503]
    assert all("Retry-After" in answer.headers and "Set-Cookie" not in answer.headers for answer in answers)
    assert max(took) < AT_MOST


def test_service_comes_back_by_itself_with_all_that_was_acknowledged(server: Server, app: Any) -> None:
    server.process.kill()
    assert app.get("/count", expect_errors=True).status_int == 503

    server.process.start()

    assert app.get("/read").text == "1"
    assert app.get("/count").text == "2"


def test_a_write_after_a_restart_goes_to_a_new_connection(server: Server, store: SQLAlchemyStore, key: str) -> None:
    entry = store.load(key)
    assert entry is not None
    server.process.kill()
    server.process.start()

    version = store.replace(key, b"changed", 600, entry.version)

    assert store.load(key) == (b"changed", version)
