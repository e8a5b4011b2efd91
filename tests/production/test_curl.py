"""A real curl against wsgiref's server, which answers in HTTP/1.0."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from support.client import HOST, TIMEOUT_SECONDS
from support.constants import SECRET
from support.servers.process import find_binary

from sessionware import SessionMiddleware, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def greet(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Keep a name and send the client on to a page that shows it."""
    session = get_session(environ)
    if environ["PATH_INFO"] == "/begin":
        session["name"] = "Ada"
        start_response("303 See Other", [("Location", "/show"), ("Content-Length", "0")])
        return []
    body = f"{environ['SERVER_PROTOCOL']} {session.get('name')}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Write nothing about a request."""


@pytest.fixture
def site() -> Iterator[str]:
    """The address of the application under wsgiref's server."""
    app = SessionMiddleware(greet, {"secret": SECRET})
    with make_server(HOST, 0, app, handler_class=_Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("options", [pytest.param([], id="curl -L"), pytest.param(["-0"], id="curl -L -0")])
def test_a_session_begun_before_a_redirect_is_found_after_it(site: str, options: list[str]) -> None:
    curl = find_binary("curl")
    if curl is None:
        pytest.skip("needs curl (Debian: apt install curl)")
    command = [curl, "--silent", "--location", "--cookie", "", "--noproxy", "*", *options, f"{site}/begin"]

    done = subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_SECONDS)

    assert done.stdout == b"HTTP/1.0 Ada"
