"""The store around a key/value object, with the real packages."""

from __future__ import annotations

import contextlib
import dbm.dumb
import gc
import importlib
import os
import pathlib
import secrets
import shelve
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, ClassVar

import cachelib
import diskcache  # type: ignore[import-untyped]
import minimalkv
import minimalkv.fs
import minimalkv.memory
import pytest
import simplekv  # type: ignore[import-untyped]
import simplekv.fs  # type: ignore[import-untyped]
import simplekv.memory  # type: ignore[import-untyped]

from sessionware.exceptions import AlreadyExists, ConfigError, Conflict, Gone, StoreUnavailable
from sessionware.stores import KeyValueStore, is_atomic
from sessionware.testing import FakeClock, StoreConformance
from sessionware.testing.conformance.fixtures import new_key

PREFIX = "sessionware-"


class KeyValueSuite(StoreConformance):
    """One object for each test, and a store around it for each call."""

    without: ClassVar[tuple[str, ...]] = ("close", "processes")

    @pytest.fixture(autouse=True)
    def object_of_this_test(self, tmp_path: pathlib.Path) -> Iterator[None]:
        self.obj = self.make_object(tmp_path)
        yield
        close = getattr(self.obj, "close", None)
        if close is not None:
            close()

    def make_object(self, directory: pathlib.Path) -> Any:
        raise NotImplementedError

    def make_store(self, clock: FakeClock) -> KeyValueStore:
        return KeyValueStore(self.obj, clock=clock)


class TestDict(KeyValueSuite):
    def make_object(self, directory: pathlib.Path) -> Any:
        return {}

    test_what_a_child_writes_is_seen_by_its_parent = None  # type: ignore[assignment]  # a dict is not shared


class TestSimpleKVDict(TestDict):
    def make_object(self, directory: pathlib.Path) -> Any:
        return simplekv.memory.DictStore()


class TestMinimalKVDict(TestDict):
    def make_object(self, directory: pathlib.Path) -> Any:
        return minimalkv.memory.DictStore()


class TestSimpleKVFiles(KeyValueSuite):
    def make_object(self, directory: pathlib.Path) -> Any:
        return simplekv.fs.FilesystemStore(str(directory))


class TestMinimalKVFiles(KeyValueSuite):
    def make_object(self, directory: pathlib.Path) -> Any:
        return minimalkv.fs.FilesystemStore(str(directory))


class TestCacheLibSimple(TestDict):
    without = ("close", "processes", "purge")

    def make_object(self, directory: pathlib.Path) -> Any:
        return cachelib.SimpleCache()


class TestCacheLibFiles(KeyValueSuite):
    without = ("close", "processes", "purge")

    def make_object(self, directory: pathlib.Path) -> Any:
        return cachelib.FileSystemCache(str(directory))


@pytest.fixture(scope="class")
def connections_collected() -> Iterator[None]:
    """diskcache leaves its connections to the end of their threads, of which Python 3.13 warns."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
@pytest.mark.usefixtures("connections_collected")
class DiskCacheSuite(KeyValueSuite):
    """The same over diskcache."""


class TestDiskCache(DiskCacheSuite):
    def make_object(self, directory: pathlib.Path) -> Any:
        return diskcache.Cache(str(directory))


class TestFanoutCache(DiskCacheSuite):
    def make_object(self, directory: pathlib.Path) -> Any:
        return diskcache.FanoutCache(str(directory), shards=2, timeout=5)


class TestDiskCacheIndex(DiskCacheSuite):
    def make_object(self, directory: pathlib.Path) -> Any:
        return diskcache.Index(str(directory))


def run_in_threads(functions: list[Callable[[], object]]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def fill(obj: Any, clock: FakeClock) -> KeyValueStore:
    store = KeyValueStore(obj, clock=clock)
    for _ in range(3):
        store.create(new_key(), b"payload", 60)
    clock.advance(60)
    return store


def test_it_says_that_it_is_not_atomic() -> None:
    assert not is_atomic(KeyValueStore({}))


@pytest.mark.parametrize(
    "obj",
    [
        pytest.param(None, id="none"),
        pytest.param("redis", id="text"),
        pytest.param([], id="list"),
        pytest.param(dict, id="class"),
        pytest.param(diskcache.Cache, id="class-of-a-kind-that-is-taken"),
        pytest.param(object(), id="object"),
    ],
)
def test_what_is_no_key_value_object_is_refused_with_what_is(obj: object) -> None:
    with pytest.raises(ConfigError, match=r"MutableMapping.*simplekv.*minimalkv.*cachelib.*diskcache"):
        KeyValueStore(obj)


@pytest.mark.parametrize(
    ("obj", "prefix"),
    [
        pytest.param({}, "", id="empty"),
        pytest.param(simplekv.memory.DictStore(), "sessionware:", id="simplekv-colon"),
        pytest.param(minimalkv.memory.DictStore(), "a/b", id="minimalkv-slash"),
        pytest.param(cachelib.SimpleCache(), "my sessions", id="cachelib-space"),
        pytest.param(cachelib.SimpleCache(), "s\r\nset x", id="cachelib-line-break"),
    ],
)
def test_a_prefix_that_the_object_cannot_take_is_refused(obj: object, prefix: str) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        KeyValueStore(obj, prefix=prefix)


@pytest.mark.parametrize(
    ("obj", "prefix"),
    [
        pytest.param({}, "my sessions: ", id="dict"),
        pytest.param(cachelib.SimpleCache(), "sessionware:", id="cachelib"),
        pytest.param(simplekv.memory.DictStore(), "s.[]^`!", id="simplekv"),
    ],
)
def test_a_prefix_that_the_object_takes_works(obj: object, prefix: str) -> None:
    store, key = KeyValueStore(obj, prefix=prefix), new_key()

    version = store.create(key, b"payload", 60)

    assert store.load(key) == (b"payload", version)


def test_stores_with_different_prefixes_do_not_see_each_other() -> None:
    shared: dict[str, bytes] = {}
    key = new_key()
    KeyValueStore(shared, prefix="one-").create(key, b"payload", None)

    assert KeyValueStore(shared, prefix="two-").load(key) is None


@pytest.mark.parametrize("value", [b"payload", b"swE1" + bytes(60), bytearray(b"payload"), "text", 42, {"user": "me"}])
def test_what_an_application_has_put_there_is_no_session_and_stays(value: object) -> None:
    key = new_key()
    obj: dict[str, Any] = {PREFIX + key: value}
    store = KeyValueStore(obj)

    assert (store.load(key), store.delete(key)) == (None, False)
    with pytest.raises(Gone):
        store.replace(key, b"payload", 60, b"version")
    with pytest.raises(AlreadyExists):
        store.create(key, b"payload", 60)
    assert obj == {PREFIX + key: value}


class Converting(dict[str, Any]):
    """A mapping over a medium that gives another type than it was given."""

    def __init__(self, convert: Callable[[bytes], object]) -> None:
        super().__init__()
        self.convert = convert

    def get(self, key: str, default: Any = None) -> Any:
        return self.convert(self[key]) if key in self else default


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_bytes_of_another_type_are_an_entry(kind: Callable[[bytes], object]) -> None:
    store, key = KeyValueStore(Converting(kind)), new_key()
    version = store.create(key, b"old", 60)

    with pytest.raises(AlreadyExists):
        store.create(key, b"another", 60)
    version = store.replace(key, b"new", 60, version)
    entry = store.load(key)

    assert entry == (b"new", version)
    assert entry is not None
    assert type(entry.payload) is bytes
    assert store.delete(key)


@pytest.mark.parametrize("length", [0, 20, 42])
def test_bytes_of_another_type_that_are_cut_off_are_unavailable(length: int) -> None:
    shared = Converting(bytearray)
    store, key = KeyValueStore(shared), new_key()
    store.create(key, b"payload", 60)
    shared[PREFIX + key] = shared[PREFIX + key][:length]

    with pytest.raises(StoreUnavailable, match="cut off"):
        store.load(key)


@pytest.mark.parametrize(
    ("convert", "given"),
    [
        pytest.param(lambda data: data.decode("latin-1"), "str", id="text"),
        pytest.param(repr, "str", id="its repr"),
        pytest.param(list, "list", id="a list"),
        pytest.param(lambda data: data[4:], "other bytes", id="other bytes"),
        pytest.param(lambda data: data[:10], "fewer bytes", id="fewer bytes"),
        pytest.param(lambda data: None, "nothing", id="nothing"),
    ],
)
def test_an_object_that_does_not_give_back_what_it_was_given_is_told_at_the_first_write(
    convert: Callable[[bytes], object], given: str
) -> None:
    shared = Converting(convert)

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=f"Converting.*was given bytes and gave {given} back"):
            KeyValueStore(shared).create(new_key(), b"payload", 60)

    assert shared == {}


def test_a_cache_that_keeps_nothing_is_told_at_the_first_write() -> None:
    with pytest.raises(StoreUnavailable, match="gave nothing back"):
        KeyValueStore(cachelib.NullCache()).create(new_key(), b"payload", 60)


def test_an_object_that_gives_a_value_for_every_key_is_told_at_the_first_write() -> None:
    class Answering(dict[str, object]):
        def get(self, key: str, *default: Any) -> Any:
            return super().get(key, "")

    with pytest.raises(StoreUnavailable, match="Answering: gave str for a key that it does not have"):
        KeyValueStore(Answering()).create(new_key(), b"payload", 60)


def test_an_object_that_gave_back_what_it_was_given_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # None of the two writes is the one in many that purges a little.
    monkeypatch.setattr("random.randrange", lambda most: 1)

    class Counting(dict[str, bytes]):
        reads = 0

        def get(self, *arguments: Any) -> Any:
            self.reads += 1
            return super().get(*arguments)

    shared = Counting()
    store = KeyValueStore(shared)
    store.create(new_key(), b"payload", 60)
    before = shared.reads

    store.create(new_key(), b"payload", 60)

    assert shared.reads - before == 1


def test_a_session_of_its_own_cannot_be_loaded_under_an_application_s_name() -> None:
    shared: dict[str, bytes] = {}
    key = new_key()
    KeyValueStore(shared).create(key, b"payload", None)

    assert list(shared) == [PREFIX + key]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda path: {}, id="dict"),
        pytest.param(lambda path: simplekv.memory.DictStore(), id="simplekv"),
        pytest.param(lambda path: minimalkv.fs.FilesystemStore(str(path)), id="minimalkv"),
        pytest.param(lambda path: diskcache.Cache(str(path)), id="diskcache"),
    ],
)
def test_purge_touches_only_what_is_its_own(make: Callable[[pathlib.Path], Any], tmp_path: pathlib.Path) -> None:
    clock = FakeClock()
    obj = make(tmp_path)
    put = obj.put if hasattr(obj, "put") else obj.__setitem__
    put("theirs", b"swE1")
    put(PREFIX + "notes", b"not an entry")
    KeyValueStore(obj, prefix="another-", clock=clock).create(new_key(), b"payload", 60)
    store = fill(obj, clock)

    count = store.purge()

    left = sorted(obj.keys() if hasattr(obj, "keys") else obj)
    getattr(obj, "close", lambda: None)()
    assert count == 3
    assert left[1:] == [PREFIX + "notes", "theirs"]


def test_purge_of_a_mapping_leaves_keys_of_other_types_alone() -> None:
    clock = FakeClock()
    obj: dict[Any, Any] = {42: "theirs", ("a", "b"): None}

    count = fill(obj, clock).purge()

    assert (count, obj) == (3, {42: "theirs", ("a", "b"): None})


def open_shelf(path: pathlib.Path) -> shelve.Shelf[Any]:
    """One that any thread may use; what shelve.open gives depends on the version of Python."""
    file: Any = dbm.dumb.open(str(path))  # noqa: SIM115 - the shelf closes it
    return shelve.Shelf(file)


def test_a_shelf_and_a_dbm_file_hold_sessions(tmp_path: pathlib.Path) -> None:
    with open_shelf(tmp_path / "shelf") as shelf, dbm.dumb.open(str(tmp_path / "file")) as file:
        objects: list[MutableMapping[Any, Any]] = [shelf, file]
        stores = [fill(obj, FakeClock()) for obj in objects]
        versions = [store.create("x" * 43, b"payload", 60) for store in stores]

        assert [store.load("x" * 43) for store in stores] == [(b"payload", version) for version in versions]
        assert [store.purge() for store in stores] == [3, 3]


def test_a_shelf_in_threads_loses_nothing(tmp_path: pathlib.Path) -> None:
    """Its dbm file writes the place of each entry into an index, which threads would mix up."""
    acknowledged: dict[str, object] = {}

    with open_shelf(tmp_path / "shelf") as shelf:

        def fill_some() -> None:
            store = KeyValueStore(shelf)
            for _ in range(100):
                key = new_key()
                acknowledged[key] = store.create(key, key.encode(), 60)

        run_in_threads([fill_some] * 8)
        store = KeyValueStore(shelf)
        found = {key: store.load(key) for key in acknowledged}

    assert found == {key: (key.encode(), version) for key, version in acknowledged.items()}


class OneAtATime(MutableMapping[str, bytes]):
    """A mapping that notes whether two threads were in it at once."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.inside = 0
        self.most = 0

    def _enter(self) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        time.sleep(0.0001)
        self.inside -= 1

    def __getitem__(self, key: str) -> bytes:
        self._enter()
        return self.entries[key]

    def __setitem__(self, key: str, value: bytes) -> None:
        self._enter()
        self.entries[key] = value

    def __delitem__(self, key: str) -> None:
        self._enter()
        del self.entries[key]

    def __iter__(self) -> Iterator[str]:
        self._enter()
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def test_threads_use_an_object_one_after_the_other_through_all_stores_around_it() -> None:
    obj = OneAtATime()

    def use() -> None:
        store, key = KeyValueStore(obj), new_key()
        for _ in range(5):
            store.replace(key, b"new", 60, store.create(key, b"old", 60))
            store.load(key)
            store.purge()
            store.delete(key)

    run_in_threads([use] * 8)

    assert obj.most == 1


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
@pytest.mark.usefixtures("connections_collected")
@pytest.mark.parametrize(
    ("kind", "method"),
    [(diskcache.Cache, "__getitem__"), (minimalkv.fs.FilesystemStore, "get")],
    ids=["cache", "files"],
)
def test_an_object_that_threads_may_use_at_once_is_used_at_once(
    kind: Any, method: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = kind(str(tmp_path))
    store = KeyValueStore(obj)
    get, waiting, go_on = getattr(kind, method), threading.Event(), threading.Event()

    def get_slowly(self: Any, name: str) -> object:
        if threading.current_thread() in threads:
            waiting.set()
            go_on.wait(30)
        return get(self, name)

    monkeypatch.setattr(kind, method, get_slowly)
    threads = [threading.Thread(target=lambda: store.load(new_key()))]
    threads[0].start()
    waiting.wait(30)
    found = threading.Event()

    def load_another() -> None:
        store.load(new_key())
        found.set()

    # Several, for one may have the lock of the key that is waited for.
    others = [threading.Thread(target=load_another) for _ in range(5)]
    for thread in others:
        thread.start()
    was_found = found.wait(30)
    go_on.set()
    for thread in (*threads, *others):
        thread.join()

    getattr(obj, "close", lambda: None)()
    assert was_found


def test_a_request_that_waits_for_a_writer_keeps_no_other_session_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that is cut off is looked at for a quarter of a second."""
    _, store, _ = cut_off(20)
    found = threading.Event()

    def load_another() -> None:
        store.load(new_key())
        found.set()

    # Several, for one may have the lock of the entry that is cut off.
    threads = [threading.Thread(target=load_another) for _ in range(5)]

    def use_others(seconds: float) -> None:
        if not found.is_set():
            for thread in threads:
                thread.start()
            found.wait(30)

    monkeypatch.setattr(time, "sleep", use_others)
    call_in_vain(store)
    for thread in threads:
        thread.join()

    assert found.is_set()


def open_file_bound_to_this_thread(path: pathlib.Path) -> Any:
    """What dbm.open gives since Python 3.13; before, an object that has the name of it."""
    if sys.version_info < (3, 13):
        return type("_Database", (dict,), {"__module__": "dbm.sqlite3", "close": lambda self: None})()
    return importlib.import_module("dbm.sqlite3").open(path, "c")


@pytest.mark.parametrize("wrap", [lambda file: file, shelve.Shelf], ids=["a dbm file", "a shelf"])
def test_a_file_that_is_bound_to_the_thread_that_opened_it_is_refused_at_start(
    wrap: Callable[[Any], Any], tmp_path: pathlib.Path
) -> None:
    obj = wrap(open_file_bound_to_this_thread(tmp_path / "file"))

    told = pytest.raises(ConfigError, match=r"dbm\.sqlite3.*thread that opened it.*backend 'sqlite'.*dbm\.dumb")
    with contextlib.closing(obj), told:
        KeyValueStore(obj)


def test_a_cache_that_cannot_list_its_keys_purges_nothing() -> None:
    assert fill(cachelib.SimpleCache(), FakeClock()).purge() == 0


def test_cachelib_is_always_told_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr("cachelib.simple.time", clock)
    store, endless, ending = KeyValueStore(cachelib.SimpleCache(default_timeout=1)), new_key(), new_key()
    store.create(endless, b"payload", None)
    store.create(ending, b"payload", 3.2)

    clock.advance(2)
    early = [store.load(key) is not None for key in (endless, ending)]
    clock.advance(3)
    late = [store.load(key) is not None for key in (endless, ending)]

    assert (early, late) == ([True, True], [True, False])


def test_diskcache_is_told_how_long(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with diskcache.Cache(str(tmp_path)) as cache:
        store, endless, ending = KeyValueStore(cache), new_key(), new_key()
        store.create(endless, b"payload", None)
        store.create(ending, b"payload", 60)
        now = time.time()

        monkeypatch.setattr(time, "time", lambda: now + 61)

        assert [store.load(key) is not None for key in (endless, ending)] == [True, False]


class TimedStore(simplekv.TimeToLiveMixin, simplekv.memory.DictStore):  # type: ignore[misc]
    """simplekv's own mixin over its own store; what it is told is kept for the test to see."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[object] = []

    def _put(self, key: str, data: bytes, ttl_secs: object) -> str:
        self.told.append(ttl_secs)
        self.d[key] = data
        return key


@pytest.mark.parametrize(
    ("ttl", "told"),
    [
        pytest.param(None, "forever", id="endless"),
        pytest.param(90.2, 91, id="seconds"),
        pytest.param(0.001, 1, id="at-least-one"),
        pytest.param(31 * 86400, 31 * 86400, id="more-than-a-month"),
    ],
)
def test_a_simplekv_store_with_lifetimes_is_told_how_long(ttl: float | None, told: object) -> None:
    obj = TimedStore()

    KeyValueStore(obj).create(new_key(), b"payload", ttl)

    assert obj.told == [told]


def test_one_over_memcached_is_told_nothing_that_is_taken_for_a_date() -> None:
    obj = TimedStore()
    obj.mc = "the client of a MemcacheStore"

    KeyValueStore(obj).create(new_key(), b"payload", 31 * 86400)

    assert obj.told == ["forever"]


class BrokenMapping(dict[str, bytes]):
    """A mapping over something that is out of order."""

    def get(self, *arguments: Any) -> Any:
        raise ConnectionError(111, "Connection refused", "the key")

    def __iter__(self) -> Iterator[str]:
        raise ConnectionError(111, "Connection refused", "the key")


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda store: store.load("x" * 43), id="load"),
        pytest.param(lambda store: store.create("x" * 43, b"", 60), id="create"),
        pytest.param(lambda store: store.replace("x" * 43, b"", 60, b""), id="replace"),
        pytest.param(lambda store: store.delete("x" * 43), id="delete"),
        pytest.param(lambda store: store.purge(), id="purge"),
    ],
)
def test_what_the_object_raises_is_unavailable(call: Callable[[KeyValueStore], object]) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        call(KeyValueStore(BrokenMapping()))

    assert isinstance(caught.value.__cause__, ConnectionError)
    assert str(caught.value).startswith("the key/value store over a BrokenMapping: ")
    assert str(caught.value).endswith(" failed: ConnectionRefusedError: [Errno 111] Connection refused")
    assert "the key" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda text: RuntimeError(text), id="its own"),
        pytest.param(lambda text: OSError(text), id="a system's without a number"),
        pytest.param(lambda text: OSError(28, text), id="a system's with a text of its own"),
    ],
)
def test_no_error_of_the_object_shows_a_key_or_a_payload(make: Callable[[str], Exception]) -> None:
    class Telling(dict[str, bytes]):
        def __setitem__(self, key: str, value: bytes) -> None:
            try:
                raise KeyError(key)
            except KeyError as error:
                raise make(f"cannot write {value!r} to {key}") from error

    key, payload = new_key(), secrets.token_hex(16)
    with pytest.raises(StoreUnavailable) as caught:
        KeyValueStore(Telling()).create(key, payload.encode(), 60)

    told = "".join(traceback.format_exception(caught.value))
    assert "RuntimeError" in told or "OSError" in told
    assert key not in told
    assert payload not in told


class FullCache(cachelib.SimpleCache):
    """Answers as cachelib's caches do when their server is down."""

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        return False


class StubbornCache(cachelib.SimpleCache):
    def delete(self, key: str) -> bool:
        return False


def test_a_write_that_the_object_swallows_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="over a FullCache: did not take the entry"):
        KeyValueStore(FullCache()).create(new_key(), b"payload", 60)


def test_a_delete_that_the_object_swallows_is_unavailable() -> None:
    store, key = KeyValueStore(StubbornCache()), new_key()
    store.create(key, b"payload", 60)

    with pytest.raises(StoreUnavailable, match="over a StubbornCache: did not remove the entry"):
        store.delete(key)


def test_two_stores_around_one_object_compare_and_swap_together() -> None:
    shared: dict[str, bytes] = {}
    key = new_key()
    KeyValueStore(shared).create(key, b"0", 60)

    def count() -> None:
        store = KeyValueStore(shared)
        for _ in range(200):
            while True:
                entry = store.load(key)
                assert entry is not None
                try:
                    store.replace(key, b"%d" % (int(entry.payload) + 1), 60, entry.version)
                except Conflict:
                    continue
                break

    run_in_threads([count] * 4)
    entry = KeyValueStore(shared).load(key)
    assert entry is not None
    assert entry.payload == b"800"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_while_another_thread_writes_can_write() -> None:
    writing, forked = threading.Event(), threading.Event()

    class SlowMapping(dict[str, bytes]):
        def __setitem__(self, key: str, value: bytes) -> None:
            if threading.current_thread() is thread:
                writing.set()
                forked.wait()
            super().__setitem__(key, value)

    store, key = KeyValueStore(SlowMapping()), new_key()
    thread = threading.Thread(target=lambda: store.create(key, b"payload", 60))
    thread.start()
    writing.wait()

    child = os.fork()
    if child == 0:
        store.create(key, b"payload", 60)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    forked.set()
    thread.join()

    assert status == 0


def test_writes_remove_what_has_expired_on_their_way() -> None:
    clock = FakeClock()
    shared: dict[str, bytes] = {}
    store = KeyValueStore(shared, clock=clock)
    for _ in range(300):
        store.create(new_key(), b"payload", 60)
    clock.advance(60)

    key = new_key()
    version = store.create(key, b"payload", 1000)
    for _ in range(299):
        version = store.replace(key, b"payload", 1000, version)

    assert list(shared) == [PREFIX + key]


def test_half_an_entry_that_another_process_is_writing_is_read_again() -> None:
    class InPlace(dict[str, bytes]):
        """Shows an empty entry first, as a file that has just been opened for writing."""

        is_open = False

        def get(self, key: str, default: Any = None) -> Any:
            self.is_open = not self.is_open
            return b"" if self.is_open else super().get(key, default)

    shared = InPlace()
    store, key = KeyValueStore(shared), new_key()
    version = store.create(key, b"payload", 60)

    assert store.load(key) == (b"payload", version)


def test_create_never_overwrites_what_the_other_store_has_written() -> None:
    shared: dict[str, bytes] = {}
    key = new_key()
    KeyValueStore(shared).create(key, b"payload", 60)

    with pytest.raises(AlreadyExists):
        KeyValueStore(shared).create(key, b"another", 60)


# What is cut off


def cut_off(length: int) -> tuple[dict[str, bytes], KeyValueStore, FakeClock]:
    """An entry under ``"k" * 43`` of which only the beginning has been written."""
    clock = FakeClock()
    shared: dict[str, bytes] = {}
    KeyValueStore(shared, clock=clock).create("k" * 43, b"payload", 60)
    shared[PREFIX + "k" * 43] = shared[PREFIX + "k" * 43][:length]
    return shared, KeyValueStore(shared, clock=clock), clock


def call_in_vain(store: KeyValueStore) -> None:
    with pytest.raises(StoreUnavailable, match=r"the key/value store over a dict: .*cut off"):
        store.load("k" * 43)


@pytest.mark.parametrize("length", [0, 1, 4, 20, 36, 42])
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda store: store.load("k" * 43), id="load"),
        pytest.param(lambda store: store.create("k" * 43, b"", 60), id="create"),
        pytest.param(lambda store: store.replace("k" * 43, b"", 60, b""), id="replace"),
        pytest.param(lambda store: store.delete("k" * 43), id="delete"),
    ],
)
def test_an_entry_that_is_cut_off_is_unavailable_and_left_alone(
    call: Callable[[KeyValueStore], object], length: int
) -> None:
    shared, store, _ = cut_off(length)
    before = dict(shared)

    with pytest.raises(StoreUnavailable, match="cut off"):
        call(store)

    assert before.items() <= shared.items()


@pytest.mark.parametrize(("seconds", "is_gone"), [(-0.1, False), (0, True)])
def test_an_entry_that_stays_cut_off_is_gone_for_every_process_when_a_client_comes_again(
    seconds: float, is_gone: bool
) -> None:
    shared, store, clock = cut_off(20)
    call_in_vain(store)
    clock.advance(StoreUnavailable.seconds_to_wait + seconds)
    another = KeyValueStore(shared, clock=clock)

    if is_gone:
        assert another.load("k" * 43) is None
        assert shared == {}
    else:
        call_in_vain(another)


def test_a_client_that_comes_again_too_early_does_not_prolong_it() -> None:
    _, store, clock = cut_off(20)
    for _ in range(StoreUnavailable.seconds_to_wait):
        call_in_vain(store)
        clock.advance(1)

    assert store.load("k" * 43) is None


def test_a_key_whose_entry_was_cut_off_can_be_created_again() -> None:
    _, store, clock = cut_off(20)
    call_in_vain(store)
    clock.advance(StoreUnavailable.seconds_to_wait)

    version = store.create("k" * 43, b"payload", 60)

    assert store.load("k" * 43) == (b"payload", version)


def test_a_request_waits_a_quarter_of_a_second_for_the_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    _, store, _ = cut_off(20)
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)

    call_in_vain(store)

    assert 0.2 < sum(pauses) < 0.3


@pytest.mark.parametrize("whole_in_between", [False, True])
def test_an_entry_that_gets_on_is_not_gone(whole_in_between: bool) -> None:
    shared, store, clock = cut_off(20)
    before = shared[PREFIX + "k" * 43]
    call_in_vain(store)

    if whole_in_between:
        whole: dict[str, bytes] = {}
        KeyValueStore(whole, clock=clock).create("k" * 43, b"payload", 60)
        shared.update(whole)
        assert store.load("k" * 43) is not None
        (data,) = whole.values()
        before = data[:20]
    clock.advance(StoreUnavailable.seconds_to_wait)
    shared[PREFIX + "k" * 43] = before if whole_in_between else before + b"\0"

    call_in_vain(store)


def test_what_was_cut_off_in_the_same_place_a_day_ago_does_not_count() -> None:
    _, store, clock = cut_off(0)
    call_in_vain(store)
    clock.advance(86400)

    call_in_vain(store)


def test_a_mark_that_is_cut_off_itself_is_made_again() -> None:
    shared, store, clock = cut_off(20)
    call_in_vain(store)
    (mark,) = shared.keys() - {PREFIX + "k" * 43}
    shared[mark] = shared[mark][:10]
    clock.advance(StoreUnavailable.seconds_to_wait)

    call_in_vain(store)
    clock.advance(StoreUnavailable.seconds_to_wait)

    assert store.load("k" * 43) is None


def test_purge_waits_for_no_writer_and_touches_nothing_that_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    shared, store, _ = cut_off(20)
    shared |= {PREFIX + "notes": b"", "theirs": b""}
    before = dict(shared)
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)

    count = store.purge()

    assert (count, shared, pauses) == (0, before, [])


def test_purge_removes_a_mark_whose_entry_became_whole() -> None:
    shared, store, clock = cut_off(20)
    call_in_vain(store)
    whole: dict[str, bytes] = {}
    KeyValueStore(whole, clock=clock).create("k" * 43, b"payload", None)
    shared.update(whole)

    early = store.purge()
    clock.advance(86400)

    assert (early, store.purge(), shared) == (0, 1, whole)


FILE_STORES = pytest.mark.parametrize("package", [simplekv.fs, minimalkv.fs], ids=["simplekv", "minimalkv"])


@FILE_STORES
@pytest.mark.parametrize(("perm", "mode"), [(None, 0o640), (0o600, 0o600), (0o664, 0o664)])
def test_files_have_the_permissions_that_their_store_would_give_them(
    package: Any, perm: int | None, mode: int, tmp_path: pathlib.Path
) -> None:
    store, key = KeyValueStore(package.FilesystemStore(str(tmp_path / "entries"), perm=perm)), new_key()

    former = os.umask(0o027)
    try:
        store.replace(key, b"payload", 60, store.create(key, b"payload", 60))
    finally:
        os.umask(former)

    assert [(path.name, path.stat().st_mode & 0o777) for path in (tmp_path / "entries").iterdir()] == [
        (PREFIX + key, mode)
    ]


@FILE_STORES
def test_a_write_that_fails_leaves_the_former_file_and_no_other(
    package: Any, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, key = KeyValueStore(package.FilesystemStore(str(tmp_path))), new_key()
    version = store.create(key, b"payload", 60)

    def refuse(source: str, target: str) -> None:
        raise OSError(28, "No space left on device", target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StoreUnavailable):
        store.replace(key, b"changed", 60, version)

    assert store.load(key) == (b"payload", version)
    assert [path.name for path in tmp_path.iterdir()] == [PREFIX + key]


@FILE_STORES
def test_purge_removes_a_file_that_a_killed_process_has_left_for_an_hour(package: Any, tmp_path: pathlib.Path) -> None:
    store, key = KeyValueStore(package.FilesystemStore(str(tmp_path))), new_key()
    version = store.create(key, b"payload", None)
    left, in_use = (tmp_path / f"{PREFIX}{key}.{number:016x}" for number in range(2))
    theirs = tmp_path / f"{PREFIX}notes.{0:016x}"
    for path in (left, in_use, theirs):
        path.write_bytes(b"swE1")
    for path in (left, theirs):
        os.utime(path, (time.time() - 3601,) * 2)

    count = store.purge()

    assert count == 0
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / (PREFIX + key), in_use, theirs])
    assert store.load(key) == (b"payload", version)


@FILE_STORES
def test_a_class_made_from_a_file_store_writes_for_itself(package: Any, tmp_path: pathlib.Path) -> None:
    class Doubling(package.FilesystemStore):  # type: ignore[misc]
        def put(self, key: str, data: bytes) -> Any:
            return super().put(key, data + data)

        def get(self, key: str) -> bytes:
            data: bytes = super().get(key)
            return data[: len(data) // 2]

    store, key = KeyValueStore(Doubling(str(tmp_path))), new_key()

    version = store.create(key, b"payload", 60)

    assert store.load(key) == (b"payload", version)
    assert (tmp_path / (PREFIX + key)).read_bytes().count(b"payload") == 2
