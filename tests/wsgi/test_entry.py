"""What happens when a request comes in: the session in environ, and the passes of one request through middlewares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bottle  # type: ignore[import-untyped]
import flask
import pytest
from support.actions import put
from support.browser import Browser, Site
from support.constants import COOKIE, KEY, PLAIN, SECRET
from support.exchange import Exchange
from support.stores import RecordingStore
from wsgi.applications import answering, middleware, viewing

from sessionware import ConfigError, Session, SessionMiddleware, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def test_the_session_and_its_manager_stand_in_environ() -> None:
    wrapped = middleware(answering([b""]))

    environ = Exchange(wrapped).run().environ

    assert isinstance(environ["sessionware.session"], Session)
    assert environ["sessionware.manager"] is wrapped.manager


def test_another_key_has_its_manager_beside_it() -> None:
    wrapped = middleware(answering([b""]), environ_key="visitor")

    environ = Exchange(wrapped).run().environ

    assert isinstance(environ["visitor"], Session)
    assert environ["visitor.manager"] is wrapped.manager
    assert KEY not in environ


def test_get_session_gives_the_session_and_touches_nothing() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", PLAIN)
        return [repr(get_session(environ)).encode()]

    exchange = Exchange(middleware(app)).run()

    assert b"not loaded" in exchange.body
    assert exchange.headers == PLAIN


def test_get_session_takes_the_key_of_the_configuration() -> None:
    environ = Exchange(middleware(answering([b""]), environ_key="visitor")).run().environ

    assert get_session(environ, "visitor") is environ["visitor"]


@pytest.mark.parametrize(
    "environ", [pytest.param({}, id="nothing there"), pytest.param({KEY: {}}, id="something of somebody else's")]
)
def test_get_session_without_a_middleware_names_the_cure(environ: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"SessionMiddleware\(app") as caught:
        get_session(environ)

    assert "environ_key" in str(caught.value)


@pytest.mark.parametrize("given", [flask.Request({}), object(), None], ids=["request", "object", "none"])
def test_get_session_of_something_else_asks_for_environ(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"write get_session\(environ\), which a request has as request\.environ"):
        get_session(given)


@pytest.mark.parametrize(
    ("app", "cure"),
    [
        pytest.param(flask.Flask("shop"), "write app.wsgi_app = SessionMiddleware(app.wsgi_app, {...})", id="Flask"),
        pytest.param(bottle.Bottle(), "give the middleware another name than the application", id="Bottle"),
    ],
)
def test_a_member_of_the_application_is_an_error_that_says_how_to_reach_it(app: Any, cure: str) -> None:
    wrapped: Any = SessionMiddleware(app, {"secret": SECRET})

    with pytest.raises(
        AttributeError, match="'SessionMiddleware' object has no attribute 'run', which the appl"
    ) as caught:
        wrapped.run()

    assert cure in str(caught.value)
    assert not hasattr(wrapped, "nothing_of_this_name")
    assert not hasattr(wrapped, "__iter__")


def test_an_untouched_request_asks_nothing_and_adds_nothing() -> None:
    store = RecordingStore()
    browser = Browser(Site(backend=store))
    browser.send(put(a=1))
    store.calls.clear()

    exchange = browser.get(answering([b"hello"]))

    assert exchange.headers == PLAIN
    assert exchange.body == b"hello"
    assert store.calls == []


def test_the_cookie_is_taken_at_entry() -> None:
    browser = Browser(Site(backend="memory"))
    browser.send(put(a=1))
    seen = {}

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        del environ["HTTP_COOKIE"]
        seen.update(environ[KEY])
        start_response("200 OK", PLAIN)
        return [b""]

    browser.get(app)

    assert seen == {"a": 1}


def test_the_scheme_is_taken_at_the_first_touch() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ["wsgi.url_scheme"] = "https"
        environ[KEY]["a"] = 1
        environ["wsgi.url_scheme"] = "http"
        start_response("200 OK", PLAIN)
        return [b""]

    wrapped = SessionMiddleware(app, secret=SECRET)

    exchange = Exchange(wrapped, HTTP_HOST="localhost", REMOTE_ADDR="127.0.0.1", SERVER_PROTOCOL="HTTP/1.1").run()

    line = exchange.header("Set-Cookie")
    assert line is not None
    assert line.startswith(f"{COOKIE}=")
    assert "Secure" in line


def nested(outer: dict[str, Any], inner: dict[str, Any]) -> WSGIApplication:
    within = middleware(answering([b"inside"]), {"backend": "memory", **inner})
    return middleware(within, {"backend": "memory", **outer})


def test_two_middlewares_with_names_of_their_own_serve_one_app() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY]["where"] = "outside"
        environ["inner"]["where"] = "inside"
        start_response("200 OK", PLAIN)
        return [b""]

    inner = middleware(app, {"environ_key": "inner", "cookie.name": "inner"}, backend="memory")

    exchange = Exchange(middleware(inner, backend="memory")).run()

    names = [value.partition("=")[0] for name, value in exchange.headers if name == "Set-Cookie"]
    assert names == ["inner", "sid"]
    assert exchange.header("Vary") == "Cookie"


@pytest.mark.parametrize(
    ("inner", "named"),
    [
        pytest.param({}, KEY, id="everything"),
        pytest.param({"cookie.name": "other"}, KEY, id="the key in environ"),
        pytest.param({"environ_key": "other"}, "'sid'", id="the cookie"),
    ],
)
def test_two_middlewares_must_not_share_a_name(inner: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Exchange(nested({}, inner)).run()


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        pytest.param({"backend": "cookie"}, {"cookie.name": "sid-seen"}, id="outside"),
        pytest.param({"cookie.name": "sid-seen"}, {"backend": "cookie"}, id="inside"),
    ],
)
def test_the_companion_of_a_cookie_session_counts_as_a_name(outer: dict[str, str], inner: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="'sid-seen'"):
        Exchange(nested(outer, {"environ_key": "other", **inner})).run()


def test_a_session_of_a_store_has_no_companion() -> None:
    exchange = Exchange(nested({}, {"environ_key": "other", "cookie.name": "sid-seen"})).run()

    assert exchange.body == b"inside"


@pytest.mark.parametrize(
    ("outer", "inner"), [("shop.session", "shop"), ("shop", "shop.manager"), ("shop.manager", "shop")]
)
def test_a_manager_s_place_in_environ_counts_as_a_name(outer: str, inner: str) -> None:
    with pytest.raises(ConfigError, match="environ_key"):
        Exchange(nested({"environ_key": outer}, {"environ_key": inner, "cookie.name": "other"})).run()


@pytest.mark.parametrize("option", [{"cookie.path": "/admin"}, {"cookie.domain": "example.com"}])
def test_one_cookie_name_may_serve_two_paths_or_domains(option: dict[str, str]) -> None:
    exchange = Exchange(nested({}, {"environ_key": "other", **option})).run()

    assert exchange.body == b"inside"


def test_a_rival_is_found_behind_another_middleware() -> None:
    between = middleware(nested({"environ_key": "a", "cookie.name": "a"}, {"cookie.name": "b"}), backend="memory")

    with pytest.raises(ConfigError, match=KEY):
        Exchange(between).run()


def test_the_same_middleware_may_be_passed_again_with_a_copied_environ() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        if environ["PATH_INFO"] == "/":
            environ[KEY]["outer"] = 1
            Exchange(wrapped, **{**environ, "PATH_INFO": "/part"}).run()
            assert dict(environ[KEY]) == {"outer": 1}
        else:
            assert "outer" not in environ[KEY]
        start_response("200 OK", PLAIN)
        return [b"whole"]

    wrapped = middleware(app, backend="memory")

    exchange = Exchange(wrapped).run()

    assert exchange.body == b"whole"
    assert exchange.cookies


def test_an_error_document_is_a_pass_of_its_own_with_the_same_environ() -> None:
    first = middleware(viewing(lambda session: session.update(found=False), status="404 Not Found"), backend="memory")
    second = middleware(viewing(lambda session: sorted(session)), {"cookie.name": "other"}, backend="memory")

    def error_documents(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        inner = Exchange(first)
        inner.environ = environ
        assert inner.run().status == "404 Not Found"
        return second(environ, start_response)

    exchange = Exchange(error_documents).run()

    assert exchange.status == "200 OK"
    assert exchange.body == b"[]"


def test_an_environ_that_serves_for_many_passes_collects_no_sessions() -> None:
    wrapped = middleware(answering([b""]), backend="memory")
    exchange = Exchange(wrapped)

    for _ in range(5):
        exchange.starts.clear()
        exchange.run()

    assert len(exchange.environ["sessionware.open"]) == 1
