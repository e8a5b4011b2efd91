"""A Bottle application that keeps a theme; each session is a file of its own, shared by all workers.

Serve it, from this directory, with a secret of its own::

    SESSION_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py bottle_app:app
"""

from __future__ import annotations

import os

import bottle

from sessionware import Session
from sessionware.integrations.bottle import SessionPlugin

options = {"backend": "file", "backend.path": "sessions", "secret": os.environ["SESSION_SECRET"]}
app = bottle.Bottle()
app.install(SessionPlugin(options))


@app.get("/")
def show(session: Session) -> dict[str, str]:
    """Show the theme that this visitor has chosen. To read it stores nothing."""
    return {"theme": session.get("theme", "light")}


@app.post("/theme")
def choose(session: Session) -> None:
    """Keep the choice. Bottle's redirect raises its response as an exception, and the session is saved all the same."""
    session["theme"] = bottle.request.forms["theme"]
    bottle.redirect("/", 303)
