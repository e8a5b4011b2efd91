"""A shop and its neighbours in the web, on one port for http and one for https: what each page does, and what came."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import trustme
from support.client import HOST
from support.constants import SECRET

from sessionware import SessionMiddleware, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: What a shop answers to scripts of the neighbours: they may ask, with cookies, and read the answer.
_CORS = {
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "X-Asked-By",
    "Vary": "Origin",
}
WAIT_SECONDS = 60


@dataclass(frozen=True)
class Request:
    """What a server saw of one request, and what it answered."""

    host: str
    method: str
    path: str
    query: str
    origin: str | None
    site: str | None
    has_cookie: bool
    status: int
    body: str

    @property
    def session(self) -> dict[str, Any]:
        """The data of the session, as the shop told it."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Web:
    """Hosts by their names: *shops*, whose options are given, and pages of other hosts, whose HTML a test sets."""

    scheme: str
    port: int = 0
    pages: dict[tuple[str, str], str] = field(default_factory=dict)
    _shops: dict[str, WSGIApplication] = field(default_factory=dict)
    _seen: list[Request] = field(default_factory=list)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def url(self, host: str, path: str = "/") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def add_shop(self, host: str, **options: Any) -> None:
        """A shop at *host*, whose cookie fits the scheme."""
        common = {"secret": SECRET, "backend": "memory", "cookie.secure": self.scheme == "https"}
        self._shops[host] = SessionMiddleware(_shop, {**common, **options})

    def wait_for(self, is_it: Callable[[Request], bool]) -> Request:
        """The first request since :meth:`forget` of which *is_it* is true; it may be still to come."""
        with self._arrived:
            found = self._arrived.wait_for(lambda: next(filter(is_it, self._seen), None), WAIT_SECONDS)
            assert found is not None, f"it did not come: {self._seen}"
            return found

    def request(self, host: str, path: str, method: str = "GET") -> Request:
        """The first request of *method* to *path* at *host*."""
        return self.wait_for(lambda seen: (seen.host, seen.path, seen.method) == (host, path, method))

    def forget(self) -> None:
        with self._arrived:
            self._seen.clear()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        host, path = environ["HTTP_HOST"].partition(":")[0], environ["PATH_INFO"]
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            started.append((status, headers))

        app = self._shops.get(host, self._page)
        body = b"".join(app(environ, start))
        [(status, headers)] = started
        start_response(status, headers)
        self._note(
            Request(
                host=host,
                method=environ["REQUEST_METHOD"],
                path=path,
                query=environ["QUERY_STRING"],
                origin=environ.get("HTTP_ORIGIN"),
                site=environ.get("HTTP_SEC_FETCH_SITE"),
                has_cookie="sid=" in environ.get("HTTP_COOKIE", ""),
                status=int(status[:3]),
                body=body.decode(),
            )
        )
        return [body]

    def _note(self, request: Request) -> None:
        with self._arrived:
            self._seen.append(request)
            self._arrived.notify_all()

    def _page(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        html = self.pages.get((environ["HTTP_HOST"].partition(":")[0], environ["PATH_INFO"]))
        status = "404 Not Found" if html is None else "200 OK"
        start_response(status, [("Content-Type", "text/html; charset=utf-8"), ("Cache-Control", "no-store")])
        return [(html or "").encode()]


def _shop(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Begin a session, remember it, change it, read it, or leave it alone, as OPTIONS and every other path do."""
    path = environ["PATH_INFO"]
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
    if "HTTP_ORIGIN" in environ:
        headers += [("Access-Control-Allow-Origin", environ["HTTP_ORIGIN"]), *_CORS.items()]
    if environ["REQUEST_METHOD"] == "OPTIONS" or path not in ("/begin", "/remember", "/change", "/read", "/form"):
        start_response("200 OK", headers)
        return [b"{}"]
    start_response("200 OK", headers if path in ("/change", "/read") else [("Content-Type", "text/html")])
    session = get_session(environ)
    if path in ("/begin", "/remember"):
        session["owner"] = "ada"
        if path == "/remember":
            session.remember("30d")
        return [b"<script>fetch('/ready')</script>"]
    if path == "/form":
        return [b"<form method=post action=/change></form><script>document.forms[0].submit()</script>"]
    if path == "/change":
        session["changed"] = True
    return [json.dumps(dict(session)).encode()]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    # A browser opens connections ahead, and says nothing on them.
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that the browser has closed."""


class _Handler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing of each request."""


@contextlib.contextmanager
def served(web: Web) -> Iterator[None]:
    """Serve *web* in threads of this process."""
    with _Server((HOST, 0), _Handler) as server:
        server.set_app(web)
        web.port = server.server_port
        if web.scheme == "https":
            # The handshake is left to the thread of the connection.
            server.socket = _tls().wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield
        server.shutdown()
        thread.join()


def _tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("shop.test").configure_cert(context)
    return context
