"""One-time messages: who sees a flash, and what flashes do to the session that holds them."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable
from typing import Any

import pytest
from behaviour.moments import after_headers
from markupsafe import Markup
from support.actions import Action, call, drop, login, member, put, raised_by, then
from support.browser import Browser, Site, SiteMaker, visitor

from sessionware import CookieTooLarge, HeadersSent, RecordTooLarge, Session, SessionDataError

pop = call("pop_flashes")


def flash(message: Any, *category: str) -> Action:
    return call("flash", message, *category)


def popped(browser: Browser, *category: str) -> Any:
    return browser.send(call("pop_flashes", *category)).result


def test_a_flash_is_shown_once(browser: Browser) -> None:
    browser.send(flash("saved"))

    assert popped(browser) == [("message", "saved")]
    assert popped(browser) == []


def test_flashes_come_in_their_order_with_their_categories(browser: Browser) -> None:
    browser.send(then(flash("one", "info"), flash("two", "error")))
    browser.send(flash("three"))

    assert popped(browser) == [("info", "one"), ("error", "two"), ("message", "three")]


def test_the_same_text_twice_is_two_flashes(browser: Browser) -> None:
    browser.send(then(flash("saved"), flash("saved")))

    assert popped(browser) == [("message", "saved"), ("message", "saved")]


def test_popping_one_category_leaves_the_others_in_their_order(browser: Browser) -> None:
    browser.send(then(flash(1, "a"), flash(2, "b"), flash(3, "a"), flash(4, "c")))

    assert popped(browser, "a") == [("a", 1), ("a", 3)]
    assert popped(browser, "a") == []
    assert popped(browser) == [("b", 2), ("c", 4)]


def test_what_is_no_category_is_refused(browser: Browser) -> None:
    browser.send(flash("one", "error"))

    error = browser.send(raised_by(call("pop_flashes", ["error"]))).result

    assert isinstance(error, SessionDataError)
    assert str(error) == "pop_flashes(category=…) takes a str, and this is of type list"
    assert popped(browser) == [("error", "one")]


def test_a_flash_can_be_popped_in_the_request_that_made_it_and_nothing_is_written(browser: Browser) -> None:
    answer = browser.send(then(flash("saved"), pop))

    assert answer.result == [("message", "saved")]
    assert answer.set_cookies == []
    assert browser.site.names() == []


def test_popping_nothing_writes_nothing_and_makes_no_session(site: Site) -> None:
    for browser in (visitor(site), Browser(site)):
        answer = browser.send(then(pop, call("pop_flashes", "error"), member("modified")))

        assert (answer.result, answer.set_cookies) == (False, [])
        assert site.names() == []


def test_popping_a_category_that_has_none_writes_nothing(browser: Browser) -> None:
    browser.send(flash("saved"))
    browser.site.events.clear()

    answer = browser.send(then(call("pop_flashes", "error"), member("modified")))

    assert (answer.result, answer.set_cookies) == (False, [])
    assert browser.site.names() == []
    assert popped(browser) == [("message", "saved")]


def test_a_flash_gives_a_visitor_a_session_and_popping_it_ends_that(site: Site) -> None:
    browser = Browser(site)

    browser.send(flash("welcome"))
    assert browser.cookies
    site.events.clear()

    assert popped(browser) == [("message", "welcome")]
    assert browser.cookies == {}
    assert site.names() == ["ended emptied"]


def test_popping_the_last_flash_signs_nobody_out(site: Site) -> None:
    browser = visitor(site, then(login("ada"), flash("welcome")))

    popped(browser)

    assert browser.ask(member("user_id")).result == "ada"


def test_a_session_that_has_nothing_but_a_flash_lives(browser: Browser) -> None:
    browser.send(then(drop("old"), flash("removed")))

    assert popped(browser) == [("message", "removed")]


@pytest.mark.parametrize("change", [flash("saved"), then(call("save"), flash("x"))])
def test_a_pending_flash_is_a_change(browser: Browser, change: Action) -> None:
    assert browser.ask(then(change, member("modified"))).result is True


def test_flashes_are_none_of_the_keys(browser: Browser) -> None:
    browser.send(flash("saved"))

    assert browser.data() == {"old": 1}


def test_revert_forgets_what_was_flashed_and_popped(browser: Browser) -> None:
    browser.send(flash("one"))

    browser.send(then(pop, flash("two"), call("revert")))

    assert popped(browser) == [("message", "one")]


def test_save_keeps_what_was_flashed_and_popped(browser: Browser) -> None:
    browser.send(flash("one"))

    browser.send(then(pop, flash("two"), call("save"), call("revert")))

    assert popped(browser) == [("message", "two")]


@pytest.mark.parametrize("end", [call("clear"), call("invalidate")])
def test_flashes_go_with_their_session_and_later_ones_stay(browser: Browser, end: Action) -> None:
    browser.send(flash("one"))

    browser.send(then(flash("two"), end, flash("three")))

    assert popped(browser) == [("message", "three")]


@pytest.mark.parametrize("change", [call("regenerate"), call("remember", "30d"), put(new=2), login("ada")])
def test_flashes_stay(browser: Browser, change: Action) -> None:
    browser.send(flash("one"))

    browser.send(then(flash("two"), change, flash("three")))

    assert [message for _, message in popped(browser)] == ["one", "two", "three"]


def test_a_login_of_the_same_user_keeps_the_flashes(signed_in: Browser) -> None:
    signed_in.send(flash("one"))

    signed_in.send(login("ada"))

    assert popped(signed_in) == [("message", "one")]


def test_a_login_over_another_users_session_shows_none_of_that_ones_flashes(signed_in: Browser) -> None:
    signed_in.send(flash("one"))

    seen = signed_in.send(then(flash("two"), call("login", "bob"), pop)).result
    signed_in.send(flash("three"))

    assert seen == []
    assert popped(signed_in) == [("message", "three")]


def test_a_flash_of_an_answer_that_failed_is_not_kept(browser: Browser) -> None:
    with pytest.raises(ZeroDivisionError):
        browser.send(then(flash("saved"), lambda session: 1 / 0))

    assert popped(browser) == []


class Colour(enum.Enum):
    RED = 1


@pytest.mark.parametrize(
    "message", [Markup("<b>x</b>"), {"a": [1, (2,)]}, {1: "x"}, dt.date(2024, 2, 29), None], ids=repr
)
def test_a_message_comes_back_as_it_was(light: Browser, message: Any) -> None:
    light.send(flash(message))

    ((_, came),) = popped(light)

    assert came == message
    assert type(came) is type(message)


@pytest.mark.parametrize(
    ("action", "place"),
    [
        (flash(Colour.RED), "flash(message): "),
        (flash({"a": [object()]}), "flash(message)['a'][0]: "),
        (flash("\ud800"), "flash(message): "),
        (flash("x", "\ud800"), "flash(category=…): "),
        (flash("x", None), "flash(category=…) takes a str"),  # type: ignore[arg-type]
    ],
    ids=["a type", "a nested one", "no UTF-8", "no UTF-8 as category", "no str as category"],
)
def test_what_cannot_be_stored_is_refused_where_it_is_given(light: Browser, action: Action, place: str) -> None:
    answer = light.send(then(raised_by(action)))

    assert isinstance(answer.result, SessionDataError)
    assert str(answer.result).startswith(place)
    assert popped(light) == []


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_a_message_nests_as_deep_as_the_value_of_a_key(light: Browser) -> None:
    light.send(flash(nested(64)))

    assert popped(light) == [("message", nested(64))]
    assert isinstance(light.ask(raised_by(flash(nested(65)))).result, SessionDataError)


def test_a_message_that_the_application_changes_afterwards_is_no_change_of_the_session(browser: Browser) -> None:
    message = ["one"]

    def act(session: Session) -> None:
        session.flash(message)
        message.append("two")

    browser.send(act)
    ((_, came),) = popped(browser)

    assert came == ["one"]


def test_many_and_long_flashes_are_kept_in_a_store(stored: Site) -> None:
    browser = visitor(stored)

    browser.send(then(*(flash(f"{number} " + "x" * 1000) for number in range(200))))

    assert [int(message.split()[0]) for _, message in popped(browser)] == list(range(200))


def test_flashes_that_make_a_cookie_too_large_are_named(cookie_site: Site) -> None:
    with pytest.raises(CookieTooLarge, match=r"2 flashes, which no page has popped, have 40\d\d bytes"):
        visitor(cookie_site).send(then(put(a="x" * 100), flash("x" * 2000), flash("y" * 2000)))


def test_flashes_that_make_a_record_too_large_are_named(memory: Site) -> None:
    browser = visitor(memory)
    memory.store.limit = 1000

    with pytest.raises(RecordTooLarge, match="1 flashes"):
        browser.send(flash("x" * 2000))


def test_flashes_that_are_not_the_large_part_are_not_named(cookie_site: Site) -> None:
    with pytest.raises(CookieTooLarge) as caught:
        visitor(cookie_site).send(then(put(a="x" * 4000), flash("saved")))

    assert "flash" not in str(caught.value)


# Two requests at once, in a store.


def test_two_requests_that_flash_at_once_both_keep_their_flash(stored: Site) -> None:
    browser = visitor(stored)

    browser.send(then(len, lambda session: browser.send(flash("inner")), flash("outer")))

    assert sorted(message for _, message in popped(browser)) == ["inner", "outer"]


def test_a_flash_beside_a_pop_is_not_lost_though_it_has_the_same_text(stored: Site) -> None:
    """The pop removes the flash that it has shown, and not one that looks like it."""
    browser = visitor(stored, flash("saved"))

    def beside(session: Session) -> None:
        browser.send(pop)
        browser.send(flash("saved"))

    browser.send(then(len, beside, lambda session: None, pop))

    assert popped(browser) == [("message", "saved")]


def test_of_two_pops_at_once_both_may_show_a_flash_and_no_later_one_does(stored: Site) -> None:
    browser = visitor(stored, flash("saved"))
    inner: list[Any] = []

    outer = browser.send(then(len, lambda session: inner.append(popped(browser)), pop)).result

    assert [*inner, outer] == [[("message", "saved")]] * 2
    assert popped(browser) == []


def test_a_pop_that_would_empty_the_session_keeps_what_another_request_has_written(stored: Site) -> None:
    browser = visitor(stored, flash("saved"))

    browser.send(then(len, lambda session: browser.send(put(new=2)), pop))

    assert browser.data() == {"new": 2}
    assert popped(browser) == []


@pytest.mark.parametrize("change", [flash("late"), pop, then(call("regenerate"), flash("late"))])
def test_a_change_of_the_flashes_under_a_former_id_is_the_409(stored: Site, change: Action) -> None:
    browser = visitor(stored, flash("saved"))
    slow = browser.twin()
    browser.send(call("regenerate"))

    assert slow.ask(change).status == 409
    assert popped(browser) == [("message", "saved")]


# After the headers.


@pytest.mark.parametrize("change", [flash("late"), pop])
def test_after_the_headers_a_cookie_session_keeps_its_flashes(make_cookie: SiteMaker, change: Action) -> None:
    browser = visitor(make_cookie(), flash("saved"))

    with pytest.raises(HeadersSent):
        browser.get(after_headers(change))

    assert popped(browser) == [("message", "saved")]


def test_after_the_headers_a_page_without_flashes_may_ask_for_them(make_cookie: SiteMaker) -> None:
    browser = visitor(make_cookie())

    assert browser.get(after_headers(pop)).body == b"firstlast"


def test_after_the_headers_flashes_of_a_stored_session_are_saved(stored: Site) -> None:
    browser = visitor(stored, flash("saved"))

    browser.get(after_headers(then(pop, flash("late"))))

    assert popped(browser) == [("message", "late")]


# Types of the application.


class Money:
    """A type of the application."""

    def __init__(self, cents: int) -> None:
        self.cents = cents


MONEY: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    Money: ("money", lambda money: money.cents, Money)
}


def test_a_flash_of_a_type_that_a_process_does_not_declare_is_an_error_where_it_is_popped(make: SiteMaker) -> None:
    site = make(types=MONEY)
    browser = visitor(site, then(put(old=1), flash(Money(5))))
    stranger = browser.twin(site.like(types={}))

    assert stranger.data() == {"old": 1}
    assert "money" in str(stranger.send(raised_by(pop)).result)
    ((_, came),) = popped(browser)
    assert came.cents == 5
