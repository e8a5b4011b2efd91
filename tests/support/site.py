"""A site with a middleware over any backend, and browsers that keep its cookies, or whose answers are on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sessionware import Event, RecordTooLarge, Session, SessionMiddleware, StoreUnavailable
from sessionware.stores import Closable, Entry, Purgeable, Store, Version
from sessionware.testing import FakeClock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SECRET = "kQ2zV8sX4nB7mL1pR9tY3wE6uI0oA5dF"
NEW_SECRET = "Hj4kL9mN2bV7cX5zQ8wE1rT6yU3iO0pA"
COOKIE = "__Host-sid"
SEEN = "__Host-sid-seen"
KEY = "sessionware.session"
HTTPS = {"REQUEST_METHOD": "GET", "wsgi.url_scheme": "https", "HTTP_HOST": "example.org"}
Action = Callable[[Session], Any]


class Recorder:
    """A store that notes its calls, and of which operations can be switched off or records limited."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.calls: list[str] = []
        self.keys: list[str] = []
        self.broken: set[str] = set()
        self.limit: int | None = None

    def _called(self, operation: str, key: str, payload: bytes = b"") -> None:
        self.calls.append(operation)
        self.keys.append(key)
        if operation in self.broken:
            raise StoreUnavailable("switched off")
        if self.limit is not None and len(payload) > self.limit:
            raise RecordTooLarge

    @contextmanager
    def down(self, *operations: str) -> Iterator[None]:
        """Switch *operations* off for a while, or all of them."""
        self.broken = set(operations or ("load", "create", "replace", "delete"))
        yield
        self.broken = set()

    def load(self, key: str) -> Entry | None:
        self._called("load", key)
        return self.inner.load(key)

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        self._called("create", key, payload)
        return self.inner.create(key, payload, ttl)

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        self._called("replace", key, payload)
        return self.inner.replace(key, payload, ttl, version)

    def delete(self, key: str) -> bool:
        self._called("delete", key)
        return self.inner.delete(key)

    def purge(self, limit: int | None = None) -> int:
        assert isinstance(self.inner, Purgeable)
        return self.inner.purge(limit)

    def close(self) -> None:
        if isinstance(self.inner, Closable):
            self.inner.close()


@dataclass
class Answer:
    """What came back, and what the action gave."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    result: Any = None
    body: bytes = b""

    def lines(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header.lower() == name.lower()]

    @property
    def set_cookies(self) -> list[str]:
        return self.lines("Set-Cookie")

    @property
    def cookies(self) -> dict[str, str | None]:
        """The cookies that a browser keeps of this answer; ``None`` for those that it removes."""
        found: dict[str, str | None] = {}
        for line in self.set_cookies:
            name, _, rest = line.partition("=")
            found[name] = None if "Max-Age=0;" in f"{rest};" else rest.partition(";")[0]
        return found


class Site:
    """One configured middleware on https, with a fake clock, and all events."""

    def __init__(self, backend: str | Recorder, clock: FakeClock, **options: Any) -> None:
        self.backend = backend
        self.clock = clock
        self.options = options
        self.events: list[Event] = []
        config = {"secret": SECRET, "backend": backend, "clock": clock, "on_event": self.events.append, **options}
        self.app = SessionMiddleware(self._application, config)
        self.manager = self.app.manager

    def like(self, **options: Any) -> Site:
        """A site beside this one or after a deploy: the same store and clock, other options."""
        return Site(self.backend, self.clock, **{**self.options, **options})

    @property
    def store(self) -> Recorder:
        assert isinstance(self.backend, Recorder)
        return self.backend

    @property
    def is_stored(self) -> bool:
        return isinstance(self.backend, Recorder)

    def _application(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        answer: Answer = environ["test.answer"]
        answer.result = environ["test.action"](environ[KEY])
        start_response(environ["test.status"], [("Content-Type", "text/plain")])
        return [b"ok"]

    def request(
        self, action: Action, cookies: Mapping[str, str] | str = "", *, status: str = "200 OK", **environ: Any
    ) -> Answer:
        """One request from the first byte to the last; *cookies* are a jar or a whole header."""
        answer = Answer()
        header = cookies if isinstance(cookies, str) else "; ".join(f"{n}={v}" for n, v in cookies.items())
        ours = {"test.action": action, "test.answer": answer, "test.status": status}

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            answer.status, answer.headers = int(status[:3]), headers

        answer.body = b"".join(self.app({**HTTPS, "HTTP_COOKIE": header, **ours, **environ}, start_response))
        return answer

    def names(self) -> list[str]:
        """The events so far, with their reasons, but for ``loaded``; then they are forgotten."""
        events = [event for event in self.events if event.name != "loaded"]
        self.events.clear()
        return [event.name if event.reason is None else f"{event.name} {event.reason}" for event in events]

    def event(self, name: str) -> Event:
        """The only event of this name."""
        (event,) = [event for event in self.events if event.name == name]
        return event


class Browser:
    """Who keeps the cookies of a site's answers."""

    def __init__(self, site: Site, cookies: Mapping[str, str] | None = None) -> None:
        self.site = site
        self.cookies = dict(cookies or {})

    def ask(self, action: Action, **more: Any) -> Answer:
        """A request whose answer is still on the way."""
        return self.site.request(action, self.cookies, **more)

    def receive(self, answer: Answer) -> Answer:
        """Keep the cookies of an answer that has come in."""
        for name, value in answer.cookies.items():
            if value is None:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    def send(self, action: Action, **more: Any) -> Answer:
        """A request whose answer comes in at once."""
        return self.receive(self.ask(action, **more))

    def data(self) -> dict[str, Any]:
        """What a later request sees."""
        found: dict[str, Any] = self.ask(read).result
        return found

    def twin(self, site: Site | None = None) -> Browser:
        """Another with the same cookies, at another site if one is given: somebody who copied them, or a slow tab."""
        return Browser(site or self.site, self.cookies)


def read(session: Session) -> dict[str, Any]:
    """All of the data."""
    return dict(session)


def nothing(session: Session) -> None:
    """Leave the session alone."""


def put(**values: Any) -> Action:
    """Set keys."""
    return lambda session: session.update(values)


def drop(*keys: str) -> Action:
    """Remove keys."""

    def run(session: Session) -> None:
        for key in keys:
            del session[key]

    return run


def login(user_id: str | int, **values: Any) -> Action:
    """Log in, then set keys."""

    def run(session: Session) -> None:
        session.login(user_id)
        session.update(values)

    return run


def call(member: str, *arguments: Any, **named: Any) -> Action:
    """Call a member of the session."""
    return lambda session: getattr(session, member)(*arguments, **named)


def member(name: str) -> Action:
    """The value of an attribute."""
    return lambda session: getattr(session, name)


def then(*actions: Action) -> Action:
    """One after the other, in one request; what the last one gives."""

    def run(session: Session) -> Any:
        result = None
        for action in actions:
            result = action(session)
        return result

    return run


def raised_by(action: Action) -> Callable[[Session], Exception | None]:
    """The error of *action*, caught by the application, or ``None``."""

    def run(session: Session) -> Exception | None:
        try:
            action(session)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error
        return None

    return run


def visitor(site: Site, action: Action | None = None) -> Browser:
    """A browser whose first request did *action*; the events of that are forgotten, and the calls of the store."""
    browser = Browser(site)
    browser.send(action or put(old=1))
    site.events.clear()
    if site.is_stored:
        site.store.calls.clear()
    return browser
