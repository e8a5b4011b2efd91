"""The tests that only a newer, or only an older, release of another package can pass.

They are left out by other releases, and not skipped: ``make test`` has the newest of each package, and ``make
test-lowest`` the oldest that ``setup.cfg`` allows.
"""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

#: Werkzeug writes Partitioned.
writes_partitioned = pytest.mark.since("werkzeug", "3.1")
#: Werkzeug's test client sends a cookie to its host and path alone.
client_knows_scopes = pytest.mark.since("werkzeug", "2.3")
writes_no_partitioned = pytest.mark.before("werkzeug", "3.1")


def can_run(item: pytest.Item) -> bool:
    """Whether the installed packages are those that the marks of *item* ask for."""
    return all(_installed(mark) >= _named(mark) for mark in item.iter_markers("since")) and all(
        _installed(mark) < _named(mark) for mark in item.iter_markers("before")
    )


def _installed(mark: pytest.Mark) -> tuple[int, ...]:
    return _numbers(version(mark.args[0]))


def _named(mark: pytest.Mark) -> tuple[int, ...]:
    return _numbers(mark.args[1])


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text)[:3]))
