"""The index of a user: which sessions are signed in, as a record that logins and ends change by compare-and-swap."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable

from sessionware.crypto.identifiers import index_key, store_key
from sessionware.exceptions import AlreadyExists, Conflict, Gone
from sessionware.protocol.vault import Backoff, Loaded, Vault
from sessionware.session.records import Ended, Index, IndexEntry, Live

Entries = tuple[IndexEntry, ...]

#: A user who is never listed, and whose sessions have no absolute end, must not have an index that grows for ever. So
#: each login to an index of this length looks at a few of its sessions and drops the dead. Where more than half of
#: them are dead, it drops as many as it adds, on the average.
LONG_INDEX = 64
SAMPLE = 2


def entries_of(vault: Vault, user_id: str | int) -> Entries:
    """The entries of a user's index, the oldest first."""
    return vault.load_index(index_key(user_id))[0].entries


def add(vault: Vault, record: Live, user_id: str | int, *, was: bytes | None) -> Entries:
    """Add the session of *record*, which takes the place of the session of the handle *was*; the entries as written.

    The session *was* stays in the index, because it may still be the one in force. What that took the place of goes.
    """
    entry = IndexEntry(record.handle, was, record.ends_at)
    dead: set[bytes] | None = None

    def added(entries: Entries) -> Entries:
        nonlocal dead
        if dead is None:
            dead = _sampled_dead(vault, entries)
        now = vault.clock()
        former = {other.was for other in entries if other.handle == was}
        kept = [
            other
            for other in entries
            if other.handle not in dead
            and other.handle != record.handle
            and other.handle not in former
            and (other.ends_at is None or now < other.ends_at)
        ]
        places = [place for place, other in enumerate(kept, 1) if other.handle == was]
        kept.insert(places[0] if places else len(kept), entry)
        return tuple(kept)

    return change(vault, user_id, added)


def take_out(vault: Vault, user_id: str | int, handles: Collection[bytes]) -> None:
    """Take the sessions of *handles* out of the index."""
    change(vault, user_id, lambda entries: tuple(entry for entry in entries if entry.handle not in handles))


def take_out_keys(vault: Vault, user_id: str | int, keys: Collection[str]) -> None:
    """Take the sessions that stood under the store *keys* out of the index."""
    change(vault, user_id, lambda entries: tuple(entry for entry in entries if store_key(entry.handle) not in keys))


def change(vault: Vault, user_id: str | int, function: Callable[[Entries], Entries]) -> Entries:
    """Replace the entries by what *function* makes of them, again whenever another request was faster.

    The success of the compare-and-swap is the moment of the change; where nothing changes, the load is.
    """
    key = index_key(user_id)
    backoff = Backoff()
    while True:
        index, version = vault.load_index(key)
        entries = function(index.entries)
        if entries == index.entries:
            return entries
        try:
            vault.swap_index(key, Index(entries), version)
        except (AlreadyExists, Conflict, Gone):
            backoff.pause()
        else:
            return entries


def is_dead(loaded: Loaded) -> bool:
    """Whether a session has ended for good. One that no key opens may live for a process whose keys are newer."""
    return loaded is None or isinstance(loaded, Ended)


def _sampled_dead(vault: Vault, entries: Entries) -> set[bytes]:
    """The handles of the dead among a few sessions of a long index."""
    if len(entries) < LONG_INDEX:
        return set()
    return {
        entry.handle
        for entry in random.sample(entries, SAMPLE)
        if is_dead(vault.load_without_data(store_key(entry.handle)))
    }


def line_of(entries: Iterable[IndexEntry], handle: bytes) -> set[bytes]:
    """The handles of one line: *handle*, what it took the place of, and what took its place; never its siblings.

    Two requests may have given one session a new id at the same time: they are siblings, and two sessions.
    """
    former = {entry.handle: entry.was for entry in entries}
    line: set[bytes] = set()
    ancestor: bytes | None = handle
    while ancestor is not None and ancestor not in line:
        line.add(ancestor)
        ancestor = former.get(ancestor)
    heirs = {handle}
    while heirs:
        heirs = {heir for heir, was in former.items() if was in heirs and heir not in line}
        line |= heirs
    return line
