"""Our own answers, 503 and 409: what they keep of the answer whose place they take, and the cookies that they carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from support.actions import Action, call, login, put, then
from support.browser import Browser, Site
from support.constants import COOKIE, KEY, PLAIN
from support.exchange import Exchange
from support.stores import RecordingStore
from wsgi.applications import Body, answering, assert_is_503, viewing

from sessionware import ConflictError, Session, StoreUnavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: What an application answers to a script of another origin, and what of it lets that script read our answer.
KEPT = [
    ("Access-Control-Allow-Origin", "https://shop.example"),
    ("access-control-allow-credentials", "true"),
    ("Access-Control-Expose-Headers", "Retry-After"),
    ("Vary", "Origin"),
    ("vary", "Accept-Encoding"),
]
ANSWER = [*PLAIN, *KEPT, ("ETag", '"1"'), ("Set-Cookie", "theirs=1"), ("Content-Encoding", "gzip")]

Fail = Callable[[Browser], None]


def break_the_store(browser: Browser) -> None:
    """Let the next save meet a store that is down: 503."""
    browser.site.store.broken = {"replace"}


def replace_the_id(browser: Browser) -> None:
    """Let the next save come from an id that another request has replaced: 409."""
    browser.exchange(viewing(call("regenerate"))).run()


failing = pytest.mark.parametrize(
    ("fail", "status"),
    [
        pytest.param(break_the_store, "503 Service Unavailable", id="503"),
        pytest.param(replace_the_id, "409 Conflict", id="409"),
    ],
)


@failing
@pytest.mark.parametrize("body", [[b"list"], Body([b"stream"])], ids=["list", "stream"])
def test_it_keeps_what_lets_a_script_of_another_origin_read_it(
    browser: Browser, fail: Fail, status: str, body: Any
) -> None:
    def view(session: Session) -> Any:
        session["new"] = 1
        return body

    fail(browser)

    exchange = browser.get(answering(view, headers=ANSWER))

    assert exchange.status == status
    assert exchange.headers[:1] == [("Content-Type", "text/plain; charset=utf-8")]
    assert exchange.headers[4:] == KEPT


@failing
def test_it_has_no_body_for_head(browser: Browser, fail: Fail, status: str) -> None:
    fail(browser)

    exchange = browser.get(viewing(put(new=1)), REQUEST_METHOD="HEAD")

    assert exchange.status == status
    assert exchange.header("Content-Length") not in (None, "0")
    assert exchange.chunks == []


def refuse(error: Exception, action: Action) -> Any:
    """An application that does *action*, begins its answer, and raises *error*."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        action(environ[KEY])
        start_response("200 OK", ANSWER)
        raise error

    return app


errors = pytest.mark.parametrize(
    "error", [StoreUnavailable("down"), ConflictError("late")], ids=lambda error: type(error).__name__
)


@errors
def test_a_login_that_was_saved_reaches_the_browser_with_it(browser: Browser, error: Exception) -> None:
    exchange = browser.get(refuse(error, then(login("ada", cart=["tea"]), call("save"))))

    assert exchange.status[:3] in ("503", "409")
    assert exchange.header("Cache-Control") == "no-store"
    assert browser.data() == {"old": 1, "cart": ["tea"]}
    assert browser.ask(lambda session: session.user_id).result == "ada"


def test_a_login_that_was_saved_survives_a_later_save_that_fails(browser: Browser, store: RecordingStore) -> None:
    def view(session: Session) -> None:
        session.login("ada")
        session.save()
        store.broken = {"replace"}
        session["new"] = 1

    exchange = browser.get(viewing(view))
    store.broken = set()

    assert exchange.status == "503 Service Unavailable"
    assert browser.ask(lambda session: session.user_id).result == "ada"


@errors
def test_an_end_reaches_the_browser_with_it(browser: Browser, error: Exception) -> None:
    exchange = browser.get(refuse(error, call("invalidate")))

    assert exchange.cookies == {COOKIE: None}


def test_an_end_reaches_the_browser_although_what_came_afterwards_cannot_be_stored(
    browser: Browser, store: RecordingStore
) -> None:
    store.broken = {"create"}

    exchange = browser.get(viewing(then(call("clear"), put(new=1))))

    assert exchange.status == "503 Service Unavailable"
    assert exchange.cookies == {COOKIE: None}


def test_a_change_of_id_that_failed_sends_no_cookie(browser: Browser, store: RecordingStore) -> None:
    store.broken = {"replace"}

    exchange = browser.get(viewing(login("ada")))

    assert_is_503(exchange)


@pytest.mark.parametrize("action", [call("clear"), then(put(new=1), call("save"))], ids=["an end", "a save"])
def test_what_a_cookie_session_was_to_say_goes_with_the_answer(action: Action) -> None:
    browser = Browser(Site())
    browser.send(put(old=1))

    exchange = browser.get(refuse(StoreUnavailable("another store of the application"), action))

    assert exchange.status == "503 Service Unavailable"
    assert exchange.cookies == {}
    assert browser.data() == {"old": 1}


def into_500(error: type[Exception], action: Action) -> Any:
    """An application that makes an error page of *error*."""

    def view(session: Session) -> str:
        with pytest.raises(error):
            action(session)
        return "Internal Server Error"

    return answering(lambda session: [view(session).encode()], "500 Internal Server Error", ANSWER)


def into_500_before_start(error: type[Exception], action: Action) -> Any:
    def view(session: Session) -> None:
        with pytest.raises(error):
            action(session)

    return viewing(view, "500 Internal Server Error")


@pytest.mark.parametrize("make", [into_500, into_500_before_start])
def test_a_500_that_a_framework_made_of_a_conflict_is_replaced_too(browser: Browser, make: Any) -> None:
    replace_the_id(browser)
    browser.site.events.clear()

    exchange = browser.get(make(ConflictError, then(put(new=1), call("save"))))

    assert exchange.status == "409 Conflict"
    assert exchange.header("Retry-After") == "1"
    assert browser.site.names() == ["rejected superseded"]


@pytest.mark.parametrize("mode", ["unavailable", "raise", "anonymous"])
def test_a_500_of_a_conflict_is_replaced_even_where_changes_are_not_kept_on_errors(mode: str) -> None:
    browser = Browser(Site(RecordingStore(), save_on_error=False, on_store_failure=mode))
    browser.send(put(old=1))
    replace_the_id(browser)

    exchange = browser.get(into_500(ConflictError, then(put(new=1), call("save"))))

    assert exchange.status == "409 Conflict"


def test_an_app_that_caught_a_conflict_and_took_its_change_back_is_left_alone(browser: Browser) -> None:
    def view(session: Session) -> str:
        session["new"] = 1
        with pytest.raises(ConflictError):
            session.save()
        session.revert()
        return "own answer"

    replace_the_id(browser)

    exchange: Exchange = browser.get(viewing(view))

    assert (exchange.status, exchange.body) == ("200 OK", b"own answer")
