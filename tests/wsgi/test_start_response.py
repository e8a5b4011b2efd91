"""start_response is held until the session is committed; write() and exc_info work as PEP 3333 says."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.browser import Browser, Site
from support.constants import KEY, PLAIN
from support.exchange import Exchange
from support.stores import RecordingStore
from wsgi.applications import Body, Boom, after, answering, changed, middleware

from sessionware import HeadersSent, StoreUnavailable

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


ERROR_PAGE = ("500 Internal Server Error", [("Content-Type", "text/html"), ("Vary", "Accept")])


def raised() -> OptExcInfo:
    try:
        raise Boom
    except Boom:
        return sys.exc_info()


def test_the_server_hears_nothing_before_the_commit() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", PLAIN)
        assert exchange.starts == []
        environ[KEY]["a"] = 1
        return [b""]

    exchange = Exchange(middleware(app))

    exchange.run()

    assert exchange.cookies


def test_the_list_of_the_application_is_never_appended_to() -> None:
    headers = [("Content-Type", "text/plain")]

    exchange = Exchange(middleware(answering(after(changed, [b""]), headers=headers))).run()

    assert exchange.cookies
    assert headers == [("Content-Type", "text/plain")]


def test_what_the_application_does_to_its_list_afterwards_is_not_sent() -> None:
    headers = [("Content-Type", "text/plain")]
    app = answering(after(lambda session: headers.clear(), [b""]), headers=headers)

    exchange = Exchange(middleware(app)).run()

    assert exchange.headers == [("Content-Type", "text/plain")]


@pytest.mark.parametrize("is_committed", [False, True])
def test_a_second_call_without_exc_info_is_an_assertion_error(is_committed: bool) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        if is_committed:
            write(b"")
        start_response("200 OK", PLAIN)
        return [b""]

    with pytest.raises(AssertionError, match="second time"):
        Exchange(middleware(app)).run()


def test_exc_info_before_the_commit_replaces_the_first_call() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY]["a"] = 1
        start_response("200 OK", PLAIN)
        start_response(*ERROR_PAGE, raised())
        return [b"sorry"]

    exchange = Exchange(middleware(app)).run()

    assert len(exchange.starts) == 1
    assert exchange.status == "500 Internal Server Error"
    assert exchange.headers[:2] == [("Content-Type", "text/html"), ("Vary", "Accept, Cookie")]
    assert exchange.cookies


def test_exc_info_in_the_first_call_is_a_first_call() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response(*ERROR_PAGE, raised())
        return [b"sorry"]

    exchange = Exchange(middleware(app)).run()

    assert exchange.starts == [ERROR_PAGE]


def test_exc_info_after_the_commit_keeps_our_headers() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        environ[KEY].login("ada")
        start_response("200 OK", PLAIN)
        yield b""
        write = start_response(*ERROR_PAGE, raised())
        write(b"so")
        yield b"rry"

    exchange = Exchange(middleware(app, backend="memory")).run()

    first, second = exchange.starts
    assert first[0] == "200 OK"
    assert second[0] == "500 Internal Server Error"
    assert ("Vary", "Accept, Cookie") in second[1]
    assert [pair for pair in first[1] if pair[0] == "Set-Cookie"] == [p for p in second[1] if p[0] == "Set-Cookie"]
    assert exchange.cookies
    assert exchange.body == b"sorry"


def test_exc_info_after_the_headers_were_sent_is_raised_by_the_server() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response("200 OK", PLAIN)
        yield b"some"
        start_response(*ERROR_PAGE, raised())
        yield b"never"

    exchange = Exchange(middleware(app))

    with pytest.raises(Boom):
        exchange.run()

    assert exchange.body == b"some"


def test_exc_info_leaves_no_circle_of_references() -> None:
    class Local:
        """Something in a frame of the traceback."""

    kept: list[weakref.ref[Local]] = []

    def fail() -> None:
        local = Local()
        kept.append(weakref.ref(local))
        raise Boom

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response("200 OK", PLAIN)
        yield b"some"
        try:
            fail()
        except Boom:
            try:
                start_response(*ERROR_PAGE, sys.exc_info())
            except Boom:
                yield b"caught"

    gc.disable()
    try:
        exchange = Exchange(middleware(app)).run()

        assert exchange.body == b"somecaught"
        assert kept[0]() is None
    finally:
        gc.enable()


def test_the_first_write_commits_and_the_rest_follows() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        environ[KEY]["a"] = 1
        write(b"one")
        assert exchange.cookies
        write(b"two")
        return [b"three"]

    exchange = Exchange(middleware(app))

    exchange.run()

    assert exchange.body == b"onetwothree"
    assert len(exchange.starts) == 1


def test_write_may_be_followed_by_a_stream() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
        start_response("200 OK", PLAIN)(b"zero")
        return body

    body = Body()

    exchange = Exchange(middleware(app)).run()

    assert exchange.chunks == [b"zero", b"one", b"two"]
    assert body.closed == 1


def failing_writer(*, is_caught: bool) -> Any:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        environ[KEY]["a"] = 1
        errors = []
        for _ in range(2):
            try:
                write(b"saved")
            except StoreUnavailable as error:
                errors.append(error)
        assert len(errors) == 2
        assert errors[0] is errors[1]
        if not is_caught:
            raise errors[0]
        start_response("200 OK", PLAIN, (StoreUnavailable, errors[0], None))  # type: ignore[arg-type]
        return [b"fine"]

    return app


@pytest.mark.parametrize("is_caught", [False, True])
def test_what_a_write_could_not_save_is_raised_there_and_never_answered_with_200(is_caught: bool) -> None:
    store = RecordingStore()
    store.broken = {"create"}

    exchange = Browser(Site(backend=store)).get(failing_writer(is_caught=is_caught))

    assert len(exchange.starts) == 1
    assert exchange.status == "503 Service Unavailable"
    assert exchange.cookies == {}
    assert store.calls == ["create"]


def test_a_change_between_write_and_a_list_is_saved() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        environ[KEY]["a"] = 1
        write(b"one")
        environ[KEY]["b"] = 2
        return [b"two"]

    browser = Browser(Site(backend="memory"))

    browser.get(app)

    assert browser.data() == {"a": 1, "b": 2}


def test_a_change_between_write_and_a_list_that_cannot_be_saved_is_raised() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        environ[KEY]["a"] = 1
        write(b"one")
        environ[KEY]["b"] = 2
        store.broken = {"replace"}
        return [b"two"]

    store = RecordingStore()

    with pytest.raises(StoreUnavailable):
        Browser(Site(backend=store)).get(app)


@pytest.mark.parametrize("body", [[b"list"], Body([b"stream"])], ids=["list", "stream"])
def test_the_events_of_a_cookie_session_are_told_when_its_answer_has_left(body: Any) -> None:
    site = Site()
    exchange = site.exchange(answering(after(changed, body)))

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        assert site.events == []
        return exchange.send

    site.app(exchange.environ, start_response)

    assert site.names() == ["created"]


@pytest.mark.parametrize("body", [[b"list"], Body([b"stream"])], ids=["list", "stream"])
def test_an_answer_that_the_server_refuses_tells_that_its_cookie_session_was_discarded(body: Any) -> None:
    site = Site()
    exchange = site.exchange(answering(after(changed, body)))

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        raise Boom

    with pytest.raises(Boom):
        site.app(exchange.environ, start_response)

    assert site.names() == ["discarded app_raised"]


# An application that calls start_response late, or never.


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
    store = RecordingStore()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY]["a"] = 1
        return []

    exchange = Exchange(middleware(app, backend=store)).call()

    assert len(store.held()) == 0
    with pytest.raises(HeadersSent):
        exchange.environ[KEY]["b"] = 2


def test_a_stream_that_is_never_started_passes_its_chunks_and_saves_nothing() -> None:
    store = RecordingStore()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        environ[KEY]["a"] = 1
        yield b"one"
        yield b"two"

    result = Exchange(middleware(app, backend=store)).call().result

    assert list(result) == [b"one", b"two"]
    assert len(store.held()) == 0


def test_a_stream_that_starts_after_its_first_chunk_is_committed_there() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        yield b""
        environ[KEY]["a"] = 1
        start_response("200 OK", PLAIN)
        yield b"text"

    browser = Browser(Site(backend="memory"))
    exchange = browser.exchange(app).call()

    chunks = list(exchange.result)
    browser.receive(exchange)

    assert chunks == [b"", b"text"]
    assert browser.data() == {"a": 1}


@pytest.mark.parametrize(
    ("method", "expected"), [("GET", [b"", f"{StoreUnavailable.description}\n".encode()]), ("HEAD", [b""])]
)
def test_a_stream_that_starts_after_its_first_chunk_and_cannot_be_saved_is_a_503(
    method: str, expected: list[bytes]
) -> None:
    store, body = RecordingStore(), Body()

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


def test_a_stream_that_starts_late_and_hides_that_it_cannot_be_saved_is_a_503_too() -> None:
    store = RecordingStore()

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        yield b""
        environ[KEY]["a"] = 1
        with pytest.raises(StoreUnavailable):
            start_response("200 OK", PLAIN)

    store.broken = {"create"}
    exchange = Exchange(middleware(app, backend=store)).call()

    chunks = list(exchange.result)

    assert [status for status, _ in exchange.starts] == ["503 Service Unavailable"]
    assert chunks == [b"", f"{StoreUnavailable.description}\n".encode()]
