"""More data than fits is an error before anything is sent, and names the largest keys."""

from __future__ import annotations

import pytest
from support.actions import Action, call, drop, put, raised_by, read, then
from support.browser import Site, visitor

from sessionware import CookieTooLarge, RecordTooLarge, Session


def test_a_cookie_session_beyond_4096_bytes_is_an_error_with_the_largest_keys(cookie_site: Site) -> None:
    browser = visitor(cookie_site)

    with pytest.raises(CookieTooLarge) as caught:
        browser.send(put(big="x" * 3000, middle=b"y" * 900, small=1))

    assert [key for key, _ in caught.value.largest[:2]] == ["big", "middle"]
    assert caught.value.largest[0][1] >= 3000
    assert "'big'" in str(caught.value)
    assert "xxx" not in str(caught.value)
    assert browser.data() == {"old": 1}


def test_the_whole_header_is_measured(cookie_site: Site) -> None:
    sizes = []
    for size in range(2000, 4096):
        try:
            (line,) = cookie_site.manager.commit(opened(cookie_site, put(a="x" * size)))[1:]
        except CookieTooLarge:
            break
        sizes.append(len("Set-Cookie: ") + len(line[1]))

    assert 4090 <= max(sizes) <= 4096


def opened(site: Site, action: Action) -> Session:
    session = site.manager.open({"wsgi.url_scheme": "https"})
    action(session)
    return session


def test_save_of_a_cookie_session_measures(cookie_site: Site) -> None:
    browser = visitor(cookie_site)

    answer = browser.send(then(put(big="x" * 4096), raised_by(call("save")), drop("big"), put(new=2)))

    assert answer.status == 200
    assert browser.data() == {"old": 1, "new": 2}


def test_what_is_too_large_is_found_before_anything_is_sent(cookie_site: Site) -> None:
    with pytest.raises(CookieTooLarge):
        cookie_site.ask(put(big="x" * 4096))

    assert cookie_site.names() == []


def test_a_record_that_its_store_refuses_is_explained(stored: Site) -> None:
    browser = visitor(stored)
    stored.store.limit = 1000

    with pytest.raises(RecordTooLarge) as caught:
        browser.send(put(big="x" * 3000, middle=b"y" * 900, small=1))

    stored.store.limit = None
    assert [key for key, _ in caught.value.largest[:2]] == ["big", "middle"]
    assert browser.data() == {"old": 1}


@pytest.mark.parametrize("action", [put(big="x" * 3000), then(call("regenerate"), put(big="x" * 3000))])
def test_a_record_too_large_can_be_made_smaller_and_saved(stored: Site, action: Action) -> None:
    browser = visitor(stored)
    stored.store.limit = 1000

    answer = browser.send(then(action, raised_by(call("save")), drop("big"), put(new=2)))

    assert answer.status == 200
    assert browser.data() == {"old": 1, "new": 2}


def test_a_renewal_that_does_not_fit_is_an_event_and_no_error(memory: Site) -> None:
    browser = visitor(memory)
    memory.clock.advance(1800)
    memory.store.limit = 10

    answer = browser.ask(read)

    assert (answer.status, answer.result) == (200, {"old": 1})
    assert memory.names() == ["store_failed the session is too large for its store"]


def test_a_change_of_id_that_does_not_fit_leaves_no_second_session_behind(memory: Site) -> None:
    browser = visitor(memory, put(old="x" * 1000))
    entry = memory.store.inner.load(memory.store.keys[-1])
    assert entry is not None
    # The old id's record says where the session went, and so is a little larger than the session.
    memory.store.limit = len(entry.payload) + 5

    with pytest.raises(RecordTooLarge):
        browser.send(call("regenerate"))

    memory.store.limit = None
    assert memory.store.inner.load(memory.store.keys[-1]) is None
    assert len(browser.data()["old"]) == 1000
