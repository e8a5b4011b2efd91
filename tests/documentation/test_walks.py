"""A user's way through the examples, under each real server."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from documentation.walking import WALKED, PlainVisitor, served, walk
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


def test_each_server_serves_an_example_and_each_example_is_served() -> None:
    assert {server for server, _ in SERVED} == set(SERVERS)
    assert {example for _, example in SOME} == set(WALKED)
