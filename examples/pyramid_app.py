"""A Pyramid application with a notebook: a form with a CSRF token, flash messages, and a sign-in.

Serve it, from this directory, with a secret of its own::

    SESSION_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py pyramid_app:app
"""

from __future__ import annotations

import os
from typing import Any

from markupsafe import escape
from pyramid.config import Configurator
from pyramid.csrf import get_csrf_token
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response

PAGE = """<!doctype html><title>Notebook</title>
{messages}
<p>Signed in as {user}.</p>
<ul>{notes}</ul>
<form action="/notes" method="post">
<input type="hidden" name="csrf_token" value="{token}">
<label>Note <input name="note"></label> <button>Add</button>
</form>
<form action="/login" method="post">
<input type="hidden" name="csrf_token" value="{token}">
<label>Your name <input name="user"></label> <button>Sign in</button>
</form>
"""


def show(request: Request) -> Response:
    """Show the notes of this visitor, and what the last request has to say."""
    session = request.session
    page = PAGE.format(
        messages="".join(f"<p>{escape(message)}</p>" for message in session.pop_flash()),
        user=escape(session.user_id or "nobody"),
        notes="".join(f"<li>{escape(note)}</li>" for note in session.get("notes", [])),
        token=get_csrf_token(request),
    )
    return Response(page)


def add(request: Request) -> Response:
    """Keep one more note; with ``alter``, two tabs that do so at once both succeed."""
    note = request.POST["note"]
    request.session.alter("notes", lambda notes: [*notes, note], default=[])
    request.session.flash("Your note was added.")
    return HTTPSeeOther("/")


def log_in(request: Request) -> Response:
    """Bind the session to a user; a real application checks a password first."""
    request.session.login(request.POST["user"])
    return HTTPSeeOther("/")


def make_app(**settings: Any) -> Any:
    """Make the application; an INI file would have these settings."""
    config = Configurator(settings=settings)
    config.include("sessionware.integrations.pyramid")
    config.set_default_csrf_options(require_csrf=True)
    for name, path, view, method in [
        ("show", "/", show, "GET"),
        ("add", "/notes", add, "POST"),
        ("login", "/login", log_in, "POST"),
    ]:
        config.add_route(name, path, request_method=method)
        config.add_view(view, route_name=name)
    return config.make_wsgi_app()


app = make_app(
    **{
        "session.backend": "sqlite",
        "session.backend.path": "sessions.db",
        "session.secret": os.environ["SESSION_SECRET"],
    }
)
