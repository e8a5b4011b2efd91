"""The demo does what its page says, in several browsers at once."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest
from documentation.examples import EXAMPLES
from documentation.serving import START_SECONDS, Browser, running
from support.servers.process import free_port

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile Safari/604.1"
PASSWORD = "tea"
NAMES = (f"<Ada {number}>" for number in itertools.count(1))
NO_SESSION = "no session: nobody is signed in\n"


@contextlib.contextmanager
def serving(port: int, directory: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """The demo as ``make demo`` starts it; what it stores and what it prints is in *directory*."""
    environment = {**os.environ, "DEMO_DATA": str(directory / "data"), "HOME": str(directory), **variables}
    command = [sys.executable, str(EXAMPLES / "demo" / "serve.py"), str(port)]
    with (
        (directory / "log").open("w") as log,
        running(command, port, env=environment, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        yield process


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(directory: Path) -> Iterator[int]:
    """One demo for all tests, each of which has a user of its own."""
    port = free_port()
    with serving(port, directory):
        yield port


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A demo whose sessions and whose confirmed passwords last for a moment only."""
    variables = {"DEMO_IDLE_TIMEOUT": "5s", "DEMO_CONFIRMED_FOR": "1s"}
    port = free_port()
    with serving(port, tmp_path_factory.mktemp("hurried"), **variables):
        yield port


def signed_in(port: int, name: str, *, agent: str = "", **form: str) -> Browser:
    browser = Browser(port, agent=agent)
    browser.post("/sign-in", name=name, password=PASSWORD, **form)
    return browser


@pytest.fixture
def name() -> str:
    return next(NAMES)


@pytest.fixture
def ada(demo: int, name: str) -> Browser:
    """A user who is signed in to the demo."""
    return signed_in(demo, name, agent=FIREFOX)


@pytest.fixture
def phone(ada: Browser, name: str) -> Browser:
    """The same user in another browser."""
    return signed_in(ada.port, name, agent=PHONE)


def session_id(browser: Browser) -> str:
    (found,) = re.findall(r"Session id</dt><dd><code>([0-9A-Za-z_-]{22})</code>", browser.get("/"))
    return str(found)


def devices(page: str) -> list[str]:
    return re.findall(r"<li><div><strong>(.*?)</strong>", page)


def messages(page: str) -> list[str]:
    return re.findall(r'<p class="flash [a-z]+" role="status">(.*?)</p>', page)


def token(page: str) -> str:
    return str(re.findall(r'name="csrf_token" value="(.*?)"', page)[0])


def address(page: str) -> str:
    (found,) = re.findall(r'name="address" required maxlength="120" value="(.*?)"', page)
    return str(found)


def neighbour_of(browser: Browser) -> str:
    (origin,) = set(re.findall(r'<a href="(http://localhost:[0-9]+)/">', browser.get("/")))
    return str(origin)


# To begin with


def test_it_prints_an_address_to_click_on(demo: int, directory: Path) -> None:
    assert f"http://localhost:{demo}\n" in (directory / "log").read_text()


def test_ctrl_c_stops_it_without_a_complaint_while_a_browser_keeps_connections_open(tmp_path: Path) -> None:
    port = free_port()
    with contextlib.ExitStack() as connections, serving(port, tmp_path) as process:
        for _ in range(16):  # that a worker has none is unlikely
            connections.enter_context(socket.create_connection(("localhost", port)))
            Browser(port).get("/whoami")

        os.killpg(process.pid, signal.SIGINT)
        process.wait(START_SECONDS)

    assert "SIGKILL" not in (tmp_path / "log").read_text()


def test_it_leaves_nothing_behind_for_who_only_looks(demo: int) -> None:
    browser = Browser(demo)

    page = browser.get("/")

    assert "You have no session" in page
    assert messages(page) == []
    assert browser.cookies == {}


def test_it_loses_no_visit(ada: Browser) -> None:
    def visit(_: int) -> None:
        other = Browser(ada.port)
        other.cookies = dict(ada.cookies)
        other.get("/")

    with ThreadPoolExecutor(8) as tabs:
        list(tabs.map(visit, range(40)))

    assert "with 41 visits" in ada.get("/whoami")


def test_it_fills_a_cart(ada: Browser) -> None:
    ada.post("/cart", item="Tea")
    page = ada.post("/cart", item="Tea")

    assert "<td>Tea</td><td>2 &times;</td><td>9.00 €</td>" in page
    assert "Nothing yet." in ada.post("/cart/empty")


def test_it_shows_the_session_and_the_attributes_of_its_cookie_but_no_token(ada: Browser, name: str) -> None:
    page = ada.get("/")

    assert f"Hello, {name.replace('<', '&lt;').replace('>', '&gt;')}" in page
    assert "sid=…; HttpOnly; Path=/; SameSite=Lax" in page
    assert re.search(r"<code>[0-9A-Za-z_-]{22}</code>", page)
    assert ada.cookies["sid"] not in page


def test_it_gives_a_new_id(ada: Browser, name: str) -> None:
    before = ada.cookies["sid"]

    ada.post("/new-id")

    assert ada.cookies["sid"] != before
    assert f"of {name}" in ada.get("/whoami")


# Signing in and out


def test_a_wrong_password_begins_no_session(demo: int, name: str) -> None:
    browser = Browser(demo)

    page = browser.post("/sign-in", name=name, password="coffee")

    assert browser.status == 403
    assert messages(page) == ["That is not the password."]
    assert browser.cookies == {}


def test_the_cookie_ends_with_the_browser(ada: Browser, name: str) -> None:
    ada.ask("POST", "/sign-in", urlencode({"name": name, "password": PASSWORD}))

    assert "sid=…; HttpOnly; Path=/; SameSite=Lax" in ada.get("/")


def test_who_wants_to_be_remembered_has_a_cookie_for_thirty_days(demo: int, name: str) -> None:
    browser = signed_in(demo, name, remember="on")

    assert "sid=…; Max-Age=2592000; HttpOnly; Path=/; SameSite=Lax" in browser.get("/")


def test_the_old_cookie_is_dead_after_signing_out(ada: Browser, name: str) -> None:
    old = ada.cookies["sid"]
    assert f"of {name}" in ada.get("/whoami")

    page = ada.post("/sign-out")

    assert old in page
    assert "Now</dt><dd><strong>no session: nobody is signed in" in page
    assert "no session: nobody is signed in" in ada.post("/replay", cookie=f"sid={old}")
    assert "sid" not in ada.cookies
    ada.cookies["sid"] = old
    assert ada.get("/whoami") == NO_SESSION


def test_a_user_who_was_away_for_too_long_is_told_so(hurried: int, name: str) -> None:
    """Though the list of events was asked for all the time, since those requests are passive."""
    browser = signed_in(hurried, name)
    deadline = time.monotonic() + START_SECONDS

    while "This session ends in" in browser.get("/events"):
        assert time.monotonic() < deadline, "the list of events keeps the session alive"
        time.sleep(0.1)

    assert messages(browser.get("/")) == ["You were away for too long. Please sign in again."]


# Messages


def test_a_message_is_shown_once(ada: Browser) -> None:
    page = ada.post("/cart", item="Honey")

    assert "Honey is in your cart." in messages(page)
    assert messages(ada.get("/")) == []


# Devices


def test_each_browser_of_a_user_is_a_device(ada: Browser, phone: Browser) -> None:
    page = ada.get("/")

    assert devices(page) == ["Safari on an iPhone", "Firefox on Linux"]
    assert '<strong>Firefox on Linux</strong> <span class="tag">this one</span>' in page
    assert page.count('action="/devices/sign-out"') == 1
    assert '<strong>Safari on an iPhone</strong> <span class="tag">this one</span>' in phone.get("/")


def test_a_device_is_signed_out_from_another(ada: Browser, phone: Browser) -> None:
    page = ada.post("/devices/sign-out", session=session_id(phone))

    assert messages(page) == ["Safari on an iPhone is signed out."]
    assert devices(page) == ["Firefox on Linux"]
    assert phone.get("/whoami") == NO_SESSION
    (told,) = messages(phone.get("/"))
    assert "signed out" in told


def test_all_other_devices_are_signed_out_at_once(ada: Browser, phone: Browser, name: str) -> None:
    third = signed_in(ada.port, name)

    page = ada.post("/devices/sign-out-others")

    assert messages(page) == ["2 other devices are signed out."]
    assert devices(page) == ["Firefox on Linux"]
    assert {phone.get("/whoami"), third.get("/whoami")} == {NO_SESSION}


def test_the_session_of_another_user_cannot_be_signed_out(ada: Browser) -> None:
    eve = signed_in(ada.port, next(NAMES))

    page = eve.post("/devices/sign-out", session=session_id(ada))

    assert messages(page) == ["You have no other device with that session."]
    assert ada.get("/whoami") != NO_SESSION


@pytest.mark.parametrize("path", ["/devices/sign-out", "/devices/sign-out-others"])
def test_a_visitor_signs_no_device_out(ada: Browser, path: str) -> None:
    visitor = Browser(ada.port)

    visitor.post(path, session=session_id(ada))

    assert visitor.cookies == {}
    assert ada.get("/whoami") != NO_SESSION


def test_a_sixth_device_ends_the_session_of_the_oldest(ada: Browser, name: str) -> None:
    others = [signed_in(ada.port, name) for _ in range(5)]

    assert ada.get("/whoami") == NO_SESSION
    assert NO_SESSION not in [other.get("/whoami") for other in others]


# The address


def test_soon_after_signing_in_the_address_is_changed_at_once(ada: Browser, phone: Browser) -> None:
    page = ada.post("/address", csrf_token=token(ada.get("/")), address="1 Tea <Lane>")

    assert messages(page) == ["Your address is changed."]
    assert address(page) == address(phone.get("/")) == "1 Tea &lt;Lane&gt;"


def until_asked_again(browser: Browser) -> str:
    """Change the address again and again to the same one, until the password is asked for: that page."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        page = browser.post("/address", csrf_token=token(browser.get("/")), address="1 Tea Lane")
        if "Confirm your password" in page:
            return page
        assert time.monotonic() < deadline, "the password is never asked for again"
        time.sleep(0.1)


def test_later_the_password_is_asked_for_before_the_address_is_changed(hurried: int, name: str) -> None:
    browser = signed_in(hurried, name)
    asked = until_asked_again(browser)
    before = address(browser.get("/"))
    cookie = browser.cookies["sid"]

    page = browser.post("/address/confirm", csrf_token=token(asked), address="2 Honey Lane", password=PASSWORD)

    assert before == "1 Tea Lane"
    assert messages(page) == ["Your address is changed."]
    assert address(page) == "2 Honey Lane"
    assert browser.cookies["sid"] != cookie


def test_a_wrong_password_changes_no_address(hurried: int, name: str) -> None:
    browser = signed_in(hurried, name)
    asked = until_asked_again(browser)

    page = browser.post("/address/confirm", csrf_token=token(asked), address="2 Honey Lane", password="coffee")

    assert messages(page) == ["That is not the password."]
    assert "Confirm your password" in page
    assert address(browser.get("/")) == "1 Tea Lane"


@pytest.mark.parametrize("path", ["/address", "/address/confirm"])
@pytest.mark.parametrize("fields", [{}, {"csrf_token": "A" * 86}])
def test_a_form_without_a_token_of_the_session_changes_no_address(
    ada: Browser, path: str, fields: dict[str, str]
) -> None:
    ada.post(path, address="a forger's house", password=PASSWORD, **fields)

    assert ada.status == 400
    assert address(ada.get("/")) == ""


# Another site


def test_the_neighbour_has_a_form_for_the_address_in_the_shop(ada: Browser) -> None:
    origin = neighbour_of(ada)
    browser = Browser(int(origin.rpartition(":")[2]))

    page = browser.get("/")

    assert f'action="http://localhost:{ada.port}/address"' in page
    assert f"Origin: {origin}" in page
    assert browser.cookies == {}
    browser.get("/whoami")
    assert browser.status == 404


def test_a_forged_form_of_the_neighbour_is_refused_even_with_a_token(ada: Browser) -> None:
    origin = neighbour_of(ada)
    form = {"csrf_token": token(ada.get("/")), "address": "a forger's house"}

    answer = ada.ask("POST", "/address", urlencode(form), Origin=origin)

    assert ada.status == 403
    assert answer == "This request came from another site, and may not use the session of this one.\n"
    assert address(ada.get("/")) == ""
    assert f"<td>refused</td><td>{origin}</td>" in ada.get("/events")


def test_the_neighbour_cannot_show_a_page_of_the_shop_in_a_frame(ada: Browser) -> None:
    ada.get("/")
    assert "frame-ancestors 'none'" in ada.headers["Content-Security-Policy"]

    ada.get("/events")
    assert "frame-ancestors 'self'" in ada.headers["Content-Security-Policy"]


def test_it_takes_no_form_of_another_site(ada: Browser, name: str) -> None:
    ada.ask("POST", "/sign-out", "", **{"Origin": "http://attacker.example", "Sec-Fetch-Site": "cross-site"})

    assert ada.status == 403
    assert f"of {name}" in ada.get("/whoami")


# Events


def test_the_events_of_all_devices_of_a_user_are_listed(ada: Browser, phone: Browser) -> None:
    id_of_phone = session_id(phone)
    ada.post("/devices/sign-out", session=id_of_phone)

    listed = ada.get("/events")

    session = f"<td><code>{id_of_phone[:6]}</code></td>"
    assert f"<td>created</td><td>login</td>{session}<td>Safari on an iPhone</td>" in listed
    assert f"<td>revoked</td><td></td>{session}" in listed


def test_no_event_shows_a_cookie_and_none_another_user(ada: Browser) -> None:
    eve = signed_in(ada.port, next(NAMES))

    listed = ada.get("/events")

    assert ada.cookies["sid"] not in listed
    assert session_id(ada)[:6] in listed
    assert session_id(eve)[:6] not in listed


def test_a_visitor_sees_no_events(ada: Browser) -> None:
    listed = Browser(ada.port).get("/events")

    assert "You are not signed in." in listed
    assert "<td>" not in listed


def test_the_list_loads_itself_again_while_there_is_a_session(ada: Browser, phone: Browser) -> None:
    ada.post("/devices/sign-out-others")

    assert 'http-equiv="refresh"' in ada.get("/events")
    assert 'http-equiv="refresh"' not in phone.get("/events")


# What it refuses, and what it keeps


def test_it_refuses_a_form_that_is_too_large(ada: Browser) -> None:
    text = ada.ask("POST", "/cart", "item=" + "x" * 20_000)

    assert ada.status == 413
    assert text == "That form has more than 16,384 bytes.\n"


def test_it_sends_the_line_of_the_session_last(ada: Browser) -> None:
    """After a cookie that is deleted, curl 7.88 mistakes the next one for an old one."""
    ada.ask("POST", "/sign-out", "")

    assert [line.partition("=")[0] for line in ada.set_cookies] == ["demo-set-cookie", "sid"]


def test_it_keeps_its_secret_and_its_sessions_to_itself(ada: Browser, directory: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (directory / "data").iterdir()}

    assert modes["secret"] == 0o600
    assert modes["sessions.db"] == 0o600
    assert stat.S_IMODE((directory / "data").stat().st_mode) == 0o700


def test_it_says_so_when_its_port_is_taken(demo: int) -> None:
    command = [sys.executable, str(EXAMPLES / "demo" / "serve.py"), str(demo)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_SECONDS)

    assert done.returncode == 1
    assert f"port {demo} is taken" in done.stderr


@pytest.mark.parametrize("wanted", ["abc", "0", "65536", "-1"])
def test_it_refuses_what_is_no_port(wanted: str) -> None:
    command = [sys.executable, str(EXAMPLES / "demo" / "serve.py"), wanted]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=START_SECONDS)

    assert done.returncode == 1
    assert done.stderr == f"expected a port from 1 to 65535, got {wanted!r}: make demo PORT=8080\n"


def test_its_log_tells_of_no_error(demo: int, directory: Path) -> None:
    signed_in(demo, next(NAMES)).post("/sign-out")

    assert "Traceback" not in (directory / "log").read_text()
