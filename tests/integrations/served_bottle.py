"""A site of Bottle that ends its requests in each way that Bottle knows; a server may serve ``app``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bottle  # type: ignore[import-untyped]
from support.constants import SECRET

from sessionware import Session
from sessionware.integrations.bottle import SessionPlugin


def count(session: Session) -> str:
    return str(session.alter("count", lambda n: n + 1, 0))


def keyword(theme: str, *, session: Session) -> None:
    session["theme"] = theme


def of_request() -> None:
    bottle.request.session["by"] = "request"


def abort(session: Session) -> None:
    session["by"] = "abort"
    bottle.abort(403)


def redirect(session: Session) -> None:
    session["by"] = "redirect"
    bottle.redirect("/data", 303)


def stream(session: Session) -> Iterator[str]:
    session["by"] = "stream"
    yield "one"
    yield "two"


def response(session: Session) -> bottle.HTTPResponse:
    session["by"] = "response"
    return bottle.HTTPResponse("made", 201)


def raised(session: Session) -> None:
    session["by"] = "raised"
    raise bottle.HTTPResponse("raised", 202)


def bug(session: Session) -> None:
    session["by"] = "bug"
    raise ZeroDivisionError


def skipped() -> None:
    bottle.request.session["by"] = "skipped"


def _not_found(error: bottle.HTTPError) -> str:
    bottle.request.session["by"] = "error page"
    return "not found"


def _hook() -> None:
    if bottle.request.path == "/hooked":
        bottle.request.session["by"] = "hook"


def make_site() -> Any:
    """The site, without a session yet."""
    site = bottle.Bottle()
    for callback in (count, abort, redirect, stream, response, raised, bug):
        site.get(f"/{callback.__name__}", callback=callback)
    site.get("/keyword/<theme>", callback=keyword)
    site.get("/request", callback=of_request)
    site.get("/skipped", callback=skipped, skip=True)
    site.get("/address/<session>", callback=lambda session: session)
    site.get("/data", callback=lambda session: dict(session))
    site.get("/untouched", callback=lambda: "untouched")
    site.get("/hooked", callback=lambda: "hooked")
    site.error(404)(_not_found)
    site.add_hook("before_request", _hook)
    return site


app = make_site()
app.install(SessionPlugin(secret=SECRET))
