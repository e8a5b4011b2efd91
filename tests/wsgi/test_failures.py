"""An application that raises, a session that cannot be saved, and answers whose changes are not wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.actions import put
from support.browser import Browser, Site
from support.constants import KEY, PLAIN
from support.exchange import Exchange
from support.stores import RecordingStore
from wsgi.applications import (
    Body,
    Boom,
    after,
    answering,
    assert_is_503,
    changed,
    middleware,
    raising,
    raising_at_once,
    viewing,
)

from sessionware import ConflictError, CookieTooLarge, Event, RecordTooLarge, SessionDataError, StoreUnavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


# An application that raises: nothing is saved, and the error passes unchanged.


@raising
@pytest.mark.parametrize(
    "error", [Boom("text"), KeyboardInterrupt(), SystemExit(1)], ids=lambda error: type(error).__name__
)
def test_an_error_before_the_commit_passes_unchanged_and_saves_nothing(
    browser: Browser, failing: Any, error: Any
) -> None:
    exchange = browser.exchange(failing(error))

    with pytest.raises(type(error)) as caught:
        exchange.call()

    assert caught.value is error
    assert exchange.starts == []
    assert browser.data() == {"old": 1}


def test_stop_iteration_passes_too() -> None:
    # An application tells gunicorn so that it has taken the connection over.
    error = StopIteration()

    with pytest.raises(StopIteration) as caught:
        Exchange(middleware(raising_at_once(error))).call()

    assert caught.value is error


def test_what_an_error_dropped_is_told(store: RecordingStore) -> None:
    events: list[Event] = []

    with pytest.raises(Boom):
        Exchange(middleware(raising_at_once(Boom()), backend=store, on_event=events.append)).call()

    assert [(event.name, event.reason) for event in events] == [("discarded", "app_raised")]


def test_what_save_wrote_before_an_error_stands(browser: Browser) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY]["saved"] = 1
        environ[KEY].save()
        environ[KEY]["unsaved"] = 1
        raise Boom

    with pytest.raises(Boom):
        browser.get(app)

    assert browser.data() == {"old": 1, "saved": 1}


def test_what_was_ended_before_an_error_stays_ended(browser: Browser, store: RecordingStore) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY].invalidate()
        raise Boom

    with pytest.raises(Boom):
        browser.get(app)

    assert len(store.held()) == 0


def test_an_error_after_write_passes_and_drops_what_came_after(browser: Browser) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        environ[KEY]["before"] = 1
        write(b"sent")
        environ[KEY]["after"] = 1
        raise Boom

    with pytest.raises(Boom):
        browser.get(app)

    assert browser.data() == {"old": 1, "before": 1}


def test_a_store_failure_after_write_is_raised_since_headers_are_out(browser: Browser, store: RecordingStore) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", PLAIN)(b"sent")
        store.broken = {"load"}
        environ[KEY].get("old")
        return []

    exchange = browser.exchange(app)

    with pytest.raises(StoreUnavailable):
        exchange.run()

    assert [status for status, _ in exchange.starts] == ["200 OK"]


# A session that cannot be saved: the answer is dropped, and a fixed one takes its place.


def test_a_save_that_fails_throws_the_answer_away(browser: Browser, store: RecordingStore) -> None:
    store.broken = {"replace"}

    exchange = browser.get(viewing(lambda session: session.update(new=1)))

    assert_is_503(exchange)


def test_a_save_that_fails_is_the_store_s_failure_and_not_the_application_s(store: RecordingStore) -> None:
    events: list[Event] = []
    store.broken = {"create"}

    Exchange(middleware(answering(after(changed, [b""])), backend=store, on_event=events.append)).run()

    assert [event.name for event in events] == ["store_failed"]


def test_a_body_that_changes_its_session_at_its_close_is_no_failure_where_the_answer_is_dropped(
    browser: Browser, store: RecordingStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The change goes with the others, of which the 503 tells."""
    store.broken = {"replace"}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
        start_response("200 OK", PLAIN)
        environ[KEY]["new"] = 1
        return Body(on_close=lambda: environ[KEY].update(closed=True))

    assert_is_503(browser.get(app))
    assert "closing a response" not in caplog.text


def test_a_save_that_fails_closes_and_drops_a_stream(browser: Browser, store: RecordingStore) -> None:
    body = Body()
    store.broken = {"replace"}

    exchange = browser.get(answering(after(changed, body)))

    assert_is_503(exchange)
    assert (body.taken, body.closed) == (1, 1)


@raising
def test_a_store_failure_that_leaves_the_app_is_answered_with_503(browser: Browser, failing: Any) -> None:
    exchange = browser.get(failing(StoreUnavailable("redis://user:password@host is down")))

    assert_is_503(exchange)
    assert browser.data() == {"old": 1}


def test_a_load_that_fails_is_asked_once_and_answered_with_503(browser: Browser, store: RecordingStore) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        with pytest.raises(StoreUnavailable) as first:
            environ[KEY].get("old")
        with pytest.raises(StoreUnavailable) as second:
            environ[KEY].get("old")
        assert str(first.value) == str(second.value)
        raise second.value

    store.calls.clear()
    store.broken = {"load"}

    exchange = browser.get(app)

    assert_is_503(exchange)
    assert store.calls == ["load"]


def test_head_gets_the_headers_of_the_503_without_its_body(browser: Browser, store: RecordingStore) -> None:
    store.broken = {"load"}

    exchange = browser.get(viewing(len), REQUEST_METHOD="HEAD")

    assert exchange.status == "503 Service Unavailable"
    assert exchange.header("Content-Length") == "71"
    assert exchange.chunks == []


def test_an_untouched_request_is_served_while_the_store_is_down(browser: Browser, store: RecordingStore) -> None:
    store.broken = {"load", "create", "replace", "delete"}

    exchange = browser.get(answering([b"fine"]))

    assert exchange.body == b"fine"


def test_a_500_that_a_framework_made_of_it_is_replaced(browser: Browser, store: RecordingStore) -> None:
    def view(session: Any) -> str:
        with pytest.raises(StoreUnavailable):
            session.get("old")
        return "Internal Server Error"

    store.broken = {"load"}

    exchange = browser.get(viewing(view, "500 Internal Server Error"))

    assert_is_503(exchange)


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "502 Bad Gateway"])
def test_an_app_that_caught_it_and_answered_otherwise_is_left_alone(
    browser: Browser, store: RecordingStore, status: str
) -> None:
    def view(session: Any) -> str:
        with pytest.raises(StoreUnavailable):
            session.get("old")
        return "own answer"

    store.broken = {"load"}

    exchange = browser.get(viewing(view, status))

    assert exchange.status == status
    assert exchange.body == b"own answer"
    assert exchange.cookies == {}


def superseded(browser: Browser) -> None:
    """Let the visitor's id be replaced by another request, whose answer does not arrive in time."""
    browser.exchange(viewing(lambda session: session.regenerate())).run()


def test_a_change_under_an_id_that_was_replaced_is_answered_with_409(browser: Browser) -> None:
    superseded(browser)

    exchange = browser.get(viewing(lambda session: session.update(new=1)))

    text = b"This request was overtaken by a change of the session. Please try again.\n"
    assert exchange.status == "409 Conflict"
    assert exchange.headers == [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(text))),
        ("Retry-After", "1"),
        ("Cache-Control", "no-store"),
    ]
    assert exchange.body == text


# What the option on_store_failure makes of a store that is down.


@raising
def test_it_is_raised_where_the_configuration_says_so(failing: Any) -> None:
    error = StoreUnavailable("down")

    with pytest.raises(StoreUnavailable) as caught:
        Exchange(middleware(failing(error), backend="memory", on_store_failure="raise")).call()

    assert caught.value is error


def test_a_save_that_fails_is_raised_where_the_configuration_says_so(store: RecordingStore) -> None:
    body = Body()
    store.broken = {"create"}
    app = answering(after(changed, body))

    with pytest.raises(StoreUnavailable):
        Exchange(middleware(app, backend=store, on_store_failure="raise")).call()

    assert body.closed == 1


def anonymous(store: RecordingStore) -> Browser:
    browser = Browser(Site(backend=store, on_store_failure="anonymous"))
    browser.send(put(old=1))
    return browser


def test_anonymous_means_an_empty_session_in_an_answer_that_nobody_stores(store: RecordingStore) -> None:
    browser = anonymous(store)
    store.broken = {"load"}

    exchange = browser.get(viewing(dict))

    assert exchange.body == b"{}"
    assert exchange.header("Cache-Control") == "no-store"
    assert exchange.header("Vary") == "Cookie"
    assert exchange.cookies == {}


def test_a_change_of_an_anonymous_session_is_the_503(store: RecordingStore) -> None:
    browser = anonymous(store)
    store.broken = {"load"}

    exchange = browser.get(viewing(lambda session: session.clear()))

    assert_is_503(exchange)


def test_where_anonymous_could_load_but_not_save_it_is_the_503_all_the_same(store: RecordingStore) -> None:
    browser = anonymous(store)
    store.broken = {"replace"}

    exchange = browser.get(viewing(lambda session: session.update(new=1)))

    assert_is_503(exchange)


@pytest.mark.parametrize("mode", ["unavailable", "raise", "anonymous"])
def test_on_store_failure_does_not_concern_conflicts(mode: str) -> None:
    error = ConflictError("superseded")

    exchange = Exchange(middleware(raising_at_once(error), backend="memory", on_store_failure=mode)).run()

    assert exchange.status == "409 Conflict"


# Data that cannot be stored, and answers whose changes are not wanted.


def test_data_that_does_not_fit_is_raised_with_nothing_sent() -> None:
    body = Body()
    exchange = Exchange(middleware(answering(after(lambda session: session.update(a="x" * 5000), body))))

    with pytest.raises(CookieTooLarge):
        exchange.call()

    assert exchange.starts == []
    assert body.closed == 1


def test_data_that_does_not_fit_is_raised_even_if_the_application_swallowed_it_in_write() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        environ[KEY]["a"] = "x" * 5000
        with pytest.raises(CookieTooLarge):
            write(b"text")
        return [b"fine"]

    exchange = Exchange(middleware(app))

    with pytest.raises(CookieTooLarge):
        exchange.call()

    assert exchange.starts == []


def test_a_record_that_its_store_refuses_is_raised_with_nothing_sent(browser: Browser, store: RecordingStore) -> None:
    store.limit = 1000
    exchange = browser.exchange(viewing(lambda session: session.update(a="x" * 5000)))

    with pytest.raises(RecordTooLarge):
        exchange.call()

    assert exchange.starts == []
    assert browser.data() == {"old": 1}


def test_a_nested_value_that_cannot_be_stored_is_raised_with_nothing_sent(browser: Browser) -> None:
    def view(session: Any) -> None:
        session["cart"] = []
        session["cart"].append(object())

    exchange = browser.exchange(viewing(view))

    with pytest.raises(SessionDataError, match="cart"):
        exchange.call()

    assert exchange.starts == []
    assert browser.data() == {"old": 1}


@pytest.mark.parametrize(
    ("status", "is_saved"),
    [
        pytest.param("500 Internal Server Error", False, id="500"),
        pytest.param("599 Whatever", False, id="599"),
        pytest.param("404 Not Found", True, id="404"),
        pytest.param("200 OK", True, id="200"),
        pytest.param("what is this", True, id="no number"),
        pytest.param("", True, id="nothing at all"),
    ],
)
def test_a_5xx_saves_nothing_where_the_configuration_says_so(status: str, is_saved: bool) -> None:
    browser = Browser(Site(backend="memory", save_on_error=False))
    browser.send(put(old=1))

    browser.get(viewing(put(new=1), status))

    assert ("new" in browser.data()) is is_saved


def test_a_5xx_saves_as_any_answer_does() -> None:
    browser = Browser(Site(backend="memory"))

    browser.send(put(new=1), status="500 Internal Server Error")

    assert browser.data() == {"new": 1}


def test_a_status_that_is_no_text_is_left_to_the_server() -> None:
    app = answering(after(changed, [b""]), status=200)  # type: ignore[arg-type]

    exchange = Exchange(middleware(app)).call()

    assert exchange.starts[0][0] == 200  # type: ignore[comparison-overlap]
