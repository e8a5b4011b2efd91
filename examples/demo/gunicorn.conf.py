"""Settings of gunicorn for the demo: four workers that share their sessions in one SQLite database, at two ports."""

from __future__ import annotations

import os
import signal
from typing import Any

# serve.py has found two that are free; the application reads them too.
port = os.environ.setdefault("PORT", "8000")
# Another site, whose page forges a form. Both are one server, so that one Ctrl-C stops them.
neighbour_port = os.environ.setdefault("NEIGHBOUR_PORT", "8001")
bind = [f"127.0.0.1:{port}", f"127.0.0.1:{neighbour_port}"]
workers = 4
# Browsers open connections before they need them; a worker without threads would wait on one that stays silent.
worker_class = "gthread"
threads = 4
graceful_timeout = 2
preload_app = True
loglevel = "warning"
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Print the address to open: "localhost", because browsers accept Secure cookies there over plain http."""
    print(
        f"\n  The demo is ready: http://localhost:{port}\n  Stop it with Ctrl-C.\n\n"
        "  Open it in two browsers, or in one and a private window of it, to see one user with two devices. Another\n"
        f"  site, whose page tries to change your address in the shop, is at http://localhost:{neighbour_port}\n\n"
        "  Below, each event of a session is a line. Two kinds of lines are no fault: each worker warns once that the\n"
        "  cookie is sent without Secure, since this is plain http on localhost; and after a sign-out the demo itself\n"
        "  tries the old cookie, which is then rejected.\n",
        flush=True,
    )


def post_worker_init(worker: Any) -> None:
    """Let Ctrl-C end a worker at once.

    A thread of it may wait for a browser that has opened a connection and asks for nothing; and gunicorn's own handler
    may wait for a lock that it holds itself, because the terminal and gunicorn each send a signal. In the end gunicorn
    would kill such a worker, with a line that suspects a lack of memory.
    """
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda *_: os._exit(0))
