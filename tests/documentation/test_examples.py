"""The examples run: under WebTest, and as real servers."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import secrets
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import webtest
from documentation.examples import EXAMPLES, Load

START_SECONDS = 30


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


def test_the_bottle_application_keeps_the_theme(load: Load, tmp_path: Path) -> None:
    app = load("bottle_app", "app")
    before = app.get("/")

    app.post("/theme", {"theme": "dark"}, status=303)

    assert before.json == {"theme": "light"}
    assert app.get("/").json == {"theme": "dark"}
    assert any(path.is_file() for path in (tmp_path / "sessions").rglob("*"))


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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def running(command: list[str], port: int, **options: Any) -> Iterator[None]:
    """A server that is ready, and stopped in the end."""
    process = subprocess.Popen(command, **options)
    deadline = time.monotonic() + START_SECONDS
    try:
        while not answers(port):
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not start"
        yield
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def answers(port: int) -> bool:
    try:
        Browser(port).get("/whoami")
    except ConnectionError:
        return False
    return True


class Browser:
    """Keeps cookies, and follows redirects after a form."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    def get(self, path: str) -> str:
        return self.ask("GET", path, None)

    def post(self, path: str, **form: str) -> str:
        return self.ask("POST", path, urlencode(form))

    def ask(self, method: str, path: str, body: str | None, **headers: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        headers["Host"] = f"localhost:{self.port}"
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        self.set_cookies = answer.headers.get_all("Set-Cookie", [])
        for line in self.set_cookies:
            self._keep(line)
        self.status = answer.status
        return self.get(answer.headers["Location"]) if answer.status == 303 else text

    def _keep(self, line: str) -> None:
        name, _, value = line.partition(";")[0].partition("=")
        self.cookies[name] = value
        if "Max-Age=0" in line:
            del self.cookies[name]


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
def demo(tmp_path: Path) -> Iterator[int]:
    """The demo as ``make demo`` starts it."""
    port = free_port()
    environment = {**os.environ, "DEMO_DATA": str(tmp_path / "data"), "HOME": str(tmp_path)}
    with (
        (tmp_path / "log").open("w") as log,
        running([sys.executable, EXAMPLES / "demo" / "serve.py", str(port)], port, env=environment, stdout=log),  # type: ignore[list-item]
    ):
        yield port


@pytest.fixture
def ada(demo: int) -> Browser:
    """Somebody who is signed in to the demo."""
    browser = Browser(demo)
    browser.post("/sign-in", name="<Ada>")
    return browser


def test_the_demo_prints_an_address_to_click_on(demo: int, tmp_path: Path) -> None:
    assert f"http://localhost:{demo}\n" in (tmp_path / "log").read_text()


def test_the_demo_leaves_nothing_behind_for_who_only_looks(demo: int) -> None:
    browser = Browser(demo)

    page = browser.get("/")

    assert "You have no session" in page
    assert browser.cookies == {}


def test_the_demo_loses_no_visit(ada: Browser) -> None:
    def visit(_: int) -> None:
        other = Browser(ada.port)
        other.cookies = dict(ada.cookies)
        other.get("/")

    with ThreadPoolExecutor(8) as tabs:
        list(tabs.map(visit, range(40)))

    assert "with 41 visits" in ada.get("/whoami")


def test_the_demo_fills_a_cart(ada: Browser) -> None:
    ada.post("/cart", item="Tea")
    page = ada.post("/cart", item="Tea")

    assert "<td>Tea</td><td>2 &times;</td><td>9.00 €</td>" in page
    assert "Nothing yet." in ada.post("/cart/empty")


def test_the_demo_shows_the_session_and_the_attributes_of_its_cookie_but_no_token(ada: Browser) -> None:
    page = ada.get("/")

    assert "Hello, &lt;Ada&gt;" in page
    assert "sid=…; HttpOnly; Path=/; SameSite=Lax" in page
    assert re.search(r"<code>[0-9A-Za-z_-]{22}</code>", page)
    assert ada.cookies["sid"] not in page


def test_the_demo_gives_a_new_id(ada: Browser) -> None:
    before = ada.cookies["sid"]

    ada.post("/new-id")

    assert ada.cookies["sid"] != before
    assert "of <Ada>" in ada.get("/whoami")


def test_the_old_cookie_is_dead_after_signing_out_of_the_demo(ada: Browser) -> None:
    old = ada.cookies["sid"]
    assert "of <Ada>" in ada.get("/whoami")

    page = ada.post("/sign-out")

    assert old in page
    assert "Now</dt><dd><strong>no session: nobody is signed in" in page
    assert "no session: nobody is signed in" in ada.post("/replay", cookie=f"sid={old}")
    assert "sid" not in ada.cookies
    ada.cookies["sid"] = old
    assert ada.get("/whoami") == "no session: nobody is signed in\n"


def test_the_demo_takes_no_form_of_another_site(ada: Browser) -> None:
    ada.ask("POST", "/sign-out", "", **{"Origin": "http://attacker.example", "Sec-Fetch-Site": "cross-site"})

    assert ada.status == 403
    assert "of <Ada>" in ada.get("/whoami")


def test_the_demo_refuses_a_form_that_is_too_large(ada: Browser) -> None:
    text = ada.ask("POST", "/cart", "item=" + "x" * 20_000)

    assert ada.status == 413
    assert text == "That form has more than 16,384 bytes.\n"


def test_the_demo_sends_the_line_of_the_session_last(ada: Browser) -> None:
    """After a cookie that is deleted, curl 7.88 mistakes the next one for an old one."""
    ada.ask("POST", "/sign-out", "")

    assert [line.partition("=")[0] for line in ada.set_cookies] == ["demo-set-cookie", "sid"]


def test_the_demo_keeps_its_secret_and_its_sessions_to_itself(ada: Browser, tmp_path: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()}

    assert modes["secret"] == 0o600
    assert modes["sessions.db"] == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_the_demo_says_so_when_its_port_is_taken(demo: int) -> None:
    command = [sys.executable, str(EXAMPLES / "demo" / "serve.py"), str(demo)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_SECONDS)

    assert done.returncode == 1
    assert f"port {demo} is taken" in done.stderr


@pytest.mark.parametrize("wanted", ["abc", "0", "65536", "-1"])
def test_the_demo_refuses_what_is_no_port(wanted: str) -> None:
    command = [sys.executable, str(EXAMPLES / "demo" / "serve.py"), wanted]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_SECONDS)

    assert done.returncode == 1
    assert done.stderr == f"expected a port from 1 to 65535, got {wanted!r}: make demo PORT=8080\n"
