"""What the option on_store_failure makes of a store that is down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.exchange import Body, Exchange, Site, SwitchStore, after, answering, assert_is_503, changed, middleware
from wsgi.raising import raising, raising_at_once

from sessionware import ConflictError, StoreUnavailable

if TYPE_CHECKING:
    pass


@raising
def test_it_is_raised_where_the_configuration_says_so(failing: Any) -> None:
    error = StoreUnavailable("down")

    with pytest.raises(StoreUnavailable) as caught:
        Exchange(middleware(failing(error), backend="memory", on_store_failure="raise")).call()

    assert caught.value is error


def test_a_save_that_fails_is_raised_where_the_configuration_says_so(store: SwitchStore) -> None:
    body = Body()
    store.broken = {"create"}
    app = answering(after(changed, body))

    with pytest.raises(StoreUnavailable):
        Exchange(middleware(app, backend=store, on_store_failure="raise")).call()

    assert body.closed == 1


def anonymous(store: SwitchStore) -> Site:
    site = Site(backend=store, on_store_failure="anonymous")
    site.view(lambda session: session.update(old=1))
    return site


def test_anonymous_means_an_empty_session_in_an_answer_that_nobody_stores(store: SwitchStore) -> None:
    site = anonymous(store)
    store.broken = {"load"}

    exchange = site.view(dict)

    assert exchange.body == b"{}"
    assert exchange.header("Cache-Control") == "no-store"
    assert exchange.header("Vary") == "Cookie"
    assert exchange.cookie is None


def test_a_change_of_an_anonymous_session_is_the_503(store: SwitchStore) -> None:
    site = anonymous(store)
    store.broken = {"load"}

    exchange = site.view(lambda session: session.clear())

    assert_is_503(exchange)


def test_where_anonymous_could_load_but_not_save_it_is_the_503_all_the_same(store: SwitchStore) -> None:
    site = anonymous(store)
    store.broken = {"replace"}

    exchange = site.view(lambda session: session.update(new=1))

    assert_is_503(exchange)


@pytest.mark.parametrize("mode", ["unavailable", "raise", "anonymous"])
def test_on_store_failure_does_not_concern_conflicts(mode: str) -> None:
    error = ConflictError("superseded")

    exchange = Exchange(middleware(raising_at_once(error), backend="memory", on_store_failure=mode)).run()

    assert exchange.status == "409 Conflict"
