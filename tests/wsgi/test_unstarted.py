"""An application that calls start_response late, or never."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.exchange import (
    KEY,
    PLAIN,
    Body,
    Exchange,
    Site,
    SwitchStore,
    middleware,
)

from sessionware import HeadersSent, StoreUnavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@pytest.mark.parametrize("body", [[b"a"], (b"a",), None, 5], ids=["list", "tuple", "None", "number"])
def test_an_answer_that_was_never_started_passes_as_it_is(body: Any) -> None:
    exchange = Exchange(middleware(lambda environ, start_response: body)).call()

    assert exchange.result is body
    assert exchange.starts == []


def test_a_sign_that_the_connection_was_taken_over_keeps_its_identity() -> None:
    sign = Body([])

    exchange = Exchange(middleware(lambda environ, start_response: sign)).call()

    assert exchange.result is sign
    assert exchange.starts == []


def test_an_answer_that_was_never_started_saves_nothing_and_finishes_the_session() -> None:
    store = SwitchStore()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY]["a"] = 1
        return []

    exchange = Exchange(middleware(app, backend=store)).call()

    assert len(store) == 0
    with pytest.raises(HeadersSent):
        exchange.environ[KEY]["b"] = 2


def test_a_stream_that_is_never_started_passes_its_chunks_and_saves_nothing() -> None:
    store = SwitchStore()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        environ[KEY]["a"] = 1
        yield b"one"
        yield b"two"

    result = Exchange(middleware(app, backend=store)).call().result

    assert list(result) == [b"one", b"two"]
    assert len(store) == 0


def test_a_stream_that_starts_after_its_first_chunk_is_committed_there() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        yield b""
        environ[KEY]["a"] = 1
        start_response("200 OK", PLAIN)
        yield b"text"

    site = Site(backend="memory")
    exchange = site.exchange(app).call()

    chunks = list(exchange.result)
    site.keep(exchange)

    assert chunks == [b"", b"text"]
    assert site.stored() == {"a": 1}


@pytest.mark.parametrize(
    ("method", "expected"), [("GET", [b"", f"{StoreUnavailable.description}\n".encode()]), ("HEAD", [b""])]
)
def test_a_stream_that_starts_after_its_first_chunk_and_cannot_be_saved_is_a_503(
    method: str, expected: list[bytes]
) -> None:
    store, body = SwitchStore(), Body()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
        def chunks() -> Iterator[bytes]:
            yield b""
            environ[KEY]["a"] = 1
            start_response("200 OK", PLAIN)
            yield b"text"

        body.iterator = chunks()
        return body

    store.broken = {"create"}
    exchange = Exchange(middleware(app, backend=store), REQUEST_METHOD=method).call()

    chunks = list(exchange.result)
    exchange.close()

    assert [status for status, _ in exchange.starts] == ["503 Service Unavailable"]
    assert exchange.header("Retry-After") == "5"
    assert (chunks, body.closed) == (expected, 1)
