"""What the answer that ends a session tells the browser to forget: the option ``clear_site_data``."""

from __future__ import annotations

from typing import Any

import pytest
from support.actions import Action, call, drop, login, nothing, put, read, then
from support.browser import Browser, SiteMaker, visitor
from support.constants import COOKIE, KEY

from sessionware.testing import FakeClock

HEADER = "Clear-Site-Data"
BOTH = '"cache", "storage"'


@pytest.fixture
def forgetful(make: SiteMaker) -> Browser:
    """A visitor of a site that lets browsers forget both."""
    return visitor(make(clear_site_data=["cache", "storage"]))


ENDS = [
    pytest.param(call("clear"), id="clear"),
    pytest.param(call("invalidate"), id="invalidate"),
    pytest.param(drop("old"), id="emptied"),
    pytest.param(then(drop("old"), call("save")), id="emptied and saved"),
    pytest.param(then(call("clear"), call("clear")), id="twice"),
    pytest.param(then(call("clear"), put(new=2), drop("new")), id="written and emptied"),
]


@pytest.mark.parametrize("end", ENDS)
def test_the_answer_that_deletes_the_cookie_has_the_header(forgetful: Browser, end: Action) -> None:
    answer = forgetful.send(end)

    assert answer.cookies == {COOKIE: None}
    assert answer.lines(HEADER) == [BOTH]


@pytest.mark.parametrize(
    ("written", "sent"), [("storage", ['"storage"']), (["storage", "cache"], [BOTH]), ((), []), (None, [])], ids=repr
)
def test_it_names_what_is_configured(make: SiteMaker, written: Any, sent: list[str]) -> None:
    assert visitor(make(clear_site_data=written)).ask(call("clear")).lines(HEADER) == sent


def test_without_the_option_there_is_no_header(browser: Browser) -> None:
    assert browser.ask(call("clear")).lines(HEADER) == []


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(nothing, id="untouched"),
        pytest.param(read, id="read"),
        pytest.param(put(new=2), id="write"),
        pytest.param(call("regenerate"), id="regenerate"),
        pytest.param(login("ada"), id="login"),
    ],
)
def test_an_answer_that_ends_nothing_has_no_header(forgetful: Browser, action: Action) -> None:
    assert forgetful.ask(action).lines(HEADER) == []


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(then(call("clear"), put(new=2)), id="clear and write"),
        pytest.param(then(call("clear"), login("ada")), id="clear and log in"),
        pytest.param(then(call("clear"), put(new=2), call("save")), id="clear, write and save"),
    ],
)
def test_an_answer_in_which_a_session_begins_has_no_header(forgetful: Browser, action: Action) -> None:
    answer = forgetful.send(action)

    assert answer.cookie
    assert answer.lines(HEADER) == []


def test_a_login_of_another_user_has_no_header(make: SiteMaker) -> None:
    browser = visitor(make(clear_site_data="cache"), login("ada"))

    assert browser.ask(login("bob")).lines(HEADER) == []


def test_an_end_that_finds_nothing_to_end_has_no_header(forgetful: Browser, clock: FakeClock) -> None:
    clock.advance(3600)

    assert forgetful.ask(call("clear")).lines(HEADER) == []
    assert forgetful.site.ask(call("clear")).lines(HEADER) == []


def test_a_session_that_another_request_has_ended_has_no_header(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(clear_site_data="cache"))
    tab = browser.twin()

    answer = tab.ask(then(read, lambda session: browser.send(call("clear")), call("clear")))

    assert (answer.set_cookies, answer.lines(HEADER)) == ([], [])


@pytest.mark.parametrize(
    ("options", "environ", "is_sent"),
    [
        pytest.param({}, {"wsgi.url_scheme": "http", "HTTP_HOST": "localhost"}, False, id="http here"),
        pytest.param({}, {"wsgi.url_scheme": "http", "HTTP_HOST": "example.org"}, True, id="http by a proxy"),
        pytest.param({"cookie.secure": True}, {"wsgi.url_scheme": "http", "HTTP_HOST": "localhost"}, True, id="Secure"),
        pytest.param({"cookie.secure": False}, {"wsgi.url_scheme": "http"}, False, id="http wanted"),
        pytest.param({"cookie.secure": False}, {"wsgi.url_scheme": "https"}, True, id="https without Secure"),
        pytest.param({}, {"wsgi.url_scheme": "https"}, True, id="https"),
    ],
)
def test_only_a_site_of_https_sends_it(
    make_memory: SiteMaker, options: dict[str, Any], environ: dict[str, str], is_sent: bool
) -> None:
    browser = Browser(make_memory(clear_site_data="cache", **options))
    browser.send(put(old=1), **environ)

    answer = browser.ask(call("clear"), **environ)

    assert len(answer.set_cookies) == 1
    assert answer.lines(HEADER) == (['"cache"'] if is_sent else [])


def test_the_applications_own_header_stays_beside_it(forgetful: Browser) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ[KEY].clear()
        start_response("200 OK", [(HEADER, '"cookies"')])
        return [b"bye"]

    headers = forgetful.get(app).headers

    assert [value for name, value in headers if name == HEADER] == ['"cookies"', BOTH]


def test_a_manager_without_wsgi_has_it_among_its_pairs(forgetful: Browser) -> None:
    manager = forgetful.site.manager
    session = manager.open({"wsgi.url_scheme": "https", "HTTP_COOKIE": f"{COOKIE}={forgetful.cookies[COOKIE]}"})
    session.clear()

    assert (HEADER, BOTH) in manager.commit(session)


def test_our_503_that_carries_a_deletion_has_it(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(clear_site_data="cache"))

    def end_and_lose_the_store(session: Any) -> None:
        session.clear()
        session["new"] = 2
        browser.site.store.broken = {"create"}

    answer = browser.ask(end_and_lose_the_store)

    assert (answer.status, answer.cookies) == (503, {COOKIE: None})
    assert answer.lines(HEADER) == ['"cache"']


def test_our_503_that_deletes_nothing_does_not_have_it(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(clear_site_data="cache"))

    with browser.site.store.down():
        answer = browser.ask(call("clear"))

    assert (answer.status, answer.lines(HEADER)) == (503, [])


def test_it_is_on_the_answer_that_ends_a_session_whose_data_cannot_be_loaded(make_memory: SiteMaker) -> None:
    class Money:
        """A type that the next deploy no longer declares."""

    types = {Money: ("money", lambda money: 1, lambda plain: Money())}
    browser = visitor(make_memory(types=types, clear_site_data="cache"), put(price=Money()))
    later = browser.twin(browser.site.like(types={}))

    answer = later.ask(call("clear"))

    assert (answer.cookies, answer.lines(HEADER)) == ({COOKIE: None}, ['"cache"'])
