"""What several targets have in common: a site whose only session does not change, and requests to it."""

from __future__ import annotations

from support.actions import Action
from support.browser import Answer, Site

from sessionware import Event
from sessionware.stores import MemoryStore


class ClosedSite(Site):
    """A site with one session, whose cookie is ``value``."""

    def __init__(self, backend: str, action: Action) -> None:
        super().__init__("cookie" if backend == "cookie" else MemoryStore())
        self.value = self.begin(action)


def requested_site(site: Site, header: str) -> tuple[Answer, list[Event]]:
    """The answer to a request with this Cookie header that only looks, and the events of it."""
    site.events.clear()
    answer = site.read(header=header)
    events = list(site.events)
    if site.is_stored:
        site.store.calls.clear()
        site.store.keys.clear()
    return answer, events
