"""The application that real servers serve in the tests: each path is a case in which servers differ."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from wsgiref.util import FileWrapper

from support.constants import PLAIN
from support.stores import RecordingStore
from wsgi.applications import Body, Boom, SizedBody, middleware

from sessionware import Event, Session, get_session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

WAIT_SECONDS = 60


class Served:
    """One application with a store of its own; it keeps no state but what its paths tell of each other."""

    def __init__(self) -> None:
        self.store = RecordingStore()
        self.saved = threading.Event()
        self.closed = 0
        self.given: Iterable[bytes] = []

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
        return environ.get("wsgi.file_wrapper", FileWrapper)(io.BytesIO(b"content"))

    def on_writer(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        write = start_response("200 OK", PLAIN)
        session["writer"] = True
        write(b"one")
        return [b"two"]

    def on_stream(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        session["stream"] = True
        yield b"first"
        session["second"] = Path(environ["QUERY_STRING"]).read_text()  # a pipe, which the visitor writes to
        yield b"second"

    def on_broken(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"first"
        session["broken"] = True
        raise Boom

    def on_upload(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        left = int(environ["CONTENT_LENGTH"])
        session["declared"] = left
        start_response("200 OK", PLAIN)
        yield b"begun "
        while left and (chunk := environ["wsgi.input"].read(min(left, 10_000))):
            left -= len(chunk)
        session["left"] = left
        yield b"read"

    def on_unread(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        session["unread"] = True
        start_response("200 OK", PLAIN)
        return [b"unread"]

    def on_closing(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        def chunks() -> Iterator[bytes]:
            yield b"one"
            self.saved.clear()
            yield b"two"

        def close() -> None:
            self.closed += 1
            session["closed"] = self.closed

        start_response("200 OK", PLAIN)
        session["closing"] = True
        return Body(chunks(), close)

    def on_stumbling(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        def chunks() -> Iterator[bytes]:
            yield b"one"
            session["stumbling"] = True
            yield b"two"

        def close() -> None:
            raise Boom

        start_response("200 OK", PLAIN)
        return Body(chunks(), close)

    def on_told(self, session: Session, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response("200 OK", PLAIN)
        return [json.dumps({"closed": self.closed, "given": type(self.given).__name__}).encode()]

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


def make() -> WSGIApplication:
    """The application, in its middleware."""
    served = Served()
    inner = middleware(served, backend=served.store, on_event=served.tell)

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        served.given = inner(environ, start_response)
        return served.given

    return application


application = make()
