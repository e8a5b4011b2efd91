"""A request that another site has caused: refused where it touches its session, and never before."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import flask
import pytest
from support.actions import Action, call, login, nothing, put, raised_by, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE, KEY, PLAIN
from support.exchange import Exchange
from werkzeug.exceptions import Forbidden
from wsgi.applications import answering, streaming, viewing

from sessionware import CrossSiteRequest, Event, Session, SessionwareError, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

EVIL = "https://evil.example"
#: A form on another site that posts to ours.
FORGED = {"REQUEST_METHOD": "POST", "HTTP_ORIGIN": EVIL, "HTTP_SEC_FETCH_SITE": "cross-site"}
TEXT = b"This request came from another site, and may not use the session of this one.\n"
CORS = [("Access-Control-Allow-Origin", EVIL), ("Access-Control-Allow-Credentials", "true"), ("Vary", "Origin")]
#: As many origins as a log names.
MAX_NAMED_ORIGINS = 100

TOUCHES: dict[str, Action] = {
    "get": call("get", "old"),
    "len": len,
    "put": put(new=1),
    "login": login("mallory"),
    "clear": call("clear"),
    "invalidate": call("invalidate"),
    "regenerate": call("regenerate"),
    "remember": call("remember", "1d"),
    "alter": call("alter", "old", lambda old: old),
    "save": call("save"),
    "revert": call("revert"),
    "modified": lambda session: session.modified,
    "user_id": lambda session: session.user_id,
    "id": lambda session: session.id,
}

touches = pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)


def assert_is_403(exchange: Exchange) -> None:
    assert exchange.starts == [
        (
            "403 Forbidden",
            [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(TEXT))),
                ("Cache-Control", "no-store"),
            ],
        )
    ]
    assert exchange.body == TEXT


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


# What is refused, and what is not.


@touches
def test_every_touch_is_refused_and_changes_nothing(browser: Browser, touch: Action) -> None:
    exchange = browser.get(viewing(touch), **FORGED)

    assert_is_403(exchange)
    assert browser.data() == {"old": 1}


def test_a_visitor_without_a_session_is_signed_in_by_none(site: Site) -> None:
    """The forged sign-in: the visitor would go on, unknowingly, in the attacker's account."""
    browser = Browser(site)

    exchange = browser.get(viewing(login("mallory")), **FORGED)

    assert_is_403(exchange)
    assert browser.cookies == {}


def test_the_store_is_not_asked(stored: Site) -> None:
    browser = visitor(stored)

    browser.ask(then(raised_by(read), raised_by(put(new=1)), raised_by(call("clear"))), **FORGED)

    assert stored.store.calls == []


def test_a_request_that_does_not_touch_its_session_is_served(browser: Browser) -> None:
    answer = browser.ask(nothing, **FORGED)

    assert (answer.status, answer.headers) == (200, PLAIN)
    assert browser.site.events == []


def test_repr_is_no_touch_and_harmless_after_one(light: Browser) -> None:
    answer = light.ask(then(repr, raised_by(read), repr), **FORGED)

    assert answer.result == "<Session, could not be loaded>"
    assert light.ask(repr, **FORGED).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_a_link_from_another_site_finds_the_session(browser: Browser, method: str) -> None:
    assert browser.ask(read, **{**FORGED, "REQUEST_METHOD": method}).result == {"old": 1}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_every_method_that_changes_something_is_refused(light: Browser, method: str) -> None:
    assert light.ask(read, **{**FORGED, "REQUEST_METHOD": method}).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no browser"),
        pytest.param({"HTTP_ORIGIN": "https://example.org"}, id="an older browser"),
        pytest.param({"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "https://example.org"}, id="a browser"),
        pytest.param({"HTTP_SEC_FETCH_SITE": "none"}, id="typed"),
    ],
)
def test_a_page_of_this_site_may_post(browser: Browser, headers: dict[str, str]) -> None:
    answer = browser.send(put(new=2), REQUEST_METHOD="POST", **headers)

    assert answer.status == 200
    assert browser.data() == {"old": 1, "new": 2}


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ({"HTTP_ORIGIN": EVIL}, EVIL),
        ({"HTTP_ORIGIN": "null"}, "null"),
        ({"HTTP_ORIGIN": "https://blog.example.org", "HTTP_SEC_FETCH_SITE": "same-site"}, "https://blog.example.org"),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, "Sec-Fetch-Site: cross-site"),
    ],
)
def test_each_way_in_which_a_browser_tells_it_is_refused(light: Browser, headers: dict[str, str], named: str) -> None:
    assert light.ask(read, REQUEST_METHOD="POST", **headers).status == 403
    assert light.site.names() == [f"refused {named}"]


# What the application sees.


def test_the_error_is_ours_and_werkzeugs(light: Browser) -> None:
    error = light.ask(raised_by(read), **FORGED).result

    assert isinstance(error, CrossSiteRequest)
    assert isinstance(error, SessionwareError)
    assert isinstance(error, Forbidden)
    assert error.code == 403
    assert error.origin == EVIL
    assert EVIL in str(error)
    assert "trusted_origins" in str(error)
    assert EVIL not in str(error.description)
    assert ("Cache-Control", "no-store") in error.get_headers()
    assert "Retry-After" not in dict(error.get_headers())


def test_it_is_raised_at_each_touch_and_told_once(light: Browser) -> None:
    action = then(raised_by(read), raised_by(put(new=1)), raised_by(call("clear")), raised_by(len))

    assert isinstance(light.ask(action, **FORGED).result, CrossSiteRequest)
    assert light.site.names() == [f"refused {EVIL}"]


@pytest.mark.parametrize("mode", ["unavailable", "raise", "anonymous"])
@touches
def test_what_a_store_failure_does_is_another_matter(make_memory: SiteMaker, mode: str, touch: Action) -> None:
    browser = visitor(make_memory(on_store_failure=mode))

    assert_is_403(browser.get(viewing(touch), **FORGED))


def test_an_application_that_caught_it_and_answers_otherwise_is_left_alone(light: Browser) -> None:
    answer = light.ask(raised_by(read), status="404 Not Found", **FORGED)

    assert (answer.status, answer.body, answer.set_cookies) == (404, b"ok", [])


@pytest.mark.parametrize("mode", ["unavailable", "raise", "anonymous"])
def test_a_500_that_a_framework_made_of_it_is_replaced(make_memory: SiteMaker, mode: str) -> None:
    browser = visitor(make_memory(on_store_failure=mode))

    answer = browser.ask(raised_by(read), status="500 Internal Server Error", **FORGED)

    assert (answer.status, answer.body) == (403, TEXT)


def flask_app() -> flask.Flask:
    app = flask.Flask("shop")

    @app.post("/")
    def view() -> str:
        return str(get_session(flask.request.environ)["old"])

    return app


def test_flask_answers_403_by_itself(light: Browser) -> None:
    exchange = light.get(flask_app(), **FORGED)

    assert exchange.status.startswith("403 ")
    assert exchange.header("Cache-Control") == "no-store"
    assert exchange.header("Retry-After") is None


def test_a_500_of_an_error_handler_in_flask_becomes_the_403(light: Browser) -> None:
    app = flask_app()
    app.register_error_handler(Exception, lambda error: ("sorry", 500))

    exchange = light.get(app, **FORGED)

    assert exchange.status == "403 Forbidden"
    assert exchange.body == TEXT


def test_an_error_handler_in_flask_that_knows_the_error_is_left_alone(light: Browser) -> None:
    app = flask_app()
    app.register_error_handler(CrossSiteRequest, lambda error: (f"not from {error.origin}", 418))

    exchange = light.get(app, **FORGED)

    assert (exchange.status[:3], exchange.body) == ("418", f"not from {EVIL}".encode())


# The answer.


def writing(touch: Action) -> WSGIApplication:
    """An application that touches its session before its first write()."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        touch(environ[KEY])
        write(b"one")
        return [b"two"]

    return app


def generating(touch: Action) -> WSGIApplication:
    """An application that begins its answer with the first chunk."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        touch(environ[KEY])
        yield b"one"

    return app


@pytest.mark.parametrize("make", [viewing, writing, generating, streaming])
def test_it_is_the_403_whatever_body_the_application_was_about_to_send(
    light: Browser, make: Callable[[Action], WSGIApplication]
) -> None:
    assert_is_403(light.get(make(put(new=1)), **FORGED))


def test_it_keeps_what_lets_a_script_of_another_origin_read_it(light: Browser) -> None:
    exchange = light.get(answering(lambda session: [session["old"]], headers=[*PLAIN, *CORS]), **FORGED)

    assert exchange.status == "403 Forbidden"
    assert exchange.headers[3:] == CORS


def test_it_carries_the_cookies_of_what_was_saved_before(stored: Site) -> None:
    """Another session in the same request, that of a second middleware, may be the one that is refused."""
    browser = visitor(stored)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        session = get_session(environ)
        session.login("ada")
        session.save()
        raise CrossSiteRequest("another session")

    exchange = browser.get(app)

    assert exchange.status == "403 Forbidden"
    assert exchange.cookies.keys() == {COOKIE}
    assert browser.ask(lambda session: session.user_id).result == "ada"


# Touches after the headers.

TLS = pytest.param({}, id="https")
PLAIN_HTTP = pytest.param({"wsgi.url_scheme": "http", "HTTP_HOST": "example.org"}, id="http")
LOOPBACK = pytest.param({"wsgi.url_scheme": "http", "HTTP_HOST": "localhost:8000"}, id="loopback")
everywhere = pytest.mark.parametrize("place", [TLS, PLAIN_HTTP, LOOPBACK])


@everywhere
@pytest.mark.parametrize("touch", [read, put(new=1), call("clear")], ids=["read", "put", "clear"])
def test_a_first_touch_after_the_headers_is_judged_as_well(
    light: Browser, place: dict[str, str], touch: Action
) -> None:
    exchange = light.exchange(streaming(nothing, touch), **FORGED, **place)

    with pytest.raises(CrossSiteRequest):
        exchange.run()

    assert exchange.status == "200 OK"
    assert light.site.names() == [f"refused {EVIL}"]
    assert light.data() == {"old": 1}


@everywhere
def test_so_is_one_after_the_answer_is_complete(light: Browser, place: dict[str, str]) -> None:
    exchange = light.get(viewing(nothing), **FORGED, **place)

    with pytest.raises(CrossSiteRequest):
        dict(exchange.environ[KEY])


@everywhere
@pytest.mark.parametrize(
    "cause",
    [
        pytest.param({"REQUEST_METHOD": "POST"}, id="no browser"),
        pytest.param({"REQUEST_METHOD": "POST", "HTTP_SEC_FETCH_SITE": "same-origin"}, id="this site"),
        pytest.param({"HTTP_SEC_FETCH_SITE": "cross-site"}, id="a link"),
    ],
)
def test_what_is_not_refused_can_be_read_after_the_headers(place: dict[str, str], cause: dict[str, str]) -> None:
    site = Site("memory")
    browser = Browser(site)
    browser.send(put(old=1), **place)
    found: list[Any] = []

    exchange = browser.get(streaming(nothing, lambda session: found.append(dict(session))), **cause, **place)

    assert exchange.status == "200 OK"
    assert found == [{"old": 1}]


def test_a_stream_that_was_refused_saves_nothing_at_its_end(stored: Site) -> None:
    browser = visitor(stored)

    exchange = browser.get(streaming(raised_by(read), raised_by(put(new=1))), **FORGED)

    assert exchange.status == "200 OK"
    assert stored.store.calls == []
    assert browser.data() == {"old": 1}


# Who may.


def test_a_trusted_origin_may(make: SiteMaker) -> None:
    browser = visitor(make(trusted_origins="https://idp.example https://*.partner.example"))

    for origin in ("https://idp.example", "https://a.b.partner.example"):
        answer = browser.send(put(answered=origin), **{**FORGED, "HTTP_ORIGIN": origin})
        assert answer.status == 200
        assert browser.data() == {"old": 1, "answered": origin}
    assert browser.ask(read, **FORGED).status == 403


def test_where_it_is_allowed_all_may(make: SiteMaker) -> None:
    browser = visitor(make(cross_site="allow"))

    answer = browser.send(put(new=2), **FORGED)

    assert answer.status == 200
    assert browser.data() == {"old": 1, "new": 2}
    assert "refused" not in {event.name for event in browser.site.events}


def test_a_session_outside_of_requests_is_opened_by_a_cookie_alone(light: Browser) -> None:
    header = "; ".join(f"{name}={value}" for name, value in light.cookies.items())

    session = light.site.manager.open({"HTTP_COOKIE": header, "wsgi.url_scheme": "https"})

    assert dict(session) == {"old": 1}


# What is told.


def test_the_event_names_the_origin_and_no_session(light: Browser) -> None:
    light.ask(read, **FORGED)

    event = light.site.event("refused")
    assert event.reason == EVIL
    assert (event.session_id, event.former_id, event.user_id) == (None, None, None)


def test_a_listener_finds_the_session_refused(make_memory: SiteMaker) -> None:
    seen: list[str] = []
    sessions: list[Session] = []

    def listen(event: Event) -> None:
        seen.append(event.name)
        sessions[0].get("old")

    site = make_memory(on_event=listen)

    answer = site.ask(then(sessions.append, raised_by(read)), **FORGED)

    assert isinstance(answer.result, CrossSiteRequest)
    assert seen == ["refused"]


def test_what_an_attacker_writes_is_cut_and_breaks_no_line(light: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sessionware")

    light.ask(read, **{**FORGED, "HTTP_ORIGIN": "https://\r\nsessionware: ended %s" + "x" * 1000})

    reason = light.site.event("refused").reason or ""
    assert reason.startswith("https://??sessionware: ended %s")
    assert len(reason) == 200
    assert all(reason in record.getMessage() for record in caplog.records)
    assert "\n" not in caplog.messages[0]


def test_the_log_names_an_origin_and_the_cures_once(light: Browser, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        light.ask(read, **FORGED)
        light.ask(read, **{**FORGED, "HTTP_ORIGIN": "null"})

    first, second = warnings(caplog)
    assert EVIL in first
    assert "trusted_origins" in first
    assert "cross_site" in first
    assert "Host" in first
    assert "Origin: null" in second


def test_of_a_page_without_an_origin_the_cure_is_not_to_trust_it(light: Browser) -> None:
    error = light.ask(raised_by(read), **{**FORGED, "HTTP_ORIGIN": "null"}).result

    assert str(error).startswith("a page without an origin (Origin: null) has caused this request; ")
    assert "Referrer-Policy" in str(error)
    assert "trusted_origins" not in str(error)


def test_where_the_browser_tells_no_origin_the_error_says_another_site(light: Browser) -> None:
    error = light.ask(raised_by(read), REQUEST_METHOD="POST", HTTP_SEC_FETCH_SITE="cross-site").result

    assert str(error).startswith("another site (Sec-Fetch-Site: cross-site) has caused this request; ")


def test_made_up_origins_do_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()

    for number in range(3 * MAX_NAMED_ORIGINS):
        site.ask(read, **{**FORGED, "HTTP_ORIGIN": f"https://{number}.evil.example"})

    assert len(warnings(caplog)) == MAX_NAMED_ORIGINS


def test_two_sites_in_one_process_warn_each_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    for site in (Site(), Site()):
        site.ask(read, **FORGED)

    assert len(warnings(caplog)) == 2
