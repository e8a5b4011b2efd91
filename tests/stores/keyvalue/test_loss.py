"""What is lost between two processes that have no compare-and-swap, and that nothing is within one."""

from __future__ import annotations

import gc
import os
import threading
import warnings
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import cachelib
import diskcache  # type: ignore[import-untyped]
import minimalkv.fs
import minimalkv.memory.redisstore
import pytest
import redis
import simplekv.fs  # type: ignore[import-untyped]
import simplekv.memory.redisstore  # type: ignore[import-untyped]
from support.servers.redis import RedisServer

from sessionware.exceptions import AlreadyExists, Conflict, Gone
from sessionware.stores import KeyValueStore

#: simplekv and minimalkv use a command that redis-py would like to be without.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated p?setex:DeprecationWarning")

KEY = "k" * 43


class PausedAtWrites(KeyValueStore):
    """Has read what is there, and waits before it writes."""

    def __init__(self, obj: object, pause: Callable[[], None]) -> None:
        super().__init__(obj)
        self._pause = pause

    def _write(self, name: str, payload: bytes, ttl: float | None) -> Any:
        self._pause()
        return super()._write(name, payload, ttl)


def over_redis(make: Callable[[Any], Any]) -> Callable[[Path, int], Any]:
    return lambda directory, port: make(redis.Redis(host="127.0.0.1", port=port, socket_timeout=5))


OBJECTS = [
    pytest.param(lambda directory, port: simplekv.fs.FilesystemStore(str(directory)), id="simplekv files"),
    pytest.param(lambda directory, port: minimalkv.fs.FilesystemStore(str(directory)), id="minimalkv files"),
    pytest.param(lambda directory, port: cachelib.FileSystemCache(str(directory)), id="cachelib files"),
    pytest.param(lambda directory, port: diskcache.Cache(str(directory)), id="diskcache"),
    pytest.param(over_redis(simplekv.memory.redisstore.RedisStore), id="simplekv Redis"),
    pytest.param(over_redis(minimalkv.memory.redisstore.RedisStore), id="minimalkv Redis"),
    pytest.param(over_redis(cachelib.RedisCache), id="cachelib Redis"),
]
#: In one process any object will do, but only one object.
OBJECTS_OF_ONE_PROCESS = [
    *OBJECTS,
    pytest.param(lambda directory, port: {}, id="dict"),
    pytest.param(lambda directory, port: cachelib.SimpleCache(), id="cachelib memory"),
]
Make = Callable[[Path, int], Any]


@pytest.fixture
def port(redis_server: RedisServer) -> int:
    redis_server.ask("FLUSHDB")
    return redis_server.port


@pytest.fixture
def opened(request: pytest.FixtureRequest) -> Iterator[Callable[[Any], Any]]:
    """Registers an object, so that its files and connections are closed."""
    objects: list[Any] = []

    def register(obj: Any) -> Any:
        objects.append(obj)
        return obj

    yield register
    for obj in objects:
        for closable in (obj, getattr(obj, "redis", None), getattr(obj, "_write_client", None)):
            if not isinstance(closable, MutableMapping):
                getattr(closable, "close", lambda: None)()
    if any(isinstance(obj, diskcache.Cache) for obj in objects):
        with warnings.catch_warnings():
            # It leaves its connections to the end of their threads, of which Python 3.13 warns.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


def in_another_process(act: Callable[[KeyValueStore], object], obj: Any, meanwhile: Callable[[], object]) -> str:
    """The name of what *act* raised in a child that did *meanwhile*, in its parent, between its reading and writing."""
    (from_child, to_parent), (from_parent, to_child) = os.pipe(), os.pipe()

    def pause() -> None:
        os.write(to_parent, b".")
        os.read(from_parent, 1)

    child = os.fork()
    if child == 0:
        answer = "nothing"
        try:
            act(PausedAtWrites(obj, pause))
        except BaseException as error:  # noqa: BLE001 - told to the parent
            answer = type(error).__name__
        finally:
            os.write(to_parent, answer.encode())
            os._exit(0)
    assert os.read(from_child, 1) == b"."
    meanwhile()
    os.write(to_child, b".")
    os.waitpid(child, 0)
    answer = os.read(from_child, 100).decode()
    for end in (from_child, to_parent, from_parent, to_child):
        os.close(end)
    return answer


@pytest.mark.parametrize("make", OBJECTS)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_of_two_processes_that_write_at_once_one_loses_its_change(
    make: Make, tmp_path: Path, port: int, opened: Callable[[Any], Any]
) -> None:
    obj = opened(make(tmp_path, port))
    store = KeyValueStore(obj)
    version = store.create(KEY, b"base", 60)

    raised = in_another_process(
        lambda other: other.replace(KEY, b"of the child", 60, version),
        obj,
        meanwhile=lambda: store.replace(KEY, b"of the parent", 60, version),
    )

    entry = store.load(KEY)
    assert raised == "nothing"
    assert entry is not None
    assert entry.payload == b"of the child"


@pytest.mark.parametrize("make", OBJECTS)
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_what_one_process_ends_another_that_writes_at_once_brings_back(
    make: Make, tmp_path: Path, port: int, opened: Callable[[Any], Any]
) -> None:
    obj = opened(make(tmp_path, port))
    store = KeyValueStore(obj)
    version = store.create(KEY, b"base", 60)

    raised = in_another_process(
        lambda other: other.replace(KEY, b"back again", 60, version), obj, meanwhile=lambda: store.delete(KEY)
    )

    entry = store.load(KEY)
    assert raised == "nothing"
    assert entry is not None
    assert entry.payload == b"back again"


def in_another_thread(
    act: Callable[[KeyValueStore], object], obj: Any, meanwhile: Callable[[], object]
) -> type[BaseException] | None:
    """What *meanwhile* raised, begun by a thread of its own while *act* stood between its reading and writing."""
    has_read, may_write = threading.Event(), threading.Event()
    raised: list[type[BaseException] | None] = []

    def pause() -> None:
        has_read.set()
        assert may_write.wait(60)

    def run() -> None:
        try:
            meanwhile()
        except (AlreadyExists, Conflict, Gone) as error:
            raised.append(type(error))
        else:
            raised.append(None)

    first = threading.Thread(target=lambda: act(PausedAtWrites(obj, pause)))
    second = threading.Thread(target=run)
    first.start()
    assert has_read.wait(60)
    second.start()
    # It cannot end before the first has: whether it waits already makes no difference.
    second.join(0.02)
    may_write.set()
    first.join()
    second.join()
    return raised[0]


@pytest.mark.parametrize("make", OBJECTS_OF_ONE_PROCESS)
@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
def test_within_one_process_the_second_is_told_and_nothing_is_lost(
    make: Make, tmp_path: Path, port: int, opened: Callable[[Any], Any]
) -> None:
    obj = opened(make(tmp_path, port))
    store = KeyValueStore(obj)
    version = store.create(KEY, b"base", 60)

    raised = in_another_thread(
        lambda other: other.replace(KEY, b"of the first", 60, version),
        obj,
        meanwhile=lambda: store.replace(KEY, b"of the second", 60, version),
    )

    entry = store.load(KEY)
    assert raised is Conflict
    assert entry is not None
    assert entry.payload == b"of the first"


@pytest.mark.parametrize("make", OBJECTS_OF_ONE_PROCESS)
@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
def test_within_one_process_an_end_among_writes_is_final(
    make: Make, tmp_path: Path, port: int, opened: Callable[[Any], Any]
) -> None:
    obj = opened(make(tmp_path, port))
    store = KeyValueStore(obj)
    version = store.create(KEY, b"base", 60)

    in_another_thread(
        lambda other: other.replace(KEY, b"changed", 60, version), obj, meanwhile=lambda: store.delete(KEY)
    )

    assert store.load(KEY) is None
