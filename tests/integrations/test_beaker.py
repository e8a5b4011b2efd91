"""An application of Beaker's keeps its imports' names and its calls, and gets sessions of ours."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import bottle  # type: ignore[import-untyped]
import flask
import flask.sessions
import pyramid_beaker  # type: ignore[import-untyped]
import pytest
import webtest
from paste.deploy import loadapp  # type: ignore[import-untyped]
from pyramid.config import Configurator  # type: ignore[import-untyped]
from support.beaker import KINDS, BeakerSite, Options, Visitor, beakers_options, set_to
from support.client import Client
from support.constants import HTTPS, PLAIN, SECRET
from support.frames import shown_in_frames
from support.garbage import assert_no_garbage
from support.servers.wsgi import serving

from sessionware import ConfigError
from sessionware.integrations import beaker_session
from sessionware.integrations.beaker import CookieSession, Session, SessionMiddleware, SessionObject
from sessionware.testing import FakeClock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def test_the_session_object_is_always_true(site: BeakerSite) -> None:
    assert site.visitor().ask(lambda session: (bool(session), bool(session._session()))) == (True, True)


def test_the_session_object_tells_whether_it_was_used_and_saved(site: BeakerSite) -> None:
    def action(session: Any) -> list[bool]:
        seen = [session.accessed(), session.dirty()]
        assert "value" not in session
        seen += [session.accessed(), session.dirty()]
        session.save()
        return [*seen, session.dirty()]

    assert site.visitor().ask(action) == [False, False, True, False, True]


def test_the_session_object_is_dirty_when_it_was_deleted(site: BeakerSite) -> None:
    def action(session: Any) -> list[bool]:
        seen = [session.dirty()]
        session.delete()
        return [*seen, session.dirty()]

    assert site.visitor().ask(action) == [False, True]


def test_a_session_that_is_not_used_costs_nothing(visitor: Visitor) -> None:
    visitor.ask(lambda session: None)

    assert "Vary" not in visitor.answer.headers
    assert visitor.site.events == []


def test_the_keys_of_beaker_can_be_read_and_are_no_data(visitor: Visitor) -> None:
    created = visitor.site.clock()
    visitor.site.clock.advance(5)

    def action(session: Any) -> None:
        assert session["_id"] == session.id
        assert session["_creation_time"] == session.created == created
        assert session["_accessed_time"] == session.get("_accessed_time") == created + 5
        assert session["_path"] == "/"
        assert session["_domain"] is None
        assert "_id" in session
        assert session.has_key("_creation_time")
        assert list(session) == list(session.keys()) == ["value"]

    visitor.ask(action)


def test_setting_and_removing_the_keys_of_beaker_does_no_harm(visitor: Visitor) -> None:
    def action(session: Any) -> None:
        session["_creation_time"] = 0
        del session["_accessed_time"]
        assert session.pop("_id") == session.id
        assert session.setdefault("_path", "/else") == "/"
        session.save()

    visitor.ask(action)

    assert visitor.data() == {"value": 1}
    assert visitor.ask(lambda session: session["_creation_time"]) > 0


def test_the_methods_of_a_dict_work(visitor: Visitor) -> None:
    def action(session: Any) -> None:
        assert session.get("none", 5) == 5
        assert session.setdefault("cart", []) == []
        session["cart"].append("book")
        session.update({"a": 1}, b=2)
        assert sorted(session.items()) == [("a", 1), ("b", 2), ("cart", ["book"]), ("value", 1)]
        assert session.pop("a") == 1
        assert session.pop("a", None) is None
        assert session.popitem() == ("b", 2)
        del session["value"]
        assert list(session.values()) == [["book"]]
        session.save()

    visitor.ask(action)

    assert visitor.data() == {"cart": ["book"]}


def test_the_times_are_seconds(visitor: Visitor) -> None:
    begin = visitor.site.clock()
    visitor.site.clock.advance(60)

    assert visitor.ask(lambda session: (session.created, session.last_accessed)) == (begin, begin)
    assert visitor.site.visitor().ask(lambda session: (session.is_new, session.last_accessed)) == (True, None)


def test_the_data_as_it_was_found_can_be_read(visitor: Visitor) -> None:
    def action(session: Any) -> Any:
        session["value"] = 2
        return session.accessed_dict

    assert visitor.ask(action) == {"value": 1}


@pytest.mark.parametrize(
    "name",
    [
        *("id", "is_new", "created", "last_accessed", "was_invalidated", "domain", "path", "key", "type", "timeout"),
        *("secret", "secure", "httponly", "samesite", "cookie", "cookie_expires", "use_cookies", "request"),
        *("namespace", "namespace_class", "namespace_args", "accessed_dict", "encrypt_key", "validate_key"),
        *("encrypt_nonce_size", "crypto_module", "serializer", "data_serializer", "invalidate_corrupt"),
        *("save_atime", "data_dir"),
    ],
)
def test_an_attribute_of_beakers_session_can_be_read(memory: Options, name: str) -> None:
    assert BeakerSite(memory).visitor().ask(lambda session: hasattr(session, name))


def test_locks_and_load_do_no_harm(visitor: Visitor) -> None:
    def action(session: Any) -> None:
        session.lock()
        session.load()
        session.unlock()

    visitor.ask(action)

    assert visitor.data() == {"value": 1}


def test_an_option_of_one_session_warns_once_and_says_what_to_do(
    memory: Options, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beaker_session, "_warned", type(beaker_session._warned)())
    visitor = BeakerSite(memory).visitor()

    def action(session: Any) -> None:
        for _ in range(2):
            session.domain, session.path = ".example.com", "/shop"
        session["value"] = 1
        session.save()

    with caplog.at_level(logging.WARNING, "sessionware"):
        visitor.ask(action)

    domain, path = [record.getMessage() for record in caplog.records if "for one session" in record.getMessage()]
    assert "session.domain was set" in domain
    assert "for all of them, cookie_domain." in domain
    assert "for all of them, cookie_path." in path
    assert "Domain" not in visitor.cookies[0]


def test_setting_an_option_to_what_it_is_says_nothing(memory: Options, caplog: pytest.LogCaptureFixture) -> None:
    visitor = BeakerSite({**memory, "session.cookie_path": "/"}).visitor()

    with caplog.at_level(logging.WARNING, "sessionware"):
        visitor.ask(lambda session: setattr(session, "path", "/"))

    assert [record for record in caplog.records if "session.path" in record.getMessage()] == []


def test_the_id_cannot_be_set(memory: Options) -> None:
    with pytest.raises(AttributeError, match=r"session\.id"):
        BeakerSite(memory).visitor().ask(lambda session: setattr(session, "id", "mine"))


def test_another_session_is_not_opened_by_its_id(memory: Options) -> None:
    def action(session: Any) -> None:
        with pytest.raises(ConfigError, match="by its id"):
            session.get_by_id("0123")
        with pytest.raises(ConfigError, match="by its id"):
            Session({}, id="0123")

    BeakerSite(memory).visitor().ask(action)


def test_get_session_gives_a_session_without_a_cookie_and_none_by_id(memory: Options) -> None:
    site = BeakerSite(memory)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        session = environ["beaker.get_session"]()
        session["job"] = 1
        session.save()
        with pytest.raises(ConfigError, match="by its id"):
            environ["beaker.get_session"](session.id)
        start_response("200 OK", PLAIN)
        return [b""]

    answer = site.visitor().send(app)

    assert site.told() == ["created"]
    assert "Set-Cookie" not in answer.headers


def test_what_turbogears_does_with_the_state_of_the_object_does_no_harm(visitor: Visitor) -> None:
    def action(session: Any) -> None:
        session["value"] = 2
        session.save()
        session.__dict__["_sess"] = None
        assert not session.accessed()
        assert session["value"] == 2
        assert session.__dict__["_headers"] == {"cookie_out": None, "set_cookie": False}
        session.__dict__["_headers"] = {}

    visitor.ask(action)

    assert visitor.data() == {"value": 2}


def test_repr_shows_no_value_and_uses_no_session(visitor: Visitor) -> None:
    visitor.ask(lambda session: repr(session))
    assert "Vary" not in visitor.answer.headers

    visitor.ask(set_to(card="4111"))

    assert "4111" not in visitor.ask(lambda session: (session["card"], repr(session), repr(session._session()))[1])


def test_a_crash_report_of_sentry_shows_no_value(visitor: Visitor) -> None:
    visitor.ask(set_to(card="4111"))

    shown = visitor.ask(
        lambda session: (session["card"], type(session._session()).__sentry_repr__(session._session()))[1]
    )

    assert "4111" not in shown


# Without the middleware.


def standalone(memory: Options) -> Options:
    return {name.removeprefix("session."): value for name, value in memory.items()}


def test_a_session_object_without_a_middleware_deletes_the_session_before_what_tells_when_it_was_seen() -> None:
    """Its caller has one line for a cookie, and two cookies are to be deleted."""
    clock = FakeClock()
    jar: dict[str, str] = {}

    def ask(action: Callable[[SessionObject], object]) -> str:
        header = "; ".join(f"{name}={value}" for name, value in jar.items())
        session = SessionObject({**HTTPS, "HTTP_COOKIE": header}, type="cookie", validate_key=SECRET, clock=clock)
        action(session)
        session.persist()
        line: str = session.__dict__["_headers"]["cookie_out"]
        name, _, value = line.partition(";")[0].partition("=")
        jar[name] = value
        return line

    def fill(session: SessionObject) -> None:
        session["value"] = 1
        session.save()

    own = ask(fill).partition("=")[0]
    clock.advance("30m")
    assert ask(lambda session: session["value"]).startswith(f"{own}-seen=")

    assert ask(lambda session: session.delete()).startswith(f"{own}=;")


def test_a_save_for_the_time_of_access_alone_keeps_nothing(site: BeakerSite) -> None:
    visitor = site.visitor()

    def action(session: Any) -> None:
        session["value"] = 1
        session._session().save(accessed_only=True)

    visitor.ask(action)

    assert visitor.data() == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_object_without_a_middleware_hands_its_cookie_to_its_caller(kind: str, tmp_path: Path) -> None:
    """As TurboGears and pyramid_beaker use it."""
    options = standalone(beakers_options(kind, tmp_path))
    first = SessionObject(dict(HTTPS), **options)
    first["value"] = 1
    first.save()
    first.persist()
    headers = first.__dict__["_headers"]
    assert headers["set_cookie"]

    second = SessionObject({**HTTPS, "HTTP_COOKIE": headers["cookie_out"].partition(";")[0]}, **options)

    assert second["value"] == 1
    second.persist()
    assert not second.__dict__["_headers"]["set_cookie"]


def test_a_session_object_without_a_middleware_keeps_nothing_without_save(memory: Options) -> None:
    session = SessionObject(dict(HTTPS), **standalone(memory))
    session["value"] = 1

    session.persist()

    assert session.__dict__["_headers"] == {"cookie_out": None, "set_cookie": False}


def test_a_session_object_without_a_middleware_deletes_the_cookie(memory: Options) -> None:
    options = {**standalone(memory), "auto": True}
    first = SessionObject(dict(HTTPS), **options)
    first["value"] = 1
    first.persist()
    cookie = first.__dict__["_headers"]["cookie_out"].partition(";")[0]

    second = SessionObject({**HTTPS, "HTTP_COOKIE": cookie}, **options)
    second.delete()
    second.persist()

    assert "Max-Age=0" in second.__dict__["_headers"]["cookie_out"]
    assert "value" not in SessionObject({**HTTPS, "HTTP_COOKIE": cookie}, **options)


def test_a_session_without_cookies_tells_none(memory: Options) -> None:
    request: dict[str, Any] = {}
    session = Session(request, use_cookies=False, **standalone(memory))
    session["value"] = 1

    session.save()

    assert request == {}
    assert session["value"] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_session_of_a_request_that_is_a_dict_gives_it_the_cookie(kind: str, tmp_path: Path) -> None:
    options = standalone(beakers_options(kind, tmp_path))
    request: dict[str, Any] = {}
    session = Session(request, **options)
    session["value"] = 1
    assert request == {"cookie_out": None, "set_cookie": False}

    session.save()

    assert request["set_cookie"]
    again: dict[str, Any] = {"cookie": request["cookie_out"].partition(";")[0]}
    assert Session(again, **options)["value"] == 1


def test_a_cookie_session_needs_no_type() -> None:
    request: dict[str, Any] = {}
    session = CookieSession(request, validate_key=SECRET)
    session["value"] = 1
    session.save()

    assert CookieSession({"cookie": request["cookie_out"].partition(";")[0]}, validate_key=SECRET)["value"] == 1


def test_pyramid_beaker_finds_what_it_uses(memory: Options) -> None:
    """Its session is a subclass with the names of Pyramid's contract, whose methods save."""

    class PyramidsSession(SessionObject):
        @property
        def new(self) -> bool:
            return self.last_accessed is None

        changed = SessionObject.save

        def __setitem__(self, key: str, value: Any) -> None:
            super().__setitem__(key, value)
            self.save()

        def flash(self, message: str) -> None:
            self._session().setdefault("_f_", []).append(message)
            self.changed()

    options = standalone(memory)
    session = PyramidsSession(dict(HTTPS), **options)
    assert session.new
    session["value"] = 1
    session.flash("saved")
    session.persist()

    cookie = session.__dict__["_headers"]["cookie_out"].partition(";")[0]
    again = PyramidsSession({**HTTPS, "HTTP_COOKIE": cookie}, **options)
    assert not again.new
    assert again.pop("_f_", []) == ["saved"]


# Frameworks and Paste.


def test_a_session_interface_of_flask_over_beakers_session_works(options: Options) -> None:
    class BeakersInterface(flask.sessions.SessionInterface):
        def open_session(self, app: flask.Flask, request: flask.Request) -> Any:
            return request.environ["beaker.session"]

        def save_session(self, app: flask.Flask, session: Any, response: flask.Response) -> None:
            session.save()

    app = flask.Flask("shop")
    app.session_interface = BeakersInterface()

    @app.get("/add")
    def add() -> str:
        flask.session.permanent = True
        flask.session["value"] = flask.session.get("value", 0) + 1
        flask.flash("added")
        flask.session.modified = True
        return str(flask.session["value"])

    @app.get("/flashes")
    def flashes() -> list[str]:
        return [str(message) for message in flask.get_flashed_messages()]

    client = webtest.TestApp(SessionMiddleware(app, options))
    assert [client.get("/add").text, client.get("/add").text] == ["1", "2"]
    assert client.get("/flashes").json == ["added", "added"]
    assert client.get("/flashes").json == []


def test_the_recipe_of_bottle_works(tmp_path: Path) -> None:
    app: Any = bottle.Bottle()

    @app.get("/test")  # type: ignore[untyped-decorator]
    def test() -> str:
        session = bottle.request.environ.get("beaker.session")
        session["test"] = session.get("test", 0) + 1
        session.save()
        return f"Test counter: {session['test']}"

    options = {
        "session.type": "file",
        "session.cookie_expires": 300,
        "session.data_dir": str(tmp_path / "data"),
        "session.auto": True,
        "session.secret": SECRET,
    }
    client = webtest.TestApp(SessionMiddleware(app, options))

    assert [client.get("/test").text, client.get("/test").text] == ["Test counter: 1", "Test counter: 2"]


def test_paste_is_told_of_the_session(memory: Options) -> None:
    told: list[Any] = []
    registry = SimpleNamespace(reglist=[{}], register=lambda proxy, session: told.append(session))
    visitor = BeakerSite({**memory, "session.webtest_varname": "theirs"}).visitor()

    session = visitor.ask(lambda session: session, **{"paste.registry": registry})

    assert told == [session]
    assert vars(visitor.answer)["theirs"] is session


@pytest.mark.parametrize("kind", KINDS)
def test_gunicorn_serves_it(kind: str, tmp_path: Path) -> None:
    with serving("gunicorn", f"integrations.served_beaker:{kind}", tmp_path) as port:
        client = Client(port)

        visits = [client.get(path)[1] for path in ("/", "/", "/nosave", "/", "/delete", "/")]

    assert visits == [b"1", b"2", b"3", b"3", b"0", b"1"]


@pytest.mark.parametrize("kind", ["memory", "cookie"])
def test_pyramid_beaker_works_over_it(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyramid_beaker, "SessionObject", SessionObject)

    def visit(request: Any) -> Any:
        session = request.session
        session["visits"] = session.get("visits", 0) + 1
        session.flash("seen")
        return {"visits": session["visits"], "token": session.get_csrf_token()}

    with Configurator(settings=beakers_options(kind, tmp_path)) as config:
        config.include("pyramid_beaker")
        for name, view in {
            "visit": visit,
            "flashes": lambda request: request.session.pop_flash(),
            "end": lambda request: request.session.invalidate(),
        }.items():
            config.add_route(name, f"/{name}")
            config.add_view(view, route_name=name, renderer="json")
        client = webtest.TestApp(config.make_wsgi_app())

    first, second = client.get("/visit").json, client.get("/visit").json
    assert (first["visits"], second["visits"]) == (1, 2)
    assert first["token"] == second["token"]
    assert [client.get("/flashes").json, client.get("/flashes").json] == [["seen", "seen"], []]
    client.get("/end")
    assert client.get("/visit").json["visits"] == 1


@pytest.mark.parametrize(
    "head",
    [
        "[pipeline:main]\npipeline = session counter\n[filter:session]\n",
        "[filter-app:main]\nnext = counter\n",
    ],
    ids=["filter", "filter-app"],
)
def test_pastedeploy_makes_it_of_a_section_of_beakers(head: str, tmp_path: Path) -> None:
    path = tmp_path / "production.ini"
    options = f"type = cookie\nvalidate_key = {SECRET}\nauto = true\n"
    counter = "[app:counter]\nuse = call:integrations.served_paste:make\n"
    path.write_text(f"{head}use = egg:sessionware#beaker_session\n{options}{counter}")

    app = loadapp(f"config:{path}")

    assert isinstance(app, SessionMiddleware)
    client = webtest.TestApp(app)
    assert [client.get("/").text for _ in range(2)] == ["1", "2"]


@pytest.mark.parametrize(
    "make",
    [
        lambda options: SessionMiddleware(bottle.Bottle(), options),
        lambda options: Session({"cookie": "sid=0123"}, **options),
        lambda options: SessionObject({"HTTP_COOKIE": "sid=0123"}, **options)["value"],
    ],
    ids=["SessionMiddleware", "Session", "SessionObject"],
)
@pytest.mark.parametrize("options", [{"type": "ext:mongodb"}, {"type": "memory", "unknown": 1}, {"key": "a b"}])
def test_the_error_of_a_configuration_shows_no_secret_in_a_frame(
    make: Callable[[Options], Any], options: Options
) -> None:
    with pytest.raises(ConfigError) as caught:
        make({**options, "secret": SECRET})

    assert shown_in_frames(caught.value, SECRET, "sid=0123", outside=__file__) == []


def test_an_untouched_request_leaves_nothing_for_the_garbage_collector(memory: Options) -> None:
    middleware = SessionMiddleware(lambda environ, start_response: [b""], memory)
    middleware({**HTTPS}, lambda *answer: lambda chunk: None)

    with assert_no_garbage():
        middleware({**HTTPS}, lambda *answer: lambda chunk: None)
