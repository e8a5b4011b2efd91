"""An application whose sessions leave an audit log: one line of JSON for each decision that a reviewer may ask for.

Each line answers the questions of OWASP's Logging Cheat Sheet: when, what and why, who, in which session, from where,
and in which request. It holds nothing secret: the ids of sessions in it open no session.

Serve it, from this directory, with a secret of its own::

    pip install gunicorn
    SESSION_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py audit_log:app
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from sessionware import Event, SessionMiddleware, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

APPLICATION = "shop"
#: What nearly every request causes says nothing of security, and would bury the rest.
ROUTINE = {"loaded", "saved", "renewed"}
#: Signs of an attack, or of a fault. All other events are "info".
SEVERITIES = {"store_failed": "error", "refused": "warning", "rejected": "warning", "discarded": "warning"}
#: Why a cookie is rejected every day: its session is over.
EXPECTED = {"idle", "too_old", "unknown_id", "revoked"}
#: A client chooses what it sends, and how much of it.
MAX_CHARACTERS = 200


def describe(environ: WSGIEnvironment) -> Mapping[str, Any]:
    """Say where a request came from and which one it is; the lines of one request share its id.

    The query is left out: it may hold what is secret. The address is the one that the server vouches for, so behind a
    proxy the server must be told to trust that proxy; a header of the client's own is no evidence.
    """
    return {
        "address": environ.get("REMOTE_ADDR"),
        "agent": environ.get("HTTP_USER_AGENT", "")[:MAX_CHARACTERS],
        "request": environ.setdefault("audit.request_id", uuid.uuid4().hex),
        "method": environ["REQUEST_METHOD"][:MAX_CHARACTERS],
        "path": environ.get("PATH_INFO", "")[:MAX_CHARACTERS],
    }


class AuditLog:
    """A listener that appends a line to the file at *path* for each event that is no routine."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._origin = {"application": APPLICATION, "host": socket.gethostname()}

    def __call__(self, event: Event) -> None:
        """Append the line of *event*."""
        if event.name not in ROUTINE:
            self._append(line_of(event, self._origin))

    def _append(self, line: bytes) -> None:
        """Append in one call of the system, so that the lines of several workers do not mix. Only the owner may read.

        The file is opened each time, so that it can be rotated.
        """
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def line_of(event: Event, origin: Mapping[str, Any]) -> bytes:
    """One line of ASCII: JSON escapes line breaks, control characters and all else that could forge a second line."""
    entry = {
        "at": event.at.isoformat(),
        "severity": "info" if event.reason in EXPECTED else SEVERITIES.get(event.name, "info"),
        "event": event.name,
        "reason": event.reason,
        "user": event.user_id,
        "session": event.session_id,
        "former_session": event.former_id,
        **(event.context or {}),
        **origin,
    }
    return json.dumps(entry, ensure_ascii=True, default=str).encode("ascii") + b"\n"


def shop(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Sign a user in and out; a real application checks a password first."""
    session = get_session(environ)
    if environ["PATH_INFO"] == "/login" and environ["REQUEST_METHOD"] == "POST":
        form = parse_qs(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode())
        session.login(form.get("user", ["guest"])[0])
    elif environ["PATH_INFO"] == "/logout" and environ["REQUEST_METHOD"] == "POST":
        session.clear()
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"user: {session.user_id}\n".encode()]


options = {
    "backend": "sqlite:///sessions.db",
    "secret": os.environ["SESSION_SECRET"],
    "on_event": AuditLog(os.environ.get("AUDIT_LOG", "audit.jsonl")),
    "event_context": describe,
}
app = SessionMiddleware(shop, options)
