"""``flask.session`` with the real Flask: with and without a middleware, by its settings, and by hand."""

from __future__ import annotations

import enum
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import flask
import flask.sessions
import pytest
from flask.globals import request_ctx
from flask.testing import FlaskClient
from support.companions import writes_partitioned
from support.constants import NEW_SECRET, SECRET
from support.frames import shown_in_frames
from support.stores import RecordingStore
from support.werkzeug_cookies import cookie_of, give_cookie
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import EnvironBuilder
from werkzeug.wsgi import FileWrapper

from sessionware import ConfigError, Session, SessionMiddleware, StoreUnavailable, get_session
from sessionware.integrations.flask import SessionInterface, Sessionware
from sessionware.testing import FakeClock

View = Callable[[], Any]
LENIENT = {"values": "lenient", "user_key": "_user_id", "cookie.name": "session"}


class Shop:
    """A Flask application with one view, which is exchanged, and a browser."""

    def __init__(self, *, is_wrapped: bool = False, config: Any = None, **options: Any) -> None:
        self.clock = FakeClock()
        self.events: list[str] = []
        options = {"clock": self.clock, "on_event": self._note, **options}
        self.app = flask.Flask("shop")
        self.app.config.update(
            {"SECRET_KEY": SECRET, **({} if is_wrapped else {"SESSIONWARE": options})} | (config or {})
        )
        if is_wrapped:
            middleware = SessionMiddleware(self.app.wsgi_app, {"secret": SECRET, **LENIENT, **options})
            self.app.wsgi_app = middleware  # type: ignore[method-assign]
        self.extension = Sessionware(self.app)
        self.app.add_url_rule("/", "view", lambda: self._answer(), methods=["GET", "POST"])
        self.view: View = dict
        self.client = self.app.test_client()

    def _note(self, event: Any) -> None:
        self.events.append(event.name)

    def _answer(self) -> Any:
        result = self.view()
        return "" if result is None else result

    def ask(self, view: View, client: FlaskClient | None = None, **arguments: Any) -> Any:
        self.view = view
        return (client or self.client).get("/", **arguments)

    def data(self) -> Any:
        """What a request sees."""
        seen: dict[str, Any] = {}
        self.ask(lambda: seen.update(flask.session))
        return seen


def put(**values: Any) -> View:
    return lambda: flask.session.update(values)


@pytest.fixture(params=["cookie", "memory"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[False, True], ids=["alone", "wrapped"])
def shop(request: pytest.FixtureRequest, backend: str) -> Shop:
    return Shop(is_wrapped=request.param, backend=backend)


@pytest.fixture
def alone() -> Shop:
    return Shop()


@pytest.fixture(params=[False, True], ids=["alone", "wrapped"])
def stored(request: pytest.FixtureRequest) -> Shop:
    return Shop(is_wrapped=request.param, backend=RecordingStore())


def cookies(answer: Any) -> list[str]:
    return answer.headers.getlist("Set-Cookie")  # type: ignore[no-any-return]


# The session.


def test_what_a_view_writes_the_next_one_reads(shop: Shop) -> None:
    first = shop.ask(put(cart=["tea"]))
    shop.ask(lambda: flask.session["cart"].append("honey"))

    assert shop.data() == {"cart": ["tea", "honey"]}
    assert cookies(first)[0].startswith("session=")


def test_a_view_that_does_not_touch_it_sends_no_vary_and_asks_no_store(stored: Shop) -> None:
    stored.ask(put(a=1))
    stored.app.config["store"] = store = stored.extension.manager_of(stored.app)._settings.store
    assert isinstance(store, RecordingStore)
    store.reset()

    answer = stored.ask(dict)

    assert "Vary" not in answer.headers
    assert store.calls == []


def test_a_view_that_reads_it_sends_vary_and_no_cookie(shop: Shop) -> None:
    shop.ask(put(a=1))

    answer = shop.ask(lambda: str(flask.session["a"]))

    assert answer.headers["Vary"] == "Cookie"
    assert not cookies(answer)


def test_it_is_the_session_in_environ(shop: Shop) -> None:
    seen: list[Any] = []

    shop.ask(lambda: seen.append((flask.session._get_current_object(), get_session(flask.request.environ))))  # type: ignore[attr-defined]

    assert seen[0][0] is seen[0][1]
    assert isinstance(seen[0][0], Session)
    assert isinstance(seen[0][0], flask.sessions.SessionMixin)


def test_it_is_dict_like_as_flasks_is(alone: Shop) -> None:
    def view() -> dict[str, Any]:
        session: Any = flask.session
        session |= {"a": 1, "b": 2}
        assert session == {"a": 1, "b": 2}
        assert list(reversed(session._get_current_object())) == ["b", "a"]
        assert session.popitem() == ("b", 2)
        return session.copy()  # type: ignore[no-any-return]

    assert alone.ask(view).json == {"a": 1}


def test_it_has_the_members_of_ours(stored: Shop) -> None:
    def view() -> dict[str, Any]:
        session: Any = flask.session
        session.login("ada", label="a browser")
        session.alter("visits", lambda n: n + 1, default=0)
        assert session.verify_csrf(session.csrf_token)
        return {"user": session.user_id, "visits": session["visits"]}

    assert stored.ask(view).json == {"user": "ada", "visits": 1}
    listed = stored.extension.manager_of(stored.app).sessions_of("ada")
    assert [info.label for info in listed] == ["a browser"]


def test_sid_is_the_public_id_and_not_the_token(shop: Shop) -> None:
    shop.ask(put(a=1))
    seen: list[str] = []

    shop.ask(lambda: seen.append(flask.session.sid) or flask.session.id)  # type: ignore[attr-defined, func-returns-value]

    token = cookie_of(shop.client, "session")
    assert token is not None
    assert seen[0] not in token


def test_destroy_ends_it(shop: Shop) -> None:
    shop.ask(put(a=1))

    shop.ask(lambda: flask.session.destroy())  # type: ignore[attr-defined]

    assert shop.data() == {}
    assert "ended" in shop.events


def test_regenerate_of_the_interface_gives_a_new_id(stored: Shop) -> None:
    stored.ask(put(a=1))
    ids: list[str] = []

    stored.ask(lambda: ids.append(flask.session.id) or stored.app.session_interface.regenerate(flask.session))  # type: ignore[attr-defined, func-returns-value]
    stored.ask(lambda: ids.append(flask.session.id))  # type: ignore[attr-defined]

    assert ids[0] != ids[1]
    assert stored.data() == {"a": 1}


def test_values_of_related_types_are_kept_as_plain_ones(shop: Shop) -> None:
    role = enum.Enum("role", {"ADMIN": "admin"})

    shop.ask(put(token=OrderedDict(scope=role.ADMIN)))

    assert shop.data() == {"token": {"scope": "admin"}}


# modified, accessed, new.


def test_to_read_modified_accessed_and_new_loads_nothing(stored: Shop) -> None:
    seen: list[Any] = []

    def view() -> None:
        # Not by its name, which counts as an access, in a Flask that has another (since 3.1.3).
        context: Any = request_ctx
        session = context._session if hasattr(context, "_session") else context.session
        seen.extend([session.modified, session.accessed, session.new])

    answer = stored.ask(view)

    assert seen == [False, False, False]
    assert "Vary" not in answer.headers


def test_accessed_can_be_set_as_flasks_own_context_does(alone: Shop) -> None:
    def view() -> str:
        flask.session.accessed = True
        return str(flask.session.accessed)

    answer = alone.ask(view)

    assert answer.text == "True"
    assert "Vary" not in answer.headers


def test_modified_tells_of_a_change_also_after_the_response(shop: Shop) -> None:
    with shop.client:
        shop.ask(put(a=1))
        assert flask.session.modified
    with shop.client:
        shop.ask(lambda: str(flask.session["a"]))
        assert not flask.session.modified


def test_modified_set_to_false_keeps_back_what_was_changed_before(shop: Shop) -> None:
    def view() -> None:
        flask.session["a"] = 1
        flask.session.modified = False

    shop.ask(view)

    assert shop.data() == {}


def test_a_change_after_that_is_kept_with_the_ones_before(shop: Shop) -> None:
    def view() -> None:
        flask.session["a"] = 1
        flask.session.modified = False
        flask.session["b"] = 2

    shop.ask(view)

    assert shop.data() == {"a": 1, "b": 2}


# permanent.


def permanent(*, value: bool = True) -> View:
    return lambda: setattr(flask.session, "permanent", value)


def test_a_permanent_session_outlives_the_browser_and_the_timeouts(shop: Shop) -> None:
    shop.ask(put(a=1))

    answer = shop.ask(permanent())

    assert f"Max-Age={31 * 86400}" in cookies(answer)[0]
    shop.clock.advance(30 * 86400)
    assert shop.data() == {"a": 1}


def test_to_set_permanent_again_is_nothing(stored: Shop) -> None:
    stored.ask(lambda: [permanent()(), put(a=1)()])
    store: Any = stored.extension.manager_of(stored.app)._settings.store
    store.reset()

    answer = stored.ask(permanent())

    assert not cookies(answer)
    assert store.calls == ["load"]


def test_permanent_alone_makes_no_session(shop: Shop) -> None:
    answer = shop.ask(permanent())

    assert not cookies(answer)
    assert shop.events == []


def test_permanent_survives_a_login(shop: Shop) -> None:
    def view() -> None:
        flask.session.permanent = True
        flask.session.login("ada")  # type: ignore[attr-defined]

    answer = shop.ask(view)

    assert "Max-Age=" in cookies(answer)[0]
    assert shop.ask(lambda: str(flask.session.permanent)).text == "True"


def test_permanent_can_be_undone(shop: Shop) -> None:
    shop.ask(lambda: [permanent()(), put(a=1)()])

    answer = shop.ask(permanent(value=False))

    assert "Max-Age" not in cookies(answer)[0]
    assert shop.ask(lambda: str(flask.session.permanent)).text == "False"


def test_the_lifetime_is_flasks_setting() -> None:
    shop = Shop(config={"PERMANENT_SESSION_LIFETIME": timedelta(days=7)})

    answer = shop.ask(lambda: [permanent()(), put(a=1)()])

    assert f"Max-Age={7 * 86400}" in cookies(answer)[0]


def test_the_key_of_flasks_own_sets_permanent_and_is_not_seen(shop: Shop) -> None:
    shop.ask(lambda: [flask.session.setdefault("_permanent", True), put(a=1)()])

    assert shop.data() == {"a": 1}
    assert shop.ask(lambda: str(flask.session.permanent)).text == "True"
    assert shop.ask(lambda: str(flask.session.get("_permanent"))).text == "True"
    assert shop.ask(lambda: str(flask.session.pop("_permanent"))).text == "True"
    assert shop.ask(lambda: str(flask.session.permanent)).text == "False"


# After the response.


def run_through(answer: Any) -> None:
    """Read *answer* to its end, as a server does."""
    assert answer.text
    answer.close()


def test_late_writes_of_a_stream_are_dropped_with_one_warning(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    for is_wrapped in (False, True):
        shop = Shop(is_wrapped=is_wrapped, backend=backend)
        caplog.clear()

        def stream() -> Iterator[str]:
            yield "first"
            flask.session["late"] = 1
            flask.session["later"] = flask.session["late"] + 1
            yield str(flask.session["later"])

        answer = shop.ask(lambda: flask.Response(flask.stream_with_context(stream())))

        assert answer.text == "first2"
        answer.close()
        assert shop.data() == {}
        told = [record for record in caplog.records if "is dropped" in record.getMessage()]
        assert len(told) == 1


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_late_change_deep_inside_a_cookie_session_is_dropped_too(
    is_wrapped: bool, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(is_wrapped=is_wrapped)
    shop.ask(put(cart=["tea"]))

    def stream() -> Iterator[str]:
        cart = flask.session["cart"]
        yield "first"
        cart.append("late")

    run_through(shop.ask(lambda: flask.Response(flask.stream_with_context(stream()))))

    assert shop.data() == {"cart": ["tea"]}
    assert any("is dropped" in record.getMessage() for record in caplog.records)


def test_a_late_change_of_a_stored_session_is_saved(stored: Shop) -> None:
    stored.ask(put(a=1))

    def stream() -> Iterator[str]:
        yield str(flask.session["a"])
        flask.session["b"] = 2

    run_through(stored.ask(lambda: flask.Response(flask.stream_with_context(stream()))))

    assert stored.data() == {"a": 1, "b": 2}


def test_a_late_change_is_saved_where_the_body_ends(stored: Shop) -> None:
    stored.ask(put(a=1))

    def stream() -> Iterator[str]:
        yield str(flask.session["a"])
        flask.session["b"] = 2

    answer = stored.ask(lambda: flask.Response(flask.stream_with_context(stream())))

    assert answer.text == "1"
    assert stored.data() == {"a": 1, "b": 2}


def test_an_answer_whose_late_change_cannot_be_saved_is_cut_off(stored: Shop) -> None:
    store: Any = stored.extension.manager_of(stored.app)._settings.store
    stored.ask(put(a=1))

    def stream() -> Iterator[str]:
        yield str(flask.session["a"])
        flask.session["b"] = 2

    answer = stored.ask(lambda: flask.Response(flask.stream_with_context(stream())))
    with store.down("replace"), pytest.raises(StoreUnavailable):
        list(answer.response)

    assert store.calls.count("replace") == 1
    assert stored.data() == {"a": 1}


def test_what_a_stream_changes_before_it_raises_is_dropped(stored: Shop) -> None:
    stored.ask(put(a=1))
    ended: list[str] = []

    def stream() -> Iterator[str]:
        try:
            yield str(flask.session["a"])
            flask.session["b"] = 2
            raise LookupError
        finally:
            ended.append("closed")

    answer = stored.ask(lambda: flask.Response(flask.stream_with_context(stream())))
    with pytest.raises(LookupError):
        list(answer.response)
    answer.close()

    assert stored.data() == {"a": 1}
    assert "discarded" in stored.events
    assert ended == ["closed"]


def test_a_stream_that_its_client_leaves_is_closed_and_saves_what_it_has_changed(stored: Shop) -> None:
    stored.ask(put(a=1))
    ended: list[str] = []

    def stream() -> Iterator[str]:
        try:
            yield str(flask.session["a"])
            flask.session["b"] = 2
            yield "more"
            flask.session["c"] = 3
        finally:
            ended.append("closed")

    answer = stored.ask(lambda: flask.Response(flask.stream_with_context(stream())))
    chunks = iter(answer.response)
    read = [next(chunks), next(chunks)]
    answer.close()

    assert read == [b"1", b"more"]
    assert ended == ["closed"]
    assert stored.data() == {"a": 1, "b": 2}


def test_flashes_can_be_read_in_a_with_block_afterwards(shop: Shop) -> None:
    with shop.client:
        shop.ask(lambda: flask.flash("hello"))

        assert flask.get_flashed_messages() == ["hello"]


# Errors.


def test_a_store_that_is_down_gives_503_in_the_place_of_what_the_view_made(stored: Shop) -> None:
    store: Any = stored.extension.manager_of(stored.app)._settings.store
    stored.ask(put(a=1))

    with store.down():
        read = stored.ask(lambda: str(flask.session["a"]))
    with store.down("replace"):
        written = stored.ask(put(a=2))

    assert (read.status_code, written.status_code) == (503, 503)
    assert written.headers["Retry-After"]
    assert stored.data() == {"a": 1}


class Closed:
    """A stream that notes whether it was closed."""

    def __init__(self) -> None:
        self.times = 0

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"never sent"])

    def close(self) -> None:
        self.times += 1


@pytest.mark.parametrize("is_passed_through", [False, True])
def test_the_answer_whose_place_a_503_takes_is_closed(stored: Shop, *, is_passed_through: bool) -> None:
    store: Any = stored.extension.manager_of(stored.app)._settings.store
    body = Closed()

    def view() -> flask.Response:
        flask.session["a"] = 1
        return flask.Response(body, direct_passthrough=is_passed_through)

    with store.down("create"):
        answer = stored.ask(view)

    assert answer.status_code == 503
    assert answer.data.startswith(b"The session store cannot answer")
    assert body.times == 1


def test_a_page_for_an_error_of_the_save_deletes_the_cookie_of_what_has_ended() -> None:
    store = RecordingStore()
    shop = Shop(backend=store, on_store_failure="raise")
    shop.ask(put(a=1))

    def sign_out() -> None:
        flask.session.clear()
        flask.session["b"] = 1

    with store.down("create"):
        answer = shop.ask(sign_out)

    assert answer.status_code == 500
    assert any("Max-Age=0" in line for line in cookies(answer))


def test_a_file_is_left_to_the_server_to_send(alone: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")

    def send() -> flask.Response:
        flask.session["a"] = 1
        return flask.send_file(tmp_path / "file")

    alone.view = send
    environ = EnvironBuilder("/", environ_overrides={"wsgi.file_wrapper": FileWrapper}).get_environ()
    told: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        told.extend(headers)
        return told.append

    body: Any = alone.app(environ, start_response)

    with closing(body):
        assert (type(body), b"".join(body)) == (FileWrapper, b"content")
    assert "Set-Cookie" in dict(told)


def test_what_cannot_be_stored_is_a_500_that_saves_nothing(alone: Shop) -> None:
    alone.ask(put(cart=[]))
    alone.app.config["PROPAGATE_EXCEPTIONS"] = False

    answer = alone.ask(lambda: flask.session["cart"].append(object()))

    assert answer.status_code == 500
    assert alone.data() == {"cart": []}


def test_a_request_of_another_site_is_refused(shop: Shop) -> None:
    shop.view = put(a=1)

    answer = shop.client.post("/", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 403


def test_without_a_secret_there_is_the_null_session_of_flask() -> None:
    app = flask.Flask("shop")
    Sessionware(app)

    with app.test_request_context("/"):
        assert flask.session.get("a") is None
        with pytest.raises(RuntimeError, match="no secret key was set"):
            flask.session["a"] = 1


@pytest.mark.parametrize("given", [{"secret": SECRET}, SECRET, object()], ids=["dict", "text", "object"])
def test_what_is_no_application_is_refused_with_what_to_write(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"expected a Flask application.*app\.config\['SESSIONWARE'\]") as caught:
        Sessionware(given)

    assert SECRET not in str(caught.value)


def test_options_that_are_no_dict_are_refused_by_the_name_of_the_setting() -> None:
    with pytest.raises(ConfigError, match="SESSIONWARE: expected a dict of options, got an object of the type str"):
        made({"SESSIONWARE": "redis://localhost"})


def test_a_secret_of_ours_that_is_named_and_empty_is_refused_at_start() -> None:
    with pytest.raises(ConfigError, match="secret: it is missing"):
        made({"SECRET_KEY": None, "SESSIONWARE": {"secret": None}})


# By hand.


def test_a_session_transaction_reads_and_writes(shop: Shop) -> None:
    shop.ask(put(a=1))

    with shop.client.session_transaction() as session:
        session["a"] += 1

    assert shop.data() == {"a": 2}


def test_open_and_save_work_outside_a_request(alone: Shop) -> None:
    interface = alone.app.session_interface
    request = alone.app.request_class({"HTTP_HOST": "localhost", "wsgi.url_scheme": "http", "REQUEST_METHOD": "GET"})
    response = alone.app.response_class()

    session: Any = interface.open_session(alone.app, request)
    session["a"] = 1
    interface.save_session(alone.app, session, response)

    give_cookie(alone.client, "session", response.headers["Set-Cookie"].partition("=")[2].partition(";")[0])
    assert alone.data() == {"a": 1}


def test_save_session_may_be_called_again(stored: Shop) -> None:
    """As Flask-SocketIO does with manage_session=False: a context over the environ of the handshake, many events."""
    stored.ask(put(a=1))
    kept: list[Any] = []
    stored.ask(lambda: kept.append(flask.request.environ))

    with stored.app.request_context(kept[0]):
        session: Any = flask.session._get_current_object()  # type: ignore[attr-defined]
        for number in (2, 3):
            session["a"] = number
            stored.app.session_interface.save_session(stored.app, session, stored.app.response_class())
            assert stored.data() == {"a": number}


def test_a_subclass_that_skips_a_save_keeps_nothing(backend: str) -> None:
    class Careful(SessionInterface):
        def should_set_cookie(self, app: flask.Flask, session: Any) -> bool:
            return "skip" not in flask.request.args

    for is_wrapped in (False, True):
        shop = Shop(is_wrapped=is_wrapped, backend=backend)
        shop.app.session_interface = Careful()
        shop.ask(put(a=1))

        answer = shop.ask(put(a=2), query_string="skip")

        assert not cookies(answer)
        assert shop.data() == {"a": 1}
        assert "discarded" in shop.events


def test_a_subclass_that_does_not_call_our_save_keeps_nothing(shop: Shop) -> None:
    """As OctoPrint's, for a client that signs in by a key in each request and is to get no cookie."""

    class OfBrowsersAlone(SessionInterface):
        def save_session(self, app: flask.Flask, session: Any, response: flask.Response) -> None:
            if session.get("by") != "key":
                super().save_session(app, session, response)

    shop.app.session_interface = OfBrowsersAlone()
    shop.ask(put(a=1))

    answer = shop.ask(lambda: [put(by="key")(), flask.session.login("ada")])  # type: ignore[attr-defined]

    assert not cookies(answer)
    assert shop.data() == {"a": 1}
    assert "discarded" in shop.events


def test_the_signing_serializer_is_refused_with_what_to_use(alone: Shop) -> None:
    with pytest.raises(ConfigError, match=r"sessionware\.testing"):
        alone.app.session_interface.get_signing_serializer(alone.app)  # type: ignore[attr-defined]


# Settings.


def made(config: dict[str, Any]) -> flask.Flask:
    app = flask.Flask("shop")
    app.config.update({"SECRET_KEY": SECRET} | config)
    Sessionware(app)
    app.add_url_rule("/", "view", put(a=1))
    app.add_url_rule("/set", "set", lambda: flask.session.update(a=1) or "")
    return app


def line_of(app: flask.Flask, base_url: str = "https://shop.example/") -> str:
    return app.test_client().get("/set", base_url=base_url).headers["Set-Cookie"]


def test_flasks_defaults_count_as_unset_and_ours_apply() -> None:
    line = line_of(made({}))

    assert line.startswith("__Host-Http-session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(line.split("; "))


def test_flasks_own_settings_hold() -> None:
    settings = {
        "SESSION_COOKIE_NAME": "shop",
        "SESSION_COOKIE_DOMAIN": "shop.example",
        "SESSION_COOKIE_PATH": "/set",
        "SESSION_COOKIE_HTTPONLY": False,
        "SESSION_COOKIE_SAMESITE": "Strict",
    }

    line = line_of(made(settings))

    assert line.startswith("__Secure-shop=")
    assert {"Domain=shop.example", "Path=/set", "SameSite=Strict"} <= set(line.split("; "))
    assert "HttpOnly" not in line


def test_a_name_with_a_prefix_of_browsers_holds() -> None:
    line = line_of(made({"SESSION_COOKIE_NAME": "__Host-shop", "SESSION_COOKIE_SECURE": True}))

    assert line.startswith("__Host-shop=")
    assert "Secure" in line.split("; ")


@pytest.mark.parametrize(
    ("setting", "value"), [("SESSION_COOKIE_SAMESITE", "Sometimes"), ("SESSION_COOKIE_SECURE", "perhaps")]
)
def test_a_value_that_is_none_is_told_by_the_name_of_flasks_setting(setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{setting}: expected") as caught:
        made({setting: value})

    assert "cookie." not in str(caught.value)


@writes_partitioned
def test_flasks_setting_of_partitioned_holds() -> None:
    assert "; Partitioned" in line_of(made({"SESSION_COOKIE_PARTITIONED": True}))


@pytest.mark.parametrize(
    ("setting", "value", "option", "other"),
    [
        ("SESSION_COOKIE_NAME", "shop", "cookie.name", "other"),
        ("SESSION_COOKIE_NAME", "__Host-shop", "cookie.prefix", ""),
        ("SESSION_COOKIE_SECURE", True, "cookie.secure", False),
        ("SESSION_COOKIE_SAMESITE", "Strict", "cookie", {"samesite": "Lax"}),
        ("SESSION_COOKIE_PATH", "/a", "cookie.path", "/b"),
    ],
)
def test_a_contradiction_is_refused_at_start(setting: str, value: object, option: str, other: object) -> None:
    with pytest.raises(ConfigError, match=f"{setting}: .* contradicts 'cookie"):
        made({setting: value, "SESSIONWARE": {option: other}})


def test_the_same_said_twice_is_no_contradiction() -> None:
    assert "Secure" in line_of(made({"SESSION_COOKIE_SECURE": True, "SESSIONWARE": {"cookie.secure": "true"}}))


def test_weakening_goes_through_our_options() -> None:
    line = line_of(made({"SESSIONWARE": {"cookie.secure": False}}), "http://shop.example/")

    assert line.startswith("session=")
    assert "Secure" not in line


def test_a_weak_secret_key_is_refused_at_start_with_the_cure() -> None:
    with pytest.raises(ConfigError, match=r"SECRET_KEY .*SESSIONWARE a 'secret' of its own") as info:
        made({"SECRET_KEY": "dev-key-that-is-known"})

    assert "dev-key" not in str(info.value)
    assert "SECRET_KEY_FALLBACKS" not in str(info.value)


@pytest.mark.parametrize("config", [{"SESSION_COOKIE_PATH": "a"}, {"SECRET_KEY_FALLBACKS": ["short"]}])
def test_a_fault_shows_no_secret_to_a_crash_report(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as info:
        made(config)

    assert SECRET not in str(info.value)
    assert shown_in_frames(info.value, SECRET, outside=__file__) == []


def test_a_secret_of_its_own_lets_flasks_be_what_it_is() -> None:
    assert line_of(made({"SECRET_KEY": "dev", "SESSIONWARE": {"secret": SECRET}}))


@pytest.mark.parametrize("fallbacks", [[SECRET], SECRET, SECRET.encode()], ids=["a list", "a text", "bytes"])
def test_fallbacks_open_what_they_have_sealed(fallbacks: Any) -> None:
    shop = Shop()
    shop.ask(put(a=1))

    shop.app.config.update(SECRET_KEY=NEW_SECRET, SECRET_KEY_FALLBACKS=fallbacks)

    assert shop.data() == {"a": 1}


def test_one_line_names_the_defaults_that_do_not_hold(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sessionware")

    line_of(made({"SESSION_COOKIE_SAMESITE": "Lax"}))

    told = [record.getMessage() for record in caplog.records if "Flask's defaults" in record.getMessage()]
    assert len(told) == 1
    assert "idle_timeout='1h', absolute_timeout='24h'" in told[0]
    assert "cookie.samesite" not in told[0]


def test_the_line_is_not_told_again_when_a_setting_changes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sessionware")
    app = made({})

    app.config["SESSION_COOKIE_SECURE"] = True
    line_of(app)

    assert sum("Flask's defaults" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize(
    "options", [{"backend": "memory"}, {"login_backend": "memory"}], ids=["backend", "login_backend"]
)
def test_a_setting_that_changes_after_the_start_loses_no_session_in_memory(options: dict[str, Any]) -> None:
    """As Flask-Talisman changes one at the first request."""
    shop = Shop(**options)
    shop.ask(put(_user_id="ada", a=1))

    shop.app.config["SESSION_COOKIE_SAMESITE"] = "Strict"

    assert shop.data()["a"] == 1
    assert "SameSite=Strict" in cookies(shop.ask(put(_user_id="grace")))[0]


def test_settings_of_flask_session_are_named_with_the_new_option(caplog: pytest.LogCaptureFixture) -> None:
    made({"SESSION_TYPE": "redis", "SESSION_USE_SIGNER": True})

    told = [record.getMessage() for record in caplog.records if "Flask-Session's" in record.getMessage()]
    assert len(told) == 1
    assert "SESSION_TYPE, SESSION_USE_SIGNER" in told[0]
    assert "'backend': 'redis://" in told[0]


def test_options_that_stand_beside_the_dict_are_named_as_unread(caplog: pytest.LogCaptureFixture) -> None:
    made({"SESSIONWARE_BACKEND": "redis", "SESSIONWARE_COOKIE__NAME": "shop", "SESSIONWARE_HOME": "/"})

    told = [record.getMessage() for record in caplog.records if "SESSIONWARE_BACKEND" in record.getMessage()]
    assert told == [
        (
            "the settings SESSIONWARE_BACKEND, SESSIONWARE_COOKIE__NAME are not read: write in the dict SESSIONWARE: "
            "'backend', 'cookie.name'"
        )
    ]


def test_what_the_dict_takes_from_a_setting_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    made({"SESSIONWARE_SECRET": SECRET, "SESSIONWARE": {"secret": SECRET}})

    assert "not read" not in caplog.text


def test_options_beside_a_middleware_are_named_as_unused(caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(is_wrapped=True, config={"SESSIONWARE": {"idle_timeout": "2h"}})

    for _ in range(2):
        shop.ask(put(a=1))

    told = [record.getMessage() for record in caplog.records if "its own, which hold" in record.getMessage()]
    assert len(told) == 1
    assert "idle_timeout" in told[0]


def test_a_middleware_with_another_environ_key_is_found() -> None:
    options = {"environ_key": "shop.session"}
    shop = Shop(is_wrapped=True, config={"SESSIONWARE": options}, **options)

    shop.ask(put(a=1))

    assert shop.data() == {"a": 1}
    assert shop.events.count("created") == 1


def test_a_middleware_within_another_wrapper_is_found_before_the_first_request() -> None:
    shop = Shop(is_wrapped=True)
    shop.app.wsgi_app = ProxyFix(shop.app.wsgi_app)  # type: ignore[method-assign]

    with shop.client.session_transaction() as session:
        session["a"] = 1

    assert shop.data() == {"a": 1}
    assert shop.events.count("created") == 1


def test_the_manager_of_an_application_without_a_secret_is_refused() -> None:
    app = flask.Flask("shop")

    with pytest.raises(ConfigError, match="SECRET_KEY"):
        Sessionware(app).manager_of(app)


def test_one_interface_serves_several_applications() -> None:
    interface = SessionInterface()
    shops = [Shop(), Shop()]
    for shop in shops:
        shop.app.session_interface = interface

    shops[0].ask(put(a=1))

    assert shops[0].data() == {"a": 1}
    assert shops[1].data() == {}


def test_a_failure_that_the_application_asked_for_is_raised(alone: Shop) -> None:
    store = RecordingStore()
    shop = Shop(backend=store, on_store_failure="raise")
    shop.app.testing = True
    shop.ask(put(a=1))

    with store.down("replace"), pytest.raises(StoreUnavailable):
        shop.ask(put(a=2))
