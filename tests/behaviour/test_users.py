"""The sessions of a user: their list, their revocation, and the limit of their number."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.actions import call, login, member, nothing, put, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import NEW_SECRET, SECRET

from sessionware import ConfigError, Session, SessionDataError, SessionInfo, SessionManager, StoreUnavailable
from sessionware.crypto.identifiers import index_key
from sessionware.testing import FakeClock


def signed_in_at(site: Site, user_id: str | int = "ada", label: str | None = None) -> Browser:
    """A new browser in which the user signs in."""
    return visitor(site, then(call("login", user_id, label=label), put(mine=1)))


def id_of(browser: Browser) -> str:
    found: str = browser.ask(member("id")).result
    return found


def is_signed_in(browser: Browser) -> bool:
    return browser.ask(member("user_id")).result is not None


def ids(site: Site, user_id: str | int = "ada") -> list[str]:
    return [info.id for info in site.manager.sessions_of(user_id)]


def index_size(site: Site, user_id: str | int = "ada") -> int:
    """The bytes of the user's index; 0 if there is none."""
    entry = site.store.inner.load(index_key(user_id))
    return 0 if entry is None else len(entry.payload)


def empty_size(site: Site) -> int:
    """The bytes of an index without entries."""
    signed_in_at(site, "nobody else").send(call("clear"))
    return index_size(site, "nobody else")


class TestTheList:
    def test_a_user_who_never_signed_in_has_no_sessions(self, stored: Site) -> None:
        visitor(stored)

        assert stored.manager.sessions_of("ada") == []

    def test_it_tells_what_the_session_itself_tells(self, stored: Site) -> None:
        browser = signed_in_at(stored, label="Firefox on Linux")
        told = browser.ask(lambda session: (session.id, session.created_at, session.last_seen_at, session.expires_at))

        [info] = stored.manager.sessions_of("ada")

        assert info == SessionInfo(told.result[0], "ada", "Firefox on Linux", *told.result[1:])

    def test_the_newest_comes_first(self, stored: Site, clock: FakeClock) -> None:
        expected: list[str] = []
        for _ in range(3):
            expected.insert(0, id_of(signed_in_at(stored)))
            clock.advance(60)

        assert ids(stored) == expected

    def test_sessions_of_one_moment_come_in_the_order_of_their_logins(self, stored: Site) -> None:
        first, second = signed_in_at(stored), signed_in_at(stored)

        first.send(call("regenerate"))

        assert ids(stored) == [id_of(second), id_of(first)]

    @pytest.mark.parametrize("user_id", [42, "42"])
    def test_an_int_and_its_text_are_one_user(self, stored: Site, user_id: str | int) -> None:
        signed_in_at(stored, 42)
        signed_in_at(stored, "42")

        assert {type(info.user_id) for info in stored.manager.sessions_of(user_id)} == {int, str}

    def test_it_has_only_the_sessions_of_the_user(self, stored: Site) -> None:
        mine, _, _ = signed_in_at(stored), signed_in_at(stored, "bob"), visitor(stored)

        assert ids(stored) == [id_of(mine)]

    def test_a_session_keeps_its_place_and_label_through_a_change_of_id(self, stored: Site) -> None:
        browser = signed_in_at(stored, label="phone")

        browser.send(call("regenerate"))
        browser.send(call("remember", "30d"))

        [info] = stored.manager.sessions_of("ada")
        assert (info.id, info.label) == (id_of(browser), "phone")

    def test_the_index_does_not_grow_by_changes_of_id(self, stored: Site) -> None:
        browser = signed_in_at(stored)
        browser.send(call("regenerate"))
        size = index_size(stored)

        for _ in range(3):
            browser.send(call("regenerate"))

        assert index_size(stored) - size < 20  # the handle of what the first one took the place of

    def test_a_change_of_id_that_came_too_late_leaves_no_entry(self, stored: Site) -> None:
        browser, bob = signed_in_at(stored), signed_in_at(stored, "bob")
        bob.send(call("regenerate"))
        slow = browser.twin()
        stored.store.before["create"].append(lambda: browser.send(call("regenerate")))

        slow.send(call("regenerate"))

        assert index_size(stored) == index_size(stored, "bob")

    def test_a_login_over_an_anonymous_session_is_one_session(self, stored: Site) -> None:
        browser = visitor(stored)
        browser.send(login("ada"))

        assert ids(stored) == [id_of(browser)]

    def test_a_login_of_the_same_user_again_is_one_session_with_the_new_label(self, stored: Site) -> None:
        browser = signed_in_at(stored, label="old")
        browser.send(call("login", "ada", label="new"))

        [info] = stored.manager.sessions_of("ada")
        assert (info.id, info.label) == (id_of(browser), "new")

    def test_a_remembered_session_says_its_own_end(self, stored: Site, clock: FakeClock) -> None:
        browser = signed_in_at(stored)
        browser.send(call("remember", "30d"))

        [info] = stored.manager.sessions_of("ada")

        assert info.expires_at == info.last_seen_at + timedelta(days=30)

    def test_without_timeouts_there_is_no_end(self, make_stored: SiteMaker) -> None:
        site = make_stored(idle_timeout=None, absolute_timeout=None)
        signed_in_at(site)

        [info] = site.manager.sessions_of("ada")

        assert info.expires_at is None

    def test_a_logout_leaves_no_entry(self, stored: Site) -> None:
        size = empty_size(stored)
        browser = signed_in_at(stored)

        browser.send(call("clear"))

        assert index_size(stored) == size
        assert ids(stored) == []

    def test_a_logout_by_a_former_id_leaves_no_entry(self, stored: Site) -> None:
        size = empty_size(stored)
        browser = signed_in_at(stored)
        slow = browser.twin()
        browser.send(call("regenerate"))

        slow.send(call("clear"))

        assert index_size(stored) == size

    def test_a_login_as_another_user_leaves_no_entry_of_the_former(self, stored: Site) -> None:
        size = empty_size(stored)
        browser = signed_in_at(stored)

        browser.send(login("bob"))

        assert index_size(stored) == size
        assert ids(stored, "bob") == [id_of(browser)]

    def test_a_logout_leaves_the_other_sessions(self, stored: Site) -> None:
        first, second = signed_in_at(stored), signed_in_at(stored)

        first.send(call("clear"))

        assert ids(stored) == [id_of(second)]

    def test_what_has_expired_is_not_listed_and_is_dropped(self, stored: Site, clock: FakeClock) -> None:
        size = empty_size(stored)
        signed_in_at(stored)
        clock.advance(3600)

        assert ids(stored) == []
        assert index_size(stored) in (0, size)

    def test_a_login_drops_what_is_past_its_absolute_end(self, make_stored: SiteMaker, clock: FakeClock) -> None:
        site = make_stored(idle_timeout=None, absolute_timeout="1h")
        signed_in_at(site)
        clock.advance(1800)
        signed_in_at(site)
        two = index_size(site)
        clock.advance(1800)

        browser = signed_in_at(site)

        assert index_size(site) == two
        assert ids(site)[0] == id_of(browser)
        assert len(ids(site)) == 2

    def test_the_index_of_a_user_who_is_never_listed_stays_bounded(self, make_memory: SiteMaker) -> None:
        site = make_memory(idle_timeout="1h", absolute_timeout=None, refresh_after="30m")
        signed_in_at(site)
        one = index_size(site)
        signed_in_at(site)
        entry = index_size(site) - one

        for _ in range(250):
            site.clock.advance(600)
            signed_in_at(site)

        assert index_size(site) < 120 * entry

    def test_a_thousand_sessions_are_listed(self, make_memory: SiteMaker) -> None:
        site = make_memory()
        for _ in range(1000):
            signed_in_at(site)

        assert len(ids(site)) == 1000

    def test_an_index_of_a_removed_secret_counts_as_empty(self, make_memory: SiteMaker) -> None:
        site = make_memory()
        signed_in_at(site)
        changed = site.like(secret=NEW_SECRET)

        assert ids(changed) == []
        assert changed.manager.revoke_user("ada") == 0
        browser = signed_in_at(changed)
        assert ids(changed) == [id_of(browser)]

    def test_a_session_that_only_another_process_can_open_stays_in_the_index(self, make_memory: SiteMaker) -> None:
        site = make_memory()
        newer = site.like(secret=[NEW_SECRET, SECRET])
        hidden, browser = signed_in_at(site), signed_in_at(site)
        hidden.twin(newer).send(put(sealed="by the newer key"))

        assert ids(site) == [id_of(browser)]
        assert len(ids(newer)) == 2

    def test_listing_writes_nothing_where_nothing_is_dead(self, stored: Site) -> None:
        signed_in_at(stored)

        stored.manager.sessions_of("ada")

        assert stored.store.calls == ["load", "load"]

    def test_what_cannot_be_dropped_now_is_listed_all_the_same(self, stored: Site) -> None:
        first, second = signed_in_at(stored), signed_in_at(stored)
        stored.manager.revoke(id_of(first))

        with stored.store.down("replace"):
            assert ids(stored) == [id_of(second)]

    @pytest.mark.parametrize("user_id", [None, "", b"ada", 1.5, True], ids=repr)
    def test_what_is_no_user_id_is_refused(self, stored: Site, user_id: Any) -> None:
        with pytest.raises(SessionDataError, match=r"sessions_of\(\)"):
            stored.manager.sessions_of(user_id)
        with pytest.raises(SessionDataError, match=r"revoke_user\(\)"):
            stored.manager.revoke_user(user_id)

    def test_a_store_that_is_down_is_an_error_without_frames_of_the_store(self, stored: Site) -> None:
        signed_in_at(stored)

        with stored.store.down(), pytest.raises(StoreUnavailable) as caught:
            stored.manager.sessions_of("ada")

        assert caught.value.__context__ is None


class TestRevoking:
    def test_a_revoked_session_is_over_at_once(self, stored: Site) -> None:
        browser, other = signed_in_at(stored), signed_in_at(stored)

        assert stored.manager.revoke(id_of(browser)) is True

        assert not is_signed_in(browser)
        assert is_signed_in(other)
        assert ids(stored) == [id_of(other)]

    def test_it_is_an_event_with_the_session_and_its_user(self, stored: Site) -> None:
        browser = signed_in_at(stored)
        session_id = id_of(browser)

        stored.manager.revoke(session_id)

        event = stored.event("revoked")
        assert (event.reason, event.session_id, event.user_id) == (None, session_id, "ada")

    def test_a_second_time_there_is_nothing_to_revoke(self, stored: Site) -> None:
        session_id = id_of(signed_in_at(stored))
        stored.manager.revoke(session_id)
        stored.events.clear()

        assert stored.manager.revoke(session_id) is False
        assert stored.events == []

    def test_an_anonymous_session_can_be_revoked(self, stored: Site) -> None:
        browser = visitor(stored)

        assert stored.manager.revoke(id_of(browser)) is True
        assert browser.data() == {}

    def test_a_former_id_revokes_what_the_session_became(self, stored: Site) -> None:
        browser = signed_in_at(stored)
        former = id_of(browser)
        browser.send(call("regenerate"))
        present = id_of(browser)

        assert stored.manager.revoke(former) is True

        assert not is_signed_in(browser)
        assert stored.event("revoked").session_id == present

    def test_the_id_before_a_login_does_not_revoke_the_user(self, stored: Site) -> None:
        browser = visitor(stored)
        former = id_of(browser)
        browser.send(login("ada"))

        assert stored.manager.revoke(former) is False
        assert is_signed_in(browser)

    def test_a_session_may_revoke_itself_and_sends_no_cookie(self, stored: Site) -> None:
        browser = signed_in_at(stored)

        def act(session: Session) -> None:
            session["lost"] = 1
            assert stored.manager.revoke(session.id)

        answer = browser.send(act)

        assert answer.cookie is None
        assert browser.data() == {}

    @pytest.mark.parametrize("session_id", ["", "x", "A" * 22, "=" * 22, "é" * 22, None, 5, b"A" * 22], ids=repr)
    def test_what_is_no_id_of_a_session_revokes_nothing(self, stored: Site, session_id: Any) -> None:
        signed_in_at(stored)

        assert stored.manager.revoke(session_id) is False

    def test_a_session_in_place_of_its_id_is_refused(self, stored: Site) -> None:
        browser = signed_in_at(stored)
        (info,) = stored.manager.sessions_of("ada")
        session = browser.send(lambda session: session).result

        given: Any
        for given in (info, session):
            with pytest.raises(SessionDataError, match="takes a session's id, a str, and not a Session"):
                stored.manager.revoke(given)
        assert is_signed_in(browser)

    def test_an_expired_session_cannot_be_revoked(self, stored: Site, clock: FakeClock) -> None:
        session_id = id_of(signed_in_at(stored))
        clock.advance(3600)

        assert stored.manager.revoke(session_id) is False

    def test_a_revoked_session_answers_a_change_with_no_cookie(self, stored: Site) -> None:
        browser = signed_in_at(stored)

        def act(session: Session) -> None:
            session["late"] = 1
            stored.manager.revoke(session.id)

        browser.send(act)

        assert "discarded ended" in stored.names()


class TestRevokingAUser:
    def test_all_sessions_end_and_are_counted(self, stored: Site) -> None:
        browsers = [signed_in_at(stored) for _ in range(3)]
        bob = signed_in_at(stored, "bob")

        assert stored.manager.revoke_user("ada") == 3

        assert not any(map(is_signed_in, browsers))
        assert is_signed_in(bob)
        assert ids(stored) == []

    def test_each_is_an_event(self, stored: Site) -> None:
        expected = {id_of(signed_in_at(stored)) for _ in range(2)}
        stored.events.clear()

        stored.manager.revoke_user("ada")

        told = [event for event in stored.events if event.name == "revoked"]
        assert {event.session_id for event in told} == expected
        assert {(event.user_id, event.reason) for event in told} == {("ada", None)}

    def test_a_user_without_sessions_is_nothing(self, stored: Site) -> None:
        assert stored.manager.revoke_user("ada") == 0

    def test_a_login_afterwards_lives(self, stored: Site) -> None:
        signed_in_at(stored)
        stored.manager.revoke_user("ada")

        browser = signed_in_at(stored)

        assert is_signed_in(browser)
        assert ids(stored) == [id_of(browser)]

    def test_the_session_to_keep_is_kept(self, stored: Site) -> None:
        mine, other = signed_in_at(stored), signed_in_at(stored)

        assert stored.manager.revoke_user("ada", keep=id_of(mine)) == 1

        assert is_signed_in(mine)
        assert not is_signed_in(other)
        assert ids(stored) == [id_of(mine)]

    @pytest.mark.parametrize("change", [call("regenerate"), call("remember", "30d"), login("ada")])
    def test_it_is_kept_under_its_former_and_under_its_present_id(self, stored: Site, change: Any) -> None:
        mine = signed_in_at(stored)
        former = id_of(mine)
        mine.send(change)
        present = id_of(mine)

        assert stored.manager.revoke_user("ada", keep=former) == 0
        assert stored.manager.revoke_user("ada", keep=present) == 0
        assert is_signed_in(mine)

    def test_a_request_with_an_id_that_was_changed_several_times_since_keeps_its_own_session(
        self, stored: Site
    ) -> None:
        mine, other = signed_in_at(stored), signed_in_at(stored)
        slow = mine.twin()
        for change in (call("confirm"), call("remember", "30d"), call("regenerate")):
            mine.send(change)

        assert slow.send(lambda session: stored.manager.revoke_user("ada", keep=session.id)).result == 1

        assert is_signed_in(mine)
        assert not is_signed_in(other)

    def test_a_request_may_keep_its_own_session_and_change_its_id(self, stored: Site) -> None:
        mine, other = signed_in_at(stored), signed_in_at(stored)

        def log_out_everywhere_else(session: Session) -> int:
            session.login("ada")
            return stored.manager.revoke_user("ada", keep=session.id)

        assert mine.send(log_out_everywhere_else).result == 1
        assert is_signed_in(mine)
        assert not is_signed_in(other)

    @pytest.mark.parametrize("kept", [0, 1], ids=["the faster", "the slower"])
    def test_of_two_that_were_one_session_the_other_one_is_not_kept(self, stored: Site, kept: int) -> None:
        mine = signed_in_at(stored)
        slow = mine.twin()
        stored.store.before["create"].append(lambda: mine.send(call("regenerate")))
        slow.send(login("ada"))
        both = [mine, slow]

        assert stored.manager.revoke_user("ada", keep=id_of(both[kept])) == 1

        assert is_signed_in(both[kept])
        assert not is_signed_in(both[1 - kept])

    def test_a_login_by_a_former_id_is_a_session_of_its_own(self, stored: Site) -> None:
        mine = signed_in_at(stored)
        slow, former = mine.twin(), id_of(mine)
        mine.send(call("regenerate"))
        slow.send(login("ada"))

        assert stored.manager.revoke_user("ada", keep=former) == 1

        assert is_signed_in(mine)
        assert not is_signed_in(slow)

    def test_a_logout_of_one_of_two_siblings_leaves_the_other(self, stored: Site) -> None:
        mine = signed_in_at(stored)
        slow = mine.twin()
        mine.send(call("regenerate"))
        slow.send(login("ada"))

        slow.send(call("clear"))

        assert ids(stored) == [id_of(mine)]

    @pytest.mark.parametrize("keep", ["", "nonsense", "A" * 22])
    def test_an_id_that_names_nothing_keeps_nothing(self, stored: Site, keep: str) -> None:
        signed_in_at(stored)

        assert stored.manager.revoke_user("ada", keep=keep) == 1

    def test_what_was_ended_before_a_failure_stays_ended_and_is_told(self, stored: Site) -> None:
        browsers = [signed_in_at(stored) for _ in range(2)]
        stored.store.after["delete"].append(lambda: stored.store.broken.add("load"))

        with pytest.raises(StoreUnavailable):
            stored.manager.revoke_user("ada")
        stored.store.broken.clear()

        assert stored.names() == ["revoked"]
        assert sorted(map(is_signed_in, browsers)) == [False, True]
        assert stored.manager.revoke_user("ada") == 1


class TestTheLimit:
    def test_a_login_ends_the_oldest_above_it(self, make_stored: SiteMaker, clock: FakeClock) -> None:
        site = make_stored(max_sessions_per_user=3)
        browsers = []
        for _ in range(5):
            browsers.append(signed_in_at(site))
            clock.advance(1)

        assert list(map(is_signed_in, browsers)) == [False, False, True, True, True]
        assert ids(site) == [id_of(browser) for browser in reversed(browsers[2:])]

    def test_one_session_is_the_last_one(self, make_stored: SiteMaker) -> None:
        site = make_stored(max_sessions_per_user=1)
        first, second = signed_in_at(site), signed_in_at(site)

        assert not is_signed_in(first)
        assert is_signed_in(second)

    def test_it_is_an_event_with_its_reason(self, make_stored: SiteMaker) -> None:
        site = make_stored(max_sessions_per_user=1)
        former = id_of(signed_in_at(site))
        browser = Browser(site)
        browser.send(login("ada"))

        event = site.event("revoked")
        assert (event.reason, event.session_id, event.user_id) == ("limit", former, "ada")

    def test_a_login_of_the_same_session_again_ends_nothing(self, make_stored: SiteMaker) -> None:
        site = make_stored(max_sessions_per_user=2)
        first, second = signed_in_at(site), signed_in_at(site)

        for _ in range(3):
            first.send(login("ada"))

        assert is_signed_in(first)
        assert is_signed_in(second)

    @pytest.mark.parametrize("change", [call("regenerate"), call("remember", "30d")])
    def test_a_change_of_id_is_no_login(self, make_stored: SiteMaker, change: Any) -> None:
        site = make_stored(max_sessions_per_user=2)
        first, second = signed_in_at(site), signed_in_at(site)

        first.send(change)

        assert is_signed_in(first)
        assert is_signed_in(second)

    def test_a_former_id_counts_as_the_session_that_it_became(self, make_stored: SiteMaker) -> None:
        site = make_stored(max_sessions_per_user=2)
        first = signed_in_at(site)
        first.send(call("regenerate"))

        signed_in_at(site)

        assert is_signed_in(first)

    def test_what_has_ended_does_not_count(self, make_stored: SiteMaker) -> None:
        site = make_stored(max_sessions_per_user=2)
        first, second = signed_in_at(site), signed_in_at(site)
        site.manager.revoke(id_of(first))

        signed_in_at(site)

        assert is_signed_in(second)

    def test_the_oldest_is_that_of_the_oldest_login(self, make_stored: SiteMaker, clock: FakeClock) -> None:
        site = make_stored(max_sessions_per_user=2)
        first, second = signed_in_at(site), signed_in_at(site)
        clock.advance(1)
        first.send(login("ada"))
        clock.advance(1)

        signed_in_at(site)

        assert is_signed_in(first)
        assert not is_signed_in(second)

    def test_without_it_a_login_asks_for_no_other_session(self, stored: Site) -> None:
        signed_in_at(stored)
        browser = visitor(stored)

        browser.send(login("ada"))

        assert stored.store.calls == ["load", "create", "load", "replace", "replace"]


class TestFailures:
    @pytest.mark.parametrize("operation", ["load", "create", "replace"])
    def test_a_login_whose_index_cannot_be_written_is_a_503_and_leaves_nothing(
        self, stored: Site, operation: str
    ) -> None:
        if operation == "replace":
            signed_in_at(stored)
        before, held = ids(stored), set(stored.store.held())
        stored.store.after["create"].append(lambda: stored.store.broken.add(operation))
        browser = Browser(stored)

        answer = browser.send(login("ada"))
        stored.store.reset()

        assert (answer.status, answer.cookie) == (503, None)
        assert ids(stored) == before
        assert set(stored.store.held()) == held

    def test_a_logout_whose_index_cannot_be_written_is_a_logout(self, stored: Site) -> None:
        browser = signed_in_at(stored)
        stored.store.after["delete"].append(lambda: stored.store.broken.update(["load", "replace"]))

        answer = browser.send(call("clear"))
        stored.store.reset()

        assert (answer.status, answer.cookie) == (200, "")
        assert ids(stored) == []

    def test_a_login_as_another_whose_former_index_cannot_be_written_is_a_login(self, stored: Site) -> None:
        browser = signed_in_at(stored)
        stored.store.after["delete"].append(lambda: stored.store.broken.add("load"))

        answer = browser.send(login("bob"))
        stored.store.reset()

        assert answer.status == 200
        assert ids(stored) == []
        assert ids(stored, "bob") == [id_of(browser)]


class TestCosts:
    def test_an_update_asks_for_no_index(self, stored: Site) -> None:
        browser = signed_in_at(stored)

        browser.send(put(new=2))

        assert stored.store.calls == ["load", "replace"]

    def test_an_anonymous_session_has_no_index(self, stored: Site) -> None:
        browser = visitor(stored)

        browser.send(call("regenerate"))
        browser.send(call("clear"))

        assert stored.store.calls == ["load", "create", "replace", "load", "load", "replace", "delete"]

    def test_a_change_of_id_of_a_user_changes_the_index_once(self, stored: Site) -> None:
        browser = signed_in_at(stored)

        browser.send(call("regenerate"))

        assert stored.store.calls == ["load", "create", "load", "replace", "replace"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda manager: manager.sessions_of("ada"),
        lambda manager: manager.revoke("A" * 22),
        lambda manager: manager.revoke_user("ada"),
    ],
)
def test_cookie_sessions_are_refused_with_the_cure(ask: Any) -> None:
    with pytest.raises(ConfigError, match="login_backend"):
        ask(SessionManager(secret=SECRET))


def test_a_login_of_a_user_is_found_by_another_manager(stored: Site) -> None:
    browser = signed_in_at(stored)
    beside = stored.like()

    assert ids(beside) == [id_of(browser)]
    assert beside.manager.revoke_user("ada") == 1
    assert browser.ask(read).result == {}


def test_a_request_that_does_nothing_asks_for_nothing(stored: Site) -> None:
    browser = signed_in_at(stored)

    browser.ask(nothing)

    assert stored.store.calls == []


def test_the_oldest_session_gives_way_where_the_store_takes_no_longer_index(stored: Site) -> None:
    first, *_ = [signed_in_at(stored) for _ in range(20)]
    stored.store.limit = index_size(stored)

    new = signed_in_at(stored)

    assert is_signed_in(new)
    assert not is_signed_in(first)
    assert len(ids(stored)) == 20


def test_its_end_is_told(stored: Site) -> None:
    for _ in range(20):
        signed_in_at(stored)
    stored.store.limit = index_size(stored)

    Browser(stored).send(login("ada"))

    assert (stored.event("revoked").reason, stored.event("revoked").user_id) == ("limit", "ada")


@pytest.mark.parametrize("keep", [42, b"x", object()])
def test_what_can_be_no_id_to_keep_is_refused_and_ends_nothing(memory: Site, keep: Any) -> None:
    ada = signed_in_at(memory)

    with pytest.raises(SessionDataError, match="keep"):
        memory.manager.revoke_user("ada", keep=keep)

    assert is_signed_in(ada)


def test_a_visit_that_began_early_and_signed_in_last_is_listed_first(stored: Site) -> None:
    visit = visitor(stored)
    stored.clock.advance(60)
    other = signed_in_at(stored)
    stored.clock.advance(60)

    visit.send(login("ada"))

    assert ids(stored) == [id_of(visit), id_of(other)]
