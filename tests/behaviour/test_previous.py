"""The option ``previous``: the sessions of a former configuration are taken over, and nobody is logged out by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from behaviour.moments import DAY, HOUR
from support.actions import Action, call, login, member, put, read, then
from support.browser import Browser, Site, visitor
from support.companions import writes_partitioned
from support.constants import COOKIE, NEW_SECRET, PREFIX, SECRET
from support.stores import OPERATIONS, RecordingStore, local_store

from sessionware import ConfigError, SessionMiddleware
from sessionware.testing import FakeClock

NEW_COOKIE = f"{PREFIX}new"


class Move:
    """A site before and after a move, with one clock and two stores; either may be the cookie."""

    def __init__(self, directory: Path, former: str, current: str, **options: Any) -> None:
        self.clock = FakeClock()
        self.until = self.clock() + 30 * DAY
        self.old = Site(_backend(former, directory / "old", self.clock), self.clock)
        previous = {"backend": self.old.backend, "secret": SECRET, "until": self.until}
        options = {"secret": NEW_SECRET, "cookie.name": "new", "previous": previous, **options}
        self.new = Site(_backend(current, directory / "new", self.clock), self.clock, **options)

    def after(self) -> Site:
        """The new site when the move is over."""
        return self.new.like(previous=())

    @property
    def is_stored(self) -> bool:
        return self.new.is_stored


def _backend(name: str, directory: Path, clock: FakeClock) -> str | RecordingStore:
    directory.mkdir()
    return name if name == "cookie" else RecordingStore(local_store(name, directory, clock))


@pytest.fixture(
    params=[("cookie", "memory"), ("memory", "cookie"), ("memory", "sqlite"), ("cookie", "cookie"), ("file", "file")],
    ids=" to ".join,
)
def move(request: pytest.FixtureRequest, tmp_path: Path) -> Move:
    return Move(tmp_path, *request.param)


@pytest.fixture(params=[("cookie", "memory"), ("memory", "memory")], ids=" to ".join)
def stored_move(request: pytest.FixtureRequest, tmp_path: Path) -> Move:
    return Move(tmp_path, *request.param)


def ada(move: Move) -> Browser:
    """Signed in at an old worker."""

    def begin(session: Any) -> None:
        session.login("ada")
        session["cart"] = ["tea"]

    return visitor(move.old, begin)


def at(browser: Browser, site: Site) -> Browser:
    """The same browser at a worker of another site: its jar is the same."""
    other = Browser(site)
    other.cookies = browser.cookies
    return other


def who(browser: Browser, site: Site) -> Any:
    """Whom a worker of *site* takes the browser's user for."""
    return at(browser, site).send(member("user_id")).result


def test_a_former_session_reads_as_one_of_ours(move: Move) -> None:
    browser = ada(move)

    answer = at(browser, move.new).send(read)

    assert answer.result == {"cart": ["tea"]}
    assert who(browser, move.new) == "ada"


def test_a_request_that_only_reads_a_former_session_sends_no_cookie_and_writes_nothing(move: Move) -> None:
    browser = ada(move)

    answer = at(browser, move.new).send(read)

    assert answer.set_cookies == []
    assert move.new.names() == []
    if move.is_stored:
        assert set(move.new.store.calls) == {"load"}


def test_the_first_write_makes_it_a_session_of_ours_that_outlives_the_move(move: Move) -> None:
    browser = ada(move)

    at(browser, move.new).send(put(theme="dark"))

    after = at(browser, move.after())
    assert after.data() == {"cart": ["tea"], "theme": "dark"}
    assert who(browser, after.site) == "ada"


def test_a_take_over_is_told_with_the_former_id(move: Move) -> None:
    browser = ada(move)
    former = at(browser, move.old).ask(member("id")).result

    at(browser, move.new).send(put(theme="dark"))

    event = move.new.event("regenerated")
    assert (event.reason, event.former_id, event.user_id) == ("taken_over", former, "ada")
    assert event.session_id == at(browser, move.new).ask(member("id")).result


def test_flashes_and_csrf_tokens_come_along(move: Move) -> None:
    browser = ada(move)
    at(browser, move.old).send(call("flash", "hello"))
    token = at(browser, move.old).send(member("csrf_token")).result

    checked = at(browser, move.new).send(call("verify_csrf", token)).result
    at(browser, move.new).send(put(theme="dark"))

    assert checked
    assert at(browser, move.new).send(call("verify_csrf", token)).result
    assert at(browser, move.new).send(call("pop_flashes")).result == [("message", "hello")]


def test_it_has_no_later_end_than_it_had(move: Move) -> None:
    browser = ada(move)
    move.clock.advance(HOUR / 2)
    before = at(browser, move.old).send(put(a=1)) and at(browser, move.old).ask(member("created_at")).result
    late = move.new.like(absolute_timeout="7d")

    at(browser, late).send(put(theme="dark"))

    assert at(browser, late).ask(member("created_at")).result == before
    for _ in range(47):
        move.clock.advance(HOUR / 2)
        at(browser, late).send(call("get", "theme"))
    assert who(browser, late) is None


def test_a_remembered_session_stays_remembered(move: Move) -> None:
    browser = ada(move)
    at(browser, move.old).send(call("remember", "30d"))

    at(browser, move.new).send(put(theme="dark"))
    move.clock.advance(10 * DAY)

    assert who(browser, move.new) == "ada"


def test_old_workers_find_the_former_session_until_the_end_of_the_move(move: Move) -> None:
    browser = ada(move)

    at(browser, move.new).send(put(theme="dark"))

    assert who(browser, move.old) == "ada"
    assert at(browser, move.old).data() == {"cart": ["tea"]}


def test_use_at_new_workers_keeps_the_former_session_from_ending_of_idleness(move: Move) -> None:
    browser = ada(move)
    for _ in range(6):
        move.clock.advance(HOUR / 2)
        at(browser, move.new).send(put(at=move.clock()))

    assert who(browser, move.old) == "ada"


def test_reading_at_new_workers_keeps_a_former_session_alive(move: Move) -> None:
    browser = ada(move)
    for _ in range(6):
        move.clock.advance(HOUR / 2)
        at(browser, move.new).send(read)

    assert who(browser, move.new) == "ada"
    assert who(browser, move.old) == "ada"


@pytest.mark.parametrize("first", [read, put(theme="dark")], ids=["read before", "taken over before"])
def test_a_logout_at_a_new_worker_ends_both(move: Move, first: Action) -> None:
    browser = ada(move)
    thief = Browser(move.old, browser.cookies)
    at(browser, move.new).send(first)

    at(browser, move.new).send(call("clear"))

    assert browser.cookies == {}
    assert who(browser, move.old) is None
    assert who(browser, move.new) is None
    if move.old.is_stored:
        assert who(thief, move.old) is None
        assert who(thief, move.new) is None


@pytest.mark.parametrize("first", [read, put(theme="dark")], ids=["read before", "taken over before"])
def test_a_former_cookie_does_not_bring_back_what_was_logged_out(stored_move: Move, first: Action) -> None:
    browser = ada(stored_move)
    slow_old_worker = at(browser, stored_move.old).ask(put(late=1))
    copy = dict(browser.cookies)
    at(browser, stored_move.new).send(first)

    at(browser, stored_move.new).send(call("clear"))
    browser.receive(slow_old_worker)

    assert who(browser, stored_move.new) is None
    assert who(Browser(stored_move.new, copy), stored_move.new) is None


def test_a_write_under_way_does_not_bring_back_what_was_logged_out(stored_move: Move) -> None:
    browser = ada(stored_move)
    slow = Browser(stored_move.new, browser.cookies)

    def log_out_meanwhile(session: Any) -> None:
        session["late"] = 1
        at(browser, stored_move.new).send(call("clear"))

    answer = slow.ask(log_out_meanwhile)

    assert answer.set_cookies == []
    assert who(slow, stored_move.new) is None


@pytest.mark.parametrize("first", [read, put(theme="dark")], ids=["read before", "taken over before"])
def test_a_logout_at_an_old_worker_ends_both(move: Move, first: Action) -> None:
    browser = ada(move)
    at(browser, move.new).send(first)

    at(browser, move.old).send(call("clear"))

    assert who(browser, move.new) is None
    assert at(browser, move.new).data() == {}


def test_a_login_at_an_old_worker_beats_what_was_taken_over_before(move: Move) -> None:
    browser = ada(move)
    at(browser, move.new).send(put(theme="dark"))
    move.clock.advance(1)

    at(browser, move.old).send(login("grace"))

    assert who(browser, move.new) == "grace"
    assert "theme" not in at(browser, move.new).data()
    at(browser, move.old).send(call("clear"))
    assert who(browser, move.new) is None


def test_a_login_at_an_old_worker_beats_a_visitors_session_of_ours(move: Move) -> None:
    browser = visitor(move.new, put(cart=["tea"]))
    move.clock.advance(1)

    at(browser, move.old).send(login("grace"))

    assert who(browser, move.new) == "grace"


def test_a_login_at_a_new_worker_over_a_visitors_session_stands(move: Move) -> None:
    browser = visitor(move.old, put(cart=["tea"]))

    at(browser, move.new).send(login("ada"))

    assert who(browser, move.new) == "ada"
    assert at(browser, move.new).data() == {"cart": ["tea"]}
    at(browser, move.old).send(put(cart=["tea", "milk"]))
    assert who(browser, move.new) == "ada"


@pytest.mark.parametrize("first", [read, put(theme="dark")], ids=["read before", "taken over before"])
def test_a_login_as_another_user_ends_the_former_session(move: Move, first: Action) -> None:
    browser = ada(move)
    at(browser, move.new).send(first)

    at(browser, move.new).send(login("grace"))

    assert who(browser, move.new) == "grace"
    assert at(browser, move.new).data() == {}
    assert who(browser, move.old) is None


def test_a_new_id_at_an_old_worker_changes_nothing(move: Move) -> None:
    browser = ada(move)
    at(browser, move.new).send(put(theme="dark"))

    at(browser, move.old).send(call("regenerate"))
    move.clock.advance(HOUR / 4)

    for site in (move.new, move.old, move.new):
        assert who(browser, site) == "ada"
    assert at(browser, move.new).data() == {"cart": ["tea"], "theme": "dark"}
    at(browser, move.new).send(call("clear"))
    assert who(browser, move.old) is None


def test_of_two_first_writes_at_once_both_are_kept(stored_move: Move) -> None:
    browser = ada(stored_move)
    other = Browser(stored_move.new, browser.cookies)
    answers = []

    def write_meanwhile(session: Any) -> None:
        session["theme"] = "dark"
        answers.append(other.ask(put(lang="fr")))

    answers.append(at(browser, stored_move.new).ask(write_meanwhile))
    for answer in answers:
        browser.receive(answer)

    assert at(browser, stored_move.new).data() == {"cart": ["tea"], "theme": "dark", "lang": "fr"}


def test_a_session_whose_first_answer_was_lost_is_found_again(stored_move: Move) -> None:
    browser = ada(stored_move)

    at(browser, stored_move.new).ask(put(theme="dark"))

    assert at(browser, stored_move.new).data() == {"cart": ["tea"], "theme": "dark"}


def test_a_session_whose_first_answer_was_lost_gets_a_cookie_of_its_own_at_the_next_write(stored_move: Move) -> None:
    browser = ada(stored_move)
    at(browser, stored_move.new).ask(put(theme="dark"))

    at(browser, stored_move.new).send(put(lang="fr"))

    after = at(browser, stored_move.after())
    assert after.data() == {"cart": ["tea"], "theme": "dark", "lang": "fr"}


def test_a_worker_that_dies_in_a_take_over_leaves_no_session_out_of_the_list(tmp_path: Path) -> None:
    move = Move(tmp_path, "cookie", "memory")
    browser = ada(move)

    def die() -> None:
        move.new.store.failure = SystemExit()
        move.new.store.broken = set(OPERATIONS)

    move.new.store.after["create"].append(die)
    with pytest.raises(SystemExit):
        at(browser, move.new).send(put(theme="dark"))
    move.new.store.reset()
    at(browser, move.new).send(put(theme="dark"))

    assert move.new.manager.revoke_user("ada") == 1
    assert who(browser, move.new) is None


def test_a_logout_while_another_request_gives_the_session_a_new_id_ends_both(stored_move: Move) -> None:
    browser = ada(stored_move)
    other = Browser(stored_move.new, browser.cookies)
    at(browser, stored_move.new).send(put(theme="dark"))

    def log_out_meanwhile(session: Any) -> None:
        session.regenerate()
        session.save()
        at(browser, stored_move.new).send(call("clear"))

    other.send(log_out_meanwhile)

    assert who(other, stored_move.new) is None


def test_a_session_that_was_signed_in_at_a_new_worker_outlives_the_visitors_one(move: Move) -> None:
    browser = visitor(move.old, put(cart=["tea"]))
    at(browser, move.new).send(login("ada"))

    at(browser, move.old).send(call("clear"))

    assert who(browser, move.new) == "ada"


def test_a_session_that_is_remembered_at_a_new_worker_outlives_the_idleness_of_the_former_one(move: Move) -> None:
    browser = ada(move)
    at(browser, move.new).send(call("remember", "30d"))

    for hours in (2, 240):
        move.clock.advance(hours * HOUR)
        assert who(browser, move.new) == "ada"


def test_a_session_that_is_confirmed_at_a_new_worker_outlives_the_age_of_the_former_one(move: Move) -> None:
    browser = ada(move)
    for _ in range(60):
        move.clock.advance(HOUR / 2)
        at(browser, move.new).send(call("confirm"))

    assert who(browser, move.new) == "ada"


def test_a_login_at_an_old_worker_beats_a_visitors_session_that_began_at_the_same_time(move: Move) -> None:
    browser = visitor(move.new, put(cart=["tea"]))

    at(browser, move.old).send(login("grace"))

    assert who(browser, move.new) == "grace"


def test_a_user_who_has_signed_in_on_both_sides_is_signed_out_on_both(stored_move: Move) -> None:
    browser = visitor(stored_move.new, then(login("ada"), put(theme="dark")))
    stored_move.clock.advance(1)
    at(browser, stored_move.old).send(login("ada"))
    assert at(browser, stored_move.new).data() == {"theme": "dark"}
    at(browser, stored_move.new).send(put(lang="fr"))

    at(browser, stored_move.old).send(call("clear"))

    assert who(browser, stored_move.new) is None


def test_a_request_that_is_none_of_the_users_keeps_no_former_session_alive(move: Move) -> None:
    browser = ada(move)
    at(browser, move.new).send(put(theme="dark"))
    for number in range(7):
        move.clock.advance(HOUR / 6)
        at(browser, move.new).send(then(call("passive"), put(polls=number)))

    assert who(browser, move.old) is None


def test_a_list_begins_with_the_latest_sign_in_on_either_side(tmp_path: Path) -> None:
    move = Move(tmp_path, "memory", "memory")
    browsers = []
    for site in (move.old, move.new, move.old, move.new):
        move.clock.advance(1)
        browsers.append(visitor(site, login("ada")))
    first = at(browsers[0], move.new)
    first.send(put(theme="dark"))

    listed = [info.id for info in move.new.manager.sessions_of("ada")]

    assert listed == [at(browser, move.new).ask(member("id")).result for browser in reversed(browsers)]


@pytest.mark.parametrize("first", [read, put(theme="dark")], ids=["read before", "taken over before"])
def test_revoking_a_user_ends_both(tmp_path: Path, first: Action) -> None:
    move = Move(tmp_path, "memory", "memory")
    browser = ada(move)
    at(browser, move.new).send(first)

    ended = move.new.manager.revoke_user("ada")

    assert ended == 1
    assert who(browser, move.old) is None
    assert who(browser, move.new) is None


@pytest.mark.parametrize("first", [read, put(theme="dark")], ids=["read before", "taken over before"])
def test_revoking_a_session_by_its_id_ends_both(tmp_path: Path, first: Action) -> None:
    move = Move(tmp_path, "memory", "memory")
    browser = ada(move)
    at(browser, move.new).send(first)

    assert move.new.manager.revoke(at(browser, move.new).ask(member("id")).result)

    assert who(browser, move.old) is None
    assert who(browser, move.new) is None


def test_a_former_cookie_session_that_was_revoked_does_not_come_back(tmp_path: Path) -> None:
    move = Move(tmp_path, "cookie", "memory")
    browser = ada(move)
    copy = dict(browser.cookies)
    at(browser, move.new).send(put(theme="dark"))

    move.new.manager.revoke_user("ada")

    assert who(browser, move.new) is None
    assert who(Browser(move.new, copy), move.new) is None


@pytest.mark.parametrize("first", [read, put(theme="dark")], ids=["read before", "taken over before"])
def test_a_session_that_is_kept_is_kept_on_both_sides(tmp_path: Path, first: Action) -> None:
    move = Move(tmp_path, "memory", "memory")
    browser, phone = ada(move), ada(move)
    at(browser, move.new).send(first)

    ended = move.new.manager.revoke_user("ada", keep=at(browser, move.new).ask(member("id")).result)

    assert ended == 1
    assert (who(browser, move.new), who(browser, move.old)) == ("ada", "ada")
    assert (who(phone, move.new), who(phone, move.old)) == (None, None)


def test_a_list_has_each_session_once(tmp_path: Path) -> None:
    move = Move(tmp_path, "memory", "memory")
    browser, phone = ada(move), ada(move)
    at(browser, move.new).send(put(theme="dark"))

    listed = {info.id for info in move.new.manager.sessions_of("ada")}

    assert listed == {at(one, move.new).ask(member("id")).result for one in (browser, phone)}


def test_not_before_ends_former_sessions(move: Move) -> None:
    browser = ada(move)
    move.clock.advance(60)
    late = move.new.like(not_before=move.clock())

    assert who(browser, late) is None
    at(browser, late).send(put(a=1))
    assert who(browser, late) is None


def test_after_the_end_of_the_move_no_former_session_is_looked_for(move: Move) -> None:
    browser = ada(move)
    previous = {**move.new.options["previous"], "until": move.clock() - 1}

    assert who(browser, move.new.like(previous=previous)) is None


def test_a_request_that_touches_no_session_asks_no_former_one(tmp_path: Path) -> None:
    move = Move(tmp_path, "memory", "memory")
    browser = ada(move)
    move.old.store.calls.clear()

    at(browser, move.new).send(lambda session: None)

    assert move.old.store.calls == []


def test_several_former_configurations_are_asked_in_their_order(tmp_path: Path) -> None:
    move = Move(tmp_path, "memory", "memory")
    browser = ada(move)
    other = {"backend": "memory", "cookie.name": "older", "until": move.until}

    assert who(browser, move.new.like(previous=[other, move.new.options["previous"]])) == "ada"


def test_with_the_same_cookie_a_session_moves_to_another_store_under_the_id_that_it_has(tmp_path: Path) -> None:
    move = Move(tmp_path, "memory", "sqlite", secret=SECRET, **{"cookie.name": "sid"})
    browser = ada(move)
    value = browser.cookies[COOKIE]

    at(browser, move.new).send(put(theme="dark"))

    assert browser.cookies == {COOKIE: value}
    assert at(browser, move.after()).data() == {"cart": ["tea"], "theme": "dark"}
    assert at(browser, move.old).data() == {"cart": ["tea"]}
    at(browser, move.new).send(call("clear"))
    copy = {COOKIE: value}
    assert [who(Browser(site, copy), site) for site in (move.new, move.old)] == [None, None]


def test_with_the_same_cookie_a_new_id_is_none_that_an_old_worker_has_ended(tmp_path: Path) -> None:
    move = Move(tmp_path, "memory", "sqlite", secret=SECRET, **{"cookie.name": "sid"})
    browser = ada(move)
    at(browser, move.new).send(put(theme="dark"))

    at(browser, move.new).send(call("regenerate"))

    assert who(browser, move.new) == "ada"
    assert who(browser, move.old) is None


@pytest.mark.parametrize("former", ["cookie", "memory"])
def test_with_the_same_name_old_workers_find_the_former_cookie_after_a_write(tmp_path: Path, former: str) -> None:
    move = Move(tmp_path, former, "memory", **{"cookie.name": "sid"})
    browser = ada(move)

    at(browser, move.new).send(put(theme="dark"))

    assert at(browser, move.new).data() == {"cart": ["tea"], "theme": "dark"}
    assert at(browser, move.old).data() == {"cart": ["tea"]}
    at(browser, move.new).send(login("grace"))
    assert who(browser, move.new) == "grace"


@writes_partitioned
@pytest.mark.parametrize("backend", ["cookie", "memory"])
def test_a_cookie_that_becomes_partitioned_keeps_the_session_and_a_logout_deletes_both(
    tmp_path: Path, backend: str
) -> None:
    """Browsers keep the former cookie beside the new one, under one name, and send it first."""
    move = Move(tmp_path, backend, backend, **{"cookie.name": "sid", "cookie.partitioned": True})
    former = ada(move).cookies[COOKIE]
    present = move.new.ask(put(theme="dark"), {COOKIE: former}).cookies[COOKIE]
    both = f"{COOKIE}={former}; {COOKIE}={present}"

    assert move.new.read(header=both).seen == {"cart": ["tea"], "theme": "dark"}
    lines = move.new.ask(call("clear"), both).set_cookies
    assert ["Partitioned" in line for line in lines] == [False, True]
    assert all(line.startswith(f"{COOKIE}=;") for line in lines)


@pytest.mark.parametrize("secret", [SECRET, NEW_SECRET], ids=["the same secret", "another secret"])
@pytest.mark.parametrize("pair", [("cookie", "memory"), ("memory", "cookie"), ("memory", "sqlite")], ids=" to ".join)
def test_with_the_same_name_a_page_can_tell_that_the_former_session_was_left_too_long(
    tmp_path: Path, pair: tuple[str, str], secret: str
) -> None:
    move = Move(tmp_path, *pair, **{"cookie.name": "sid", "secret": secret})
    browser = ada(move)
    move.clock.advance(2 * HOUR)

    assert at(browser, move.new).send(member("rejected")).result == "idle"


@pytest.mark.parametrize(
    ("current", "name", "is_told"), [("cookie", "sid", True), ("cookie", "new", False), ("memory", "sid", False)]
)
def test_a_cookie_that_would_replace_the_former_one_is_told_at_start(
    tmp_path: Path, current: str, name: str, caplog: pytest.LogCaptureFixture, *, is_told: bool
) -> None:
    Move(tmp_path, "memory", current, **{"cookie.name": name})

    assert ("the session cookie has the name of the former one" in caplog.text) is is_told


@pytest.mark.parametrize(("begun_ago", "is_told"), [(29 * DAY, False), (30 * DAY, True)])
def test_a_move_that_is_over_when_a_worker_starts_is_told(
    tmp_path: Path, begun_ago: float, caplog: pytest.LogCaptureFixture, *, is_told: bool
) -> None:
    move = Move(tmp_path, "cookie", "memory")
    move.clock.advance(begun_ago)
    caplog.clear()

    move.new.like()

    assert ("the move from the cookie 'sid' is over" in caplog.text) is is_told


def test_visitors_stay_in_the_cookie_and_users_move_into_the_store_of_a_login_backend(tmp_path: Path) -> None:
    clock = FakeClock()
    old = Site("cookie", clock)
    store = RecordingStore()
    previous = {"secret": SECRET, "until": clock() + DAY}
    new = Site("cookie", clock, login_backend=store, previous=previous, **{"cookie.name": "new"})
    guest, user = visitor(old, put(cart=1)), visitor(old, then(login("ada"), put(cart=2)))

    at(guest, new).send(put(theme="dark"))
    calls = list(store.calls)
    at(user, new).send(put(theme="dark"))

    assert calls == []
    assert at(guest, new).data() == {"cart": 1, "theme": "dark"}
    assert [info.user_id for info in new.manager.sessions_of("ada")] == ["ada"]


def test_a_cookie_that_is_not_sent_to_every_path_ends_nothing_where_it_is_missing(tmp_path: Path) -> None:
    clock = FakeClock()
    old = Site("cookie", clock, **{"cookie.path": "/shop"})
    previous = {"secret": SECRET, "cookie.path": "/shop", "until": clock() + DAY}
    new = Site("memory", clock, previous=previous, **{"cookie.name": "new"})
    browser = visitor(old, login("ada"))
    in_shop = {"PATH_INFO": "/shop/cart"}
    browser.receive(new.ask(put(a=1), browser.cookies, **in_shop))
    outside = {name: value for name, value in browser.cookies.items() if name == NEW_COOKIE}

    assert new.ask(member("user_id"), outside, PATH_INFO="/").result == "ada"
    assert new.ask(member("user_id"), outside, **in_shop).result is None


@pytest.mark.parametrize(
    ("previous", "message"),
    [
        ({"secret": SECRET}, "previous: until: it is missing"),
        ({"until": "soon"}, "previous: until: expected a moment"),
        ({"until": 1, "secret": "short"}, "previous: secret: the secret has 5 bytes"),
        ({"until": 1, "backend": "rediss"}, "previous: backend: unknown backend 'rediss'"),
        ({"until": 1, "cookie_name": "x"}, "previous: cookie_name: unknown option"),
        ([{"until": 1}, {"secret": SECRET}], "previous, configuration 2: until: it is missing"),
        (5, "previous: expected a former configuration as a dict, or a list of them, got 5"),
    ],
)
def test_a_fault_in_a_former_configuration_names_the_option(previous: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        SessionMiddleware(_nothing, secret=SECRET, previous=previous)

    assert message in str(caught.value)


def test_the_present_secrets_are_those_of_a_former_configuration_without_any(tmp_path: Path) -> None:
    move = Move(tmp_path, "cookie", "memory", secret=[NEW_SECRET, SECRET])
    browser = ada(move)

    assert who(browser, move.new.like(previous={"until": move.until})) == "ada"


def _nothing(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
    return []


@pytest.fixture(params=[0, 1], ids=["first", "second"])
def one_of_two(request: pytest.FixtureRequest, tmp_path: Path) -> Move:
    """A move from one of two stores, which have had one cookie one after the other."""
    move = Move(tmp_path, "memory", "memory")
    older = {"backend": _backend("memory", tmp_path / "older", move.clock), "secret": SECRET, "until": move.until}
    previous = [older, {"backend": move.old.backend, "secret": SECRET, "until": move.until}]
    move.new = move.new.like(previous=previous[::-1] if request.param == 0 else previous)
    return move


def test_of_two_former_stores_of_one_cookie_a_revocation_ends_the_session_in_its_own(one_of_two: Move) -> None:
    browser = ada(one_of_two)
    at(browser, one_of_two.new).send(put(theme="dark"))

    one_of_two.new.manager.revoke(at(browser, one_of_two.new).ask(member("id")).result)

    assert who(browser, one_of_two.old) is None


def test_of_two_former_stores_of_one_cookie_a_session_is_looked_for_in_both(one_of_two: Move) -> None:
    browser = ada(one_of_two)
    at(browser, one_of_two.new).send(put(theme="dark"))

    del browser.cookies[COOKIE]

    assert who(browser, one_of_two.new) == "ada"


def test_of_two_former_stores_of_one_cookie_a_logout_at_either_ends_what_was_taken_over(one_of_two: Move) -> None:
    browser = ada(one_of_two)
    at(browser, one_of_two.new).send(put(theme="dark"))

    at(browser, one_of_two.old).send(call("clear"))

    assert who(browser, one_of_two.new) is None
