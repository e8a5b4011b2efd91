"""The store of files."""

from __future__ import annotations

import errno
import fcntl
import inspect
import logging
import os
import pathlib
import secrets
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from types import FrameType

import pytest

from sessionware.exceptions import AlreadyExists, ConfigError, Gone, StoreUnavailable
from sessionware.stores import FileStore
from sessionware.testing import FakeClock, StoreConformance
from sessionware.testing.conformance.fixtures import new_key


class TestFileStore(StoreConformance):
    without = ("close",)

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: pathlib.Path) -> None:
        self.path = tmp_path / "sessions"

    def make_store(self, clock: FakeClock) -> FileStore:
        return FileStore(self.path, clock=clock)


@pytest.fixture
def root(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "deep" / "sessions"


@pytest.fixture
def store(root: pathlib.Path) -> FileStore:
    return FileStore(root)


def files_in(root: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in root.rglob("*") if path.is_file() and path.name != ".lock")


def file_of(root: pathlib.Path, key: str) -> pathlib.Path:
    return next(path for path in files_in(root) if path.name == key)


def run_python(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)


def test_making_a_store_touches_no_file(root: pathlib.Path) -> None:
    FileStore(root)

    assert not root.exists()


def test_reading_and_deleting_leave_nothing_behind(store: FileStore, root: pathlib.Path) -> None:
    store.load(new_key())
    store.delete(new_key())
    with pytest.raises(Gone):
        store.replace(new_key(), b"payload", 60, b"version")
    store.purge()

    assert not root.exists()


@pytest.mark.usefixtures("open_umask")
def test_files_and_directories_are_for_their_owner_alone(store: FileStore, root: pathlib.Path) -> None:
    store.create(new_key(), b"payload", 60)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in root.rglob("*") if path.is_file()}
    directories = [root.parent, root, *(path for path in root.rglob("*") if path.is_dir())]

    assert modes == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in directories} == {0o700}


@pytest.mark.usefixtures("open_umask")
def test_a_file_is_for_its_owner_alone_from_its_first_moment(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    replace = os.replace

    def look(source: str, target: str) -> None:
        modes.append(stat.S_IMODE(os.stat(source).st_mode))
        replace(source, target)

    monkeypatch.setattr(os, "replace", look)
    store.create(new_key(), b"payload", 60)

    assert modes == [0o600]


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("../../../" + "a" * 34, id="dots"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("a" * 42 + "\n", id="newline"),
        pytest.param("a" * 43 + "\n", id="newline-behind"),
        pytest.param("a" * 42 + "\0", id="nul"),
        pytest.param("a" * 42, id="short"),
        pytest.param("a" * 5000, id="long"),
        pytest.param("", id="empty"),
        pytest.param("\u0661" * 43, id="foreign-digits"),
        pytest.param("." * 43, id="hidden"),
    ],
)
def test_what_is_no_key_touches_no_file(root: pathlib.Path, key: str, tmp_path: pathlib.Path) -> None:
    store = FileStore(root)

    with pytest.raises(ValueError, match="43 characters"):
        store.create(key, b"payload", 60)
    with pytest.raises(Gone):
        store.replace(key, b"payload", 60, b"version")

    assert (store.load(key), store.delete(key)) == (None, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\x00" * 4096, id="zeros"),
        pytest.param(b"swE1", id="header-cut-off"),
        pytest.param(None, id="payload-cut-off"),
    ],
)
def test_a_file_that_is_not_whole_counts_as_missing(
    store: FileStore, root: pathlib.Path, content: bytes | None
) -> None:
    key = new_key()
    version = store.create(key, b"payload", 60)
    file = file_of(root, key)
    file.write_bytes(file.read_bytes()[:-1] if content is None else content)

    with pytest.raises(Gone):
        store.replace(key, b"payload", 60, version)

    assert (store.load(key), store.delete(key)) == (None, False)
    store.create(key, b"another", 60)
    assert store.load(key) is not None


def test_a_foreign_file_in_the_place_of_an_entry_is_neither_read_nor_touched(
    store: FileStore, root: pathlib.Path
) -> None:
    key = new_key()
    version = store.create(key, b"payload", 60)
    file = file_of(root, key)
    file.write_bytes(b"another program's")

    with pytest.raises(AlreadyExists):
        store.create(key, b"another", 60)
    with pytest.raises(Gone):
        store.replace(key, b"another", 60, version)

    assert (store.load(key), store.delete(key)) == (None, False)
    assert file.read_bytes() == b"another program's"


def test_purge_removes_what_killed_processes_left_after_an_hour(store: FileStore, root: pathlib.Path) -> None:
    key, broken = new_key(), new_key()
    store.create(key, b"payload", 60)
    store.create(broken, b"payload", 60)
    file_of(root, broken).write_bytes(b"swE1half")
    directory = file_of(root, key).parent
    old, young = directory / "0123456789abcdef.tmp", directory / "fedcba9876543210.tmp"
    for file in (old, young):
        file.write_bytes(b"swE1half")
    for file in (old, file_of(root, broken)):
        os.utime(file, (0, 0))

    count = store.purge()

    assert count == 0
    assert files_in(root) == sorted([file_of(root, key), young])


def test_purge_leaves_files_alone_that_are_not_ours(store: FileStore, root: pathlib.Path) -> None:
    key = new_key()
    store.create(key, b"payload", 60)
    names = ["notes.txt", "notes.tmp", "0123456789abcdef.tmp", key[:2] + "n" * 41, "-" + key[1:]]
    foreign = [root / "README", *(file_of(root, key).parent / name for name in names)]
    for file in foreign:
        file.write_text("mine")
        os.utime(file, (0, 0))

    store.purge()

    assert [file.exists() for file in foreign] == [True] * 6


def test_purge_leaves_alone_what_stands_in_another_directory_than_it_would(root: pathlib.Path) -> None:
    clock = FakeClock()
    store, key = FileStore(root, clock=clock), "A" + new_key()[1:]
    store.create(key, b"payload", 60)
    moved = root / "B" / key[1] / key
    moved.parent.mkdir(parents=True)
    file_of(root, key).rename(moved)
    clock.advance(60)

    assert (store.purge(), moved.exists()) == (0, True)


def test_purge_goes_on_where_a_directory_or_a_link_has_the_name_of_an_entry(root: pathlib.Path) -> None:
    clock = FakeClock()
    store, key = FileStore(root, clock=clock), new_key()
    store.create(key, b"payload", 60)
    directory = file_of(root, key).parent
    (directory / (key[:2] + "d" * 41)).mkdir()
    (directory / (key[:2] + "l" * 41)).symlink_to("nowhere")
    clock.advance(60)

    assert store.purge() == 1
    assert len(list(directory.iterdir())) == 2


def test_writes_remove_what_has_expired_on_their_way(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    store = FileStore(root, clock=clock)
    for _ in range(64):
        for first in "AB":
            store.create(first + new_key()[1:], b"payload", 60)
    clock.advance(60)
    monkeypatch.setattr("random.choice", lambda alphabet: "A")

    key = "B" + new_key()[1:]
    version = store.create(key, b"payload", 1000)
    for _ in range(99):
        version = store.replace(key, b"payload", 1000, version)

    names = [file.name[0] for file in files_in(root)]
    assert (names.count("A"), names.count("B")) == (0, 65)


def test_a_sweep_stops_after_its_share(root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    store = FileStore(root, clock=clock)
    monkeypatch.setattr("random.choice", lambda alphabet: "A")
    for second in "AB":
        for _ in range(210):
            store.create("A" + second + new_key()[2:], b"payload", 60)
    clock.advance(60)

    key = "B" + new_key()[1:]
    version = store.create(key, b"payload", 1000)
    for _ in range(99):
        version = store.replace(key, b"payload", 1000, version)

    assert len(files_in(root)) == 211


def test_a_sweep_that_fails_is_a_line_of_the_log_and_does_not_fail_the_write(
    store: FileStore, root: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "sessionware")
    for first in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-":
        (root / first).parent.mkdir(parents=True, exist_ok=True)
        (root / first).write_text("a file where a directory should be")
    key = "_" + new_key()[1:]
    version = store.create(key, b"payload", 60)

    for _ in range(99):
        version = store.replace(key, b"payload", 60, version)

    assert store.load(key) == (b"payload", version)
    (told,) = [record for record in caplog.records if "were not removed" in record.getMessage()]
    assert told.levelno == logging.DEBUG
    assert f"the file store at {root}: sweep failed: NotADirectoryError" in told.getMessage()
    assert key not in caplog.text


def test_an_error_of_the_system_is_unavailable_and_shows_no_key(store: FileStore, root: pathlib.Path) -> None:
    key = new_key()
    store.create(key, b"payload", 60)
    file = file_of(root, key)
    file.unlink()
    file.mkdir()

    with pytest.raises(StoreUnavailable) as caught:
        store.load(key)

    assert str(caught.value) == (
        f"the file store at {root}: load failed: IsADirectoryError: [Errno {errno.EISDIR}] Is a directory"
    )
    assert (caught.value.__context__, type(caught.value.__cause__)) == (None, IsADirectoryError)
    assert key not in f"{caught.value}{caught.value!r}{caught.value.__cause__}{caught.value.__cause__!r}"


def test_a_full_disk_is_unavailable_and_leaves_no_litter(store: FileStore, root: pathlib.Path) -> None:
    key = new_key()
    version = store.create(key, b"old", 60)
    assert isinstance(version, bytes)
    script = """
        import resource, sys
        from sessionware.exceptions import StoreUnavailable
        from sessionware.stores import FileStore
        store = FileStore(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        for call in [lambda: store.replace(sys.argv[2], bytes(5000), 60, bytes.fromhex(sys.argv[3])),
                     lambda: store.create("x" * 43, bytes(5000), 60)] * 10:
            try:
                call()
            except StoreUnavailable as error:
                print(type(error.__cause__).__name__, error.__cause__.errno)
    """

    result = run_python(script, root, key, version.hex())

    assert result.stdout.splitlines() == [f"OSError {errno.EFBIG}"] * 20, result.stderr
    assert [file.name for file in files_in(root)] == [key]
    assert store.load(key) == (b"old", version)


def test_a_write_flushes_nothing_to_the_disk(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush takes longer than all the rest; a rename alone keeps the old entry or the new one."""
    for name in ("fsync", "fdatasync", "sync"):
        monkeypatch.setattr(os, name, None)
    key = new_key()

    version = store.replace(key, b"new", 60, store.create(key, b"old", 60))

    assert store.load(key) == (b"new", version)


def test_a_disk_that_refuses_the_rename_is_unavailable_and_leaves_no_litter(
    store: FileStore, root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StoreUnavailable):
        store.create(new_key(), b"payload", 60)

    assert files_in(root) == []


def test_a_directory_that_cannot_be_written_is_unavailable(public_directory: pathlib.Path) -> None:
    """Root cannot see this fault, for no mode keeps root out; so the test gives its rights up."""
    root = public_directory / "sessions"
    script = """
        import os, pathlib, sys
        from sessionware.exceptions import StoreUnavailable
        from sessionware.stores import FileStore
        root = pathlib.Path(sys.argv[1])
        store = FileStore(root)
        store.create("a" * 43, b"payload", 60)
        for path in (root, *root.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:
            os.setegid(65534), os.seteuid(65534)
        entry = store.load("a" * 43)
        for call in [lambda: store.create("aa" + "b" * 41, b"", 60), lambda: store.create("b" * 43, b"", 60),
                     lambda: store.replace("a" * 43, b"", 60, entry.version), lambda: store.delete("a" * 43)]:
            try:
                call()
            except StoreUnavailable as error:
                print(error)
        print(entry.payload)
    """

    result = run_python(script, root)

    refused = f"failed: PermissionError: [Errno {errno.EACCES}] Permission denied"
    assert result.stdout.splitlines() == [
        f"the file store at {root}: create {refused}",
        f"the file store at {root}: create {refused}",
        f"the file store at {root}: replace {refused}",
        f"the file store at {root}: opening a lock {refused}",
        "b'payload'",
    ], result.stderr


def test_a_writer_that_is_killed_leaves_the_old_or_the_new_record(store: FileStore, root: pathlib.Path) -> None:
    key = new_key()
    store.create(key, b"0" * 50_000, 600)
    script = """
        import sys
        from sessionware.stores import FileStore
        store, key = FileStore(sys.argv[1]), sys.argv[2]
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
        command = [sys.executable, "-c", textwrap.dedent(script), str(root), key]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(1 + secrets.randbelow(4)):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        entry = store.load(key)
        assert entry is not None
        assert entry.payload == entry.payload[:1] * 50_000
        # The lock died with its owner.
        store.replace(key, entry.payload, 600, entry.version)
        rounds += 1

    assert rounds == 20


@pytest.mark.parametrize("path", [pytest.param("", id="empty"), pytest.param(__file__, id="a-file")])
def test_a_path_that_cannot_be_a_directory_is_refused_at_start(path: str) -> None:
    with pytest.raises(ConfigError, match="path of the file store"):
        FileStore(path)


def test_a_path_in_bytes_is_refused_at_start(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ConfigError, match=r"bytes.*os\.fsdecode"):
        FileStore(os.fsencode(tmp_path))  # type: ignore[arg-type]


def test_a_link_to_nowhere_is_refused_at_start(tmp_path: pathlib.Path) -> None:
    """A directory made at its target may lie below a disk that is not mounted yet."""
    link = tmp_path / "sessions"
    link.symlink_to(tmp_path / "nowhere")

    with pytest.raises(ConfigError, match=r"sessions, is a symbolic link to .*nowhere, which does not exist"):
        FileStore(link)


def test_a_link_to_a_directory_is_taken(tmp_path: pathlib.Path) -> None:
    (tmp_path / "directory").mkdir(mode=0o700)
    (tmp_path / "sessions").symlink_to(tmp_path / "directory")

    FileStore(tmp_path / "sessions").create(new_key(), b"payload", 60)

    assert len(files_in(tmp_path / "directory")) == 1


def test_a_directory_that_becomes_a_link_to_nowhere_is_unavailable(store: FileStore, root: pathlib.Path) -> None:
    root.parent.mkdir()
    root.symlink_to(root.parent / "nowhere")

    with pytest.raises(StoreUnavailable):
        store.create(new_key(), b"payload", 60)


@pytest.mark.parametrize(
    ("mode", "is_told"), [(0o777, True), (0o757, True), (0o1777, True), (0o755, False), (0o2770, False)]
)
def test_a_directory_that_every_user_can_write_to_is_a_warning_at_start(
    root: pathlib.Path, mode: int, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Another user could keep a session that is ended, and put it back."""
    root.mkdir(parents=True)
    root.chmod(mode)

    FileStore(root).create(new_key(), b"payload", 60)

    assert (f"every user of this machine can write to {root}" in caplog.text) == is_told


@pytest.mark.parametrize("below", ["", "/sessions", "/deep/sessions"])
def test_a_directory_without_the_right_to_write_is_refused_at_start(public_directory: pathlib.Path, below: str) -> None:
    """Root cannot see this fault, for no mode keeps root out; so the test gives its rights up."""
    public_directory.chmod(0o555)
    script = """
        import fcntl, os, sys  # while it may still read Python's own files
        from sessionware.exceptions import ConfigError
        from sessionware.stores import FileStore
        if os.geteuid() == 0:
            os.setegid(65534), os.seteuid(65534)
        try:
            FileStore(sys.argv[1])
        except ConfigError as error:
            print(error)
    """

    result = run_python(script, f"{public_directory}{below}")

    assert f"cannot write to {public_directory}" in result.stdout, result.stderr


def test_a_path_below_a_file_is_refused_at_start(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match="file, is not a directory"):
        FileStore(tmp_path / "file" / "sessions")


def test_the_home_directory_may_be_written_as_a_shell_writes_it(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    FileStore("~/sessions").create(new_key(), b"payload", 60)

    assert len(files_in(tmp_path / "sessions")) == 1


def test_a_home_directory_that_does_not_exist_is_refused_at_start() -> None:
    with pytest.raises(ConfigError, match="no home directory"):
        FileStore("~no-such-user/sessions")


def test_a_lock_that_is_a_link_is_not_followed(store: FileStore, root: pathlib.Path, tmp_path: pathlib.Path) -> None:
    key, victim = new_key(), tmp_path / "victim"
    (root / key[0] / key[1]).mkdir(parents=True)
    (root / key[0] / ".lock").symlink_to(victim)

    with pytest.raises(StoreUnavailable, match="opening a lock failed"):
        store.create(key, b"payload", 60)

    assert not victim.exists()
    assert files_in(root) == []


def test_an_entry_that_is_a_link_is_not_followed(store: FileStore, root: pathlib.Path) -> None:
    key, other = new_key(), new_key()
    store.create(other, b"payload", 60)
    (root / key[0] / key[1]).mkdir(parents=True, exist_ok=True)
    (root / key[0] / key[1] / key).symlink_to(file_of(root, other))

    with pytest.raises(StoreUnavailable):
        store.load(key)


@pytest.mark.parametrize("depth", [1, 2])
def test_a_directory_of_the_store_that_is_a_link_is_not_followed(
    store: FileStore, root: pathlib.Path, tmp_path: pathlib.Path, depth: int
) -> None:
    key, elsewhere = new_key(), tmp_path / "elsewhere"
    place = root.joinpath(*key[:depth])
    store.create(key, b"payload", 1)
    place.rename(elsewhere)
    place.symlink_to(elsewhere)
    planted = files_in(elsewhere)

    calls: list[Callable[[], object]] = [
        lambda: store.load(key),
        lambda: store.create(key, b"another", 60),
        lambda: store.replace(key, b"another", 60, b"version"),
        lambda: store.delete(key),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match="symbolic links"):
            call()

    assert store.purge() == 0
    assert files_in(elsewhere) == planted


def test_a_pipe_in_the_place_of_an_entry_keeps_nobody_waiting(store: FileStore, root: pathlib.Path) -> None:
    key = new_key()
    (root / key[0] / key[1]).mkdir(parents=True)
    os.mkfifo(root / key[0] / key[1] / key)

    assert store.load(key) is None


def test_locks_hold_although_the_directory_was_removed_and_made_again(
    store: FileStore, root: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two processes one may have the lock's old file, the other the new one."""
    key = new_key()
    store.create(key, b"payload", 60)
    lock = root / key[0] / ".lock"
    flock = fcntl.flock
    locked: list[int] = []

    def remove_first(descriptor: int, operation: int) -> None:
        if not locked:
            lock.unlink()
        flock(descriptor, operation)
        locked.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    store.delete(key)

    assert locked[-1] == lock.stat().st_ino


def test_a_relative_path_stays_where_it_was(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileStore("sessions")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    store.create(new_key(), b"payload", 60)

    assert (tmp_path / "sessions").is_dir()


def test_purge_spares_what_is_written_anew_at_that_moment(root: pathlib.Path) -> None:
    key = new_key()
    version = FileStore(root, clock=FakeClock(0)).create(key, b"payload", 60)
    other_writer = FileStore(root, clock=FakeClock(0))

    def clock() -> float:
        """Asked by the purge once it has read the entry, before it has the lock."""
        if other_writer.load(key) == (b"payload", version):
            other_writer.replace(key, b"renewed", 600, version)
        return 60

    count = FileStore(root, clock=clock).purge()

    entry = other_writer.load(key)
    assert count == 0
    assert entry is not None
    assert entry.payload == b"renewed"


def test_locks_do_not_pile_up(store: FileStore, root: pathlib.Path) -> None:
    for _ in range(20):
        store.create("a" + new_key()[1:], b"payload", 60)

    assert len(list(root.rglob(".lock"))) == 1


def test_a_create_that_loses_the_race_leaves_no_litter(store: FileStore, root: pathlib.Path) -> None:
    key = new_key()
    store.create(key, b"payload", 60)

    with pytest.raises(AlreadyExists):
        store.create(key, b"payload", 60)

    assert [file.name for file in files_in(root)] == [key]


class Interrupting:
    """Raises KeyboardInterrupt where the store is about to run its line of this number, as a signal's handler can."""

    def __init__(self, line: int) -> None:
        self._left = line

    def __call__(self, frame: FrameType, event: str, argument: object) -> Interrupting | None:
        if frame.f_code.co_filename != inspect.getfile(FileStore):
            return None
        if event == "line":
            self._left -= 1
            if not self._left:
                raise KeyboardInterrupt
        return self


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_write_that_is_interrupted_at_any_line_keeps_no_lock(store: FileStore, root: pathlib.Path) -> None:
    key = new_key()
    version = store.create(key, b"payload", 60)
    former, kept = sys.gettrace(), []

    for line in range(1, 200):
        sys.settrace(Interrupting(line))
        try:
            version = store.replace(key, b"again", 60, version)
        except KeyboardInterrupt:
            pass
        else:
            break
        finally:
            sys.settrace(former)
        version = store.load(key).version  # type: ignore[union-attr]
        with open(root / key[0] / ".lock", "rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                kept.append(line)
                break

    assert 20 < line < 199
    assert kept == []
