"""A Flask application with a WebSocket of flask-sock, which real servers serve in the tests."""

from __future__ import annotations

import logging
from typing import Any

import flask
from flask_sock import Sock  # type: ignore[import-untyped]
from wsgi.applications import middleware

from sessionware import get_session

app = flask.Flask("chat")
sock = Sock(app)


@app.get("/begin")
def begin() -> str:
    get_session(flask.request.environ)["begun"] = True
    return "begun"


@app.get("/data")
def data() -> str:
    return repr(dict(get_session(flask.request.environ)))


@sock.route("/chat")  # type: ignore[untyped-decorator]
def chat(connection: Any) -> None:
    session = get_session(flask.request.environ)
    session["said"] = connection.receive()
    connection.send(f"{session['said']} from {session.get('begun')}")


logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
application = middleware(app, backend="memory")
