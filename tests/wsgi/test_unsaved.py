"""A session that cannot be saved: the answer is thrown away, and a fixed one takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.exchange import (
    KEY,
    Body,
    Exchange,
    Site,
    SwitchStore,
    after,
    answering,
    assert_is_503,
    changed,
    middleware,
    viewing,
)
from wsgi.raising import raising

from sessionware import Event, StoreUnavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def test_a_save_that_fails_throws_the_answer_away(site: Site, store: SwitchStore) -> None:
    store.broken = {"replace"}

    exchange = site.view(lambda session: session.update(new=1))

    assert_is_503(exchange)


def test_a_save_that_fails_is_the_store_s_failure_and_not_the_application_s(store: SwitchStore) -> None:
    events: list[Event] = []
    store.broken = {"create"}

    Exchange(middleware(answering(after(changed, [b""])), backend=store, on_event=events.append)).run()

    assert [event.name for event in events] == ["store_failed"]


def test_a_save_that_fails_closes_and_drops_a_stream(site: Site, store: SwitchStore) -> None:
    body = Body()
    store.broken = {"replace"}

    exchange = site.get(answering(after(changed, body)))

    assert_is_503(exchange)
    assert (body.taken, body.closed) == (1, 1)


@raising
def test_a_store_failure_that_leaves_the_app_is_answered_with_503(site: Site, failing: Any) -> None:
    exchange = site.get(failing(StoreUnavailable("redis://user:password@host is down")))

    assert_is_503(exchange)
    assert site.stored() == {"old": 1}


def test_a_load_that_fails_is_asked_once_and_answered_with_503(site: Site, store: SwitchStore) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        with pytest.raises(StoreUnavailable) as first:
            environ[KEY].get("old")
        with pytest.raises(StoreUnavailable) as second:
            environ[KEY].get("old")
        assert first.value is second.value
        raise second.value

    store.calls.clear()
    store.broken = {"load"}

    exchange = site.get(app)

    assert_is_503(exchange)
    assert store.calls == ["load"]


def test_head_gets_the_headers_of_the_503_without_its_body(site: Site, store: SwitchStore) -> None:
    store.broken = {"load"}

    exchange = site.view(len, REQUEST_METHOD="HEAD")

    assert exchange.status == "503 Service Unavailable"
    assert exchange.header("Content-Length") == "71"
    assert exchange.chunks == []


def test_an_untouched_request_is_served_while_the_store_is_down(site: Site, store: SwitchStore) -> None:
    store.broken = {"load", "create", "replace", "delete"}

    exchange = site.get(answering([b"fine"]))

    assert exchange.body == b"fine"


def test_a_500_that_a_framework_made_of_it_is_replaced(site: Site, store: SwitchStore) -> None:
    def view(session: Any) -> str:
        with pytest.raises(StoreUnavailable):
            session.get("old")
        return "Internal Server Error"

    store.broken = {"load"}

    exchange = site.view(view, status="500 Internal Server Error")

    assert_is_503(exchange)


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "502 Bad Gateway"])
def test_an_app_that_caught_it_and_answered_otherwise_is_left_alone(
    site: Site, store: SwitchStore, status: str
) -> None:
    def view(session: Any) -> str:
        with pytest.raises(StoreUnavailable):
            session.get("old")
        return "own answer"

    store.broken = {"load"}

    exchange = site.view(view, status=status)

    assert exchange.status == status
    assert exchange.body == b"own answer"
    assert exchange.cookie is None


def superseded(site: Site) -> None:
    """Let the visitor's id be replaced by another request, whose answer does not arrive in time."""
    site.exchange(viewing(lambda session: session.regenerate())).run()


def test_a_change_under_an_id_that_was_replaced_is_answered_with_409(site: Site) -> None:
    superseded(site)

    exchange = site.view(lambda session: session.update(new=1))

    text = b"This request was overtaken by a change of the session. Please try again.\n"
    assert exchange.status == "409 Conflict"
    assert exchange.headers == [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(text))),
        ("Retry-After", "1"),
        ("Cache-Control", "no-store"),
    ]
    assert exchange.body == text
