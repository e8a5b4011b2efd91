"""The examples run: under WebTest, and as real servers."""

from __future__ import annotations

import contextlib
import os
import re
import runpy
import secrets
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import webtest
from documentation.examples import EXAMPLES, Load
from documentation.serving import Browser, running
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


def test_the_application_with_flask_login_and_flask_wtf_keeps_notes_until_the_logout(
    load: Load, tmp_path: Path
) -> None:
    app = load("flask_login_app", "app")
    form = app.get("/").form
    form["user"], form["password"] = "ada", "any"
    page = form.submit().follow()
    assert "Welcome, ada!" in page
    assert "on 1 device(s)" in page

    page.forms[0]["note"] = "buy tea"
    page = page.forms[0].submit("submit").follow()
    assert "<li>buy tea</li>" in page
    assert "Welcome" not in page

    page = page.forms[1].submit().follow()
    assert "Good-bye!" in page
    assert "buy tea" not in page
    assert (tmp_path / "sessions.db").exists()


def test_the_application_with_flask_wtf_refuses_a_form_without_its_token(load: Load) -> None:
    app = load("flask_login_app", "app")

    app.post("/login", {"user": "eve", "password": "any"}, status=400)

    assert 'id="signed-in"' not in app.get("/")


def test_the_bottle_application_keeps_the_theme(load: Load, tmp_path: Path) -> None:
    app = load("bottle_app", "app")
    before = app.get("/")

    app.post("/theme", {"theme": "dark"}, status=303)

    assert before.json == {"theme": "light"}
    assert app.get("/").json == {"theme": "dark"}
    assert any(path.is_file() for path in (tmp_path / "sessions").rglob("*"))


def test_the_pyramid_application_keeps_notes_through_a_sign_in(load: Load) -> None:
    app = load("pyramid_app", "app")
    form = app.get("/").forms[0]
    form["note"] = "<tea>"

    page = form.submit().follow()
    page.forms[1]["user"] = "ada"
    signed_in = page.forms[1].submit().follow()

    assert "Your note was added." in page
    assert "<li>&lt;tea&gt;</li>" in signed_in
    assert "Signed in as ada." in signed_in
    assert "Your note was added." not in signed_in


def test_the_pyramid_application_refuses_a_form_that_did_not_come_from_its_page(load: Load) -> None:
    app = load("pyramid_app", "app")
    app.get("/")

    app.post("/notes", {"note": "forged"}, status=400)

    assert "forged" not in app.get("/")


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


@pytest.fixture
def moving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shop of Beaker's in a directory of its own."""
    monkeypatch.setenv("SESSION_SECRET", secrets.token_urlsafe(32))
    monkeypatch.chdir(tmp_path)
    for source in (EXAMPLES / "from_beaker").iterdir():
        shutil.copy(source, tmp_path)
    return tmp_path


def _commit(directory: Path, number: int) -> None:
    """Make the commit of this number."""
    (patch,) = directory.glob(f"{number}-*.patch")
    subprocess.run(["git", "apply", patch.name], cwd=directory, check=True)


def _shop(directory: Path) -> webtest.TestApp:
    """The shop as it stands in *directory*."""
    return webtest.TestApp(runpy.run_path(str(directory / "shop.py"))["app"])


@pytest.mark.parametrize("commits", [0, 1, 2])
@pytest.mark.filterwarnings("default::DeprecationWarning:beaker")
def test_the_shop_that_moves_from_beaker_does_the_same_at_each_commit(moving: Path, commits: int) -> None:
    for number in range(1, commits + 1):
        _commit(moving, number)
    shop = _shop(moving)

    answers = [shop.post("/cart", {"item": item}).text for item in ("tea", "milk")]
    answers += [shop.post("/login", {"user": "ada"}).text]

    assert answers == ["1 in the cart\n", "2 in the cart\n", "Welcome, ada\n"]
    assert shop.get("/").json == {"user": "ada", "cart": ["tea", "milk"]}
    assert shop.post("/logout").text == "Good-bye\n"
    assert shop.get("/").json == {"user": None, "cart": []}


def test_a_session_of_the_first_commit_is_read_after_the_second(moving: Path) -> None:
    _commit(moving, 1)
    before = _shop(moving)
    before.post("/login", {"user": "ada"})
    before.post("/cart", {"item": "tea"})

    _commit(moving, 2)
    after = _shop(moving)
    after.set_cookie("sid", before.cookies["sid"])

    assert after.get("/").json == {"user": "ada", "cart": ["tea"]}
