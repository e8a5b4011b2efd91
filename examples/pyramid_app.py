"""A Pyramid application with a notebook: a form with a CSRF token, flash messages, and a sign-in.

Serve it, from this directory, and open http://localhost:8000::

    pip install pyramid gunicorn
    SESSION_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py pyramid_app:app
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pyramid.config import Configurator
from pyramid.csrf import get_csrf_token
from pyramid.exceptions import BadCSRFToken
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from werkzeug.security import check_password_hash, generate_password_hash

#: A real application keeps them in its database.
PASSWORD_HASHES = {"ada": generate_password_hash("tea")}
STYLE = Markup(Path(__file__).with_name("page.css").read_text())  # noqa: S704 - from no visitor
#: Pyramid goes with any templates; what is laid into Markup's is escaped.
PAGE = Markup("""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notebook</title>
<style>{style}</style>
<h1>Notebook</h1>
{messages}
<ul>{notes}</ul>
<form method="post" action="/notes">
<input type="hidden" name="csrf_token" value="{token}">
<label for="note">New note</label> <input id="note" name="note" required autocomplete="off">
<button>Add</button>
</form>
{account}
</html>
""")
SIGN_IN = Markup("""<p class="hint">Sign in as <b>ada</b>, with the password <b>tea</b>. The notes stay.</p>
<form method="post" action="/login">
<input type="hidden" name="csrf_token" value="{token}">
<label for="user">Name</label> <input id="user" name="user" required autocomplete="username">
<label for="password">Password</label>
<input id="password" name="password" type="password" required autocomplete="current-password">
<button>Sign in</button>
</form>""")
SIGN_OUT = Markup("""<p>Signed in as <b>{user}</b>.</p>
<form method="post" action="/logout">
<input type="hidden" name="csrf_token" value="{token}">
<button class="quiet">Sign out</button>
</form>""")
MESSAGE = Markup('<p class="message {queue}" role="status">{text}</p>')
NOTE = Markup("<li>{note}</li>")


def show(request: Request) -> Response:
    """Show the notes of this visitor, and what the last request has to say."""
    session, token = request.session, get_csrf_token(request)
    messages = [MESSAGE.format(queue=queue, text=text) for queue in ("", "error") for text in session.pop_flash(queue)]
    notes = [NOTE.format(note=note) for note in session.get("notes", ["Nothing yet."])]
    page = PAGE.format(
        style=STYLE,
        messages=Markup("\n").join(messages),
        notes=Markup("\n").join(notes),
        token=token,
        account=(SIGN_OUT if session.user_id else SIGN_IN).format(user=session.user_id, token=token),
    )
    # Otherwise the browser's back button would show the notes after the sign-out.
    return Response(page, cache_control="no-store")


def add(request: Request) -> Response:
    """Keep one more note; with ``alter``, two tabs that do so at once both succeed."""
    note = request.POST["note"]
    request.session.alter("notes", lambda notes: [*notes, note], default=[])
    request.session.flash("Your note was added.")
    return HTTPSeeOther("/")


def log_in(request: Request) -> Response:
    """Bind the session to the user, which gives it a new id."""
    user, password = request.POST["user"], request.POST["password"]
    if user in PASSWORD_HASHES and check_password_hash(PASSWORD_HASHES[user], password):
        request.session.login(user)
        request.session.flash(f"Welcome, {user}!")
    else:
        request.session.flash("This name and this password do not belong together.", "error")
    return HTTPSeeOther("/")


def log_out(request: Request) -> Response:
    """End the session in the store and in the browser, and with it the notes."""
    request.session.invalidate()
    request.session.flash("You are signed out.")
    return HTTPSeeOther("/")


def out_of_date(error: BadCSRFToken, request: Request) -> Response:
    """A form from before a sign-in or a sign-out, or from another site, does nothing."""
    request.session.flash("That page was out of date, and nothing was changed. Please try again.", "error")
    return HTTPSeeOther("/")


def make_app(**settings: Any) -> Any:
    """Make the application; an INI file would have these settings."""
    config = Configurator(settings=settings)
    config.include("sessionware.integrations.pyramid")
    config.set_default_csrf_options(require_csrf=True)
    config.add_exception_view(out_of_date, context=BadCSRFToken)
    for name, path, view, method in [
        ("show", "/", show, "GET"),
        ("add", "/notes", add, "POST"),
        ("login", "/login", log_in, "POST"),
        ("logout", "/logout", log_out, "POST"),
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
