"""What integrations offer beside our own members: a look at the flashes, and CSRF tokens that stay or are renewed."""

from __future__ import annotations

import pytest
from support.actions import call, login, member, put, raised_by, then
from support.browser import Browser, Site, visitor
from support.stores import RecordingStore

from sessionware import HeadersSent, Session
from sessionware.integrations.members import fixed_csrf_token, peek_flashes, renew_csrf


@pytest.fixture(params=["cookie", "store"])
def browser(request: pytest.FixtureRequest) -> Browser:
    return visitor(Site("cookie" if request.param == "cookie" else RecordingStore()))


def renewed(session: Session) -> str:
    renew_csrf(session)
    return fixed_csrf_token(session)


def test_a_peek_gives_the_messages_of_a_category_and_leaves_them(browser: Browser) -> None:
    browser.send(then(call("flash", "one", "a"), call("flash", "two", "b"), call("flash", "three", "a")))

    assert browser.ask(lambda session: peek_flashes(session, "a")).result == ["one", "three"]
    assert browser.ask(call("pop_flashes")).result == [("a", "one"), ("b", "two"), ("a", "three")]


def test_a_peek_sees_what_this_request_has_added_and_popped(browser: Browser) -> None:
    browser.send(call("flash", "old", "a"))

    def look(session: Session) -> list[object]:
        session.pop_flashes()
        session.flash("new", "a")
        return peek_flashes(session, "a")

    assert browser.ask(look).result == ["new"]


def test_the_fixed_token_is_one_of_the_sessions(browser: Browser) -> None:
    token = browser.send(fixed_csrf_token).result

    assert browser.send(fixed_csrf_token).result == token
    assert browser.ask(call("verify_csrf", token)).result is True
    assert browser.ask(member("csrf_token")).result != token


def test_the_first_fixed_token_begins_a_visitors_session() -> None:
    browser = Browser(Site())

    assert browser.send(fixed_csrf_token).cookie


def test_a_renewal_leaves_the_old_tokens_behind_and_the_data(browser: Browser) -> None:
    old = browser.send(fixed_csrf_token).result

    new = browser.send(renewed).result

    assert browser.ask(call("verify_csrf", old)).result is False
    assert browser.ask(call("verify_csrf", new)).result is True
    assert browser.data() == {"old": 1}


def test_a_login_after_a_renewal_leaves_neither_token(browser: Browser) -> None:
    new = browser.send(then(renewed, login("ada"), fixed_csrf_token)).result

    assert browser.ask(call("verify_csrf", new)).result is True


def test_a_renewal_wins_over_what_another_request_writes_at_the_same_time() -> None:
    site = Site(RecordingStore())
    browser = visitor(site)
    old = browser.send(fixed_csrf_token).result
    site.store.before["replace"].append(lambda: browser.twin().send(put(other=1)))

    new = browser.send(renewed).result

    assert [browser.ask(call("verify_csrf", token)).result for token in (old, new)] == [False, True]
    assert browser.data() == {"old": 1, "other": 1}


def test_a_first_token_gives_way_to_a_renewal_at_the_same_time() -> None:
    site = Site(RecordingStore())
    browser = visitor(site)
    tokens: list[str] = []
    site.store.before["replace"].append(lambda: tokens.append(browser.twin().send(renewed).result))

    browser.send(fixed_csrf_token)

    assert browser.ask(call("verify_csrf", tokens[0])).result is True


def test_a_renewal_after_the_headers_raises_in_a_cookie_session() -> None:
    browser = visitor(Site("cookie"))
    session: list[Session] = []
    browser.send(lambda found: session.append(found))

    with pytest.raises(HeadersSent):
        renew_csrf(session[0])


def test_a_store_that_is_down_gives_no_token() -> None:
    site = Site(RecordingStore(), on_store_failure="anonymous")
    browser = visitor(site)

    with site.store.down():
        error = browser.ask(raised_by(fixed_csrf_token)).result

    assert type(error).__name__ == "StoreUnavailable"
