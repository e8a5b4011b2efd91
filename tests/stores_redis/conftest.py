"""The servers of these tests, which one worker owns."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.redis import own_server, redis_cluster, redis_sentinel, redis_server

__all__ = ["own_server", "redis_cluster", "redis_sentinel", "redis_server"]

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All in one group, so that the servers are started once; first, because xdist looks at the groups here, too."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("redis"))
