"""Sessions in any key/value object that you already have: first a dict, then files by minimalkv.

Around such objects there is no compare-and-swap between processes, only between the threads of one. So serve it by one
worker with threads, which counts every visit; several would lose some. From this directory, with a secret of its own::

    pip install minimalkv gunicorn
    SESSION_SECRET=$(sessionware secret) gunicorn -c gunicorn.conf.py --workers 1 --threads 8 key_value:app
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from minimalkv.fs import FilesystemStore

from sessionware import SessionMiddleware, get_session
from sessionware.stores import KeyValueStore

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def count(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Count the visits."""
    if environ["PATH_INFO"] != "/":  # a browser asks for /favicon.ico, too
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found"]
    visits = get_session(environ).alter("visits", lambda number: number + 1, default=0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d visits" % visits]


# A dict is enough for one process, and ends with it.
entries: dict[str, bytes] = {}
options = {"backend": KeyValueStore(entries), "secret": os.environ["SESSION_SECRET"]}
app_in_memory = SessionMiddleware(count, options)

# A store of minimalkv or simplekv is used in the same way; this one keeps files, which outlive the process.
files = FilesystemStore("entries", perm=0o600)
app = SessionMiddleware(count, {**options, "backend": KeyValueStore(files)})
