"""END: a stored session ends, for good.

First the record says that it has ended, by a compare-and-swap that no writer under way can undo; then it is deleted.
"""

from __future__ import annotations

from sessionware.exceptions import Conflict, Gone
from sessionware.protocol.vault import Backoff, Vault, superseded_in
from sessionware.session.records import Cause, Ended, Superseded


def end(vault: Vault, key: str) -> bool:
    """End what stands under *key*, or what it became; whether this call has ended it.

    A login over an anonymous session is not ended by that session's old id.
    """
    former = []  # a loop, because a visitor decides how long the chain of superseded ids gets
    answer = _end_one(vault, key)
    while isinstance(answer, Superseded):
        former.append(key)
        key = answer.next_key
        answer = answer.cause is not Cause.LOGIN and _end_one(vault, key)
    for key in reversed(former):
        vault.delete(key)
    return answer


def _end_one(vault: Vault, key: str) -> bool | Superseded:
    """End what stands under this very *key*; a superseded record is left alone, and is the answer."""
    backoff = Backoff()
    while True:
        loaded = vault.load_without_data(key)
        superseded = superseded_in(loaded)
        if superseded is not None:
            return superseded
        if loaded is None:
            return False
        if isinstance(loaded, Ended):
            vault.delete(key)
            return False
        try:
            vault.replace(key, Ended(), loaded.version)
        except Gone:
            return False
        except Conflict:
            backoff.pause()
            continue
        vault.delete(key)
        return True
