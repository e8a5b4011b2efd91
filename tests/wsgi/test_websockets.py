"""What a WebSocket does to its session, under each real server that hands its socket over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from simple_websocket import Client as Connection  # type: ignore[import-untyped]
from simple_websocket import ConnectionClosed
from support.client import HOST, Client
from support.servers.wsgi import serving


@pytest.fixture(scope="module", params=["gunicorn", "gunicorn gthread", "gunicorn gevent", "werkzeug"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int, Path]]:
    """The name and the port of a server, and the file with what it logs."""
    directory = tmp_path_factory.mktemp("server")
    with serving(request.param, "wsgi.sockets:application", directory) as port:
        yield request.param, port, directory / "log.txt"


@pytest.fixture
def client(server: tuple[str, int, Path]) -> Client:
    return Client(server[1])


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


def test_a_websocket_begins_no_session_and_the_log_says_so(client: Client, server: tuple[str, int, Path]) -> None:
    name, _, log = server

    assert say(client, "hello") == "hello from None"

    assert client.get("/data") == (200, b"{}")
    if name != "werkzeug":  # which gets an answer, on a connection that is closed
        assert "WARNING sessionware a change of a session needed a cookie" in log.read_text()
