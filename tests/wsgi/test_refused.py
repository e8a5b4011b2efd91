"""Data that cannot be stored, and answers whose changes are not wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.exchange import (
    KEY,
    PLAIN,
    Body,
    Exchange,
    Site,
    SwitchStore,
    after,
    answering,
    changed,
    middleware,
    viewing,
)

from sessionware import CookieTooLarge, RecordTooLarge, SessionDataError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def test_data_that_does_not_fit_is_raised_with_nothing_sent() -> None:
    body = Body()
    exchange = Exchange(middleware(answering(after(lambda session: session.update(a="x" * 5000), body))))

    with pytest.raises(CookieTooLarge):
        exchange.call()

    assert exchange.starts == []
    assert body.closed == 1


def test_data_that_does_not_fit_is_raised_even_if_the_application_swallowed_it_in_write() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", PLAIN)
        environ[KEY]["a"] = "x" * 5000
        with pytest.raises(CookieTooLarge):
            write(b"text")
        return [b"fine"]

    exchange = Exchange(middleware(app))

    with pytest.raises(CookieTooLarge):
        exchange.call()

    assert exchange.starts == []


def test_a_record_that_its_store_refuses_is_raised_with_nothing_sent(site: Site, store: SwitchStore) -> None:
    store.limit = 1000
    exchange = site.exchange(viewing(lambda session: session.update(a="x" * 5000)))

    with pytest.raises(RecordTooLarge):
        exchange.call()

    assert exchange.starts == []
    assert site.stored() == {"old": 1}


def test_a_nested_value_that_cannot_be_stored_is_raised_with_nothing_sent(site: Site) -> None:
    def view(session: Any) -> None:
        session["cart"] = []
        session["cart"].append(object())

    exchange = site.exchange(viewing(view))

    with pytest.raises(SessionDataError, match="cart"):
        exchange.call()

    assert exchange.starts == []
    assert site.stored() == {"old": 1}


@pytest.mark.parametrize(
    ("status", "is_saved"),
    [
        pytest.param("500 Internal Server Error", False, id="500"),
        pytest.param("599 Whatever", False, id="599"),
        pytest.param("404 Not Found", True, id="404"),
        pytest.param("200 OK", True, id="200"),
        pytest.param("what is this", True, id="no number"),
        pytest.param("", True, id="nothing at all"),
    ],
)
def test_a_5xx_saves_nothing_where_the_configuration_says_so(status: str, is_saved: bool) -> None:
    site = Site(backend="memory", save_on_error=False)
    site.view(lambda session: session.update(old=1))

    site.view(lambda session: session.update(new=1), status=status)

    assert ("new" in site.stored()) is is_saved


def test_a_5xx_saves_as_any_answer_does() -> None:
    site = Site(backend="memory")

    site.view(lambda session: session.update(new=1), status="500 Internal Server Error")

    assert site.stored() == {"new": 1}


def test_a_status_that_is_no_text_is_left_to_the_server() -> None:
    app = answering(after(changed, [b""]), status=200)  # type: ignore[arg-type]

    exchange = Exchange(middleware(app)).call()

    assert exchange.starts[0][0] == 200  # type: ignore[comparison-overlap]
