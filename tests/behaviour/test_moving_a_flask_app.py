"""A Flask application with Flask-Login and Flask-WTF moves from the sessions that it had, and no user notices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import flask_session  # type: ignore[import-untyped]
import pytest
from flask import Flask
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect, FlaskForm
from flask_wtf.csrf import generate_csrf
from support.constants import SECRET
from support.databases import closing_connections
from werkzeug.test import Client, TestResponse

from sessionware.importers.flask import FlaskSessions
from sessionware.importers.flask_session import StoredFlaskSessions
from sessionware.importers.records import SQLRecords
from sessionware.integrations.flask import Sessionware

#: Too short for sessionware, which has one of its own.
SECRET_KEY = "the key of before"
UNTIL = "2100-01-31T00:00:00Z"
#: In production, and on a developer's machine.
SITES = ["https://example.org", "http://localhost"]


class User(UserMixin):  # type: ignore[misc]
    def __init__(self, name: str) -> None:
        self.id = name


def make_app(**config: Any) -> Flask:
    """The application, the same before and after."""
    app = Flask("shop")
    app.config.update(SECRET_KEY=SECRET_KEY, **config)
    CSRFProtect(app)
    logins = LoginManager(app)
    logins.user_loader(User)

    @app.get("/form")
    def show_form() -> str:
        return f"<form><input value='{generate_csrf()}'>{' '.join(map(str, flask.get_flashed_messages()))}</form>"

    @app.post("/login")
    def log_in() -> str:
        login_user(User(flask.request.form["name"]), remember="remember" in flask.request.form)
        return "in"

    @app.post("/logout")
    def log_out() -> str:
        logout_user()
        return "out"

    @app.post("/note")
    def note() -> str:
        assert FlaskForm().validate_on_submit()
        flask.flash("noted")
        flask.session["notes"] = flask.session.get("notes", 0) + 1
        return str(flask.session["notes"])

    @app.get("/me")
    def me() -> str:
        name = current_user.id if current_user.is_authenticated else "nobody"
        return f"{name} {flask.session.get('_fresh')}"

    return app


class Visit:
    """One browser, whose requests go to the workers before the move or to those after it."""

    def __init__(self, before: Flask, after: Flask, site: str) -> None:
        self.before, self.after, self._site = before, after, site
        self._worker = before
        self.client = Client(lambda environ, start_response: self._worker(environ, start_response))

    def at(self, worker: Flask) -> Visit:
        self._worker = worker
        return self

    def get(self, path: str) -> str:
        return self._checked(self.client.get(path, base_url=self._site))

    def post(self, path: str, token: str, **fields: str) -> str:
        data = {"csrf_token": token, **fields}
        return self._checked(
            self.client.post(path, base_url=self._site, data=data, headers={"Referer": f"{self._site}/form"})
        )

    def _checked(self, answer: TestResponse) -> str:
        assert answer.status_code == 200, answer.text
        return answer.text

    def form(self) -> str:
        """The token in a form that is opened now."""
        found = re.search("value='([^']+)'", self.get("/form"))
        assert found is not None
        return found[1]

    def log_in(self, **fields: str) -> Visit:
        self.post("/login", self.form(), name="ada", **fields)
        return self

    def cookies(self) -> set[str]:
        return {cookie.key for cookie in self.client._cookies.values()} if self.client._cookies else set()

    def forget(self, *names: str) -> None:
        """Let the browser lose these cookies, as at a restart."""
        for name in names:
            self.client.delete_cookie(name, domain=self._site.partition("://")[2])


def _stock(directory: Path) -> tuple[Flask, Any]:
    return make_app(), FlaskSessions(SECRET_KEY, until=UNTIL)


def _flask_session(directory: Path) -> tuple[Flask, Any]:
    url = f"sqlite:///{directory}/former.db"
    app = make_app(SESSION_TYPE="sqlalchemy", SQLALCHEMY_DATABASE_URI=url)
    app.config["SESSION_SQLALCHEMY"] = SQLAlchemy(app)
    flask_session.Session(app)
    return app, StoredFlaskSessions(SQLRecords(url), until=UNTIL)


@pytest.fixture(params=[_stock, _flask_session], ids=["Flask", "Flask-Session"])
def former(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Flask, Any]]:
    make: Callable[[Path], tuple[Flask, Any]] = request.param
    with closing_connections():
        yield make(tmp_path)


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(params=["cookie", "sqlite"])
def visit(request: pytest.FixtureRequest, tmp_path: Path, former: tuple[Flask, Any], site: str) -> Iterator[Visit]:
    before, importer = former
    backend = {} if request.param == "cookie" else {"backend": f"sqlite:///{tmp_path}/sessions.db"}
    after = make_app(SESSIONWARE={"secret": SECRET, "import_from": importer, **backend})
    extension = Sessionware(after)
    yield Visit(before, after, site)
    extension.manager_of(after).close()


def test_a_user_stays_signed_in_and_as_fresh_as_before(visit: Visit) -> None:
    visit.log_in()

    assert visit.at(visit.after).get("/me") == "ada True"
    assert visit.at(visit.before).get("/me") == "ada True"


def test_a_form_that_was_open_over_the_switch_posts(visit: Visit) -> None:
    token = visit.log_in().form()

    assert visit.at(visit.after).post("/note", token) == "1"
    assert visit.post("/note", visit.form()) == "2"


def test_a_visitors_form_that_was_open_over_the_switch_posts(visit: Visit) -> None:
    token = visit.form()

    visit.at(visit.after).post("/login", token, name="ada")

    assert visit.get("/me") == "ada True"


def test_a_form_that_was_opened_at_a_new_worker_posts_at_an_old_one(visit: Visit) -> None:
    token = visit.log_in().at(visit.after).form()
    visit.post("/note", token)

    assert visit.at(visit.before).post("/note", token) == "1"


def test_a_flash_of_before_is_shown_after(visit: Visit) -> None:
    visit.log_in().post("/note", visit.form())

    assert "noted" in visit.at(visit.after).get("/form")
    assert "noted" not in visit.get("/form")


def test_a_logout_after_the_switch_holds_where_the_deploy_goes_back(visit: Visit) -> None:
    token = visit.log_in().form()
    visit.at(visit.after).post("/note", token)

    visit.post("/logout", token)

    assert "session" not in visit.cookies()
    assert visit.get("/me").startswith("nobody")
    assert visit.at(visit.before).get("/me").startswith("nobody")


def test_a_logout_before_the_switch_holds_after_it(visit: Visit) -> None:
    token = visit.log_in().form()
    visit.at(visit.after).post("/note", token)

    visit.at(visit.before).post("/logout", token)

    assert visit.at(visit.after).get("/me").startswith("nobody")


def test_a_login_where_the_deploy_has_gone_back_beats_what_was_taken_over(visit: Visit) -> None:
    token = visit.log_in().form()
    visit.at(visit.after).post("/note", token)

    visit.at(visit.before).post("/login", token, name="grace")

    assert visit.at(visit.after).get("/me") == "grace True"


def test_the_cookie_of_a_remembered_user_signs_in_on_both_sides(visit: Visit) -> None:
    visit.log_in(remember="yes")
    visit.forget("session")

    assert visit.at(visit.after).get("/me") == "ada False"
    assert visit.at(visit.before).get("/me") == "ada False"
