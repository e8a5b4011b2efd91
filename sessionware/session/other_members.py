"""Answers a member of another package's session by the one that does its work here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

_ID = "write session.id, which is safe to show, and opens nothing"
_NEW = "write session.is_new"
_CREATED = "write session.created_at"
_SEEN = "write session.last_seen_at"
_END = "write session.clear(), which ends it in the store and in the browser"
_REGENERATE = "write session.regenerate(), and session.login(user_id) for a sign-in"
_REMEMBER = "write session.remember(lifetime) for a session that outlives the browser"
_SAVED = "nothing has to be done, what was changed is saved by itself; write session.save() to write it now"
_CHANGED = "nothing has to be done, a change within a value is seen; write session.modified = True to force a write"
_EXPIRES = "write session.expires_at"
_OPTION = "it is an option of the middleware: "
_ITEMS = "write session.get(key), and so on: no member is asynchronous"
_FLASHES = "write session.pop_flashes(), which gives pairs of category and message"
_CSRF = "write session.csrf_token, which is new after session.login(user_id)"
_OTHERS = "write manager.sessions_of(user_id) to list the sessions of a user, and manager.revoke(id) to end one"

#: The members of sessions in Beaker, Flask, Flask-Session, Django, Pyramid and express, and what takes their place.
OTHER_MEMBERS = {
    **dict.fromkeys(("sid", "session_id", "sessionID", "session_key", "_id", "identity", "key"), _ID),
    **dict.fromkeys(("new", "is_empty"), _NEW),
    **dict.fromkeys(("created", "_creation_time", "creation_time"), _CREATED),
    **dict.fromkeys(("last_accessed", "_accessed_time", "last_seen"), _SEEN),
    **dict.fromkeys(("delete", "destroy", "flush", "expire", "logout", "aflush"), _END),
    **dict.fromkeys(("log_out", "sign_out", "reset"), _END),
    **dict.fromkeys(("log_in", "sign_in", "authenticate"), "write session.login(user_id)"),
    **dict.fromkeys(("regenerate_id", "cycle_key", "acycle_key", "rotate", "renew"), _REGENERATE),
    **dict.fromkeys(("permanent", "set_expiry", "aset_expiry", "max_age"), _REMEMBER),
    **dict.fromkeys(("adjust_timeout_for_session", "adjust_session_timeout"), _REMEMBER),
    **dict.fromkeys(("adjust_expires_for_session", "adjust_session_expires", "adjust_cookie_max_age"), _REMEMBER),
    **dict.fromkeys(("persist", "dirty", "asave", "commit", "should_save"), _SAVED),
    **dict.fromkeys(("changed", "accessed"), _CHANGED),
    "is_modified": "write session.modified",
    **dict.fromkeys(("get_expiry_date", "get_expiry_age", "expires", "expiry"), _EXPIRES),
    **dict.fromkeys(("get_expire_at_browser_close", "cookie_expires"), f"{_OPTION}cookie.persistent"),
    **dict.fromkeys(("timeout", "get_session_cookie_age"), f"{_OPTION}idle_timeout"),
    "cookie": f"{_OPTION}cookie.name and so on",
    "domain": f"{_OPTION}cookie.domain",
    "path": f"{_OPTION}cookie.path",
    **dict.fromkeys(("serializer", "data_serializer"), "there is one format; types of your own are the option types"),
    **dict.fromkeys(("user", "userid", "username"), "write session.user_id, which session.login(user_id) sets"),
    "is_authenticated": "write session.user_id is not None",
    **dict.fromkeys(("touch", "refresh"), "any use of the session in a request keeps it alive; see session.passive()"),
    "has_key": "write key in session",
    **dict.fromkeys(("copy", "data", "to_dict", "as_dict"), "write dict(session)"),
    "was_invalidated": _NEW,
    **dict.fromkeys(("load", "lock", "unlock", "reload"), "a session is loaded when it is used, and needs no lock"),
    **dict.fromkeys(("set_test_cookie", "test_cookie_worked", "delete_test_cookie"), "write a key, and read it back"),
    "clear_expired": "a store does it by itself; see manager.purge()",
    "create": "a session begins when something is put into it",
    "exists": f"an id opens no session; {_OTHERS}",
    "get_by_id": f"an id opens no session; {_OTHERS}",
    **dict.fromkeys(("aget", "aset", "apop", "aupdate", "akeys", "avalues", "aitems"), _ITEMS),
    **dict.fromkeys(("pop_flash", "peek_flash", "get_flashed_messages", "flashes", "_flashes"), _FLASHES),
    **dict.fromkeys(("get_csrf_token", "new_csrf_token", "_csrft_", "csrf"), _CSRF),
    **dict.fromkeys(("check_csrf_token", "validate_csrf"), "write session.verify_csrf(token)"),
}


class _Elsewhere:
    """A name that cannot be read, set or deleted, and says why."""

    __slots__ = ("_message",)

    def __init__(self, name: str, cure: str) -> None:
        self._message = f"a session has no {name!r}: {cure}"

    def __get__(self, instance: object, owner: object = None) -> NoReturn:
        raise AttributeError(self._message)

    def __set__(self, instance: object, value: object) -> NoReturn:
        raise AttributeError(self._message)

    def __delete__(self, instance: object) -> NoReturn:
        raise AttributeError(self._message)


class OtherMembers:
    """A base of :class:`Session` that has none of these members.

    They are descriptors, because a ``__getattr__`` would hide an AttributeError that is raised within a member, and a
    ``__setattr__`` would be paid for by every request.
    """

    __slots__ = ()

    def __dir__(self) -> Iterable[str]:
        return [name for name in super().__dir__() if name not in OTHER_MEMBERS]


def _add(members: dict[str, Any]) -> None:
    for name, cure in members.items():
        setattr(OtherMembers, name, _Elsewhere(name, cure))


_add(OTHER_MEMBERS)
