"""What save writes, what revert forgets, and what modified tells."""

from __future__ import annotations

from typing import Any

import pytest
from support.actions import Action, call, drop, login, member, put, read, then
from support.browser import Browser, Site, visitor
from support.constants import COOKIE

from sessionware import Session


def test_save_writes_at_once(stored: Site) -> None:
    browser = visitor(stored)

    seen = browser.ask(lambda session: (put(new=2)(session), session.save(), browser.data())).result

    assert seen[1:] == (True, {"old": 1, "new": 2})


def test_save_leaves_nothing_to_write(stored: Site) -> None:
    browser = visitor(stored)

    answer = browser.ask(then(put(new=2), call("save"), member("modified")))

    assert answer.result is False
    assert stored.store.calls == ["load", "replace"]


def test_save_without_a_change_asks_no_store(stored: Site) -> None:
    browser = visitor(stored)

    answer = browser.ask(then(read, call("save"), call("save")))

    assert answer.result is True
    assert stored.store.calls == ["load"]


def test_save_of_a_new_session_sends_its_cookie_with_the_answer(site: Site) -> None:
    browser = visitor(site, then(put(a=1), call("save")))

    assert browser.data() == {"a": 1}


def test_what_is_changed_after_save_is_saved_too(site: Site) -> None:
    browser = visitor(site, then(put(a=1), call("save"), put(b=2), call("save"), put(c=3)))

    assert browser.data() == {"a": 1, "b": 2, "c": 3}


def test_a_nested_change_after_save_is_saved_too(site: Site) -> None:
    browser = visitor(site, then(put(cart=[1]), call("save"), lambda session: session["cart"].append(2)))

    assert browser.data() == {"cart": [1, 2]}


def test_a_value_held_over_save_is_still_the_sessions(site: Site) -> None:
    def act(session: Session) -> None:
        cart = session["cart"] = [1]
        session.save()
        cart.append(2)

    assert visitor(site, act).data() == {"cart": [1, 2]}


def test_save_is_false_if_the_session_was_ended_meanwhile(stored: Site) -> None:
    browser = visitor(stored)

    def act(session: Session) -> bool:
        session["new"] = 2
        browser.ask(call("clear"))
        return session.save()

    answer = browser.ask(act)

    assert (answer.result, answer.set_cookies) == (False, [])


def test_save_says_so_each_time(stored: Site) -> None:
    browser = visitor(stored)

    def action(session: Session) -> list[bool]:
        session["new"] = 2
        browser.ask(call("clear"))
        return [session.save(), session.save()]

    assert browser.ask(action).result == [False, False]


def test_what_is_written_after_such_a_save_begins_no_new_session(stored: Site) -> None:
    browser = visitor(stored)

    def act(session: Session) -> bool:
        session["new"] = 2
        browser.ask(call("clear"))
        session.save()
        session["newer"] = 3
        return session.save()

    answer = browser.ask(act)

    assert (answer.result, answer.set_cookies) == (False, [])


def test_an_end_after_such_a_save_begins_anew(stored: Site) -> None:
    browser = visitor(stored)

    def act(session: Session) -> None:
        session["new"] = 2
        browser.ask(call("clear"))
        session.save()
        session.clear()
        session["newer"] = 3

    browser.send(act)

    assert browser.data() == {"newer": 3}


def test_save_merges_what_another_request_has_written(stored: Site) -> None:
    browser = visitor(stored)

    def act(session: Session) -> dict[str, Any]:
        session["mine"] = 2
        browser.ask(put(theirs=3))
        session.save()
        return dict(session)

    assert browser.ask(act).result == {"old": 1, "mine": 2, "theirs": 3}


def test_in_a_cookie_session_the_last_save_is_the_one_that_is_sent(cookie_site: Site) -> None:
    answer = cookie_site.ask(then(put(a=1), call("save"), put(b=2), call("save")))

    assert len(answer.set_cookies) == 1


def test_what_save_wrote_stands_though_the_application_raises(stored: Site) -> None:
    browser = visitor(stored)

    def act(session: Session) -> None:
        session["kept"] = 2
        session.save()
        session["lost"] = 3
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        browser.send(act)

    assert browser.data() == {"old": 1, "kept": 2}


def test_revert_forgets_changes(site: Site) -> None:
    browser = visitor(site, put(old=1, cart=[1]))

    answer = browser.ask(then(put(new=2), drop("old"), lambda session: session["cart"].append(2), call("revert"), read))

    assert answer.result == {"old": 1, "cart": [1]}
    assert answer.set_cookies == []


def test_revert_forgets_alter(browser: Browser) -> None:
    browser.send(then(call("alter", "old", lambda old: old + 1), call("revert")))

    assert browser.data() == {"old": 1}


def test_revert_forgets_that_a_write_was_forced(browser: Browser) -> None:
    action = then(lambda session: setattr(session, "modified", True), call("revert"), member("modified"))

    assert browser.ask(action).result is False


def test_revert_keeps_a_login(browser: Browser) -> None:
    browser.send(then(login("ada", new=2), call("revert")))

    assert browser.ask(member("user_id")).result == "ada"
    assert browser.data() == {"old": 1}


def test_revert_after_a_login_over_another_user_brings_nothing_of_theirs_back(signed_in: Browser) -> None:
    signed_in.send(then(login("bob", new=2), call("revert")))

    assert signed_in.ask(member("user_id")).result == "bob"
    assert signed_in.data() == {}


def test_revert_keeps_an_end(browser: Browser) -> None:
    answer = browser.send(then(call("clear"), put(new=2), call("revert")))

    assert answer.cookies == {COOKIE: None}


def test_revert_keeps_what_save_wrote(browser: Browser) -> None:
    browser.send(then(put(new=2), call("save"), put(newer=3), call("revert")))

    assert browser.data() == {"old": 1, "new": 2}


def test_revert_keeps_remember(browser: Browser) -> None:
    answer = browser.ask(then(call("remember", "30d"), put(new=2), call("revert")))

    assert "Max-Age" in answer.set_cookies[0]


def test_a_change_after_revert_is_saved(browser: Browser) -> None:
    browser.send(then(put(new=2), call("revert"), put(newer=3)))

    assert browser.data() == {"old": 1, "newer": 3}


def test_modified_tells_what_would_be_written(browser: Browser) -> None:
    states = browser.ask(
        lambda session: (session.modified, put(new=2)(session), session.modified, session.save(), session.modified)
    ).result

    assert (states[0], states[2], states[4]) == (False, True, False)


@pytest.mark.parametrize("action", [login("ada"), call("regenerate"), call("remember", "1d")])
def test_modified_tells_of_a_pending_change_of_id(browser: Browser, action: Action) -> None:
    assert browser.ask(then(action, member("modified"))).result is True


def test_modified_forces_a_write(browser: Browser) -> None:
    answer = browser.send(lambda session: setattr(session, "modified", True))

    if browser.site.is_stored:
        assert browser.site.store.calls == ["load", "replace"]
    else:
        assert list(answer.cookies) == [COOKIE]
    assert browser.data() == {"old": 1}
