"""The application that gunicorn serves in these tests; what it needs to know stands in the environment.

``SITE_STORE`` is the URL of the store, ``SITE_TIMEOUT`` that store's timeout, if it has one, and ``SITE_USE`` says
whether the store is used as soon as this module is imported.
"""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

from support.constants import SECRET

from sessionware import Session, SessionMiddleware, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def serve(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Begin a session, count in it, read it, or leave it alone; the answer tells which process gave it."""
    answer: dict[str, Any] = {"process": os.getpid()}
    path = "/" + environ["PATH_INFO"].rpartition("/")[2]
    if path != "/untouched":
        session: Session = get_session(environ)
        if path == "/begin":
            session.update(owner=environ["QUERY_STRING"], count=0)
        elif path == "/count":
            session.alter("count", lambda count: count + 1, default=0)
        answer.update(owner=session.get("owner"), count=session.get("count"))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def use(app: WSGIApplication) -> None:
    """A session that is begun and read again, in this process; its connections stay open."""
    environ = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_HOST": "example.org", "QUERY_STRING": "me"}
    cookies: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        assert status == "200 OK"
        cookies.extend(value.partition(";")[0] for name, value in headers if name == "Set-Cookie")

    b"".join(app({**environ, "PATH_INFO": "/begin", "wsgi.errors": io.StringIO()}, start_response))
    visit = {**environ, "PATH_INFO": "/read", "HTTP_COOKIE": cookies[0], "wsgi.errors": io.StringIO()}
    answer = json.loads(b"".join(app(visit, start_response)))
    assert answer["owner"] == "me"


def make() -> SessionMiddleware:
    """The application in its middleware."""
    timeout = os.environ.get("SITE_TIMEOUT")
    options = {"backend.timeout": timeout} if timeout else {}
    return SessionMiddleware(serve, {"secret": SECRET, "backend": os.environ["SITE_STORE"], **options})


if "SITE_STORE" in os.environ:
    application = make()
    if os.environ.get("SITE_USE"):
        use(application)
