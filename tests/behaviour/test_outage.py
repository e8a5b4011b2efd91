"""A store that is down: never taken for a logout, never a 200 for what was not saved, asked once in a request."""

from __future__ import annotations

import pytest
from support.actions import Action, call, drop, login, member, nothing, put, raised_by, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE

from sessionware import Session, StoreUnavailable
from sessionware.testing import FakeClock

#: What tells of a session, and what changes it.
MEMBERS: dict[str, Action] = {
    "len": len,
    "in": lambda session: "old" in session,
    "get": call("get", "old"),
    "iteration": list,
    "==": lambda session: session == {},
    "bool": bool,
    "id": member("id"),
    "is_new": member("is_new"),
    "modified": member("modified"),
    "user_id": member("user_id"),
    "created_at": member("created_at"),
    "last_seen_at": member("last_seen_at"),
    "expires_at": member("expires_at"),
    "verify_csrf": call("verify_csrf", "A" * 86),
}
MUTATING: dict[str, Action] = {
    "[]=": put(new=2),
    "del": drop("old"),
    "del of a missing key": drop("missing"),
    "pop": call("pop", "old"),
    "pop of a missing key": call("pop", "missing", None),
    "popitem": call("popitem"),
    "setdefault": call("setdefault", "new", 2),
    "update": call("update", new=2),
    "update with nothing": call("update"),
    "|=": lambda session: session.__ior__({}),
    "alter": call("alter", "old", lambda old: old),
    "modified = True": lambda session: setattr(session, "modified", True),
    "login": call("login", "bob"),
    "regenerate": call("regenerate"),
    "invalidate": call("invalidate"),
    "clear": call("clear"),
    "remember": call("remember", "1d"),
    "remember None": call("remember", None),
    "save": call("save"),
    "revert": call("revert"),
    "flash": call("flash", "saved"),
    "pop_flashes": call("pop_flashes"),
    "csrf_token": member("csrf_token"),
}


@pytest.fixture
def visit(memory: Site) -> Browser:
    return visitor(memory, then(login("ada"), put(old=1)))


def test_an_untouched_request_is_served(visit: Browser) -> None:
    with visit.site.store.down():
        assert visit.ask(nothing).status == 200


def test_a_visitor_without_a_cookie_is_served_what_needs_no_store(visit: Browser) -> None:
    with visit.site.store.down():
        assert visit.site.ask(read).status == 200


def test_a_bad_cookie_needs_no_store(visit: Browser) -> None:
    with visit.site.store.down():
        assert visit.site.ask(read, {COOKIE: "rubbish"}).status == 200


def test_a_touch_is_a_503(visit: Browser) -> None:
    with visit.site.store.down():
        answer = visit.ask(read)

    assert answer.status == 503
    assert answer.set_cookies == []
    assert answer.lines("Cache-Control") == ["no-store"]
    assert int(answer.lines("Retry-After")[0]) > 0
    assert answer.body != b"ok"


def test_nobody_is_logged_out_by_it(visit: Browser) -> None:
    with visit.site.store.down():
        visit.send(read)
        visit.send(raised_by(put(new=2)))

    assert visit.ask(member("user_id")).result == "ada"
    assert visit.data() == {"old": 1}


@pytest.mark.parametrize("name", [*MEMBERS, *MUTATING])
def test_every_member_raises_and_the_store_is_asked_once(visit: Browser, name: str) -> None:
    action = {**MEMBERS, **MUTATING}[name]

    with visit.site.store.down():
        answer = visit.ask(then(raised_by(read), raised_by(read), raised_by(action)))

    assert isinstance(answer.result, StoreUnavailable)
    assert visit.site.store.calls == ["load"]


def test_an_application_that_caught_it_and_answered_otherwise_is_left_alone(visit: Browser) -> None:
    with visit.site.store.down():
        answer = visit.ask(raised_by(put(new=2)))

    assert (answer.status, answer.body, answer.set_cookies) == (200, b"ok", [])


@pytest.mark.parametrize("status", ["404 Not Found", "502 Bad Gateway", "503 Ours"])
def test_an_error_page_of_the_applications_own_is_left_alone(visit: Browser, status: str) -> None:
    with visit.site.store.down():
        answer = visit.ask(raised_by(read), status=status)

    assert (answer.status, answer.body) == (int(status[:3]), b"ok")


def test_a_500_that_a_framework_made_of_it_is_replaced_by_the_503(visit: Browser) -> None:
    with visit.site.store.down():
        answer = visit.ask(raised_by(read), status="500 Internal Server Error")

    assert answer.status == 503
    assert answer.body != b"ok"


@pytest.mark.parametrize("action", [call("clear"), then(put(new=2), call("save"))], ids=["clear", "save"])
@pytest.mark.parametrize("mode", ["unavailable", "anonymous"])
def test_a_500_that_a_framework_made_of_a_failed_write_is_replaced_too(
    make_memory: SiteMaker, action: Action, mode: str
) -> None:
    browser = visitor(make_memory(on_store_failure=mode))

    with browser.site.store.down("replace"):
        answer = browser.ask(raised_by(action), status="500 Internal Server Error")

    assert answer.status == 503


def test_a_500_of_an_application_beside_a_store_that_works_is_left_alone(visit: Browser) -> None:
    assert visit.ask(put(new=2), status="500 Internal Server Error").status == 500


@pytest.mark.parametrize("action", [put(new=2), call("regenerate"), login("bob"), drop("old"), call("clear")])
@pytest.mark.parametrize("operations", [("replace", "create"), ("replace",)], ids=["no write", "no replace"])
def test_a_save_that_fails_is_a_503_without_a_cookie(
    visit: Browser, action: Action, operations: tuple[str, ...]
) -> None:
    visit.send(put(other=1))
    with visit.site.store.down(*operations):
        answer = visit.send(action)

    assert (answer.status, answer.set_cookies) == (503, [])
    assert answer.body != b"ok"
    assert visit.ask(member("user_id")).result == "ada"
    assert visit.data() == {"old": 1, "other": 1}


def test_a_creation_that_fails_is_a_503_without_a_cookie(memory: Site) -> None:
    with memory.store.down("create"):
        answer = memory.ask(put(a=1))

    assert (answer.status, answer.set_cookies) == (503, [])


def test_a_failed_save_is_not_sent_again(visit: Browser) -> None:
    with visit.site.store.down("replace"):
        answer = visit.ask(then(put(new=2), raised_by(call("save")), raised_by(call("save"))))

    assert answer.status == 503
    assert visit.site.store.calls == ["load", "replace"]


def test_a_failed_save_that_was_taken_back_is_left_alone(visit: Browser) -> None:
    with visit.site.store.down("replace"):
        answer = visit.ask(then(put(new=2), raised_by(call("save")), call("revert")))

    assert answer.status == 200
    assert visit.data() == {"old": 1}


@pytest.mark.parametrize("end", ["clear", "invalidate"])
def test_a_logout_that_fails_raises_where_it_is_called(visit: Browser, end: str) -> None:
    with visit.site.store.down("replace"):
        answer = visit.send(raised_by(call(end)))

    assert isinstance(answer.result, StoreUnavailable)
    assert answer.set_cookies == []
    assert visit.data() == {"old": 1}


def test_a_logout_whose_deletion_fails_is_a_logout(visit: Browser) -> None:
    copied = visit.twin()
    with visit.site.store.down("delete"):
        answer = visit.send(call("clear"))

    assert answer.cookies == {COOKIE: None}
    assert copied.data() == {}


def test_a_renewal_that_fails_is_an_event_and_not_an_error(visit: Browser, clock: FakeClock) -> None:
    clock.advance(1800)
    with visit.site.store.down("replace"):
        answer = visit.ask(read)

    assert (answer.status, answer.result) == (200, {"old": 1})
    assert visit.site.names() == ["store_failed switched off"]


def test_it_is_raised_where_the_configuration_says_so(make_memory: SiteMaker) -> None:
    browser = visitor(make_memory(on_store_failure="raise"))

    with browser.site.store.down(), pytest.raises(StoreUnavailable):
        browser.ask(read)
    with browser.site.store.down("replace"), pytest.raises(StoreUnavailable):
        browser.ask(put(new=2))


def test_where_it_is_raised_a_500_page_is_left_alone(make_memory: SiteMaker) -> None:
    browser = visitor(make_memory(on_store_failure="raise"))

    with browser.site.store.down():
        assert browser.ask(raised_by(read), status="500 Internal Server Error").status == 500


def test_where_it_is_raised_a_renewal_that_fails_is_still_only_an_event(
    make_memory: SiteMaker, clock: FakeClock
) -> None:
    browser = visitor(make_memory(on_store_failure="raise"))
    clock.advance(1800)

    with browser.site.store.down("replace"):
        assert browser.ask(read).status == 200


def test_the_error_has_its_cause(make_memory: SiteMaker) -> None:
    browser = visitor(make_memory())

    def fail(key: str) -> None:
        raise StoreUnavailable("the driver says no") from ConnectionError("refused")

    browser.site.store.load = fail  # type: ignore[method-assign]
    error = browser.ask(raised_by(read)).result

    assert isinstance(error.__cause__, ConnectionError)


def test_repr_of_a_session_whose_load_failed_is_harmless(visit: Browser) -> None:
    with visit.site.store.down():
        assert "Session" in visit.ask(then(raised_by(len), repr)).result


# While the store is down, an empty session takes the place of the visitor's, if the configuration says so.


def anonymous(make: SiteMaker) -> Browser:
    return visitor(make(on_store_failure="anonymous"), then(login("ada"), put(old=1)))


def test_anonymous_is_an_empty_session(make_memory: SiteMaker) -> None:
    browser = anonymous(make_memory)

    def look(session: Session) -> tuple[object, ...]:
        return dict(session), session.user_id, session.is_new, session.modified, bool(session)

    with browser.site.store.down():
        answer = browser.ask(look)

    assert answer.result == ({}, None, True, False, False)
    assert answer.status == 200
    assert browser.site.store.calls == ["load"]


@pytest.mark.parametrize("name", MEMBERS)
def test_anonymous_can_be_read_and_is_stored_by_no_cache(make_memory: SiteMaker, name: str) -> None:
    browser = anonymous(make_memory)

    with browser.site.store.down():
        answer = browser.ask(MEMBERS[name])

    assert (answer.status, answer.set_cookies) == (200, [])
    assert answer.lines("Cache-Control") == ["no-store"]
    assert answer.lines("Vary") == ["Cookie"]


@pytest.mark.parametrize("name", MUTATING)
def test_anonymous_raises_at_every_change_even_one_of_nothing(make_memory: SiteMaker, name: str) -> None:
    browser = anonymous(make_memory)

    with browser.site.store.down():
        answer = browser.ask(raised_by(MUTATING[name]))

    assert isinstance(answer.result, StoreUnavailable)
    assert (answer.status, answer.set_cookies) == (200, [])
    assert browser.site.store.calls == ["load"]


@pytest.mark.parametrize("name", MUTATING)
def test_a_change_of_an_anonymous_session_that_nobody_caught_is_the_503(make_memory: SiteMaker, name: str) -> None:
    browser = anonymous(make_memory)

    with browser.site.store.down():
        answer = browser.ask(MUTATING[name])

    assert (answer.status, answer.set_cookies) == (503, [])


def test_anonymous_ends_with_the_request(make_memory: SiteMaker) -> None:
    browser = anonymous(make_memory)
    with browser.site.store.down():
        browser.send(read)

    assert browser.ask(member("user_id")).result == "ada"
    assert browser.ask(read).lines("Cache-Control") == []


def test_a_500_of_an_application_with_an_anonymous_session_is_left_alone(make_memory: SiteMaker) -> None:
    browser = anonymous(make_memory)

    with browser.site.store.down():
        assert browser.ask(read, status="500 Internal Server Error").status == 500


@pytest.mark.parametrize("action", [put(new=2), call("clear"), call("regenerate"), drop("old")])
def test_where_the_load_worked_and_the_save_fails_it_is_the_503_all_the_same(
    make_memory: SiteMaker, action: Action
) -> None:
    browser = visitor(make_memory(on_store_failure="anonymous"))

    with browser.site.store.down("create", "replace"):
        answer = browser.ask(action)

    assert (answer.status, answer.set_cookies) == (503, [])


def test_repr_of_an_anonymous_session_is_harmless(make_memory: SiteMaker) -> None:
    browser = anonymous(make_memory)

    with browser.site.store.down():
        assert "Session" in browser.ask(then(len, repr)).result
