"""A member that another package's session has is answered by the one that does its work here."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.constants import SECRET

from sessionware import Session, SessionManager
from sessionware.session.other_members import OTHER_MEMBERS
from sessionware.stores import MemoryStore


class Asked(MemoryStore):
    """A store that counts how often it is asked."""

    loads = 0

    def load(self, key: str) -> Any:
        """See Store."""
        self.loads += 1
        return super().load(key)


def a_session() -> Session:
    return SessionManager({"secret": SECRET}).open({})


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("permanent", "remember(lifetime)"),
        ("new", "is_new"),
        ("sid", "id"),
        ("session_key", "id"),
        ("_id", "id"),
        ("created", "created_at"),
        ("_creation_time", "created_at"),
        ("last_accessed", "last_seen_at"),
        ("_accessed_time", "last_seen_at"),
        ("accessed", "nothing has to be done"),
        ("changed", "session.modified = True"),
        ("delete", "clear()"),
        ("destroy", "clear()"),
        ("flush", "clear()"),
        ("cycle_key", "regenerate()"),
        ("adjust_timeout_for_session", "remember(lifetime)"),
        ("regenerate_id", "regenerate()"),
        ("set_expiry", "remember(lifetime)"),
        ("get_expiry_date", "expires_at"),
        ("persist", "save()"),
        ("get_by_id", "manager.revoke(id)"),
        ("exists", "manager.sessions_of(user_id)"),
        ("create", "begins when something is put into it"),
        ("commit", "save()"),
        ("is_authenticated", "user_id is not None"),
        ("touch", "session.passive()"),
        ("csrf", "session.csrf_token"),
        ("sessionID", "id"),
        ("cookie", "an option of the middleware: cookie."),
        ("log_in", "session.login(user_id)"),
        ("sign_out", "clear()"),
        ("reset", "clear()"),
        ("is_modified", "session.modified"),
        ("timeout", "idle_timeout"),
        ("has_key", "in"),
        ("copy", "dict(session)"),
        ("user", "user_id"),
        ("pop_flash", "session.pop_flashes()"),
        ("get_flashed_messages", "session.pop_flashes()"),
        ("get_csrf_token", "session.csrf_token"),
        ("validate_csrf", "session.verify_csrf(token)"),
    ],
)
def test_another_packages_member_is_an_error_that_names_ours(name: str, cure: str) -> None:
    with pytest.raises(AttributeError) as read:
        getattr(a_session(), name)
    with pytest.raises(AttributeError) as written:
        setattr(a_session(), name, True)

    assert str(read.value).startswith(f"a session has no {name!r}: ")
    assert cure in str(read.value)
    assert str(written.value) == str(read.value)


@pytest.mark.parametrize("name", OTHER_MEMBERS)
def test_asking_for_another_packages_member_loads_nothing(name: str) -> None:
    store = Asked()
    session = SessionManager({"backend": store}).open({"HTTP_COOKIE": "sid=x; __Host-sid=x"})

    assert not hasattr(session, name)
    with pytest.raises(AttributeError):
        setattr(session, name, 5)
    with pytest.raises(AttributeError):
        delattr(session, name)

    assert store.loads == 0
    assert repr(session) == "<Session, not loaded>"


def test_what_is_no_member_anywhere_is_an_ordinary_attribute_error() -> None:
    session = a_session()

    for act in (lambda: session.cart, lambda: setattr(session, "cart", [])):  # type: ignore[attr-defined]
        with pytest.raises(AttributeError, match="'Session' object has no attribute 'cart'"):
            act()


def test_another_packages_members_are_not_listed_among_ours() -> None:
    assert not OTHER_MEMBERS.keys() & set(dir(a_session()))
    assert not any(hasattr(Session, name) for name in OTHER_MEMBERS)


def test_no_member_of_ours_is_taken_for_another_packages() -> None:
    assert not OTHER_MEMBERS.keys() & vars(Session).keys()


def test_every_member_that_is_named_instead_exists() -> None:
    ours = {name for cure in OTHER_MEMBERS.values() for name in re.findall(r"session\.(\w+)", cure)}

    assert {"id", "clear", "remember"} <= ours
    assert all(hasattr(Session, name) for name in ours)
