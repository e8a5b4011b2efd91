"""Lists the calls that are timed in this process, and the comparisons of their times."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks import bare, bare_stores, contenders, flask_session
from benchmarks.contenders import BEAKERS, OURS, beaker, beaker_cookie, beaker_store, ours, with_session
from benchmarks.rows import Row, beside_memory, over, over_memory, ratio
from benchmarks.subject import Request
from sessionware.stores import MemcachedStore, MemoryStore, RedisStore, SQLAlchemyStore, SQLiteStore

Calls = dict[str, Callable[[], object]]
_Pair = tuple[Callable[[], object], Callable[[], object]]

#: A request with a store may take so many times the store's bare commands longer than one in memory.
_BOUNDS = {"sqlite": 1.5, "postgresql": 1.5, "redis": 1.2, "memcached": 1.2}
#: Of each store: our class, the name of Beaker's, and the bare commands.
_STORES = {
    "redis": (RedisStore, "redis", bare_stores.redis),
    "memcached": (MemcachedStore, "memcached", bare_stores.memcached),
    "postgresql": (SQLAlchemyStore, "database", bare_stores.postgresql),
}


def calls(directory: Path, urls: dict[str, str]) -> Calls:
    """The calls by their names, each one request or its bare work; *urls* are those of the servers that run."""
    memory = MemoryStore()
    flask_app, wrapped_flask = contenders.plain_flask(), contenders.plain_flask()
    wrapped_flask.wsgi_app = ours()(wrapped_flask.wsgi_app)  # type: ignore[assignment, method-assign]
    found: Calls = {
        "plain list": Request(contenders.plain_list),
        "untouched list": Request(ours(backend=memory)(contenders.plain_list)),
        "untouched list, Beaker": Request(beaker(type="memory")(contenders.plain_list)),
        "plain generator": Request(contenders.plain_generator),
        "untouched generator": Request(ours(backend=memory)(contenders.plain_generator)),
        "plain Flask": Request(flask_app),
        "untouched Flask": Request(wrapped_flask),
    }
    pairs = _pairs(directory, urls)
    for name, (read, write) in pairs.items():
        found[f"read {name}"] = read
        found[f"write {name}"] = write
    for name in urls:
        for place, action in enumerate(("read", "write")):
            in_memory, by_hand = pairs["memory"][place], pairs[f"{name}, by hand"][place]
            found[f"{action} memory + {name} by hand"] = _both(in_memory, by_hand)
    return found


def _both(first: Callable[[], object], second: Callable[[], object]) -> Callable[[], object]:
    def both() -> None:
        first()
        second()

    return both


def _pairs(directory: Path, urls: dict[str, str]) -> dict[str, _Pair]:
    """A reading and a writing call of each contender and each store, and of the bare work."""
    beakers_sqlite = f"sqlite:///{directory / 'beaker.db'}"
    pairs: dict[str, _Pair] = {
        "cookie": with_session(ours(), OURS),
        "cookie, Beaker": with_session(beaker_cookie(), BEAKERS),
        "cookie, by hand": bare.cookie_requests(),
        "memory": with_session(ours(backend=MemoryStore()), OURS),
        "memory, Beaker": with_session(beaker(type="memory"), BEAKERS),
        "sqlite": with_session(ours(backend=SQLiteStore(directory / "ours.db")), OURS),
        "sqlite, Beaker": with_session(beaker_store("database", beakers_sqlite, directory), BEAKERS),
        "sqlite, by hand": bare_stores.sqlite(directory),
    }
    for name, url in urls.items():
        store, beakers_name, by_hand = _STORES[name]
        # Beaker passes the address of a memcached to its driver unchanged, so it must have no scheme.
        beakers_url = url.removeprefix("memcached://")
        pairs[name] = with_session(ours(backend=store(url)), OURS)
        pairs[f"{name}, Beaker"] = with_session(beaker_store(beakers_name, beakers_url, directory), BEAKERS)
        pairs[f"{name}, Flask-Session"] = flask_session.requests(name, url)
        pairs[f"{name}, by hand"] = by_hand(url)
    return pairs


def rows(times: dict[str, float], stores: list[str]) -> list[Row]:
    """The comparisons of *times*, those with *stores* included."""
    found = [
        over(times, "untouched list", "plain list", 1.5),
        over(times, "untouched generator", "plain generator", 2.5),
        over(times, "untouched Flask", "plain Flask", None),
        ratio(times, "untouched list", "untouched list, Beaker", 1.0),
        ratio(times, "read cookie", "read cookie, Beaker", 1 / 10),
        ratio(times, "write cookie", "write cookie, Beaker", 1 / 6),
        ratio(times, "read cookie", "read cookie, by hand", 1.8),
        ratio(times, "write cookie", "write cookie, by hand", 1.8),
        ratio(times, "read memory", "read memory, Beaker", 1 / 2),
        ratio(times, "write memory", "write memory, Beaker", 1.0),
    ]
    for name in stores:
        for action in ("read", "write"):
            found.append(over_memory(times, f"{action} {name}", f"{action} memory", _BOUNDS[name]))
            together = f"{action} memory + {name} by hand"
            if together in times:
                found.append(beside_memory(times, f"{action} {name}", together, _BOUNDS[name]))
            for other in ("Beaker", "Flask-Session"):
                if f"{action} {name}, {other}" in times:
                    found.append(ratio(times, f"{action} {name}", f"{action} {name}, {other}", None))
    return found
