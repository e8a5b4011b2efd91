"""Sessions of ours for every application of Flask, for the suites of Flask and of its extensions.

The secrets of a suite are short, and some of its tests visit one site by http and by https, so each application is
given secrets that are made of its own, and a cookie whose name has no prefix.
"""

from __future__ import annotations

import os
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import flask
from peers.secrets import lengthened

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


def stand_in() -> None:
    """Let every application have such sessions from the beginning."""
    flask.Flask.session_interface = PeerInterface()


def stand_in_for_dummies(module: ModuleType) -> None:
    """Let Flask-SocketIO's tests wait longer than a tenth of a second, in which a busy machine may begin no thread."""
    if module.__name__ == "test_socketio":
        vars(module)["time"] = SimpleNamespace(sleep=lambda seconds: time.sleep(20 * seconds))
