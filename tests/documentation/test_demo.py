"""The demo does what its page says, in several browsers at once."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from documentation.examples import EXAMPLES
from documentation.serving import START_SECONDS, Browser, running
from support.servers.process import free_port


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
