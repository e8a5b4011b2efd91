"""A Flask application with Flask-Login and Flask-WTF, whose ``flask.session`` is a session in SQLite.

Serve it, from this directory, and open http://localhost:8000::

    pip install flask flask-login flask-wtf gunicorn
    SESSION_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py flask_login_app:app
"""

from __future__ import annotations

import os

import flask
import flask_login
import flask_wtf
from wtforms import PasswordField, StringField, SubmitField
from wtforms.validators import InputRequired

from sessionware.integrations.flask import Sessionware

PAGE = """<!doctype html><title>Notes</title>
{% for message in get_flashed_messages() %}<p class="flash">{{ message }}</p>{% endfor %}
{% if current_user.is_authenticated %}
<p>Signed in as <b id="signed-in">{{ current_user.id }}</b>, on {{ devices }} device(s).</p>
<ul>{% for note in notes %}<li>{{ note }}</li>{% endfor %}</ul>
<form method="post" action="{{ url_for('add') }}">{{ form.hidden_tag() }}
{{ form.note.label }} {{ form.note }} {{ form.submit }}</form>
<form method="post" action="{{ url_for('logout') }}">
<input type="hidden" name="csrf_token" value="{{ csrf_token() }}"><button>Sign out</button></form>
{% else %}
<form method="post" action="{{ url_for('login') }}">{{ form.hidden_tag() }}
{{ form.user.label }} {{ form.user }} {{ form.password.label }} {{ form.password }} {{ form.submit }}</form>
{% endif %}
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

    note = StringField("Note", [InputRequired()])
    submit = SubmitField("Add")


@logins.user_loader  # type: ignore[untyped-decorator]
def load_user(name: str) -> User:
    """Give the user of this name; a real application asks its database."""
    return User(name)


@app.get("/")
def index() -> flask.typing.ResponseReturnValue:
    """Show the notes, or the form to sign in."""
    user = flask_login.current_user
    if not user.is_authenticated:
        return flask.render_template_string(PAGE, form=LoginForm())
    devices = len(sessions.manager_of(app).sessions_of(user.id))
    return flask.render_template_string(PAGE, form=NoteForm(), notes=flask.session.get("notes", []), devices=devices)


@app.post("/login")
def login() -> flask.typing.ResponseReturnValue:
    """Sign in, which gives the session a new id; every password will do here."""
    form = LoginForm()
    if form.validate_on_submit():
        flask_login.login_user(User(str(form.user.data)))
        flask.flash(f"Welcome, {form.user.data}!")
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
    flask.flash("Good-bye!")
    return flask.redirect(flask.url_for("index"))
