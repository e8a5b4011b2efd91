"""What a request did to its session, and laying it over a record.

A key that is set leaves no note: what has changed is what differs, as bytes, from what was read. So a change deep
inside a nested value counts, and an assignment of the same value does not. Only ``alter`` is noted, because a merge
runs its function again on the fresh value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from msgspec.structs import replace

from sessionware.exceptions import SessionDataError
from sessionware.session.flashes import FlashChanges, pack_flash, unpack_flash
from sessionware.session.formats import EMPTY
from sessionware.session.lifetimes import Lifetimes
from sessionware.session.login import Login, Remember
from sessionware.session.merging import IMMUTABLE, DataChanges, Step, altered, pack_one
from sessionware.session.records import Cause, Ended, Live
from sessionware.wire.serializer import Serializer


class _Displaced(NamedTuple):
    """A value that the application may still hold, and its bytes when another request's took its place in a merge."""

    key: str
    value: Any
    packed: bytes


class Changes:
    """The working copy of one request: its data, and the identity that it asks for.

    The record that the data came from is a parameter wherever it matters. As long as no key was set or deleted and no
    mutable value was handed out, which may be changed in place, nothing is packed for a comparison.
    """

    __slots__ = (
        "_is_assigned",
        "_is_exposed",
        "_is_forced",
        "_packed",
        "_serializer",
        "_steps",
        "confirmed_at",
        "csrf",
        "data",
        "displaced",
        "flashes",
        "has_conflict",
        "is_csrf_replaced",
        "is_over_another_user",
        "is_passive",
        "is_regenerated",
        "lifetimes",
        "login",
        "read",
        "remembered",
    )
    confirmed_at: float | None
    data: dict[str, Any]
    login: Login | None
    remembered: Remember | None
    _steps: dict[str, list[Step]] | None
    #: The CSRF secret that this request has given to the session. A page may show a token of it, so no revert takes it.
    csrf: bytes | None
    displaced: list[_Displaced]
    #: What was done to the flashes, or ``None`` for nothing.
    flashes: FlashChanges | None

    def __init__(self, record: Live | None, serializer: Serializer, lifetimes: Lifetimes) -> None:
        self._serializer = serializer
        self.lifetimes = lifetimes
        if record is None:
            self.data = {}
            self.read = self._packed = EMPTY
        else:
            self.data = record.data
            #: The bytes of the data that was read.
            self.read = self._packed = record.packed
        self.login = self.remembered = self._steps = self.confirmed_at = self.csrf = self.flashes = None
        #: Whether a value of another request's, merged before, gives way to one that the application has held.
        self.has_conflict = False
        #: Values that the application may hold, and whose place another request's have taken in a merge.
        self.displaced = []
        self._is_exposed = self._is_assigned = self._is_forced = False
        #: Whether the request is none of the user's, so that it does not say that the session was seen.
        self.is_passive = False
        #: Whether a new id was asked for, be it by a login.
        self.is_regenerated = False
        #: Whether the login that is asked for is another user's than the session's, of which nothing may stay.
        self.is_over_another_user = False
        #: Whether ``csrf`` takes the place of a secret that the session has.
        self.is_csrf_replaced = False

    def start_from(self, record: Live | None) -> None:
        """Start from *record*, which is the session as it is stored now; nothing is pending any more."""
        if record is None:
            self.data = {}
            self.read = self._packed = EMPTY
            self.displaced = []
        else:
            if self._is_exposed and record.data is not self.data:
                self._note_displaced(record.data)
            self.data = record.data
            self.read = self._packed = record.packed
        self.login = self.remembered = self._steps = self.confirmed_at = self.csrf = self.flashes = None
        self._is_assigned = self._is_forced = self.has_conflict = False
        self.is_regenerated = self.is_over_another_user = self.is_csrf_replaced = False

    def _drop_marks(self) -> None:
        self._steps = None
        self._is_assigned = self._is_forced = False

    def _note_displaced(self, merged: dict[str, Any]) -> None:
        """Note the values that the application may still hold, and that are no longer in the *merged* data."""
        for key, value in self.data.items():
            if type(value) not in IMMUTABLE and merged.get(key) is not value:
                self.displaced.append(_Displaced(key, value, self.pack_one(value)))

    def take_back(self) -> None:
        """Let a displaced value that was changed since be the session's again, unless its place was changed, too."""
        displaced, self.displaced = self.displaced, []
        for held in displaced:
            if not self._is_changed(held):
                self.displaced.append(held)
                continue
            self.has_conflict = True
            if self._is_as_read(held.key):
                self.data[held.key] = held.value

    def _is_changed(self, held: _Displaced) -> bool:
        try:
            return self.pack_one(held.value) != held.packed
        except SessionDataError:
            return True  # what cannot be stored is refused when it is to be saved

    def _let_go(self, *keys: str) -> None:
        """The application has set or removed *keys* itself, so what it held before is no longer its session's."""
        self.displaced = [held for held in self.displaced if held.key not in keys]

    # What the session asks for.

    def expose(self) -> None:
        """Note that a mutable value was handed out, which may be changed in place."""
        self._is_exposed = True

    def put(self, key: str, value: Any) -> None:
        """Set *key*; raises SessionDataError, with the path to it, for a value that would not come back as it is."""
        self._serializer.check(key, value)
        self.data[key] = value
        self._is_assigned = True
        if self.displaced:
            self._let_go(key)
        if type(value) not in IMMUTABLE:
            self._is_exposed = True

    def put_all(self, values: dict[str, Any]) -> None:
        """Set many keys, or, if one value cannot be stored, none."""
        self.check_all(values)
        self.data.update(values)
        self._is_assigned = True
        if self.displaced:
            self._let_go(*values)
        if not IMMUTABLE.issuperset(map(type, values.values())):
            self._is_exposed = True

    def check_all(self, values: dict[str, Any]) -> None:
        """Raise SessionDataError if one of *values* cannot be stored."""
        for key, value in values.items():
            self._serializer.check(key, value)

    def drop(self, key: str) -> Any:
        """Remove *key* and give its value; KeyError if it is not there."""
        value = self.data.pop(key)
        self._is_assigned = True
        if self.displaced:
            self._let_go(key)
        return value

    def force(self) -> None:
        """Ask for a write even if nothing differs."""
        self._is_forced = True

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
        self._is_exposed = True
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
        if not (self._is_assigned or self._is_exposed):
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
        changes = self.flashes or FlashChanges()
        self.flashes = changes.adding(pack_flash(self._serializer, message, category))

    def flashes_in(self, record: Live | None, category: str | None) -> dict[bytes, tuple[str, Any]]:
        """The flashes of *category*, or all, in the session of *record*, each by its bytes."""
        opened = {packed: unpack_flash(self._serializer, packed) for packed in self.all_flashes(record)}
        return {packed: flash for packed, flash in opened.items() if flash and category in (None, flash[0])}

    def pop_flashes(self, packed: Iterable[bytes]) -> None:
        """Remove the flashes that have these bytes."""
        self.flashes = (self.flashes or FlashChanges()).popping(packed) or None

    def log_in(self, login: Login) -> None:
        """Ask for *login*, which undoes ``remember``; over another user's session, the data starts empty."""
        if login.is_over_another_user:
            self.data = {}
            self.read = EMPTY
            self.displaced = []
            self._drop_marks()
            self.flashes = None
            self.is_over_another_user = True
        self.login = login
        self.remembered = self.confirmed_at = self.csrf = None
        self._is_assigned = self.is_regenerated = True

    def replace_csrf(self, secret: bytes) -> None:
        """Let *secret* be that of the session's CSRF tokens, so that those from before are good no more."""
        self.csrf = secret
        self.is_csrf_replaced = True

    def confirm(self, now: float) -> None:
        """Note that the user has proved *now* who they are, which asks for a new id."""
        self.confirmed_at = now
        self.is_regenerated = True

    def regenerate(self) -> None:
        """Ask for a new id with the same data."""
        self.is_regenerated = True

    def remember(self, lifetime: Any, now: float, record: Live | None) -> None:
        """Ask for a lifetime of the session's own, or, by ``None``, for the configured timeouts again."""
        was_remembered = record is not None and record.is_remembered and self.login is None
        self.remembered = Remember(lifetime, now) if lifetime is not None or was_remembered else None

    def revert(self) -> None:
        """Undo the changes of the data; what was asked of the identity stays."""
        self._packed = self.read
        self.data = self._serializer.loads(self._packed)
        self.displaced = []
        self.flashes = None
        self.has_conflict = False
        self._drop_marks()

    def as_read(self) -> dict[str, Any]:
        """The data as it was read, in values of its own."""
        read: dict[str, Any] = self._serializer.loads(self.read)
        return read

    def discard(self, record: Live | None) -> None:
        """Undo all that is pending; *record* is the session as it is stored."""
        # What the application holds is discarded, too, so that nothing is packed, which may be what cannot be.
        self._is_exposed = False
        self.start_from(record)
        self.revert()

    # What would be written.

    @property
    def needs_new_id(self) -> bool:
        """Whether the session must be given a new id."""
        return self.is_regenerated or self.remembered is not None

    def needs_present_id(self) -> bool:
        """Whether the changes can only be laid over the session under the id that this request has."""
        return self.has_new_data() or self.remembered is not None or self.confirmed_at is not None or self._has_more

    def user_id(self, record: Live | None) -> str | int | None:
        """The user whom the session of *record* is bound to, or will be."""
        if self.login is not None:
            return self.login.user_id
        return None if record is None else record.user_id

    def csrf_secret(self, record: Live | None) -> bytes | None:
        """The secret that the CSRF tokens of the session of *record* have, or will have; a login leaves none."""
        if self.csrf is not None or self.login is not None or record is None:
            return self.csrf
        return record.csrf

    def all_flashes(self, record: Live | None) -> list[bytes]:
        """The flashes that the session of *record* has, or will have."""
        stored = [] if record is None or self.is_over_another_user else record.flashes
        return stored if self.flashes is None else self.flashes.over(stored)

    @property
    def is_more_than_data(self) -> bool:
        """Whether anything was asked for that the data alone does not show, a bare change of id aside."""
        return self.login is not None or self.remembered is not None or self.confirmed_at is not None or self._has_more

    @property
    def _has_more(self) -> bool:
        """Whether anything is to be changed beside the data and the identity."""
        return self.csrf is not None or self.flashes is not None

    def authenticated_at(self, record: Live | None) -> float | None:
        """When the user of the session of *record* signed in or was confirmed last; ``None`` without a user."""
        if self.confirmed_at is not None:
            return self.confirmed_at
        if self.login is not None:
            return self.login.at
        return None if record is None else record.authenticated_at

    def cause(self, record: Live) -> Cause:
        """Why the session of *record* is given a new id."""
        if self.login is None:
            return Cause.REGENERATE
        return Cause.LOGIN if record.user_id is None else Cause.RELOGIN

    def reason_for_new_id(self, record: Live) -> str:
        """The reason of the event ``regenerated`` of the session of *record*."""
        if self.login is not None:
            return self.cause(record).value
        if self.confirmed_at is not None:
            return "confirm"
        return self.cause(record).value if self.remembered is None else "remember"

    def leaves_nothing(self, record: Live | None) -> bool:
        """Whether the session of *record* would be empty, which is its end."""
        if self.data or self.user_id(record) is not None:
            return False
        return self.csrf_secret(record) is None and not self.all_flashes(record)

    def has_new_data(self) -> bool:
        """Whether the data differs from what was read, as bytes; raises SessionDataError for what cannot be stored."""
        if not (self._is_assigned or self._is_exposed):
            return False
        if self.displaced:
            self.take_back()
        self._packed = self._serializer.dumps(self.data)
        if self._packed == self.read:
            return False
        if self._is_exposed:
            self._serializer.verify_packed(self.data)
        return True

    def is_pending(self, record: Live | None) -> bool:
        """Whether something would be written now over *record*. An empty new session is no session."""
        has_new_data = (self._is_assigned or self._is_exposed) and self.has_new_data()
        if record is None:
            return not self.leaves_nothing(None)
        if self.csrf is not None or self.flashes is not None:
            return True
        return has_new_data or self._is_forced or self.is_regenerated or self.remembered is not None

    # Laying it over a record.

    def over(self, record: Live | None, now: float) -> Live | Ended:
        """The session that these changes make of *record* (of nothing: ``None``); one without content has ended."""
        start = self.blank(now) if record is None or self.is_over_another_user else record
        if start.packed == self.read:
            data, packed = self.data, self._packed
        else:
            data = self._data_changes().over(start.data)
            packed = self._serializer.dumps(data)
        seen_at = start.seen_at if self.is_passive else max(start.seen_at, now)
        live = replace(start, data=data, packed=packed, seen_at=seen_at)
        if self.login is not None or self.remembered is not None or self.confirmed_at is not None:
            self._apply_identity(live)
        if self.csrf is not None or self.flashes is not None:
            live.csrf = self.csrf if self.is_csrf_replaced else live.csrf or self.csrf
            live.flashes = self.all_flashes(start)
        return live if data or not live.is_empty else Ended()

    def clashes(self, record: Live) -> bool:
        """Whether *record* has another value than was read for a key that was changed here, ``alter`` aside."""
        return not self.is_over_another_user and self._data_changes().clash(record.data)

    def blank(self, now: float) -> Live:
        """The record of a session that begins *now*, without content and handle."""
        return Live({}, EMPTY, b"", now, now, now, self.lifetimes.ends_at(now))

    def _apply_identity(self, live: Live) -> None:
        if self.login is not None or self.confirmed_at is not None:
            live.signed_in_at = None
        if self.login is not None:
            live.user_id, live.label = self.login.user_id, self.login.label
            live.started_at = self.login.at
            live.seen_at = max(live.seen_at, self.login.at)
            live.ends_at = self.lifetimes.ends_at(self.login.at)
            live.is_remembered = False
            live.csrf = None
        if self.confirmed_at is not None:
            live.started_at = self.confirmed_at
            live.seen_at = max(live.seen_at, self.confirmed_at)
            if not live.is_remembered:
                live.ends_at = self.lifetimes.ends_at(self.confirmed_at)
        if self.remembered is not None:
            lifetime, at = self.remembered.lifetime, self.remembered.at
            live.is_remembered = lifetime is not None
            live.ends_at = self.lifetimes.ends_at(live.started_at) if lifetime is None else at + lifetime

    def _data_changes(self) -> DataChanges:
        return DataChanges(self._serializer, read=self.as_read(), data=self.data, steps=self._steps or {})
