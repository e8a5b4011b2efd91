"""A user's way through the examples, under each real server."""

from __future__ import annotations

import itertools
import runpy
from pathlib import Path

import pytest
import webtest
from documentation.walking import WALKED, PlainVisitor, after_commits, served, walk
from support.constants import SECRET
from support.places import IS_SOAK
from support.servers.wsgi import SERVERS

#: Each server and each example at least once.
SOME = [
    ("gunicorn", "flask_login"),
    ("gunicorn gthread", "demo"),
    ("gunicorn gthread", "from_beaker after 1"),
    ("gunicorn gevent", "bottle"),
    ("gunicorn --preload", "pyramid"),
    ("waitress", "flask_login"),
    ("cheroot", "pyramid"),
    ("uwsgi", "bottle"),
    ("uwsgi", "flask_login"),
    ("werkzeug", "from_beaker after 2"),
    ("wsgiref", "from_beaker after 0"),
    ("mod_wsgi", "flask_login"),
    ("mod_wsgi", "bottle"),
]
SERVED = [pair for pair in (itertools.product(SERVERS, WALKED) if IS_SOAK else SOME) if pair[0] in SERVERS]


@pytest.mark.parametrize(("server", "example"), SERVED)
def test_a_user_finds_the_way_through_an_example_whatever_serves_it(server: str, example: str, tmp_path: Path) -> None:
    with served(WALKED[example], tmp_path, server) as port:
        walk(PlainVisitor(port), WALKED[example])


def test_the_first_commit_away_from_beaker_signs_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SESSION_SECRET", SECRET)
    before, after = (
        runpy.run_path(str(after_commits(tmp_path / str(number), number) / "shop.py"))["app"] for number in (0, 1)
    )
    client = webtest.TestApp(before)
    client.post("/cart", {"item": "coffee"})
    client.post("/login", {"user": "ada", "password": "tea"})

    client.app = after
    client.post("/cart", {"item": "cake"})
    page = client.get("/").text

    assert "Signed in as <b>ada</b>" in page
    assert "coffee" in page
    assert "cake" in page
    client.post("/logout")
    assert "Signed in" not in client.get("/").text


def test_each_server_serves_an_example_and_each_example_is_served() -> None:
    assert {server for server, _ in SERVED} == set(SERVERS)
    assert {example for _, example in SOME} == set(WALKED)
