"""How gunicorn serves the examples: four workers, the application loaded once and shared by forking."""

from __future__ import annotations

bind = "127.0.0.1:8000"
workers = 4
# Stores open their connections at the first use, in each process: none is shared over the fork.
preload_app = True
