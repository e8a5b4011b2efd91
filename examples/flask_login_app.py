"""A Flask application with Flask-Login and Flask-WTF, whose ``flask.session`` is a session in SQLite.

Serve it, from this directory, and open http://localhost:8000::

    pip install flask flask-login flask-wtf gunicorn
    SESSION_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py flask_login_app:app
"""

from __future__ import annotations

import os
from pathlib import Path

import flask
import flask_login
import flask_wtf
from werkzeug.security import check_password_hash, generate_password_hash
from wtforms import PasswordField, StringField, SubmitField
from wtforms.validators import InputRequired

from sessionware.integrations.flask import Sessionware

#: A real application keeps them in its database.
PASSWORD_HASHES = {"ada": generate_password_hash("tea")}
STYLE = Path(__file__).with_name("page.css").read_text()
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Notes</title>
<style>{{ style|safe }}</style>
<h1>Notes</h1>
{% for category, message in get_flashed_messages(with_categories=true) %}
<p class="message {{ category }}" role="status">{{ message }}</p>
{% endfor %}
{% if current_user.is_authenticated %}
<p>Signed in as <b>{{ current_user.id }}</b>, {{ "on one device" if devices == 1 else "on %d devices" % devices }}.</p>
<ul>
{% for note in notes %}<li>{{ note }}</li>
{% else %}<li class="hint">No notes yet.</li>
{% endfor %}
</ul>
<form method="post" action="{{ url_for('add') }}">
{{ form.hidden_tag() }}
{{ form.note.label }} {{ form.note(autofocus=true, autocomplete="off") }}
{{ form.submit }}
</form>
<form method="post" action="{{ url_for('logout') }}">
<input type="hidden" name="csrf_token" value="{{ csrf_token() }}">
<button class="quiet">Sign out</button>
</form>
{% else %}
<p class="hint">Sign in as <b>ada</b>, with the password <b>tea</b>.</p>
<form method="post" action="{{ url_for('login') }}">
{{ form.hidden_tag() }}
{{ form.user.label }} {{ form.user(autofocus=true, autocomplete="username") }}
{{ form.password.label }} {{ form.password(autocomplete="current-password") }}
{{ form.submit }}
</form>
{% endif %}
</html>
"""

app = flask.Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ["SESSION_SECRET"],
    SESSIONWARE={"backend": "sqlite", "backend.path": "sessions.db", "idle_timeout": "30m"},
)
sessions = Sessionware(app)
flask_wtf.CSRFProtect(app)
logins = flask_login.LoginManager(app)
logins.login_view = "index"


class User(flask_login.UserMixin):  # type: ignore[misc]
    """A user, of whom only the name is known."""

    def __init__(self, name: str) -> None:
        self.id = name


class LoginForm(flask_wtf.FlaskForm):  # type: ignore[misc]
    """Asks who it is."""

    user = StringField("Name", [InputRequired()])
    password = PasswordField("Password", [InputRequired()])
    submit = SubmitField("Sign in")


class NoteForm(flask_wtf.FlaskForm):  # type: ignore[misc]
    """Asks for a note."""

    note = StringField("New note", [InputRequired()])
    submit = SubmitField("Add")


@logins.user_loader  # type: ignore[untyped-decorator]
def load_user(name: str) -> User | None:
    """Give the user of this name, if there still is one."""
    return User(name) if name in PASSWORD_HASHES else None


@app.get("/")
def index() -> flask.typing.ResponseReturnValue:
    """Show the notes, or the form to sign in."""
    user = flask_login.current_user
    if not user.is_authenticated:
        return flask.render_template_string(PAGE, style=STYLE, form=LoginForm())
    notes, devices = flask.session.get("notes", []), len(sessions.manager_of(app).sessions_of(user.id))
    return flask.render_template_string(PAGE, style=STYLE, form=NoteForm(), notes=notes, devices=devices)


@app.post("/login")
def login() -> flask.typing.ResponseReturnValue:
    """Sign in, which gives the session a new id."""
    name, password = flask.request.form["user"], flask.request.form["password"]
    if name in PASSWORD_HASHES and check_password_hash(PASSWORD_HASHES[name], password):
        flask_login.login_user(User(name))
        flask.flash(f"Welcome, {name}!")
    else:
        flask.flash("This name and this password do not belong together.", "error")
    return flask.redirect(flask.url_for("index"))


@app.post("/notes")
@flask_login.login_required  # type: ignore[untyped-decorator]
def add() -> flask.typing.ResponseReturnValue:
    """Add a note; a change deep inside a value is saved by itself, without ``session.modified = True``."""
    form = NoteForm()
    if form.validate_on_submit():
        flask.session.setdefault("notes", []).append(form.note.data)
    return flask.redirect(flask.url_for("index"))


@app.post("/logout")
def logout() -> flask.typing.ResponseReturnValue:
    """End the session in the store and in the browser, and with it the notes."""
    flask_login.logout_user()
    flask.session.clear()
    flask.flash("You are signed out.")
    return flask.redirect(flask.url_for("index"))


@app.errorhandler(flask_wtf.csrf.CSRFError)
def out_of_date(error: flask_wtf.csrf.CSRFError) -> flask.typing.ResponseReturnValue:
    """A form from before a sign-in or a sign-out, or from another site, does nothing."""
    flask.flash("That page was out of date, and nothing was changed. Please try again.", "error")
    return flask.redirect(flask.url_for("index"))


@app.after_request
def keep_no_copy(response: flask.Response) -> flask.Response:
    """Let the browser's back button ask again, so that it shows no notes after the sign-out."""
    response.headers["Cache-Control"] = "no-store"
    return response
