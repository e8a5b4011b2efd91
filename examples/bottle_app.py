"""A Bottle application that keeps a theme; each session is a file of its own, shared by all workers.

Serve it, from this directory, with a secret of its own::

    SESSION_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py bottle_app:app
"""

from __future__ import annotations

import os

import bottle

from sessionware import SessionMiddleware, get_session

site = bottle.Bottle()


@site.get("/")
def show() -> dict[str, str]:
    """Show the theme that this visitor has chosen. To read it stores nothing."""
    return {"theme": get_session(bottle.request.environ).get("theme", "light")}


@site.post("/theme")
def choose() -> None:
    """Keep the choice. Bottle's redirect raises its response as an exception, and the session is saved all the same."""
    get_session(bottle.request.environ)["theme"] = bottle.request.forms["theme"]
    bottle.redirect("/", 303)


options = {"backend": "file", "backend.path": "sessions", "secret": os.environ["SESSION_SECRET"]}
app = SessionMiddleware(site, options)
