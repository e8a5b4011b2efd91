"""Flask-Login and Flask-WTF over our sessions, with all that a browser and a thief would see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import flask
import flask_login
import flask_wtf
import pytest
from flask.testing import FlaskClient
from support.constants import SECRET
from support.werkzeug_cookies import cookie_of, give_cookie, take_cookie
from wtforms import StringField

from sessionware import SessionMiddleware
from sessionware.integrations.flask import Sessionware


class User(flask_login.UserMixin):  # type: ignore[misc]
    def __init__(self, name: str) -> None:
        self.id = name


class NameForm(flask_wtf.FlaskForm):  # type: ignore[misc]
    name = StringField("Name")


class Site:
    """An application with a login, a form and a stream, over one store."""

    def __init__(self, *, is_wrapped: bool) -> None:
        options = {"backend": "memory", "secret": SECRET}
        self.app = app = flask.Flask("site")
        app.config.update(SECRET_KEY=SECRET, **({} if is_wrapped else {"SESSIONWARE": options}))
        if is_wrapped:
            lenient = {"values": "lenient", "user_key": "_user_id", "cookie.name": "session"}
            app.wsgi_app = SessionMiddleware(app.wsgi_app, {**options, **lenient})  # type: ignore[method-assign]
        self.extension = Sessionware(app)
        logins = flask_login.LoginManager(app)
        logins.user_loader(User)
        flask_wtf.CSRFProtect(app)
        for view in (self.login, self.logout, self.form, self.whoami, self.stream, self.cart):
            app.add_url_rule(f"/{view.__name__}", view.__name__, view, methods=["GET", "POST"])
        app.config["WTF_CSRF_CHECK_DEFAULT"] = False
        self.client = app.test_client()

    def login(self) -> str:
        flask_login.login_user(User(flask.request.args.get("user", "ada")), remember="remember" in flask.request.args)
        return ""

    def logout(self) -> str:
        flask.flash("signed out")
        flask_login.logout_user()
        return ""

    def cart(self) -> Any:
        if "item" in flask.request.args:
            flask.session["cart"] = [flask.request.args["item"]]
        return {"cart": flask.session.get("cart"), "flashes": flask.get_flashed_messages()}

    def whoami(self) -> str:
        user = flask_login.current_user
        return str(user.id) if user.is_authenticated else ""

    def form(self) -> str:
        form = NameForm()
        if form.validate_on_submit():
            return f"hello {form.name.data}"
        return str(form.csrf_token.current_token)

    def stream(self) -> flask.Response:
        def chunks() -> Iterator[str]:
            yield "for "
            yield self.whoami()

        return flask.Response(flask.stream_with_context(chunks()))

    def in_cart(self) -> Any:
        """What the cart of the browser holds."""
        answer: Any = self.client.get("/cart").json
        return answer["cart"]

    def copy_of(self, name: str = "session") -> FlaskClient:
        """Another browser with the cookie *name* of this one as it is now."""
        cookie = cookie_of(self.client, name)
        assert cookie is not None
        thief = self.app.test_client()
        give_cookie(thief, name, cookie)
        return thief


@pytest.fixture(params=[False, True], ids=["alone", "wrapped"])
def site(request: pytest.FixtureRequest) -> Site:
    return Site(is_wrapped=request.param)


def test_a_login_gives_a_new_id_and_stands_in_the_users_list(site: Site) -> None:
    site.client.get("/cart?item=tea")
    site.client.get("/whoami")  # Flask-Login notes in the session that it is not fresh
    planted = site.copy_of()

    site.client.get("/login")

    assert site.client.get("/whoami").text == "ada"
    assert site.in_cart() == ["tea"]
    assert planted.get("/whoami").text == ""
    assert len(site.extension.manager_of(site.app).sessions_of("ada")) == 1


def test_a_logout_ends_the_session_and_what_else_it_held_goes_on_in_another(site: Site) -> None:
    site.client.get("/login")
    site.client.get("/cart?item=tea")
    stolen = site.copy_of()

    site.client.get("/logout")

    assert site.client.get("/whoami").text == ""
    assert site.client.get("/cart").json == {"cart": ["tea"], "flashes": ["signed out"]}
    assert stolen.get("/whoami").text == ""
    assert site.extension.manager_of(site.app).sessions_of("ada") == []


def test_a_permanent_session_stays_permanent_over_a_logout(site: Site) -> None:
    @site.app.before_request
    def stay() -> None:
        flask.session.permanent = True

    site.client.get("/login")
    answer = site.client.get("/logout")

    assert any("Max-Age" in line and "Max-Age=0" not in line for line in answer.headers.getlist("Set-Cookie"))


def test_another_users_login_starts_empty(site: Site) -> None:
    site.client.get("/login?user=ada")
    site.client.get("/cart?item=tea")

    site.client.get("/login?user=bob")

    assert site.in_cart() is None


def test_a_revoked_user_is_signed_out(site: Site) -> None:
    site.client.get("/login")

    site.extension.manager_of(site.app).revoke_user("ada")

    assert site.client.get("/whoami").text == ""


def test_the_remember_cookie_signs_in_again(site: Site) -> None:
    site.client.get("/login?remember")
    take_cookie(site.client, "session")

    assert site.client.get("/whoami").text == "ada"
    assert cookie_of(site.client, "session") is not None


def test_a_stream_that_first_asks_for_the_user_late_is_answered(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """The remember cookie signs in while the stream runs, which can be kept by no cookie any more."""
    site.client.get("/login?remember")
    take_cookie(site.client, "session")

    answer = site.client.get("/stream")

    assert answer.text == "for ada"
    answer.close()
    assert len([record for record in caplog.records if "is dropped" in record.getMessage()]) == 1


def test_the_token_of_a_form_is_good_for_its_session_alone(site: Site) -> None:
    token = site.client.get("/form").text
    form = {"name": "Ada", "csrf_token": token}

    assert site.client.post("/form", data=form).text == "hello Ada"
    assert site.app.test_client().post("/form", data=form).text != "hello Ada"


def test_a_form_that_was_open_over_the_login_still_posts(site: Site) -> None:
    token = site.client.get("/form").text

    site.client.get("/login")

    assert site.client.post("/form", data={"name": "Ada", "csrf_token": token}).text == "hello Ada"
