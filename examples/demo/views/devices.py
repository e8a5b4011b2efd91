"""The devices of a user: what they are called, and signing them out from another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from sessionware import Session, SessionInfo
from views.answers import to_home

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST_DEVICES = 5
#: What a User-Agent header says, and what people call it. The first that is found counts: Edge and Opera also say
#: Chrome, Chrome also says Safari, and Android also says Linux.
BROWSERS = {
    "Edg/": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
    "curl/": "curl",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "an iPhone",
    "iPad": "an iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def device_name(user_agent: str) -> str:
    """A name such as "Firefox on Linux". A client chooses what it sends, so nothing is decided by it."""
    browser = next((name for sign, name in BROWSERS.items() if sign in user_agent), "Another browser")
    system = next((name for sign, name in SYSTEMS.items() if sign in user_agent), None)
    return f"{browser} on {system}" if system else browser


def described(environ: WSGIEnvironment) -> dict[str, str]:
    """What events say of the request that has caused them."""
    return {"device": device_name(environ.get("HTTP_USER_AGENT", ""))}


def devices_of(request: Request, session: Session) -> list[SessionInfo]:
    """The sessions of the user who is signed in."""
    user = session.user_id
    return [] if user is None else request.environ["sessionware.manager"].sessions_of(user)


def sign_out_one(request: Request, session: Session) -> Response:
    """End another session of this user. The id that is sent may be another user's, so only one of the list is taken."""
    others = {info.id: info for info in devices_of(request, session) if info.id != session.id}
    info = others.get(request.form.get("session", ""))
    if info is not None and request.environ["sessionware.manager"].revoke(info.id):
        session.flash(f"{info.label} is signed out.")
    elif session.user_id is not None:
        session.flash("You have no other device with that session.", "error")
    return to_home()


def sign_out_others(request: Request, session: Session) -> Response:
    """End all sessions of this user but this one."""
    if session.user_id is not None:
        ended = request.environ["sessionware.manager"].revoke_user(session.user_id, keep=session.id)
        session.flash(f"{ended} other {'device is' if ended == 1 else 'devices are'} signed out.")
    return to_home()
