"""A plain WSGI application that counts visits; the session travels in an encrypted cookie.

Serve it, from this directory, with a secret of its own::

    pip install gunicorn
    SESSION_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py plain_wsgi:app
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sessionware import SessionMiddleware, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def count(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Count the visits. The health check does not touch the session, so it costs nothing there."""
    if environ["PATH_INFO"] not in ("/", "/health"):  # a browser asks for /favicon.ico, too
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/health":
        return [b"fine"]
    session = get_session(environ)
    session["visits"] = session.get("visits", 0) + 1
    return [b"%d visits" % session["visits"]]


options = {"secret": os.environ["SESSION_SECRET"], "idle_timeout": "30m"}
app = SessionMiddleware(count, options)
