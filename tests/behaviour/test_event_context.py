"""What the events of a request say of it: the option ``event_context``."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Mapping
from typing import Any

import pytest
from behaviour.moments import HOUR
from support.actions import Action, call, login, nothing, put, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE, HTTPS, KEY, PLAIN, SECRET

from sessionware import Event, SessionManager
from sessionware.testing import FakeClock

ADDRESS = "192.0.2.7"
CONTEXT = {"address": ADDRESS}


def address_of(environ: Mapping[str, Any]) -> dict[str, Any]:
    """A callable that the option can name."""
    return {"address": environ["REMOTE_ADDR"]}


def contexts(site: Site) -> list[Mapping[str, Any] | None]:
    return [event.context for event in site.events]


@pytest.fixture
def told(make: SiteMaker) -> Browser:
    """A visitor of a site whose events tell the address."""
    return visitor(make(event_context=address_of))


@pytest.mark.parametrize(
    ("action", "names"),
    [
        pytest.param(read, ["loaded"], id="read"),
        pytest.param(put(new=2), ["loaded", "saved"], id="write"),
        pytest.param(then(put(new=2), call("save")), ["loaded", "saved"], id="save"),
        pytest.param(login("ada"), ["loaded", "regenerated"], id="login"),
        pytest.param(call("clear"), ["loaded", "ended"], id="clear"),
        pytest.param(then(call("clear"), put(new=2)), ["loaded", "ended", "created"], id="clear and write"),
    ],
)
def test_every_event_of_a_request_has_its_context(told: Browser, action: Action, names: list[str]) -> None:
    told.send(action, REMOTE_ADDR=ADDRESS)

    assert [event.name for event in told.site.events] == names
    assert contexts(told.site) == [CONTEXT] * len(names)


def test_a_rejection_and_what_begins_after_it_have_it(told: Browser, clock: FakeClock) -> None:
    clock.advance(HOUR)
    told.send(put(new=2), REMOTE_ADDR=ADDRESS)

    assert [event.name for event in told.site.events] == ["rejected", "created"]
    assert contexts(told.site) == [CONTEXT] * 2


def test_a_renewal_has_it(told: Browser, clock: FakeClock) -> None:
    clock.advance(HOUR / 2)
    told.send(read, REMOTE_ADDR=ADDRESS)

    assert told.site.event("renewed").context == CONTEXT


def test_a_session_that_a_login_ends_by_the_limit_has_it(make_stored: SiteMaker) -> None:
    site = make_stored(event_context=address_of, max_sessions_per_user=1)
    Browser(site).send(login("ada"), REMOTE_ADDR="192.0.2.1")

    Browser(site).send(login("ada"), REMOTE_ADDR=ADDRESS)

    assert site.event("revoked").context == CONTEXT


def test_a_failure_of_the_store_has_it(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(event_context=address_of))

    with browser.site.store.down():
        browser.ask(read, REMOTE_ADDR=ADDRESS)

    assert browser.site.event("store_failed").context == CONTEXT


def test_a_change_under_a_former_id_has_it(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(event_context=address_of))
    former = browser.twin()
    browser.send(call("regenerate"))

    former.ask(put(new=2), REMOTE_ADDR=ADDRESS)

    assert browser.site.event("rejected").context == CONTEXT


def test_a_refusal_has_it(told: Browser) -> None:
    told.ask(read, REMOTE_ADDR=ADDRESS, REQUEST_METHOD="POST", HTTP_SEC_FETCH_SITE="cross-site")

    assert told.site.event("refused").context == CONTEXT


def test_what_is_dropped_because_the_application_raised_has_it(told: Browser) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ[KEY]["new"] = 2
        raise ValueError("the application's own")

    with pytest.raises(ValueError, match="the application's own"):
        told.get(app, REMOTE_ADDR=ADDRESS)

    assert told.site.event("discarded").context == CONTEXT


def test_two_requests_have_each_their_own(told: Browser) -> None:
    def other(session: Any) -> None:
        told.ask(read, REMOTE_ADDR="192.0.2.8")

    told.send(then(put(new=2), other), REMOTE_ADDR=ADDRESS)

    assert [context and context["address"] for context in contexts(told.site)] == [ADDRESS, "192.0.2.8", ADDRESS]


def test_it_is_asked_once_and_only_by_a_touch(make: SiteMaker) -> None:
    asked: list[str] = []

    def path_of(environ: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(environ["PATH_INFO"])
        return {}

    browser = visitor(make(event_context=path_of))
    asked.clear()

    browser.ask(nothing)
    assert asked == []
    browser.send(then(read, put(new=2), call("save"), call("clear"), put(more=3)))
    assert asked == ["/"]


def test_without_the_option_there_is_no_context(browser: Browser) -> None:
    browser.send(put(new=2))

    assert contexts(browser.site) == [None, None]


def test_it_may_be_named(make_memory: SiteMaker) -> None:
    browser = Browser(make_memory(event_context=f"{__name__}:address_of"))
    browser.send(put(new=2), REMOTE_ADDR=ADDRESS)

    assert contexts(browser.site) == [CONTEXT]


def test_a_session_without_wsgi_has_the_context_of_its_environ() -> None:
    events: list[Event] = []
    manager = SessionManager({"secret": SECRET, "event_context": address_of, "on_event": events.append})
    session = manager.open({"wsgi.url_scheme": "https", "REMOTE_ADDR": ADDRESS})
    session["new"] = 2
    manager.commit(session)

    assert [event.context for event in events] == [CONTEXT]


def test_a_first_touch_after_the_headers_has_none(make: SiteMaker) -> None:
    told = visitor(make(event_context=lambda environ: {"is_asked": True}))

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", PLAIN)
        yield b"first"
        dict(environ[KEY])

    told.get(app, REMOTE_ADDR=ADDRESS)

    assert contexts(told.site) == [None]


# What the callable may do.


def test_it_may_read_the_session(make: SiteMaker) -> None:
    def user_of(environ: Mapping[str, Any]) -> dict[str, Any]:
        session = environ[KEY]
        return {"user": session.user_id, "keys": sorted(session), "rejected": session.rejected}

    browser = visitor(make(event_context=user_of), login("ada", old=1))
    browser.send(put(new=2))

    assert contexts(browser.site) == [{"user": "ada", "keys": ["old"], "rejected": None}] * 2


def test_what_the_application_does_with_its_mapping_afterwards_is_not_told(make: SiteMaker) -> None:
    shared: dict[str, Any] = {"number": 1}
    browser = visitor(make(event_context=lambda environ: shared))

    browser.ask(then(read, lambda session: shared.clear(), put(new=2)))

    assert contexts(browser.site) == [{"number": 1}] * 2


@pytest.mark.parametrize(
    ("function", "said"),
    [
        pytest.param(address_of, "raised KeyError", id="raises"),
        pytest.param(lambda environ: None, "gave a NoneType: let it give a dict", id="None"),
        pytest.param(lambda environ: [("a", 1)], "gave a list", id="no mapping"),
        pytest.param(lambda environ: environ, "gave environ itself", id="environ"),
    ],
)
def test_one_that_fails_is_logged_once_and_the_context_is_none(
    make_memory: SiteMaker, caplog: pytest.LogCaptureFixture, function: Any, said: str
) -> None:
    site = make_memory(event_context=function)

    answers = [site.ask(put(new=2)) for _ in range(3)]

    assert [answer.status for answer in answers] == [200] * 3
    assert contexts(site) == [None] * 3
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert said in line


def test_each_kind_of_fault_is_logged(make_memory: SiteMaker, caplog: pytest.LogCaptureFixture) -> None:
    given: list[Any] = [None, 5, "raise", "raise"]

    def function(environ: Any) -> Any:
        found = given.pop(0)
        if found == "raise":
            raise ValueError(environ["HTTP_COOKIE"])
        return found

    site = make_memory(event_context=function)
    for _ in range(4):
        site.ask(put(new=2), "theirs=a part of the cookie")

    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(lines) == 2
    assert "raised ValueError" in lines[1]
    assert "in function" in lines[1]
    assert "a part of the cookie" not in caplog.text


def test_one_that_reads_a_session_whose_store_is_down_fails_no_request(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(event_context=lambda environ: {"user": environ[KEY].user_id}))

    with browser.site.store.down():
        answer = browser.ask(read)

    assert answer.status == 503
    assert browser.site.event("store_failed").context is None


def test_the_context_is_never_logged(told: Browser, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    told.send(then(put(new=2), call("save"), call("clear")), REMOTE_ADDR=ADDRESS)

    assert "ended (invalidated)" in caplog.text
    assert ADDRESS not in caplog.text


def test_a_request_is_let_go_with_its_context(make: SiteMaker) -> None:
    class Marked(str):
        """A text that a weak reference can watch."""

    site = make(event_context=lambda environ: {"address": environ["REMOTE_ADDR"]}, on_event=[])
    marked = Marked(ADDRESS)
    watched = weakref.ref(marked)
    gc.collect()
    gc.disable()
    try:
        site.ask(put(new=2), {COOKIE: "rubbish"}, **{**HTTPS, "REMOTE_ADDR": marked})
        del marked
        assert watched() is None
    finally:
        gc.enable()
