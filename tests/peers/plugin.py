"""A plugin of pytest for other packages' suites: what they know as sessions are sessions of sessionware."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import pytest
from peers.suites import PEERS

PEER = PEERS[os.environ["PEER"]]


def pytest_configure(config: pytest.Config) -> None:
    """Let the suite have such sessions from the beginning."""
    _sessions().stand_in()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what must differ, with the reason. It is run all the same: one that passes is no exclusion any more."""
    if hasattr(_sessions(), "stand_in_for_dummies"):
        for module in {item.module for item in items if isinstance(item, pytest.Function)}:
            _sessions().stand_in_for_dummies(module)
    for item in items:
        reason = PEER.excluded.get(item.nodeid.partition("[")[0])
        if reason:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def _sessions() -> Any:
    return import_module(f"peers.{PEER.sessions}")
