"""A cookie that is Partitioned, in a real browser: a framed page has a session for each site that frames it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from production.neighbours import Web, served
from support.companions import writes_partitioned
from support.servers.chromium import Window, chromium

pytestmark = writes_partitioned

SHOP, MOVING = "shop.test", "moving.test"
FRAMED = {"cookie.samesite": "None"}
PARTITIONED = {**FRAMED, "cookie.partitioned": True}


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    found = Web("https")
    with served(found):
        found.add_shop(SHOP, **PARTITIONED)
        yield found


@pytest.fixture
def window(tmp_path: Path) -> Iterator[Window]:
    with chromium(tmp_path) as browser, browser.window() as found:
        yield found


def test_a_framed_page_has_a_session_for_each_site_that_frames_it(web: Web, window: Window) -> None:
    def frame(host: str, path: str) -> None:
        web.forget()
        web.pages[host, "/page"] = f"<iframe src={web.url(SHOP, path)}></iframe>"
        window.visit(web.url(host, "/page"))

    frame("blog.test", "/begin")
    web.request(SHOP, "/ready")
    frame("blog.test", "/form")
    posted = web.request(SHOP, "/change", "POST")
    frame("news.test", "/read")

    assert (posted.status, posted.session) == (200, {"owner": "ada", "changed": True})
    assert web.request(SHOP, "/read").session == {}


def test_a_cookie_from_before_it_was_partitioned_hides_no_change(web: Web, window: Window) -> None:
    """The browser keeps both under one name, and sends the older one first."""
    page = window.page(web.url(MOVING, ""))
    web.add_shop(MOVING, backend="cookie", **FRAMED)
    page.visit("/begin")
    web.add_shop(MOVING, backend="cookie", **PARTITIONED)
    page.visit("/change")

    page.visit("/read")

    assert json.loads(page.text) == {"changed": True}
