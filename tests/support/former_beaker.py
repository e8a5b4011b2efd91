"""An application on Beaker's own sessions, as a worker from before the move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from beaker.middleware import SessionMiddleware  # type: ignore[import-untyped]
from support.constants import HTTPS, PLAIN
from support.exchange import Exchange
from support.fleet import Jar
from werkzeug.http import parse_date

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BEAKER_SECRET = "the secret of the application before"
USER_KEY = "user"


def _keep(jar: Jar, line: str) -> None:
    """Do as a browser does with the cookie in *line*, which Beaker removes by a time in the past."""
    name, _, rest = line.strip().partition("=")
    value, _, attributes = rest.partition(";")
    expires = parse_date(attributes.partition("expires=")[2].partition(";")[0])
    if expires is not None and expires < datetime.now(timezone.utc):
        jar.cookies.pop(name, None)
    else:
        jar.cookies[name] = value


class BeakerWorker:
    """One worker with Beaker's *options*, which does with its session what a request asks it to."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self._wanted: Callable[[Any], Any] = dict
        self._result: Any = None
        self._app = SessionMiddleware(self._run, {f"session.{name}": value for name, value in options.items()})

    def _run(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        session = environ["beaker.session"]
        self._result = self._wanted(session)
        start_response("200 OK", list(PLAIN))  # to which Beaker appends
        return [b"ok"]

    def send(self, jar: Jar, wanted: Callable[[Any], Any]) -> Any:
        """What *wanted* gives in a request with the cookies of *jar*, which takes those of the answer."""
        self._wanted = wanted
        header = "; ".join(f"{name}={value}" for name, value in jar.cookies.items())
        exchange = Exchange(self._app, **HTTPS, **({"HTTP_COOKIE": header} if header else {})).run()
        for header, line in exchange.headers:
            if header == "Set-cookie":
                _keep(jar, line)
        return self._result

    def put(self, jar: Jar, **values: Any) -> None:
        def action(session: Any) -> None:
            session.update(values)
            session.save()

        self.send(jar, action)

    def log_in(self, jar: Jar, user: str) -> None:
        self.put(jar, **{USER_KEY: user})

    def log_out(self, jar: Jar) -> None:
        self.send(jar, lambda session: session.delete())

    def write(self, jar: Jar) -> None:
        self.put(jar, visits=self.send(jar, lambda session: session.get("visits", 0)) + 1)

    def who(self, jar: Jar) -> str | None:
        found: str | None = self.send(jar, lambda session: session.get(USER_KEY))
        return found
