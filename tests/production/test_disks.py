"""A disk that is full, and a directory that nobody may write to, under an application with sessions in it."""

from __future__ import annotations

import logging
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from production.small_disk import SmallFiles, be_nobody, can_mount, read_only, small_disk
from support.places import in_places
from support.servers.process import give_to, unprivileged_user
from webtest import TestApp, TestResponse

from sessionware import Event, SessionMiddleware
from sessionware.stores import FileStore, SQLiteStore
from sessionware.testing.conformance.fixtures import in_children

SECRET = "kQ2zV8sX4nB7mL1pR9tY3wE6uI0oA5dF"
REFUSALS = 20
on_this_machine = in_places("file", "sqlite")


class Site:
    """``/`` touches no session, ``/read`` reads it, ``/write`` changes it by more than any block has left."""

    def __init__(self, place: str, directory: Path) -> None:
        self.store = FileStore(directory) if place == "file" else SQLiteStore(directory / "sessions.db")
        self.events: list[Event] = []
        self.app = SessionMiddleware(
            self._serve, {"secret": SECRET, "backend": self.store, "on_event": self.events.append}
        )
        self.visitor = TestApp(self.app)

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        path, said = environ["PATH_INFO"], b"untouched"
        if path != "/":
            session = environ["sessionware.session"]
            if path == "/write":
                session.update(count=session.get("count", 0) + 1, padding="x" * 10_000)
            said = b"%d" % session.get("count", 0)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [said]

    def get(self, path: str) -> TestResponse:
        return self.visitor.get(path, expect_errors=True)

    def stranger(self) -> TestResponse:
        """A first visit that would begin a session."""
        return TestApp(self.app).get("/write", expect_errors=True)

    def check_that_nothing_can_be_saved(self) -> None:
        for _ in range(REFUSALS):
            self.events.clear()
            for answer in (self.get("/write"), self.stranger()):
                assert answer.status_int == 503
                assert int(answer.headers["Retry-After"]) > 0
                assert "Set-Cookie" not in answer.headers
            assert [event.name for event in self.events if event.name != "loaded"] == ["store_failed"] * 2
        assert self.get("/").text == "untouched"

    def check_that_it_serves(self, count: int) -> None:
        assert self.get("/read").text == str(count)
        assert self.get("/write").text == str(count + 1)
        assert self.stranger().status_int == 200


def files_in(directory: Path) -> set[Path]:
    """All but SQLite's journals, which it makes and removes as it likes."""
    return {path for path in directory.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))}


def check_that_the_database_is_whole(directory: Path) -> None:
    for path in directory.glob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def live_on_a_full_disk(place: str, directory: Path, disk: Any) -> None:
    """In a process of its own."""
    logging.getLogger("sessionware").addHandler(logging.NullHandler())
    site = Site(place, directory)
    site.check_that_it_serves(0)
    disk.fill()
    before = files_in(directory)

    site.check_that_nothing_can_be_saved()

    # Sessions can be read as before, or for the moment not at all; nobody looks logged out.
    answer = site.get("/read")
    assert answer.status_int == 503 or answer.text == "1"
    assert files_in(directory) == before
    disk.make_room()
    site.check_that_it_serves(1)
    check_that_the_database_is_whole(directory)


@on_this_machine
@pytest.mark.parametrize("make_disk", [small_disk, lambda directory: SmallFiles()], ids=["small disk", "small files"])
def test_a_full_disk_refuses_every_change_and_damages_nothing(
    place: str, make_disk: Callable[[Path], Any], tmp_path: Path
) -> None:
    if make_disk is small_disk and not can_mount():
        pytest.skip("needs the right to mount a file system: to be root, or to have namespaces of users")
    statuses = in_children([lambda: live_on_a_full_disk(place, tmp_path, make_disk(tmp_path))])

    assert statuses == [0]


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """One that belongs to whom the tests become; their own are closed to others."""
    with tempfile.TemporaryDirectory() as directory:
        give_to(unprivileged_user(), Path(directory))
        yield Path(directory)


def live_in_a_directory_that_is_read_only(place: str, directory: Path) -> None:
    """In a process of its own, which is not root."""
    be_nobody()
    site = Site(place, directory)
    site.check_that_it_serves(0)
    # What is open already may still be written to.
    if isinstance(site.store, SQLiteStore):
        site.store.close()
    before = files_in(directory)

    with read_only(directory):
        site.check_that_nothing_can_be_saved()
        answer = site.get("/read")

    assert answer.status_int == 503 or answer.text == "1"
    assert files_in(directory) == before
    site.check_that_it_serves(1)
    check_that_the_database_is_whole(directory)


@on_this_machine
def test_a_directory_that_is_read_only_refuses_every_change_and_damages_nothing(
    place: str, public_directory: Path
) -> None:
    statuses = in_children([lambda: live_in_a_directory_that_is_read_only(place, public_directory)])

    assert statuses == [0]
