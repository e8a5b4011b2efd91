"""The store in an SQLite database."""

from __future__ import annotations

import contextlib
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
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from sessionware.exceptions import ConfigError, Conflict, Gone, RecordTooLarge, StoreUnavailable
from sessionware.stores import SQLiteStore
from sessionware.testing import FakeClock, StoreConformance
from sessionware.testing.conformance.fixtures import new_key


class TestSQLiteStore(StoreConformance):
    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: pathlib.Path) -> None:
        self.path = tmp_path / "sessions.db"

    def make_store(self, clock: FakeClock) -> SQLiteStore:
        return SQLiteStore(self.path, timeout=60, clock=clock)


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
    store = open_store()
    path.write_bytes(b"this is not a database" * 100)

    with pytest.raises(StoreUnavailable) as caught:
        store.load(new_key())

    cause = caught.value.__cause__
    assert cause is not None
    assert str(caught.value) == f"the SQLite store at {path}: opening it failed: {cause}"
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


def test_a_file_that_is_no_database_is_refused_at_start(path: pathlib.Path) -> None:
    path.write_bytes(b"this is not a database" * 100)

    with pytest.raises(ConfigError, match=r"sessions\.db: file is not a database"):
        SQLiteStore(path)


@pytest.mark.parametrize(
    "table",
    [
        pytest.param("TABLE sessionware_sessions (id TEXT PRIMARY KEY, data BLOB)", id="other columns"),
        pytest.param(
            "TABLE sessionware_sessions (key TEXT, payload BLOB, version INTEGER, expires_at REAL)", id="no primary key"
        ),
        pytest.param("VIEW sessionware_sessions AS SELECT 1", id="a view"),
    ],
)
def test_a_table_of_another_form_is_refused_at_start(path: pathlib.Path, table: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as application:
        application.execute(f"CREATE {table}")

    with pytest.raises(ConfigError, match=r"sessions\.db: .*sessionware_sessions.* has another form"):
        SQLiteStore(path)


def test_a_table_of_another_form_that_comes_later_is_unavailable_and_says_so(
    open_store: Opener, path: pathlib.Path
) -> None:
    store = open_store()
    with contextlib.closing(sqlite3.connect(path)) as application:
        application.execute("CREATE TABLE sessionware_sessions (id)")

    with pytest.raises(StoreUnavailable, match="sessionware_sessions has another form"):
        store.load(new_key())


def test_the_look_at_start_waits_for_nobody_and_leaves_nothing_open(open_store: Opener, path: pathlib.Path) -> None:
    store, key = open_store(), new_key()
    version = store.create(key, b"payload", 60)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        another = open_store(timeout=600)
    store.close()

    assert time.monotonic() - started < 60
    assert [file.name for file in path.parent.iterdir()] == ["sessions.db"]
    assert another.load(key) == (b"payload", version)


def test_a_link_to_nowhere_is_refused_at_start(path: pathlib.Path) -> None:
    path.symlink_to(path.parent / "nowhere.db")

    with pytest.raises(ConfigError, match=r"sessions\.db, is a symbolic link to .*nowhere\.db, which does not exist"):
        SQLiteStore(path)


@pytest.mark.usefixtures("open_umask")
def test_a_file_that_is_made_at_the_target_of_a_link_is_for_its_owner_alone(
    open_store: Opener, path: pathlib.Path
) -> None:
    store, target = open_store(), path.parent / "target.db"
    path.symlink_to(target)

    store.create(new_key(), b"payload", 60)

    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def rows_in(path: pathlib.Path) -> list[tuple[bytes]]:
    with contextlib.closing(sqlite3.connect(path)) as reader:
        assert reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return reader.execute("SELECT payload FROM sessionware_sessions").fetchall()


def remove(path: pathlib.Path) -> None:
    path.unlink()


def replace_by_a_copy_with_another_session(path: pathlib.Path) -> None:
    """Without a word to the journals, which SQLite would then lay over the copy."""
    other = SQLiteStore(path.parent / "other.db")
    for letter in "abc":
        other.create(letter * 43, b"restored" * 1000, 60)
    other.delete("b" * 43)
    other.close()
    (path.parent / "other.db").replace(path)


def restored_in(path: pathlib.Path) -> int:
    return rows_in(path).count((b"restored" * 1000,))


@pytest.mark.parametrize(("put_away", "restored"), [(remove, 0), (replace_by_a_copy_with_another_session, 2)])
def test_a_database_that_is_removed_or_replaced_is_not_used_any_more(
    put_away: Callable[[pathlib.Path], None], restored: int, open_store: Opener, path: pathlib.Path
) -> None:
    store, another, key = open_store(), open_store(), new_key()
    version = store.create(key, b"payload", 60)
    assert another.load(key) == (b"payload", version)

    put_away(path)

    assert store.load(key) is None
    with pytest.raises(Gone):
        another.replace(key, b"payload", 60, version)
    store.create(key, b"new", 60)
    another.create(new_key(), b"new", 60)
    assert restored_in(path) == restored
    assert rows_in(path).count((b"new",)) == 2


@pytest.mark.parametrize(("put_away", "restored"), [(remove, 0), (replace_by_a_copy_with_another_session, 2)])
def test_processes_notice_one_after_the_other_that_a_database_is_removed_or_replaced(
    put_away: Callable[[pathlib.Path], None], restored: int, open_store: Opener, path: pathlib.Path
) -> None:
    script = """
        import sys
        from sessionware.stores import SQLiteStore
        store = SQLiteStore(sys.argv[1])
        for line in sys.stdin:
            store.create(line.strip(), b"child's", 60)
            print("done", flush=True)
        store.close()
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(path)]
    store = open_store()
    store.create(new_key(), b"old", 60)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as child:
        assert child.stdin is not None
        assert child.stdout is not None

        def write_in_child() -> str:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(f"{new_key()}\n")
            return child.stdout.readline()

        answers = [write_in_child()]
        put_away(path)
        store.create(new_key(), b"parent's", 60)
        answers += [write_in_child(), write_in_child()]
        store.create(new_key(), b"parent's", 60)
        child.stdin.close()
        rest = child.stdout.read()

    store.close()
    assert (answers, rest) == (["done\n"] * 3, "")
    assert restored_in(path) == restored
    assert [rows_in(path).count((payload,)) for payload in (b"old", b"parent's", b"child's")] == [0, 2, 2]


def test_a_link_that_is_turned_to_another_database_is_followed(open_store: Opener, path: pathlib.Path) -> None:
    first, second = path.parent / "first.db", path.parent / "second.db"
    path.symlink_to(first)
    first.touch(0o600)
    store, key = open_store(), new_key()
    store.create(key, b"first", 60)

    path.unlink()
    path.symlink_to(second)
    store.create(key, b"second", 60)

    store.close()
    assert (rows_in(first), rows_in(second)) == ([(b"first",)], [(b"second",)])


@pytest.mark.parametrize(
    ("directory_mode", "file_mode"), [(0o555, None), (0o777, 0o444)], ids=["the directory", "the file"]
)
def test_a_database_without_the_right_to_write_is_refused_at_start(
    public_directory: pathlib.Path, directory_mode: int, file_mode: int | None
) -> None:
    """Root cannot see this fault, for no mode keeps root out; so the test gives its rights up."""
    path = public_directory / "sessions.db"
    if file_mode is not None:
        path.touch()
        path.chmod(file_mode)
    public_directory.chmod(directory_mode)
    script = """
        import os, sys
        from sessionware.exceptions import ConfigError
        from sessionware.stores import SQLiteStore
        if os.geteuid() == 0:
            os.setegid(65534), os.seteuid(65534)
        try:
            SQLiteStore(sys.argv[1])
        except ConfigError as error:
            print(error)
    """

    output, complaints = start_python(script, path).communicate(timeout=200)

    place = public_directory if file_mode is None else path
    assert f"cannot write to {place}: " in output, complaints


@pytest.mark.parametrize(
    ("directory_mode", "file_mode", "is_told"),
    [
        pytest.param(0o777, 0o600, True, id="a directory"),
        pytest.param(0o700, 0o666, True, id="a file"),
        pytest.param(0o1777, 0o600, True, id="a directory in which every user makes files"),
        pytest.param(0o755, 0o644, False, id="neither"),
    ],
)
def test_what_every_user_can_write_to_is_a_warning_at_start(
    path: pathlib.Path, directory_mode: int, file_mode: int, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    path.touch()
    path.chmod(file_mode)
    path.parent.chmod(directory_mode)

    SQLiteStore(path)

    assert ("every user of this machine can write to" in caplog.text) == is_told


def test_the_home_directory_may_be_written_as_a_shell_writes_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    store = SQLiteStore("~/sessions.db")

    store.create(new_key(), b"payload", 60)
    store.close()

    assert (tmp_path / "sessions.db").exists()


# The end of an entry


def end_of(path: pathlib.Path) -> float:
    with contextlib.closing(sqlite3.connect(path)) as reader:
        end: float = reader.execute("SELECT expires_at FROM sessionware_sessions").fetchone()[0]
        return end


def test_a_write_leaves_the_end_alone_that_moves_less_than_a_thirty_second_of_the_ttl(
    open_store: Opener, path: pathlib.Path
) -> None:
    """The index of the ends would be half of what each write adds to the journal."""
    clock = FakeClock(0)
    store, key = open_store(clock=clock), new_key()
    version = store.replace(key, b"payload", 3200, store.create(key, b"payload", 3200))
    before = end_of(path)

    ends = []
    for _ in range(4):
        clock.advance(50)
        version = store.replace(key, b"payload", 3200, version)
        assert store.load(key) == (b"payload", version)
        ends.append(end_of(path))

    assert before == 3200
    assert ends == [3350, 3350, 3350, 3500]


@pytest.mark.parametrize("ttl", [None, 10, 3100, 3300, 100_000])
def test_an_end_that_moves_further_is_written_and_never_too_early(
    open_store: Opener, path: pathlib.Path, ttl: float | None
) -> None:
    clock = FakeClock(0)
    store, key = open_store(clock=clock), new_key()

    store.replace(key, b"payload", ttl, store.create(key, b"payload", 3200))

    end = end_of(path)
    assert end is None if ttl is None else ttl <= end <= ttl * 33 / 32


def test_an_entry_is_purged_when_its_end_has_come_for_certain(open_store: Opener) -> None:
    clock = FakeClock(0)
    store, key = open_store(clock=clock), new_key()
    version = store.create(key, b"payload", 3200)
    clock.advance(50)
    store.replace(key, b"payload", 3200, version)

    clock.advance(3199)
    early = store.purge()
    clock.advance(101)

    assert (early, store.purge()) == (0, 1)


@pytest.mark.parametrize("version", [7, b"version", (7, None), None])
def test_a_version_of_no_write_of_its_own_replaces_nothing(open_store: Opener, version: object) -> None:
    store, key = open_store(), new_key()
    created = store.create(key, b"payload", 60)

    with pytest.raises(Conflict):
        store.replace(key, b"late", 60, version)
    with pytest.raises(Gone):
        store.replace(new_key(), b"late", 60, version)

    assert store.load(key) == (b"payload", created)


@pytest.mark.parametrize("end", [None, "text", b"bytes"])
@pytest.mark.parametrize("payload", ["text", 7, 0.5])
def test_a_row_of_another_program_is_read_as_bytes_and_can_be_replaced(
    open_store: Opener, path: pathlib.Path, payload: object, end: object
) -> None:
    store = open_store()
    store.create("key", b"payload", 60)
    with contextlib.closing(connect(path)) as database, database:
        database.execute("UPDATE sessionware_sessions SET payload = ?, expires_at = ?", (payload, end))

    found = store.load("key")
    assert found is not None
    store.replace("key", b"new", 60, found.version)
    replaced = store.load("key")

    assert found.payload == str(payload).encode()
    assert replaced is not None
    assert replaced.payload == b"new"


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


def test_what_is_no_ordinary_file_is_refused_at_start(path: pathlib.Path) -> None:
    os.mkfifo(path)

    for special in (path, "/dev/null"):
        with pytest.raises(ConfigError, match="no ordinary file"):
            SQLiteStore(special)


def test_a_path_in_bytes_is_refused_at_start(path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match=r"bytes.*os\.fsdecode"):
        SQLiteStore(os.fsencode(path))  # type: ignore[arg-type]


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
        store, shared = SQLiteStore(sys.argv[1], timeout=60), "s" * 43
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

    complaints = [process.communicate(timeout=200)[1] for process in processes]

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

    output, complaints = start_python(script, path).communicate(timeout=200)

    cause, is_whole = output.splitlines() or ["", ""]
    assert cause.startswith("sqlite3.OperationalError: "), complaints
    assert is_whole == "True"


def test_a_database_that_cannot_be_written_is_unavailable_before_its_timeout(public_directory: pathlib.Path) -> None:
    """Root cannot see this fault, for no mode keeps root out; so the test gives its rights up."""
    path = public_directory / "sessions.db"
    script = """
        import os, sys
        from sessionware.exceptions import StoreUnavailable
        from sessionware.stores import SQLiteStore
        path = sys.argv[1]
        store = SQLiteStore(path, timeout=600)
        store.create("x" * 43, b"payload", 60)
        store.close()
        os.chmod(os.path.dirname(path), 0o555)
        os.chmod(path, 0o444)
        if os.geteuid() == 0:
            os.setegid(65534), os.seteuid(65534)
        try:
            store.create("y" * 43, b"", 60)
        except StoreUnavailable as error:
            print(error)
    """

    output, complaints = start_python(script, path).communicate(timeout=200)

    assert output.startswith(f"the SQLite store at {path}: opening it failed: sqlite3.OperationalError: "), complaints
