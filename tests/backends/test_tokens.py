"""Which of several tokens a request means, and how far a chain of superseded ids is followed."""

from __future__ import annotations

import pytest
from support.actions import call, login, member, put, read, then
from support.browser import Browser, Site, visitor
from support.constants import COOKIE

from sessionware.stores import MemoryStore
from sessionware.testing import FakeClock

MAX_STEPS = 16


@pytest.fixture
def stored() -> Site:
    """A site whose store counts its operations, over memory."""
    clock = FakeClock()
    return Site(MemoryStore(clock=clock), clock)


def header(*browsers: Browser) -> str:
    return "; ".join(f"{COOKIE}={browser.cookies[COOKIE]}" for browser in browsers)


def superseded(site: Site, *, times: int = 1) -> tuple[Browser, Browser]:
    """A tab that holds the former id of a session, and the browser that holds its present one."""
    browser = visitor(site)
    tab = browser.twin()
    for _ in range(times):
        browser.send(call("regenerate"))
    site.events.clear()
    site.store.calls.clear()
    return tab, browser


def test_a_live_one_wins_over_a_superseded_one_before_it(stored: Site) -> None:
    tab, _ = superseded(stored)
    live = visitor(stored, put(live=1))

    assert stored.ask(read, header(tab, live)).result == {"live": 1}


def test_a_live_one_behind_a_superseded_one_can_be_written(stored: Site) -> None:
    tab, browser = superseded(stored)

    answer = stored.ask(put(new=2), header(tab, browser))

    assert (answer.status, browser.data()) == (200, {"old": 1, "new": 2})


def test_a_live_one_wins_behind_three_superseded_ones(stored: Site) -> None:
    tabs = [superseded(stored)[0] for _ in range(3)]
    live = visitor(stored, put(live=1))

    assert stored.ask(read, header(*tabs, live)).result == {"live": 1}
    assert stored.store.calls == ["load"] * 4


def test_a_superseded_one_is_read_where_none_is_live(stored: Site) -> None:
    tab, _ = superseded(stored)
    dead = visitor(stored)
    dead.twin().ask(call("clear"))

    assert stored.ask(read, header(dead, tab)).result == {"old": 1}
    assert stored.ask(put(new=2), header(tab, dead)).status == 409


def test_of_several_superseded_ones_the_first_that_leads_to_a_live_one_is_read(stored: Site) -> None:
    over, gone = superseded(stored)
    gone.send(call("clear"))
    browser = visitor(stored, put(other=1))
    tab = browser.twin()
    browser.send(call("regenerate"))

    assert stored.ask(read, header(over, tab)).result == {"other": 1}


def test_a_superseded_one_before_a_live_one_is_no_event(stored: Site) -> None:
    tab, browser = superseded(stored)

    stored.ask(read, header(tab, browser))

    assert [event.name for event in stored.events] == ["loaded"]
    assert stored.event("loaded").session_id == browser.ask(member("id")).result


def test_four_tokens_reach_the_store_though_they_are_superseded(stored: Site) -> None:
    tabs = [superseded(stored)[0] for _ in range(4)]
    live = visitor(stored, put(live=1))

    assert stored.ask(read, header(*tabs, live)).result == {"old": 1}
    assert stored.store.calls == ["load"] * 5  # and one for what the first has become


@pytest.mark.parametrize(("times", "seen"), [(MAX_STEPS, {"old": 1}), (MAX_STEPS + 1, {})])
def test_sixteen_steps_of_a_chain_are_followed_by_a_read(stored: Site, times: int, seen: dict[str, int]) -> None:
    tab, _ = superseded(stored, times=times)

    assert tab.data() == seen
    assert stored.store.calls == ["load"] * (MAX_STEPS + 1)


def test_a_chain_that_is_too_long_is_told_as_gone(stored: Site) -> None:
    tab, _ = superseded(stored, times=MAX_STEPS + 1)

    tab.ask(read)

    assert stored.names() == ["rejected revoked"]


def test_a_chain_of_any_length_costs_no_more_than_its_first_steps(stored: Site) -> None:
    tab, _ = superseded(stored, times=100)

    tab.ask(read)

    assert len(stored.store.calls) <= MAX_STEPS + 1


def test_an_id_to_keep_costs_no_more_than_the_first_steps_of_its_chain(stored: Site) -> None:
    browser = visitor(stored, login("ada"))
    former = browser.ask(member("id")).result
    for _ in range(100):
        browser.send(call("regenerate"))
    stored.store.calls.clear()

    stored.manager.revoke_user("ada", keep=former)

    assert stored.store.calls.count("load") <= MAX_STEPS + 1 + 4  # of the index, and of what it has


def test_sixteen_steps_of_a_chain_are_followed_by_a_logout(stored: Site) -> None:
    tab, browser = superseded(stored, times=MAX_STEPS)

    answer = tab.send(call("clear"))

    assert answer.cookies == {COOKIE: None}
    assert browser.data() == {}


def test_a_logout_that_loaded_in_time_follows_no_more_steps_either(stored: Site) -> None:
    browser = visitor(stored)
    tab = browser.twin()

    def log_out_slowly(session: object) -> None:
        read(session)  # type: ignore[arg-type]
        for _ in range(100):
            browser.send(call("regenerate"))
        stored.store.calls.clear()
        call("clear")(session)  # type: ignore[arg-type]

    tab.ask(log_out_slowly)

    assert stored.store.calls.count("load") == MAX_STEPS + 1


def test_a_login_after_a_superseded_one_takes_the_place_of_the_live_one(stored: Site) -> None:
    tab, browser = superseded(stored)

    stored.ask(then(read, login("ada")), header(tab, browser))

    assert stored.event("regenerated").reason == "login"
