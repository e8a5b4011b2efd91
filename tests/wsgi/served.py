"""The application that real servers serve in the tests: each path is a case in which servers differ."""

from __future__ import annotations

import io
import socket
import sys
import threading
from collections.abc import Iterator
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import waitress
from gunicorn.app.base import BaseApplication
from support.constants import PLAIN
from support.stores import RecordingStore
from wsgi.applications import SizedBody, middleware

from sessionware import Event, Session, SessionMiddleware, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

WAIT_SECONDS = 10


class Served:
    """One application with a store of its own; it keeps no state but events that its paths wait for."""

    def __init__(self) -> None:
        self.store = RecordingStore()
        self.released = threading.Event()
        self.saved = threading.Event()

    def tell(self, event: Event) -> None:
        if event.name == "saved":
            self.saved.set()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        case = getattr(self, "on_" + environ["PATH_INFO"].strip("/"))
        return case(get_session(environ), environ, start_response)

    def on_begin(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        session["visits"] = 0
        start_response("200 OK", PLAIN)
        return [b"begun"]

    def on_data(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response("200 OK", PLAIN)
        return [repr(sorted(session)).encode()]

    def on_untouched(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response("200 OK", PLAIN)
        return [b"untouched"]

    def on_sized(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response("200 OK", PLAIN)
        return SizedBody([b"sized"])

    def on_file(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        session["file"] = True
        start_response("200 OK", [*PLAIN, ("Content-Length", "7")])
        return environ["wsgi.file_wrapper"](io.BytesIO(b"content"))

    def on_writer(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        write = start_response("200 OK", PLAIN)
        session["writer"] = True
        write(b"one")
        return [b"two"]

    def on_stream(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        session["stream"] = True
        yield b"first"
        assert self.released.wait(WAIT_SECONDS)
        yield b"second"

    def on_release(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        self.released.set()
        start_response("200 OK", PLAIN)
        return [b"released"]

    def on_hangup(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        self.saved.clear()
        yield b"first"
        session["hangup"] = True
        while not self.saved.is_set():
            yield b"x" * 100_000

    def on_saved(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        is_saved = self.saved.wait(WAIT_SECONDS)
        start_response("200 OK", PLAIN)
        return [repr(is_saved).encode()]

    def on_late(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"first"
        session["late"] = True
        self.store.broken = {"replace"}

    def on_repair(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        self.store.broken = set()
        start_response("200 OK", PLAIN)
        return [b"repaired"]

    def on_down(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        self.store.broken = {"load"}
        start_response("200 OK", PLAIN)
        return [repr(dict(session)).encode()]

    def on_page(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        session.regenerate()
        try:
            raise ValueError
        except ValueError:
            start_response("500 Internal Server Error", PLAIN, sys.exc_info())
        yield b"sorry"

    def on_boom(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response("200 OK", PLAIN)
        session["boom"] = True
        raise ValueError

    def on_unmodified(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        session["unmodified"] = True
        start_response("304 Not Modified", [])
        return []


def make() -> SessionMiddleware:
    """The application, in its middleware."""
    served = Served()
    return middleware(served, backend=served.store, on_event=served.tell)


class QuietHandler(WSGIRequestHandler):
    """A handler that writes no line for each request."""

    def log_message(self, *line: object) -> None:
        """Say nothing."""


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """wsgiref's server, able to serve two requests at once."""

    daemon_threads = True


def serve_wsgiref(listening: socket.socket) -> None:
    server = ThreadingServer(listening.getsockname(), QuietHandler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.server_name, server.server_port = listening.getsockname()
    server.setup_environ()
    server.set_app(make())
    server.serve_forever()


def serve_waitress(listening: socket.socket) -> None:
    waitress.serve(make(), sockets=[listening], threads=4, send_bytes=1, _quiet=True)


class Gunicorn(BaseApplication):
    """gunicorn without a command line: one worker, so that the paths that wait for each other share their events."""

    def __init__(self, listening: socket.socket) -> None:
        self.bind = f"fd://{listening.fileno()}"
        super().__init__()

    def load_config(self) -> None:
        settings = {"bind": self.bind, "worker_class": "gthread", "threads": 4, "control_socket_disable": True}
        for name, value in settings.items():
            if name in self.cfg.settings:  # not every release has the control socket
                self.cfg.set(name, value)

    def load(self) -> Any:
        return make()


def serve_gunicorn(listening: socket.socket) -> None:
    Gunicorn(listening).run()


if __name__ == "__main__":
    serve = {"wsgiref": serve_wsgiref, "waitress": serve_waitress, "gunicorn": serve_gunicorn}[sys.argv[1]]
    serve(socket.socket(fileno=int(sys.argv[2])))
