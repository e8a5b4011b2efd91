"""The cases in which servers differ, under each real server that the tests know."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client import HOST, TIMEOUT_SECONDS, Client
from support.servers.wsgi import COMMANDS, SERVERS, serving

#: The other servers compute none, with our middleware or without.
COMPUTES_LENGTHS = {"waitress", "wsgiref"}
#: wsgiref answers in HTTP/1.0; the routers of uWSGI and Apache end a stream in order, whatever has happened.
SHOWS_WHERE_A_STREAM_BROKE = COMMANDS.keys() - {"wsgiref", "uwsgi", "mod_wsgi"}
KEEPS_CONNECTIONS = COMMANDS.keys() - {"gunicorn", "werkzeug", "wsgiref"}


@pytest.fixture(scope="module", params=SERVERS)
def server_and_port(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    """The name of a server, and the port on which it runs while the tests of this module do."""
    with serving(request.param, "wsgi.served:application", tmp_path_factory.mktemp("server")) as port:
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


def assert_is_cut_off(client: Client, server: str, path: str) -> None:
    """The client can tell that more was to come, if the server lets it."""
    if server in SHOWS_WHERE_A_STREAM_BROKE:
        with pytest.raises(http.client.IncompleteRead):
            client.get(path)
    else:
        assert client.get(path) == (200, b"first")


def test_an_error_page_carries_the_cookie(client: Client) -> None:
    former = client.cookie

    status, body = client.get("/page")

    assert (status, body) == (500, b"sorry")
    assert client.cookie != former


def test_a_list_of_one_chunk_gets_its_length_from_the_server(client: Client, server: str) -> None:
    response = client.open("/untouched")

    assert response.getheader("Content-Length") == ("9" if server in COMPUTES_LENGTHS else None)
    assert response.read() == b"untouched"


def test_so_does_a_body_that_tells_its_length(client: Client, server: str) -> None:
    response = client.open("/sized")

    assert response.getheader("Content-Length") == ("5" if server in COMPUTES_LENGTHS else None)
    assert response.read() == b"sized"


def test_a_file_is_sent_by_the_server(client: Client) -> None:
    assert client.get("/file") == (200, b"content")

    assert b"'file'" in client.get("/data")[1]


def test_what_was_written_comes_before_the_list(client: Client) -> None:
    assert client.get("/writer") == (200, b"onetwo")

    assert b"'writer'" in client.get("/data")[1]


def test_a_stream_arrives_while_it_is_being_made_and_keeps_its_change(client: Client, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with client.open(f"/stream?{pipe}") as response:
        first = response.read(5)

        pipe.write_text("late")

        assert (first, response.read()) == (b"first", b"second")
    assert b"'second', 'stream'" in client.get("/data")[1]


def test_what_was_changed_when_a_client_hangs_up_is_saved(client: Client) -> None:
    with client.open("/hangup") as response:
        assert response.read(5) == b"first"

    assert client.get("/saved") == (200, b"True")
    assert b"'hangup'" in client.get("/data")[1]


def test_a_late_save_that_fails_cuts_the_response_off(client: Client, server: str) -> None:
    assert_is_cut_off(client, server, "/late")

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


def test_an_error_of_the_application_is_the_server_s_500_and_saves_nothing(client: Client, server: str) -> None:
    if server == "uwsgi":  # which closes the connection, with our middleware or without
        with pytest.raises(http.client.RemoteDisconnected):
            client.get("/boom")
    else:
        assert client.get("/boom")[0] == 500

    assert client.get("/data") == (200, b"['visits']")


def test_a_304_keeps_its_session_and_gets_no_body(client: Client) -> None:
    assert client.get("/unmodified") == (304, b"")

    assert b"'unmodified'" in client.get("/data")[1]


def test_an_error_in_the_middle_of_a_stream_cuts_it_off_and_saves_nothing(client: Client, server: str) -> None:
    assert_is_cut_off(client, server, "/broken")

    assert client.get("/data") == (200, b"['visits']")


@pytest.mark.parametrize("path", ["/page", "/writer", "/file", "/closing"])
def test_an_answer_to_head_has_the_headers_and_no_body(client: Client, path: str) -> None:
    with client.open(path, "HEAD") as response:
        assert response.getheader("Vary") == "Cookie"
        assert response.read() == b""

    assert client.get("/untouched") == (200, b"untouched")


def test_an_upload_is_read_while_the_answer_is_being_made(client: Client) -> None:
    assert client.get("/upload", "POST", body=b"x" * 300_000) == (200, b"begun read")

    assert client.get("/data") == (200, b"['declared', 'left', 'visits']")


def test_an_upload_that_is_not_read_hinders_no_session(client: Client) -> None:
    assert client.get("/unread", "POST", body=b"x" * 30_000) == (200, b"unread")

    assert client.get("/data") == (200, b"['unread', 'visits']")


def test_a_body_is_closed_once_and_what_its_close_changes_is_saved(client: Client) -> None:
    before = json.loads(client.get("/told")[1])["closed"]

    assert client.get("/closing") == (200, b"onetwo")

    assert client.get("/data") == (200, b"['closed', 'closing', 'visits']")
    assert json.loads(client.get("/told")[1])["closed"] == before + 1


def test_an_error_in_close_loses_no_change_and_stops_no_server(client: Client) -> None:
    """wsgiref's and others break the answer off in disorder: what was changed is saved before."""
    with contextlib.suppress(http.client.HTTPException, ConnectionError), client.open("/stumbling") as response:
        response.read()

    assert client.get("/data") == (200, b"['stumbling', 'visits']")


def test_a_file_is_given_to_the_server_as_the_application_has_made_it(client: Client, server: str) -> None:
    """By its own class where ``wsgi.file_wrapper`` is one, so that the server can send it without Python's help."""
    client.get("/file")

    given = json.loads(client.get("/told")[1])["given"]

    # cheroot and Werkzeug offer no wrapper, so this file is a body like any other.
    others = {"waitress": "ReadOnlyFileBasedBuffer", "uwsgi": "BytesIO", "cheroot": "Reply", "werkzeug": "Reply"}
    assert given == others.get(server, "FileWrapper")


@pytest.mark.parametrize("path", ["/begin", "/page", "/stream", "/file", "/down"])
def test_no_header_comes_twice(client: Client, path: str) -> None:
    visitor = Client(client.port) if path == "/begin" else client

    with visitor.open(path if path != "/stream" else f"/stream?{os.devnull}") as response:
        names = [name.lower() for name, _ in response.getheaders()]

    assert sorted(names) == sorted(set(names))


def test_the_requests_of_one_connection_get_their_own_answers(client: Client, server: str) -> None:
    connection = http.client.HTTPConnection(HOST, client.port, timeout=TIMEOUT_SECONDS)
    requests = [("GET", path) for path in ("/untouched", "/unmodified", "/stream?/dev/null", "/file", "/down", "/data")]
    requests += [("HEAD", "/down"), ("GET", "/repair"), ("GET", "/data")]
    answers, kept = [], {}
    with contextlib.closing(connection):
        for method, path in requests:
            connection.request(method, path, headers={"Cookie": str(client.cookie)})
            response = connection.getresponse()
            answers.append((response.status, response.read()))
            kept[path] = connection.sock is not None

    statuses = [status for status, _ in answers]
    assert statuses == [200, 304, 200, 200, 503, 503, 503, 200, 200]
    assert [answers[number][1] for number in (0, 2, 3, 6)] == [b"untouched", b"firstsecond", b"content", b""]
    assert answers[-1][1] == b"['file', 'second', 'stream', 'unmodified', 'visits']"
    # waitress closes it behind a stream, whose length it does not know.
    assert kept["/file"] == (server in KEEPS_CONNECTIONS)
