"""The session that is measured, and the requests that carry it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

SECRET = "rT7yWq2ZkD9vN4xGm1LsB8uJc5HoPe3A"
USER_KEY = "user_id"
COUNTER_KEY = "visits"


def ten_keys() -> dict[str, Any]:
    """The data of a small shop, of types that JSON has too, so that Beaker need not use pickle."""
    return {
        USER_KEY: 4711,
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "csrf_token": "pB0cJ3h5c1Tn9rVqk2Yd8WmXs6ZfLg4A7uEoQiRtUyN",
        "roles": ["customer", "editor"],
        "locale": "en_GB",
        "theme": "dark",
        "last_page": "/books/notes-on-the-analytical-engine",
        COUNTER_KEY: 17,
        "cart": [
            {"item": "book-1843", "number": 1, "price": 2450},
            {"item": "tea-0012", "number": 3, "price": 450},
            {"item": "honey-0007", "number": 2, "price": 790},
        ],
    }


def environ(cookie: str = "", path: str = "/") -> dict[str, Any]:
    """A request as gunicorn would give it; *cookie* stands between two cookies of other applications."""
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "RAW_URI": path,
        "SERVER_NAME": "shop.example.org",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "HTTP_HOST": "shop.example.org",
        "HTTP_ACCEPT": "text/html",
        "HTTP_USER_AGENT": "Mozilla/5.0",
        "HTTP_COOKIE": f"_ga=GA1.2.3; {cookie}; consent=yes" if cookie else "_ga=GA1.2.3; consent=yes",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }


class Request:
    """Sends one request each time it is called, with what a server does and nothing else."""

    def __init__(self, app: WSGIApplication, cookie: str = "", path: str = "/") -> None:
        self._app = app
        self.environ = environ(cookie, path)
        self.headers: list[tuple[str, str]] = []

    def _start_response(self, status: str, headers: list[tuple[str, str]], *rest: object) -> Any:
        self.headers = headers

    def __call__(self) -> None:
        body = self._app(self.environ.copy(), self._start_response)
        for _ in body:
            pass
        close = getattr(body, "close", None)
        if close is not None:
            close()

    def cookie(self) -> str:
        """The name and value of the cookie that the last response has set."""
        lines = [value for name, value in self.headers if name.lower() == "set-cookie"]
        return lines[0].partition(";")[0].strip()
