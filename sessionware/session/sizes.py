"""Which keys make a session too large, for the error that says so."""

from __future__ import annotations

from sessionware.exceptions import CookieTooLarge, RecordTooLarge
from sessionware.session.changes import Changes
from sessionware.session.records import Live

_LARGEST_KEYS = 5


def explained(
    error: CookieTooLarge | RecordTooLarge, changes: Changes, record: Live | None
) -> CookieTooLarge | RecordTooLarge:
    """*error* with the largest keys of the session that *changes* make of *record*, and their sizes in bytes."""
    sizes = [(key, len(changes.pack_one(value))) for key, value in changes.data.items()]
    sizes.sort(key=lambda pair: pair[1], reverse=True)
    message = str(error) or "the session is too large for its store"
    flashes = changes.asked.all_flashes(record)
    flashed = sum(map(len, flashes))
    if flashed > max((size for _, size in sizes), default=0):
        message += f"; its {len(flashes)} flashes, which no page has popped, have {flashed} bytes"
    return type(error)(message, sizes[:_LARGEST_KEYS])
