"""The example that writes an audit log answers the questions of a reviewer, and is no way to forge or leak anything."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import webtest
from documentation.examples import Load
from support.constants import COOKIE

BROWSER = "Mozilla/5.0 (Example)"
ADDRESS = "203.0.113.7"
REQUEST = {
    "wsgi.url_scheme": "https",
    "HTTP_HOST": "shop.example:443",
    "REMOTE_ADDR": ADDRESS,
    "HTTP_USER_AGENT": BROWSER,
}


@pytest.fixture
def shop(load: Load) -> webtest.TestApp:
    """The application, asked by a browser on the internet."""
    return webtest.TestApp(load("audit_log", "app").app, extra_environ=REQUEST)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def entries(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_bytes().splitlines()]


def test_a_sign_in_says_who_when_where_from_and_in_which_session(shop: webtest.TestApp, log: Path) -> None:
    shop.post("/login?token=hunter2", {"user": "ada"})

    (entry,) = entries(log)

    assert (entry["event"], entry["reason"], entry["severity"]) == ("created", "login", "info")
    assert entry["user"] == "ada"
    assert entry["at"].endswith("+00:00")
    assert len(entry["session"]) == 22
    assert (entry["address"], entry["agent"]) == (ADDRESS, BROWSER)
    assert (entry["method"], entry["path"]) == ("POST", "/login")
    assert (entry["application"], bool(entry["host"])) == ("shop", True)


def test_a_session_can_be_followed_through_its_changes_of_id(shop: webtest.TestApp, log: Path) -> None:
    shop.post("/login", {"user": "ada"})
    shop.post("/login", {"user": "ada"})
    shop.post("/logout")

    first, second, third = entries(log)

    assert [entry["event"] for entry in (first, second, third)] == ["created", "regenerated", "ended"]
    assert second["former_session"] == first["session"]
    assert third["session"] == second["session"]
    assert third["user"] == "ada"


def test_the_lines_of_one_request_share_its_id(shop: webtest.TestApp, log: Path) -> None:
    shop.post("/login", {"user": "ada"})
    shop.post("/login", {"user": "grace"})

    first, ended, began = entries(log)

    assert (ended["event"], began["event"]) == ("ended", "created")
    assert ended["request"] == began["request"] != first["request"]


def test_what_nearly_every_request_causes_is_left_out(shop: webtest.TestApp, log: Path) -> None:
    shop.post("/login", {"user": "ada"})
    for _ in range(3):
        shop.get("/")

    assert len(entries(log)) == 1


def test_a_forged_cookie_is_a_warning(shop: webtest.TestApp, log: Path) -> None:
    shop.get("/", headers={"Cookie": f"{COOKIE}=rubbish"})

    (entry,) = entries(log)

    assert (entry["event"], entry["reason"], entry["severity"]) == ("rejected", "malformed", "warning")


@pytest.mark.parametrize("evil", ['\r\n{"event": "created"}', "\x1b[2J", "\x85\xe2\x80\xa8", '"}\n'])
def test_no_client_can_forge_a_line_or_reach_a_terminal(shop: webtest.TestApp, log: Path, evil: str) -> None:
    environ = {"HTTP_USER_AGENT": evil, "PATH_INFO": f"/{evil}"}
    shop.post("/login", {"user": f"ada{evil}"}, extra_environ=environ)
    shop.get("/", extra_environ={**environ, "HTTP_COOKIE": f"{COOKIE}={evil}"})
    shop.post("/login", {"user": f"ada{evil}"})

    text = log.read_bytes()

    assert text.count(b"\n") == len(entries(log)) >= 1
    assert all(0x20 <= byte < 0x7F for byte in text.replace(b"\n", b""))
    assert f"ada{evil}" in {entry["user"] for entry in entries(log)}


def test_a_client_cannot_fill_the_disk_by_one_header(shop: webtest.TestApp, log: Path) -> None:
    shop.post("/login", {"user": "ada"}, extra_environ={"HTTP_USER_AGENT": "x" * 100_000})

    assert len(log.read_bytes()) < 2000


def test_no_line_holds_a_secret(shop: webtest.TestApp, log: Path) -> None:
    shop.post("/login?token=hunter2", {"user": "ada", "password": "correct horse"})
    cookie = str(shop.cookies[COOKIE])
    shop.get("/?password=hunter2")
    shop.post("/logout")
    shop.get("/", headers={"Cookie": f"{COOKIE}={cookie}"})

    text = log.read_text()

    assert len(entries(log)) == 3
    assert [secret for secret in ("hunter2", "correct horse", cookie, cookie[8:51]) if secret in text] == []


def test_only_the_owner_may_read_the_log(shop: webtest.TestApp, log: Path) -> None:
    shop.post("/login", {"user": "ada"})

    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_fails_no_request(shop: webtest.TestApp, log: Path) -> None:
    log.mkdir()

    assert shop.post("/login", {"user": "ada"}).text == "user: ada\n"
