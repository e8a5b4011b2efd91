"""What a WebSocket of flask-sock does to its session, under real gunicorn and Werkzeug servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from simple_websocket import Client as Connection  # type: ignore[import-untyped]
from simple_websocket import ConnectionClosed
from support.client import HOST, Client
from wsgi.running import running


@pytest.fixture(scope="module", params=["gthread", "sync", "werkzeug"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port of a server, and the file with what it logs."""
    log = tmp_path_factory.mktemp("log") / request.param
    with log.open("w") as file, running(request.param, module="wsgi.sockets", log=file) as port:
        yield port, log


@pytest.fixture
def client(server: tuple[int, Path]) -> Client:
    return Client(server[0])


def say(client: Client, words: str) -> str:
    """Say *words* on a WebSocket, and wait until the server has closed it."""
    headers = {"Cookie": client.cookie} if client.cookie else {}
    connection = Connection(f"ws://{HOST}:{client.port}/chat", headers=headers)
    connection.send(words)
    answer: str = connection.receive()
    with pytest.raises(ConnectionClosed):
        connection.receive()
    return answer


def test_a_websocket_reads_its_session_and_what_it_changes_is_saved(client: Client) -> None:
    client.get("/begin")

    assert say(client, "hello") == "hello from True"

    assert client.get("/data") == (200, b"{'begun': True, 'said': 'hello'}")


def test_a_websocket_begins_no_session_and_the_log_says_so(client: Client, server: tuple[int, Path]) -> None:
    assert say(client, "hello") == "hello from None"

    assert client.get("/data") == (200, b"{}")
    if "werkzeug" not in server[1].name:  # which gets an answer, on a connection that is closed
        assert "WARNING sessionware a change of a session needed a cookie" in server[1].read_text()
