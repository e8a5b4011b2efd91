"""Lists the calls that are timed in this process: ours, and those of everyone and everything beside us."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from benchmarks import bare, bare_stores, contenders, django_sessions, flask_session
from benchmarks.contenders import BEAKERS, OURS, Middleware, beaker, beaker_cookie, beaker_store, ours
from benchmarks.rounds import Times
from benchmarks.subject import Request, sessions, with_cart, with_keys, with_text
from sessionware.stores import MemcachedStore, MemoryStore, RedisStore, SQLAlchemyStore, SQLiteStore

Call = Callable[[], object]
Calls = dict[str, Call]
_Pair = tuple[Call, Call]

CARTS = (10, 100, 300)
KEYS = (100, 1000)
TEXT_KILOBYTES = 100
ACTIONS = ("read", "write")

#: Of each server: the name of Beaker's store, Flask-Session's, and the bare commands.
_SERVERS = {
    "redis": ("redis", flask_session.REDIS, bare_stores.redis),
    "memcached": ("memcached", flask_session.MEMCACHED, bare_stores.memcached),
    "postgresql": ("database", flask_session.SQL, bare_stores.postgresql),
}


def own_calls(directory: Path, urls: dict[str, str]) -> Calls:
    """Our own calls by their names, and the bare application; *urls* are those of the servers that run."""
    memory = ours(backend=MemoryStore())
    found: Calls = {
        "plain list": Request(contenders.plain_list),
        "untouched list": Request(memory(contenders.plain_list)),
        "plain generator": Request(contenders.plain_generator),
        "untouched generator": Request(memory(contenders.plain_generator)),
        **_named("cookie", contenders.requests(ours(), OURS, sessions())),
        **_named("memory", contenders.requests(memory, OURS, sessions())),
        **_named("sqlite", contenders.requests(ours(backend=SQLiteStore(directory / "ours.db")), OURS, sessions())),
    }
    for name, url in urls.items():
        found |= _named(name, contenders.requests(ours(backend=_store(name, url)), OURS, sessions()))
    return found | _sizes(memory, OURS, "")


def calls(directory: Path, urls: dict[str, str]) -> Calls:
    """All calls by their names, each one request or its bare work."""
    found = own_calls(directory, urls) | _frameworks(urls) | _by_hand(directory, urls)
    memory = beaker(type="memory")
    sqlite = f"sqlite:///{directory}"
    found |= {
        "untouched list, Beaker": Request(memory(contenders.plain_list)),
        **_named("cookie, Beaker", contenders.requests(beaker_cookie(), BEAKERS, sessions())),
        **_named("memory, Beaker", contenders.requests(memory, BEAKERS, sessions())),
        **_named("sqlite, Beaker", _beaker_requests("database", f"{sqlite}/beaker.db", directory)),
        **_named("sqlite, Flask-Session", flask_session.requests(flask_session.SQL, f"{sqlite}/flask.db")),
        **_sizes(memory, BEAKERS, ", Beaker"),
    }
    for name, url in urls.items():
        beakers, flasks, _ = _SERVERS[name]
        # Beaker passes the address of a memcached to its driver unchanged, so it must have no scheme.
        beakers_url = url.removeprefix("memcached://")
        found |= _named(f"{name}, Beaker", _beaker_requests(beakers, beakers_url, directory))
        found |= _named(f"{name}, Flask-Session", flask_session.requests(flasks, url))
        found |= _named(f"{name}, Django", django_sessions.requests(name))
    return dict(sorted(found.items(), key=_neighbours))


def _neighbours(named: tuple[str, Call]) -> str:
    """Those that are compared are timed one after another."""
    name, _, _ = named[0].partition(",")
    return name.removeprefix("plain ").removeprefix("untouched ")


def plain_of(name: str) -> str | None:
    """The call that is the same request without a session; ``None`` for bare commands, which no request surrounds."""
    if name.endswith("Flask-Session") or name == "untouched Flask":
        return "plain Flask"
    if name.endswith("Django"):
        return "plain Django"
    if name.startswith("plain") or (name.endswith("by hand") and "cookie" not in name and "memory" not in name):
        return None
    return "plain generator" if "generator" in name else "plain list"


def added(times: Times) -> Times:
    """What each call of *times* takes beyond the same request without a session."""
    return {name: taken - times.get(plain_of(name) or "", 0.0) for name, taken in times.items()}


def _named(name: str, pair: _Pair) -> Calls:
    # "read cookie, Beaker" and "write cookie, Beaker".
    return {f"{action} {name}": call for action, call in zip(ACTIONS, pair, strict=True)}


def _store(name: str, url: str) -> RedisStore | MemcachedStore | SQLAlchemyStore:
    if name == "postgresql":
        # Two versions, which run beside each other, might want different tables.
        return SQLAlchemyStore(url, table=f"sessions_{os.getpid()}")
    return RedisStore(url) if name == "redis" else MemcachedStore(url)


def _beaker_requests(kind: str, url: str, directory: Path) -> _Pair:
    return contenders.requests(beaker_store(kind, url, directory), BEAKERS, sessions())


def _sizes(middleware: Middleware, key: str, whose: str) -> Calls:
    """Sessions of other sizes, in memory."""
    found: Calls = {}
    for keys in KEYS:
        read, write = contenders.requests(middleware, key, with_keys(keys))
        found |= {f"read {keys} keys{whose}": read, f"write {keys} keys{whose}": write}
    for items in CARTS:
        cookies = contenders.cookies(middleware, key, with_cart(items))
        found[f"nested change of {items} items{whose}"] = Request(middleware(contenders.nesting(key)), cookies)
    read, write = contenders.requests(middleware, key, with_text(TEXT_KILOBYTES))
    return found | {f"read a long text{whose}": read, f"write beside a long text{whose}": write}


def _frameworks(urls: dict[str, str]) -> Calls:
    """Flask and Django, without sessions, with their own and, Flask, with ours."""
    django_sessions.configure(urls)
    flask_app, wrapped_flask = contenders.plain_flask(), contenders.plain_flask()
    wrapped_flask.wsgi_app = ours(backend="memory")(wrapped_flask.wsgi_app)  # type: ignore[assignment, method-assign]
    return {
        "plain Flask": Request(flask_app),
        "untouched Flask": Request(wrapped_flask),
        "plain Django": Request(django_sessions.plain()),
        **_named("cookie, Flask-Session", flask_session.requests(flask_session.COOKIE)),
        **_named("memory, Flask-Session", flask_session.requests(flask_session.MEMORY)),
        **_named("cookie, Django", django_sessions.requests(django_sessions.COOKIE)),
        **_named("memory, Django", django_sessions.requests(django_sessions.MEMORY)),
    }


def _by_hand(directory: Path, urls: dict[str, str]) -> Calls:
    """The bare work; that of a store also behind a request in memory, in one call."""
    found = _named("cookie, by hand", bare.cookie_requests())
    pairs = {"sqlite": bare_stores.sqlite(directory)} | {name: _SERVERS[name][2](url) for name, url in urls.items()}
    memory = contenders.requests(ours(backend=MemoryStore()), OURS, sessions())
    for name, pair in pairs.items():
        found |= _named(f"{name}, by hand", pair)
        together = _both(memory[0], pair[0]), _both(memory[1], pair[1])
        found |= _named(f"memory + {name} by hand", together)
    return found


def _both(first: Call, second: Call) -> Call:
    def both() -> None:
        first()
        second()

    return both
