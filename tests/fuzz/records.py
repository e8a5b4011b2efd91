"""Any record sealed with our own key: a session that can be used, an empty new one, or SessionDataError."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable
from typing import Any

from fuzz.choices import Choices
from fuzz.values import SINGLE, wild_value
from msgspec.structs import astuple
from support.browser import Site
from support.constants import COOKIE, NEW_SECRET, SECRET

from sessionware import Session
from sessionware.crypto.identifiers import handle_of, store_key
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSealer, CookieSigner, RecordSealer
from sessionware.exceptions import ConflictError, SessionDataError
from sessionware.session.formats import Formats
from sessionware.session.records import Cause, Live, Superseded
from sessionware.stores import MemoryStore
from sessionware.testing import FakeClock
from sessionware.wire.serializer import Malformed, Serializer

_TOKEN = bytes(range(32))
_KEY = store_key(handle_of(_TOKEN))
_SUCCESSOR = store_key(handle_of(bytes(32)))
_KEYRING = Keyring([SECRET.encode()])
_DATA_FIELDS = 2
_LENGTH_BYTES = 4
_PAIR = b"\x92"


class _Kit:
    """Two sites, and records of each kind that they would write."""

    def __init__(self) -> None:
        clock = FakeClock()
        self.in_cookie = Site("cookie", clock)
        self.in_store = Site(MemoryStore(clock=clock), clock)
        self.serializer = serializer = Serializer({})
        self.formats = Formats(serializer)
        data, now = {"cart": [1, 2], "theme": "dark"}, clock()
        times = (now - 60, now - 60, now - 1, now + 3600)
        live = Live(data, serializer.dumps(data), handle_of(_TOKEN), *times)
        signed_in = Live(data, serializer.dumps(data), handle_of(_TOKEN), *times, True, "ada", "a phone", bytes(32))
        signed_in.flashes = [serializer.dumps([b"mark", "info", "hello"])]
        former = Superseded(signed_in, _SUCCESSOR, Cause.LOGIN, now + 5)
        self.records: tuple[Live | Superseded, ...] = (live, signed_in, former)
        self.sealed = CookieSealer(_KEYRING, COOKIE)
        self.token = CookieSigner(_KEYRING, Purpose.TOKEN_SIGN, COOKIE).sign(_TOKEN)
        self.sealed_records = RecordSealer(_KEYRING)

    def plant(self, payload: bytes) -> None:
        """Put *payload* into a store in which nothing else is but what a superseded record leads to."""
        store = self.in_store.store
        for key in (_KEY, _SUCCESSOR, *store.keys):
            store.inner.delete(key)
        store.reset()
        store.keys.clear()
        store.plant(_KEY, self.sealed_records.seal(payload, _KEY))
        store.plant(_SUCCESSOR, self.sealed_records.seal(self.formats.pack(self.records[0]), _SUCCESSOR))


@functools.cache
def _kit() -> _Kit:
    return _Kit()


def check(data: bytes) -> None:
    choices, kit = Choices(data), _kit()
    payload = _payload(choices, kit) or b"\0"
    for unpack in (kit.formats.unpack, kit.formats.unpack_without_data):
        with contextlib.suppress(Malformed, SessionDataError):
            unpack(payload)
    use = choices.one_of(_USES)
    if not _leads_to_its_data(kit, payload):
        use = _USES[0]
    kit.plant(payload)
    _check_used(kit.in_store, kit.token, use)
    _check_used(kit.in_cookie, kit.sealed.seal(payload), use)


def _leads_to_its_data(kit: _Kit, payload: bytes) -> bool:
    """Whether the place at which *payload* says that its data begins is that place; a load does not look."""
    start = _LENGTH_BYTES + 1 + int.from_bytes(payload[:_LENGTH_BYTES], "big")
    try:
        return bool(kit.serializer.loads(payload[_LENGTH_BYTES:])[1] == kit.serializer.loads(payload[start:]))
    except (Malformed, SessionDataError, LookupError, TypeError):
        return False


def _payload(choices: Choices, kit: _Kit) -> bytes:
    kind = choices.below(3)
    if kind == 0:
        return choices.rest()
    record = choices.one_of(kit.records)
    if kind == 1:
        return choices.edited(kit.formats.pack(record))
    return _with_wild_fields(choices, kit, record)


def _with_wild_fields(choices: Choices, kit: _Kit, record: Live | Superseded) -> bytes:
    """A record in the right format, a few of whose fields have any value."""
    live = record if isinstance(record, Live) else record.was
    header: list[Any] = [1 if isinstance(record, Live) else 2, *astuple(live)[_DATA_FIELDS:]]
    if isinstance(record, Superseded):
        header += [record.next_key, record.cause.value, record.until]
    for _ in range(choices.below(4)):
        field = choices.below(len(header))
        header[field] = wild_value(choices)
    data: Any = live.data
    if choices.below(4) == 0:
        data = wild_value(choices)
    try:
        head, packed = kit.serializer.dumps(header), kit.serializer.dumps([data])[1:]
    except SessionDataError:
        return b""
    return len(head).to_bytes(_LENGTH_BYTES, "big") + _PAIR + head + packed


def _check_used(site: Site, value: str, use: Any) -> None:
    site.events.clear()
    try:
        answer = site.request(_looking(use), value)
    except (SessionDataError, ConflictError):
        return
    assert answer.status in (200, 409), answer.body
    assert answer.is_new or site.event("loaded")


def _looking(use: Any) -> Any:
    def run(session: Session) -> None:
        looked = (session.id, session.created_at, session.last_seen_at, session.expires_at, session.modified)
        assert None not in looked[:-2]
        assert repr(session)
        assert all(type(key) is str for key in session)
        use(session)

    return run


def _login(session: Session) -> None:
    session.login("bob")


def _write(session: Session) -> None:
    session["written"] = 1


def _write_and_save(session: Session) -> None:
    session["written"] = 1
    assert session.save() in (True, False)


def _remember(session: Session) -> None:
    session.remember("30d")


def _flash(session: Session) -> None:
    session.flash("saved")
    assert ("message", "saved") in session.pop_flashes("message")


def _check_token(session: Session) -> None:
    assert session.verify_csrf(session.csrf_token)


_USES = (
    lambda session: None, _write, _write_and_save, _login, _remember, Session.regenerate, Session.invalidate,
    Session.revert, _flash, Session.pop_flashes, _check_token,
)  # fmt: skip


def seeds() -> Iterable[bytes]:
    """Each record as it is, and with each field of another type, and used in each way; and one of another program."""
    for record in range(3):
        for use in range(len(_USES)):
            yield bytes([1, record, 0, use])
        for field in range(1, 15):
            for value in range(len(SINGLE)):
                yield bytes([2, record, 1, field, 0, value, 1, field % len(_USES)])
    yield b"\0" + NEW_SECRET.encode()
