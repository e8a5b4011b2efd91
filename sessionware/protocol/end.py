"""END: a stored session ends, for good.

First the record says that it has ended, by a compare-and-swap that no writer under way can undo; then it is deleted.
"""

from __future__ import annotations

import enum

from msgspec import Struct

from sessionware.exceptions import AlreadyExists, Conflict, Gone
from sessionware.protocol.vault import MAX_CHAIN_STEPS, Backoff, Origins, Vault, superseded_in
from sessionware.session.records import Cause, Ended, Found, Live, Superseded


class Ending(enum.Enum):
    """What a call of :func:`end` has found."""

    #: This call has ended the session.
    DONE = "done"
    #: Nothing is left, because the time of the session is over or because another request has ended it.
    NOTHING_LEFT = "nothing left"
    #: Another request has ended the session, or a login has taken its place, which goes on.
    NOT_OURS = "not ours"


class End(Struct, frozen=True):
    """What a call of :func:`end` has done.

    ``keys`` are those under which nothing is left now, the last one that of the session. ``record`` is what the call
    has ended, without its data, or ``None`` if it has ended nothing or what no key opens.
    """

    ending: Ending
    keys: tuple[str, ...]
    record: Live | None = None


def end(vault: Vault, key: str, *, origins: Origins | None = None) -> End:
    """End what stands under *key*, or what it became, and by *origins* the former session that it has taken over.

    A login over an anonymous session is not ended by that session's old id.
    """
    walked: list[str] = []
    ended = _end_one(vault, key, origins)
    while isinstance(ended, Superseded):
        walked.append(key)
        if ended.cause is Cause.LOGIN:
            ended = End(Ending.NOT_OURS, ())
        elif len(walked) > MAX_CHAIN_STEPS:
            ended = End(Ending.NOTHING_LEFT, ())
        else:
            key = ended.next_key
            ended = _end_one(vault, key, origins)
    for key in reversed(walked):
        vault.delete(key)
    return End(ended.ending, (*walked, *ended.keys), ended.record)


def bury(vault: Vault, key: str, ttl: float) -> None:
    """End what stands under *key*, or what it became, as :func:`end` does, and let it say so for *ttl* seconds.

    So that nothing is stored there until then, be there a session or none.
    """
    backoff = Backoff()
    while True:
        loaded = vault.load_without_data(key)
        superseded = superseded_in(loaded)
        if superseded is not None and superseded.cause is not Cause.LOGIN:
            end(vault, superseded.next_key)
        try:
            vault.put_ended(key, None if loaded is None else loaded.version, ttl)
        except (AlreadyExists, Conflict, Gone):
            backoff.pause()
        else:
            return


def _end_one(vault: Vault, key: str, origins: Origins | None) -> End | Superseded:
    """End what stands under this very *key*; a superseded record is left alone, and is the answer."""
    backoff = Backoff()
    while True:
        loaded = vault.load_without_data(key)
        superseded = superseded_in(loaded)
        if superseded is not None:
            return superseded
        if loaded is None:
            return End(Ending.NOTHING_LEFT, (key,))
        if isinstance(loaded, Ended):
            vault.delete(key)
            return End(Ending.NOT_OURS if loaded.was_asked_for else Ending.NOTHING_LEFT, (key,))
        record = loaded.record if isinstance(loaded, Found) else None
        asked = None if record is None or record.taken_from is None else origins
        if asked is not None and record is not None:
            asked.end_former(record)
        try:
            vault.replace(key, Ended(), loaded.version)
        except Gone:
            return End(Ending.NOTHING_LEFT, (key,))
        except Conflict:
            backoff.pause()
            continue
        vault.delete(key)
        if asked is not None and record is not None:
            asked.bury(record)
        return End(Ending.DONE, (key,), record)
