"""Objects that write in place, between processes: an entry that is being written is never taken for a missing one."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import minimalkv.fs
import pytest
import simplekv.fs  # type: ignore[import-untyped]
from support.browser import Site
from support.children import Tell, a_child
from support.objects import FilesOfOurs, FilesystemStoreOfOurs

from sessionware.exceptions import Conflict, Gone, StoreUnavailable
from sessionware.stores import KeyValueStore
from sessionware.stores.contract import Entry
from sessionware.testing import FakeClock

KEY = "k" * 43
PAYLOADS = [bytes([letter]) * 9_000 for letter in b"abc"]
#: How long the reader looks, and how often at least: on a busy machine it waits for the writers most of the time.
LOOKS_SECONDS, LOOKS = 1.0, 4


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(simplekv.fs.FilesystemStore, id="simplekv files"),
        pytest.param(minimalkv.fs.FilesystemStore, id="minimalkv files"),
        pytest.param(FilesystemStoreOfOurs, id="a class made from minimalkv's"),
        pytest.param(FilesOfOurs, id="a mapping over files"),
    ],
)
def test_readers_find_the_entry_whatever_the_writers_do(make: Callable[[str], object], tmp_path: Path) -> None:
    obj = make(str(tmp_path / "objects"))
    KeyValueStore(obj).create(KEY, PAYLOADS[0], None)

    def write_on_and_on(tell: Tell) -> None:
        tell(0)
        store = KeyValueStore(obj)
        for payload in itertools.cycle(PAYLOADS):
            try:
                entry = store.load(KEY)
                if entry is None:
                    raise Gone
                store.replace(KEY, payload, None, entry.version)
            except Gone:
                tell(1)
            except (Conflict, StoreUnavailable):
                continue

    found: list[Entry | None] = []
    store = KeyValueStore(obj)
    with a_child(write_on_and_on) as first, a_child(write_on_and_on) as second:
        first.listen(1)
        second.listen(1)
        end = time.monotonic() + LOOKS_SECONDS
        while time.monotonic() < end or len(found) < LOOKS:
            try:
                found.append(store.load(KEY))
            except StoreUnavailable:
                continue
        first.kill()
        second.kill()

    assert None not in found
    assert (first.last, second.last) == (0, 0)


def test_a_visitor_whose_entry_is_being_written_is_asked_to_wait_and_stays_signed_in(tmp_path: Path) -> None:
    files = str(tmp_path / "objects")
    world = Site(KeyValueStore(FilesOfOurs(files)))
    cookie = world.begin(lambda session: session.login("owner"))
    process = os.getpid()

    def write_with_a_break(tell: Tell) -> None:
        def stop() -> None:
            assert os.getpid() != process
            tell(1)
            os.kill(os.getpid(), signal.SIGSTOP)

        world.store.inner = KeyValueStore(FilesOfOurs(files, pause=stop))
        world.request(lambda session: session.update(theme="dark"), cookie)
        tell(2)
        signal.pause()

    with a_child(write_with_a_break) as writer:
        writer.listen(1)
        meanwhile = world.request(lambda session: session.update(theme="light"), cookie)
        os.kill(writer.process, signal.SIGCONT)
        writer.listen(1)
    afterwards = world.read(cookie)

    assert (meanwhile.status, meanwhile.cookie) == (503, None)
    assert (afterwards.user_id, afterwards.seen) == ("owner", {"theme": "dark"})


def test_a_visitor_whose_entry_a_killed_process_has_cut_off_begins_anew(tmp_path: Path) -> None:
    clock = FakeClock()
    files = str(tmp_path / "objects")
    world = Site(KeyValueStore(FilesOfOurs(files), clock=clock))
    cookie = world.begin(lambda session: session.login("owner"))

    def die_in_the_middle(tell: Tell) -> None:
        tell(1)
        world.store.inner = KeyValueStore(FilesOfOurs(files, pause=lambda: os.kill(os.getpid(), signal.SIGKILL)))
        world.request(lambda session: session.update(theme="dark"), cookie)

    with a_child(die_in_the_middle) as worker:
        worker.listen(1)
        os.waitid(os.P_PID, worker.process, os.WEXITED | os.WNOWAIT)
    first = world.read(cookie)
    clock.advance(StoreUnavailable.seconds_to_wait)
    second = world.read(cookie)
    anew = world.request(lambda session: session.login("owner"), cookie)

    assert (first.status, second.status, second.user_id) == (503, 200, None)
    assert anew.status == 200
    assert world.read(anew.cookie).user_id == "owner"
    # The new session, and the index of its user.
    assert len(list((tmp_path / "objects").iterdir())) == 2
