"""A plugin of pytest for other packages' suites: every application of theirs has sessions of sessionware.

The secrets of a suite are short, and some of its tests visit one site by http and by https, so each application is
given secrets that are made of its own, and a cookie whose name has no prefix.
"""

from __future__ import annotations

import os
from typing import Any

import flask
import pytest
from peers.secrets import lengthened
from peers.suites import PEERS

from sessionware.integrations.flask import SessionInterface
from sessionware.stores import MemoryStore

#: One store for all applications, so that it outlives a change of their settings.
BACKEND = MemoryStore() if os.environ["PEER_BACKEND"] == "memory" else "cookie"


class PeerInterface(SessionInterface):
    """Has sessions of applications whose secrets are as short as those of a test suite."""

    def open_session(self, app: flask.Flask, request: flask.Request) -> Any:
        """As ever, with secrets that are long enough."""
        fallbacks = app.config.get("SECRET_KEY_FALLBACKS") or []
        secrets = [lengthened(key) for key in (app.secret_key, *fallbacks) if key]
        if app.secret_key:
            app.config["SESSIONWARE"] = {"cookie.prefix": "", "backend": BACKEND, "secret": secrets}
        return super().open_session(app, request)


def pytest_configure(config: pytest.Config) -> None:
    """Let every application have such sessions from the beginning."""
    if os.environ["PEER"] == "Beaker":
        from peers.beaker_sessions import stand_in

        stand_in()
    else:
        flask.Flask.session_interface = PeerInterface()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what must differ, with the reason. It is run all the same: one that passes is no exclusion any more."""
    excluded = PEERS[os.environ["PEER"]].excluded
    for item in items:
        reason = excluded.get(item.nodeid.partition("[")[0])
        if reason:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
