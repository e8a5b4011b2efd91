"""What a session promises, as plain dicts and objects: a model that a state machine compares every backend with.

A record is what one id stands for. Requests read a record, change a copy, and write that at their end; what the write
makes of a record that another request has changed meanwhile is what docs/protocol promises.
"""

from __future__ import annotations

import copy
import enum
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

IDLE, ABSOLUTE, REFRESH_AFTER, GRACE = 3600.0, 86400.0, 360.0, 10.0

Data = dict[str, Any]
User = str | int | None
Step = Callable[[Any], Any]


@dataclass(frozen=True)
class Flash:
    """A one-time message, which differs from others of the same text by its number."""

    number: int
    category: str
    message: str


class Refused(Exception):
    """The request has the former id of a session, so its change is a ConflictError."""


class Cause(enum.Enum):
    """Why a session has a new id; a login of a visitor is not ended by the visitor's old id."""

    LOGIN = "login"
    OTHER = "other"


@dataclass
class Record:
    """A session under one id."""

    data: Data
    user: User
    started_at: float
    seen_at: float
    ends_at: float
    is_remembered: bool = False
    successor: Record | None = None
    cause: Cause = Cause.OTHER
    grace_until: float = 0.0
    #: The secret of its CSRF tokens, as something that is equal where the secrets are.
    csrf: object = None
    flashes: list[Flash] = field(default_factory=list)
    #: What the first secret of a session follows from.
    handle: object = field(default_factory=object)
    #: What the application calls it, once that has been asked.
    id: str = ""
    has_ended: bool = False
    version: int = 0

    def is_in_time(self, now: float) -> bool:
        if now >= self.ends_at:
            return False
        return self.is_remembered or (now < self.started_at + ABSOLUTE and now - self.seen_at < IDLE)

    def is_live(self, now: float) -> bool:
        return not self.has_ended and self.successor is None and self.is_in_time(now)

    def reads(self, now: float) -> bool:
        """Whether a request with this id sees a session: a former id does while the session it became lives."""
        if self.successor is None:
            return self.is_live(now)
        is_in_grace = now < self.grace_until and now < self.ends_at and not self.has_ended
        return is_in_grace and self.successor.reads(now)

    def end(self, now: float) -> bool:
        """End this session, or what it has become; whether it was there to be ended."""
        if self.successor is not None and not self.has_ended:
            ended = self.cause is not Cause.LOGIN and self.successor.end(now)
            self.has_ended = True
            return ended
        was_live, self.has_ended = self.is_live(now), True
        return was_live

    def supersede(self, successor: Record, cause: Cause, now: float) -> None:
        self.successor, self.cause, self.grace_until = successor, cause, now + GRACE
        self.version += 1


@dataclass
class Cookie:
    """What an answer does: the cookie stands for ``record`` from now on, or is deleted."""

    record: Record | None
    deletes_companion: bool = False


@dataclass
class Companion:
    """What an answer does with the companion of a cookie session: ``record`` was seen then."""

    record: Record
    seen_at: float


Effect = Cookie | Companion


@dataclass
class Request:
    """One request, from its first touch: what it has read, and what its session holds now."""

    now: Callable[[], float]
    #: All records that were ever written.
    written: list[Record] = field(default_factory=list)
    record: Record | None = None
    #: The record as it was read or last written here.
    was: Record | None = None
    is_former: bool = False
    has_companion: bool = False
    data: Data = field(default_factory=dict)
    read: Data = field(default_factory=dict)
    login: tuple[User, float] | None = None
    remembered: tuple[float | None, float] | None = None
    confirmed_at: float | None = None
    csrf_made: object = None
    added: list[Flash] = field(default_factory=list)
    popped: list[Flash] = field(default_factory=list)
    is_passive: bool = False
    #: The handle of a session that has none yet.
    handle: object = field(default_factory=object)
    is_regenerated: bool = False
    is_over_another: bool = False
    is_forced: bool = False
    is_ended_by_another: bool = False
    steps: dict[str, list[tuple[Step, Any]]] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    touched_at: float = 0.0

    def start(self, record: Record | None, *, seen_at: float | None = None) -> None:
        """Touch the session that *record* stands for."""
        self.touched_at = self.now()
        if record is None:
            return
        seen = record if seen_at is None or seen_at <= record.seen_at else replace(record, seen_at=seen_at)
        if seen.reads(self.touched_at):
            self.is_former = record.successor is not None
            self._take(record, seen)

    def _take(self, record: Record | None, was: Record | None = None) -> None:
        self.record, self.was = record, _snapshot(was or record)
        self.handle = object()
        self.data = {} if self.was is None else copy.deepcopy(self.was.data)
        self.read = copy.deepcopy(self.data)
        self._forget()

    def _forget(self) -> None:
        self.login = self.remembered = self.confirmed_at = self.csrf_made = None
        self.added, self.popped = [], []
        self.is_regenerated = self.is_over_another = self.is_forced = False
        self.steps = {}

    @property
    def user(self) -> User:
        if self.login is not None:
            return self.login[0]
        return None if self.was is None else self.was.user

    # What the application does.

    def alter(self, key: str, step: Step) -> None:
        noted, current = self.steps.get(key), self.data.get(key)
        is_as_read = (key in self.read) == (key in self.data) and current == self.read.get(key)
        is_unchanged = current == noted[-1][1] if noted else is_as_read
        self.data[key] = step(current)
        if is_unchanged:
            self.steps[key] = [*(noted or ()), (step, self.data[key])]
        else:
            self.steps.pop(key, None)

    def log_in(self, user: User) -> None:
        if self.user is not None and str(self.user) != str(user):
            self.data, self.read, self.steps = {}, {}, {}
            self.added, self.popped = [], []
            self.is_forced, self.is_over_another = False, True
        self.login, self.is_regenerated = (user, self.now()), True
        self.remembered = self.confirmed_at = self.csrf_made = None

    def confirm(self) -> None:
        self.confirmed_at, self.is_regenerated = self.now(), True

    def regenerate(self) -> None:
        self.is_regenerated = self.is_regenerated or self.record is not None

    def remember(self, seconds: float | None) -> None:
        was_remembered = self.was is not None and self.was.is_remembered and self.login is None
        self.remembered = (seconds, self.now()) if seconds is not None or was_remembered else None

    @property
    def csrf(self) -> object:
        """The secret of the session's CSRF tokens; a login leaves none."""
        if self.csrf_made is not None or self.login is not None or self.was is None:
            return self.csrf_made
        return self.was.csrf

    def make_csrf(self) -> object:
        if self.csrf is None:
            first = self.handle if self.was is None else self.was.handle
            self.csrf_made = object() if self.login is not None else first
        return self.csrf

    def flashes_over(self, record: Record | None) -> list[Flash]:
        stored = [] if record is None or self.is_over_another else record.flashes
        return [*(flash for flash in stored if flash not in self.popped), *self.added]

    def pop_flashes(self, category: str | None) -> list[tuple[str, str]]:
        found = [flash for flash in self.flashes_over(self.was) if category in (None, flash.category)]
        self.popped += [flash for flash in found if flash not in self.added]
        self.added = [flash for flash in self.added if flash not in found]
        return [(flash.category, flash.message) for flash in found]

    def revert(self) -> None:
        self.added, self.popped = [], []
        self.data, self.steps, self.is_forced = copy.deepcopy(self.read), {}, False

    def invalidate(self) -> None:
        if self.record is not None:
            self.effects = [self._deletion()] if self._end() else []
        self._take(None)
        self.is_former = self.is_ended_by_another = False

    def _end(self) -> bool:
        assert self.record is not None
        return self.record.end(self.now())

    def _deletion(self) -> Cookie:
        return Cookie(None, self.has_companion)

    # What would be written.

    def has_new_data(self) -> bool:
        """The order of keys counts, because bytes are compared."""
        return list(self.data.items()) != list(self.read.items())

    @property
    def needs_new_id(self) -> bool:
        return self.is_regenerated or self.remembered is not None

    @property
    def _has_more(self) -> bool:
        return self.csrf_made is not None or bool(self.added or self.popped)

    def needs_present_id(self) -> bool:
        """Whether the changes can only be laid over the session under the id that this request has."""
        is_bound = self.remembered is not None or self.confirmed_at is not None
        return is_bound or self._has_more or self.has_new_data()

    def is_pending(self) -> bool:
        if self.record is None:
            return not _is_empty(self._over(None))
        return self.is_forced or self.needs_new_id or self.needs_present_id()

    def _over(self, theirs: Record | None) -> Record:
        """The record that these changes make of *theirs*; of nothing, a new one."""
        now = self.now()
        start = Record({}, None, now, now, now + ABSOLUTE) if theirs is None or self.is_over_another else theirs
        is_as_read = list(start.data.items()) == list(self.read.items())
        data = self.data if is_as_read else self._merged(start.data)
        made = Record(copy.deepcopy(data), start.user, start.started_at, start.seen_at, start.ends_at)
        made.is_remembered, made.csrf = start.is_remembered, start.csrf or self.csrf_made
        made.flashes = self.flashes_over(theirs)
        if not self.is_passive:
            made.seen_at = max(made.seen_at, now)
        self._identify(made)
        return made

    def _identify(self, made: Record) -> None:
        if self.login is not None:
            made.user, made.started_at = self.login
            made.ends_at, made.is_remembered = made.started_at + ABSOLUTE, False
            made.csrf = self.csrf_made
        if self.confirmed_at is not None:
            made.started_at = self.confirmed_at
            made.ends_at = made.ends_at if made.is_remembered else made.started_at + ABSOLUTE
        if self.login is not None or self.confirmed_at is not None:
            made.seen_at = max(made.seen_at, made.started_at)
        if self.remembered is not None:
            seconds, at = self.remembered
            made.is_remembered = seconds is not None
            made.ends_at = made.started_at + ABSOLUTE if seconds is None else at + seconds

    def _merged(self, theirs: Data) -> Data:
        put = {key: value for key, value in self.data.items() if key not in self.read or self.read[key] != value}
        merged = {key: value for key, value in theirs.items() if key in self.data or key not in self.read} | put
        for key, steps in self.steps.items():
            if key in self.data and self.data[key] == steps[-1][1]:
                merged[key] = theirs.get(key)
                for step, _ in steps:
                    merged[key] = step(merged[key])
        return merged

    def save(self) -> bool:
        """Write what is pending; ``False`` if another request has ended the session."""
        if self.is_pending():
            if self.is_ended_by_another and self.login is None:
                handle = self.handle
                self._take(None)
                self.handle = handle
                return False
            self._write()
        return not self.is_ended_by_another

    def _write(self) -> None:
        raise NotImplementedError

    def commit(self) -> list[Effect]:
        """What the answer does."""
        before = self.was
        self.save()
        if before is not None and self.was is before and not self.is_former and self._is_stale(before):
            self._renew(before)
        return self.effects

    def _is_stale(self, was: Record) -> bool:
        return not self.is_passive and self.touched_at - was.seen_at >= REFRESH_AFTER

    def _renew(self, was: Record) -> None:
        raise NotImplementedError

    def _issue(self, record: Record) -> None:
        if self.record is None:
            record.handle = self.handle
        self.written.append(record)
        self.effects = [Cookie(record)]
        self.is_former = self.is_ended_by_another = False
        self._take(record)

    def _emptied(self) -> None:
        self.effects = [self._deletion()]
        self.is_former = self.is_ended_by_another = False
        self._take(None)


def _is_empty(record: Record) -> bool:
    return not record.data and record.user is None and record.csrf is None and not record.flashes


def _snapshot(record: Record | None) -> Record | None:
    """*record* as it is now, whatever becomes of it."""
    if record is None:
        return None
    return replace(record, data=copy.deepcopy(record.data), flashes=[*record.flashes])


class CookieRequest(Request):
    """All of the session is in the cookie: the answer alone says what became of it, and no request sees another's."""

    def _end(self) -> bool:
        return True

    def _write(self) -> None:
        made = self._over(self.was)
        if _is_empty(made):
            self._emptied()
        else:
            if self.was is not None and not self.is_regenerated:
                made.handle, made.id = self.was.handle, self.was.id
            self._issue(made)

    def _renew(self, was: Record) -> None:
        assert self.record is not None
        self.effects.append(Companion(self.record, max(was.seen_at, self.now())))


class StoredRequest(Request):
    """The cookie carries an id, and the record is every request's."""

    def _write(self) -> None:
        record, was = self.record, self.was
        if record is None or was is None:
            self._issue(self._over(None))
        elif self.is_former:
            self._write_under_former_id(was)
        elif record.has_ended or record.successor is not None:
            self._write_too_late(record, was)
        elif _is_empty(made := self._over(record)):
            record.has_ended = True
            self._emptied()
        elif self.needs_new_id:
            self._rotate(record, made)
        else:
            self._replace(record, made)

    def _write_under_former_id(self, was: Record) -> None:
        if self.login is not None:
            self._issue(self._over(was))
        elif self.needs_present_id() or not self.is_regenerated:
            raise Refused
        else:
            self._forget()

    def _write_too_late(self, record: Record, was: Record) -> None:
        """Another request has ended the session, or given it a new id, since this one has read it."""
        if self.login is not None:
            has_ended = record.has_ended and not self.is_over_another
            self._issue(self._over(None if has_ended else was))
        elif record.has_ended:
            self.effects = []
            self.is_ended_by_another = True
            self._take(None)
        elif self.is_regenerated and not self.needs_present_id():
            self.is_former = True
            self._forget()
        else:
            raise Refused

    def _rotate(self, record: Record, made: Record) -> None:
        if self.is_over_another:
            record.has_ended = True
        else:
            is_login = self.login is not None and self.was is not None and self.was.user is None
            record.supersede(made, Cause.LOGIN if is_login else Cause.OTHER, self.now())
        self._issue(made)

    def _replace(self, record: Record, made: Record) -> None:
        record.data, record.seen_at, record.version = made.data, made.seen_at, record.version + 1
        record.csrf, record.flashes = made.csrf, made.flashes
        self._take(record)

    def _renew(self, was: Record) -> None:
        record = self.record
        if record is not None and record.version == was.version and not record.has_ended:
            record.seen_at = max(record.seen_at, self.now())
            record.version += 1
