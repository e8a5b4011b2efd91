"""A server that records what it is given, a store that fails when it is told to, and a session to look at."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

from sessionware import RecordTooLarge, Session, SessionMiddleware, StoreUnavailable
from sessionware.stores import Entry, MemoryStore
from sessionware.stores.contract import Version

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SECRET = "kQ2zV8sX4nB7mL1pR9tY3wE6uI0oA5dF"
KEY = "sessionware.session"
PLAIN = [("Content-Type", "text/plain")]
Headers = list[tuple[str, str]]
View = Callable[[Session], object]


class SwitchStore(MemoryStore):
    """A memory store that notes its calls, of which operations can be switched off, and records can be limited."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: set[str] = set()
        self.failure: Exception = StoreUnavailable("switched off")
        self.calls: list[str] = []
        self.limit: int | None = None

    def _called(self, operation: str) -> None:
        self.calls.append(operation)
        if operation in self.broken:
            raise self.failure

    def load(self, key: str) -> Entry | None:
        self._called("load")
        return super().load(key)

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        self._called("create")
        return super().create(key, payload, ttl)

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        self._called("replace")
        if self.limit is not None and len(payload) > self.limit:
            raise RecordTooLarge
        return super().replace(key, payload, ttl, version)

    def delete(self, key: str) -> bool:
        self._called("delete")
        return super().delete(key)

    def __len__(self) -> int:
        return len(self._entries)


class Exchange:
    """One request, served step by step as PEP 3333 asks: headers go out with the first byte of the body."""

    def __init__(self, app: WSGIApplication, **environ: Any) -> None:
        self.app = app
        self.environ: WSGIEnvironment = {"wsgi.errors": io.StringIO(), **environ}
        setup_testing_defaults(self.environ)
        self.starts: list[tuple[str, Headers]] = []
        self.chunks: list[bytes] = []
        self.are_headers_sent = False
        self.result: Any = None

    def start_response(
        self, status: str, headers: Headers, exc_info: OptExcInfo | None = None
    ) -> Callable[[bytes], None]:
        try:
            if exc_info is not None and self.are_headers_sent:
                assert exc_info[1] is not None
                raise exc_info[1]
            assert exc_info is not None or not self.starts, "the server was asked to start twice"
        finally:
            exc_info = None  # PEP 3333: no circle of references
        self.starts.append((status, list(headers)))
        return self.send

    def send(self, chunk: bytes) -> None:
        assert self.starts, "a body without headers"
        self.are_headers_sent = self.are_headers_sent or bool(chunk)
        self.chunks.append(chunk)

    def call(self) -> Exchange:
        """Call the application, and do not look at the body yet."""
        self.result = self.app(self.environ, self.start_response)
        return self

    def run(self) -> Exchange:
        """The whole exchange."""
        self.call()
        try:
            for chunk in self.result:
                self.send(chunk)
        finally:
            self.close()
        return self

    def close(self) -> None:
        if hasattr(self.result, "close"):
            self.result.close()

    @property
    def status(self) -> str:
        return self.starts[-1][0]

    @property
    def headers(self) -> Headers:
        return self.starts[-1][1]

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def cookie(self) -> str | None:
        """What a browser would send back, of the last Set-Cookie."""
        lines = [value for name, value in self.headers if name == "Set-Cookie"]
        return lines[-1].partition(";")[0] if lines else None


class Body:
    """A body that counts: chunks taken, closes, and what is to happen at each."""

    def __init__(
        self, chunks: Iterable[bytes] = (b"one", b"two"), on_close: Callable[[], object] | None = None
    ) -> None:
        self.iterator = iter(chunks)
        self.taken = 0
        self.closed = 0
        self.on_close = on_close

    def __iter__(self) -> Body:
        return self

    def __next__(self) -> bytes:
        chunk = next(self.iterator)
        self.taken += 1
        return chunk

    def close(self) -> None:
        self.closed += 1
        if self.on_close is not None:
            self.on_close()


class SizedBody(Body):
    """A body of one chunk that says so."""

    def __len__(self) -> int:
        return 1


def answering(body: Any, status: str = "200 OK", headers: Headers | None = None) -> WSGIApplication:
    """An application that answers with *body*, or with what it gives when called with the session."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response(status, PLAIN if headers is None else headers)
        return body(environ[KEY]) if callable(body) else body

    return app


def after(view: View, body: Any) -> Callable[[Session], Any]:
    """For :func:`answering`: do *view* with the session, then answer with *body*."""

    def make(session: Session) -> Any:
        view(session)
        return body

    return make


def changed(session: Session) -> None:
    """A view that changes the session."""
    session["a"] = 1


def viewing(view: View, status: str = "200 OK") -> WSGIApplication:
    """An application that answers with what *view* makes of its session, as a list."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        result = view(environ[KEY])
        start_response(status, PLAIN)
        return [str(result).encode()]

    return app


class Boom(Exception):
    """What applications raise here."""


def middleware(app: WSGIApplication, config: Mapping[str, Any] | None = None, **options: Any) -> SessionMiddleware:
    """The middleware with a secret, and a cookie that every test client sends back."""
    return SessionMiddleware(app, {"secret": SECRET, "cookie.secure": False, **(config or {}), **options})


class Site:
    """One configured middleware, in front of another application for each request, and a browser with its cookie."""

    def __init__(self, **options: Any) -> None:
        self.middleware = middleware(answering([b""]), **options)
        self.cookie: str | None = None

    def exchange(self, app: WSGIApplication, **environ: Any) -> Exchange:
        """A request to *app*, not yet begun."""

        def outer(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
            self.middleware.app = app
            return self.middleware(environ, start_response)

        if self.cookie is not None:
            environ.setdefault("HTTP_COOKIE", self.cookie)
        return Exchange(outer, **environ)

    def get(self, app: WSGIApplication, **environ: Any) -> Exchange:
        """A request to *app*, whole; the browser keeps the cookie."""
        exchange = self.exchange(app, **environ).run()
        self.keep(exchange)
        return exchange

    def keep(self, exchange: Exchange) -> None:
        """Do with the answer's cookie as a browser does."""
        if exchange.cookie is not None:
            self.cookie = None if exchange.cookie.endswith("=") else exchange.cookie

    def view(self, view: View, status: str = "200 OK", **environ: Any) -> Exchange:
        """A request to an application that does *view* with its session."""
        return self.get(viewing(view, status), **environ)

    def stored(self) -> dict[str, Any]:
        """What the next request would find."""
        found: dict[str, Any] = {}
        self.view(found.update)
        return found


def assert_is_503(exchange: Exchange) -> None:
    text = b"The session store cannot answer at the moment. Please try again later.\n"
    assert exchange.starts == [
        (
            "503 Service Unavailable",
            [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(text))),
                ("Retry-After", "5"),
                ("Cache-Control", "no-store"),
            ],
        )
    ]
    assert exchange.body == text
