"""A session in its cookie: the companion that renews it, and answers that come in late."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from support.actions import Action, call, drop, login, member, put, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.companions import writes_partitioned
from support.constants import COOKIE, SEEN

from sessionware import CookieTooLarge, Session
from sessionware.testing import FakeClock


@pytest.fixture
def visit(cookie_site: Site) -> Browser:
    return visitor(cookie_site)


@pytest.fixture
def renewed(visit: Browser, clock: FakeClock) -> Browser:
    """A browser with a companion cookie."""
    clock.advance(1800)
    visit.send(read)
    assert SEEN in visit.cookies
    return visit


def attributes(line: str) -> set[str]:
    return set(line.split("; ")[1:])


def test_only_renewal_sets_the_companion(visit: Browser, clock: FakeClock) -> None:
    for action in (read, put(new=2), call("regenerate"), login("ada"), call("remember", "1d")):
        assert SEEN not in visit.send(action).cookies

    clock.advance(1800)
    assert list(visit.send(read).cookies) == [SEEN]


def test_a_renewal_carries_no_data(visit: Browser, clock: FakeClock) -> None:
    clock.advance(1800)
    (line,) = visit.send(read).set_cookies

    assert line.startswith(f"{SEEN}=")
    assert len(line) < 250


def test_the_companion_has_the_attributes_of_its_cookie(visit: Browser, clock: FakeClock) -> None:
    (main,) = visit.send(put(new=2)).set_cookies
    clock.advance(1800)
    (seen,) = visit.send(read).set_cookies

    assert attributes(seen) == attributes(main)


def test_the_companion_of_a_remembered_session_lives_as_long(visit: Browser, clock: FakeClock) -> None:
    visit.send(call("remember", "30d"))
    clock.advance(86400)
    (line,) = visit.send(read).set_cookies

    assert f"Max-Age={29 * 86400}" in line


def test_a_write_to_a_stale_session_needs_no_companion(visit: Browser, clock: FakeClock) -> None:
    clock.advance(1800)

    assert list(visit.send(put(new=2)).cookies) == [COOKIE]


def test_the_companion_counts(renewed: Browser, clock: FakeClock) -> None:
    clock.advance(3599)

    assert renewed.data() == {"old": 1}


def test_the_companion_is_of_no_use_alone(renewed: Browser, cookie_site: Site) -> None:
    answer = cookie_site.ask(read, {SEEN: renewed.cookies[SEEN]})

    assert answer.result == {}


def test_the_companion_is_no_session(renewed: Browser, cookie_site: Site) -> None:
    assert cookie_site.ask(read, {COOKIE: renewed.cookies[SEEN]}).result == {}


def test_the_companion_renews_no_other_session(renewed: Browser, clock: FakeClock) -> None:
    other = visitor(renewed.site)
    clock.advance(1800)
    renewed.send(read)
    other.cookies[SEEN] = renewed.cookies[SEEN]

    clock.advance(1800)

    assert renewed.data() == {"old": 1}
    assert other.data() == {}


def test_the_companion_of_an_earlier_state_counts_no_more(renewed: Browser, clock: FakeClock) -> None:
    companion = renewed.cookies[SEEN]
    renewed.send(put(new=2))
    written = clock()
    clock.advance(100)

    assert renewed.cookies[SEEN] == companion
    assert renewed.ask(member("last_seen_at")).result.timestamp() == written


FORGERIES: dict[str, Callable[[str], str]] = {
    "empty": lambda good: "",
    "rubbish": lambda good: "rubbish",
    "cut": lambda good: good[:-1],
    "longer": lambda good: good + "A",
    "another byte": lambda good: ("B" if good[10] != "B" else "C").join((good[:10], good[11:])),
    "no ascii": lambda good: "\xff" + good,
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_companion_is_ignored(renewed: Browser, clock: FakeClock, name: str) -> None:
    renewed.cookies[SEEN] = FORGERIES[name](renewed.cookies[SEEN])

    assert renewed.data() == {"old": 1}
    clock.advance(1800)
    assert renewed.data() == {}


def test_a_forged_companion_beside_a_good_one_does_no_harm(renewed: Browser, clock: FakeClock) -> None:
    clock.advance(1800)
    header = f"{SEEN}=rubbish; {COOKIE}={renewed.cookies[COOKIE]}; {SEEN}={renewed.cookies[SEEN]}; {SEEN}=a.b"

    assert renewed.site.ask(read, header).result == {"old": 1}


def test_a_companion_from_the_future_counts_as_now(renewed: Browser, clock: FakeClock) -> None:
    clock.advance(-1000)

    assert renewed.ask(member("last_seen_at")).result.timestamp() == clock()


def test_the_companion_does_not_move_the_absolute_end(make_cookie: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_cookie(absolute_timeout="1h", idle_timeout="30m"))
    for _ in range(3):
        clock.advance(1000)
        browser.send(read)

    clock.advance(600)

    assert browser.data() == {}


@pytest.mark.parametrize("end", [call("clear"), drop("old")], ids=["clear", "emptied"])
def test_the_companion_goes_with_its_cookie(renewed: Browser, end: Action) -> None:
    answer = renewed.send(end)

    assert answer.cookies == {COOKIE: None, SEEN: None}
    assert renewed.cookies == {}


@pytest.mark.parametrize("end", [call("clear"), drop("old")], ids=["clear", "emptied"])
def test_no_companion_is_deleted_that_was_not_there(visit: Browser, end: Action) -> None:
    assert visit.send(end).cookies == {COOKIE: None}


def test_a_stored_session_has_no_companion(make_stored: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_stored())
    clock.advance(1800)
    browser.send(read)

    assert SEEN not in browser.cookies


DONE_MEANWHILE: dict[str, Action] = {
    "logout": call("clear"),
    "logout and anew": then(call("clear"), put(anew=1)),
    "login": login("ada", new=2),
    "change": put(new=2),
    "deletion": drop("old"),
    "regenerate": call("regenerate"),
    "remember": call("remember", "30d"),
}


@pytest.mark.parametrize("is_stale", [False, True], ids=["fresh", "stale"])
@pytest.mark.parametrize("name", DONE_MEANWHILE)
def test_a_slow_answer_that_only_reads_undoes_nothing(
    browser: Browser, clock: FakeClock, name: str, is_stale: bool
) -> None:
    clock.advance(1800 if is_stale else 1)
    slow = browser.ask(read)
    browser.send(DONE_MEANWHILE[name])
    before = browser.ask(lambda session: (session.user_id, dict(session), session.expires_at)).result

    browser.receive(slow)

    assert browser.ask(lambda session: (session.user_id, dict(session), session.expires_at)).result == before


def test_a_slow_renewal_after_a_logout_leaves_nothing_that_opens_anything(visit: Browser, clock: FakeClock) -> None:
    clock.advance(1800)
    slow = visit.ask(read)
    visit.send(call("clear"))
    visit.receive(slow)

    assert COOKIE not in visit.cookies
    assert visit.data() == {}


def test_equal_sessions_make_unrelated_cookies(cookie_site: Site) -> None:
    one, two = visitor(cookie_site).cookies[COOKIE], visitor(cookie_site).cookies[COOKIE]

    assert one[8:24] != two[8:24]
    assert sum(a == b for a, b in zip(one[8:], two[8:], strict=False)) < len(one) / 4


def test_the_cookie_shows_nothing_of_its_data(cookie_site: Site) -> None:
    cookie = visitor(cookie_site, put(name="hunter-two-and-more")).cookies[COOKIE]
    sealed = cookie.rpartition(".")[0]

    assert b"hunter" not in base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))


@pytest.mark.parametrize(
    ("former", "present"),
    [
        pytest.param({"cookie.path": "/shop"}, {"cookie.path": "/"}, id="another path"),
        pytest.param({"cookie.domain": "example.com"}, {"cookie.domain": "www.example.com"}, id="another domain"),
        pytest.param({"cookie.domain": "example.com"}, {"cookie.path": "/shop"}, id="both"),
        pytest.param({}, {"cookie.partitioned": True}, id="partitioned", marks=writes_partitioned),
        pytest.param({"cookie.partitioned": True}, {}, id="no longer partitioned", marks=writes_partitioned),
    ],
)
def test_a_cookie_of_another_scope_is_no_second_truth_beside_the_present_one(
    former: dict[str, Any], present: dict[str, Any]
) -> None:
    """A former configuration has left it in the browser, which sends it first; nobody can delete it any more."""
    cookie = "__Secure-sid"
    common: dict[str, Any] = {"cookie.prefix": "__Secure-"}
    before = Site(**common, **former)
    old = before.ask(put(cart="old")).cookies[cookie]
    site = Site("cookie", before.clock, **common, **present)
    new = site.ask(put(cart="new")).cookies[cookie]

    answer = site.read(header=f"{cookie}={old}; {cookie}={new}")

    assert answer.seen == {"cart": "new"}
    assert [(event.name, event.reason) for event in site.events][-2:] == [
        ("rejected", "bad_signature"),
        ("loaded", None),
    ]


def test_a_leading_dot_and_the_case_of_a_domain_are_no_other_scope() -> None:
    before = Site().like(**{"cookie.domain": "Example.com"})
    value = before.ask(put(cart="kept")).cookies["__Secure-sid"]

    answer = before.like(**{"cookie.domain": ".example.com"}).read(header=f"__Secure-sid={value}")

    assert answer.seen == {"cart": "kept"}


# What is told of a cookie session, whose answer alone makes it true.


def boom(session: Session) -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(call("clear"), id="clear"),
        pytest.param(then(put(new=2), call("save")), id="save"),
        pytest.param(then(login("ada"), call("save")), id="login and save"),
        pytest.param(then(call("clear"), put(new=2), call("save")), id="clear and save"),
    ],
)
def test_nothing_is_told_as_done_of_an_answer_that_never_leaves(make_cookie: SiteMaker, action: Action) -> None:
    browser = visitor(make_cookie(), login("bob", old=1))

    with pytest.raises(ZeroDivisionError):
        browser.send(then(action, boom))

    assert browser.site.names() == ["discarded app_raised"]
    assert browser.ask(lambda session: (session.user_id, dict(session))).result == ("bob", {"old": 1})


def test_what_is_done_is_told_when_the_answer_leaves(make_cookie: SiteMaker) -> None:
    browser = visitor(make_cookie())
    told: list[list[str]] = []

    def look(session: Session) -> None:
        told.append(browser.site.names())

    browser.send(then(put(new=2), call("save"), look, call("clear"), look, put(newer=3)))

    assert told == [[], []]
    assert browser.site.names() == ["saved", "ended invalidated", "created"]


def test_a_renewal_is_told_once_its_companion_leaves(make_cookie: SiteMaker, clock: FakeClock) -> None:
    browser = visitor(make_cookie())
    clock.advance(1800)

    browser.send(read)

    assert browser.site.names() == ["renewed"]


def test_a_cookie_that_is_too_large_is_told_as_nothing(make_cookie: SiteMaker) -> None:
    browser = visitor(make_cookie())

    with pytest.raises(CookieTooLarge):
        browser.send(then(call("clear"), put(large="x" * 5000)))

    assert browser.site.names() == []
    assert browser.data() == {"old": 1}
