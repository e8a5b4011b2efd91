"""Keeps the last events of all sessions, so that a page can show a user's; an event holds nothing secret."""

from __future__ import annotations

from typing import NamedTuple

from database import connected

from sessionware import Event

MOST_KEPT = 500
MOST_SHOWN = 12
#: Each request that uses a session causes it, also the one that shows the list.
ROUTINE = {"loaded"}

_KEEP = "INSERT INTO events (at, name, reason, session, user, device) VALUES (?, ?, ?, ?, ?, ?)"
_DROP_OLDEST = "DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?"
#: A cookie that is rejected tells of no user, but perhaps of a session that was the user's. A request that is refused
#: tells of neither, since its session is not even looked for: all users see it.
_EVENTS_OF = """
SELECT at, name, reason, session, device FROM events
WHERE user = :user OR session IN (SELECT session FROM events WHERE user = :user) OR name = 'refused'
ORDER BY number DESC LIMIT :most
"""


class Line(NamedTuple):
    """An event as the page shows it."""

    at: str
    name: str
    reason: str | None
    session_id: str | None
    device: str | None


def note(event: Event) -> None:
    """The listener: keep *event*, and drop what is old. Another process may show it a moment later."""
    if event.name in ROUTINE:
        return
    device = (event.context or {}).get("device")
    user = None if event.user_id is None else str(event.user_id)
    with connected() as database:
        at = f"{event.at:%H:%M:%S}"
        database.execute(_KEEP, (at, event.name, event.reason, event.session_id, user, device))
        database.execute(_DROP_OLDEST, (MOST_KEPT,))


def events_of(user: str) -> list[Line]:
    """The last events of the sessions of *user*, the newest first."""
    with connected() as database:
        rows = database.execute(_EVENTS_OF, {"user": user, "most": MOST_SHOWN}).fetchall()
    return [Line(*row) for row in rows]
