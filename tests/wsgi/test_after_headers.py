"""What a change does once the headers are out: it is saved when the body ends, or it raises HeadersSent."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper

import pytest
from support.actions import Action, call, login, nothing, put
from support.browser import Browser, Site
from support.constants import KEY, PLAIN
from support.exchange import Exchange
from support.stores import RecordingStore
from wsgi.applications import Body, Boom, answering, middleware, streaming

from sessionware import HeadersSent, Session, StoreUnavailable
from sessionware.exceptions import Conflict
from sessionware.testing import FakeClock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


# Saved when the body ends.


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([put(new=1), nothing], id="before the first chunk"),
        pytest.param([nothing, put(new=1), nothing], id="between two chunks"),
        pytest.param([nothing, put(new=1)], id="after the last chunk"),
    ],
)
def test_a_change_of_a_stored_session_is_saved_wherever_it_is_made(browser: Browser, steps: list[Action]) -> None:
    browser.get(streaming(*steps))

    assert browser.data() == {"old": 1, "new": 1}


def test_it_is_saved_before_the_server_ends_the_response(browser: Browser, store: RecordingStore) -> None:
    exchange = browser.exchange(streaming(nothing, put(new=1))).call()

    assert list(exchange.result) == [b"chunk"]

    assert store.calls[-1] == "replace"


def test_a_change_of_a_session_that_this_response_stores_is_saved(store: RecordingStore) -> None:
    browser = Browser(Site(backend=store))

    browser.get(streaming(put(first=1), put(second=1)))

    assert browser.data() == {"first": 1, "second": 1}


def test_a_change_deep_inside_is_saved(browser: Browser) -> None:
    browser.send(put(cart={"apples": 1}))

    browser.get(streaming(nothing, lambda session: session["cart"].update(pears=2)))

    assert browser.data()["cart"] == {"apples": 1, "pears": 2}


def test_a_change_made_by_close_is_saved(browser: Browser) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
        start_response("200 OK", PLAIN)
        session = environ[KEY]
        return Body(on_close=lambda: session.update(new=1))

    browser.get(app)

    assert browser.data() == {"old": 1, "new": 1}


def test_every_change_of_a_session_that_was_ended_meanwhile_goes_with_it(browser: Browser) -> None:
    """A change after the commit is dropped like one before it, for the application is not at fault."""

    def lose(session: Session) -> None:
        session["new"] = 1
        browser.get(streaming(lambda other: other.clear()))

    exchange = browser.exchange(streaming(lose, put(newer=1), nothing)).call()

    assert list(exchange.result) == [b"chunk", b"chunk"]
    exchange.close()
    assert browser.data() == {}


def test_a_client_that_hangs_up_loses_nothing(browser: Browser) -> None:
    exchange = browser.exchange(streaming(nothing, put(new=1), nothing, nothing)).call()
    chunks = iter(exchange.result)
    next(chunks), next(chunks)

    exchange.close()

    assert browser.data() == {"old": 1, "new": 1}


def test_a_generator_exit_from_the_body_loses_nothing(browser: Browser) -> None:
    def chunks(session: Session) -> Iterator[bytes]:
        yield b"one"
        session["new"] = 1
        raise GeneratorExit

    exchange = browser.exchange(answering(chunks)).call()
    with pytest.raises(GeneratorExit):
        list(exchange.result)

    exchange.close()

    assert browser.data() == {"old": 1, "new": 1}


def test_what_came_before_an_error_in_the_stream_but_after_the_commit_is_dropped(store: RecordingStore) -> None:
    browser = Browser(Site(backend=store))

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        environ[KEY]["before"] = 1
        yield b"one"
        environ[KEY]["after"] = 1
        raise Boom

    exchange = browser.exchange(app)
    with pytest.raises(Boom):
        exchange.run()
    browser.receive(exchange)

    assert browser.data() == {"before": 1}
    assert [event.reason for event in browser.site.events if event.name == "discarded"] == ["app_raised"]


def test_what_came_before_an_error_in_close_is_dropped(browser: Browser) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
        session = environ[KEY]

        def fail() -> None:
            session["new"] = 1
            raise Boom

        start_response("200 OK", PLAIN)
        return Body(on_close=fail)

    with pytest.raises(Boom):
        browser.get(app)

    assert browser.data() == {"old": 1}


def test_a_late_save_that_fails_is_raised_where_the_body_ends(browser: Browser, store: RecordingStore) -> None:
    def break_it(session: Session) -> None:
        session["new"] = 1
        store.broken = {"replace"}

    exchange = browser.exchange(streaming(nothing, break_it)).call()
    chunks = iter(exchange.result)
    assert next(chunks) == b"chunk"

    with pytest.raises(StoreUnavailable):
        next(chunks)

    store.broken.clear()
    exchange.close()
    assert store.calls.count("replace") == 1
    assert browser.data() == {"old": 1}


def test_a_late_save_that_fails_is_the_store_s_failure_and_not_the_application_s(store: RecordingStore) -> None:
    browser = Browser(Site(backend=store))

    def break_it(session: Session) -> None:
        session["second"] = 1
        store.broken = {"replace"}

    with pytest.raises(StoreUnavailable):
        browser.get(streaming(put(first=1), break_it))

    assert [event.name for event in browser.site.events if event.name in ("store_failed", "discarded")] == [
        "store_failed"
    ]


def test_a_save_that_fails_at_close_is_raised_there(browser: Browser, store: RecordingStore) -> None:
    def break_it(session: Session) -> None:
        session["new"] = 1
        store.broken = {"replace"}

    exchange = browser.exchange(streaming(nothing, break_it, nothing)).call()
    chunks = iter(exchange.result)
    next(chunks), next(chunks)

    with pytest.raises(StoreUnavailable):
        exchange.close()


def test_a_first_read_after_the_commit_works_with_one_warning(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    seen: dict[str, Any] = {}
    caplog.set_level(logging.WARNING, "sessionware")

    exchange = browser.get(streaming(nothing, seen.update, seen.update))

    assert seen == {"old": 1}
    assert exchange.header("Vary") is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("end", ["invalidate", "clear"])
def test_a_stored_session_can_be_ended_late(browser: Browser, store: RecordingStore, end: str) -> None:
    at_once: list[int] = []

    def act(session: Session) -> None:
        getattr(session, end)()
        at_once.append(len(store.held()))

    exchange = browser.get(streaming(nothing, act, nothing))

    assert at_once == [0]
    assert exchange.cookies == {}
    assert browser.data() == {}


def test_a_late_renewal_of_a_cookie_session_waits_for_another_request() -> None:
    clock = FakeClock()
    browser = Browser(Site(backend="cookie", clock=clock))
    browser.send(put(old=1))
    clock.advance(1800)

    exchange = browser.get(streaming(nothing, len))

    assert exchange.headers == PLAIN
    assert browser.send(len).cookies


def test_a_late_renewal_of_a_stored_session_is_written(store: RecordingStore) -> None:
    clock = FakeClock()
    browser = Browser(Site(backend=store, clock=clock))
    browser.send(put(old=1))
    clock.advance(1800)
    store.calls.clear()

    browser.get(streaming(nothing, len))

    assert store.calls == ["load", "replace"]


@pytest.mark.parametrize("failure", [StoreUnavailable("down"), Conflict()], ids=["down", "conflict"])
def test_a_renewal_is_tried_once_in_a_request(store: RecordingStore, failure: Exception) -> None:
    clock = FakeClock()
    browser = Browser(Site(backend=store, clock=clock))
    browser.send(put(old=1))
    clock.advance(1800)
    store.calls.clear()
    store.failure, store.broken = failure, {"replace"}

    browser.get(streaming(len, len))

    assert store.calls == ["load", "replace"]


@pytest.mark.parametrize(("status", "is_saved"), [("500 Internal Server Error", False), ("200 OK", True)])
def test_a_late_change_of_an_error_page_is_dropped_where_the_configuration_says_so(status: str, is_saved: bool) -> None:
    browser = Browser(Site(backend="memory", save_on_error=False))
    browser.send(put(old=1))

    browser.get(streaming(nothing, put(new=1), status=status))

    assert ("new" in browser.data()) is is_saved
    assert ("error_status" in [event.reason for event in browser.site.events]) is not is_saved


def test_an_untouched_stream_asks_nothing() -> None:
    store = RecordingStore()

    exchange = Exchange(middleware(answering(lambda session: Body()), backend=store)).run()

    assert exchange.headers == PLAIN
    assert store.calls == []


# Too late for the browser or the store.


NEEDS_A_COOKIE: dict[str, Action] = {
    "login": login("ada"),
    "regenerate": call("regenerate"),
    "remember": call("remember", "1d"),
}
CHANGES: dict[str, Action] = {
    "assignment": put(a=2),
    "deletion": call("pop", "old", None),
    "alter": call("alter", "old", lambda value: 3),
    "modified": lambda session: setattr(session, "modified", True),
    "invalidate": call("invalidate"),
    "clear": call("clear"),
}


def raises_headers_sent(raised: list[bool], act: Callable[[Session], object]) -> Action:
    def step(session: Session) -> None:
        try:
            act(session)
        except HeadersSent:
            raised.append(True)

    return step


@pytest.mark.parametrize("name", NEEDS_A_COOKIE)
def test_what_needs_a_cookie_raises_where_it_is_called(browser: Browser, store: RecordingStore, name: str) -> None:
    raised: list[bool] = []
    store.calls.clear()

    browser.get(streaming(nothing, raises_headers_sent(raised, NEEDS_A_COOKIE[name])))

    assert raised == [True]
    assert set(store.calls) == {"load"}


@pytest.mark.parametrize("name", [*NEEDS_A_COOKIE, *CHANGES])
def test_any_late_change_of_a_cookie_session_raises(name: str) -> None:
    raised: list[bool] = []
    browser = Browser(Site(backend="cookie"))
    browser.send(put(old=1))

    browser.get(streaming(nothing, raises_headers_sent(raised, {**NEEDS_A_COOKIE, **CHANGES}[name])))

    assert raised == [True]
    assert browser.data() == {"old": 1}


@pytest.mark.parametrize("name", [*NEEDS_A_COOKIE, *CHANGES])
def test_any_late_change_of_a_session_that_is_not_stored_raises(store: RecordingStore, name: str) -> None:
    raised: list[bool] = []
    browser = Browser(Site(backend=store))

    browser.get(streaming(len, raises_headers_sent(raised, {**NEEDS_A_COOKIE, **CHANGES}[name])))

    assert raised == [True]
    assert store.calls == []


def test_a_nested_change_that_needs_a_cookie_raises_at_the_end_of_the_body() -> None:
    browser = Browser(Site(backend="cookie"))
    browser.send(put(cart=[]))
    exchange = browser.exchange(streaming(nothing, lambda session: session["cart"].append(1))).call()
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
def test_after_the_answer_any_change_raises(browser: Browser, name: str, change: str) -> None:
    session = browser.get(FINISHED[name], **{"wsgi.file_wrapper": FileWrapper}).environ[KEY]

    with pytest.raises(HeadersSent):
        {**NEEDS_A_COOKIE, **CHANGES, "save": Session.save}[change](session)


def test_after_an_error_any_change_raises(browser: Browser) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        raise Boom

    exchange = browser.exchange(app)
    with pytest.raises(Boom):
        exchange.call()

    with pytest.raises(HeadersSent):
        exchange.environ[KEY]["a"] = 1


def test_after_an_error_in_the_stream_any_change_raises(browser: Browser) -> None:
    def chunks(session: Session) -> Iterator[bytes]:
        yield b"one"
        raise Boom

    exchange = browser.exchange(answering(chunks))
    with pytest.raises(Boom):
        exchange.run()

    with pytest.raises(HeadersSent):
        exchange.environ[KEY]["a"] = 1
