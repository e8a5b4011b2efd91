"""A user's way through each example in a real Chromium, whose scripts are off, in a narrow and in a wide window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from documentation.walking import WALKED, served, walk
from support.servers.chromium import Chromium, Page, chromium


class Onlooker:
    """A user of a page who looks at each in a narrow and in a wide window."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def text(self) -> str:
        return self.page.text

    def visit(self, path: str) -> None:
        self.page.visit(path)
        self._look()

    def fill(self, name: str, value: str) -> None:
        self.page.fill(name, value)

    def press(self, button: str) -> None:
        self.page.press(button)
        self._look()

    def _look(self) -> None:
        for width in (320, 1280):
            self.page.resize(width)
            assert self.page.ask("document.documentElement.scrollWidth <= window.innerWidth"), "it is too wide"
        assert self.page.ask(UNLABELLED) == []
        assert self.page.ask("[document.compatMode, document.documentElement.lang]") == ["CSS1Compat", "en"]


#: The fields that nothing on the page names.
UNLABELLED = """
[...document.querySelectorAll("input:not([type=hidden], [type=submit]), select")]
    .filter(field => ![...field.labels].some(label => label.innerText.trim())).map(field => field.name)
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.mark.parametrize("example", WALKED)
def test_a_user_of_a_browser_finds_the_way_through_an_example(example: str, browser: Chromium, tmp_path: Path) -> None:
    with served(WALKED[example], tmp_path, "gunicorn gthread") as port, browser.window() as window:
        page = window.page(f"http://localhost:{port}")

        walk(Onlooker(page), WALKED[example])

        page.back()
        page.back()
        assert WALKED[example].signed_in not in page.text
