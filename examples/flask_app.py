"""A Flask application with two sessions side by side: Flask's own in the cookie ``session``, ours in ``sid``.

Serve it, from this directory, with secrets of its own::

    pip install flask gunicorn
    SESSION_SECRET=$(sessionware secret) FLASK_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py flask_app:app
"""

from __future__ import annotations

import os

import flask

from sessionware import SessionMiddleware, get_session

FORM = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Your name</title>
{% for category, message in messages %}<p role="status" class="{{ category }}">{{ message }}</p>{% endfor %}
<form method="post">
<input type="hidden" name="csrf_token" value="{{ csrf_token }}">
<label>Your name <input name="name" value="{{ name }}"></label> <button>Save</button>
</form>
</html>
"""

app = flask.Flask(__name__)
app.secret_key = os.environ["FLASK_SECRET"]

options = {"backend": "sqlite", "backend.path": "sessions.db", "secret": os.environ["SESSION_SECRET"]}
app.wsgi_app = SessionMiddleware(app.wsgi_app, options)  # type: ignore[method-assign]


@app.post("/login")
def login() -> flask.typing.ResponseReturnValue:
    """Bind the session to a user; a real application checks a password first."""
    get_session(flask.request.environ).login(flask.request.form["user"])
    flask.flash("Welcome!")  # kept in Flask's own session
    return flask.redirect("/")


@app.post("/logout")
def logout() -> flask.typing.ResponseReturnValue:
    """End the session, in the store and in the browser."""
    get_session(flask.request.environ).clear()
    return flask.redirect("/")


@app.post("/cart")
def add() -> flask.typing.ResponseReturnValue:
    """Put one more item into the cart; with ``alter``, two tabs that do so at once both succeed."""
    item = flask.request.form["item"]
    session = get_session(flask.request.environ)
    session.alter("cart", lambda cart: [*cart, item], default=[])
    return flask.redirect("/")


@app.get("/name")
def form() -> flask.typing.ResponseReturnValue:
    """Show a form with a token of this session, and what the last request has to say."""
    session = get_session(flask.request.environ)
    name, token, messages = session.get("name", ""), session.csrf_token, session.pop_flashes()
    return flask.render_template_string(FORM, name=name, csrf_token=token, messages=messages)


@app.post("/name")
def rename() -> flask.typing.ResponseReturnValue:
    """Keep the name, if the form came from a page of this session; the page behind the redirect shows the flash."""
    session = get_session(flask.request.environ)
    if not session.verify_csrf(flask.request.form.get("csrf_token")):
        flask.abort(400, "This form is out of date. Load the page again.")
    session["name"] = flask.request.form["name"]
    session.flash("Your name was saved.", "success")
    return flask.redirect("/name")


@app.get("/")
def index() -> flask.typing.ResponseReturnValue:
    """Show what both sessions hold."""
    session = get_session(flask.request.environ)
    return {"user": session.user_id, "cart": session.get("cart", []), "messages": flask.get_flashed_messages()}
