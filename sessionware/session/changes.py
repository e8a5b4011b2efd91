"""What a request did to its session, and laying it over a record.

A key that is set leaves no note: what has changed is what differs, as bytes, from what was read. So a change deep
inside a nested value counts, and an assignment of the same value does not. Only ``alter`` is noted, because a merge
runs its function again on the fresh value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from sessionware.exceptions import SessionDataError
from sessionware.session.asked import NOTHING, Asked
from sessionware.session.flashes import FlashChanges, pack_flash, unpack_flash
from sessionware.session.formats import EMPTY
from sessionware.session.lifetimes import Lifetimes
from sessionware.session.login import Login, Remember
from sessionware.session.merging import IMMUTABLE, DataChanges, Step, altered, pack_one
from sessionware.session.records import Ended, Live
from sessionware.wire.serializer import Serializer


class _Displaced(NamedTuple):
    """A value that the application may still hold, and its bytes when another request's took its place in a merge."""

    key: str
    value: Any
    packed: bytes


class Changes(Struct, eq=False):
    """The working copy of one request: its data, and the identity that it asks for.

    The record that the data came from is a parameter wherever it matters. As long as no key was set or deleted and no
    mutable value was handed out, which may be changed in place, nothing is packed for a comparison.

    ``read`` are the bytes of the data that was read. A request that ``is_passive`` is none of the user's, so that it
    does not say that the session was seen. ``asked`` is what was asked for beside the data, which ``is_assigned`` if a
    key was set or deleted, and ``is_exposed`` if a mutable value was handed out. ``displaced`` are values that the
    application may hold, and whose place another request's have taken in a merge; there is a conflict if a value of
    another request's, merged before, gives way to one of them.
    """

    _serializer: Serializer
    lifetimes: Lifetimes
    is_passive: bool = False
    data: dict[str, Any] = {}  # each gets one of its own
    read: bytes = EMPTY
    asked: Asked = NOTHING
    displaced: tuple[_Displaced, ...] = ()
    has_conflict: bool = False
    is_assigned: bool = False
    is_exposed: bool = False
    #: The bytes of the data when they were compared last.
    _packed: bytes | None = None
    _steps: dict[str, list[Step]] | None = None

    __repr__ = object.__repr__  # it holds the session's data

    def start_from(self, record: Live | None) -> None:
        """Start from *record*, which is the session as it is stored now; nothing is pending any more."""
        if record is None:
            self.data, self.read, self.displaced = {}, EMPTY, ()
        else:
            if self.is_exposed and record.data is not self.data:
                self._note_displaced(record.data)
            self.data, self.read = record.data, record.packed
        self._packed, self.is_assigned = None, False
        # Looked at first, for to set an attribute takes longer, and most requests have none of these.
        if self.asked is not NOTHING:
            self.asked = NOTHING
        if self._steps or self.has_conflict:
            self._steps, self.has_conflict = None, False

    def _note_displaced(self, merged: dict[str, Any]) -> None:
        """Note the values that the application may still hold, and that are no longer in the *merged* data."""
        self.displaced += tuple(
            _Displaced(key, value, self.pack_one(value))
            for key, value in self.data.items()
            if type(value) not in IMMUTABLE and merged.get(key) is not value
        )

    def take_back(self) -> None:
        """Let a displaced value that was changed since be the session's again, unless its place was changed, too."""
        unchanged: list[_Displaced] = []
        for held in self.displaced:
            if not self._is_changed(held):
                unchanged.append(held)
                continue
            self.has_conflict = True
            if self._is_as_read(held.key):
                self.data[held.key] = held.value
        self.displaced = tuple(unchanged)

    def _is_changed(self, held: _Displaced) -> bool:
        try:
            return self.pack_one(held.value) != held.packed
        except SessionDataError:
            return True  # what cannot be stored is refused when it is to be saved

    def _let_go(self, *keys: str) -> None:
        """The application has set or removed *keys* itself, so what it held before is no longer its session's."""
        self.displaced = tuple(held for held in self.displaced if held.key not in keys)

    # What the session asks for.

    def expose(self) -> None:
        """Note that a mutable value was handed out, which may be changed in place."""
        self.is_exposed = True

    def put(self, key: str, value: Any) -> None:
        """Set *key*; raises SessionDataError, with the path to it, for a value that would not come back as it is."""
        self._serializer.check(key, value)
        self.data[key] = value
        self.is_assigned = True
        if self.displaced:
            self._let_go(key)
        if type(value) not in IMMUTABLE:
            self.is_exposed = True

    def put_all(self, values: dict[str, Any]) -> None:
        """Set many keys, or, if one value cannot be stored, none."""
        self.check_all(values)
        self.data.update(values)
        self.is_assigned = True
        if self.displaced:
            self._let_go(*values)
        if not IMMUTABLE.issuperset(map(type, values.values())):
            self.is_exposed = True

    def check_all(self, values: dict[str, Any]) -> None:
        """Raise SessionDataError if one of *values* cannot be stored."""
        for key, value in values.items():
            self._serializer.check(key, value)

    def drop(self, key: str) -> Any:
        """Remove *key* and give its value; KeyError if it is not there."""
        value = self.data.pop(key)
        self.is_assigned = True
        if self.displaced:
            self._let_go(key)
        return value

    def force(self) -> None:
        """Ask for a write even if nothing differs."""
        self.asked = replace(self.asked, is_forced=True)

    def alter(self, key: str, function: Callable[[Any], Any], default: Any) -> Any:
        """Set *key* to ``function(current)`` and give it; the function is noted, to run again on a fresh value."""
        if key not in self.data:
            self._serializer.check(key, default)
        current = self.pack_one(self.data.get(key, default))
        noted = self._noted
        steps = noted.get(key, ())
        is_unchanged = current == steps[-1].result if steps else self._is_as_read(key)
        value = altered(self._serializer, key, function, current)
        self.put(key, value)
        self.is_exposed = True
        if is_unchanged:
            noted[key] = [*steps, Step(function, default, self.pack_one(value))]
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
        read = self._serializer.loads(self.read)
        return self._bytes(read, key) == self._bytes(self.data, key)

    def _bytes(self, data: dict[str, Any], key: str) -> bytes | None:
        return self.pack_one(data[key]) if key in data else None

    def pack_one(self, value: Any) -> bytes:
        """The bytes of one value of the data."""
        return pack_one(self._serializer, value)

    def flash(self, message: Any, category: str) -> None:
        """Add a flash; raises SessionDataError, with the path, for what a session cannot hold."""
        changes = self.asked.flashes or FlashChanges()
        self._ask_of_flashes(changes.adding(pack_flash(self._serializer, message, category)))

    def _ask_of_flashes(self, changes: FlashChanges | None) -> None:
        self.asked = replace(self.asked, flashes=changes)

    def flashes_in(self, record: Live | None, category: str | None) -> dict[bytes, tuple[str, Any]]:
        """The flashes of *category*, or all, in the session of *record*, each by its bytes."""
        opened = {packed: unpack_flash(self._serializer, packed) for packed in self.asked.all_flashes(record)}
        return {packed: flash for packed, flash in opened.items() if flash and category in (None, flash[0])}

    def pop_flashes(self, packed: Iterable[bytes]) -> None:
        """Remove the flashes that have these bytes."""
        self._ask_of_flashes((self.asked.flashes or FlashChanges()).popping(packed) or None)

    def log_in(self, login: Login) -> None:
        """Ask for *login*, which undoes ``remember``; over another user's session, the data starts empty."""
        if login.is_over_another_user:
            self.data = {}
            self.read = EMPTY
            self.displaced = ()
            self._steps = None
        self.asked = self.asked.logging_in(login)
        self.is_assigned = True

    def give_csrf(self, secret: bytes) -> None:
        """Let *secret* be that of the session's CSRF tokens, of which it has none.

        A page may show a token of it, so no revert takes it back.
        """
        self.asked = replace(self.asked, csrf=secret)

    def replace_csrf(self, secret: bytes) -> None:
        """Let *secret* be that of the session's CSRF tokens, so that those from before are good no more."""
        self.asked = replace(self.asked, csrf=secret, is_csrf_replaced=True)

    def confirm(self, now: float) -> None:
        """Note that the user has proved *now* who they are, which asks for a new id."""
        self.asked = self.asked.confirming(now)

    def regenerate(self) -> None:
        """Ask for a new id with the same data."""
        self.asked = replace(self.asked, is_regenerated=True)

    def remember(self, lifetime: Any, now: float, record: Live | None) -> None:
        """Ask for a lifetime of the session's own, or, by ``None``, for the configured timeouts again."""
        was_remembered = record is not None and record.is_remembered and self.asked.login is None
        remembered = Remember(lifetime, now) if lifetime is not None or was_remembered else None
        self.asked = replace(self.asked, remembered=remembered)

    def revert(self) -> None:
        """Undo the changes of the data; what was asked of the identity stays."""
        self.data, self._packed = self.as_read(), None
        self.asked = replace(self.asked, flashes=None, is_forced=False)
        self.displaced = ()
        self._steps = None
        self.is_assigned = self.has_conflict = False

    def as_read(self) -> dict[str, Any]:
        """The data as it was read, in values of its own."""
        read: dict[str, Any] = self._serializer.loads(self.read)
        return read

    def discard(self, record: Live | None) -> None:
        """Undo all that is pending; *record* is the session as it is stored."""
        # What the application holds is discarded, too, so that nothing is packed, which may be what cannot be.
        self.is_exposed = False
        self.start_from(record)
        self.revert()

    # What would be written.

    def needs_present_id(self) -> bool:
        """Whether the changes can only be laid over the session under the id that this request has."""
        asked = self.asked
        return self.has_new_data() or asked.remembered is not None or asked.confirmed_at is not None or asked.has_more

    def leaves_nothing(self, record: Live | None) -> bool:
        """Whether the session of *record* would be empty, which is its end."""
        asked = self.asked
        if self.data or asked.user_id(record) is not None:
            return False
        return asked.csrf_secret(record) is None and not asked.all_flashes(record)

    def has_new_data(self) -> bool:
        """Whether the data differs from what was read, as bytes; raises SessionDataError for what cannot be stored."""
        if not (self.is_assigned or self.is_exposed):
            return False
        if self.displaced:
            self.take_back()
        self._packed = self._serializer.dumps_data(self.data)
        if self._packed == self.read:
            return False
        if self.is_exposed:
            self._serializer.verify_packed(self.data)
        return True

    def is_pending(self, record: Live | None) -> bool:
        """Whether something would be written now over *record*. An empty new session is no session."""
        has_new_data = (self.is_assigned or self.is_exposed) and self.has_new_data()
        if record is None:
            return not self.leaves_nothing(None)
        asked = self.asked
        return has_new_data or (asked is not NOTHING and (asked.is_forced or asked.needs_new_id or asked.has_more))

    # Laying it over a record.

    def over(self, record: Live | None, now: float) -> Live | Ended:
        """The session that these changes make of *record* (of nothing: ``None``); one without content has ended."""
        asked = self.asked
        start = self.blank(now) if record is None or asked.is_over_another_user else record
        if start.packed == self.read:
            data, packed = self.data, self._packed or self.read
        else:
            data = self._data_changes().over(start.data)
            packed = self._serializer.dumps_data(data)
        seen_at = start.seen_at if self.is_passive or now < start.seen_at else now
        live = replace(start, data=data, packed=packed, seen_at=seen_at)
        if asked is not NOTHING:
            asked.apply(live, start, self.lifetimes)
        return live if data or not live.is_empty else Ended()

    def clashes(self, record: Live) -> bool:
        """Whether *record* has another value than was read for a key that was changed here, ``alter`` aside."""
        return not self.asked.is_over_another_user and self._data_changes().clash(record.data)

    def blank(self, now: float) -> Live:
        """The record of a session that begins *now*, without content and handle."""
        return Live({}, EMPTY, b"", now, now, now, self.lifetimes.ends_at(now))

    def _data_changes(self) -> DataChanges:
        return DataChanges(self._serializer, read=self.as_read(), data=self.data, steps=self._steps or {})
