"""The plugin for Bottle gives each request its session, however the request ends and wherever its route is mounted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import bottle  # type: ignore[import-untyped]
import pytest
import webtest
from integrations.served_bottle import make_site
from support.client import Client
from support.constants import SECRET
from support.servers.wsgi import serving
from support.stores import RecordingStore

from sessionware import ConfigError, Session, SessionMiddleware
from sessionware.integrations.bottle import SessionPlugin
from sessionware.testing import FakeClock, SessionClient

Wrap = Callable[[bottle.Bottle], Any]


def by_plugin(site: bottle.Bottle) -> Any:
    site.install(SessionPlugin(secret=SECRET, clock=FakeClock()))
    return site


def by_plugin_in_middleware(site: bottle.Bottle) -> Any:
    site.install(SessionPlugin())
    return SessionMiddleware(site, secret=SECRET, clock=FakeClock())


def by_both(site: bottle.Bottle) -> Any:
    site.install(SessionPlugin(secret=SECRET, clock=FakeClock()))
    return SessionMiddleware(site, secret=SECRET, clock=FakeClock())


@pytest.fixture(params=[by_plugin, by_plugin_in_middleware, by_both])
def wrap(request: pytest.FixtureRequest) -> Wrap:
    """Gives a site its sessions: by the plugin alone, by a middleware around it, and by both."""
    found: Wrap = request.param
    return found


@pytest.fixture
def browser(wrap: Wrap) -> webtest.TestApp:
    return webtest.TestApp(wrap(make_site()))


def data(browser: webtest.TestApp) -> Any:
    """What the session holds."""
    return browser.get("/data").json


def test_a_callback_that_asks_for_the_session_is_given_it(browser: webtest.TestApp) -> None:
    assert [browser.get("/count").text for _ in range(2)] == ["1", "2"]


def test_a_keyword_only_argument_is_given_it_too(browser: webtest.TestApp) -> None:
    browser.get("/keyword/dark")

    assert data(browser) == {"theme": "dark"}


def test_a_callback_that_does_not_ask_finds_it_in_the_request(browser: webtest.TestApp) -> None:
    browser.get("/request")

    assert data(browser) == {"by": "request"}


def test_what_the_address_calls_session_stays_what_it_is(browser: webtest.TestApp) -> None:
    assert browser.get("/address/42").text == "42"


@pytest.mark.parametrize(
    ("path", "status", "held"),
    [
        ("/abort", 403, {"by": "abort"}),
        ("/redirect", 303, {"by": "redirect"}),
        ("/stream", 200, {"by": "stream"}),
        ("/response", 201, {"by": "response"}),
        ("/raised", 202, {"by": "raised"}),
        ("/bug", 500, {"by": "bug"}),
        ("/nowhere", 404, {"by": "error page"}),
        ("/skipped", 200, {"by": "skipped"}),
        ("/hooked", 200, {"by": "hook"}),
    ],
)
def test_the_session_is_saved_however_a_request_ends(
    browser: webtest.TestApp, path: str, status: int, held: dict[str, str]
) -> None:
    answer = browser.get(path, status=status, expect_errors=True)

    assert len(answer.headers.getall("Set-Cookie")) == 1
    assert data(browser) == held


def test_a_request_that_does_not_touch_its_session_gets_no_header(browser: webtest.TestApp) -> None:
    answer = browser.get("/untouched")

    assert not {"Set-Cookie", "Vary"} & set(answer.headers)


def test_a_session_is_committed_once(wrap: Wrap) -> None:
    answer = webtest.TestApp(wrap(make_site())).get("/count")

    assert len(answer.headers.getall("Set-Cookie")) == 1
    assert answer.headers.getall("Vary") == ["Cookie"]


def test_the_session_of_the_middleware_around_is_the_one_that_counts() -> None:
    site = make_site()
    inner, outer = RecordingStore(), RecordingStore()
    site.install(SessionPlugin(secret=SECRET, backend=inner))

    webtest.TestApp(SessionMiddleware(site, secret=SECRET, backend=outer)).get("/count")

    assert (inner.calls, outer.calls) == ([], ["create"])


@pytest.mark.parametrize("operation", ["load", "create", "replace"])
def test_a_store_that_is_down_is_a_503(operation: str) -> None:
    site, store = make_site(), RecordingStore()
    site.install(SessionPlugin(secret=SECRET, backend=store))
    browser = webtest.TestApp(site)
    if operation != "create":
        browser.get("/count")

    with store.down(operation):
        answer = browser.get("/count", status=503, expect_errors=True)

    assert answer.headers["Retry-After"] == "5"


# Mounts


def mounted(child: bottle.Bottle, prefix: str = "/shop/") -> bottle.Bottle:
    parent = bottle.Bottle()
    parent.get("/", callback=lambda: dict(bottle.request.session))
    parent.mount(prefix, child)
    return parent


def test_a_plugin_of_a_mounted_application_serves_its_routes() -> None:
    child = make_site()
    child.install(SessionPlugin(secret=SECRET))
    browser = webtest.TestApp(mounted(child))

    assert [browser.get("/shop/count").text for _ in range(2)] == ["1", "2"]


def test_so_does_a_plugin_that_is_installed_after_the_mount() -> None:
    child = make_site()
    parent = mounted(mounted(child))
    child.install(SessionPlugin(secret=SECRET))

    assert webtest.TestApp(parent).get("/shop/shop/count").text == "1"


def test_a_plugin_of_the_parent_gives_the_mounted_application_its_session() -> None:
    parent = mounted(make_site())
    parent.install(SessionPlugin(secret=SECRET))
    browser = webtest.TestApp(parent)

    browser.get("/shop/request")

    assert browser.get("/").json == {"by": "request"}


def test_one_plugin_in_both_is_one_session() -> None:
    plugin, child = SessionPlugin(secret=SECRET), make_site()
    parent = mounted(child)
    child.install(plugin)
    parent.install(plugin)
    browser = webtest.TestApp(parent)

    assert browser.get("/shop/count").text == "1"
    assert browser.get("/").json == {"count": 1}


def test_a_plugin_of_its_own_in_each_is_the_session_of_the_parent() -> None:
    child = make_site()
    parent = mounted(child)
    child.install(SessionPlugin(secret=SECRET))
    parent.install(SessionPlugin(secret=SECRET))
    browser = webtest.TestApp(parent)

    answer = browser.get("/shop/count")

    assert len(answer.headers.getall("Set-Cookie")) == 1
    assert browser.get("/").json == {"count": 1}


def test_routes_that_another_application_takes_over_are_given_the_session_by_a_plugin_in_both() -> None:
    plugin, child, parent = SessionPlugin(secret=SECRET), make_site(), bottle.Bottle()
    child.install(plugin)
    parent.install(plugin)
    parent.merge(child)
    browser = webtest.TestApp(parent)

    assert [browser.get("/count").text for _ in range(2)] == ["1", "2"]


def test_a_callback_that_tells_no_arguments_is_called_without_the_session() -> None:
    site = bottle.Bottle()
    site.install(SessionPlugin(secret=SECRET))
    site.get("/", callback=dict)

    assert webtest.TestApp(site).get("/").json == {}


def test_an_environ_that_is_used_again_has_a_session_of_its_own() -> None:
    site = make_site()
    site.install(SessionPlugin(secret=SECRET))
    request = webtest.TestRequest.blank("/count")

    assert [request.get_response(site).text for _ in range(2)] == ["1", "1"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_application_that_is_mounted_as_one_of_wsgi_keeps_its_sessions() -> None:
    child, parent = make_site(), bottle.Bottle()
    child.install(SessionPlugin(secret=SECRET))
    parent.mount("/shop/", child.__call__)
    browser = webtest.TestApp(parent)

    assert [browser.get("/shop/count").text for _ in range(2)] == ["1", "2"]
    assert browser.get("/shop/stream").text == "onetwo"


# Without a session


def test_without_a_middleware_and_a_configuration_the_error_names_the_cure() -> None:
    site = make_site()
    site.config["catchall"] = False
    site.install(SessionPlugin())
    browser = webtest.TestApp(site)

    assert browser.get("/untouched").text == "untouched"
    for path in ("/count", "/request"):
        with pytest.raises(ConfigError, match=r"wrap the application.*or give the options to the plugin"):
            browser.get(path)


def test_a_fault_of_the_configuration_is_told_at_the_start() -> None:
    with pytest.raises(ConfigError, match="secret: it is missing"):
        SessionPlugin({})


def test_an_application_is_left_as_it_was_when_the_plugin_goes() -> None:
    site = make_site()
    site.config["catchall"] = False
    plugin = site.install(SessionPlugin(secret=SECRET))

    site.uninstall(plugin)

    with pytest.raises(AttributeError, match="session"):
        webtest.TestApp(site).get("/request")


def test_two_plugins_give_two_sessions() -> None:
    site = bottle.Bottle()
    site.install(SessionPlugin(secret=SECRET))
    options = {"secret": SECRET, "environ_key": "admin.session", "cookie.name": "admin"}
    site.install(SessionPlugin(options, keyword="admin"))

    def both(session: Session, admin: Session) -> None:
        session["site"] = admin["admin"] = 1

    site.get("/", callback=both)
    browser = webtest.TestApp(site)
    browser.get("/")

    assert set(browser.cookies) == {"sid", "admin"}


def test_the_helper_for_tests_finds_the_manager_that_counts(wrap: Wrap) -> None:
    client = SessionClient(webtest.TestApp(wrap(make_site())))

    client.log_in("ada", theme="dark")
    client.get("/count")

    assert data(client.client) == {"theme": "dark", "count": 1}


def test_of_a_plugin_and_a_middleware_the_helper_takes_the_managers_of_the_middleware() -> None:
    app = by_both(make_site())

    assert SessionClient(app).manager is app.manager


# A real server


@pytest.fixture(scope="module")
def gunicorn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with serving("gunicorn", "integrations.served_bottle:app", tmp_path_factory.mktemp("gunicorn")) as port:
        yield port


@pytest.mark.parametrize("path", ["/redirect", "/stream", "/response", "/abort"])
def test_gunicorn_serves_an_application_with_the_plugin(gunicorn: int, path: str) -> None:
    client = Client(gunicorn)

    client.get(path)

    assert client.get("/data") == (200, b'{"by": "%s"}' % path[1:].encode())
