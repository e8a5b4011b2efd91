"""A small shop that shows a session at work: signing in, a counter, a cart, a cookie that is dead after signing out.

It stands on this machine only, asks for no password, and has no other purpose than to be looked at.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pages
from cookie_mirror import CookieMirror, last_set_cookie
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from sessionware import Session, SessionMiddleware, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

HERE = Path(__file__).parent
DATA = Path(os.environ.get("DEMO_DATA", HERE / "data"))
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
LONGEST_NAME = 40
LARGEST_FORM_BYTES = 16_384


def home(request: Request, session: Session) -> Response:
    """A user who is signed in sees the session from all sides; another visitor has none, and leaves nothing behind."""
    if session.user_id is None:
        return page(pages.welcome(last_set_cookie(request)))
    session.alter("visits", lambda visits: visits + 1, default=0)
    return page(pages.shop(session, last_set_cookie(request), os.getpid()))


def sign_in(request: Request, session: Session) -> Response:
    """Bind the session to a name; a real application checks a password first."""
    name = request.form.get("name", "").strip()[:LONGEST_NAME]
    if name:
        session.login(name, label=request.user_agent.string[:100])
    return to_home()


def add_to_cart(request: Request, session: Session) -> Response:
    """One more of an item. Two tabs that do so at once both get theirs in, because both alter what is there."""
    item = request.form.get("item")
    if session.user_id is not None and item in pages.ITEMS:
        session.alter("cart", lambda cart: {**cart, item: cart.get(item, 0) + 1}, default={})
    return to_home()


def empty_cart(request: Request, session: Session) -> Response:
    """Nothing in the cart any more; the rest of the session stays."""
    session.pop("cart", None)
    return to_home()


def new_id(request: Request, session: Session) -> Response:
    """The same session under a new id, with a new cookie."""
    session.regenerate()
    return to_home()


def sign_out(request: Request, session: Session) -> Response:
    """End the session, and ask at once what its cookie still opens. Only a dead cookie is ever shown."""
    if session.user_id is None:
        return to_home()
    cookie = request.headers.get("Cookie", "")
    before = found_by(cookie, request)
    session.clear()
    return page(pages.signed_out(pages.session_cookie(cookie), before, found_by(cookie, request), request.host_url))


def replay(request: Request, session: Session) -> Response:
    """What a request with an old cookie finds."""
    cookie = request.form.get("cookie", "")
    return page(pages.replayed(cookie, found_by(cookie, request), request.host_url))


def who_am_i(request: Request, session: Session) -> Response:
    """The same in a line of text, for curl."""
    return Response(f"{pages.found(session)}\n", headers=HEADERS, mimetype="text/plain")


def style(request: Request, session: Session) -> Response:
    """The style sheet. The session is not touched here, so this costs no look into the store."""
    return Response((HERE / "style.css").read_bytes(), mimetype="text/css")


VIEWS: dict[tuple[str, str], Callable[[Request, Session], Response]] = {
    ("GET", "/"): home,
    ("GET", "/whoami"): who_am_i,
    ("GET", "/style.css"): style,
    ("POST", "/sign-in"): sign_in,
    ("POST", "/cart"): add_to_cart,
    ("POST", "/cart/empty"): empty_cart,
    ("POST", "/new-id"): new_id,
    ("POST", "/sign-out"): sign_out,
    ("POST", "/replay"): replay,
}


def shop(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Find the view and answer."""
    request = Request(environ)
    request.max_content_length = LARGEST_FORM_BYTES
    method = "GET" if request.method == "HEAD" else request.method
    view = VIEWS.get((method, request.path))
    if view is None:
        response = Response("There is nothing here.\n", 404, mimetype="text/plain")
    else:
        response = answered(view, request)
    return response(environ, start_response)


def answered(view: Callable[[Request, Session], Response], request: Request) -> Response:
    """What *view* answers; a form is read there, and may turn out to be too large."""
    try:
        return view(request, get_session(request.environ))
    except RequestEntityTooLarge:
        return Response(f"That form has more than {LARGEST_FORM_BYTES:,} bytes.\n", 413, mimetype="text/plain")


def found_by(cookie: str, request: Request) -> str:
    """What a request like this one, but with *cookie* as its Cookie header, finds."""
    manager = request.environ["sessionware.manager"]
    return pages.found(manager.open({**request.environ, "HTTP_COOKIE": cookie}))


def page(html: str) -> Response:
    return Response(html, headers=HEADERS, mimetype="text/html")


def to_home() -> Response:
    return Response(status=303, headers={"Location": "/", **HEADERS})


def kept_secret(path: Path) -> str:
    """The secret in *path*, drawn at the first start; only this user may read the file."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    except FileExistsError:
        pass
    return path.read_text()


DATA.mkdir(mode=0o700, parents=True, exist_ok=True)
options: dict[str, Any] = {
    "backend": "sqlite",
    "backend.path": DATA / "sessions.db",
    "secret": kept_secret(DATA / "secret"),
    "idle_timeout": "30m",
    "absolute_timeout": "8h",
}
app = CookieMirror(SessionMiddleware(shop, options))

# What happens to sessions shows in the terminal, a line per event.
logging.basicConfig(format="  %(name)s: %(message)s", level=logging.INFO)
