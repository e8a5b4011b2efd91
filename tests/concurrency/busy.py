"""What one process does to a session that other processes use at the same moment."""

from __future__ import annotations

import sys
from pathlib import Path

from support.actions import call
from support.browser import Site, told
from support.stores import local_store


def count(place: str, directory: str, cookie: str, times: int) -> None:
    """Count up *times* times, each in a request; complain about any that is not served."""
    site = Site(local_store(place, Path(directory)))
    for _ in range(times):
        answer = site.request(call("alter", "count", lambda count: count + 1, default=0), cookie)
        if answer.status != 200:
            print(answer.status, told(site.events[-3:]), file=sys.stderr)
    site.manager.close()
