"""Shows a page what the session's last Set-Cookie header said, since browsers never send attributes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.http import dump_cookie
from werkzeug.wrappers import Request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NAME = "demo-set-cookie"
_SESSION_COOKIE = re.compile(r"((?:__Host-Http-|__Host-|__Secure-)?sid=)([^;]*)")


class CookieMirror:
    """A middleware around the session's that copies its Set-Cookie, without the token, into another cookie."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Callable[[bytes], object]:
            mirrored = [mirror(value) for name, value in headers if name == "Set-Cookie" and is_session(value)]
            # In front: after a cookie that is deleted, curl 7.88 mistakes the next one for an old one.
            return start_response(status, [*mirrored, *headers], *rest)

        return self.app(environ, start)


def is_session(set_cookie: str) -> bool:
    return _SESSION_COOKIE.match(set_cookie) is not None


def mirror(set_cookie: str) -> tuple[str, str]:
    without_token = _SESSION_COOKIE.sub(lambda found: found[1] + ("…" if found[2] else ""), set_cookie, count=1)
    return "Set-Cookie", dump_cookie(NAME, without_token, httponly=True, samesite="Lax")


def last_set_cookie(request: Request) -> str | None:
    """The last Set-Cookie header that was copied, if there was one."""
    return request.cookies.get(NAME)
