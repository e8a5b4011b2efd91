"""A browser in the middle of a move: its cookies at an old worker, and at a site that takes over its sessions."""

from __future__ import annotations

from typing import Any

from support.actions import member
from support.browser import Browser, Site
from support.fleet import Jar


class MovingJar(Jar):
    """The cookies of a browser that comes to *site*, too."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._site = site

    def browser(self) -> Browser:
        """The same browser at a new worker."""
        browser = Browser(self._site)
        browser.cookies = self.cookies
        return browser

    def ask(self, name: str) -> Any:
        """An attribute of the session at a new worker."""
        return self.browser().ask(member(name)).result

    def copy(self) -> Jar:
        """The cookies as they are now."""
        jar = Jar()
        jar.cookies = dict(self.cookies)
        return jar
