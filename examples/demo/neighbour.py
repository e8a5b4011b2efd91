"""Another site on this machine, at a port of its own, whose page tries to change an address in the shop."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pages.neighbour
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Where both are served. A server that names no second port has no neighbour.
PORT = os.environ.get("PORT", "")
NEIGHBOUR_PORT = os.environ.get("NEIGHBOUR_PORT", "")


class Ports:
    """One server for both sites, told apart by the port that a connection has reached, whatever a client says."""

    def __init__(self, shop: WSGIApplication, other: WSGIApplication) -> None:
        self.shop = shop
        self.other = other

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        site = self.other if environ["SERVER_PORT"] == NEIGHBOUR_PORT else self.shop
        return site(environ, start_response)


def neighbour(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """The one page of the other site. It has no sessions."""
    request = Request(environ)
    if request.path != "/":
        return Response("There is nothing here.\n", 404, mimetype="text/plain")(environ, start_response)
    shop = beside(request, PORT)
    response = Response(pages.neighbour.prize(shop, request.host_url.rstrip("/")), mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src {shop}; form-action {shop}; frame-src {shop}; frame-ancestors 'none'"
    )
    return response(environ, start_response)


def beside(request: Request, port: str) -> str:
    """The origin of what is served at *port* of the host that the browser has asked for."""
    host = urlsplit(request.host_url).hostname or "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
