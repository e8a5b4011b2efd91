"""Beaker's sessions under Pyramid and under the drop-in: what pyramid_beaker keeps for itself comes along."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import webtest
from pyramid.config import Configurator  # type: ignore[import-untyped]
from pyramid.csrf import get_csrf_token  # type: ignore[import-untyped]
from pyramid.response import Response  # type: ignore[import-untyped]
from pyramid_beaker import BeakerSessionFactoryConfig  # type: ignore[import-untyped]
from support.actions import call, member, put
from support.browser import Browser, Site
from support.constants import COOKIE, SECRET
from support.fleet import Jar
from support.former_beaker import BEAKER_SECRET, BeakerWorker

from sessionware.importers.beaker import StoredBeakerSessions
from sessionware.importers.beaker_files import BeakerFiles
from sessionware.importers.pickled import PickledStoredBeakerSessions
from sessionware.integrations.beaker import SessionMiddleware
from sessionware.integrations.pyramid import SessionFactory

DAY = 86400.0
NAME = "beaker.session.id"


def _view(request: Any) -> Response:
    return Response(str(request.registry.settings["do"][0](request)))


class PyramidSite:
    """A Pyramid application that does with its request what a test asks it to."""

    def __init__(
        self, *, factory: Any = None, settings: dict[str, Any] | None = None, is_checked: bool = False
    ) -> None:
        self._do: list[Any] = [None]
        config = Configurator(settings={**(settings or {}), "do": self._do})
        if factory is None:
            config.include("sessionware.integrations.pyramid")
        else:
            config.set_session_factory(factory)
        config.set_default_csrf_options(require_csrf=is_checked, check_origin=False)
        config.add_route("home", "/")
        config.add_view(_view, route_name="home")
        self.app = config.make_wsgi_app()

    def send(self, client: webtest.TestApp, do: Any, **fields: str) -> webtest.TestResponse:
        """The answer to a request that does *do*; one with *fields* posts them."""
        self._do[0] = do
        client.app = self.app
        return client.post("/", fields) if fields else client.get("/")


@pytest.fixture
def old(tmp_path: Path) -> PyramidSite:
    """An application with pyramid_beaker."""
    factory = BeakerSessionFactoryConfig(type="file", data_dir=str(tmp_path), secret=BEAKER_SECRET)
    return PyramidSite(factory=factory)


@pytest.fixture
def importer(tmp_path: Path) -> Any:
    until = time.time() + DAY
    return PickledStoredBeakerSessions(BeakerFiles(tmp_path), secret=BEAKER_SECRET, until=until, user_key="user")


def _client(old: PyramidSite) -> webtest.TestApp:
    return webtest.TestApp(old.app, extra_environ={"wsgi.url_scheme": "https", "HTTP_HOST": "example.org"})


def _jar(client: webtest.TestApp) -> dict[str, str]:
    return {name: value for name, value in client.cookies.items() if value is not None}


def _ours(importer: Any, **more: Any) -> PyramidSite:
    settings = {"session.secret": SECRET, "session.backend": "memory", "session.import_from": importer}
    return PyramidSite(settings=settings, **more)


def test_a_form_that_was_open_over_the_switch_still_posts(old: PyramidSite, importer: Any) -> None:
    client = _client(old)
    token = old.send(client, lambda request: request.session.get_csrf_token()).text
    new = _ours(importer, is_checked=True)

    answer = new.send(client, lambda request: "posted", csrf_token=token)

    assert answer.text == "posted"


def test_another_token_does_not_post_and_the_page_gets_a_new_one(old: PyramidSite, importer: Any) -> None:
    client = _client(old)
    token = old.send(client, lambda request: request.session.get_csrf_token()).text
    new = _ours(importer, is_checked=True)
    client.app = new.app

    assert client.post("/", {"csrf_token": token[::-1]}, status=400)
    fresh = new.send(client, get_csrf_token).text

    assert fresh != token
    assert new.send(client, lambda request: "posted", csrf_token=fresh).text == "posted"


def test_flashes_come_along_queue_by_queue(old: PyramidSite, importer: Any) -> None:
    client = _client(old)

    def flash(request: Any) -> None:
        request.session.flash("one")
        request.session.flash("two")
        request.session.flash("bad", "errors")
        request.session["cart"] = ["tea"]

    old.send(client, flash)
    new = _ours(importer)

    assert new.send(client, lambda request: dict(request.session)).text == "{'cart': ['tea']}"
    assert new.send(client, lambda request: request.session.pop_flash()).text == "['one', 'two']"
    assert new.send(client, lambda request: request.session.pop_flash()).text == "[]"
    assert new.send(client, lambda request: request.session.pop_flash("errors")).text == "['bad']"


def test_a_token_is_good_no_more_after_a_login(old: PyramidSite, importer: Any) -> None:
    client = _client(old)
    token = old.send(client, lambda request: request.session.get_csrf_token()).text
    new = _ours(importer)

    assert new.send(client, lambda request: request.session.verify_csrf(token)).text == "True"
    new.send(client, lambda request: request.session.login("ada"))

    assert new.send(client, lambda request: request.session.verify_csrf(token)).text == "False"


def test_the_keys_of_pyramid_beaker_stay_where_they_are_wanted(old: PyramidSite, tmp_path: Path) -> None:
    """As under the drop-in, where pyramid_beaker goes on."""
    client = _client(old)
    token = old.send(client, lambda request: request.session.get_csrf_token()).text
    importer = PickledStoredBeakerSessions(
        BeakerFiles(tmp_path), secret=BEAKER_SECRET, until=time.time() + DAY, pyramid_keys="keep", user_key=None
    )

    data = Site("memory", import_from=importer).ask(dict, _jar(client)).result

    assert data == {"_csrft_": token}


def test_a_session_without_anything_but_a_token_is_one(old: PyramidSite, importer: Any) -> None:
    client = _client(old)
    token = old.send(client, lambda request: request.session.get_csrf_token()).text

    assert Site("cookie", import_from=importer).ask(call("verify_csrf", token), _jar(client)).result is True


def test_the_session_factory_takes_sessions_over_too(old: PyramidSite, importer: Any) -> None:
    client = _client(old)
    old.send(client, lambda request: request.session.update({"user": "ada"}))
    new = PyramidSite(factory=SessionFactory(secret=SECRET, backend="memory", import_from=importer))

    assert new.send(client, lambda request: request.session.user_id).text == "ada"


def test_the_drop_in_takes_over_what_beaker_has_stored(tmp_path: Path) -> None:
    options = {"data_dir": str(tmp_path), "secret": BEAKER_SECRET, "data_serializer": "json"}
    old, jar = BeakerWorker(options), Jar()
    old.put(jar, user="ada", cart=["tea"])
    importer = StoredBeakerSessions(BeakerFiles(tmp_path), secret=BEAKER_SECRET, until=time.time() + DAY, user_key=None)
    seen: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        session = environ["beaker.session"]
        seen.append(dict(session))
        session["cart"] = [*session["cart"], "milk"]
        session.save()
        start_response("200 OK", [])
        return [b""]

    middleware = SessionMiddleware(
        app, {"session.secret": SECRET, "session.type": "cookie", "session.key": "sid", "session.import_from": importer}
    )
    client = webtest.TestApp(middleware, extra_environ={"wsgi.url_scheme": "https", "HTTP_HOST": "example.org"})
    client.set_cookie(NAME, jar.cookies[NAME])
    client.get("/")
    client.get("/")

    assert seen == [{"user": "ada", "cart": ["tea"]}, {"user": "ada", "cart": ["tea", "milk"]}]
    assert old.send(jar, lambda session: session["cart"]) == ["tea"]


class Unknown:
    """A class of the application."""


def test_a_value_of_a_class_is_dropped_by_itself_with_an_event(tmp_path: Path) -> None:
    old, jar = BeakerWorker({"data_dir": str(tmp_path), "secret": BEAKER_SECRET}), Jar()
    old.put(jar, user="ada", thing=Unknown(), things=[{1, 2}, (3,)])
    until = time.time() + DAY
    importer = PickledStoredBeakerSessions(BeakerFiles(tmp_path), secret=BEAKER_SECRET, until=until, user_key="user")
    site = Site("memory", import_from=importer)
    browser = Browser(site, jar.cookies)

    browser.send(put(more=1))

    assert site.names()[:2] == ["regenerated taken_over", "discarded unreadable"]
    assert browser.data() == {"user": "ada", "things": [{1, 2}, (3,)], "more": 1}
    assert browser.ask(member("user_id")).result == "ada"
    assert COOKIE in browser.cookies
