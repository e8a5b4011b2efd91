"""The old id of a session whose id has changed: what it still reads, and that it never writes."""

from __future__ import annotations

import pytest
from support.actions import Action, call, drop, login, member, put, raised_by, read, then
from support.browser import Browser, SiteMaker, visitor
from support.constants import COOKIE

from sessionware import ConflictError, Session
from sessionware.testing import FakeClock


def identity(session: Session) -> tuple[str | int | None, dict[str, object]]:
    return session.user_id, dict(session)


@pytest.fixture
def rotated(make_stored: SiteMaker) -> tuple[Browser, Browser]:
    """A browser whose session has a new id, and a tab that still has the old one."""
    browser = visitor(make_stored(regenerate_grace="10s"))
    tab = browser.twin()
    browser.send(then(call("regenerate"), put(new=2)))
    return browser, tab


def test_the_old_id_reads_what_was_before_the_change(rotated: tuple[Browser, Browser]) -> None:
    answer = rotated[1].ask(read)

    assert answer.result == {"old": 1}
    assert answer.set_cookies == []


def test_the_old_id_reads_until_the_grace_is_over(rotated: tuple[Browser, Browser], clock: FakeClock) -> None:
    clock.advance(9.9)
    during = rotated[1].data()
    clock.advance(0.1)

    assert (during, rotated[1].data()) == ({"old": 1}, {})


def test_the_old_id_reads_only_while_the_new_session_lives(rotated: tuple[Browser, Browser]) -> None:
    rotated[0].send(call("clear"))

    assert rotated[1].data() == {}


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(put(mine=3), id="set"),
        pytest.param(drop("old"), id="del"),
        pytest.param(call("alter", "old", lambda old: old + 1), id="alter"),
        pytest.param(call("remember", "1d"), id="remember"),
        pytest.param(lambda session: setattr(session, "modified", True), id="modified"),
    ],
)
def test_a_write_by_the_old_id_is_a_409_without_a_cookie(rotated: tuple[Browser, Browser], write: Action) -> None:
    browser, tab = rotated

    answer = tab.send(write)

    assert (answer.status, answer.set_cookies) == (409, [])
    assert answer.lines("Retry-After") == ["1"]
    assert browser.data() == {"old": 1, "new": 2}


def test_save_by_the_old_id_raises_conflict_error(rotated: tuple[Browser, Browser]) -> None:
    answer = rotated[1].ask(raised_by(then(put(mine=3), call("save"))))

    assert isinstance(answer.result, ConflictError)
    assert answer.status == 409


def test_save_by_the_old_id_without_a_change_is_nothing(rotated: tuple[Browser, Browser]) -> None:
    answer = rotated[1].ask(call("save"))

    assert (answer.status, answer.result) == (200, True)


def test_a_conflict_that_was_taken_back_is_an_ordinary_answer(rotated: tuple[Browser, Browser]) -> None:
    answer = rotated[1].ask(then(put(mine=3), raised_by(call("save")), call("revert")))

    assert answer.status == 200


def test_regenerate_by_the_old_id_is_nothing(rotated: tuple[Browser, Browser]) -> None:
    answer = rotated[1].ask(call("regenerate"))

    assert (answer.status, answer.set_cookies) == (200, [])


def test_a_login_by_the_old_id_gets_a_session_of_its_own(rotated: tuple[Browser, Browser]) -> None:
    browser, tab = rotated

    tab.send(login("bob", his=3))

    assert tab.ask(identity).result == ("bob", {"old": 1, "his": 3})
    assert browser.ask(identity).result == (None, {"old": 1, "new": 2})


def test_a_logout_by_the_old_id_ends_what_it_became(rotated: tuple[Browser, Browser]) -> None:
    browser, tab = rotated

    answer = tab.send(call("clear"))

    assert answer.cookies == {COOKIE: None}
    assert browser.data() == {}


def test_a_read_by_the_old_id_renews_nothing(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored(regenerate_grace="30m", refresh_after="1m"))
    tab = browser.twin()
    browser.send(call("regenerate"))
    clock.advance(1000)
    browser.site.store.calls.clear()

    assert tab.ask(read).status == 200
    assert "replace" not in browser.site.store.calls


def test_a_login_over_an_anonymous_session_leaves_the_old_id_a_grace(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())
    tab = browser.twin()

    browser.send(login("ada", new=2))

    assert tab.ask(identity).result == (None, {"old": 1})


def test_a_logout_by_an_anonymous_sessions_old_id_does_not_end_the_login(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())
    tab = browser.twin()
    browser.send(login("ada"))

    answer = tab.ask(call("clear"))

    assert (answer.status, answer.set_cookies) == (200, [])
    assert browser.ask(member("user_id")).result == "ada"


def test_a_login_by_an_old_id_as_another_user_takes_nothing_along(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(), login("ada", old=1))
    tab = browser.twin()
    browser.send(login("ada", new=2))

    tab.send(login("bob", his=3))

    assert tab.ask(identity).result == ("bob", {"his": 3})
    assert browser.ask(identity).result == ("ada", {"old": 1, "new": 2})


def test_an_old_id_reads_through_a_chain_of_changes(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())
    tab = browser.twin()

    for number in range(3):
        browser.send(then(call("regenerate"), put(number=number)))

    assert tab.data() == {"old": 1}
    tab.send(call("clear"))
    assert browser.data() == {}


def test_without_a_grace_the_old_id_is_over_at_once(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(regenerate_grace=None))
    tab = browser.twin()

    browser.send(call("regenerate"))

    assert tab.data() == {}
    assert browser.data() == {"old": 1}


def test_without_a_grace_a_write_under_way_is_a_409(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored(regenerate_grace=None))

    def act(session: Session) -> None:
        session["mine"] = 3
        browser.send(call("regenerate"))

    assert browser.ask(act).status == 409
    assert browser.data() == {"old": 1}


def test_the_expiry_of_the_old_id_does_not_wait_for_the_grace(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored(absolute_timeout="1h", idle_timeout=None, regenerate_grace="2h"))
    tab = browser.twin()
    browser.send(call("regenerate"))

    clock.advance(3600)

    assert tab.data() == {}


# What an answer by the old id carries: nothing but what was true before it failed.


def test_an_answer_that_lost_to_another_change_of_id_keeps_the_cookie_of_its_own_login(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())
    tab = browser.twin()
    browser.send(call("regenerate"))

    answer = tab.send(then(login("ada"), call("save"), put(new=2)))

    assert tab.ask(identity).result == ("ada", {"old": 1, "new": 2})
    assert list(answer.cookies) == [COOKIE]


def test_an_end_by_the_old_id_deletes_the_cookie_and_what_follows_begins_a_session(
    rotated: tuple[Browser, Browser],
) -> None:
    browser, tab = rotated

    tab.send(then(call("clear"), put(mine=3)))

    assert (browser.data(), tab.data()) == ({}, {"mine": 3})


@pytest.mark.parametrize("action", [read, call("save"), call("regenerate"), put()])
def test_what_writes_nothing_by_the_old_id_sends_no_cookie(rotated: tuple[Browser, Browser], action: Action) -> None:
    assert rotated[1].ask(action).set_cookies == []


def test_an_old_id_from_a_clock_that_was_ahead_does_not_read(make_stored: SiteMaker, clock: FakeClock) -> None:
    clock.advance(86400)
    browser = visitor(make_stored(regenerate_grace="10s"), then(login("ada"), put(a=1)))
    tab = browser.twin()
    browser.send(call("regenerate"))
    clock.advance(-86400)

    assert tab.data() == {}
    assert browser.data() == {"a": 1}
    assert tab.site.rejections() == ["unknown_id"]


def test_an_old_id_from_a_clock_that_was_a_little_ahead_reads(make_stored: SiteMaker, clock: FakeClock) -> None:
    clock.advance(2)
    browser = visitor(make_stored(regenerate_grace="10s"))
    tab = browser.twin()
    browser.send(call("regenerate"))
    clock.advance(-2)

    assert tab.data() == {"old": 1}
