"""A change of secrets: the first seals, all open, and events tell when an old one can be removed."""

from __future__ import annotations

import pytest
from support.actions import Action, call, login, put, read
from support.browser import Browser, Site, visitor
from support.constants import COOKIE, NEW_SECRET, SECRET, SEEN

from sessionware import ConfigError
from sessionware.testing import FakeClock

BEHIND, IN_FRONT, ALONE = [SECRET, NEW_SECRET], [NEW_SECRET, SECRET], [NEW_SECRET]


def at(browser: Browser, secret: list[str] | str) -> Browser:
    """The browser at the site after a deploy with *secret*."""
    return browser.twin(browser.site.like(secret=secret))


def loaded(browser: Browser) -> str | None:
    """The reason in the event ``loaded`` of a read."""
    browser.site.events.clear()
    browser.ask(read)
    return browser.site.event("loaded").reason


def test_a_secret_behind_changes_nothing(browser: Browser) -> None:
    later = at(browser, BEHIND)

    assert later.data() == {"old": 1}
    assert loaded(later) is None


def test_a_worker_with_the_new_secret_behind_opens_what_one_with_it_in_front_made(site: Site) -> None:
    browser = visitor(site.like(secret=IN_FRONT))

    assert at(browser, BEHIND).data() == {"old": 1}


def test_a_worker_that_does_not_know_a_secret_rejects_and_leaves_the_cookie(site: Site) -> None:
    browser = visitor(site.like(secret=IN_FRONT))
    early = at(browser, SECRET)

    answer = early.ask(read)

    assert (answer.result, answer.set_cookies) == ({}, [])
    assert early.site.names() == ["rejected unknown_key"]


def test_an_old_secret_still_opens_and_its_key_is_named(browser: Browser) -> None:
    later = at(browser, IN_FRONT)

    assert later.data() == {"old": 1}
    reason = loaded(later)
    assert reason is not None
    word, key_id = reason.split()
    assert (word, len(key_id), int(key_id, 16) >= 0) == ("old_key", 8, True)


def test_two_old_secrets_have_two_names(site: Site) -> None:
    oldest = "oldest-4fK2zV8sX4nB7mL1pR9tY3wEuI"
    everything = [NEW_SECRET, SECRET, oldest]
    one, two = visitor(site), visitor(site.like(secret=oldest))

    assert loaded(at(one, everything)) != loaded(at(two, everything))


def test_a_read_never_seals_anew(browser: Browser) -> None:
    later = at(browser, IN_FRONT)

    assert later.ask(read).set_cookies == []
    assert loaded(later) is not None


def test_a_cookie_session_is_sealed_anew_at_its_next_write(cookie_site: Site) -> None:
    later = at(visitor(cookie_site), IN_FRONT)
    later.send(put(new=2))

    assert loaded(later) is None
    assert at(later, ALONE).data() == {"old": 1, "new": 2}


def test_a_record_is_sealed_anew_at_its_next_write_but_its_token_is_not(stored: Site) -> None:
    later = at(visitor(stored), IN_FRONT)
    later.send(put(new=2))

    assert loaded(later) is not None
    assert at(later, ALONE).data() == {}


@pytest.mark.parametrize("action", [call("regenerate"), login("ada"), call("remember", "1d")])
def test_a_token_is_sealed_anew_at_its_next_change_of_id(stored: Site, action: Action) -> None:
    later = at(visitor(stored), IN_FRONT)
    later.send(action)

    assert loaded(later) is None
    assert at(later, ALONE).data() == {"old": 1}


def test_without_the_old_secret_what_it_sealed_is_over(browser: Browser) -> None:
    later = at(browser, ALONE)

    assert later.data() == {}
    assert later.site.names() == ["rejected unknown_key"]


def test_a_record_of_an_unknown_key_is_rejected_though_its_token_is_good(stored: Site) -> None:
    browser = visitor(stored.like(secret=BEHIND))
    other = at(browser, IN_FRONT)
    other.send(put(new=2))

    early = at(browser, SECRET)

    assert early.data() == {}
    assert early.site.names() == ["rejected unknown_key"]


def test_the_first_secret_seals_always(site: Site) -> None:
    browser = visitor(site.like(secret=IN_FRONT))

    assert at(browser, NEW_SECRET).data() == {"old": 1}
    assert at(browser, SECRET).data() == {}


def test_secrets_may_be_the_lines_of_one_string(browser: Browser) -> None:
    assert at(browser, f"{NEW_SECRET}\n{SECRET}\n").data() == {"old": 1}


def test_the_companion_survives_a_rotation(cookie_site: Site, clock: FakeClock) -> None:
    browser = visitor(cookie_site)
    clock.advance(1800)
    browser.send(read)
    later = at(browser, IN_FRONT)
    clock.advance(3599)

    assert SEEN in later.cookies
    assert later.data() == {"old": 1}


def test_a_session_goes_through_three_deploys(browser: Browser) -> None:
    tab: Browser = browser
    for secret in (BEHIND, IN_FRONT):
        tab = at(tab, secret)
        tab.send(call("regenerate"))
    tab = at(tab, ALONE)

    assert tab.data() == {"old": 1}
    assert COOKIE in tab.cookies


def test_the_same_secret_twice_is_a_fault_that_does_not_show_it(site: Site) -> None:
    with pytest.raises(ConfigError) as caught:
        site.like(secret=[SECRET, SECRET])

    assert SECRET not in str(caught.value)
