"""CSRF tokens: which token a session accepts, and what the first one does to the session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from behaviour.moments import after_headers
from support.actions import Action, call, login, member, nothing, put, raised_by, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import NEW_SECRET, SECRET

from sessionware import HeadersSent, StoreUnavailable

token = member("csrf_token")


def accepts(browser: Browser, text: object) -> bool:
    accepted: bool = browser.ask(call("verify_csrf", text)).result
    return accepted


def test_a_token_is_accepted_by_a_later_request(browser: Browser) -> None:
    text = browser.send(token).result

    assert type(text) is str
    assert accepts(browser, text)


def test_each_read_gives_another_token_and_all_are_good(browser: Browser) -> None:
    texts = [*browser.send(lambda session: [session.csrf_token for _ in range(3)]).result, browser.send(token).result]

    assert len(set(texts)) == 4
    assert all(accepts(browser, text) for text in texts)


def test_a_token_is_good_in_the_request_that_made_it(browser: Browser) -> None:
    assert browser.ask(lambda session: session.verify_csrf(session.csrf_token)).result is True


def test_a_token_of_another_session_is_refused(site: Site) -> None:
    mine, other = visitor(site), visitor(site)
    text = other.send(token).result
    mine.send(token)

    assert not accepts(mine, text)


@pytest.mark.parametrize("text", [None, "", "x", "A" * 86, b"A" * 86, 5, "é" * 86, "\ud800" * 86, ["A"]], ids=repr)
def test_what_is_no_token_is_refused_and_raises_nothing(light: Browser, text: object) -> None:
    light.send(token)

    assert accepts(light, text) is False


def test_a_session_without_a_token_accepts_none_and_writes_nothing(browser: Browser) -> None:
    text = visitor(browser.site, token).send(token).result
    browser.site.events.clear()

    answer = browser.ask(call("verify_csrf", text))

    assert answer.result is False
    assert answer.set_cookies == []
    assert browser.site.names() == []


def test_the_first_token_gives_a_visitor_a_session_and_a_check_gives_none(site: Site) -> None:
    browser = Browser(site)

    assert browser.send(call("verify_csrf", "x")).set_cookies == []
    text = browser.send(token).result

    assert browser.cookies
    assert accepts(browser, text)
    assert browser.data() == {}


def test_only_the_first_token_is_a_change(browser: Browser) -> None:
    first = browser.send(then(token, member("modified"))).result
    browser.site.events.clear()
    second = browser.send(then(token, member("modified")))

    assert (first, second.result) == (True, False)
    assert second.set_cookies == []
    assert browser.site.names() == []


@pytest.mark.parametrize(
    "change", [call("regenerate"), call("remember", "30d"), put(new=2), call("revert"), call("flash", "saved")]
)
def test_a_token_is_kept(browser: Browser, change: Action) -> None:
    text = browser.send(token).result

    browser.send(change)

    assert accepts(browser, text)


@pytest.mark.parametrize("change", [call("regenerate"), call("remember", "30d"), call("revert"), call("save")])
@pytest.mark.parametrize("order", [lambda token, change: (token, change), lambda token, change: (change, token)])
def test_a_first_token_beside_a_change_in_one_request_is_kept(
    browser: Browser, change: Action, order: Callable[..., Any]
) -> None:
    texts: list[str] = []
    browser.send(then(*order(lambda session: texts.append(session.csrf_token), change)))

    assert accepts(browser, texts[0])


@pytest.mark.parametrize("start", [put(old=1), login("ada", old=1)], ids=["anonymous", "the same user"])
def test_a_login_refuses_the_tokens_of_before(site: Site, start: Action) -> None:
    browser = visitor(site, start)
    before = browser.send(token).result

    browser.send(login("ada"))

    assert not accepts(browser, before)
    after = browser.send(token).result
    assert accepts(browser, after)
    assert not accepts(browser, before)


@pytest.mark.parametrize("user", ["ada", "bob"])
def test_a_token_after_a_login_in_one_request_is_good_and_one_before_it_is_not(site: Site, user: str) -> None:
    browser = visitor(site, login("ada", old=1))

    texts: list[str] = []
    note = lambda session: texts.append(session.csrf_token)  # noqa: E731
    browser.send(then(note, call("login", user), note))
    before, after = texts

    assert accepts(browser, after)
    assert not accepts(browser, before)


def test_a_login_that_is_not_saved_yet_refuses_the_tokens_of_before(browser: Browser) -> None:
    before = browser.send(token).result

    assert browser.ask(then(call("login", "ada"), call("verify_csrf", before))).result is False


@pytest.mark.parametrize("end", [call("clear"), call("invalidate")])
def test_no_token_outlives_its_session(browser: Browser, end: Action) -> None:
    text = browser.send(token).result

    browser.send(then(end, put(new=2), token))

    assert not accepts(browser, text)


def test_two_requests_that_ask_at_once_for_the_first_token_both_get_a_good_one(browser: Browser) -> None:
    answers = [browser.ask(token), browser.ask(token)]
    for answer in answers:
        browser.receive(answer)

    assert all(accepts(browser, answer.result) for answer in answers)


def test_while_a_new_secret_is_deployed_the_token_that_was_stored_first_stays_good(make_stored: SiteMaker) -> None:
    site = make_stored(secret=[SECRET, NEW_SECRET])
    browser = visitor(site)
    deployed = browser.twin(site.like(secret=[NEW_SECRET, SECRET]))
    first: list[str] = []

    browser.send(then(len, lambda session: first.append(deployed.send(token).result), token))

    assert accepts(browser, first[0])


def test_a_token_is_good_after_the_secret_was_changed(make: SiteMaker) -> None:
    site = make()
    browser = visitor(site)
    text = browser.send(token).result

    browser.site = site.like(secret=[NEW_SECRET, SECRET])
    browser.send(put(new=2))

    assert accepts(browser, text)
    assert accepts(browser, browser.send(token).result)


def test_a_session_that_has_nothing_but_a_token_lives(site: Site) -> None:
    browser = visitor(site, then(put(a=1), token))
    text = browser.send(token).result

    browser.send(lambda session: session.pop("a"))

    assert accepts(browser, text)


def test_a_token_under_a_former_id_that_has_none_is_the_409(stored: Site) -> None:
    browser = visitor(stored)
    slow = browser.twin()
    browser.send(call("regenerate"))

    answer = slow.ask(token)

    assert answer.status == 409


def test_a_request_with_a_former_id_reads_and_checks_the_token_that_is_kept(stored: Site) -> None:
    browser = visitor(stored, token)
    slow = browser.twin()
    browser.send(call("regenerate"))

    text = slow.ask(token).result

    assert accepts(slow, text)
    assert accepts(browser, text)


def test_after_the_headers_a_first_token_needs_no_cookie_in_a_stored_session(stored: Site) -> None:
    browser = visitor(stored)
    texts: list[str] = []

    browser.get(after_headers(lambda session: texts.append(session.csrf_token)))

    assert accepts(browser, texts[0])


@pytest.mark.parametrize("start", [nothing, put(old=1)])
def test_after_the_headers_a_first_token_that_needs_a_cookie_raises(make_cookie: SiteMaker, start: Action) -> None:
    browser = Browser(make_cookie())
    browser.send(start)

    with pytest.raises(HeadersSent):
        browser.get(after_headers(token))


def test_after_the_headers_a_token_that_is_there_can_be_read(site: Site) -> None:
    browser = visitor(site, token)
    texts: list[str] = []

    browser.get(after_headers(lambda session: texts.append(session.csrf_token)))

    assert accepts(browser, texts[0])


def test_in_an_outage_an_anonymous_session_accepts_no_token_and_gives_none(make_memory: SiteMaker) -> None:
    browser = visitor(make_memory(on_store_failure="anonymous"))
    text = browser.send(token).result

    with browser.site.store.down():
        assert accepts(browser, text) is False
        assert isinstance(browser.ask(raised_by(token)).result, StoreUnavailable)

    assert accepts(browser, text)


def test_an_answer_that_is_not_kept_keeps_no_first_token(make: SiteMaker) -> None:
    browser = visitor(make(save_on_error=False))

    answer = browser.send(token, status="500 Internal Server Error")

    assert browser.ask(read).result == {"old": 1}
    assert not accepts(browser, answer.result)
