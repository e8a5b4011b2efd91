"""What a request did to its session, and laying it over a record.

Nothing is noted down when a key is set: what has changed is what differs, as bytes, from what was read. So a change
deep inside a nested value counts, an assignment of the same value does not, and a merge is three-way: mine against
what I read, laid over theirs. Only ``alter`` is noted, because its function runs again on a fresh value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sessionware.session.formats import EMPTY
from sessionware.session.lifetimes import Lifetimes
from sessionware.session.login import Login, Remember
from sessionware.session.records import Cause, Ended, Live
from sessionware.wire.serializer import Serializer

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Step:
    """One ``alter``, and the bytes that it gave: the key is still its own while they stand."""

    function: Callable[[Any], Any]
    default: Any
    result: bytes


@dataclass(frozen=True, slots=True)
class _Diff:
    put: dict[str, Any]
    dropped: set[str]


class Changes:
    """The working copy of one request: its data, and the identity that it asks for.

    ``is_assigned``: a key was set or deleted. ``is_exposed``: a mutable value was handed out, so that it may have been
    changed in place. As long as neither is true nothing is packed for a comparison.
    """

    __slots__ = (
        "_base_packed",
        "_lifetimes",
        "_packed",
        "_serializer",
        "_steps",
        "base",
        "data",
        "is_assigned",
        "is_exposed",
        "is_forced",
        "is_regenerated",
        "login",
        "remember",
    )

    def __init__(self, base: Live | None, serializer: Serializer, lifetimes: Lifetimes) -> None:
        self._serializer = serializer
        self._lifetimes = lifetimes
        self.is_exposed = False
        self.rebase(base)

    def rebase(self, base: Live | None) -> None:
        """Start from *base*, which is what the session is now at rest; nothing is pending any more."""
        self.base = base
        self.data: dict[str, Any] = base.data if base is not None else {}
        self._base_packed = self._packed = base.packed if base is not None else EMPTY
        self.login: Login | None = None
        self.remember: Remember | None = None
        self.is_regenerated = False
        self._forget_marks()

    def _forget_marks(self) -> None:
        self._steps: dict[str, list[Step]] | None = None
        self.is_assigned = False
        self.is_forced = False

    # What the session asks for.

    def check(self, key: str, value: Any) -> None:
        """Refuse a value that would not come back as it is; raises SessionDataError with the path to it."""
        self._serializer.check(key, value)

    def alter(self, key: str, function: Callable[[Any], Any], default: Any) -> Any:
        """Set *key* to ``function(current)``, and note the function for a run on a fresh value; the new value."""
        if key not in self.data:
            self._serializer.check(key, default)
        current = self._pack_one(self.data.get(key, default))
        noted = self._noted
        steps = noted.get(key, ())
        is_own = current == steps[-1].result if steps else self._is_as_read(key)
        value = function(self._unpack_one(current))
        self._serializer.check(key, value)
        self.data[key] = value
        self.is_assigned = self.is_exposed = True
        if is_own:
            noted[key] = [*steps, Step(function, default, self._pack_one(value))]
        else:
            noted.pop(key, None)
        return value

    @property
    def _noted(self) -> dict[str, list[Step]]:
        # Made when it is needed: most requests alter nothing.
        if self._steps is None:
            self._steps = {}
        return self._steps

    def _is_as_read(self, key: str) -> bool:
        if not (self.is_assigned or self.is_exposed):
            return True
        base = self._serializer.loads(self._base_packed)
        return self._bytes(base, key) == self._bytes(self.data, key)

    def _bytes(self, data: dict[str, Any], key: str) -> bytes | None:
        return self._pack_one(data[key]) if key in data else None

    # In a list, because a dict by itself is packed as a session's data, with nothing but str for keys.

    def _pack_one(self, value: Any) -> bytes:
        return self._serializer.dumps([value])

    def _unpack_one(self, packed: bytes) -> Any:
        return self._serializer.loads(packed)[0]

    def log_in(self, login: Login) -> None:
        """Ask for *login*; a fresh one forgets the data of whoever was here. It undoes ``remember``."""
        if login.is_fresh:
            self.data = {}
            self._base_packed = EMPTY
            self._forget_marks()
        elif self.login is not None:
            login.is_fresh = self.login.is_fresh
        self.login = login
        self.remember = None
        self.is_assigned = True

    def revert(self) -> None:
        """Forget the changes of the data; what was asked of the identity stays."""
        self._packed = self._base_packed
        self.data = self._serializer.loads(self._packed)
        self._forget_marks()

    def forget(self) -> None:
        """Forget all that is pending."""
        self.rebase(self.base)
        self.revert()

    # What would be written.

    @property
    def user_id(self) -> str | int | None:
        """The user whom the session is bound to, or will be."""
        if self.login is not None:
            return self.login.user_id
        return self.base.user_id if self.base is not None else None

    @property
    def cause(self) -> Cause | None:
        """Why the session needs a new id, or ``None``."""
        if self.login is not None:
            known = self.base is not None and self.base.user_id is not None
            return Cause.RELOGIN if known else Cause.LOGIN
        return Cause.REGENERATE if self.is_regenerated or self.remember is not None else None

    @property
    def leaves_nothing(self) -> bool:
        """Whether the session would be empty, which is its end."""
        base = self.base
        is_bare = base is None or (base.csrf is None and not base.flashes)
        return not self.data and self.user_id is None and is_bare

    def has_new_data(self) -> bool:
        """Whether the data differs from what was read, as bytes; raises SessionDataError for what cannot be stored."""
        if not (self.is_assigned or self.is_exposed):
            return False
        self._packed = self._serializer.dumps(self.data)
        if self._packed == self._base_packed:
            return False
        if self.is_exposed:
            self._serializer.verify(self.data)
        return True

    def is_pending(self) -> bool:
        """Whether something would be written now. An empty new session is no session."""
        has_new_data = self.has_new_data()
        if self.base is None:
            return not self.leaves_nothing
        return has_new_data or self.is_forced or self.cause is not None

    # Laying it over a record.

    def over(self, record: Live | None, now: float) -> Live | Ended:
        """The session that these changes make of *record* (of nothing: ``None``); one without content has ended."""
        is_fresh = self.login is not None and self.login.is_fresh
        start = record if record is not None and not is_fresh else self.blank(now)
        if start.packed == self._base_packed:
            data, packed = self.data, self._packed
        else:
            data = self._merged(start.data)
            packed = self._serializer.dumps(data)
        live = Live(
            data,
            packed,
            start.handle,
            start.created_at,
            start.started_at,
            max(start.seen_at, now),
            start.ends_at,
            start.is_remembered,
            start.user_id,
            start.label,
            start.csrf,
            start.flashes,
        )
        self._apply_identity(live)
        return Ended() if live.is_empty else live

    def clashes(self, record: Live) -> bool:
        """Whether *record* has another value than was read for a key that was changed here, ``alter`` aside."""
        if self.login is not None and self.login.is_fresh:
            return False
        base = self._serializer.loads(self._base_packed)
        diff = self._diff(base)
        changed = diff.dropped | {key for key in diff.put if not self._owned_steps(key)}
        return any(self._bytes(base, key) != self._bytes(record.data, key) for key in changed)

    def blank(self, now: float) -> Live:
        return Live({}, EMPTY, b"", now, now, now, self._lifetimes.ends_at(now))

    def _apply_identity(self, live: Live) -> None:
        if self.login is not None:
            live.user_id, live.label = self.login.user_id, self.login.label
            live.started_at = self.login.at
            live.ends_at = self._lifetimes.ends_at(self.login.at)
            live.is_remembered = False
            live.csrf = None
        if self.remember is not None:
            lifetime = self.remember.lifetime
            live.is_remembered = lifetime is not None
            live.ends_at = self._lifetimes.ends_at(live.started_at) if lifetime is None else self.remember.at + lifetime

    def _diff(self, base: dict[str, Any]) -> _Diff:
        put = {key: value for key, value in self.data.items() if self._bytes(base, key) != self._pack_one(value)}
        return _Diff(put, base.keys() - self.data.keys())

    def _owned_steps(self, key: str) -> list[Step]:
        steps = self._noted.get(key, [])
        return steps if steps and self._bytes(self.data, key) == steps[-1].result else []

    def _merged(self, theirs: dict[str, Any]) -> dict[str, Any]:
        base = self._serializer.loads(self._base_packed)
        diff = self._diff(base)
        # A value that nobody has changed stays the very object that the application may hold.
        merged = {
            key: self.data[key] if key in self.data and self._bytes(base, key) == self._pack_one(value) else value
            for key, value in theirs.items()
            if key not in diff.dropped
        }
        merged.update(diff.put)
        for key in self._noted:
            steps = self._owned_steps(key)
            if steps:
                merged[key] = self._rerun(key, steps, theirs.get(key, _ABSENT))
        return merged

    def _rerun(self, key: str, steps: list[Step], value: Any) -> Any:
        for step in steps:
            current = step.default if value is _ABSENT else value
            value = step.function(self._unpack_one(self._pack_one(current)))
        self._serializer.check(key, value)
        return value
