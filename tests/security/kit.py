"""A site whose visitors send whatever Cookie header they like, over any backend, and a store that is looked into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from itertools import count
from pathlib import Path
from typing import Any

from itsdangerous.encoding import base64_decode, base64_encode

from sessionware import Event, Session, SessionMiddleware
from sessionware.crypto.identifiers import handle_of, store_key
from sessionware.stores import Entry, FileStore, KeyValueStore, MemoryStore, SQLiteStore, Store
from sessionware.testing import FakeClock

SECRET = "kQ2zV8sX4nB7mL1pR9tY3wE6uI0oA5dF"
OTHER_SECRET = "Zx7cV5bN3mQ1wE9rT8yU6iO4pL2kJ0hG"
NAME = "__Host-sid"
STORES = ("memory", "file", "sqlite", "keyvalue")
BACKENDS = ("cookie", *STORES)
HEAD_CHARACTERS = 8

Action = Callable[[Session], object]


def make_store(backend: str, directory: Path, clock: FakeClock | None = None) -> Store:
    """An empty store of each kind."""
    makers: dict[str, Callable[[], Store]] = {
        "memory": lambda: MemoryStore(clock=clock),
        "file": lambda: FileStore(directory / "sessions", clock=clock),
        "sqlite": lambda: SQLiteStore(directory / "sessions.db", clock=clock),
        "keyvalue": lambda: KeyValueStore({}, clock=clock),
    }
    return makers[backend]()


class SpyStore:
    """Keeps what it is asked, and who holds a key of what it holds."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.calls: list[str] = []
        self.keys: dict[str, None] = {}
        self.before: dict[str, Callable[[], object]] = {}

    def _called(self, operation: str, key: str) -> None:
        self.calls.append(operation)
        self.keys[key] = None
        happening = self.before.pop(operation, None)
        if happening is not None:
            happening()

    def load(self, key: str) -> Entry | None:
        self._called("load", key)
        return self.inner.load(key)

    def create(self, key: str, payload: bytes, ttl: float | None) -> Any:
        self._called("create", key)
        return self.inner.create(key, payload, ttl)

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Any:
        self._called("replace", key)
        return self.inner.replace(key, payload, ttl, version)

    def delete(self, key: str) -> bool:
        self._called("delete", key)
        return self.inner.delete(key)

    def plant(self, key: str, payload: bytes) -> None:
        """Put *payload* in the place of whatever stands under *key*, as somebody with access to the store can."""
        entry = self.inner.load(key)
        if entry is None:
            self.inner.create(key, payload, None)
        else:
            self.inner.replace(key, payload, None, entry.version)

    def held(self) -> dict[str, bytes]:
        """The entries under all keys that were ever asked for."""
        entries = ((key, self.inner.load(key)) for key in self.keys)
        return {key: entry.payload for key, entry in entries if entry is not None}


@dataclass
class Reply:
    """What came back; ``lines`` are the values of Set-Cookie."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)
    user_id: str | int | None = None
    is_new: bool = True
    id: str = ""
    result: Any = None

    @property
    def lines(self) -> list[str]:
        return [value for name, value in self.headers if name == "Set-Cookie"]

    def value(self, name: str = NAME) -> str | None:
        """The value that the answer sets for the cookie *name*, "" for a deletion."""
        for line in self.lines:
            cookies = SimpleCookie(line)
            if name in cookies:
                return cookies[name].value
        return None

    @property
    def has_no_session(self) -> bool:
        return self.is_new and not self.seen and self.user_id is None


class Site:
    """One configured middleware; what each request does is given with it."""

    def __init__(self, **options: Any) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.is_stored = options.get("backend", "cookie") != "cookie"
        settings = {"secret": SECRET, "clock": self.clock, "on_event": self.events.append, **options}
        self.app = SessionMiddleware(self._application, settings)

    def _application(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        session: Session = environ["sessionware.session"]
        reply: Reply = environ["test.reply"]
        reply.is_new = session.is_new
        reply.result = environ["test.action"](session)
        reply.seen, reply.user_id = dict(session), session.user_id
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]

    def send(self, header: str | None = None, action: Action = bool, **environ: Any) -> Reply:
        """One request from the first byte to the last, with this very Cookie header."""
        reply = Reply()
        environ = {
            "REQUEST_METHOD": "GET",
            "wsgi.url_scheme": "https",
            "HTTP_HOST": "example.org",
            "test.action": action,
            "test.reply": reply,
            **environ,
        }
        if header is not None:
            environ["HTTP_COOKIE"] = header

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            reply.status, reply.headers = int(status[:3]), headers

        body = self.app(environ, start_response)
        b"".join(body)
        if hasattr(body, "close"):
            body.close()
        return reply

    def begin(self, action: Action, name: str = NAME) -> str:
        """The value of the cookie of a new session on which *action* was done."""
        value = self.send(None, action).value(name)
        assert value
        self.events.clear()
        return value

    def get(self, value: str | None, action: Action = bool) -> Reply:
        """A request with *value* in our cookie."""
        return self.send(None if value is None else f"{NAME}={value}", action)

    def rejections(self) -> list[str | None]:
        return [event.reason for event in self.events if event.name == "rejected"]


def fill(session: Session) -> None:
    """An action: something to lose."""
    session["kept"] = "as it was"


def then(*actions: Action) -> Action:
    """One action after the other, in one request."""

    def run(session: Session) -> None:
        for action in actions:
            action(session)

    return run


def token_in(value: str) -> bytes:
    """The token in a cookie's value, which anybody can read who has the cookie."""
    return base64_decode(value.partition(".")[0][HEAD_CHARACTERS:])


def key_of(value: str) -> str:
    """The key under which the record of a cookie's session stands."""
    return store_key(handle_of(token_in(value)))


def encoded(data: bytes) -> str:
    return base64_encode(data).decode()


def spellings(value: str) -> Iterator[str]:
    """Every text that differs from *value* in the lowest bit of one character."""
    for place, character in zip(count(), value, strict=False):
        yield f"{value[:place]}{chr(ord(character) ^ 1)}{value[place + 1 :]}"
