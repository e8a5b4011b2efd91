"""The option ``user_key``: code that never calls ``login`` gets all that a login does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import flask
import flask_login
import pytest
from flask.sessions import SessionMixin
from support.actions import call, drop, login, member, put, raised_by, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import KEY

from sessionware import Session, SessionDataError


@pytest.fixture
def site(make: SiteMaker) -> Site:
    return make(user_key="user")


@pytest.fixture
def ada(site: Site) -> Browser:
    """Signed in by the key, with a key of data."""
    return visitor(site, put(user="ada", cart=["tea"]))


SETTERS: dict[str, Callable[[Session, Any], object]] = {
    "session[key] =": lambda session, user: session.__setitem__("user", user),
    "update": lambda session, user: session.update({"user": user}),
    "update by keyword": lambda session, user: session.update(user=user),
    "|=": lambda session, user: session.__ior__({"user": user}),
    "alter": lambda session, user: session.alter("user", lambda current: user),
    "login": lambda session, user: session.login(user),
}
REMOVERS: dict[str, Callable[[Session], object]] = {
    "del": drop("user"),
    "pop": call("pop", "user"),
    "pop with a default": call("pop", "user", None),
    "None": put(user=None),
    "update to None": call("update", {"user": None}),
    "popitem": lambda session: (session.pop("cart"), session.popitem()),
    "clear": call("clear"),
}


@pytest.mark.parametrize("setter", SETTERS.values(), ids=SETTERS)
def test_setting_the_key_is_a_login(site: Site, setter: Callable[[Session, Any], object]) -> None:
    browser = visitor(site, put(cart=["tea"]))
    before = browser.ask(member("id")).result

    browser.send(lambda session: setter(session, "ada"))

    assert browser.ask(member("user_id")).result == "ada"
    assert browser.data() == {"cart": ["tea"], "user": "ada"}
    assert browser.ask(member("id")).result != before
    assert site.event("regenerated").reason == "login"


def test_setdefault_on_a_missing_key_is_a_login(site: Site) -> None:
    browser = visitor(site)

    given = browser.send(call("setdefault", "user", 42)).result

    assert given == 42
    assert browser.ask(member("user_id")).result == 42


@pytest.mark.parametrize("setter", SETTERS.values(), ids=SETTERS)
def test_another_user_begins_with_an_empty_session(
    site: Site, ada: Browser, setter: Callable[[Session, Any], object]
) -> None:
    old = ada.twin()

    ada.send(lambda session: setter(session, "bob"))

    assert ada.data() == {"user": "bob"}
    if site.is_stored:
        assert old.data() == {}


@pytest.mark.parametrize("remover", REMOVERS.values(), ids=REMOVERS)
def test_removing_the_key_is_a_logout(site: Site, remover: Callable[[Session], object]) -> None:
    ada = visitor(site, put(user="ada", cart=["tea"]) if remover is not REMOVERS["popitem"] else _user_last)

    answer = ada.send(remover)

    assert answer.cookie == ""
    assert ada.data() == {}
    assert site.event("ended").user_id == "ada"


def _user_last(session: Session) -> None:
    session["user"] = "ada"
    session["cart"] = ["tea"]


def test_pop_gives_the_user_who_was_signed_in(ada: Browser) -> None:
    assert ada.send(call("pop", "user")).result == "ada"


def test_data_beside_a_removed_user_goes_with_the_session(ada: Browser) -> None:
    ada.send(then(drop("user"), put(theme="dark")))

    assert ada.data() == {"theme": "dark"}
    assert ada.ask(member("user_id")).result is None


@pytest.mark.parametrize("setter", [setter for name, setter in SETTERS.items() if name != "login"])
def test_setting_the_same_user_is_nothing(site: Site, ada: Browser, setter: Callable[[Session, Any], object]) -> None:
    answer = ada.send(lambda session: setter(session, "ada"))

    assert answer.cookie is None
    assert site.names() == []


def test_removing_a_key_that_is_missing_does_nothing_to_a_visitors_session(site: Site) -> None:
    browser = visitor(site, put(cart=["tea"]))

    assert browser.send(call("pop", "user", None)).result is None
    assert browser.send(put(user=None)).cookie is None
    assert isinstance(browser.send(raised_by(call("pop", "user"))).result, KeyError)

    assert browser.data() == {"cart": ["tea"]}


@pytest.mark.parametrize("remover", [remover for name, remover in REMOVERS.items() if name != "popitem"])
def test_in_an_outage_that_reads_as_anonymous_a_logout_is_refused(
    make_stored: SiteMaker, remover: Callable[[Session], object]
) -> None:
    site = make_stored(user_key="user", on_store_failure="anonymous")
    ada = visitor(site, put(user="ada"))

    with site.store.down():
        answer = ada.send(remover)

    assert answer.status == 503
    assert ada.ask(member("user_id")).result == "ada"


def test_a_user_whose_login_was_before_the_option_is_signed_out_by_it(site: Site) -> None:
    ada = visitor(site.like(user_key=None), login("ada", cart=["tea"]))

    Browser(site, ada.cookies).send(call("pop", "user", None))

    if site.is_stored:
        assert ada.data() == {}


def test_what_is_set_beside_the_user_is_that_users(ada: Browser) -> None:
    ada.send(call("update", {"theme": "dark", "user": "bob"}))

    assert ada.data() == {"theme": "dark", "user": "bob"}


def test_a_value_that_cannot_be_stored_signs_no_one_in(site: Site) -> None:
    browser = visitor(site)

    error = browser.send(raised_by(call("update", {"user": "ada", "file": object()}))).result

    assert isinstance(error, SessionDataError)
    assert browser.ask(member("user_id")).result is None


@pytest.mark.parametrize("user", [1.5, "", b"ada", ["ada"], True])
def test_what_is_no_user_id_is_refused(site: Site, user: object) -> None:
    browser = visitor(site)

    assert isinstance(browser.send(raised_by(put(user=user))).result, SessionDataError)
    assert browser.data() == {"old": 1}


def test_what_is_no_user_id_is_refused_in_the_words_of_code_that_never_calls_login(site: Site) -> None:
    answer = Browser(site).send(raised_by(put(user=True)))

    assert "session['user'], which is the user_key, takes the user's id" in str(answer.result)


def test_revert_keeps_the_login_and_its_key(site: Site) -> None:
    browser = visitor(site)

    browser.send(then(put(user="ada", theme="dark"), call("revert")))

    assert browser.data() == {"old": 1, "user": "ada"}
    assert browser.ask(member("user_id")).result == "ada"


def test_the_session_of_such_a_site_is_still_a_session(site: Site) -> None:
    assert isinstance(site.ask(lambda session: session).result, Session)
    assert site.ask(repr).result == "<Session, not loaded>"


class _FlaskSession(SessionMixin):
    """Our session, with the attributes that Flask sets."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def __getitem__(self, key: str) -> Any:
        return self._session[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._session[key] = value

    def __delitem__(self, key: str) -> None:
        del self._session[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._session)

    def __len__(self) -> int:
        return len(self._session)


class _Interface(flask.sessions.SessionInterface):
    def open_session(self, app: flask.Flask, request: flask.Request) -> _FlaskSession:
        return _FlaskSession(request.environ[KEY])

    def save_session(self, app: flask.Flask, session: Any, response: flask.Response) -> None:
        """It saves itself."""


def _flask_app() -> flask.Flask:
    app = flask.Flask("shop")
    app.secret_key = "not used"
    app.session_interface = _Interface()
    manager = flask_login.LoginManager(app)

    @manager.user_loader  # type: ignore[untyped-decorator]
    def load(user_id: str) -> flask_login.UserMixin:
        user = flask_login.UserMixin()
        user.id = user_id
        return user

    @app.get("/in/<name>")
    def sign_in(name: str) -> str:
        flask_login.login_user(load(name))
        return "in"

    @app.get("/out")
    def sign_out(name: str = "") -> str:
        flask_login.logout_user()
        return "out"

    @app.get("/cart")
    def cart() -> str:
        flask.session["cart"] = ["tea"]
        return "cart"

    @app.get("/")
    @flask_login.login_required  # type: ignore[untyped-decorator]
    def home() -> str:
        return f"hello {flask_login.current_user.id} {flask.session.get('cart')}"

    return app


def _ask(browser: Browser, path: str) -> str:
    return browser.get(_flask_app(), PATH_INFO=path, SCRIPT_NAME="").body.decode()


def test_a_login_of_flask_login_is_a_login(make: SiteMaker) -> None:
    site = make(user_key="_user_id")
    browser = Browser(site)
    _ask(browser, "/cart")
    before = browser.ask(member("id")).result
    site.events.clear()

    _ask(browser, "/in/ada")

    assert _ask(browser, "/") == "hello ada ['tea']"
    assert browser.ask(member("user_id")).result == "ada"
    assert browser.ask(member("id")).result != before
    assert [event.reason for event in site.events if event.name == "regenerated"] == ["login"]


def test_a_logout_of_flask_login_is_a_logout(make: SiteMaker) -> None:
    site = make(user_key="_user_id")
    browser = Browser(site)
    _ask(browser, "/in/ada")
    thief = browser.twin()

    _ask(browser, "/out")

    assert browser.ask(read).result == {}
    assert "Unauthorized" in _ask(browser, "/")
    if site.is_stored:
        assert "Unauthorized" in _ask(thief, "/")


def test_another_login_of_flask_login_takes_nothing_over(make: SiteMaker) -> None:
    browser = Browser(make(user_key="_user_id"))
    _ask(browser, "/in/ada")
    _ask(browser, "/cart")

    _ask(browser, "/in/bob")

    assert _ask(browser, "/") == "hello bob None"
