"""Requests that really run at once, in processes and in threads, and meet wherever they happen to."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from concurrency.actions import OWNER, beginning
from concurrency.world import World
from support.browser import Answer, Site
from support.stores import local_store

from sessionware import Session

PROCESSES = 4
COUNTS = 50
TESTS = Path(__file__).parent.parent


@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_four_processes_lose_no_count(kind: str, tmp_path: Path) -> None:
    site = Site(local_store(kind, tmp_path))
    cookie = site.begin(lambda session: session.update(count=0))
    script = "import sys; sys.path.append(sys.argv[1]); from concurrency.busy import count; sys.stdin.readline(); "
    script += "count(*sys.argv[2:5], int(sys.argv[5]))"
    command = [sys.executable, "-W", "error", "-c", script, str(TESTS), kind, str(tmp_path), cookie, str(COUNTS)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]

    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    complaints = [process.communicate(timeout=200)[1] for process in processes]

    assert complaints == [""] * PROCESSES
    assert site.read(cookie).seen["count"] == PROCESSES * COUNTS
    site.manager.close()


def at_once(jobs: list[Callable[[], object]]) -> None:
    """Run *jobs*, each in a thread, all from the same moment on."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> None:
        barrier.wait()
        job()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_sixteen_threads_that_write_different_keys_all_get_through() -> None:
    world = World()
    cookie = world.begin(beginning(OWNER))
    answers: list[Answer] = []

    keys = [[f"{number} {turn}" for turn in range(5)] for number in range(16)]

    def put(session: Session, key: str) -> None:
        session[key] = True

    def write(mine: list[str]) -> None:
        for key in mine:
            answers.append(world.request(partial(put, key=key), cookie))

    at_once([partial(write, mine) for mine in keys])

    seen = world.read(cookie).seen
    assert {answer.status for answer in answers} == {200}
    assert all(seen.get(key) for mine in keys for key in mine)


def test_a_session_that_was_ended_while_four_threads_write_stays_ended() -> None:
    for _ in range(20):
        world = World()
        cookie = world.begin(beginning(OWNER))
        answers: list[Answer] = []

        def write(world: World = world, cookie: str = cookie, answers: list[Answer] = answers) -> None:
            for _ in range(5):
                answers.append(world.request(lambda session: session.update(late=1) if session else None, cookie))

        def end(world: World = world, cookie: str = cookie) -> None:
            assert world.request(lambda session: session.invalidate(), cookie).cookie == ""

        at_once([write, write, end, write, write])

        assert {answer.status for answer in answers} == {200}
        assert [answer.cookie for answer in answers if answer.cookie] == []
        assert not world.read(cookie).seen


def test_threads_that_change_the_id_at_once_leave_one_session() -> None:
    for _ in range(10):
        world = World()
        cookie = world.begin(beginning(OWNER))
        answers: list[Answer] = []

        def change(world: World = world, cookie: str = cookie, answers: list[Answer] = answers) -> None:
            answers.append(world.request(lambda session: session.regenerate(), cookie))

        at_once([change] * 4)

        new = [answer.cookie for answer in answers if answer.cookie]
        assert {answer.status for answer in answers} == {200}
        assert len(new) == 1
        assert world.read(new[0]).user_id == OWNER
