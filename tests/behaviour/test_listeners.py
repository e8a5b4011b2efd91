"""A listener, a log filter and a handler may read the session, write it, raise or recurse: the request is served."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.actions import Action, call, login, put, raised_by, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE
from support.stores import RecordingStore

from sessionware import Event, Session, StoreUnavailable
from sessionware.stores import Entry
from sessionware.testing import FakeClock

LOGGER = logging.getLogger("sessionware")


class Reader:
    """Reads the session at every event or log line, and keeps what it saw."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.seen: list[Any] = []

    def note(self, session: Session) -> None:
        """An action: this is the session to read."""
        self.session = session

    def look(self, _: object = None) -> bool:
        if self.session is not None:
            self.seen.append(raised_by(len)(self.session) or dict(self.session))
        return True


@contextmanager
def filtered(look: Callable[[logging.LogRecord], bool], logger: logging.Logger = LOGGER) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addFilter(look)
    try:
        yield
    finally:
        logger.removeFilter(look)
        logger.setLevel(level)


@pytest.mark.parametrize("stale", ["rubbish", "expired"])
def test_a_log_filter_may_read_the_session_of_a_stale_cookie(browser: Browser, clock: FakeClock, stale: str) -> None:
    cookie = browser.cookies[COOKIE] if stale == "expired" else stale
    clock.advance(3600)
    reader = Reader()

    with filtered(reader.look):
        answer = browser.site.ask(then(reader.note, read), {COOKIE: cookie})

    assert (answer.status, reader.seen) == (200, [{}])


@pytest.mark.parametrize(
    ("action", "seen"),
    [
        pytest.param(read, [{"old": 1}], id="loaded"),
        pytest.param(put(new=2), [{"old": 1}, {"old": 1, "new": 2}], id="saved"),
        pytest.param(then(call("clear"), put(new=2)), [{"old": 1}, {}, {"new": 2}], id="ended"),
    ],
)
def test_a_listener_reads_what_the_event_says(make_memory: SiteMaker, action: Action, seen: list[Any]) -> None:
    reader = Reader()
    browser = visitor(make_memory(on_event=reader.look))

    browser.ask(then(reader.note, action))

    assert reader.seen == seen


def test_a_listener_sees_the_new_id_of_a_session_that_was_given_one(make_memory: SiteMaker) -> None:
    seen: list[tuple[str, bool]] = []
    sessions: list[Session] = []

    def look(event: Event) -> None:
        if sessions:
            seen.append((event.name, event.session_id == sessions[0].id))

    visitor(make_memory(on_event=look)).ask(then(sessions.append, login("ada")))

    assert seen == [("loaded", True), ("regenerated", True)]


@pytest.mark.parametrize("how", ["listener", "filter"])
def test_a_store_that_is_down_is_asked_once_by_a_request_whose_listener_reads(make_memory: SiteMaker, how: str) -> None:
    reader = Reader()
    browser = visitor(make_memory(on_event=reader.look) if how == "listener" else make_memory())

    with browser.site.store.down(), filtered(reader.look if how == "filter" else lambda record: True):
        answer = browser.ask(then(reader.note, read))

    assert answer.status == 503
    assert [type(seen) for seen in reader.seen] == [StoreUnavailable]
    assert browser.site.store.calls == ["load"]


class Talkative(RecordingStore):
    """A store whose driver logs what it does."""

    def load(self, key: str) -> Entry | None:
        logging.getLogger("driver").warning("asked")
        return super().load(key)


def test_a_filter_that_reads_while_the_store_is_asked_sees_an_empty_session(clock: FakeClock) -> None:
    browser = visitor(Site(Talkative(), clock))
    reader = Reader()

    with filtered(reader.look, logging.getLogger("driver")):
        answer = browser.ask(then(reader.note, read))

    assert (answer.result, reader.seen) == ({"old": 1}, [{}])
    assert browser.site.store.calls == ["load"]


def test_a_filter_cannot_change_a_session_that_is_being_loaded(clock: FakeClock) -> None:
    browser = visitor(Site(Talkative(), clock))
    reader, errors = Reader(), []

    def change(record: logging.LogRecord) -> bool:
        if reader.session is not None:
            errors.append(raised_by(put(new=2))(reader.session))
        return True

    with filtered(change, logging.getLogger("driver")):
        answer = browser.ask(then(reader.note, read))

    assert (answer.status, answer.result) == (200, {"old": 1})
    assert [type(error) for error in errors] == [StoreUnavailable]


def test_a_filter_that_raises_fails_no_request(browser: Browser) -> None:
    def fail(record: logging.LogRecord) -> bool:
        raise RuntimeError("the filter's own fault")

    with filtered(fail):
        assert browser.send(put(new=2)).status == 200
        assert browser.site.ask(read, {COOKIE: "rubbish"}).status == 200
        assert browser.send(call("clear")).status == 200

    assert browser.data() == {}


def test_a_listener_that_causes_an_event_by_each_event_comes_to_an_end(make_memory: SiteMaker) -> None:
    sessions: list[Session] = []
    names: list[str] = []

    def write(event: Event) -> None:
        names.append(event.name)
        if sessions:
            sessions[0]["n"] = len(names)
            sessions[0].save()

    browser = visitor(make_memory(on_event=write))
    answer = browser.ask(then(sessions.append, put(new=2)))

    assert answer.status == 200
    assert 2 <= len(names) <= 64


def test_a_filter_that_opens_the_session_anew_comes_to_an_end(browser: Browser) -> None:
    environ = {"wsgi.url_scheme": "https", "HTTP_COOKIE": f"{COOKIE}={browser.cookies[COOKIE]}"}
    opened: list[int] = []

    def open_again(record: logging.LogRecord) -> bool:
        opened.append(len(browser.site.manager.open(environ)))
        return True

    with filtered(open_again):
        answer = browser.ask(read)

    assert answer.result == {"old": 1}
    assert len(opened) <= 64
