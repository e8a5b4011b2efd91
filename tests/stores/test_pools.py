"""What a process has open: its own value after a fork, and the lending of connections."""

from __future__ import annotations

import ctypes
import gc
import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from sessionware.stores.pools import LONGEST_IDLE_SECONDS, PerProcess, Pool, is_readable
from sessionware.testing.conformance.fixtures import in_children


class Connection:
    """Knows whether it is open, and whether the server has ended it."""

    def __init__(self) -> None:
        self.is_open = True
        self.has_ended = False

    def close(self) -> None:
        self.is_open = False


def make_pool(
    open_one: Callable[[], Connection] = Connection, *, most: int | None = None, patience: float = 0
) -> Pool[Connection]:
    return Pool(open_one, Connection.close, has_ended=lambda one: one.has_ended, most=most, patience=patience)


class Monotonic:
    """The time that ``time.monotonic`` tells."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    fake = Monotonic()
    monkeypatch.setattr(time, "monotonic", fake)
    return fake


# A value for each process


def test_a_process_has_one_value() -> None:
    values = PerProcess(object)

    assert values.get() is values.get()


def test_threads_that_begin_at_once_get_one_value() -> None:
    begun, made = threading.Barrier(4), []

    def make() -> object:
        made.append(object())
        time.sleep(0.01)
        return made[-1]

    values = PerProcess(make)

    def get(number: int) -> object:
        begun.wait()
        return values.get()

    with ThreadPoolExecutor(4) as threads:
        got = list(threads.map(get, range(4)))

    assert got == made * 4


def test_what_was_taken_is_made_again() -> None:
    values = PerProcess(object)
    first = values.get()

    assert values.take() is first
    assert values.take() is None
    assert values.get() is not first


def test_a_value_that_is_taken_while_another_thread_gets_it_is_no_failure() -> None:
    values = PerProcess(object)
    end = time.monotonic() + 0.2

    def take_on_and_on() -> None:
        while time.monotonic() < end:
            values.take()

    thread = threading.Thread(target=take_on_and_on)
    thread.start()
    while time.monotonic() < end:
        assert values.get() is not None
    thread.join()


def test_a_value_whose_making_fails_is_made_at_the_next_use() -> None:
    answers: list[Callable[[], int]] = [lambda: 1 // 0, lambda: 7]
    values = PerProcess(lambda: answers.pop(0)())

    with pytest.raises(ZeroDivisionError):
        values.get()

    assert values.get() == 7


def test_a_child_makes_a_value_of_its_own_and_its_parent_keeps_its_own() -> None:
    values = PerProcess(lambda: (os.getpid(), object()))
    mine = values.get()

    def get() -> None:
        assert values.get()[0] == os.getpid()
        assert values.get() is values.get()

    assert in_children([get, get]) == [0, 0]
    assert values.get() is mine


def test_a_child_leaves_the_value_of_its_parent_once() -> None:
    left: list[int] = []
    values = PerProcess(os.getpid, leave=left.append)
    parent = values.get()

    def get() -> None:
        for _ in range(2):
            values.get()
        assert left == [parent]

    assert in_children([get]) == [0]
    assert left == []


def test_a_grandchild_leaves_the_value_of_its_parent_alone() -> None:
    """What the grandparent had open its parent has left already."""
    left: list[int] = []
    values = PerProcess(os.getpid, leave=left.append)
    values.get()

    def fork_again() -> None:
        child = values.get()
        left.clear()

        def get() -> None:
            values.get()
            assert left == [child]

        assert in_children([get]) == [0]

    assert in_children([fork_again]) == [0]


def test_a_child_never_collects_what_its_parent_has_open() -> None:
    values = PerProcess(Connection)
    inherited = weakref.ref(values.get())

    def drop() -> None:
        nonlocal values
        values.get()
        values = PerProcess(Connection)
        gc.collect()
        assert inherited() is not None

    assert in_children([drop]) == [0]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forked_while_another_thread_makes_the_value_can_make_its_own() -> None:
    making, forked = threading.Event(), threading.Event()

    def make() -> int:
        if threading.current_thread() is thread:
            making.set()
            forked.wait()
        return os.getpid()

    values = PerProcess(make)
    thread = threading.Thread(target=values.get)
    thread.start()
    making.wait()

    child = os.fork()
    if child == 0:
        os._exit(0 if values.get() == os.getpid() else 1)
    _, status = os.waitpid(child, 0)
    forked.set()
    thread.join()

    assert status == 0


def test_a_value_is_closed_before_the_process_forks_and_used_again_afterwards() -> None:
    values = PerProcess(Connection, close_before_fork=Connection.close)
    mine = values.get()

    def look() -> None:
        assert not mine.is_open

    statuses = in_children([look])

    assert statuses == [0]
    assert not mine.is_open
    assert values.get() is mine


def test_a_holder_that_is_dropped_is_forgotten() -> None:
    values = PerProcess(Connection, close_before_fork=Connection.close)
    mine = values.get()

    del values
    gc.collect()

    assert in_children([lambda: None]) == [0]
    assert mine.is_open


def test_a_child_that_forked_unseen_by_python_makes_a_value_of_its_own() -> None:
    """As a server in C forks its workers, without a word to Python."""
    values = PerProcess(os.getpid)
    values.get()

    child = ctypes.PyDLL(None).fork()
    if child == 0:
        os._exit(0 if values.get() == os.getpid() else 1)
    _, status = os.waitpid(child, 0)

    assert status == 0


# Lending


def test_what_was_given_back_last_is_lent_first() -> None:
    pool = make_pool()
    first, second = pool.borrow(), pool.borrow()

    pool.give_back(first)
    pool.give_back(second)

    assert [pool.borrow(), pool.borrow()] == [second, first]


def test_nothing_is_lent_twice() -> None:
    pool = make_pool()
    pool.give_back(pool.borrow())

    assert pool.borrow() is not pool.borrow()


def test_what_has_ended_is_closed_and_replaced() -> None:
    pool = make_pool()
    ended = pool.borrow()
    pool.give_back(ended)
    ended.has_ended = True

    assert pool.borrow() is not ended
    assert not ended.is_open


@pytest.mark.parametrize(("seconds", "is_kept"), [(LONGEST_IDLE_SECONDS - 0.1, True), (LONGEST_IDLE_SECONDS, False)])
def test_what_was_idle_for_a_minute_is_closed_and_replaced(seconds: float, is_kept: bool, monotonic: Monotonic) -> None:
    pool = make_pool()
    connection = pool.borrow()
    pool.give_back(connection)

    monotonic.now += seconds

    assert (pool.borrow() is connection) is is_kept
    assert connection.is_open is is_kept


def test_those_that_a_rush_has_opened_are_closed_after_a_minute_although_one_is_in_use(monotonic: Monotonic) -> None:
    pool = make_pool()
    connections = [pool.borrow() for _ in range(3)]
    for connection in connections:
        pool.give_back(connection)

    for _ in range(4):
        monotonic.now += LONGEST_IDLE_SECONDS / 3
        pool.give_back(pool.borrow())

    assert [connection.is_open for connection in connections] == [False, False, True]


def test_what_is_discarded_is_closed_and_not_lent_again() -> None:
    pool = make_pool()
    broken = pool.borrow()

    pool.discard(broken)

    assert not broken.is_open
    assert pool.borrow() is not broken


def test_closing_closes_what_is_idle_and_the_pool_opens_again() -> None:
    pool = make_pool()
    lent, idle = pool.borrow(), pool.borrow()
    pool.give_back(idle)

    pool.close_idle()

    assert (lent.is_open, idle.is_open) == (True, False)
    pool.give_back(lent)
    assert pool.borrow() is lent


def test_an_idle_one_that_cannot_be_closed_is_no_failure_of_who_uses_the_next(monotonic: Monotonic) -> None:
    class Stuck(Connection):
        def close(self) -> None:
            raise OSError("cannot close")

    pool: Pool[Connection] = Pool(Stuck, lambda one: one.close(), has_ended=lambda one: one.has_ended)
    first, second = pool.borrow(), pool.borrow()
    pool.give_back(first)
    monotonic.now += LONGEST_IDLE_SECONDS

    pool.give_back(second)
    second.has_ended = True
    third = pool.borrow()
    pool.give_back(third)
    pool.close_idle()

    assert third not in (first, second)


def test_of_at_most_two_a_third_caller_waits_and_gets_what_is_given_back() -> None:
    pool = make_pool(most=2, patience=10)
    first, _ = pool.borrow(), pool.borrow()

    with ThreadPoolExecutor(1) as thread:
        third = thread.submit(pool.borrow)
        pool.give_back(first)

        assert third.result() is first


def is_waiting(thread: threading.Thread) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is not None and frame.f_code.co_name == "_wait"


def test_a_caller_that_is_stopped_while_it_waits_leaves_its_turn_to_the_next() -> None:
    pool = make_pool(most=1, patience=30)
    only = pool.borrow()
    lent: list[Connection] = []

    def stopped() -> None:
        with pytest.raises(KeyboardInterrupt):
            pool.borrow()

    first, second = threading.Thread(target=stopped), threading.Thread(target=lambda: lent.append(pool.borrow()))
    for thread in (first, second):
        thread.start()
        while not is_waiting(thread):
            time.sleep(0.001)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(first.ident or 0), ctypes.py_object(KeyboardInterrupt))
    pool.give_back(only)
    second.join(10)

    assert lent == [only]
    first.join()


KILLING = """
    from gevent import monkey; monkey.patch_all()
    import random, gevent
    from sessionware.stores.pools import Pool

    pool = Pool(object, lambda one: None, has_ended=lambda one: False, most=3, patience=5)
    random.seed(1)
    late = []

    def use():
        try:
            one = pool.borrow()
        except TimeoutError:
            late.append(1)
            raise
        try:
            gevent.sleep(0.0005)
        finally:
            pool.give_back(one)

    for _ in range(300):
        callers = [gevent.spawn(use) for _ in range(8)]
        gevent.sleep(random.random() * 0.002)
        gevent.killall(random.sample(callers, 4), block=False)
        gevent.joinall(callers)
        assert not late
    print(len({id(one) for one in [pool.borrow() for _ in range(3)]}))
    """


def test_killed_greenlets_take_no_place_along() -> None:
    command = [sys.executable, "-c", textwrap.dedent(KILLING)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)

    assert (ended.stdout, ended.returncode) == ("3\n", 0), ended.stderr


@pytest.mark.parametrize("way", ["give_back", "discard"])
def test_of_at_most_one_a_second_caller_gives_up_until_it_is_back(way: str) -> None:
    pool = make_pool(most=1, patience=0.01)
    connection = pool.borrow()
    with pytest.raises(TimeoutError, match="all 1 connections"):
        pool.borrow()

    getattr(pool, way)(connection)

    assert pool.borrow().is_open


def test_what_cannot_be_opened_takes_no_place() -> None:
    answers: list[Callable[[], Connection]] = [lambda: 1 // 0, Connection]  # type: ignore[list-item,return-value]
    pool = make_pool(lambda: answers.pop(0)(), most=1)
    with pytest.raises(ZeroDivisionError):
        pool.borrow()

    assert pool.borrow().is_open


def test_what_cannot_be_looked_at_is_closed_and_takes_no_place() -> None:
    def fail(connection: Connection) -> bool:
        raise KeyboardInterrupt

    pool = Pool(Connection, Connection.close, has_ended=fail, most=1)
    connection = pool.borrow()
    pool.give_back(connection)

    with pytest.raises(KeyboardInterrupt):
        pool.borrow()

    assert not connection.is_open
    assert pool.borrow().is_open


def test_what_cannot_be_closed_when_it_is_discarded_takes_no_place() -> None:
    def fail(connection: Connection) -> None:
        raise OSError("cannot close")

    pool = Pool(Connection, fail, has_ended=lambda connection: False, most=1)
    with pytest.raises(OSError, match="cannot close"):
        pool.discard(pool.borrow())

    assert pool.borrow()


def test_threads_that_lend_and_give_back_never_share_a_connection() -> None:
    pool = make_pool(most=3, patience=10)
    in_use: set[Connection] = set()

    def work(number: int) -> None:
        for _ in range(500):
            connection = pool.borrow()
            assert connection not in in_use
            in_use.add(connection)
            in_use.remove(connection)
            pool.give_back(connection)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(work, range(6)))


# Looking


@pytest.fixture
def ends() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair()


def test_a_socket_on_which_nothing_has_come_is_not_readable(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends

    with ours, theirs:
        assert not is_readable(ours)


@pytest.mark.parametrize("call", [socket.socket.close, lambda theirs: theirs.sendall(b"bye")], ids=["end", "notice"])
def test_a_socket_that_the_server_has_closed_is_readable(
    ends: tuple[socket.socket, socket.socket], call: Callable[[socket.socket], object]
) -> None:
    ours, theirs = ends

    with ours, theirs:
        call(theirs)

        assert is_readable(ours)


def test_a_socket_that_this_process_has_closed_counts_as_readable(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    ours.close()

    with theirs:
        assert is_readable(ours)
