"""A test logs a user in, reads and changes the session between requests, and moves the clock, by any client."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
import flask_login
import pytest
import webtest
import werkzeug.test
from support.companions import client_knows_scopes
from support.constants import COOKIE, SECRET
from testing.applications import CLIENTS, plain
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from sessionware import ConfigError, HeadersSent, SessionMiddleware
from sessionware.integrations.beaker import SessionMiddleware as BeakerMiddleware
from sessionware.integrations.flask import Sessionware
from sessionware.stores import MemoryStore
from sessionware.testing import FakeClock, SessionClient

Make = Callable[..., Any]
BACKENDS: dict[str, Callable[[], dict[str, Any]]] = {
    "cookie": dict,
    "memory": lambda: {"backend": "memory"},
    "login_backend": lambda: {"login_backend": MemoryStore()},
}
every_client = pytest.mark.parametrize("kind", CLIENTS)


@pytest.fixture(params=BACKENDS)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"secret": SECRET, "clock": FakeClock(), **BACKENDS[request.param]()}


def answered(client: SessionClient) -> Any:
    """What the application says of its session."""
    return json.loads(client.get("/").text)


@every_client
def test_a_user_is_logged_in_for_the_next_request(kind: str, options: dict[str, Any]) -> None:
    client = SessionClient(CLIENTS[kind](options))

    client.log_in("ada", theme="dark")

    assert answered(client) == {"user": "ada", "theme": "dark"}


@every_client
def test_a_change_between_requests_is_one_of_the_session_that_was_there(kind: str, options: dict[str, Any]) -> None:
    client = SessionClient(CLIENTS[kind](options))
    client.log_in("ada")
    with client.session() as session:
        session["cart"] = ["tea"]

    with client.session() as session:
        session["cart"].append("honey")

    assert answered(client) == {"user": "ada", "cart": ["tea", "honey"]}


@every_client
def test_a_test_reads_what_the_session_holds(kind: str, options: dict[str, Any]) -> None:
    client = SessionClient(CLIENTS[kind](options))
    client.log_in(42, theme="dark")

    with client.session() as session:
        seen = session.user_id, session["theme"]

    assert seen == (42, "dark")


@every_client
@pytest.mark.parametrize("duration", ["2h", timedelta(hours=2), 7200])
def test_the_clock_is_moved(kind: str, options: dict[str, Any], duration: Any) -> None:
    client = SessionClient(CLIENTS[kind](options))
    client.log_in("ada")

    client.advance(duration)

    assert answered(client) == {"user": None}


@every_client
def test_a_user_is_logged_out(kind: str, options: dict[str, Any]) -> None:
    client = SessionClient(CLIENTS[kind](options))
    client.log_in("ada")

    client.log_out()

    assert answered(client) == {"user": None}


@every_client
def test_a_look_at_a_new_session_leaves_no_cookie(kind: str, options: dict[str, Any]) -> None:
    client = SessionClient(CLIENTS[kind](options))

    with client.session() as session:
        assert dict(session) == {}

    assert "HTTP_COOKIE" not in client._environ()


def test_two_clients_of_one_application_are_two_browsers(options: dict[str, Any]) -> None:
    app = SessionMiddleware(plain, options)
    ada, visitor = SessionClient(app), SessionClient(app)

    ada.log_in("ada")

    assert answered(visitor) == {"user": None}
    assert answered(ada) == {"user": "ada"}


def test_the_label_of_a_login_stands_in_the_list_of_the_users_sessions() -> None:
    client = SessionClient(SessionMiddleware(plain, backend="memory"))

    client.log_in("ada", label="Firefox")

    assert [info.label for info in client.manager.sessions_of("ada")] == ["Firefox"]


def test_a_block_that_raises_saves_nothing(options: dict[str, Any]) -> None:
    client = SessionClient(SessionMiddleware(plain, options))

    with pytest.raises(ZeroDivisionError), client.session() as session:
        session["half"] = 1 / 0

    assert answered(client) == {"user": None}


def test_a_change_after_the_block_is_not_lost_in_silence(options: dict[str, Any]) -> None:
    client = SessionClient(SessionMiddleware(plain, options))
    client.log_in("ada")
    with client.session() as session:
        session["theme"] = "dark"

    with pytest.raises(HeadersSent):
        session["late"] = True


# Scheme and host


def test_a_plain_application_is_asked_where_the_base_url_says(options: dict[str, Any]) -> None:
    client = SessionClient(SessionMiddleware(plain, options), base_url="https://shop.example")

    client.log_in("ada")

    assert client.cookie_name == COOKIE
    assert answered(client)["user"] == "ada"


@pytest.mark.parametrize(
    ("make", "ask"),
    [
        pytest.param(webtest.TestApp, lambda client, host: client.get(f"https://{host}/"), id="webtest"),
        pytest.param(
            werkzeug.test.Client,
            lambda client, host: client.get("/", base_url=f"https://{host}"),
            id="werkzeug",
            marks=client_knows_scopes,
        ),
    ],
)
def test_a_session_is_that_of_the_host_which_the_base_url_names(options: dict[str, Any], make: Make, ask: Make) -> None:
    client = SessionClient(make(SessionMiddleware(plain, options)), base_url="https://shop.example/")

    client.log_in("ada")

    assert json.loads(ask(client, "shop.example").text)["user"] == "ada"
    assert json.loads(ask(client, "other.example").text)["user"] is None


@client_knows_scopes
def test_a_cookie_of_a_path_is_kept_for_that_path(options: dict[str, Any]) -> None:
    client = SessionClient(SessionMiddleware(plain, {**options, "cookie.path": "/shop"}))

    client.log_in("ada")

    assert json.loads(client.get("/shop").text)["user"] == "ada"
    assert json.loads(client.get("/").text)["user"] is None


def test_a_cookie_that_the_client_does_not_send_back_is_an_error_that_says_so(options: dict[str, Any]) -> None:
    client = SessionClient(webtest.TestApp(SessionMiddleware(plain, {**options, "cookie.secure": True})))

    with pytest.raises(ConfigError, match=r"does not send the cookie '__Host-Http-sid' back.* base_url"):
        client.log_in("ada")


# Finding the manager


def nested(app: Any) -> Any:
    return lambda environ, start_response: app(environ, start_response)


@pytest.mark.parametrize(
    "around",
    [
        pytest.param(ProxyFix, id="a middleware"),
        pytest.param(lambda app: functools.partial(app), id="a partial"),
        pytest.param(nested, id="a closure"),
        pytest.param(lambda app: app.__call__, id="a method"),
        pytest.param(lambda app: DispatcherMiddleware(plain, {"/": app}), id="a mount"),
    ],
)
def test_the_manager_is_found_within(around: Make) -> None:
    app = SessionMiddleware(plain, backend="memory")

    assert SessionClient(werkzeug.test.Client(around(app))).manager is app.manager


def test_a_second_manager_is_found_by_its_key() -> None:
    inner = SessionMiddleware(plain, {"backend": "memory", "environ_key": "other.session", "cookie.name": "other"})
    outer = SessionMiddleware(inner, backend="memory")

    assert SessionClient(outer).manager is outer.manager
    assert SessionClient(outer, environ_key="other.session").manager is inner.manager


def test_the_only_manager_is_found_whatever_its_key() -> None:
    app = SessionMiddleware(plain, backend="memory", environ_key="other.session")

    assert SessionClient(app).manager is app.manager


def test_a_key_that_no_manager_has_is_an_error_that_names_those_there_are() -> None:
    app = SessionMiddleware(plain, backend="memory")

    with pytest.raises(ConfigError, match=r"environ_key = 'othr', but under 'sessionware\.session'"):
        SessionClient(app, environ_key="othr")


def test_an_application_without_a_manager_is_an_error_that_names_the_cure() -> None:
    with pytest.raises(ConfigError, match=r"wrap it, SessionMiddleware\(app"):
        SessionClient(plain)


def test_a_manager_that_is_not_found_is_named() -> None:
    app = SessionMiddleware(plain, backend="memory")

    class Hidden:
        def __call__(self, environ: Any, start_response: Any) -> Any:
            return app(environ, start_response)

    client = SessionClient(Hidden(), manager=app.manager)
    client.log_in("ada")

    assert answered(client)["user"] == "ada"


@pytest.mark.parametrize("client", [None, 42, "app"])
def test_what_is_no_client_is_an_error_that_says_what_is_one(client: Any) -> None:
    with pytest.raises(ConfigError, match="expected a WebTest TestApp"):
        SessionClient(client)


def test_a_flask_application_is_given_its_own_client() -> None:
    app = flask.Flask("shop")
    app.wsgi_app = SessionMiddleware(app.wsgi_app, backend="memory")  # type: ignore[method-assign]

    assert isinstance(SessionClient(app).client, flask.testing.FlaskClient)


def test_flask_login_knows_the_user_who_was_logged_in() -> None:
    app = flask.Flask("shop")
    app.config["SESSIONWARE"] = {"secret": SECRET}
    Sessionware(app)

    def load(user_id: str) -> Any:
        user = flask_login.UserMixin()
        user.id = user_id
        return user

    flask_login.LoginManager(app).user_loader(load)
    app.add_url_rule("/", view_func=flask_login.login_required(lambda: flask_login.current_user.get_id()))
    client = SessionClient(app)
    assert client.get("/").status_code == 401

    client.log_in("ada")

    assert client.get("/").text == "ada"


def test_the_request_of_a_flask_client_that_preserves_it_stays_the_last_one() -> None:
    app = flask.Flask("shop")
    app.wsgi_app = SessionMiddleware(app.wsgi_app, backend="memory")  # type: ignore[method-assign]
    app.add_url_rule("/last", view_func=lambda: "last")

    with app.test_client() as client:
        client.get("/last")
        SessionClient(client).log_in("ada")
        path = flask.request.path

    assert path == "/last"


@pytest.mark.parametrize("auto", [True, False])
def test_a_change_of_a_session_of_beakers_needs_no_save_in_a_test(*, auto: bool) -> None:
    client = SessionClient(webtest.TestApp(BeakerMiddleware(plain, type="memory", auto=auto)))

    with client.session() as session:
        session["theme"] = "dark"

    assert answered(client) == {"user": None, "theme": "dark"}


# The clock


def test_a_clock_that_stands_in_for_the_time_is_moved() -> None:
    client = SessionClient(SessionMiddleware(plain, backend="memory"))

    with FakeClock().installed():
        client.log_in("ada")
        client.advance("2h")
        seen = answered(client)

    assert seen == {"user": None}


def test_the_time_goes_on_after_the_block_of_an_installed_clock() -> None:
    client = SessionClient(SessionMiddleware(plain, backend="memory"))
    with FakeClock().installed():
        pass

    client.log_in("ada")

    with client.session() as session:
        assert session.created_at.year > 2024


def test_a_clock_that_cannot_be_moved_is_an_error_that_names_the_cure() -> None:
    client = SessionClient(SessionMiddleware(plain, backend="memory"))

    with pytest.raises(ConfigError, match="session_clock"):
        client.advance("2h")


@pytest.mark.parametrize("duration", ["soon", "", "-2h"])
def test_what_is_no_duration_does_not_move_a_clock(duration: str) -> None:
    clock = FakeClock()

    with pytest.raises(ValueError, match="expected a duration"):
        clock.advance(duration)
