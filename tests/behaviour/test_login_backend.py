"""The option ``login_backend``: visitors' sessions in the cookie, users' sessions in a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from behaviour.moments import HOUR
from support.actions import Action, call, drop, login, member, put, raised_by, read, then
from support.browser import Browser, LoginSite, Site, visitor
from support.constants import COOKIE, NEW_SECRET, SECRET
from support.stores import RecordingStore, local_store

from sessionware import HeadersSent, StoreUnavailable
from sessionware.testing import FakeClock


@pytest.fixture(params=["memory", "file", "sqlite"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LoginSite]:
    clock = FakeClock()
    store = RecordingStore(local_store(request.param, tmp_path, clock))
    yield LoginSite(store, clock)
    store.close()


@pytest.fixture
def anonymous(site: LoginSite) -> Browser:
    return visitor(site, put(cart=["tea"]))


@pytest.fixture
def ada(site: LoginSite) -> Browser:
    """Signed in over a visitor's session."""
    browser = visitor(site, put(cart=["tea"]))
    browser.send(login("ada"))
    site.events.clear()
    site.store.reset()
    return browser


def test_a_visitors_session_costs_no_store_call(site: LoginSite, anonymous: Browser) -> None:
    anonymous.send(put(theme="dark"))
    anonymous.send(call("regenerate"))
    site.clock.advance(1800)
    anonymous.send(read)
    anonymous.send(call("clear"))

    assert site.store.calls == []


def test_a_login_moves_the_session_into_the_store(site: LoginSite, anonymous: Browser) -> None:
    before = anonymous.ask(member("id")).result
    sealed = anonymous.cookies[COOKIE]

    anonymous.send(login("ada", theme="dark"))

    assert anonymous.data() == {"cart": ["tea"], "theme": "dark"}
    assert anonymous.ask(member("user_id")).result == "ada"
    assert len(anonymous.cookies[COOKIE]) < len(sealed)
    assert site.store.calls[0] == "create"
    event = site.event("regenerated")
    assert (event.reason, event.former_id, event.user_id) == ("login", before, "ada")
    assert event.session_id == anonymous.ask(member("id")).result


def test_a_login_takes_the_flashes_into_the_store_and_leaves_the_csrf_tokens(site: LoginSite) -> None:
    browser = visitor(site, call("flash", "one"))
    before = browser.send(member("csrf_token")).result

    browser.send(then(login("ada"), call("flash", "two")))
    after = [browser.send(member("csrf_token")).result for _ in range(2)]

    checked = [browser.ask(call("verify_csrf", token)).result for token in (before, *after)]
    assert checked == [False, True, True]
    assert browser.send(call("pop_flashes")).result == [("message", "one"), ("message", "two")]
    assert browser.send(call("pop_flashes")).result == []


@pytest.mark.parametrize(
    ("before", "names"),
    [
        pytest.param(call("clear"), ["ended invalidated", "created login"], id="clear"),
        pytest.param(then(put(new=1), call("save")), ["saved", "regenerated login"], id="save"),
    ],
)
def test_what_a_request_did_before_its_login_is_told_before_it(
    anonymous: Browser, before: Action, names: list[str]
) -> None:
    anonymous.site.events.clear()

    anonymous.send(then(before, login("ada")))

    assert anonymous.site.names() == names


def test_a_visitors_end_that_no_answer_has_told_the_browser_is_no_event(anonymous: Browser) -> None:
    anonymous.site.events.clear()

    with pytest.raises(ZeroDivisionError):
        anonymous.send(then(call("clear"), login("ada"), call("save"), lambda session: 1 / 0))

    assert anonymous.site.names() == ["created login", "discarded app_raised"]
    assert anonymous.data() == {"cart": ["tea"]}


def test_a_login_without_a_session_begins_one_in_the_store(site: LoginSite) -> None:
    browser = Browser(site)

    browser.send(login("ada"))

    assert site.names() == ["created login"]
    assert browser.ask(member("user_id")).result == "ada"


def test_a_login_keeps_the_time_at_which_the_session_began(site: LoginSite, anonymous: Browser) -> None:
    began = anonymous.ask(member("created_at")).result
    site.clock.advance(60)

    anonymous.send(login("ada"))

    assert anonymous.ask(member("created_at")).result == began


def test_a_login_at_a_session_that_has_expired_while_the_request_ran_takes_nothing_along(site: LoginSite) -> None:
    browser = visitor(site.like(absolute_timeout=100), put(cart=["tea"]))

    browser.send(then(read, lambda session: site.clock.advance(101), login("ada", theme="dark")))

    assert browser.data() == {"theme": "dark"}


def test_changes_of_two_tabs_of_a_user_are_merged(ada: Browser) -> None:
    tab = ada.twin()

    answer = tab.ask(then(read, lambda session: ada.send(put(one=1)), put(two=2)))

    assert answer.cookie is None
    assert ada.data() == {"cart": ["tea"], "one": 1, "two": 2}


def test_the_old_cookie_of_the_visitor_shows_nothing_of_the_user(site: LoginSite, anonymous: Browser) -> None:
    old = anonymous.twin()
    anonymous.send(login("ada", private=1))

    assert old.data() == {"cart": ["tea"]}
    assert old.ask(member("user_id")).result is None


def test_a_copied_cookie_dies_with_the_logout(site: LoginSite, ada: Browser) -> None:
    thief = ada.twin()

    answer = ada.send(call("clear"))

    assert answer.cookie == ""
    assert site.event("ended").user_id == "ada"
    assert thief.data() == {}


def test_a_save_under_way_does_not_bring_an_ended_session_back(site: LoginSite, ada: Browser) -> None:
    thief = ada.twin()

    answer = thief.ask(then(read, lambda session: ada.send(call("clear")), put(late=1)))

    assert answer.cookie is None
    assert ada.data() == thief.data() == {}
    assert "discarded ended" in site.names()


def test_what_is_written_after_a_logout_begins_a_visitors_session(site: LoginSite, ada: Browser) -> None:
    ada.send(then(call("clear"), put(theme="dark")))
    site.store.reset()

    assert ada.data() == {"theme": "dark"}
    assert ada.ask(member("user_id")).result is None
    assert site.store.calls == []


def test_a_login_as_another_user_starts_empty(site: LoginSite, ada: Browser) -> None:
    old = ada.twin()

    ada.send(login("bob", theme="dark"))

    assert ada.data() == {"theme": "dark"}
    assert old.data() == {}


def test_a_regenerated_session_stays_in_the_store(site: LoginSite, ada: Browser) -> None:
    old = ada.twin()

    ada.send(call("regenerate"))

    assert ada.data() == old.data() == {"cart": ["tea"]}
    assert old.ask(put(late=1)).status == 409


def test_popping_the_last_key_signs_nobody_out(ada: Browser) -> None:
    ada.send(drop("cart"))

    assert ada.ask(member("user_id")).result == "ada"


def test_a_session_that_was_signed_in_before_the_option_was_set_is_rejected(site: LoginSite) -> None:
    old = Site("cookie", site.clock)
    browser = visitor(old, login("ada", cart=["tea"]))

    found = Browser(site, browser.cookies)

    assert found.data() == {}
    assert site.rejections() == ["revoked"]


def test_a_session_whose_key_has_signed_it_in_before_the_options_were_set_is_rejected(site: LoginSite) -> None:
    browser = visitor(Site("cookie", site.clock), put(user="ada"))

    found = Browser(site.like(user_key="user"), browser.cookies)

    assert found.data() == {}
    assert found.site.rejections() == ["revoked"]


def test_a_visitors_session_from_before_the_option_was_set_goes_on(site: LoginSite) -> None:
    browser = visitor(Site("cookie", site.clock), put(cart=["tea"]))

    assert Browser(site, browser.cookies).data() == {"cart": ["tea"]}


def test_of_a_users_and_a_visitors_cookie_the_users_is_meant(site: LoginSite, anonymous: Browser) -> None:
    ada = visitor(site, login("ada"))
    header = f"{COOKIE}={anonymous.cookies[COOKIE]}; {COOKIE}={ada.cookies[COOKIE]}"

    assert site.read(header=header).user_id == "ada"


def test_a_dead_token_hides_no_visitors_session(site: LoginSite, ada: Browser) -> None:
    dead = ada.cookies[COOKIE]
    ada.send(call("clear"))
    anonymous = visitor(site, put(cart=["tea"]))

    assert site.read(header=f"{COOKIE}={dead}; {COOKIE}={anonymous.cookies[COOKIE]}").seen == {"cart": ["tea"]}
    assert site.rejections() == ["unknown_id"]


@pytest.mark.parametrize("value", ["", "x", "AQE", "AQEAAAAA.", "é", "AQIAAAAAAAAA.AAAA"])
def test_a_malformed_cookie_is_rejected_once(site: LoginSite, value: str) -> None:
    assert site.read(header=f"{COOKIE}={value}").has_no_session
    assert site.rejections() == ["malformed"]


@pytest.mark.parametrize(
    ("order", "reasons"),
    [
        (["malformed", "token", "visitor"], ["malformed", "unknown_id", "idle"]),
        (["visitor", "token", "malformed"], ["idle", "unknown_id", "malformed"]),
        (["token", "visitor"], ["unknown_id", "idle"]),
    ],
)
def test_of_several_cookies_the_first_in_the_header_says_why(
    site: LoginSite, anonymous: Browser, ada: Browser, order: list[str], reasons: list[str]
) -> None:
    values = {"malformed": "nonsense", "token": ada.cookies[COOKIE], "visitor": anonymous.cookies[COOKIE]}
    ada.send(call("clear"))
    site.clock.advance(HOUR)
    site.events.clear()

    answer = site.ask(member("rejected"), "; ".join(f"{COOKIE}={values[name]}" for name in order))

    assert answer.result == reasons[0]
    assert site.rejections() == reasons


@pytest.mark.parametrize("written", ['""{}""', '" {}"', '"{}\t"'])
def test_a_cookie_is_trimmed_once(site: LoginSite, anonymous: Browser, ada: Browser, written: str) -> None:
    for browser in (anonymous, ada):
        value = browser.cookies[COOKIE]

        assert site.read(header=f'{COOKIE}="{value}"').seen
        assert site.read(header=f"{COOKIE}={written.format(value)}").has_no_session


def test_cookies_of_a_secret_that_was_removed_are_of_an_unknown_key(site: LoginSite, anonymous: Browser) -> None:
    ada = visitor(site, login("ada"))
    later = site.like(secret=NEW_SECRET)

    for browser in (anonymous, ada):
        assert Browser(later, browser.cookies).data() == {}

    assert later.rejections() == ["unknown_key", "unknown_key"]


def test_both_kinds_open_with_an_old_secret(site: LoginSite, anonymous: Browser, ada: Browser) -> None:
    later = site.like(secret=[NEW_SECRET, SECRET])

    assert Browser(later, anonymous.cookies).data() == Browser(later, ada.cookies).data() == {"cart": ["tea"]}


def test_last_seen_of_a_visitor_is_in_the_companion_and_of_a_user_in_the_store(
    site: LoginSite, anonymous: Browser
) -> None:
    ada = visitor(site, login("ada"))
    site.clock.advance(1800)

    assert set(anonymous.send(read).cookies) == {f"{COOKIE}-seen"}
    assert ada.send(read).set_cookies == []

    site.clock.advance(3000)
    assert anonymous.data() == {"cart": ["tea"]}
    assert ada.ask(member("user_id")).result == "ada"


def test_a_visitor_is_served_while_the_store_is_down_and_a_user_gets_a_503(site: LoginSite, ada: Browser) -> None:
    anonymous = visitor(site, put(cart=["tea"]))

    with site.store.down():
        assert anonymous.send(put(theme="dark")).status == 200
        assert ada.send(read).status == 503
        assert anonymous.send(login("bob")).status == 503

    assert anonymous.data() == {"cart": ["tea"], "theme": "dark"}
    assert ada.ask(member("user_id")).result == "ada"


def test_a_login_that_was_saved_is_sent_with_the_503_that_follows(site: LoginSite, anonymous: Browser) -> None:
    def sign_in(session: Any) -> None:
        session.login("ada")
        session.save()
        session["late"] = 1
        site.store.broken = {"replace"}

    answer = anonymous.send(sign_in)
    site.store.reset()

    assert answer.status == 503
    assert anonymous.ask(member("user_id")).result == "ada"


def test_a_logout_holds_when_the_application_raises(site: LoginSite, ada: Browser) -> None:
    def fail(session: Any) -> None:
        session.clear()
        session["late"] = 1
        raise RuntimeError

    with pytest.raises(RuntimeError):
        ada.ask(fail)

    assert ada.data() == {}


def test_a_visitors_end_does_not_hold_when_the_application_raises(site: LoginSite, anonymous: Browser) -> None:
    def fail(session: Any) -> None:
        session.clear()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        anonymous.ask(fail)

    assert anonymous.data() == {"cart": ["tea"]}
    assert [event.name for event in site.events if event.name == "ended"] == []


def test_a_logout_that_stands_deletes_the_cookie_of_a_503_too(site: LoginSite, ada: Browser) -> None:
    def sign_out_and_in(session: Any) -> None:
        session.clear()
        site.store.broken = {"create"}
        session.login("bob")

    answer = ada.send(sign_out_and_in)
    site.store.reset()

    assert (answer.status, answer.cookie) == (503, "")


def test_after_the_headers_a_users_change_is_saved_and_a_visitors_refused(site: LoginSite) -> None:
    ada, anonymous = visitor(site, login("ada")), visitor(site, put(cart=["tea"]))
    errors: list[object] = []

    def stream(environ: Any, start_response: Any) -> Iterator[bytes]:
        session = environ["sessionware.session"]
        len(session)
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        errors.append(raised_by(put(late=1))(session))
        yield b"two"

    ada.get(stream)
    anonymous.get(stream)

    assert errors[0] is None
    assert isinstance(errors[1], HeadersSent)
    assert ada.data() == {"late": 1}


def test_in_an_outage_that_reads_as_anonymous_a_users_logout_is_refused(site: LoginSite, ada: Browser) -> None:
    lenient = Browser(site.like(on_store_failure="anonymous"), ada.cookies)

    with site.store.down():
        assert lenient.send(read).result == {}
        assert isinstance(lenient.send(raised_by(call("clear"))).result, StoreUnavailable)

    assert ada.ask(member("user_id")).result == "ada"
