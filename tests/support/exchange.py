"""One request to a WSGI application, served step by step."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]


def cookies_in(headers: Headers) -> dict[str, str | None]:
    """The cookies that a browser keeps of these headers; ``None`` for those that it removes."""
    found: dict[str, str | None] = {}
    for header, line in headers:
        if header == "Set-Cookie":
            name, _, rest = line.partition("=")
            found[name] = None if "Max-Age=0;" in f"{rest};" else rest.partition(";")[0]
    return found


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
    def cookies(self) -> dict[str, str | None]:
        """What :func:`cookies_in` finds in the last headers."""
        return cookies_in(self.headers)
