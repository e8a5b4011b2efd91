"""The option ``backend`` finds a store by a name, a URL, a dotted path, a class or an object."""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, Union

import pytest
from support.empty_store import EmptyStore

from sessionware.config.backend import Backend, find_backend
from sessionware.config.faults import Faults
from sessionware.exceptions import ConfigError
from sessionware.stores.contract import Store
from sessionware.stores.file import FileStore
from sessionware.stores.keyvalue.store import KeyValueStore
from sessionware.stores.memcached.store import MemcachedStore
from sessionware.stores.memory import MemoryStore
from sessionware.stores.redis.store import RedisStore
from sessionware.stores.sql.store import SQLAlchemyStore
from sessionware.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from nowhere import Client  # type: ignore[import-not-found]

HERE = __name__
SQL = "postgresql+psycopg://user:word@host/web"


class Typed(EmptyStore):
    """A store with a parameter of every type that is converted."""

    def __init__(  # type: ignore[no-untyped-def]
        self,
        url: str = "",
        *,
        retries: int = 0,
        factor: float = 1.0,
        verbose: bool = False,
        wait: Annotated[float, "duration"] = 1.0,
        note: Annotated[int, "whatever"] = 0,
        pause: timedelta = timedelta(0),
        folder: Path = Path("."),
        limit: int | None = None,
        old_limit: Optional[int] = None,  # noqa: UP045
        either: Union[int, str] = 0,  # noqa: UP007
        flag: bool | Literal["auto"] = False,
        mode: Literal["fast", "safe", 3] = "fast",
        source: str | Path = "",
        hook: Callable[[], None] | None = None,
        anything: Any = None,
        client: Client | None = None,
        mapping: MutableMapping[str, bytes] | None = None,
        plain=None,
    ) -> None:
        self.given = {name: value for name, value in locals().items() if name != "self"}


class Strict(EmptyStore):
    """A store that cannot be made without its two parameters."""

    def __init__(self, host: str, port: int) -> None:
        self.place = (host, port)


class Open(EmptyStore):
    """A store that takes any option."""

    def __init__(self, **options: str) -> None:
        self.options = options


class Failing(EmptyStore):
    """A store that cannot be made."""

    def __init__(self, path: str = "") -> None:
        raise OSError("the disk is on fire")


class Particular(EmptyStore):
    """A store that refuses its options itself."""

    def __init__(self) -> None:
        raise ConfigError("a path of mine, please")


@dataclass
class Data(EmptyStore):
    """A store without an ``__init__`` of its own."""

    host: str
    port: int = 0


class Heir(Strict):
    """A store that is made as its parent is."""


class Half:
    """Something with only two methods of a store."""

    def load(self, key: str) -> None:
        """See Store."""

    delete = load


A_STORE = Typed()
A_DICT: dict[str, bytes] = {}


def hook() -> None:
    """A callable that an option can name."""


def clock() -> float:
    """The time that stores of these tests are given."""
    return 1.0


def backend_of(backend: object, **options: object) -> Backend:
    """The backend that is found without a fault."""
    faults = Faults()
    found = find_backend(backend, options, faults)
    assert found is not None
    assert faults.texts == []
    return found


def store_of(backend: object, **options: object) -> Any:
    """The store that is made without a fault."""
    faults = Faults()
    store = backend_of(backend, **options).make(clock, faults)
    assert faults.texts == []
    return store


def faults_of(backend: object, **options: object) -> Faults:
    """The faults of finding and making."""
    faults = Faults()
    found = find_backend(backend, options, faults)
    if found is not None:
        found.make(clock, faults)
    return faults


def fault_of(backend: object, **options: object) -> str:
    """The one fault of finding and making."""
    (text,) = faults_of(backend, **options).texts
    return text


# Forms.


@pytest.mark.parametrize(
    ("backend", "options", "store_class"),
    [
        pytest.param("cookie", {}, type(None), id="cookie"),
        pytest.param("memory", {}, MemoryStore, id="memory"),
        pytest.param("file", {"path": "sessions"}, FileStore, id="file"),
        pytest.param("sqlalchemy", {"url": "mysql://h/web", "table": "s"}, SQLAlchemyStore, id="sqlalchemy"),
        pytest.param("SQLite", {"path": Path("x.db"), "timeout": "2s"}, SQLiteStore, id="sqlite"),
        pytest.param("Redis", {"url": "redis://h", "timeout": "2s"}, RedisStore, id="redis"),
        pytest.param("Memcached", {"url": "memcached://h", "timeout": "2s"}, MemcachedStore, id="memcached"),
        pytest.param(f"{HERE}:Typed", {}, Typed, id="dotted path"),
        pytest.param(f"{HERE}:A_STORE", {}, Typed, id="dotted path of a store"),
        pytest.param("sessionware.stores:KeyValueStore", {"obj": f"{HERE}:A_DICT"}, KeyValueStore, id="key/value"),
        pytest.param(Typed, {"url": "x"}, Typed, id="class"),
        pytest.param(A_STORE, {}, Typed, id="store"),
        pytest.param(KeyValueStore({}), {}, KeyValueStore, id="KeyValueStore"),
    ],
)
def test_a_backend_may_be_named_in_many_ways(backend: object, options: dict[str, Any], store_class: type) -> None:
    store = store_of(backend, **options)

    assert type(store) is store_class


@pytest.mark.parametrize(
    ("url", "store_class", "options"),
    [
        pytest.param("sqlite:///x.db", SQLiteStore, {"path": "x.db"}, id="relative"),
        pytest.param("sqlite:////var/x.db", SQLiteStore, {"path": "/var/x.db"}, id="absolute"),
        pytest.param("SQLITE:///a%20b%3F.db", SQLiteStore, {"path": "a b?.db"}, id="percent"),
        pytest.param("sqlite:///x.db?timeout=2s", SQLiteStore, {"path": "x.db", "timeout": 2.0}, id="query"),
        pytest.param("redis://h/1", RedisStore, {"url": "redis://h/1"}, id="redis"),
        pytest.param(
            "redis+sentinel://h1,h2/service?db=1&timeout=2s&prefix=p%3A&max_connections=5",
            RedisStore,
            {"url": "redis+sentinel://h1,h2/service?db=1&max_connections=5", "timeout": 2.0, "prefix": "p:"},
            id="Sentinel with options",
        ),
        pytest.param("rediss+cluster://h?prefix=p", RedisStore, {"url": "rediss+cluster://h", "prefix": "p"}, id="TLS"),
        pytest.param("unix:///run/r.sock", RedisStore, {"url": "unix:///run/r.sock"}, id="unix"),
        pytest.param("memcached://h,[::1]:1", MemcachedStore, {"url": "memcached://h,[::1]:1"}, id="memcached"),
        pytest.param(
            "memcached:///run/m?timeout=2s", MemcachedStore, {"url": "memcached:///run/m", "timeout": 2.0}, id="socket"
        ),
        pytest.param(f"{SQL}?sslmode=require", SQLAlchemyStore, {"url": f"{SQL}?sslmode=require"}, id="PostgreSQL"),
        pytest.param("mysql+pymysql://h/web", SQLAlchemyStore, {"url": "mysql+pymysql://h/web"}, id="MySQL"),
        pytest.param("file:///var/s", FileStore, {"path": "/var/s"}, id="file"),
        pytest.param("file://localhost/var/s", FileStore, {"path": "/var/s"}, id="file with localhost"),
    ],
)
def test_a_url_names_a_store_and_its_options(url: str, store_class: type, options: dict[str, Any]) -> None:
    backend = backend_of(url)

    assert backend.store_class is store_class
    assert backend.options == options


def test_a_store_that_is_named_is_one() -> None:
    store = store_of("memory")

    assert isinstance(store, Store)


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        pytest.param("sqllite", "did you mean 'sqlite'?", id="misspelt"),
        pytest.param("nothing like it", "give 'cookie', 'memory', 'file', 'sqlite', ", id="unknown"),
        pytest.param("pkg.mod.Class", "write a class as pkg.mod:Class", id="no colon"),
        pytest.param("sqlite:x.db", "a URL has slashes", id="no slashes"),
        pytest.param("sqlite://x.db", "three slashes for a relative path", id="sqlite with two slashes"),
        pytest.param("file://var/s", "three slashes and an absolute path", id="file with two slashes"),
        pytest.param("sqlite:///", "names no path", id="no path"),
        pytest.param("file:///", "names no path", id="the root"),
        pytest.param("sqlite:///x#y", "%23", id="fragment"),
        pytest.param("sqlite:///x?timeout", "cannot be read", id="query without a value"),
        pytest.param("sqlite://[x/y", "cannot be read", id="brackets"),
        pytest.param("sqlite:///x?timeout=1s&timeout=2s", "gives an option twice", id="query twice"),
        pytest.param("redis://x?timeout=1s&timeout=2s", "gives an option twice", id="query of redis twice"),
        pytest.param("redis://x/y/z", "the number of a database", id="path of redis"),
        pytest.param("ftp://x/y", "no store reads URLs of the scheme 'ftp'", id="scheme"),
        pytest.param("no.such.package:Store", "ModuleNotFoundError", id="no module"),
        pytest.param(f"{HERE}:Missing", "AttributeError", id="no class"),
        pytest.param("not a:name", "or pkg.mod:Class", id="no dotted name"),
        pytest.param(Half, "the class Half is not a store: it lacks the methods create, replace", id="half a store"),
        pytest.param(
            Half(),
            "an object of the type Half is not a store: it lacks the methods create, replace",
            id="half an instance",
        ),
        pytest.param(A_DICT, "KeyValueStore(obj)", id="dict"),
        pytest.param(f"{HERE}:A_DICT", "KeyValueStore(obj)", id="name of a dict"),
        pytest.param(Particular, "backend: a path of mine, please", id="a fault of the store's own finding"),
        pytest.param(Failing, "backend: Failing cannot be made: OSError: the disk is on fire", id="failing"),
    ],
)
def test_what_names_no_store_is_a_fault_with_its_cure(backend: object, expected: str) -> None:
    fault = fault_of(backend)

    assert fault.startswith("backend: ")
    assert expected in fault


@pytest.mark.parametrize(
    ("backend", "cause"),
    [(Failing, OSError), ("no.such.package:Store", ModuleNotFoundError), (f"{HERE}:Missing", AttributeError)],
)
def test_the_cause_of_a_fault_is_chained(backend: object, cause: type[Exception]) -> None:
    faults = faults_of(backend)

    with pytest.raises(Exception, match="backend") as caught:
        faults.raise_if_any()

    assert isinstance(caught.value.__cause__, cause)


def test_a_driver_is_imported_only_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sessionware.stores.sqlite", None)

    assert isinstance(store_of("memory"), MemoryStore)


@pytest.mark.parametrize(
    ("name", "url", "path"),
    [
        ("sqlite", "sqlite:///x.db", "x.db"),
        ("sqlite", "sqlite:////var/x.db", "/var/x.db"),
        ("file", "file:///var/s", "/var/s"),
    ],
)
def test_a_store_with_a_path_takes_its_url_as_an_option_too(name: str, url: str, path: str) -> None:
    assert backend_of(name, url=url).options == backend_of(url).options == {"path": path}


def test_the_options_in_a_url_beside_a_name_are_read_like_those_of_the_url_alone() -> None:
    sqlite, redis = "sqlite:///x.db?timeout=2s", "redis://h/1?timeout=2s&prefix=p"

    assert backend_of("sqlite", url=sqlite).options == backend_of(sqlite).options
    assert backend_of("redis", url=redis).options == backend_of(redis).options


@pytest.mark.parametrize(
    ("backend", "options", "fault"),
    [
        ("sqlite", {"url": "redis://h"}, "backend.url: expected a URL that begins with sqlite://, or backend.path"),
        ("file", {"url": "/var/s"}, "backend.url: expected a URL that begins with file://, or backend.path"),
        ("sqlite", {"url": 5}, "backend.url: expected a URL as a string, got 5"),
        *(
            (backend, {"url": url}, f"backend.url: expected a URL as a string, got {told}")
            for backend in ("redis", "memcached", "sqlalchemy")
            for url, told in (
                (None, "None; is its environment variable set? Set it, or leave this option out"),
                (b"redis://u:hunter2@h", "an object of the type bytes"),
                (5, "5"),
                (["redis://h"], "an object of the type list"),
            )
        ),
        ("sqlite", {"url": "sqlite:///x", "path": "y"}, "backend.path: it is given twice, here and in the URL"),
        ("sqlite:///x", {"url": "sqlite:///y"}, "backend.path: it is given twice, here and in the URL"),
        ("redis://h", {"url": "redis://i"}, "backend.url: it is given twice, here and in the URL"),
        ("sqlite", {"url": "sqlite://x"}, "backend.url: a sqlite URL has three slashes for a relative path"),
    ],
)
def test_a_url_that_does_not_fit_the_store_is_a_fault(backend: str, options: dict[str, Any], fault: str) -> None:
    assert fault_of(backend, **options).startswith(fault)


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        pytest.param("sqlite", {"path": "~/x.db"}, id="option"),
        pytest.param("sqlite:///~/x.db", {}, id="URL"),
        pytest.param("sqlite", {"path": Path("~/x.db")}, id="object"),
        pytest.param(Typed, {"folder": "~/x.db"}, id="Path"),
        pytest.param(Typed, {"source": "~/x.db"}, id="str or Path"),
    ],
)
def test_a_path_may_begin_with_the_home_directory(
    backend: object, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/app")

    found = backend_of(backend, **options).options

    assert [str(path) for path in found.values()] == ["/home/app/x.db"]


def test_a_home_directory_that_cannot_be_told_is_a_fault() -> None:
    fault = fault_of("sqlite", path="~no-such-user/x.db")

    assert fault == (
        "backend.path: there is no home directory for '~no-such-user'; a name that has a ~ is written ./~name"
    )


def test_a_home_directory_in_a_file_url_is_a_fault() -> None:
    fault = fault_of("file:///~/sessions")

    assert "~ is no home directory in a file URL, whose path is absolute" in fault


@pytest.mark.parametrize("name", ["file", "sqlite"])
def test_a_url_in_the_place_of_a_path_is_a_fault_that_does_not_repeat_it(name: str) -> None:
    fault = fault_of(name, path="redis://user:hunter2@host/0")

    assert "is a URL" in fault
    assert "hunter2" not in fault


@pytest.mark.parametrize("name", ["file", "sqlite"])
@pytest.mark.parametrize("path", ["a\0b", "a\ud800b"])
def test_a_path_that_no_system_has_is_a_fault(name: str, path: str) -> None:
    assert "no file's name" in fault_of(name, path=path)


def test_a_url_without_its_slashes_is_told_and_not_called_unknown() -> None:
    fault = fault_of("me:hunter2@host")

    assert fault.startswith("backend: it names no store")
    assert "hunter2" not in fault


@pytest.mark.parametrize("name", ["file", "sqlite"])
@pytest.mark.parametrize("path", [None, 5, b"x.db", ["x"]])
def test_what_is_no_path_is_a_fault(name: str, path: object) -> None:
    fault = fault_of(name, path=path)

    assert fault.startswith("backend.path: expected a path, got ")


# Options.


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        ("url", "x:y", "x:y"),
        ("retries", "3", 3),
        ("retries", 3, 3),
        ("factor", "1.5", 1.5),
        ("factor", 2, 2),
        ("verbose", "true", True),
        ("verbose", False, False),
        ("wait", "5m", 300.0),
        ("wait", timedelta(seconds=3), 3.0),
        ("note", "7", 7),
        ("pause", "2s", timedelta(seconds=2)),
        ("folder", "/var", Path("/var")),
        ("folder", Path("/var"), Path("/var")),
        ("limit", "none", None),
        ("limit", None, None),
        ("limit", "5", 5),
        ("old_limit", "6", 6),
        ("either", "7", 7),
        ("either", "seven", "seven"),
        ("flag", "yes", True),
        ("flag", "auto", "auto"),
        ("mode", "safe", "safe"),
        ("mode", "3", 3),
        ("source", "x", "x"),
        ("source", Path("x"), Path("x")),
        ("hook", f"{HERE}:hook", hook),
        ("hook", hook, hook),
        ("hook", "none", None),
        ("anything", f"{HERE}:hook", hook),
        ("anything", "some text", "some text"),
        ("anything", 5, 5),
        ("client", f"{HERE}:hook", hook),
        ("client", A_DICT, A_DICT),
        ("mapping", f"{HERE}:A_DICT", A_DICT),
        ("mapping", A_DICT, A_DICT),
        ("plain", "5", "5"),
        ("plain", "a:b", "a:b"),
    ],
)
def test_a_stores_option_is_converted_by_its_annotation(name: str, written: object, expected: object) -> None:
    store = store_of(Typed, **{name: written})

    assert store.given[name] == expected
    assert type(store.given[name]) is type(expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", 5),
        ("url", None),
        ("retries", "many"),
        ("retries", True),
        ("retries", 1.5),
        ("factor", "x"),
        ("factor", True),
        ("factor", "nan"),
        ("factor", 10**400),
        ("verbose", "maybe"),
        ("wait", "soon"),
        ("wait", True),
        ("pause", "soon"),
        ("pause", "99999999999d"),
        ("folder", ""),
        ("folder", 5),
        ("folder", None),
        ("source", None),
        ("limit", "many"),
        ("either", None),
        ("flag", "x"),
        ("mode", "slow"),
        ("hook", 5),
        ("anything", "no.such.package:name"),
    ],
)
def test_a_stores_option_of_the_wrong_type_is_a_fault(name: str, value: object) -> None:
    fault = fault_of(Typed, **{name: value})

    assert fault.startswith(f"backend.{name}: ")


def test_an_unknown_option_of_a_store_is_refused_with_a_suggestion() -> None:
    fault = fault_of("sqlite", path="x.db", tiemout="5s")

    assert fault == "backend.tiemout: SQLiteStore has no such option; did you mean backend.timeout?"


def test_an_unknown_option_like_no_other_is_refused_with_all_that_there_are() -> None:
    fault = fault_of(Strict, host="h", port=1, xyzzy=1)

    assert fault == "backend.xyzzy: Strict has no such option; it has backend.host, backend.port"


def test_an_option_of_a_store_without_any_is_refused() -> None:
    fault = fault_of(EmptyStore, path="x")

    assert fault == "backend.path: EmptyStore has no such option"


def test_an_option_in_a_url_is_checked_like_another() -> None:
    texts = faults_of("sqlite:///x.db?timeout=soon&tiemout=1").texts

    assert len(texts) == 2


def test_every_missing_parameter_is_named() -> None:
    texts = faults_of(Strict).texts

    assert texts == ["backend.host: Strict needs it", "backend.port: Strict needs it"]


def test_a_generated_constructor_is_read_like_a_written_one() -> None:
    store = store_of(Data, host="h", port="8")

    assert (store.host, store.port) == ("h", 8)


def test_an_inherited_constructor_is_read_too() -> None:
    store = store_of(Heir, host="h", port="8")

    assert store.place == ("h", 8)


@pytest.mark.parametrize("name", ["file", "sqlite"])
def test_an_embedded_store_needs_a_path(name: str) -> None:
    fault = fault_of(name)

    assert fault.startswith("backend.path: ")


def test_a_store_that_takes_any_name_is_given_what_there_is() -> None:
    store = store_of(Open, anything="at all")

    assert store.options == {"anything": "at all"}


def test_options_beside_the_cookie_backend_are_faults() -> None:
    fault = fault_of("cookie", path="x")

    assert fault.startswith("backend.path: the cookie backend has no options")


def test_options_beside_a_store_that_is_made_are_faults() -> None:
    fault = fault_of(A_STORE, url="x")

    assert fault.startswith("backend.url: the backend is a store that is already made")


def test_an_option_may_be_given_in_the_url_and_beside_it_with_one_value() -> None:
    backend = backend_of("sqlite:///x.db", path="x.db")

    assert backend.options == {"path": "x.db"}


def test_a_path_beside_the_url_may_be_an_object() -> None:
    assert backend_of("sqlite:///x.db", path=Path("x.db")).options == {"path": Path("x.db")}


def test_an_option_with_another_value_in_the_url_is_a_fault() -> None:
    fault = fault_of("sqlite:///x.db", path="y.db")

    assert fault == "backend.path: it is given twice, here and in the URL, with different values"


ANNOUNCED = """
class AnnouncedStore:
    def __init__(self, url: str | None = None, *, size: int = 1) -> None:
        self.url, self.size = url, size

    def load(self, key): ...
    def create(self, key, payload, ttl): ...
    def replace(self, key, payload, ttl, version): ...
    def delete(self, key): ...
"""


@pytest.fixture
def announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package, installed beside this one, that announces a store, and one that cannot be imported."""
    (tmp_path / "announcing.py").write_text(f"from __future__ import annotations\n{ANNOUNCED}", encoding="utf-8")
    described = tmp_path / "announcing-1.0.dist-info"
    described.mkdir()
    metadata = "Metadata-Version: 2.1\nName: announcing\nVersion: 1.0\n"
    described.joinpath("METADATA").write_text(metadata, encoding="utf-8")
    described.joinpath("entry_points.txt").write_text(
        "[sessionware.stores]\nannounced = announcing:AnnouncedStore\nbroken = announcing:Missing\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("announced")
def test_a_store_that_another_package_announces_is_found_by_its_scheme() -> None:
    faults = Faults()

    found = find_backend("announced://host/x?y=1", {"size": "3"}, faults)

    assert found is not None
    assert found.options == {"url": "announced://host/x?y=1", "size": 3}
    assert not faults.texts


@pytest.mark.usefixtures("announced")
def test_a_store_that_another_package_announces_is_found_by_its_name() -> None:
    faults = Faults()

    found = find_backend("announced", {"size": "3"}, faults)

    assert found is not None
    assert found.options == {"size": 3}
    assert not faults.texts


@pytest.mark.usefixtures("announced")
def test_an_announced_store_that_cannot_be_imported_is_a_fault_that_names_the_package() -> None:
    faults = Faults()

    find_backend("broken://host", {}, faults)

    start = "backend: announcing announces 'broken', and announcing:Missing cannot be imported"
    assert faults.texts[0].startswith(start)
