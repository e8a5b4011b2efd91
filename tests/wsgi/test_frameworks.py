"""Flask and Bottle catch errors and answer by themselves; the answer is still the right one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any
from wsgiref.util import FileWrapper

import bottle  # type: ignore[import-untyped]
import flask
import pytest
from support.actions import put
from support.browser import Browser, Site
from support.constants import KEY
from support.exchange import Exchange
from support.stores import RecordingStore

from sessionware import ConflictError, get_session


@pytest.fixture
def browser(store: RecordingStore) -> Browser:
    """A site with a store, and a visitor who has a session."""
    browser = Browser(Site(backend=store))
    browser.send(put(visits=1))
    return browser


def make_flask() -> flask.Flask:
    app = flask.Flask("shop")

    @app.get("/")
    def count() -> str:
        return str(get_session(flask.request.environ).alter("visits", lambda n: n + 1, 0))

    @app.get("/stream")
    def stream() -> flask.Response:
        session = get_session(flask.request.environ)

        def chunks() -> Iterator[str]:
            yield "one"
            session["streamed"] = True

        return flask.Response(chunks())

    @app.get("/file")
    def file() -> flask.Response:
        get_session(flask.request.environ)["sent"] = True
        return flask.send_file(io.BytesIO(b"content"), mimetype="text/plain")

    return app


def make_bottle() -> Any:
    app = bottle.Bottle()

    def count() -> str:
        return str(get_session(bottle.request.environ).alter("visits", lambda n: n + 1, 0))

    def redirect() -> None:
        get_session(bottle.request.environ)["redirected"] = True
        bottle.redirect("/")

    def stream() -> Iterator[str]:
        get_session(bottle.request.environ)["streamed"] = True
        yield "one"

    app.get("/", callback=count)
    app.get("/redirect", callback=redirect)
    app.get("/stream", callback=stream)
    return app


MAKERS = [pytest.param(make_flask, id="flask"), pytest.param(make_bottle, id="bottle")]


@pytest.mark.parametrize("make", MAKERS)
def test_a_session_is_counted_up(browser: Browser, make: Any) -> None:
    app = make()

    assert [browser.get(app).body for _ in range(2)] == [b"2", b"3"]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("operation", ["load", "replace"])
def test_a_store_that_is_down_is_a_503_that_nobody_keeps(
    browser: Browser, store: RecordingStore, make: Any, operation: str
) -> None:
    app = make()
    store.broken = {operation}

    exchange = browser.get(app, **{"wsgi.errors": io.StringIO()})

    assert exchange.status.startswith("503 ")
    assert exchange.header("Retry-After") == "5"
    assert exchange.header("Cache-Control") == "no-store"
    assert exchange.cookies == {}


def test_a_500_of_an_error_handler_in_flask_becomes_the_503(browser: Browser, store: RecordingStore) -> None:
    app = make_flask()
    app.register_error_handler(Exception, lambda error: ("sorry", 500))
    store.broken = {"load"}

    exchange = browser.get(app)

    assert exchange.status == "503 Service Unavailable"
    assert b"sorry" not in exchange.body


def test_an_error_handler_in_flask_that_knows_the_error_is_left_alone(browser: Browser, store: RecordingStore) -> None:
    app = make_flask()
    app.register_error_handler(503, lambda error: ("come back later", 503))
    store.broken = {"load"}

    exchange = browser.get(app)

    assert exchange.body == b"come back later"


def test_a_conflict_in_flask_is_a_409(browser: Browser) -> None:
    app = make_flask()
    app.add_url_rule("/conflict", view_func=lambda: (_ for _ in ()).throw(ConflictError("superseded")))

    exchange = browser.get(app, PATH_INFO="/conflict")

    assert exchange.status.startswith("409 ")
    assert exchange.header("Retry-After") == "1"


@pytest.mark.parametrize("make", MAKERS)
def test_what_a_stream_changes_is_saved(browser: Browser, make: Any) -> None:
    exchange = browser.get(make(), PATH_INFO="/stream")

    assert exchange.body == b"one"
    assert browser.data()["streamed"] is True


def test_a_redirect_of_bottle_is_saved(browser: Browser) -> None:
    exchange = browser.get(make_bottle(), PATH_INFO="/redirect")

    assert exchange.status.startswith("30")
    assert browser.data()["redirected"] is True


def test_a_file_of_flask_reaches_the_server_as_a_file(browser: Browser) -> None:
    exchange = browser.exchange(make_flask(), PATH_INFO="/file", **{"wsgi.file_wrapper": FileWrapper}).call()

    assert isinstance(exchange.result, FileWrapper)
    exchange.close()
    assert browser.data()["sent"] is True


def test_the_error_page_of_a_bug_in_flask_is_an_answer_like_another(browser: Browser) -> None:
    app = make_flask()

    @app.get("/bug")
    def bug() -> str:
        get_session(flask.request.environ)["kept"] = True
        raise ValueError

    exchange = browser.get(app, PATH_INFO="/bug")

    assert exchange.status == "500 INTERNAL SERVER ERROR"
    assert browser.data()["kept"] is True


def test_the_session_of_flask_stands_beside_ours(browser: Browser) -> None:
    app = make_flask()
    app.secret_key = "flask's own"

    @app.get("/both")
    def both() -> str:
        flask.session["theirs"] = 1
        get_session(flask.request.environ)["ours"] = 1
        return ""

    exchange: Exchange = browser.get(app, PATH_INFO="/both")

    cookies = [value.partition("=")[0] for name, value in exchange.headers if name == "Set-Cookie"]
    assert cookies == ["session"]
    assert exchange.header("Vary") == "Cookie"
    assert "ours" in exchange.environ[KEY]
