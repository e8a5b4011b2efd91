"""The list of events, which asks for itself again every few seconds."""

from __future__ import annotations

from datetime import datetime, timezone

import pages.events
from event_log import events_of
from werkzeug.wrappers import Request, Response

from sessionware import Session
from views.answers import frame


def recent(request: Request, session: Session) -> Response:
    """The last events of this user's sessions. To look at them by itself is no sign that the user is still there."""
    session.passive()
    if session.user_id is None:
        return frame(pages.events.over(session.rejected))
    left = pages.events.left_until(session.expires_at, datetime.now(timezone.utc))
    return frame(pages.events.recent(events_of(str(session.user_id)), session.id, left))
