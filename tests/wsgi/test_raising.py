"""An application that raises: nothing is saved, and the error passes unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.exchange import KEY, PLAIN, Boom, Exchange, Site, SwitchStore, middleware
from wsgi.raising import raising, raising_at_once

from sessionware import Event, StoreUnavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@raising
@pytest.mark.parametrize(
    "error", [Boom("text"), KeyboardInterrupt(), SystemExit(1)], ids=lambda error: type(error).__name__
)
def test_an_error_before_the_commit_passes_unchanged_and_saves_nothing(site: Site, failing: Any, error: Any) -> None:
    exchange = site.exchange(failing(error))

    with pytest.raises(type(error)) as caught:
        exchange.call()

    assert caught.value is error
    assert exchange.starts == []
    assert site.stored() == {"old": 1}


def test_stop_iteration_passes_too() -> None:
    # gunicorn's way for an application to say that it has taken the connection over
    error = StopIteration()

    with pytest.raises(StopIteration) as caught:
        Exchange(middleware(raising_at_once(error))).call()

    assert caught.value is error


def test_what_an_error_dropped_is_told(store: SwitchStore) -> None:
    events: list[Event] = []

    with pytest.raises(Boom):
        Exchange(middleware(raising_at_once(Boom()), backend=store, on_event=events.append)).call()

    assert [(event.name, event.reason) for event in events] == [("discarded", "app_raised")]


def test_what_save_wrote_before_an_error_stands(site: Site) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY]["saved"] = 1
        environ[KEY].save()
        environ[KEY]["unsaved"] = 1
        raise Boom

    with pytest.raises(Boom):
        site.get(app)

    assert site.stored() == {"old": 1, "saved": 1}


def test_what_was_ended_before_an_error_stays_ended(site: Site, store: SwitchStore) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ[KEY].invalidate()
        raise Boom

    with pytest.raises(Boom):
        site.get(app)

    assert len(store) == 0


def test_an_error_after_write_passes_and_drops_what_came_after(site: Site) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        environ[KEY]["before"] = 1
        write(b"sent")
        environ[KEY]["after"] = 1
        raise Boom

    with pytest.raises(Boom):
        site.get(app)

    assert site.stored() == {"old": 1, "before": 1}


def test_a_store_failure_after_write_is_raised_since_headers_are_out(site: Site, store: SwitchStore) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", PLAIN)(b"sent")
        store.broken = {"load"}
        environ[KEY].get("old")
        return []

    exchange = site.exchange(app)

    with pytest.raises(StoreUnavailable):
        exchange.run()

    assert [status for status, _ in exchange.starts] == ["200 OK"]
