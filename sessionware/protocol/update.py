"""UPDATE: a stored session is written under the id that it has, so that the answer carries no cookie.

An update never creates, and is never sent twice: what another request has written is merged, and a session that
another request has ended stays ended.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from msgspec import Struct
from msgspec.structs import replace

from sessionware.events import Decision
from sessionware.exceptions import Conflict, ConflictError, Gone
from sessionware.protocol.vault import Backoff, Loaded, Vault, superseded_in
from sessionware.session.changes import Changes
from sessionware.session.records import Ended, Found, Live


class SameId(Struct, frozen=True):
    """The session keeps its id: there is no token here that an answer could carry."""

    found: Found
    events: tuple[Decision, ...]


class Emptied(Struct, frozen=True):
    """The changes left nothing, and so the session has ended."""

    events: tuple[Decision, ...]


class Discarded(Struct, frozen=True):
    """Another request has ended the session, and the changes went with it."""

    events: tuple[Decision, ...]


class Refilled(Struct, frozen=True):
    """The changes would have left nothing of the session, but another request has put something into it.

    What has become of it is to be given the new id that the changes ask for.
    """

    found: Found
    events: tuple[Decision, ...]


def standing(vault: Vault, found: Found) -> Found | None:
    """What stands where *found* was read, whose time is over since then; ``None`` if the session has ended.

    The copy that was read cannot tell: another request may have kept the session alive.
    """
    loaded = vault.load(found.key)
    if isinstance(loaded, Found):
        return loaded
    superseded = superseded_in(loaded)
    return None if superseded is None else replace(found, superseded=superseded)


def update(
    vault: Vault, found: Found, changes: Changes, events: tuple[Decision, ...] = ()
) -> SameId | Emptied | Discarded | Refilled:
    """Write *changes* over what stands under the session's key, merged if another request has written.

    *events* have happened before. Raises ConflictError if the session's id was superseded.
    """
    if found.superseded is not None:
        refuse_superseded()
    told = list(events)
    event, version = "saved" if found.record.packed == changes.read else "merged", found.version
    record = changes.over(found.record, vault.clock())
    backoff: Backoff | None = None
    while True:
        try:
            version = vault.replace(found.key, record, version)
            break
        except (Conflict, Gone):
            backoff = backoff or Backoff()
            backoff.pause()
            loaded = vault.load(found.key)
        if not isinstance(loaded, Found) or loaded.superseded is not None:
            return _gone(found, loaded, told)
        event, version = "merged", loaded.version
        record = merged(vault, changes, loaded.record, told)
        if changes.asked.needs_new_id and isinstance(record, Live):
            return Refilled(loaded, tuple(told))
    if isinstance(record, Ended):
        vault.delete(found.key)
        return Emptied((*told, Decision("ended", found.record, "emptied")))
    return SameId(Found(record, version, None, found.key), (*told, Decision(event, record)))


def renew(vault: Vault, found: Found) -> SameId:
    """Write down that the session was seen now. On a conflict, another request has just written it down."""
    seen = replace(found.record, seen_at=max(found.record.seen_at, vault.clock()))
    try:
        version = vault.replace(found.key, seen, found.version)
    except (Conflict, Gone):
        return SameId(found, ())
    return SameId(Found(seen, version, None, found.key), (Decision("renewed", seen),))


def merged(vault: Vault, changes: Changes, theirs: Live, events: list[Decision]) -> Live | Ended:
    """*changes* over what another request has written, with an event among *events* if both have changed one key."""
    if changes.clashes(theirs):
        events.append(Decision("conflict", theirs))
    return changes.over(theirs, vault.clock())


def discarded(found: Found, events: Iterable[Decision]) -> Discarded:
    """The changes go with the session that another request has ended."""
    return Discarded((*events, Decision("discarded", found.record, "ended")))


def refuse_superseded() -> NoReturn:
    """Raise ConflictError: a change under an id that was superseded could not be laid over what the session became."""
    raise ConflictError("a change under the former id of a session")


def _gone(found: Found, loaded: Loaded, events: list[Decision]) -> Discarded:
    if superseded_in(loaded) is not None:
        refuse_superseded()
    return discarded(found, events)
