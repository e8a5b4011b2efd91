"""Settings of gunicorn for the examples: four workers, forked after the application was loaded once."""

from __future__ import annotations

bind = "127.0.0.1:8000"
workers = 4
# Stores open their connections at first use, in each process, so none is shared across the fork.
preload_app = True
