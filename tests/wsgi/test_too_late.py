"""A change that can no longer reach the browser or the store raises HeadersSent."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from wsgiref.util import FileWrapper

import pytest
from support.exchange import KEY, Body, Boom, Site, SwitchStore, View, answering
from wsgi.streams import CHANGES, NEEDS_A_COOKIE, nothing, put, streaming

from sessionware import HeadersSent, Session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def raises_headers_sent(raised: list[bool], act: Callable[[Session], object]) -> View:
    def step(session: Session) -> None:
        try:
            act(session)
        except HeadersSent:
            raised.append(True)

    return step


@pytest.mark.parametrize("name", NEEDS_A_COOKIE)
def test_what_needs_a_cookie_raises_where_it_is_called(site: Site, store: SwitchStore, name: str) -> None:
    raised: list[bool] = []
    store.calls.clear()

    site.get(streaming(nothing, raises_headers_sent(raised, NEEDS_A_COOKIE[name])))

    assert raised == [True]
    assert set(store.calls) == {"load"}


@pytest.mark.parametrize("name", [*NEEDS_A_COOKIE, *CHANGES])
def test_any_late_change_of_a_cookie_session_raises(name: str) -> None:
    raised: list[bool] = []
    site = Site(backend="cookie")
    site.view(put("old"))

    site.get(streaming(nothing, raises_headers_sent(raised, {**NEEDS_A_COOKIE, **CHANGES}[name])))

    assert raised == [True]
    assert site.stored() == {"old": 1}


@pytest.mark.parametrize("name", [*NEEDS_A_COOKIE, *CHANGES])
def test_any_late_change_of_a_session_that_is_not_stored_raises(store: SwitchStore, name: str) -> None:
    raised: list[bool] = []
    site = Site(backend=store)

    site.get(streaming(len, raises_headers_sent(raised, {**NEEDS_A_COOKIE, **CHANGES}[name])))

    assert raised == [True]
    assert store.calls == []


def test_a_nested_change_that_needs_a_cookie_raises_at_the_end_of_the_body() -> None:
    site = Site(backend="cookie")
    site.view(put("cart", []))
    exchange = site.exchange(streaming(nothing, lambda session: session["cart"].append(1))).call()
    chunks = iter(exchange.result)
    next(chunks)

    with pytest.raises(HeadersSent):
        next(chunks)


FINISHED = {
    "a file": lambda environ, start_response: answering(environ["wsgi.file_wrapper"](io.BytesIO()))(
        environ, start_response
    ),
    "a list": answering([b"body"]),
    "a tuple": answering((b"body",)),
    "a closed stream": answering(lambda session: Body()),
}


@pytest.mark.parametrize("name", FINISHED)
@pytest.mark.parametrize("change", [*NEEDS_A_COOKIE, *CHANGES, "save"])
def test_after_the_answer_any_change_raises(site: Site, name: str, change: str) -> None:
    session = site.get(FINISHED[name], **{"wsgi.file_wrapper": FileWrapper}).environ[KEY]

    with pytest.raises(HeadersSent):
        {**NEEDS_A_COOKIE, **CHANGES, "save": Session.save}[change](session)


def test_after_an_error_any_change_raises(site: Site) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        raise Boom

    exchange = site.exchange(app)
    with pytest.raises(Boom):
        exchange.call()

    with pytest.raises(HeadersSent):
        exchange.environ[KEY]["a"] = 1


def test_after_an_error_in_the_stream_any_change_raises(site: Site) -> None:
    def chunks(session: Session) -> Iterator[bytes]:
        yield b"one"
        raise Boom

    exchange = site.exchange(answering(chunks))
    with pytest.raises(Boom):
        exchange.run()

    with pytest.raises(HeadersSent):
        exchange.environ[KEY]["a"] = 1
