"""The headers that keep an answer with a session out of other visitors' hands."""

from __future__ import annotations

from typing import Any

import pytest
from support.actions import Action, put
from support.browser import Browser, Site
from support.constants import PLAIN
from support.exchange import Exchange
from wsgi.applications import after, answering, changed

from sessionware import Session
from sessionware.testing import FakeClock

CACHEABLE = [*PLAIN, ("Vary", "Accept"), ("Cache-Control", "public, max-age=60"), ("Surrogate-Control", "max-age=60")]


@pytest.fixture(params=["memory", "cookie"])
def browser(request: pytest.FixtureRequest) -> Browser:
    """A site and a visitor who has a session that is due for renewal."""
    clock = FakeClock()
    browser = Browser(Site(backend=request.param, clock=clock))
    browser.send(put(old=1))
    clock.advance(1800)
    return browser


def cacheable(browser: Browser, view: Action) -> Exchange:
    """The answer of an application that would like it to be cached."""
    return browser.get(answering(after(view, [b"body"]), headers=CACHEABLE))


def test_an_untouched_answer_stays_cacheable(browser: Browser) -> None:
    assert cacheable(browser, lambda session: None).headers == CACHEABLE


READS: dict[str, Action] = {
    "len": len,
    "in": lambda session: "old" in session,
    "iteration": list,
    "equality": lambda session: session == {},
    "bool": bool,
    "get": lambda session: session.get("old"),
    "id": lambda session: session.id,
    "user_id": lambda session: session.user_id,
    "expires_at": lambda session: session.expires_at,
    "modified": lambda session: session.modified,
}


@pytest.mark.parametrize("name", READS)
def test_every_touch_adds_vary(browser: Browser, name: str) -> None:
    assert cacheable(browser, READS[name]).header("Vary") == "Accept, Cookie"


def test_repr_is_no_touch(browser: Browser) -> None:
    assert cacheable(browser, repr).headers == CACHEABLE


def end(session: Session) -> None:
    session.invalidate()


SENDING: dict[str, tuple[str, Action]] = {
    "a session of a store": ("memory", lambda session: session.login("ada")),
    "its end": ("memory", end),
    "a cookie session": ("cookie", changed),
    "the end of a cookie session": ("cookie", end),
    "the companion": ("cookie", len),
}


@pytest.mark.parametrize("name", SENDING)
def test_an_answer_with_a_cookie_of_ours_is_private(name: str) -> None:
    backend, view = SENDING[name]
    clock = FakeClock()
    browser = Browser(Site(backend=backend, clock=clock))
    browser.send(put(old=1))
    clock.advance(1800)

    exchange = cacheable(browser, view)

    headers: dict[str, Any] = dict(exchange.headers)
    assert "Set-Cookie" in headers
    assert headers["Cache-Control"] == "max-age=60, private"
    assert "Surrogate-Control" not in headers
