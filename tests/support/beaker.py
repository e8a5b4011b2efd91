"""An application of Beaker's under the drop-in, with its visitors under WebTest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import webtest
from support.constants import PLAIN, SECRET

from sessionware import Event
from sessionware.integrations.beaker import SessionMiddleware
from sessionware.testing import FakeClock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Options = dict[str, Any]
Action = Callable[[Any], Any]
KINDS = ("cookie", "memory", "file", "sqlite")


def beakers_options(kind: str, directory: Path) -> Options:
    """The sessions of this kind as Beaker is configured for them."""
    return {
        "cookie": {"session.type": "cookie", "session.validate_key": SECRET},
        "memory": {"session.type": "memory", "session.secret": SECRET},
        "file": {"session.data_dir": str(directory / "sessions"), "session.secret": SECRET},
        "sqlite": {
            "session.type": "ext:database",
            "session.url": f"sqlite:///{directory}/sessions.db",
            "session.secret": SECRET,
        },
    }[kind]


def set_to(**values: Any) -> Action:
    """Set these keys, and save."""

    def action(session: Any) -> None:
        for key, value in values.items():
            session[key] = value
        session.save()

    return action


class BeakerSite:
    """An application under the drop-in: each request does one action with its session."""

    def __init__(self, options: Options, **keywords: Any) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        ours = {"session.clock": self.clock, "session.on_event": self.events.append}
        self.middleware = SessionMiddleware(self._run, {**options, **ours}, **keywords)

    def _run(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        return environ["test.app"](environ, start_response)

    def visitor(self) -> Visitor:
        return Visitor(self)

    def told(self) -> list[str]:
        """The events since the last look, with their reasons."""
        told = [f"{event.name} {event.reason or ''}".strip() for event in self.events if event.name != "loaded"]
        self.events.clear()
        return told


class Visitor:
    """A browser under WebTest."""

    def __init__(self, site: BeakerSite) -> None:
        self.site = site
        self.client = webtest.TestApp(site.middleware)

    def send(self, app: WSGIApplication, **environ: Any) -> webtest.TestResponse:
        return self.client.get("/", extra_environ={"test.app": app, **environ})

    def ask(self, action: Action, **environ: Any) -> Any:
        """What *action* gives for the session of a request."""
        results: list[Any] = []

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
            results.append(action(environ["beaker.session"]))
            start_response("200 OK", PLAIN)
            return [b"ok"]

        self.answer = self.send(app, **environ)
        return results[0]

    def data(self) -> dict[str, Any]:
        return dict(self.ask(lambda session: session.copy()))

    @property
    def cookies(self) -> list[str]:
        """The Set-Cookie lines of the last answer."""
        return list(self.answer.headers.getall("Set-Cookie"))
