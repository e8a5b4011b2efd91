"""A Flask application on its own sessions, as a worker from before the move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask import Flask
from support.exchange import cookies_in
from support.fleet import Jar

FLASK_SECRET = "the key of the application before"


class FlaskWorker:
    """One worker of *app*, which does with ``flask.session`` what a request asks it to."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self._wanted: Callable[[Any], Any] = dict
        self._result: Any = None
        app.add_url_rule("/", view_func=self._view)

    def _view(self) -> str:
        self._result = self._wanted(flask.session)
        return "ok"

    def send(self, jar: Jar, wanted: Callable[[Any], Any]) -> Any:
        """What *wanted* gives in a request with the cookies of *jar*, which takes those of the answer."""
        self._wanted = wanted
        header = "; ".join(f"{name}={value}" for name, value in jar.cookies.items())
        client = self.app.test_client(use_cookies=False)
        answer = client.get("/", base_url="https://example.org", headers={"Cookie": header} if header else {})
        assert answer.status_code == 200
        for name, value in cookies_in(answer.headers.to_wsgi_list()).items():
            if value is None:
                jar.cookies.pop(name, None)
            else:
                jar.cookies[name] = value
        return self._result

    def log_in(self, jar: Jar, user: str) -> None:
        self.send(jar, lambda session: session.update(_user_id=user, _fresh=True))

    def log_out(self, jar: Jar) -> None:
        self.send(jar, lambda session: session.pop("_user_id"))

    def write(self, jar: Jar) -> None:
        self.send(jar, lambda session: session.update(visits=session.get("visits", 0) + 1))

    def who(self, jar: Jar) -> str | None:
        found: str | None = self.send(jar, lambda session: session.get("_user_id"))
        return found


def flask_app(**config: Any) -> Flask:
    """An application with *config*."""
    app = Flask("former")
    app.config.update({"SECRET_KEY": FLASK_SECRET, "TESTING": True, **config})
    return app
