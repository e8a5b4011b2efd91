"""An application that answers past WSGI, as a WebSocket does: its return passes, and what needs no cookie is saved."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.actions import Action, call, login, nothing, put, read, then
from support.browser import Browser, Site
from support.constants import KEY, PLAIN
from support.exchange import Exchange
from support.stores import RecordingStore
from wsgi.applications import Body, Boom

from sessionware import HeadersSent

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def returning(action: Action, body: Any) -> Any:
    """An application that does *action*, never calls start_response, and returns *body*."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        action(environ[KEY])
        return body

    return app


def raising(action: Action, error: BaseException) -> Any:
    """An application that does *action*, never calls start_response, and raises *error*."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        action(environ[KEY])
        raise error

    return app


def pass_on(exchange: Exchange) -> None:
    """Call the application as a server does that has given its connection away."""
    try:
        exchange.call()
    except StopIteration:
        return
    exchange.close()


WAYS = {
    "a list": lambda action: returning(action, []),
    "a sign of the server": lambda action: returning(action, Body([])),
    "no body at all": lambda action: returning(action, None),
    "StopIteration": lambda action: raising(action, StopIteration()),
}
all_ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@all_ways
def test_what_has_changed_in_a_stored_session_is_saved(browser: Browser, way: Any) -> None:
    pass_on(browser.exchange(way(put(new=1))))

    assert browser.data() == {"old": 1, "new": 1}


def test_the_error_that_hands_the_connection_over_passes_unchanged(browser: Browser) -> None:
    error = StopIteration()
    exchange = browser.exchange(raising(put(new=1), error))

    with pytest.raises(StopIteration) as caught:
        exchange.call()

    assert caught.value is error
    assert exchange.starts == []


@all_ways
def test_the_session_is_finished(browser: Browser, way: Any) -> None:
    exchange = browser.exchange(way(read))

    pass_on(exchange)

    with pytest.raises(HeadersSent):
        exchange.environ[KEY]["late"] = 1


def test_a_session_that_is_due_is_renewed() -> None:
    site = Site(RecordingStore())
    browser = Browser(site)
    browser.send(put(old=1))
    site.clock.advance(1800)
    site.events.clear()

    pass_on(browser.exchange(raising(read, StopIteration())))

    assert site.names() == ["renewed"]


NEEDING: dict[str, tuple[str, Action]] = {
    "a new session": ("nobody", put(new=1)),
    "a login": ("visitor", login("ada", role="admin")),
    "a change beside a new id": ("visitor", then(call("regenerate"), put(role="admin"))),
    "remember": ("visitor", then(put(new=1), call("remember", "30d"))),
}


@all_ways
@pytest.mark.parametrize("name", NEEDING)
def test_what_needs_a_cookie_is_discarded_and_the_log_says_so(
    store: RecordingStore, caplog: pytest.LogCaptureFixture, way: Any, name: str
) -> None:
    who, action = NEEDING[name]
    browser = Browser(Site(store))
    if who == "visitor":
        browser.send(put(old=1))
    before = store.held()
    browser.site.events.clear()

    pass_on(browser.exchange(way(action)))

    assert browser.site.names() == ["discarded unanswered"]
    assert store.held() == before
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "WebSocket" in warning.getMessage()


@pytest.mark.parametrize("action", [put(new=1), call("clear"), then(put(new=1), call("save"))])
def test_every_change_of_a_cookie_session_is_discarded(caplog: pytest.LogCaptureFixture, action: Action) -> None:
    browser = Browser(Site())
    browser.send(put(old=1))

    pass_on(browser.exchange(raising(action, StopIteration())))

    assert browser.site.names()[-1:] == ["discarded unanswered"]
    assert browser.data() == {"old": 1}
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 1


def test_a_cookie_that_save_has_made_and_that_cannot_be_sent_is_told(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    browser.site.events.clear()

    pass_on(browser.exchange(raising(then(login("ada"), call("save")), StopIteration())))

    assert browser.site.names() == ["regenerated login", "discarded unanswered"]
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 1


@pytest.mark.parametrize("action", [nothing, read, call("clear")], ids=["nothing", "a read", "an end"])
def test_what_needs_no_cookie_is_no_warning(browser: Browser, caplog: pytest.LogCaptureFixture, action: Action) -> None:
    pass_on(browser.exchange(raising(action, StopIteration())))

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_an_end_holds(browser: Browser, store: RecordingStore) -> None:
    pass_on(browser.exchange(raising(call("clear"), StopIteration())))

    assert store.held() == {}


def test_a_session_that_is_emptied_has_ended(browser: Browser, store: RecordingStore) -> None:
    pass_on(browser.exchange(raising(lambda session: session.pop("old"), StopIteration())))

    assert store.held() == {}


@pytest.mark.parametrize("broken", ["load", "replace"])
def test_a_save_that_fails_is_told_and_leaves_the_connection_alone(
    browser: Browser, store: RecordingStore, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    def act(session: Any) -> None:
        if broken == "load":
            with pytest.raises(type(store.failure)):
                session["new"] = 1
        else:
            session["new"] = 1

    store.broken = {broken}
    body = Body([])
    exchange = browser.exchange(returning(act, body)).call()

    assert exchange.result is body
    assert exchange.starts == []
    assert "store_failed" in caplog.text


def test_a_value_that_cannot_be_stored_is_told(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    def spoil(session: Any) -> None:
        session["cart"] = []
        session["cart"].append(object())

    pass_on(browser.exchange(raising(spoil, StopIteration())))

    assert "cart" in caplog.text
    assert browser.data() == {"old": 1}


def test_a_stream_that_never_starts_is_saved_when_it_ends(browser: Browser) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        environ[KEY]["a"] = 1
        yield b"one"
        environ[KEY]["b"] = 2

    result = browser.exchange(app).call().result

    assert list(result) == [b"one"]
    assert browser.data() == {"old": 1, "a": 1, "b": 2}


def test_stop_iteration_after_an_answer_was_begun_is_an_error_like_another(browser: Browser) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY]["new"] = 1
        start_response("200 OK", PLAIN)
        raise StopIteration

    with pytest.raises(StopIteration):
        browser.get(app)

    assert browser.data() == {"old": 1}


def test_another_error_saves_nothing(browser: Browser) -> None:
    with pytest.raises(Boom):
        browser.get(raising(put(new=1), Boom()))

    assert browser.data() == {"old": 1}
