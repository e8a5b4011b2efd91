"""Lists and files pass as they are, any other body gives one chunk before the commit, and close() always arrives."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper

import pytest
import webob
from support.actions import Action, nothing
from support.browser import Browser, Site
from support.constants import KEY, PLAIN
from support.exchange import Exchange
from wsgi.applications import Body, Boom, SizedBody, after, answering, changed, middleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class FileLike(io.BytesIO):
    """A file as uWSGI's wrapper gives it back."""

    def fileno(self) -> int:
        return 3


class Proxy:
    """A body that passes on what it is asked for."""

    def __init__(self, inner: list[bytes]) -> None:
        self.inner = inner

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.inner)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class MyList(list[bytes]):
    """A list that may do anything when it is iterated."""


both = pytest.mark.parametrize("act", [nothing, changed])


@both
@pytest.mark.parametrize("body", [pytest.param([b"a", b"b"], id="list"), pytest.param((b"a", b"b"), id="tuple")])
def test_a_list_or_tuple_is_returned_itself(body: Any, act: Action) -> None:
    exchange = Exchange(middleware(answering(after(act, body)))).call()

    assert exchange.result is body
    assert exchange.status == "200 OK"


@both
def test_a_file_in_the_wrapper_of_the_server_is_returned_itself(act: Action) -> None:
    body = FileWrapper(io.BytesIO(b"content"))
    app = answering(after(act, body))

    exchange = Exchange(middleware(app), **{"wsgi.file_wrapper": FileWrapper}).call()

    assert exchange.result is body
    assert exchange.status == "200 OK"


def test_a_file_is_returned_itself_where_the_wrapper_is_a_function() -> None:
    body = FileLike(b"content")

    exchange = Exchange(middleware(answering(body)), **{"wsgi.file_wrapper": lambda file, size=0: file}).call()

    assert exchange.result is body


def test_what_is_no_file_is_followed_where_the_wrapper_is_a_function() -> None:
    body = Body()

    exchange = Exchange(middleware(answering(body)), **{"wsgi.file_wrapper": lambda file, size=0: file}).call()

    assert exchange.result is not body
    assert body.taken == 1


def test_a_file_that_no_wrapper_made_is_followed() -> None:
    body = FileLike(b"one\ntwo\n")

    exchange = Exchange(middleware(answering(body)), **{"wsgi.file_wrapper": FileWrapper}).run()

    assert exchange.chunks == [b"one\n", b"two\n"]
    assert body.closed


def test_a_list_of_a_kind_of_its_own_is_followed() -> None:
    body = MyList([b"one", b"two"])

    exchange = Exchange(middleware(answering(body))).run()

    assert exchange.result is not body
    assert len(exchange.result) == 2
    assert exchange.chunks == [b"one", b"two"]


@both
@pytest.mark.parametrize("chunks", [[b"one", b"two"], [b"", b"two"], [b"one"], [b""]])
def test_of_a_stream_exactly_one_chunk_is_taken_before_the_commit(chunks: list[bytes], act: Action) -> None:
    body = Body(chunks)

    exchange = Exchange(middleware(answering(after(act, body)))).call()

    assert body.taken == 1
    assert exchange.status == "200 OK"


@both
def test_a_stream_goes_on_one_for_one(act: Action) -> None:
    body = Body([b"one", b"", b"three"])
    exchange = Exchange(middleware(answering(after(act, body)))).call()

    chunks = iter(exchange.result)

    taken = [(next(chunks), body.taken) for _ in range(3)]
    assert taken == [(b"one", 1), (b"", 2), (b"three", 3)]
    with pytest.raises(StopIteration):
        next(chunks)
    with pytest.raises(StopIteration):
        next(chunks)


def test_webob_in_front_leaves_a_stream_a_stream() -> None:
    # Its call_application takes the whole body where start_response has not been called when the application returns.
    body = Body()

    status, _, chunks = webob.Request.blank("/").call_application(middleware(answering(body)))

    assert (status, body.taken) == ("200 OK", 1)
    assert b"".join(chunks) == b"onetwo"


@both
def test_an_empty_stream_is_committed_and_gives_nothing(act: Action) -> None:
    body = Body([])

    exchange = Exchange(middleware(answering(after(act, body)))).run()

    assert exchange.status == "200 OK"
    assert exchange.chunks == []
    assert body.closed == 1


@both
@pytest.mark.parametrize("chunks", [[], [b"one"], [b"one", b"two"]], ids=len)
def test_an_iterator_that_has_said_its_end_is_not_asked_again(chunks: list[bytes], act: Action) -> None:
    asked: list[bytes | None] = []

    class Chunks:
        """An iterator that would begin again."""

        def __iter__(self) -> Chunks:
            return self

        def __next__(self) -> bytes:
            asked.append(None)
            if len(asked) % (len(chunks) + 1) == 0:
                raise StopIteration
            return chunks[len(asked) % (len(chunks) + 1) - 1]

    exchange = Exchange(middleware(answering(after(act, Chunks())))).run()

    with pytest.raises(StopIteration):
        next(exchange.result)
    assert exchange.chunks == chunks
    assert len(asked) == len(chunks) + 1


def test_a_session_may_be_filled_up_to_the_first_yield() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        environ[KEY]["a"] = 1
        yield b""
        yield b"text"

    browser = Browser(Site())

    exchange = browser.get(app)

    assert exchange.chunks == [b"", b"text"]
    assert browser.data() == {"a": 1}


def test_a_first_chunk_that_raises_closes_the_body_and_passes_unchanged() -> None:
    error = Boom()

    def chunks() -> Iterator[bytes]:
        raise error
        yield b""

    body = Body(chunks())

    with pytest.raises(Boom) as caught:
        Exchange(middleware(answering(body))).call()

    assert caught.value is error
    assert body.closed == 1


def test_a_close_that_fails_too_does_not_hide_the_first_error(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ValueError

    def chunks() -> Iterator[bytes]:
        raise Boom
        yield b""

    with pytest.raises(Boom):
        Exchange(middleware(answering(Body(chunks(), on_close=fail)))).call()

    assert "closing a response that is dropped has failed" in caplog.text


def test_a_body_that_cannot_be_iterated_fails_as_it_would_without_us() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        Exchange(middleware(answering(None))).call()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(SizedBody([b"one"]), True, id="sized"),
        pytest.param(Body(), False, id="unsized"),
        pytest.param((chunk for chunk in [b"one"]), False, id="generator"),
        pytest.param({b"one": 1}.keys(), True, id="sized, without close"),
        pytest.param(Proxy([b"one"]), False, id="a proxy, which has no length of its own"),
    ],
)
def test_a_length_is_kept_where_there_is_one(body: Any, expected: bool) -> None:
    result = Exchange(middleware(answering(body))).call().result

    assert hasattr(result, "__len__") is expected
    assert not expected or len(result) == 1


def test_a_sized_body_is_followed_and_closed() -> None:
    body = SizedBody([b"one"])

    exchange = Exchange(middleware(answering(body))).run()

    assert exchange.chunks == [b"one"]
    assert body.closed == 1


@both
def test_close_reaches_a_body_that_was_never_iterated(act: Action) -> None:
    body = Body()
    exchange = Exchange(middleware(answering(after(act, body)))).call()

    exchange.close()

    assert body.closed == 1


def test_close_reaches_the_body_once() -> None:
    body = Body()
    exchange = Exchange(middleware(answering(body))).run()

    exchange.close()

    assert body.closed == 1


def test_close_reaches_a_generator_that_was_not_read_to_its_end() -> None:
    ended = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        try:
            yield b"one"
            yield b"two"
        except GeneratorExit:
            ended.append("hang-up")
            raise

    Exchange(middleware(app)).call().close()

    assert ended == ["hang-up"]


def test_a_body_without_close_needs_none() -> None:
    exchange = Exchange(middleware(answering(iter([b"one"])))).run()

    assert exchange.chunks == [b"one"]


def test_the_body_of_the_application_is_not_kept_alive_after_close() -> None:
    exchange = Exchange(middleware(answering(Body()))).run()

    assert exchange.result._body is None
