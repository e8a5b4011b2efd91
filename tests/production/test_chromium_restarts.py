"""A real browser that is closed and opened again: it keeps a remembered session, and drops the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from production.neighbours import Web, served
from support.servers.chromium import Chromium, running_chromium

REMEMBERED, PASSING, PERSISTENT = "remembered.test", "passing.test", "persistent.test"


def found_at(web: Web, browser: Chromium, shop: str) -> dict[str, Any]:
    """The session that the user's next visit finds at *shop*."""
    web.forget()
    browser.visit(web.url(shop, "/read"))
    return web.request(shop, "/read").session


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("backend", ["cookie", "memory"])
def test_a_restart_keeps_what_is_remembered_and_drops_the_others(tmp_path: Path, scheme: str, backend: str) -> None:
    web = Web(scheme)
    for shop in (REMEMBERED, PASSING, PERSISTENT):
        web.add_shop(shop, backend=backend, **{"cookie.persistent": shop == PERSISTENT})
    with served(web):
        with running_chromium(tmp_path) as browser:
            for shop, path in ((REMEMBERED, "/remember"), (PASSING, "/begin"), (PERSISTENT, "/begin")):
                browser.visit(web.url(shop, path))
                web.request(shop, "/ready")
            before = found_at(web, browser, PASSING)
        for _ in range(2):
            with running_chromium(tmp_path) as browser:
                found = {shop: found_at(web, browser, shop) for shop in (REMEMBERED, PASSING, PERSISTENT)}

    assert before == {"owner": "ada"}
    assert found == {REMEMBERED: {"owner": "ada"}, PASSING: {}, PERSISTENT: {"owner": "ada"}}
