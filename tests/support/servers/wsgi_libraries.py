"""The servers of wsgiref and Werkzeug, which have no command, as one: ``python -m`` this, a server, an app, a port."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING
from wsgiref.simple_server import make_server

from support.client import HOST
from werkzeug.serving import run_simple

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def _serve_werkzeug(app: WSGIApplication, port: int) -> None:
    run_simple(HOST, port, app, threaded=True)


def _serve_wsgiref(app: WSGIApplication, port: int) -> None:
    with make_server(HOST, port, app) as server:
        server.serve_forever()


_SERVE: dict[str, Callable[[WSGIApplication, int], None]] = {"werkzeug": _serve_werkzeug, "wsgiref": _serve_wsgiref}

if __name__ == "__main__":
    _SERVE[sys.argv[1]](pkgutil.resolve_name(sys.argv[2]), int(sys.argv[3]))
