"""Threads of one request that use its session at once find one session, whichever of them has loaded it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from support.actions import Action, put, raised_by, read
from support.browser import Browser, Site, visitor
from support.stores import RecordingStore

from sessionware import Session, StoreUnavailable, lifecycle
from sessionware.testing import FakeClock


class Beside:
    """While the store is asked, an *action* of another thread on the same session."""

    def __init__(self, store: RecordingStore, session: Session, action: Action, *, patience: float = 0.1) -> None:
        self._results: list[Any] = []
        self._thread = threading.Thread(target=lambda: self._results.append(action(session)), daemon=True)
        self._patience = patience
        store.before["load"].append(self._begin)

    def _begin(self) -> None:
        self._thread.start()
        # Long enough for the other thread to do what it does, unless it waits.
        self._thread.join(self._patience)

    def result(self) -> Any:
        self._thread.join()
        return self._results[0]


@pytest.fixture
def shopper(clock: FakeClock) -> Browser:
    return visitor(Site(RecordingStore(), clock))


def beside(browser: Browser, action: Action, **named: Any) -> Callable[[Session], Beside]:
    return lambda session: Beside(browser.site.store, session, action, **named)


def test_a_thread_waits_for_what_another_one_loads(shopper: Browser) -> None:
    def view(session: Session) -> tuple[Any, Any]:
        other = beside(shopper, read)(session)
        return read(session), other.result()

    assert shopper.ask(view).result == ({"old": 1}, {"old": 1})
    assert shopper.site.store.calls == ["load"]


def test_what_a_thread_writes_beside_the_load_is_saved(shopper: Browser) -> None:
    def view(session: Session) -> None:
        other = beside(shopper, put(new=2))(session)
        session["newer"] = 3
        other.result()

    shopper.send(view)

    assert shopper.data() == {"old": 1, "new": 2, "newer": 3}


def test_a_thread_that_has_waited_is_told_that_the_load_has_failed(shopper: Browser) -> None:
    def view(session: Session) -> tuple[Any, Any]:
        other = beside(shopper, raised_by(read))(session)
        shopper.site.store.broken = {"load"}
        return raised_by(read)(session), other.result()

    assert [type(error) for error in shopper.ask(view).result] == [StoreUnavailable, StoreUnavailable]
    assert shopper.site.store.calls == ["load"]


def test_a_thread_loads_itself_what_another_one_was_stopped_in(shopper: Browser) -> None:
    shopper.site.store.failure = KeyboardInterrupt()

    def view(session: Session) -> Any:
        other = beside(shopper, read)(session)
        shopper.site.store.broken = {"load"}
        with pytest.raises(KeyboardInterrupt):
            read(session)
        shopper.site.store.broken = set()
        return other.result()

    assert shopper.ask(view).result == {"old": 1}


def test_two_threads_that_wait_for_each_other_go_on(shopper: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "LONGEST_LOAD_SECONDS", 0.05)

    def view(session: Session) -> tuple[Any, Any]:
        other = beside(shopper, raised_by(read), patience=30)(session)
        return read(session), other.result()

    data, error = shopper.ask(view).result

    assert (data, type(error)) == ({"old": 1}, StoreUnavailable)
