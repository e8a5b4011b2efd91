"""The store in an SQLite database."""

from __future__ import annotations

import ctypes
import functools
import os
import pathlib
import secrets
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from sessionware.exceptions import ConfigError, RecordTooLarge, StoreUnavailable
from sessionware.stores import SQLiteStore
from sessionware.testing import FakeClock, StoreConformance


class TestSQLiteStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: pathlib.Path) -> None:
        self.path = tmp_path / "sessions.db"

    def make_store(self, clock: FakeClock) -> SQLiteStore:
        return SQLiteStore(self.path, clock=clock)


connect = sqlite3.connect

Opener = Callable[..., SQLiteStore]


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def open_store(path: pathlib.Path) -> Iterator[Opener]:
    made: list[SQLiteStore] = []

    def open_store(**options: object) -> SQLiteStore:
        made.append(SQLiteStore(path, **options))  # type: ignore[arg-type]
        return made[-1]

    yield open_store
    for store in made:
        store.close()


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def public_directory() -> Iterator[pathlib.Path]:
    """One that every user can reach, for the tests' own are 0700."""
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory)
        path.chmod(0o755)
        yield path
        for below in (path, *path.rglob("*")):
            below.chmod(0o700)


def new_key() -> str:
    return secrets.token_urlsafe(32)


def start_python(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_making_a_store_opens_nothing(open_store: Opener, path: pathlib.Path) -> None:
    open_store()

    assert not path.exists()


@pytest.mark.usefixtures("open_umask")
def test_its_files_are_for_their_owner_alone(open_store: Opener, path: pathlib.Path) -> None:
    open_store().create(new_key(), b"payload", 60)

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == {"sessions.db": 0o600, "sessions.db-wal": 0o600, "sessions.db-shm": 0o600}


@pytest.mark.usefixtures("open_umask")
def test_its_file_is_for_its_owner_alone_when_sqlite_opens_it(
    open_store: Opener, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []

    def look(*arguments: object, **options: object) -> sqlite3.Connection:
        modes.append(stat.S_IMODE(path.stat().st_mode))
        return connect(*arguments, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3, "connect", look)
    open_store().load(new_key())

    assert modes == [0o600]


def test_it_shares_a_database_with_an_application(open_store: Opener, path: pathlib.Path) -> None:
    application = sqlite3.connect(path)
    application.execute("CREATE TABLE sessions (mine)")
    store, key = open_store(), new_key()

    version = store.create(key, b"payload", 60)

    assert store.load(key) == (b"payload", version)
    assert application.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
    application.close()


def test_a_reader_does_not_wait_for_a_writer(open_store: Opener, path: pathlib.Path) -> None:
    store, key = open_store(timeout=0.001), new_key()
    version = store.create(key, b"payload", 60)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    entry = store.load(key)
    writer.close()

    assert entry == (b"payload", version)


@pytest.mark.parametrize("timeout", [0.01, "0.01s", timedelta(milliseconds=10)])
def test_a_writer_that_waited_for_the_timeout_is_unavailable(
    open_store: Opener, path: pathlib.Path, timeout: object
) -> None:
    store, key = open_store(timeout=timeout), new_key()
    version = store.create(key, b"payload", 60)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable) as caught:
        store.replace(key, b"changed", 60, version)
    writer.close()

    assert "sqlite3.OperationalError: database is locked" in str(caught.value.__cause__)
    assert store.load(key) == (b"payload", version)


def test_a_first_use_that_waited_for_the_timeout_is_unavailable(open_store: Opener, path: pathlib.Path) -> None:
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    store = open_store(timeout=0.05)

    with pytest.raises(StoreUnavailable):
        store.load(new_key())
    writer.close()

    assert store.load(new_key()) is None


def open_once_with(
    error: sqlite3.OperationalError, open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> tuple[Callable[[], object], list[float]]:
    """A first use that meets *error* once as it switches to WAL, and the pauses that it makes."""
    answers = [error]

    class Refusing(sqlite3.Connection):
        def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
            if answers and "journal_mode" in statement:
                raise answers.pop()
            return super().execute(statement, *parameters)

    pauses: list[float] = []
    monkeypatch.setattr(sqlite3, "connect", functools.partial(connect, factory=Refusing))
    monkeypatch.setattr(time, "sleep", pauses.append)
    return lambda: open_store().load(new_key()), pauses


def test_a_first_use_waits_for_others_that_are_opening_the_database(
    open_store: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two switch one database to WAL at once, SQLite answers "locked" without waiting."""
    load, pauses = open_once_with(sqlite3.OperationalError("database is locked"), open_store, monkeypatch)

    assert (load(), len(pauses)) == (None, 1)


def test_a_first_use_waits_for_nobody_if_the_disk_refuses(open_store: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    error = sqlite3.OperationalError("attempt to write a readonly database")
    load, pauses = open_once_with(error, open_store, monkeypatch)

    with pytest.raises(StoreUnavailable):
        load()
    assert pauses == []


def test_an_interrupted_call_gives_no_connection_back(open_store: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection in the middle of a statement must not serve another caller."""

    class Interrupted(sqlite3.Connection):
        def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
            if statement.startswith("DELETE"):
                raise KeyboardInterrupt
            return super().execute(statement, *parameters)

    opened: list[sqlite3.Connection] = []

    def open_interrupted(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, factory=Interrupted, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", open_interrupted)
    store = open_store()
    with pytest.raises(KeyboardInterrupt):
        store.delete(new_key())

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


def test_an_error_shows_neither_key_nor_payload(open_store: Opener, path: pathlib.Path) -> None:
    store, key = open_store(), new_key()
    store.create(key, b"payload", 60)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TABLE sessionware_sessions")
    connection.close()

    with pytest.raises(StoreUnavailable) as caught:
        store.create(key, b"hidden", 60)

    shown = f"{caught.value}{caught.value!r}{caught.value.__cause__!r}"
    assert key not in shown
    assert "hidden" not in shown


def test_nothing_of_the_driver_s_error_is_kept_but_what_is_shown(open_store: Opener, path: pathlib.Path) -> None:
    path.write_bytes(b"this is not a database" * 100)

    with pytest.raises(StoreUnavailable) as caught:
        open_store().load(new_key())

    cause = caught.value.__cause__
    assert cause is not None
    assert str(cause) == "sqlite3.DatabaseError: file is not a database"
    assert (caught.value.__context__, cause.__context__, cause.__traceback__) == (None, None, None)


def test_a_store_that_is_dropped_leaves_no_connection_open(path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[sqlite3.Connection] = []

    def open_one(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", open_one)
    SQLiteStore(path).load(new_key())

    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


def test_after_an_error_it_connects_anew(open_store: Opener, path: pathlib.Path) -> None:
    store, key = open_store(), new_key()
    store.create(key, b"payload", 60)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("DROP TABLE sessionware_sessions")
    connection.close()
    with pytest.raises(StoreUnavailable):
        store.load(key)

    version = store.create(key, b"payload", 60)

    assert store.load(key) == (b"payload", version)


def test_a_file_that_is_no_database_is_unavailable(open_store: Opener, path: pathlib.Path) -> None:
    path.write_bytes(b"this is not a database" * 100)

    with pytest.raises(StoreUnavailable):
        open_store().load(new_key())


def test_a_directory_that_vanished_is_unavailable(tmp_path: pathlib.Path) -> None:
    directory = tmp_path / "directory"
    directory.mkdir()
    store = SQLiteStore(directory / "sessions.db")
    directory.rmdir()

    with pytest.raises(StoreUnavailable):
        store.load(new_key())


def test_a_place_without_wal_is_unavailable(
    open_store: Opener, path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: connect(":memory:", **options))
    with pytest.raises(StoreUnavailable) as caught:
        open_store().load(new_key())

    assert "local disk" in str(caught.value.__cause__)


@pytest.mark.parametrize("size", [pytest.param(10**9 + 1, id="sqlite"), pytest.param(2**31, id="python")])
def test_a_payload_beyond_the_limit_is_too_large(open_store: Opener, size: int) -> None:
    store, key = open_store(), new_key()

    with pytest.raises(RecordTooLarge):
        store.create(key, bytes(size), 60)

    assert store.load(key) is None


@pytest.mark.parametrize(
    ("path", "word"),
    [
        pytest.param("", "memory", id="empty"),
        pytest.param(":memory:", "memory", id="memory"),
        pytest.param("file::memory:?cache=shared", "memory", id="memory-url"),
        pytest.param("/", "is a directory", id="directory"),
        pytest.param("/no/such/directory/sessions.db", "does not exist", id="no-directory"),
    ],
)
def test_a_path_that_cannot_be_a_database_is_refused_at_start(path: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        SQLiteStore(path)


@pytest.mark.parametrize("timeout", [0, -1, "soon", None])
def test_a_timeout_that_is_no_duration_is_refused_at_start(path: pathlib.Path, timeout: object) -> None:
    with pytest.raises(ConfigError, match="timeout"):
        SQLiteStore(path, timeout=timeout)  # type: ignore[arg-type]


def test_a_relative_path_stays_where_it_was(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("sessions.db")
    monkeypatch.chdir("/")

    store.create(new_key(), b"payload", 60)
    store.close()

    assert (tmp_path / "sessions.db").exists()


def test_close_leaves_no_journal(open_store: Opener, path: pathlib.Path) -> None:
    store = open_store()
    store.create(new_key(), b"payload", 60)

    store.close()

    assert [file.name for file in path.parent.iterdir()] == ["sessions.db"]


def test_threads_in_turn_share_one_connection(open_store: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store()
    store.load(new_key())
    monkeypatch.setattr(sqlite3, "connect", None)
    found: list[object] = []

    for _ in range(3):
        thread = threading.Thread(target=lambda: found.append(store.load(new_key())))
        thread.start()
        thread.join()

    assert found == [None] * 3


def test_writes_remove_what_has_expired_on_their_way(open_store: Opener, path: pathlib.Path) -> None:
    clock = FakeClock()
    store = open_store(clock=clock)
    for _ in range(50):
        store.create(new_key(), b"payload", 60)
    clock.advance(60)

    key = new_key()
    version = store.create(key, b"payload", 60)
    for _ in range(99):
        version = store.replace(key, b"payload", 60, version)

    reader = sqlite3.connect(path)
    assert reader.execute("SELECT key FROM sessionware_sessions").fetchall() == [(key,)]
    reader.close()


def test_purge_works_in_batches(open_store: Opener) -> None:
    clock = FakeClock()
    store = open_store(clock=clock)
    for _ in range(1100):
        store.create(new_key(), b"", 60)
    clock.advance(60)

    assert (store.purge(limit=550), store.purge(), store.purge()) == (550, 550, 0)


def test_purge_uses_the_index(open_store: Opener, path: pathlib.Path) -> None:
    open_store().load(new_key())

    reader = sqlite3.connect(path)
    plan = reader.execute(
        "EXPLAIN QUERY PLAN SELECT key FROM sessionware_sessions WHERE expires_at <= 1 LIMIT 1"
    ).fetchall()
    reader.close()

    assert "sessionware_sessions_expiry" in plan[0][-1]


def test_a_child_that_forked_unseen_by_python_opens_a_connection_of_its_own(open_store: Opener) -> None:
    """As a server in C forks its workers, without a word to Python."""
    store, key = open_store(), new_key()
    version = store.create(key, b"payload", 60)

    child = ctypes.PyDLL(None).fork()
    if child == 0:
        entry = store.load(key)
        store.close()
        os._exit(0 if entry == (b"payload", version) else 1)
    _, status = os.waitpid(child, 0)

    assert status == 0
    assert store.load(key) == (b"payload", version)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_no_connection_is_open_while_the_process_forks(open_store: Opener, path: pathlib.Path) -> None:
    """SQLite removes the journal with the last connection, so a child that sees none has inherited none."""
    store = open_store()
    store.load(new_key())
    journal = pathlib.Path(f"{path}-wal")
    assert journal.exists()

    child = os.fork()
    if child == 0:
        os._exit(1 if journal.exists() else 0)
    _, status = os.waitpid(child, 0)

    assert status == 0


def test_four_processes_write_one_database_and_none_finds_it_locked(path: pathlib.Path) -> None:
    script = """
        import sys
        from sessionware.exceptions import AlreadyExists, Conflict
        from sessionware.stores import SQLiteStore
        sys.stdin.readline()
        store, shared = SQLiteStore(sys.argv[1]), "s" * 43
        for number in range(100):
            try:
                store.create(shared, b"0", 60)
            except AlreadyExists:
                pass
            while True:
                entry = store.load(shared)
                try:
                    store.replace(shared, b"%d" % (int(entry.payload) + 1), 60, entry.version)
                except Conflict:
                    continue
                break
            key = (sys.argv[2] + str(number)).rjust(43, "x")
            store.replace(key, b"new", 60, store.create(key, b"old", 60))
            if number % 10 == 0:
                store.close()
            assert store.delete(key)
        store.close()
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(path)]
    processes = [
        subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    complaints = [process.communicate(timeout=60)[1] for process in processes]

    store = SQLiteStore(path)
    entry = store.load("s" * 43)
    store.close()
    assert complaints == [""] * 4
    assert entry is not None
    assert entry.payload == b"400"


def test_a_writer_that_is_killed_leaves_the_old_or_the_new_record(open_store: Opener, path: pathlib.Path) -> None:
    store, key = open_store(), new_key()
    store.create(key, b"0" * 50_000, 600)
    script = """
        import sys
        from sessionware.stores import SQLiteStore
        store, key = SQLiteStore(sys.argv[1]), sys.argv[2]
        entry = store.load(key)
        number, version = entry.payload[0], entry.version
        print("ready", flush=True)
        while True:
            number = (number + 1) % 256
            version = store.replace(key, bytes([number]) * 50_000, 600, version)
            print(number, flush=True)
    """
    rounds = 0

    for _ in range(20):
        with start_python(script, path, key) as writer:
            assert writer.stdout is not None
            for _ in range(1 + secrets.randbelow(4)):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        entry = store.load(key)
        assert entry is not None
        assert entry.payload == entry.payload[:1] * 50_000
        store.replace(key, entry.payload, 600, entry.version)
        rounds += 1

    assert rounds == 20


def test_a_full_disk_is_unavailable(path: pathlib.Path) -> None:
    script = """
        import resource, sys
        from sessionware.exceptions import StoreUnavailable
        from sessionware.stores import SQLiteStore
        store = SQLiteStore(sys.argv[1])
        version = store.create("x" * 43, b"old", 60)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            store.replace("x" * 43, bytes(300_000), 60, version)
        except StoreUnavailable as error:
            print(error.__cause__)
        print(store.load("x" * 43) == (b"old", version))
    """

    output, complaints = start_python(script, path).communicate(timeout=30)

    cause, is_whole = output.splitlines() or ["", ""]
    assert cause.startswith("sqlite3.OperationalError: "), complaints
    assert is_whole == "True"


def test_a_database_that_cannot_be_written_is_unavailable_before_its_timeout(public_directory: pathlib.Path) -> None:
    """Root cannot see this fault, for no mode keeps root out; so the test gives its rights up."""
    path = public_directory / "sessions.db"
    store = SQLiteStore(path)
    store.create("x" * 43, b"payload", 60)
    store.close()
    public_directory.chmod(0o555)
    path.chmod(0o444)
    script = """
        import os, sys
        from sessionware.exceptions import StoreUnavailable
        from sessionware.stores import SQLiteStore
        if os.geteuid() == 0:
            os.setegid(65534), os.seteuid(65534)
        store = SQLiteStore(sys.argv[1], timeout=600)
        try:
            store.create("y" * 43, b"", 60)
        except StoreUnavailable as error:
            print(error.__cause__)
    """

    output, complaints = start_python(script, path).communicate(timeout=30)

    assert output.startswith("sqlite3.OperationalError: "), complaints
