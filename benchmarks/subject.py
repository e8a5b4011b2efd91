"""The sessions that are measured, and the requests that carry them."""

from __future__ import annotations

import io
import itertools
import random
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

SECRET = "rT7yWq2ZkD9vN4xGm1LsB8uJc5HoPe3A"
USER_KEY = "user_id"
COUNTER_KEY = "visits"
CART_KEY = "cart"
FIRST_USER = 4711
KILOBYTE = 1024

Data = dict[str, Any]

_CSRF_CHARACTERS = 43
_VISITORS = (
    ("Ada Lovelace", "ada@example.org", "en_GB", "/books/notes-on-the-analytical-engine"),
    ("Emmy Noether", "emmy@example.org", "de_DE", "/books/invariante-variationsprobleme"),
    ("Софья Ковалевская", "sofia@example.org", "ru_RU", "/книги/вращение-твёрдого-тела"),
    ("Grace Hopper", "grace@example.org", "en_US", "/books/understanding-computers"),
    ("Sophie Germain", "sophie@example.org", "fr_FR", "/books/surfaces-elastiques"),
    ("Maryam Mirzakhani", "maryam@example.org", "fa_IR", "/books/moduli-spaces"),
    ("Hypatia", "hypatia@example.org", "el_GR", "/books/conics"),
    ("Mary Somerville", "mary@example.org", "en_GB", "/books/mechanism-of-the-heavens"),
)
_SENTENCES = ("The engine weaves algebraic patterns just as the loom weaves flowers. ", "Скажи мне, что ты знаешь. ")

#: The user ids of all sessions here.
USERS = frozenset(range(FIRST_USER, FIRST_USER + len(_VISITORS)))


def sessions() -> list[Data]:
    """Eight visitors of a small shop, of types that JSON has too, so that others need not use pickle."""
    return [_visitor(number) for number in range(len(_VISITORS))]


def _visitor(number: int) -> Data:
    name, email, locale, page = _VISITORS[number]
    token = random.Random(number).choices(string.ascii_letters + string.digits + "-_", k=_CSRF_CHARACTERS)
    return {
        USER_KEY: FIRST_USER + number,
        "name": name,
        "email": email,
        "csrf_token": "".join(token),
        "roles": ["customer", "editor"],
        "locale": locale,
        "theme": "dark",
        "last_page": page,
        COUNTER_KEY: 17 + number,
        CART_KEY: cart(1 + number % 4),
    }


def cart(items: int) -> list[Data]:
    """*items* lines of an order."""
    return [{"item": f"book-{1843 + place}", "number": 1 + place % 3, "price": 450 + place} for place in range(items)]


def with_cart(items: int) -> list[Data]:
    """The same visitors with a cart of *items*."""
    return [{**data, CART_KEY: cart(items)} for data in sessions()]


def with_keys(keys: int) -> list[Data]:
    """The same visitors with *keys* keys in all."""
    return [{**data, **_further(keys - len(data))} for data in sessions()]


def _further(keys: int) -> Data:
    return {f"setting_{place}": f"value {place}" if place % 2 else place for place in range(keys)}


def with_text(kilobytes: int) -> list[Data]:
    """The same visitors with a text of so many KB, half of whose bytes are Cyrillic."""
    half = kilobytes * KILOBYTE // 2
    text = "".join(sentence * (half // len(sentence.encode())) for sentence in _SENTENCES)
    return [{**data, "draft": text} for data in sessions()]


def environ(cookie: str = "", path: str = "/", scheme: str = "https") -> dict[str, Any]:
    """A request as gunicorn would give it, over http to this very machine; *cookie* stands between two others'."""
    host = "shop.example.org" if scheme == "https" else "localhost"
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "RAW_URI": path,
        "SERVER_NAME": host,
        "SERVER_PORT": "443" if scheme == "https" else "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7" if scheme == "https" else "127.0.0.1",
        "HTTP_HOST": host,
        "HTTP_ACCEPT": "text/html",
        "HTTP_CONNECTION": "keep-alive",
        "HTTP_USER_AGENT": "Mozilla/5.0",
        "HTTP_COOKIE": cookie_header(cookie),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def cookie_header(cookie: str) -> str:
    return f"_ga=GA1.2.3; {cookie}; consent=yes" if cookie else "_ga=GA1.2.3; consent=yes"


class Request:
    """Sends one request each time it is called, with what a server does and nothing else; *cookies* take turns."""

    def __init__(
        self, app: WSGIApplication, cookies: Sequence[str] = ("",), path: str = "/", scheme: str = "https"
    ) -> None:
        self._app = app
        self._environ = environ(path=path, scheme=scheme)
        self._cookie_headers = itertools.cycle([cookie_header(cookie) for cookie in cookies])
        self.headers: list[tuple[str, str]] = []

    def _start_response(self, status: str, headers: list[tuple[str, str]], *rest: object) -> Any:
        self.headers = headers

    def __call__(self) -> None:
        environ = self._environ.copy()
        environ["HTTP_COOKIE"] = next(self._cookie_headers)
        body = self._app(environ, self._start_response)
        for _ in body:
            pass
        close = getattr(body, "close", None)
        if close is not None:
            close()

    def cookie(self) -> str:
        """The name and value of the cookie that the last response has set."""
        lines = [value for name, value in self.headers if name.lower() == "set-cookie"]
        return lines[0].partition(";")[0].strip()
