"""The store around a key/value object, with the real packages."""

from __future__ import annotations

import dbm.dumb
import gc
import os
import pathlib
import secrets
import shelve
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


def new_key() -> str:
    return secrets.token_urlsafe(32)


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


@pytest.mark.parametrize("value", [b"payload", b"swE1" + bytes(60), "text", 42, None, {"user": "admin"}])
def test_what_an_application_has_put_there_is_no_session(value: object) -> None:
    key = new_key()
    store = KeyValueStore({PREFIX + key: value})

    assert (store.load(key), store.delete(key)) == (None, False)
    with pytest.raises(Gone):
        store.replace(key, b"payload", 60, b"version")


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


def test_a_shelf_and_a_dbm_file_hold_sessions(tmp_path: pathlib.Path) -> None:
    with shelve.open(str(tmp_path / "shelf")) as shelf, dbm.dumb.open(str(tmp_path / "file")) as file:
        objects: list[MutableMapping[Any, Any]] = [shelf, file]
        stores = [fill(obj, FakeClock()) for obj in objects]
        versions = [store.create("x" * 43, b"payload", 60) for store in stores]

        assert [store.load("x" * 43) for store in stores] == [(b"payload", version) for version in versions]
        assert [store.purge() for store in stores] == [3, 3]


def test_a_cache_that_cannot_list_its_keys_purges_nothing() -> None:
    assert fill(cachelib.SimpleCache(), FakeClock()).purge() == 0


def test_cachelib_is_always_told_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cachelib.SimpleCache(default_timeout=1)
    store, endless, ending = KeyValueStore(cache), new_key(), new_key()
    store.create(endless, b"payload", None)
    store.create(ending, b"payload", 3.2)
    now = time.time()

    monkeypatch.setattr("cachelib.simple.time", lambda: now + 2)
    early = [store.load(key) is not None for key in (endless, ending)]
    monkeypatch.setattr("cachelib.simple.time", lambda: now + 5)
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
    with pytest.raises(StoreUnavailable):
        KeyValueStore(FullCache()).create(new_key(), b"payload", 60)


def test_a_delete_that_the_object_swallows_is_unavailable() -> None:
    store, key = KeyValueStore(StubbornCache()), new_key()
    store.create(key, b"payload", 60)

    with pytest.raises(StoreUnavailable):
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

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

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
    with pytest.raises(StoreUnavailable, match="cut off"):
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
