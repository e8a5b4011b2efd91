"""Signing in and out, and what an old cookie still opens."""

from __future__ import annotations

import pages.signing
from cookie_mirror import last_set_cookie
from password import is_password
from werkzeug.wrappers import Request, Response

from sessionware import Session
from views.answers import page, to_home
from views.devices import device_name

REMEMBERED_FOR = "30d"
MOST_NAME_CHARACTERS = 40


def sign_in(request: Request, session: Session) -> Response:
    """Bind the session to a name, under the name of the device, and for longer if the visitor wants that."""
    name = request.form.get("name", "").strip()[:MOST_NAME_CHARACTERS]
    if not name:
        return to_home()
    if not is_password(request.form.get("password", "")):
        return page(pages.signing.welcome(last_set_cookie(request), [pages.signing.WRONG_PASSWORD]), 403)
    session.login(name, label=device_name(request.user_agent.string))
    if "remember" in request.form:
        session.remember(REMEMBERED_FOR)
    session.flash(f"Welcome, {name}.")
    return to_home()


def sign_out(request: Request, session: Session) -> Response:
    """End the session, and ask at once what its cookie still opens. Only a dead cookie is ever shown."""
    if session.user_id is None:
        return to_home()
    cookie = request.headers.get("Cookie", "")
    before = found_by(cookie, request)
    session.clear()
    after = found_by(cookie, request)
    return page(pages.signing.signed_out(pages.signing.session_cookie(cookie), before, after, request.host_url))


def replay(request: Request, session: Session) -> Response:
    """What a request with an old cookie finds."""
    cookie = request.form.get("cookie", "")
    return page(pages.signing.replayed(cookie, found_by(cookie, request), request.host_url))


def found_by(cookie: str, request: Request) -> str:
    """What a request like this one, but with *cookie* as its Cookie header, finds."""
    manager = request.environ["sessionware.manager"]
    return pages.signing.found(manager.open({**request.environ, "HTTP_COOKIE": cookie}))
