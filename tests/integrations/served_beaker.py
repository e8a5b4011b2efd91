"""Applications of Beaker's under the drop-in, one for each kind of session; a server may serve any of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from support.beaker import beakers_options
from support.constants import PLAIN

from sessionware.integrations.beaker import SessionMiddleware

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def count(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Count the visits, and save them, unless the path says otherwise."""
    session = environ["beaker.session"]
    start_response("200 OK", PLAIN)
    if environ["PATH_INFO"] == "/delete":
        session.delete()
    else:
        session["visits"] = session.get("visits", 0) + 1
        if environ["PATH_INFO"] != "/nosave":
            session.save()
    yield b"%d" % session.get("visits", 0)


def make(kind: str) -> SessionMiddleware:
    """The application with sessions of this *kind*, in the server's own directory."""
    return SessionMiddleware(count, beakers_options(kind, Path.cwd()))


cookie, memory, file, sqlite = map(make, ("cookie", "memory", "file", "sqlite"))
