"""A site with our middleware over any backend, and browsers that keep its cookies or whose answers are on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from support.actions import Action, nothing, put, read
from support.constants import COOKIE, HTTPS, KEY, PLAIN, SECRET
from support.exchange import Exchange, Headers, cookies_in
from support.stores import RecordingStore

from sessionware import Event, Session, SessionMiddleware
from sessionware.stores import Store
from sessionware.testing import FakeClock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Cookies = Mapping[str, str] | str | None


@dataclass
class Answer:
    """What came back, what the action gave, and what the session held if the request has looked."""

    status: int = 0
    headers: Headers = field(default_factory=list)
    body: bytes = b""
    result: Any = None
    seen: dict[str, Any] = field(default_factory=dict)
    user_id: str | int | None = None
    is_new: bool = True

    def lines(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header.lower() == name.lower()]

    @property
    def set_cookies(self) -> list[str]:
        return self.lines("Set-Cookie")

    @property
    def cookies(self) -> dict[str, str | None]:
        """What :func:`cookies_in` finds in the headers."""
        return cookies_in(self.headers)

    @property
    def cookie(self) -> str | None:
        """The new value of our cookie, "" for its deletion, ``None`` for neither."""
        cookies = self.cookies
        return (cookies[COOKIE] or "") if COOKIE in cookies else None

    @property
    def has_no_session(self) -> bool:
        return self.is_new and not self.seen and self.user_id is None


class Site:
    """One configured middleware on https, with a fake clock, a store that records, and all events."""

    #: The option that is given the store.
    option: ClassVar[str] = "backend"

    def __init__(self, backend: str | Store = "cookie", clock: FakeClock | None = None, **options: Any) -> None:
        self.backend = backend if isinstance(backend, (str, RecordingStore)) else RecordingStore(backend)
        self.clock = FakeClock() if clock is None else clock
        self.options = options
        self.events: list[Event] = []
        config = {"secret": SECRET, self.option: self.backend, "clock": self.clock, "on_event": self.events.append}
        self.app = SessionMiddleware(_run_test_app, {**config, **options})
        self.manager = self.app.manager

    def like(self, **options: Any) -> Site:
        """A site beside this one or after a deploy: the same store and clock, other options."""
        return type(self)(self.backend, self.clock, **{**self.options, **options})

    @property
    def store(self) -> RecordingStore:
        assert isinstance(self.backend, RecordingStore)
        return self.backend

    @property
    def is_stored(self) -> bool:
        return self.backend != "cookie"

    def exchange(self, app: WSGIApplication, cookies: Cookies = None, **environ: Any) -> Exchange:
        """A request to *app*, not yet begun; *cookies* are a jar or a whole header."""
        if isinstance(cookies, Mapping):
            cookies = "; ".join(f"{name}={value}" for name, value in cookies.items()) or None
        header = {} if cookies is None else {"HTTP_COOKIE": cookies}
        return Exchange(self.app, **{**HTTPS, **header, "test.app": app, **environ})

    def ask(self, action: Action, cookies: Cookies = None, *, status: str = "200 OK", **environ: Any) -> Answer:
        """A request to an application that does *action* with its session and nothing else."""
        answer = Answer()

        def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
            answer.result = action(environ[KEY])
            start_response(status, PLAIN)
            return [b"ok"]

        exchange = self.exchange(app, cookies, **environ).run()
        answer.status, answer.headers, answer.body = int(exchange.status[:3]), exchange.headers, exchange.body
        return answer

    def request(self, action: Action, value: str | None = None, *, header: str | None = None) -> Answer:
        """A request with *value* in our cookie or with a whole *header*, which looks at its session around *action*."""
        looks: dict[str, Any] = {}

        def look(session: Session) -> Any:
            looks["is_new"] = session.is_new
            result = action(session)
            looks.update(seen=dict(session), user_id=session.user_id)
            return result

        answer = self.ask(look, header if value is None else {COOKIE: value})
        return replace(answer, **looks)

    def read(self, value: str | None = None, *, header: str | None = None) -> Answer:
        """A request that only looks."""
        return self.request(nothing, value, header=header)

    def begin(self, action: Action) -> str:
        """The value of the cookie of a new session on which *action* was done; the events of that are forgotten."""
        value = self.request(action).cookie
        assert value
        self.events.clear()
        return value

    def names(self) -> list[str]:
        """The events so far, with their reasons, but for ``loaded``; then they are forgotten."""
        events = [event for event in self.events if event.name != "loaded"]
        self.events.clear()
        return told(events)

    def event(self, name: str) -> Event:
        """The only event of this name."""
        (event,) = [event for event in self.events if event.name == name]
        return event

    def rejections(self) -> list[str | None]:
        """Why cookies were rejected so far."""
        return [event.reason for event in self.events if event.name == "rejected"]


class LoginSite(Site):
    """A site that keeps the sessions of users in its store, and those of visitors in their cookies."""

    option = "login_backend"


SiteMaker = Callable[..., Site]


def _run_test_app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
    return environ["test.app"](environ, start_response)


def told(events: list[Event]) -> list[str]:
    """The names of *events*, with their reasons."""
    return [event.name if event.reason is None else f"{event.name} {event.reason}" for event in events]


class Browser:
    """Keeps the cookies of a site's answers, and sends them with its requests."""

    def __init__(self, site: Site, cookies: Mapping[str, str] | None = None) -> None:
        self.site = site
        self.cookies = dict(cookies or {})

    def ask(self, action: Action, **more: Any) -> Answer:
        """A request whose answer is still on the way."""
        return self.site.ask(action, self.cookies, **more)

    def receive(self, answer: Answer | Exchange) -> None:
        """Keep the cookies of an answer that has come in."""
        for name, value in answer.cookies.items():
            if value is None:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    def send(self, action: Action, **more: Any) -> Answer:
        """A request whose answer comes in at once."""
        answer = self.ask(action, **more)
        self.receive(answer)
        return answer

    def exchange(self, app: WSGIApplication, **environ: Any) -> Exchange:
        """A request to *app*, not yet begun."""
        return self.site.exchange(app, self.cookies, **environ)

    def get(self, app: WSGIApplication, **environ: Any) -> Exchange:
        """A request to *app* whose answer comes in at once."""
        exchange = self.exchange(app, **environ).run()
        self.receive(exchange)
        return exchange

    def data(self) -> dict[str, Any]:
        """What a later request sees."""
        found: dict[str, Any] = self.ask(read).result
        return found

    def twin(self, site: Site | None = None) -> Browser:
        """Another with the same cookies, at another site if one is given: a slow tab, or a thief who copied them."""
        return Browser(site or self.site, self.cookies)


def visitor(site: Site, action: Action | None = None) -> Browser:
    """A browser whose first request did *action*; the events of that are forgotten, and the calls of the store."""
    browser = Browser(site)
    browser.send(action or put(old=1))
    site.events.clear()
    if isinstance(site.backend, RecordingStore):
        site.store.calls.clear()
    return browser
