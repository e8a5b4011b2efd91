"""A Flask application with a WebSocket of flask-sock, which real servers serve in the tests."""

from __future__ import annotations

import logging
import socket
import sys
from typing import Any

import flask
from flask_sock import Sock  # type: ignore[import-untyped]
from werkzeug.serving import make_server
from wsgi.applications import middleware
from wsgi.served import Gunicorn

from sessionware import get_session


def make() -> flask.Flask:
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

    app.wsgi_app = middleware(app.wsgi_app, backend="memory")  # type: ignore[method-assign]
    return app


class Chat(Gunicorn):
    """gunicorn with one worker of the class *worker*, which serves the chat."""

    def __init__(self, listening: socket.socket, worker: str) -> None:
        self.worker = worker
        super().__init__(listening)

    def load_config(self) -> None:
        super().load_config()
        self.cfg.set("worker_class", self.worker)
        self.cfg.set("threads", 1)  # so that the next request waits until the WebSocket's has ended

    def load(self) -> Any:
        return make()


def serve(server: str, listening: socket.socket) -> None:
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
    if server == "werkzeug":
        make_server("127.0.0.1", 0, make(), fd=listening.fileno()).serve_forever()
    else:
        Chat(listening, server).run()


if __name__ == "__main__":
    serve(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
