"""The examples run: under WebTest, and as real servers."""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import secrets
import sqlite3
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import webtest
from documentation.examples import EXAMPLES, Load
from documentation.serving import Browser, running
from documentation.walking import after_commits
from support.servers.process import free_port


def test_the_plain_application_counts_visits(load: Load) -> None:
    app = load("plain_wsgi", "app")

    visits = [app.get("/").text for _ in range(3)]

    assert visits == ["1 visits", "2 visits", "3 visits"]


@pytest.mark.parametrize(
    ("name", "app_name"), [("plain_wsgi", "app"), ("key_value", "app"), ("custom_store", "make_app")]
)
def test_an_example_that_counts_does_not_count_what_a_browser_asks_for_by_itself(
    load: Load, name: str, app_name: str
) -> None:
    app = load(name, app_name)
    if app_name == "make_app":
        make_app: Any = app.app
        app = webtest.TestApp(make_app())
    app.get("/")

    icon = app.get("/favicon.ico", status=404)

    assert "Set-Cookie" not in icon.headers
    assert app.get("/").text == "2 visits"


def test_the_health_check_of_the_plain_application_leaves_the_session_alone(load: Load) -> None:
    answer = load("plain_wsgi", "app").get("/health")

    assert answer.text == "fine"
    assert not {"Set-Cookie", "Vary"} & set(answer.headers)


def test_the_flask_application_keeps_a_cart_beside_flasks_own_session(load: Load) -> None:
    app = load("flask_app", "app")

    app.post("/login", {"user": "ada"})
    app.post("/cart", {"item": "tea"})
    app.post("/cart", {"item": "honey"})

    assert set(app.cookies) == {"sid", "session"}
    assert app.get("/").json == {"user": "ada", "cart": ["tea", "honey"], "messages": ["Welcome!"]}


def test_signing_out_of_the_flask_application_ends_only_our_session(load: Load) -> None:
    app = load("flask_app", "app")
    app.post("/login", {"user": "ada"})
    old = f"sid={app.cookies['sid']}"
    assert app.get("/", headers={"Cookie": old}).json["user"] == "ada"

    app.post("/logout")

    assert set(app.cookies) == {"session"}
    assert app.get("/", headers={"Cookie": old}).json["user"] is None


def test_the_form_of_the_flask_application_takes_its_token_and_flashes_once(load: Load) -> None:
    app = load("flask_app", "app")
    form = app.get("/name").form

    form["name"] = "Ada"
    page = form.submit().follow()

    assert "Your name was saved." in page
    assert page.form["name"].value == "Ada"
    assert "Your name was saved." not in app.get("/name")


@pytest.mark.parametrize("fields", [{}, {"csrf_token": ""}, {"csrf_token": "A" * 86}])
def test_the_form_of_the_flask_application_refuses_what_did_not_come_from_its_page(
    load: Load, fields: dict[Any, Any]
) -> None:
    app = load("flask_app", "app")
    app.get("/name")

    app.post("/name", {"name": "Eve", **fields}, status=400)

    assert app.get("/name").form["name"].value == ""


#: What a visitor may fill in without a session, by the example: the path, and a field with a value.
FORMS: dict[str, tuple[str, dict[Any, Any]]] = {
    "flask_login_app": ("/login", {"user": "ada", "password": "tea"}),
    "bottle_app": ("/theme", {"theme": "dark"}),
    "pyramid_app": ("/notes", {"note": "forged"}),
}


def shown(app: webtest.TestApp) -> str:
    """What the first page says, without the tokens in its forms."""
    return str(app.get("/").html.get_text())


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("token", ["", "A" * 86])
def test_a_form_without_a_token_of_its_page_does_nothing_and_says_so(load: Load, name: str, token: str) -> None:
    app = load(name, "app")
    path, fields = FORMS[name]
    before = shown(app)

    page = app.post(path, {**fields, "csrf_token": token}).follow()

    assert "That page was out of date, and nothing was changed. Please try again." in page
    assert shown(app) == before


@pytest.mark.parametrize("name", FORMS)
def test_a_form_from_before_the_sign_out_does_nothing_and_says_so(load: Load, name: str) -> None:
    app = load(name, "app")
    sign_in = app.get("/").forms[0 if name == "flask_login_app" else 1]
    sign_in["user"], sign_in["password"] = "ada", "tea"
    page = sign_in.submit().follow()
    old, sign_out = page.forms[0], page.forms[1]
    sign_out.submit()

    page = old.submit().follow()

    assert "That page was out of date" in page
    assert "Signed in" not in page


@pytest.mark.parametrize(
    ("name", "place"), [("flask_login_app", "sessions.db"), ("bottle_app", "sessions"), ("pyramid_app", "sessions.db")]
)
def test_an_example_with_pages_keeps_its_sessions_on_the_server(
    load: Load, name: str, place: str, tmp_path: Path
) -> None:
    load(name, "app").get("/")

    assert (tmp_path / place).exists()


def test_two_browsers_are_two_devices(load: Load) -> None:
    for devices in ("on one device", "on 2 devices"):
        form = load("flask_login_app", "app").get("/").form
        form["user"], form["password"] = "ada", "tea"

        page = form.submit().follow()

        assert f"Signed in as <b>ada</b>, {devices}." in page


def test_the_notes_of_the_pyramid_application_stay_through_the_sign_in(load: Load) -> None:
    app = load("pyramid_app", "app")
    form = app.get("/").forms[0]
    form["note"] = "<tea>"
    page = form.submit().follow()
    sign_in = page.forms[1]
    sign_in["user"], sign_in["password"] = "ada", "tea"

    signed_in = sign_in.submit().follow()

    assert "Your note was added." in page
    assert "<li>&lt;tea&gt;</li>" in signed_in
    assert "Your note was added." not in signed_in


@pytest.mark.parametrize("name", ["app", "app_in_memory"])
def test_a_key_value_object_holds_sessions(load: Load, name: str) -> None:
    app = load("key_value", name)

    visits = [app.get("/").text for _ in range(3)]

    assert visits == ["1 visits", "2 visits", "3 visits"]


def test_a_key_value_store_in_files_outlives_the_process(load: Load, tmp_path: Path) -> None:
    first = load("key_value", "app")
    first.get("/")

    second = load("key_value", "app")

    assert second.get("/", headers={"Cookie": f"sid={first.cookies['sid']}"}).text == "2 visits"
    assert any((tmp_path / "entries").iterdir())


# Real servers


@pytest.fixture
def served(tmp_path: Path) -> Iterator[int]:
    """The plain application under gunicorn, as its documentation says."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", f"127.0.0.1:{port}"]
    command += ["--graceful-timeout", "2", "plain_wsgi:app"]
    environment = {**os.environ, "SESSION_SECRET": secrets.token_urlsafe(32), "HOME": str(tmp_path)}
    with running(command, port, cwd=EXAMPLES, env=environment):
        yield port


def test_all_workers_of_gunicorn_open_the_same_cookie(served: int) -> None:
    browser = Browser(served)

    visits = [browser.get("/") for _ in range(20)]

    assert visits == [f"{number} visits" for number in range(1, 21)]


@pytest.fixture
def over_its_own_store(tmp_path: Path) -> Iterator[int]:
    """The application over a store of its own, with the command of its documentation but for the address."""
    port = free_port()
    (documented,) = re.findall(
        r"gunicorn -c gunicorn\.conf\.py '(custom_store:.*)'", (EXAMPLES / "custom_store.py").read_text()
    )
    command = [sys.executable, "-m", "gunicorn", "-c", str(EXAMPLES / "gunicorn.conf.py")]
    command += ["--pythonpath", str(EXAMPLES)]
    command += ["--bind", f"127.0.0.1:{port}", "--graceful-timeout", "2", documented]
    environment = {**os.environ, "SESSION_SECRET": secrets.token_urlsafe(32), "HOME": str(tmp_path)}
    with running(command, port, cwd=tmp_path, env=environment):
        yield port


def test_a_store_of_ones_own_serves_all_workers_of_gunicorn(over_its_own_store: int, tmp_path: Path) -> None:
    browser = Browser(over_its_own_store)

    visits = [browser.get("/") for _ in range(20)]

    assert visits == [f"{number} visits" for number in range(1, 21)]
    with contextlib.closing(sqlite3.connect(tmp_path / "custom.db")) as database:
        assert database.execute("SELECT count(*) FROM sessions").fetchone()[0] > 0


def test_a_store_of_ones_own_loses_no_visit_of_many_at_once(over_its_own_store: int) -> None:
    browser = Browser(over_its_own_store)
    browser.get("/")

    def visit(_: int) -> None:
        other = Browser(over_its_own_store)
        other.cookies = dict(browser.cookies)
        other.get("/")

    with ThreadPoolExecutor(4) as tabs:
        list(tabs.map(visit, range(20)))

    assert browser.get("/") == "22 visits"


def _shop(directory: Path, commits: int) -> webtest.TestApp:
    """The shop of Beaker's after so many of its two commits, on sessions in the current directory."""
    return webtest.TestApp(runpy.run_path(str(after_commits(directory / str(commits), commits) / "shop.py"))["app"])


@pytest.mark.filterwarnings("default::DeprecationWarning:beaker")
def test_a_session_of_the_first_commit_goes_on_after_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SESSION_SECRET", secrets.token_urlsafe(32))
    monkeypatch.chdir(tmp_path)
    before = _shop(tmp_path, 1)
    before.post("/login", {"user": "ada", "password": "tea"})
    before.post("/cart", {"item": "tea"})

    after = _shop(tmp_path, 2)
    after.set_cookie("sid", before.cookies["sid"])

    page = after.get("/")
    assert "<li>tea</li>" in page
    assert "Signed in as <b>ada</b>." in page
    assert "The cart is empty." in after.post("/logout").follow()
    assert "The cart is empty." in before.get("/")
