"""The application that the INI files of the tests name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from support.constants import PLAIN

from sessionware import get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def make(global_conf: Any) -> WSGIApplication:
    """Counts visits."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        visits = get_session(environ).alter("visits", lambda n: n + 1, 0)
        start_response("200 OK", PLAIN)
        return [b"%d" % visits]

    return app
