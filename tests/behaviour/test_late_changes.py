"""A change that can no longer reach the browser or the store is an error where it is made."""

from __future__ import annotations

import pytest
from support.actions import Action, call, drop, member, put, read, then
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE

from sessionware import CookieTooLarge, HeadersSent, RecordTooLarge, Session, SessionwareError


def finished(browser: Browser, action: Action = read) -> Session:
    """The session of a request that is over."""
    seen: list[Session] = []
    browser.send(then(action, seen.append))
    return seen[0]


LATE: dict[str, Action] = {
    "[]=": put(new=2),
    "the same value": put(old=1),
    "del": drop("old"),
    "pop": call("pop", "old"),
    "popitem": call("popitem"),
    "setdefault": call("setdefault", "new", 2),
    "update": call("update", new=2),
    "|=": lambda session: session.__ior__({"new": 2}),
    "alter": call("alter", "old", lambda old: old + 1),
    "modified": lambda session: setattr(session, "modified", True),
    "clear": call("clear"),
    "invalidate": call("invalidate"),
    "login": call("login", "ada"),
    "regenerate": call("regenerate"),
    "remember": call("remember", "1d"),
    "save": call("save"),
    "flash": call("flash", "saved"),
    "csrf_token": member("csrf_token"),
}


@pytest.mark.parametrize("name", LATE)
def test_a_change_of_a_session_whose_request_is_over_raises(light: Browser, name: str) -> None:
    session = finished(light)

    with pytest.raises(HeadersSent):
        LATE[name](session)

    assert light.data() == {"old": 1}


def test_a_session_whose_request_is_over_can_be_read(browser: Browser) -> None:
    session = finished(browser)

    assert dict(session) == {"old": 1}
    assert session.id in repr(session)


@pytest.mark.parametrize("name", LATE)
def test_after_the_commit_a_cookie_session_cannot_change(make_cookie: SiteMaker, name: str) -> None:
    site = make_cookie()
    browser = visitor(site)
    session = site.manager.open({"wsgi.url_scheme": "https", "HTTP_COOKIE": f"{COOKIE}={browser.cookies[COOKIE]}"})
    assert len(session) == 1
    site.manager.commit(session)

    if name == "save":
        assert session.save() is True
        return
    with pytest.raises(HeadersSent):
        LATE[name](session)


def test_late_save_of_a_stored_session_writes(stored: Site) -> None:
    browser = visitor(stored)
    session = stored.manager.open({"wsgi.url_scheme": "https", "HTTP_COOKIE": f"{COOKIE}={browser.cookies[COOKIE]}"})
    stored.manager.commit(session)

    session["late"] = 2

    assert session.save() is True
    assert browser.data() == {"old": 1, "late": 2}


def test_every_error_is_one_of_ours() -> None:
    for error in (CookieTooLarge, HeadersSent, RecordTooLarge):
        assert issubclass(error, SessionwareError)
