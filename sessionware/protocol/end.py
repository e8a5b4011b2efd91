"""END: a stored session ends, for good.

First the record says that it has ended, by a compare-and-swap that no writer under way can undo; then it is deleted.
"""

from __future__ import annotations

import enum

from sessionware.exceptions import Conflict, Gone
from sessionware.protocol.vault import MAX_CHAIN_STEPS, Backoff, Vault, superseded_in
from sessionware.session.records import Cause, Ended, Superseded


class Ending(enum.Enum):
    """What a call of :func:`end` has found."""

    #: This call has ended the session.
    DONE = "done"
    #: Nothing is left, because the time of the session is over or because another request has ended it.
    NOTHING_LEFT = "nothing left"
    #: Another request has ended the session, or a login has taken its place, which goes on.
    NOT_OURS = "not ours"


def end(vault: Vault, key: str) -> Ending:
    """End what stands under *key*, or what it became.

    A login over an anonymous session is not ended by that session's old id.
    """
    walked: list[str] = []
    ending = _end_one(vault, key)
    while isinstance(ending, Superseded):
        walked.append(key)
        if ending.cause is Cause.LOGIN:
            ending = Ending.NOT_OURS
        elif len(walked) > MAX_CHAIN_STEPS:
            ending = Ending.NOTHING_LEFT
        else:
            key = ending.next_key
            ending = _end_one(vault, key)
    for key in reversed(walked):
        vault.delete(key)
    return ending


def _end_one(vault: Vault, key: str) -> Ending | Superseded:
    """End what stands under this very *key*; a superseded record is left alone, and is the answer."""
    backoff = Backoff()
    while True:
        loaded = vault.load_without_data(key)
        superseded = superseded_in(loaded)
        if superseded is not None:
            return superseded
        if loaded is None:
            return Ending.NOTHING_LEFT
        if isinstance(loaded, Ended):
            vault.delete(key)
            return Ending.NOT_OURS if loaded.was_asked_for else Ending.NOTHING_LEFT
        try:
            vault.replace(key, Ended(), loaded.version)
        except Gone:
            return Ending.NOTHING_LEFT
        except Conflict:
            backoff.pause()
            continue
        vault.delete(key)
        return Ending.DONE
