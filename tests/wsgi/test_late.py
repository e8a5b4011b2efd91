"""After the commit: what can still be saved is saved when the body ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from support.exchange import KEY, PLAIN, Body, Boom, Exchange, Site, SwitchStore, View, answering, middleware
from wsgi.streams import nothing, put, streaming

from sessionware import Event, Session, StoreUnavailable
from sessionware.exceptions import Conflict
from sessionware.testing import FakeClock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([put("new"), nothing], id="before the first chunk"),
        pytest.param([nothing, put("new"), nothing], id="between two chunks"),
        pytest.param([nothing, put("new")], id="after the last chunk"),
    ],
)
def test_a_change_of_a_stored_session_is_saved_wherever_it_is_made(site: Site, steps: list[View]) -> None:
    site.get(streaming(*steps))

    assert site.stored() == {"old": 1, "new": 1}


def test_it_is_saved_before_the_server_ends_the_response(site: Site, store: SwitchStore) -> None:
    exchange = site.exchange(streaming(nothing, put("new"))).call()

    assert list(exchange.result) == [b"chunk"]

    assert store.calls[-1] == "replace"


def test_a_change_of_a_session_that_this_response_stores_is_saved(store: SwitchStore) -> None:
    site = Site(backend=store)

    site.get(streaming(put("first"), put("second")))

    assert site.stored() == {"first": 1, "second": 1}


def test_a_change_deep_inside_is_saved(site: Site) -> None:
    site.view(put("cart", {"apples": 1}))

    site.get(streaming(nothing, lambda session: session["cart"].update(pears=2)))

    assert site.stored()["cart"] == {"apples": 1, "pears": 2}


def test_a_change_made_by_close_is_saved(site: Site) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
        start_response("200 OK", PLAIN)
        session = environ[KEY]
        return Body(on_close=lambda: session.update(new=1))

    site.get(app)

    assert site.stored() == {"old": 1, "new": 1}


def test_every_change_of_a_session_that_was_ended_meanwhile_goes_with_it(site: Site) -> None:
    """One after the commit as one before it: it is no fault of the application's."""

    def lose(session: Session) -> None:
        session["new"] = 1
        site.get(streaming(lambda other: other.clear()))

    exchange = site.exchange(streaming(lose, put("newer"), nothing)).call()

    assert list(exchange.result) == [b"chunk", b"chunk"]
    exchange.close()
    assert site.stored() == {}


def test_a_client_that_hangs_up_loses_nothing(site: Site) -> None:
    exchange = site.exchange(streaming(nothing, put("new"), nothing, nothing)).call()
    chunks = iter(exchange.result)
    next(chunks), next(chunks)

    exchange.close()

    assert site.stored() == {"old": 1, "new": 1}


def test_a_generator_exit_from_the_body_loses_nothing(site: Site) -> None:
    def chunks(session: Session) -> Iterator[bytes]:
        yield b"one"
        session["new"] = 1
        raise GeneratorExit

    exchange = site.exchange(answering(chunks)).call()
    with pytest.raises(GeneratorExit):
        list(exchange.result)

    exchange.close()

    assert site.stored() == {"old": 1, "new": 1}


def test_what_came_before_an_error_in_the_stream_but_after_the_commit_is_dropped(store: SwitchStore) -> None:
    events: list[Event] = []
    site = Site(backend=store, on_event=events.append)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        environ[KEY]["before"] = 1
        yield b"one"
        environ[KEY]["after"] = 1
        raise Boom

    exchange = site.exchange(app)
    with pytest.raises(Boom):
        exchange.run()
    site.keep(exchange)

    assert site.stored() == {"before": 1}
    assert [event.reason for event in events if event.name == "discarded"] == ["app_raised"]


def test_what_came_before_an_error_in_close_is_dropped(site: Site) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Body:
        session = environ[KEY]

        def fail() -> None:
            session["new"] = 1
            raise Boom

        start_response("200 OK", PLAIN)
        return Body(on_close=fail)

    with pytest.raises(Boom):
        site.get(app)

    assert site.stored() == {"old": 1}


def test_a_late_save_that_fails_is_raised_where_the_body_ends(site: Site, store: SwitchStore) -> None:
    def break_it(session: Session) -> None:
        session["new"] = 1
        store.broken = {"replace"}

    exchange = site.exchange(streaming(nothing, break_it)).call()
    chunks = iter(exchange.result)
    assert next(chunks) == b"chunk"

    with pytest.raises(StoreUnavailable):
        next(chunks)

    store.broken.clear()
    exchange.close()
    assert store.calls.count("replace") == 1
    assert site.stored() == {"old": 1}


def test_a_late_save_that_fails_is_the_store_s_failure_and_not_the_application_s(store: SwitchStore) -> None:
    events: list[Event] = []
    site = Site(backend=store, on_event=events.append)

    def break_it(session: Session) -> None:
        session["second"] = 1
        store.broken = {"replace"}

    with pytest.raises(StoreUnavailable):
        site.get(streaming(put("first"), break_it))

    assert [event.name for event in events if event.name in ("store_failed", "discarded")] == ["store_failed"]


def test_a_save_that_fails_at_close_is_raised_there(site: Site, store: SwitchStore) -> None:
    def break_it(session: Session) -> None:
        session["new"] = 1
        store.broken = {"replace"}

    exchange = site.exchange(streaming(nothing, break_it, nothing)).call()
    chunks = iter(exchange.result)
    next(chunks), next(chunks)

    with pytest.raises(StoreUnavailable):
        exchange.close()


def test_a_first_read_after_the_commit_works_with_one_warning(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    seen: dict[str, Any] = {}
    caplog.set_level(logging.WARNING, "sessionware")

    exchange = site.get(streaming(nothing, seen.update, seen.update))

    assert seen == {"old": 1}
    assert exchange.header("Vary") is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("member", ["invalidate", "clear"])
def test_a_stored_session_can_be_ended_late(site: Site, store: SwitchStore, member: str) -> None:
    at_once: list[int] = []

    def end(session: Session) -> None:
        getattr(session, member)()
        at_once.append(len(store))

    exchange = site.get(streaming(nothing, end, nothing))

    assert at_once == [0]
    assert exchange.cookie is None
    assert site.stored() == {}


def test_a_late_renewal_of_a_cookie_session_waits_for_another_request() -> None:
    clock = FakeClock()
    site = Site(backend="cookie", clock=clock)
    site.view(put("old"))
    clock.advance(1800)

    exchange = site.get(streaming(nothing, len))

    assert exchange.headers == PLAIN
    assert site.view(len).cookie is not None


def test_a_late_renewal_of_a_stored_session_is_written(store: SwitchStore) -> None:
    clock = FakeClock()
    site = Site(backend=store, clock=clock)
    site.view(put("old"))
    clock.advance(1800)
    store.calls.clear()

    site.get(streaming(nothing, len))

    assert store.calls == ["load", "replace"]


@pytest.mark.parametrize("failure", [StoreUnavailable("down"), Conflict()], ids=["down", "conflict"])
def test_a_renewal_is_tried_once_in_a_request(store: SwitchStore, failure: Exception) -> None:
    clock = FakeClock()
    site = Site(backend=store, clock=clock)
    site.view(put("old"))
    clock.advance(1800)
    store.calls.clear()
    store.failure, store.broken = failure, {"replace"}

    site.get(streaming(len, len))

    assert store.calls == ["load", "replace"]


@pytest.mark.parametrize(("status", "is_saved"), [("500 Internal Server Error", False), ("200 OK", True)])
def test_a_late_change_of_an_error_page_is_dropped_where_the_configuration_says_so(status: str, is_saved: bool) -> None:
    events: list[Event] = []
    site = Site(backend="memory", save_on_error=False, on_event=events.append)
    site.view(put("old"))

    site.get(streaming(nothing, put("new"), status=status))

    assert ("new" in site.stored()) is is_saved
    assert ("error_status" in [event.reason for event in events]) is not is_saved


def test_an_untouched_stream_asks_nothing() -> None:
    store = SwitchStore()

    exchange = Exchange(middleware(answering(lambda session: Body()), backend=store)).run()

    assert exchange.headers == PLAIN
    assert store.calls == []
