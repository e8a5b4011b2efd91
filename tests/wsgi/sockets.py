"""A Flask application with a WebSocket of flask-sock, which real servers serve in the tests."""

from __future__ import annotations

import logging
import threading
from typing import Any

import flask
from flask_sock import Sock  # type: ignore[import-untyped]
from wsgi.applications import middleware

from sessionware import Event, get_session

WAIT_SECONDS = 60
#: Set when the request of the last WebSocket has saved or dropped what it changed.
ended = threading.Event()

app = flask.Flask("chat")
sock = Sock(app)


@app.get("/begin")
def begin() -> str:
    get_session(flask.request.environ)["begun"] = True
    return "begun"


@app.get("/data")
def data() -> str:
    return repr(dict(get_session(flask.request.environ)))


@app.get("/ended")
def wait_for_the_end() -> str:
    return repr(ended.wait(WAIT_SECONDS))


@sock.route("/chat")  # type: ignore[untyped-decorator]
def chat(connection: Any) -> None:
    ended.clear()
    session = get_session(flask.request.environ)
    session["said"] = connection.receive()
    connection.send(f"{session['said']} from {session.get('begun')}")


def tell(event: Event) -> None:
    if event.name in ("created", "saved", "discarded"):
        ended.set()


logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
application = middleware(app, backend="memory", on_event=tell)
