"""Every shape of a WSGI application, checked from both sides: the answer is the one that the bare application gives."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from support.constants import KEY
from webtest import TestApp
from wsgi.applications import Body, SizedBody, middleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TEXT = [("Content-Type", "text/plain")]


def use(environ: WSGIEnvironment) -> None:
    """Do with the session what the query says; the bare application has none."""
    if KEY in environ and environ["QUERY_STRING"] == "read":
        len(environ[KEY])
    if KEY in environ and environ["QUERY_STRING"] == "write":
        environ[KEY].alter("visits", lambda n: n + 1, 0)


def a_list(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    use(environ)
    start_response("200 OK", [*TEXT, ("Content-Length", "6")])
    return [b"one", b"two"]


def a_tuple(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    start_response("201 Created", TEXT)
    use(environ)
    return (b"one",)


def a_generator(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", TEXT)
    use(environ)
    yield b"one"
    yield b""
    yield b"two"


def a_silent_generator(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    use(environ)
    start_response("200 OK", TEXT)
    yield from ()


def a_generator_within(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", TEXT)

    def chunks() -> Iterator[bytes]:
        use(environ)
        yield b"one"

    return chunks()


def a_closable(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
    use(environ)
    start_response("200 OK", TEXT)
    return Body()


def a_sized(environ: WSGIEnvironment, start_response: StartResponse) -> SizedBody:
    use(environ)
    start_response("200 OK", TEXT)
    return SizedBody([b"one"])


def a_file(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    use(environ)
    start_response("200 OK", TEXT)
    return environ.get("wsgi.file_wrapper", FileWrapper)(io.BytesIO(b"content"))


def a_writer(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    write = start_response("200 OK", TEXT)
    use(environ)
    write(b"one")
    write(b"two")
    return [b"three"]


def an_error_page(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", TEXT)
    use(environ)
    try:
        raise ValueError
    except ValueError:
        start_response("500 Internal Server Error", TEXT, sys.exc_info())
    return [b"sorry"]


def not_modified(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    use(environ)
    start_response("304 Not Modified", [("ETag", '"1"')])
    return []


def no_content(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    use(environ)
    start_response("204 No Content", [])
    return []


def a_redirect(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    use(environ)
    start_response("302 Found", [*TEXT, ("Location", "/")])
    return [b""]


def an_answer_to_head(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    use(environ)
    start_response("200 OK", [*TEXT, ("Content-Length", "3")])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"one"]


SHAPES = [
    a_list, a_tuple, a_generator, a_silent_generator, a_generator_within, a_closable, a_sized, a_file, a_writer,
    an_error_page, not_modified, no_content, a_redirect,
]  # fmt: skip
OURS = {"vary", "set-cookie", "cache-control"}


@pytest.fixture(params=["memory", "cookie", "sqlite"])
def options(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    if request.param == "sqlite":
        return {"backend": "sqlite", "backend.path": str(tmp_path / "sessions.db")}
    return {"backend": request.param}


def ask(app: WSGIApplication, method: str, use: str) -> Any:
    client = TestApp(app, extra_environ={"HTTP_HOST": "localhost"})
    client.request(f"/?{use}", method=method, expect_errors=True)
    return client.request(f"/?{use}", method=method, expect_errors=True)


def assert_same(shape: Any, method: str, use: str, options: dict[str, Any]) -> None:
    bare = ask(shape, method, use)
    wrapped = middleware(validator(shape), options)

    with contextlib.closing(wrapped.manager):
        ours = ask(validator(wrapped), method, use)

    assert ours.status == bare.status
    assert ours.body == bare.body
    assert [pair for pair in ours.headerlist if pair[0].lower() not in OURS] == bare.headerlist
    assert ("Vary" in ours.headers) is (use != "ignore")
    assert ("Set-Cookie" in ours.headers) is (use == "write" and options["backend"] == "cookie")


@pytest.mark.parametrize("use", ["ignore", "read", "write"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_answer_is_that_of_the_bare_app(shape: Any, use: str, options: dict[str, Any]) -> None:
    assert_same(shape, "GET", use, options)


@pytest.mark.parametrize("use", ["ignore", "read", "write"])
def test_head_is_answered_as_the_bare_app_does(use: str, options: dict[str, Any]) -> None:
    assert_same(an_answer_to_head, "HEAD", use, options)
