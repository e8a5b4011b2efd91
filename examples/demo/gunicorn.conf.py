"""How gunicorn serves the demo: four workers that share their sessions through one SQLite database."""

from __future__ import annotations

import os
from typing import Any

port = os.environ.get("PORT", "8000")
bind = f"127.0.0.1:{port}"
workers = 4
# Browsers open connections in advance; a worker without threads would wait for what never comes.
worker_class = "gthread"
threads = 4
graceful_timeout = 2
preload_app = True
loglevel = "warning"
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Say where to go; "localhost", because there browsers take Secure cookies for granted."""
    print(f"\n  The demo is ready: http://localhost:{port}\n  Stop it with Ctrl-C.\n", flush=True)
