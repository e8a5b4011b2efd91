"""The server of these tests, all of which run in one worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.redis import redis_server

__all__ = ["redis_server"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("redis"))
