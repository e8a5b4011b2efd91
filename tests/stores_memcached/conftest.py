"""The servers of these tests, all of which run in one worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from servers.memcached import memcached_cluster, memcached_on_socket, memcached_server, own_memcached

__all__ = ["memcached_cluster", "memcached_on_socket", "memcached_server", "own_memcached"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("memcached"))
