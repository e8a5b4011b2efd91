"""The sessions of another package, by what an importer reads of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, Protocol

from sessionware.backends.former import Arrival, FormerRequest, identity_of, mark_of
from sessionware.cookies.header import CookieSettings
from sessionware.cookies.request import CookieContext, Cookies, WarnedOnce
from sessionware.crypto import csrf
from sessionware.crypto.identifiers import HANDLE_BYTES
from sessionware.events import Decision, rejection
from sessionware.exceptions import SessionDataError
from sessionware.protocol.users import Users
from sessionware.session.flashes import FLASH_MARK_BYTES, pack_flash
from sessionware.session.formats import EARLIEST_SECONDS
from sessionware.session.lifetimes import MAX_SECONDS, Lifetimes
from sessionware.session.login import check_user_id
from sessionware.session.records import Found, Live
from sessionware.wire.serializer import Serializer

#: The key under which Flask-Login keeps the user's id.
USER_KEY = "_user_id"
_DROPPED = "of an imported session the values of %s cannot be read, and are dropped"
#: A client that sends many cookies must not make one request into many look-ups.
_MAX_VALUES = 4


class Unreadable(Exception):
    """A cookie or a record is none that the importer takes; ``reason`` is that of the event ``rejected``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A session of another package: its data, and the times that it had, in seconds since the epoch.

    ``began_at`` is the latest moment at which its user can have signed in, if the package tells one, and ``created_at``
    the one at which the session began, if that is known apart from it. What ``is_permanent`` lives until ``ends_at``,
    whatever the timeouts are. ``flashes`` are pairs of category and message, oldest first, and ``csrf_token`` is the
    token that stands in open forms, of a package that does not keep them among the data. ``unreadable`` are the keys
    whose values cannot be read. ``reference`` finds the record in its store, and is empty for a session that is all in
    the cookie. Such a one may have an ``identifier`` of its own; or it ``is_unique`` if no other browser can have the
    same cookie, as where a random token is in it.
    """

    data: dict[str, Any] = field(repr=False)
    began_at: float | None
    ends_at: float | None
    is_permanent: bool = False
    flashes: Sequence[tuple[str, Any]] = ()
    unreadable: tuple[str, ...] = ()
    reference: bytes = field(default=b"", repr=False)
    identifier: bytes = field(default=b"", repr=False)
    is_unique: bool = False
    created_at: float | None = None
    csrf_token: str | None = field(default=None, repr=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is no session in it."""
        return not self.data and not self.flashes and self.csrf_token is None


class Importer(Protocol):
    """Reads the sessions of another package, until the moment ``until``, from the cookie of these settings.

    Of the ``cookie`` the name, the Domain and the Path count.
    """

    until: float
    cookie: CookieSettings
    #: The key of the data that says who the user is; ``None`` for the one of the option ``user_key``, or Flask-Login's.
    user_key: str | None

    def read(self, value: str, now: float) -> Imported | None:
        """The session that the cookie *value* stands for, or ``None`` if there is none.

        Raises :exc:`Unreadable`, and :exc:`StoreUnavailable` if its store cannot answer.
        """
        ...

    def has(self, reference: bytes) -> bool:
        """Whether the record of this reference is still there."""
        ...

    def delete(self, reference: bytes) -> None:
        """Delete the record of this reference. Raises :exc:`StoreUnavailable`."""
        ...


class WithoutRecord:
    """What importers have in common whose sessions are all in their cookies."""

    def has(self, reference: bytes) -> bool:
        return False

    def delete(self, reference: bytes) -> None:
        """There is nothing but the cookie."""


class ImportedSessions:
    """The sessions that *importer* reads, as former sessions, with the attributes of the *present* cookie.

    Both timeouts begin with the take-over: other packages do not say when a user was seen, and have other limits. A
    session is never renewed where it is: old workers do that by themselves.
    """

    users: Users | None = None

    def __init__(
        self,
        importer: Importer,
        *,
        serializer: Serializer,
        present: CookieSettings,
        lifetimes: Lifetimes,
        user_key: str | None,
    ) -> None:
        self.mark = mark_of(type(importer).__name__, *importer.cookie.scope)
        self.until = importer.until
        self.cookie = importer.cookie
        self._importer = importer
        self._serializer = serializer
        self._lifetimes = lifetimes
        self._warned = WarnedOnce()
        self._user_key = importer.user_key or user_key or USER_KEY
        name, domain, path = importer.cookie.name, importer.cookie.domain, importer.cookie.path
        # Browsers delete it by an answer to which they would keep ours.
        cookie = replace(present, name=name, domain=domain, path=path, prefix="")
        self._cookies: dict[bool, Cookies[None]] = {
            secure: Cookies(replace(cookie, secure=secure), lambda name: None) for secure in (True, False)
        }

    def cookies(self, present: CookieContext[Any]) -> Cookies[None]:
        return self._cookies[present.is_secure]

    def load(
        self, request: FormerRequest, touched_at: float, *, has_data: bool
    ) -> tuple[Arrival | None, Sequence[Decision]]:
        rejected: list[Decision] = []
        for value in request.cookie.candidates()[:_MAX_VALUES]:
            try:
                imported = self._importer.read(value, touched_at)
            except Unreadable as error:
                rejected.append(rejection(error.reason))
                continue
            reason = "unknown_id" if imported is None else self._fault_of(imported, touched_at)
            if imported is not None and reason is None:
                return self._arrival(request, imported, value, touched_at), rejected
            rejected.append(rejection(reason or "unknown_id"))
        return None, rejected

    def _fault_of(self, imported: Imported, now: float) -> str | None:
        times = (imported.began_at, imported.created_at, imported.ends_at)
        # No record holds a NaN, which no comparison finds too old, nor an int that is no float.
        if not all(EARLIEST_SECONDS <= time <= MAX_SECONDS for time in times if time is not None):
            return "malformed"
        not_before, signed_in_at = self._lifetimes.not_before, imported.created_at or imported.began_at or 0
        if not_before is not None and signed_in_at < not_before:
            return "revoked"
        return None if imported.ends_at is None or now < imported.ends_at else "too_old"

    def _arrival(self, request: FormerRequest, imported: Imported, value: str, now: float) -> Arrival:
        data, dropped = self._storable(imported)
        user_id = self._user_id(data)
        login = identity_of(user_id)
        # Of a session in its cookie only the value tells which it is; a record keeps its reference over a login.
        named = imported.reference or imported.identifier
        seed = sha256(named or value.encode()).digest() + login
        signed_in_at = imported.created_at or imported.began_at
        record = Live(
            data,
            self._serializer.dumps(data),
            sha256(self.mark + seed).digest()[:HANDLE_BYTES],
            created_at=now if signed_in_at is None else min(signed_in_at, now),
            started_at=now,
            seen_at=now,
            ends_at=None if imported.ends_at is None else float(imported.ends_at),
            is_remembered=imported.is_permanent,
            user_id=user_id,
            csrf=None if imported.csrf_token is None else csrf.secret_of_another(imported.csrf_token),
            flashes=self._flashes(imported, seed),
            signed_in_at=0.0 if signed_in_at is None else min(signed_in_at, now),
        )
        return Arrival(
            Found(record, value),
            request,
            login,
            seed,
            imported.reference,
            imported.began_at,
            events=tuple(Decision("discarded", record, "unreadable") for _ in dropped),
            is_unique=imported.is_unique or bool(named),
        )

    def _flashes(self, imported: Imported, seed: bytes) -> list[bytes]:
        """The flashes as they are stored, those that a session can hold; the same bytes at each request."""
        packed = []
        for number, (category, message) in enumerate(imported.flashes):
            mark = sha256(seed + number.to_bytes(4, "big")).digest()[:FLASH_MARK_BYTES]
            with suppress(SessionDataError):
                packed.append(pack_flash(self._serializer, message, category, mark=mark))
        return packed

    def _storable(self, imported: Imported) -> tuple[dict[str, Any], list[str]]:
        """The data that a session can hold, and the keys of what it cannot."""
        data, dropped = {}, list(imported.unreadable)
        for key, value in imported.data.items():
            try:
                self._serializer.check(key, value)
            except SessionDataError:
                dropped.append(key)
            else:
                data[key] = value
        if dropped:
            # As literals, so that no key breaks the line.
            self._warned.warn_of(", ".join(map(repr, sorted(dropped))), _DROPPED)
        return data, dropped

    def _user_id(self, data: Mapping[str, Any]) -> str | int | None:
        user_id = data.get(self._user_key)
        try:
            check_user_id(user_id, "import")
        except SessionDataError:
            return None
        return user_id

    def stands(self, reference: bytes) -> bool:
        return self._importer.has(reference)

    def renew(self, arrival: Arrival) -> tuple[Live, tuple[str, ...]]:
        return arrival.found.record, ()

    def end(self, reference: bytes) -> None:
        if reference:
            self._importer.delete(reference)
