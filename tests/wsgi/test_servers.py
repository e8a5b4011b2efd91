"""The cases in which servers differ, under a real gunicorn, waitress and wsgiref server."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest
from support.client import Client
from wsgi.running import running


@pytest.fixture(scope="module", params=["gunicorn", "waitress", "wsgiref"])
def server_and_port(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """The name of a server, and the port on which it runs while the tests of this module do."""
    with running(request.param) as port:
        yield request.param, port


@pytest.fixture
def server(server_and_port: tuple[str, int]) -> str:
    return server_and_port[0]


@pytest.fixture
def client(server_and_port: tuple[str, int]) -> Client:
    """A visitor with a session of a server whose store works."""
    client = Client(server_and_port[1])
    client.get("/repair")
    assert client.get("/begin") == (200, b"begun")
    assert client.cookie is not None
    return client


def test_an_error_page_carries_the_cookie(client: Client) -> None:
    former = client.cookie

    status, body = client.get("/page")

    assert (status, body) == (500, b"sorry")
    assert client.cookie != former


def test_a_list_of_one_chunk_gets_its_length_from_the_server(client: Client, server: str) -> None:
    response = client.open("/untouched")

    # gunicorn computes no length, with our middleware or without.
    assert response.getheader("Content-Length") == (None if server == "gunicorn" else "9")
    assert response.read() == b"untouched"


def test_so_does_a_body_that_tells_its_length(client: Client, server: str) -> None:
    response = client.open("/sized")

    assert response.getheader("Content-Length") == (None if server == "gunicorn" else "5")
    assert response.read() == b"sized"


def test_a_file_is_sent_by_the_server(client: Client) -> None:
    assert client.get("/file") == (200, b"content")

    assert b"'file'" in client.get("/data")[1]


def test_what_was_written_comes_before_the_list(client: Client) -> None:
    assert client.get("/writer") == (200, b"onetwo")

    assert b"'writer'" in client.get("/data")[1]


def test_a_stream_arrives_while_it_is_being_made(client: Client) -> None:
    with client.open("/stream") as response:
        first = response.read(5)

        client.get("/release")

        assert (first, response.read()) == (b"first", b"second")


def test_what_was_changed_when_a_client_hangs_up_is_saved(client: Client) -> None:
    with client.open("/hangup") as response:
        assert response.read(5) == b"first"

    assert client.get("/saved") == (200, b"True")
    assert b"'hangup'" in client.get("/data")[1]


def test_a_late_save_that_fails_cuts_the_response_off(client: Client, server: str) -> None:
    if server == "wsgiref":
        # HTTP/1.0 knows no chunks: there the end of the connection is all that a client sees.
        assert client.get("/late") == (200, b"first")
    else:
        with pytest.raises(http.client.IncompleteRead):
            client.get("/late")

    client.get("/repair")
    assert client.get("/data") == (200, b"['visits']")


def test_a_store_that_is_down_is_a_503(client: Client) -> None:
    with client.open("/down") as response:
        assert response.status == 503
        assert response.getheader("Retry-After") == "5"
        assert response.getheader("Content-Length") == "71"
        assert len(response.read()) == 71

    assert client.get("/untouched") == (200, b"untouched")


def test_a_503_to_head_has_no_body(client: Client) -> None:
    assert client.get("/down", "HEAD") == (503, b"")


def test_an_error_of_the_application_is_the_server_s_500_and_saves_nothing(client: Client) -> None:
    status, _ = client.get("/boom")

    assert status == 500
    assert client.get("/data") == (200, b"['visits']")


def test_a_304_keeps_its_session_and_gets_no_body(client: Client) -> None:
    assert client.get("/unmodified") == (304, b"")

    assert b"'unmodified'" in client.get("/data")[1]
