"""The members of a session: those that tell, and those that change."""

from __future__ import annotations

from support.actions import Action, call, drop, member, put

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
}
