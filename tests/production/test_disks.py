"""A full disk, and a directory without the right to write, under an application with sessions."""

from __future__ import annotations

import logging
import re
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from production.small_disk import SmallFiles, be_nobody, can_mount, read_only, small_disk
from support.actions import call, nothing
from support.browser import Browser, Site
from support.places import in_places
from support.servers.process import give_to, unprivileged_user

from sessionware import Session
from sessionware.stores import FileStore, SQLiteStore, Store
from sessionware.testing.conformance.fixtures import in_children

REFUSALS = 20
on_this_machine = in_places("file", "sqlite")


def write(session: Session) -> int:
    """Change the session by more than any block has left, and count the changes."""
    count: int = session.get("count", 0) + 1
    session.update(count=count, padding="x" * 10_000)
    return count


read_count = call("get", "count", 0)


#: What the system says, or SQLite of it.
REFUSED = re.compile("No space left|database or disk is full|File too large|Permission denied|readonly|disk I/O error")


def open_store(place: str, directory: Path) -> Store:
    return FileStore(directory) if place == "file" else SQLiteStore(directory / "sessions.db")


def check_that_nothing_can_be_saved(browser: Browser) -> None:
    events = browser.site.events
    for _ in range(REFUSALS):
        events.clear()
        for answer in (browser.send(write), Browser(browser.site).send(write)):
            assert answer.status == 503
            assert int(answer.lines("Retry-After")[0]) > 0
            assert answer.set_cookies == []
        told = [event for event in events if event.name != "loaded"]
        assert [event.name for event in told] == ["store_failed"] * 2
        assert all(REFUSED.search(event.reason or "") for event in told)
    assert browser.send(nothing).body == b"ok"


def check_that_it_serves(browser: Browser, count: int) -> None:
    assert browser.send(read_count).result == count
    assert browser.send(write).result == count + 1
    assert Browser(browser.site).send(write).status == 200


def check_that_the_count_is_read_or_refused(browser: Browser, count: int) -> None:
    """Sessions can be read as before, or for the moment not at all; no visitor looks logged out."""
    answer = browser.send(read_count)
    assert answer.status == 503 or answer.result == count


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
    browser = Browser(Site(open_store(place, directory)))
    check_that_it_serves(browser, 0)
    disk.fill()
    before = files_in(directory)

    check_that_nothing_can_be_saved(browser)

    check_that_the_count_is_read_or_refused(browser, 1)
    assert files_in(directory) == before
    disk.make_room()
    check_that_it_serves(browser, 1)
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
    """A directory of the user that the tests become; pytest's own are closed to other users."""
    with tempfile.TemporaryDirectory() as directory:
        give_to(unprivileged_user(), Path(directory))
        yield Path(directory)


def live_in_a_directory_that_is_read_only(place: str, directory: Path) -> None:
    """In a process of its own, which is not root."""
    be_nobody()
    browser = Browser(Site(open_store(place, directory)))
    check_that_it_serves(browser, 0)
    # What is open already may still be written to.
    browser.site.store.close()
    before = files_in(directory)

    with read_only(directory):
        check_that_nothing_can_be_saved(browser)
        check_that_the_count_is_read_or_refused(browser, 1)

    assert files_in(directory) == before
    check_that_it_serves(browser, 1)
    check_that_the_database_is_whole(directory)


@on_this_machine
def test_a_directory_that_is_read_only_refuses_every_change_and_damages_nothing(
    place: str, public_directory: Path
) -> None:
    statuses = in_children([lambda: live_in_a_directory_that_is_read_only(place, public_directory)])

    assert statuses == [0]
