"""A thief who can write into the store can end sessions, and nothing else: a planted record reads as no session."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgpack import ExtType, Packer
from msgpack import packb as pack
from security.tokens import fill, key_of
from support.actions import then
from support.browser import Site
from support.constants import NEW_SECRET, SECRET
from support.stores import RecordingStore

from sessionware import Session
from sessionware.crypto.keys import Keyring
from sessionware.crypto.sealing import RecordSealer
from sessionware.session.formats import Formats
from sessionware.session.records import Live
from sessionware.stores import KeyValueStore, MemoryStore
from sessionware.wire.serializer import Serializer

SPRUNG: list[str] = []


def spring(how: str) -> None:
    SPRUNG.append(how)


class Trap:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return spring, ("sprung",)


def test_the_trap_springs_when_it_is_unpickled() -> None:
    pickle.loads(pickle.dumps(Trap()))

    assert SPRUNG == ["sprung"]
    SPRUNG.clear()


def _of_nobody(site: Site, store: RecordingStore, key: str) -> bytes:
    """A record without a seal: a package that read it would let any writer of the store choose the user."""
    now = site.clock()
    packed = Serializer({}).dumps({"planted": 1})
    live = Live({"planted": 1}, packed, bytes(16), now, now, now, None, False, "admin")
    return Formats(Serializer({})).pack(live)


def _of_nobody_behind_a_head(site: Site, store: RecordingStore, key: str) -> bytes:
    sealed = _of_our_secret_and_no_record(site, store, key)
    return sealed[: len(sealed) - len(b"\0\x01anything")] + _of_nobody(site, store, key)


def _of_another_key(site: Site, store: RecordingStore, key: str) -> bytes:
    other = site.begin(lambda session: session.login("admin"))
    return store.held()[key_of(other)]


def _of_another_secret(site: Site, store: RecordingStore, key: str) -> bytes:
    return RecordSealer(Keyring([NEW_SECRET.encode()])).seal(b"anything", key)


def _of_our_secret_and_no_record(site: Site, store: RecordingStore, key: str) -> bytes:
    return RecordSealer(Keyring([SECRET.encode()])).seal(b"\0\x01anything", key)


def _of_one_hash(site: Site, store: RecordingStore, key: str) -> bytes:
    """An authentic record with a set of Decimals and floats of one hash, as only a bug of ours could write it."""
    number, modulus = hash(2.0**-1000), sys.hash_info.modulus
    spelt = [f"{number * pow(10, exponent, modulus) % modulus}E-{exponent}" for exponent in range(20, 150)]
    items = [pack(2.0 ** (61 * step - 1000)) for step in range(33)]
    items += [pack(ExtType(11, str(Decimal(text)).encode())) for text in spelt]
    data = pack({"set": ExtType(2, Packer().pack_array_header(len(items)) + b"".join(items))})
    payload = _of_nobody(site, store, key).replace(pack({"planted": 1}), data)
    return RecordSealer(Keyring([SECRET.encode()])).seal(payload, key)


Plant = Callable[[Site, RecordingStore, str], bytes]
PLANTS: list[tuple[str, str, Plant]] = [
    ("nothing", "malformed", lambda site, store, key: b""),
    ("text", "malformed", lambda site, store, key: b"garbage" * 20),
    ("zeros", "malformed", lambda site, store, key: bytes(200)),
    ("noise", "malformed", lambda site, store, key: b"\xff" + os.urandom(200)),
    ("JSON", "malformed", lambda site, store, key: json.dumps({"_user_id": "admin"}).encode()),
    ("pickle", "malformed", lambda site, store, key: pickle.dumps(Trap())),
    ("truncated", "malformed", lambda site, store, key: store.held()[key][:20]),
    ("half", "undecryptable", lambda site, store, key: store.held()[key][:60]),
    ("lengthened", "undecryptable", lambda site, store, key: store.held()[key] + b"\0"),
    ("another key's", "undecryptable", _of_another_key),
    ("another secret's", "unknown_key", _of_another_secret),
    ("no record", "malformed", _of_our_secret_and_no_record),
    ("of one hash", "malformed", _of_one_hash),
    ("unsealed", "malformed", _of_nobody),
    ("unsealed behind a head", "undecryptable", _of_nobody_behind_a_head),
]
PLANTED = [pytest.param(reason, plant, id=name) for name, reason, plant in PLANTS]


@pytest.mark.parametrize(("reason", "plant"), PLANTED)
def test_a_planted_record_reads_as_nothing(reason: str, plant: Plant, store: RecordingStore) -> None:
    """CVE-2013-7489 (Beaker), CVE-2026-7818 (pgAdmin): what was planted was unpickled, which runs code.

    CVE-2026-39324 (rack-session): what could not be decrypted was read as it stood.
    """
    site = Site(backend=store)
    value = site.begin(fill)
    store.plant(key_of(value), plant(site, store, key_of(value)))
    site.events.clear()

    reply = site.read(value)

    assert reply.status == 200
    assert reply.has_no_session
    assert reply.set_cookies == []
    assert site.rejections() == [reason]
    assert SPRUNG == []


@pytest.mark.parametrize(("reason", "plant"), PLANTED)
def test_writing_over_a_planted_record_begins_a_session_of_its_own(
    reason: str, plant: Plant, store: RecordingStore
) -> None:
    site = Site(backend=store)
    value = site.begin(fill)
    store.plant(key_of(value), plant(site, store, key_of(value)))
    planted = store.held()[key_of(value)]

    reply = site.request(lambda session: session.update(new=1), value)

    assert reply.cookie not in (None, value)
    assert site.read(reply.cookie).seen == {"new": 1}
    assert store.held()[key_of(value)] == planted


@pytest.mark.parametrize(("reason", "plant"), PLANTED)
def test_a_session_whose_record_no_key_opens_any_more_can_be_ended(
    reason: str, plant: Plant, store: RecordingStore
) -> None:
    site = Site(backend=store)
    value = site.begin(fill)
    planted = plant(site, store, key_of(value))

    def end(session: Session) -> None:
        store.plant(key_of(value), planted)
        session.invalidate()

    reply = site.request(then(dict, end), value)

    assert reply.status == 200
    assert reply.cookie == ""
    assert store.inner.load(key_of(value)) is None


@pytest.mark.parametrize(("reason", "plant"), PLANTED)
def test_a_change_to_a_session_whose_record_was_spoilt_meanwhile_goes_with_it(
    reason: str, plant: Plant, store: RecordingStore
) -> None:
    site = Site(backend=store)
    value = site.begin(fill)
    planted = plant(site, store, key_of(value))

    def write(session: Session) -> None:
        session["new"] = 1
        store.plant(key_of(value), planted)

    reply = site.request(write, value)

    assert reply.status == 200
    assert reply.set_cookies == []
    assert site.read(value).has_no_session


@pytest.mark.parametrize("change", ["login", "regenerate"])
@pytest.mark.parametrize(("reason", "plant"), PLANTED)
def test_a_new_id_for_a_session_whose_record_was_spoilt_meanwhile_brings_none_of_it_along(
    reason: str, plant: Plant, change: str, store: RecordingStore
) -> None:
    site = Site(backend=store)
    value = site.begin(fill)
    planted = plant(site, store, key_of(value))

    def rotate(session: Session) -> None:
        if change == "login":
            session.login("somebody")
        else:
            session.regenerate()
        store.plant(key_of(value), planted)

    reply = site.request(rotate, value)

    assert reply.status == 200
    after = site.read(reply.cookie)
    assert after.seen == {}
    assert after.user_id == ("somebody" if change == "login" else None)


@given(data=st.data())
def test_no_bytes_in_the_store_raise_or_open_anything(data: st.DataObject) -> None:
    store = RecordingStore(MemoryStore())
    site = Site(backend=store)
    value = site.begin(fill)
    whole = store.held()[key_of(value)]
    at = data.draw(st.integers(0, len(whole)))
    spoilt = data.draw(st.one_of(st.binary(max_size=200), st.binary(min_size=1).map(lambda tail: whole[:at] + tail)))
    store.plant(key_of(value), spoilt)

    reply = site.read(value)

    assert reply.status == 200
    assert reply.seen in ({}, {"kept": "as it was"} if spoilt == whole else {})
    assert reply.set_cookies == []


def test_no_bit_of_a_record_can_be_flipped() -> None:
    """CVE-2012-3458 (Beaker): parts of what was encrypted could be known or changed."""
    store = RecordingStore(MemoryStore())
    site = Site(backend=store)
    value = site.begin(fill)
    whole = store.held()[key_of(value)]

    for place in range(len(whole)):
        store.plant(key_of(value), whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])

        assert site.read(value).has_no_session, place


def test_a_record_of_a_removed_secret_reads_as_nothing_and_its_token_as_unknown(store: RecordingStore) -> None:
    value = Site(backend=store, secret=NEW_SECRET).begin(fill)
    both, new = Site(backend=store, secret=[SECRET, NEW_SECRET]), Site(backend=store)

    assert both.read(value).seen == {"kept": "as it was"}
    assert new.read(value).has_no_session
    assert new.rejections() == ["unknown_key"]


def test_the_superseded_record_of_a_former_id_cannot_be_copied_to_a_new_one(store: RecordingStore) -> None:
    site = Site(backend=store)
    former = site.begin(fill)
    value = site.request(lambda session: session.regenerate(), former).cookie
    assert value
    store.plant(key_of(value), store.held()[key_of(former)])

    assert site.read(value).has_no_session


def test_what_an_application_keeps_beside_the_sessions_is_none_of_them() -> None:
    """CVE-2011-4136 (Django): sessions and cache keys shared names, so that a visitor could choose what to load."""
    shared: dict[str, object] = {}
    site = Site(backend=KeyValueStore(shared))
    value = site.begin(fill)
    assert list(shared) == [f"sessionware-{key_of(value)}"]
    shared[f"sessionware-{key_of(value)}"] = b'{"user": "admin"}'

    reply = site.read(value)

    assert reply.has_no_session
    assert site.rejections() == ["unknown_id"]
