"""A Bottle application whose page is as light or dark as its visitor likes; each session is a file, for all workers.

Serve it, from this directory, and open http://localhost:8000::

    pip install bottle gunicorn
    SESSION_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py bottle_app:app
"""

from __future__ import annotations

import os
from pathlib import Path

import bottle
from werkzeug.security import check_password_hash, generate_password_hash

from sessionware import Session
from sessionware.integrations.bottle import SessionPlugin

#: A real application keeps them in its database.
PASSWORD_HASHES = {"ada": generate_password_hash("tea")}
THEMES = ("light", "dark")
STYLE = Path(__file__).with_name("page.css").read_text()
PAGE = """<!doctype html>
<html lang="en" style="color-scheme: {{theme}}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Light or dark</title>
<style>{{!style}}</style>
<h1>Light or dark</h1>
% for category, message in messages:
<p class="message {{category}}" role="status">{{message}}</p>
% end
<form method="post" action="/theme">
<input type="hidden" name="csrf_token" value="{{token}}">
<label for="theme">This page is</label>
<select id="theme" name="theme" autocomplete="off">
% for name in themes:
<option{{" selected" if name == theme else ""}}>{{name}}</option>
% end
</select>
<button>Save</button>
</form>
% if user:
<p>Signed in as <b>{{user}}</b>.</p>
<form method="post" action="/logout">
<input type="hidden" name="csrf_token" value="{{token}}">
<button class="quiet">Sign out</button>
</form>
% else:
<p class="hint">Sign in as <b>ada</b>, with the password <b>tea</b>.</p>
<form method="post" action="/login">
<input type="hidden" name="csrf_token" value="{{token}}">
<label for="user">Name</label> <input id="user" name="user" required autocomplete="username">
<label for="password">Password</label>
<input id="password" name="password" type="password" required autocomplete="current-password">
<button>Sign in</button>
</form>
% end
</html>
"""

options = {"backend": "file", "backend.path": "sessions", "secret": os.environ["SESSION_SECRET"]}
app = bottle.Bottle()
app.install(SessionPlugin(options))


@app.get("/")
def show(session: Session) -> str:
    """Show the page. Without no-store, the browser's back button would show it as it was before a sign-out."""
    bottle.response.set_header("Cache-Control", "no-store")
    return bottle.template(
        PAGE,
        style=STYLE,
        themes=THEMES,
        theme=session.get("theme", "light"),
        user=session.user_id,
        token=session.csrf_token,
        messages=session.pop_flashes(),
    )


def of_a_form(session: Session) -> bottle.FormsDict:
    """What was filled in, if the form came from a page of this session."""
    form = bottle.request.forms
    if not session.verify_csrf(form.csrf_token):
        session.flash("That page was out of date, and nothing was changed. Please try again.", "error")
        bottle.redirect("/", 303)
    return form


@app.post("/theme")
def choose(session: Session) -> None:
    """Keep the choice. Bottle's redirect raises its response as an exception, and the session is saved all the same."""
    theme = of_a_form(session).theme
    if theme in THEMES:
        session["theme"] = theme
        session.flash(f"From now on this page is {theme}.")
    bottle.redirect("/", 303)


@app.post("/login")
def log_in(session: Session) -> None:
    """Bind the session to the user, which gives it a new id; the theme stays."""
    form = of_a_form(session)
    if form.user in PASSWORD_HASHES and check_password_hash(PASSWORD_HASHES[form.user], form.password):
        session.login(form.user)
        session.flash(f"Welcome, {form.user}!")
    else:
        session.flash("This name and this password do not belong together.", "error")
    bottle.redirect("/", 303)


@app.post("/logout")
def log_out(session: Session) -> None:
    """End the session in the store and in the browser; the flash begins a new one."""
    of_a_form(session)
    session.clear()
    session.flash("You are signed out.")
    bottle.redirect("/", 303)
