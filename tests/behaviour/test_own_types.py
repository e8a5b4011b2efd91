"""A type of the application's own that cannot be made again is the application's error, and never a quiet logout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from support.actions import Action, call, login, member, put, raised_by, read, then
from support.browser import Browser, SiteMaker, visitor
from support.frames import locals_in

from sessionware import SessionDataError


@dataclass(frozen=True)
class Money:
    cents: int


def to_plain(money: Money) -> int:
    return money.cents


def fail(plain: object) -> Money:
    raise LookupError("the currency is gone")


DECLARED = {Money: ("money", to_plain, Money)}
LATER: list[Any] = [
    pytest.param(
        {Money: ("money", to_plain, fail)}, "from_plain of the own type 'money' raised LookupError", id="fails"
    ),
    pytest.param({}, "own type 'money', which this process does not declare", id="undeclared"),
]
every_reason = pytest.mark.parametrize(("types", "named"), LATER)


def fill(browser: Browser) -> Browser:
    browser.send(login("ada", price=Money(5)))
    return browser


@every_reason
@pytest.mark.parametrize(
    "touch",
    [
        pytest.param(read, id="reads"),
        pytest.param(put(new=1), id="writes"),
        pytest.param(member("user_id"), id="asks who it is"),
        pytest.param(login("eve"), id="logs in"),
    ],
)
def test_the_first_touch_raises_what_names_the_type_and_the_session_stays(
    make: SiteMaker, touch: Action, types: dict[type, Any], named: str
) -> None:
    browser = fill(visitor(make(types=DECLARED)))
    later = browser.twin(make(types=types))

    with pytest.raises(SessionDataError, match=named):
        later.send(touch)

    assert browser.data() == {"old": 1, "price": Money(5)}
    assert [event.name for event in later.site.events] == []


@every_reason
def test_an_application_that_catches_it_is_answered_without_a_cookie_and_destroys_nothing(
    make: SiteMaker, types: dict[type, Any], named: str
) -> None:
    browser = fill(visitor(make(types=DECLARED)))
    later = browser.twin(make(types=types))

    answer = later.send(then(raised_by(read), raised_by(put(new=1))))

    assert isinstance(answer.result, SessionDataError)
    assert answer.set_cookies == []
    assert browser.data() == {"old": 1, "price": Money(5)}


def test_what_from_plain_raised_is_the_cause(make: SiteMaker) -> None:
    later = fill(visitor(make(types=DECLARED))).twin(make(types={Money: ("money", to_plain, fail)}))

    error = later.send(raised_by(read)).result

    assert isinstance(error.__cause__, LookupError)


def store_money(browser: Browser) -> Action:
    """What another worker, which declares the type, does in the middle of a request."""
    return lambda session: browser.twin().send(put(price=Money(5)))


@every_reason
def test_a_write_that_meets_such_a_value_of_another_request_raises_and_loses_nothing(
    make_stored: SiteMaker, types: dict[type, Any], named: str
) -> None:
    browser = visitor(make_stored(types=DECLARED))
    later = browser.twin(make_stored(types=types))

    with pytest.raises(SessionDataError, match=named):
        later.send(then(put(mine=1), store_money(browser)))

    assert browser.data() == {"old": 1, "price": Money(5)}


@every_reason
def test_a_value_that_another_worker_has_just_stored_keeps_no_logout_from_its_end(
    make_stored: SiteMaker, types: dict[type, Any], named: str
) -> None:
    browser = visitor(make_stored(types=DECLARED))
    later = browser.twin(make_stored(types=types))

    answer = later.send(then(read, store_money(browser), call("invalidate")))

    assert answer.status == 200
    assert list(answer.cookies.values()) == [None]
    assert browser.data() == {}


@every_reason
def test_a_logout_by_a_former_id_ends_a_session_with_such_a_value(
    make_stored: SiteMaker, types: dict[type, Any], named: str
) -> None:
    browser = visitor(make_stored(types=DECLARED))
    former = browser.twin(make_stored(types=types))
    browser.send(then(call("regenerate"), put(price=Money(5))))

    former.send(then(read, call("invalidate")))

    assert browser.data() == {}


@every_reason
def test_no_frame_of_the_wire_and_the_formats_shows_the_record(
    make: SiteMaker, types: dict[type, Any], named: str
) -> None:
    browser = visitor(make(types=DECLARED), put(password="hunter2", price=Money(5)))

    error = browser.twin(make(types=types)).send(raised_by(read)).result

    for module in ("sessionware.crypto", "sessionware.wire", "sessionware.session.formats"):
        assert "hunter2" not in locals_in(error, module)


@every_reason
def test_such_a_load_is_remembered_for_the_request(make_stored: SiteMaker, types: dict[type, Any], named: str) -> None:
    browser = fill(visitor(make_stored(types=DECLARED)))
    later = browser.twin(make_stored(types=types))
    later.site.store.calls.clear()

    later.send(then(raised_by(read), raised_by(read), raised_by(call("regenerate")), raised_by(login("eve"))))

    assert later.site.store.calls == ["load"]


@every_reason
def test_an_empty_session_does_not_take_its_place_in_an_outage_mode(
    make_stored: SiteMaker, types: dict[type, Any], named: str
) -> None:
    browser = fill(visitor(make_stored(types=DECLARED)))
    later = browser.twin(make_stored(types=types, on_store_failure="anonymous"))

    assert isinstance(later.send(raised_by(read)).result, SessionDataError)


def test_the_log_tells_where_from_plain_failed(make: SiteMaker, caplog: pytest.LogCaptureFixture) -> None:
    later = fill(visitor(make(types=DECLARED))).twin(make(types={Money: ("money", to_plain, fail)}))

    later.send(raised_by(read))

    assert "the currency is gone" in caplog.text
    assert "in fail" in caplog.text


@every_reason
@pytest.mark.parametrize("end", ["invalidate", "clear"])
def test_a_value_that_cannot_be_made_again_keeps_no_logout_from_its_end(
    make: SiteMaker, types: dict[type, Any], named: str, end: str
) -> None:
    browser = fill(visitor(make(types=DECLARED)))
    later = browser.twin(make(types=types))
    browser.site.events.clear()

    answer = later.send(call(end))

    assert answer.status == 200
    assert later.cookies == {}
    assert later.site.names()[-1] == "ended invalidated"
    if later.site.is_stored:
        assert browser.data() == {}


@every_reason
def test_after_such_a_logout_a_session_begins(make: SiteMaker, types: dict[type, Any], named: str) -> None:
    later = fill(visitor(make(types=DECLARED))).twin(make(types=types))

    later.send(then(raised_by(read), call("clear"), put(new=1)))

    assert later.data() == {"new": 1}
