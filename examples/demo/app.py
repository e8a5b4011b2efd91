"""A small shop that shows a session at work: a cart, a user's devices, a forged form that is refused, events.

It stands on this machine only, and has no other purpose than to be looked at. Two variables of the environment make it
quicker to watch: ``DEMO_IDLE_TIMEOUT`` (``30m``) and ``DEMO_CONFIRMED_FOR`` (``1m``).
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import database
import event_log
from cookie_mirror import CookieMirror
from neighbour import Ports, neighbour
from views import address, devices, events, shop, signing
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from sessionware import Session, SessionMiddleware, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LARGEST_FORM_BYTES = 16_384

VIEWS: dict[tuple[str, str], Callable[[Request, Session], Response]] = {
    ("GET", "/"): shop.home,
    ("GET", "/whoami"): shop.who_am_i,
    ("GET", "/style.css"): shop.style,
    ("GET", "/events"): events.recent,
    ("POST", "/cart"): shop.add_to_cart,
    ("POST", "/cart/empty"): shop.empty_cart,
    ("POST", "/new-id"): shop.new_id,
    ("POST", "/sign-in"): signing.sign_in,
    ("POST", "/sign-out"): signing.sign_out,
    ("POST", "/replay"): signing.replay,
    ("POST", "/devices/sign-out"): devices.sign_out_one,
    ("POST", "/devices/sign-out-others"): devices.sign_out_others,
    ("POST", "/address"): address.change,
    ("POST", "/address/confirm"): address.confirm,
}


def demo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
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


def kept_secret(path: Path) -> str:
    """The secret in *path*, drawn at the first start; only this user may read the file."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    except FileExistsError:
        pass
    return path.read_text()


database.prepare()
options: dict[str, Any] = {
    "backend": "sqlite",
    "backend.path": database.DATA / "sessions.db",
    "secret": kept_secret(database.DATA / "secret"),
    "idle_timeout": os.environ.get("DEMO_IDLE_TIMEOUT", "30m"),
    "absolute_timeout": "8h",
    "max_sessions_per_user": devices.MOST_DEVICES,
    "on_event": event_log.note,
    "event_context": devices.described,
}
app = Ports(CookieMirror(SessionMiddleware(demo, options)), neighbour)

# What happens to sessions shows in the terminal too, a line per event.
logging.basicConfig(format="  %(name)s: %(message)s", level=logging.INFO)
