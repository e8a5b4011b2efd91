"""Names and secrets that the tests share."""

from __future__ import annotations

SECRET = "kQ2zV8sX4nB7mL1pR9tY3wE6uI0oA5dF"
NEW_SECRET = "Hj4kL9mN2bV7cX5zQ8wE1rT6yU3iO0pA"
#: The names that our cookies have on https without any option.
PREFIX = "__Host-Http-"
COOKIE = f"{PREFIX}sid"
SEEN = f"{COOKIE}-seen"
#: Where the session stands in environ.
KEY = "sessionware.session"
PLAIN = [("Content-Type", "text/plain")]
HTTPS = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_HOST": "example.org"}
