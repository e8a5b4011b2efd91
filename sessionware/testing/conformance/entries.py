"""The tests of the store suite that need one caller: what the four methods return, versions, payloads and time."""

from __future__ import annotations

import contextlib

import pytest

from sessionware.exceptions import AlreadyExists, Conflict, Gone, RecordTooLarge
from sessionware.stores.contract import Entry, Store, Version
from sessionware.testing.clock import FakeClock
from sessionware.testing.conformance.fixtures import YEAR, StoreFixtures, loaded, new_key


class EntryTests(StoreFixtures):
    """What ``load``, ``create``, ``replace`` and ``delete`` return and raise for one caller."""

    # The four methods

    def test_it_has_the_four_methods_of_a_store(self, store: Store) -> None:
        assert isinstance(store, Store)

    def test_nothing_is_loaded_where_nothing_is(self, store: Store, key: str) -> None:
        assert store.load(key) is None

    def test_what_was_created_is_loaded(self, store: Store, key: str) -> None:
        version = store.create(key, b"payload", 60)

        entry = store.load(key)

        assert entry == Entry(b"payload", version)

    def test_create_never_overwrites(self, store: Store, key: str) -> None:
        version = store.create(key, b"the victim's", 60)

        with pytest.raises(AlreadyExists):
            store.create(key, b"the intruder's", 60)

        assert store.load(key) == Entry(b"the victim's", version)

    def test_what_was_replaced_is_loaded(self, store: Store, key: str) -> None:
        version = store.create(key, b"old", 60)

        new_version = store.replace(key, b"new", 60, version)

        assert store.load(key) == Entry(b"new", new_version)

    def test_the_version_that_was_loaded_replaces(self, store: Store, key: str) -> None:
        store.create(key, b"old", 60)
        entry = loaded(store, key)

        store.replace(key, b"new", 60, entry.version)

        assert loaded(store, key).payload == b"new"

    def test_a_stale_version_never_replaces(self, store: Store, key: str) -> None:
        stale = store.create(key, b"first", 60)
        version = store.replace(key, b"second", 60, stale)

        with pytest.raises(Conflict):
            store.replace(key, b"late", 60, stale)

        assert store.load(key) == Entry(b"second", version)

    def test_replace_never_creates(self, store: Store, key: str) -> None:
        version = store.create(new_key(), b"elsewhere", 60)

        with pytest.raises(Gone):
            store.replace(key, b"payload", 60, version)

        assert store.load(key) is None

    def test_replace_never_brings_back_what_was_deleted(self, store: Store, key: str) -> None:
        version = store.create(key, b"payload", 60)
        store.delete(key)

        with pytest.raises(Gone):
            store.replace(key, b"late", 60, version)

        assert store.load(key) is None

    def test_delete_removes_and_says_so(self, store: Store, key: str) -> None:
        store.create(key, b"payload", 60)

        answers = store.delete(key), store.delete(key)

        assert answers == (True, False)
        assert store.load(key) is None

    def test_create_succeeds_after_a_delete(self, store: Store, key: str) -> None:
        store.create(key, b"old", 60)
        store.delete(key)

        store.create(key, b"new", 60)

        assert loaded(store, key).payload == b"new"

    def test_keys_do_not_touch_each_other(self, store: Store) -> None:
        keys = ["-" * 43, "_" * 43, "a" * 43, "A" * 43, "0" * 43]
        for key in keys:
            store.delete(key)

        for key in keys:
            store.create(key, key.encode(), 60)

        assert [loaded(store, key).payload for key in keys] == [key.encode() for key in keys]
        assert [store.delete(key) for key in keys] == [True] * len(keys)

    # Versions

    @pytest.mark.parametrize("ttl", [pytest.param(60, id="the-same-end"), pytest.param(None, id="no-end")])
    def test_the_version_that_a_write_returns_is_the_one_that_is_loaded(
        self, store: Store, key: str, clock: FakeClock, ttl: float | None
    ) -> None:
        version = store.create(key, b"payload", ttl)

        for _ in range(5):
            assert store.load(key) == Entry(b"payload", version)
            assert hash(version) == hash(loaded(store, key).version)
            clock.advance(1)
            version = store.replace(key, b"payload", ttl, version)

    def test_every_write_has_a_version_of_its_own(self, store: Store, key: str) -> None:
        versions = [store.create(key, b"same", 60)]

        for _ in range(20):
            versions.append(store.replace(key, b"same", 60, versions[-1]))

        assert len(set(versions)) == 21

    def test_a_version_never_comes_back_after_delete_and_create(self, store: Store, key: str) -> None:
        versions: set[Version] = set()

        for _ in range(20):
            versions.add(store.create(key, b"same", 60))
            store.delete(key)

        assert len(versions) == 20

    def test_the_version_of_a_former_life_does_not_replace(self, store: Store, key: str) -> None:
        former = store.create(key, b"same", 60)
        store.delete(key)
        store.create(key, b"same", 60)

        with pytest.raises(Conflict):
            store.replace(key, b"late", 60, former)

        assert loaded(store, key).payload == b"same"

    # Payloads

    @pytest.mark.parametrize(
        "payload",
        [
            pytest.param(b"", id="empty"),
            pytest.param(bytes(range(256)), id="every-byte"),
            pytest.param(b"\x00" * 1000, id="zeros"),
            pytest.param(b"\r\n\r\nEND 1'; DROP TABLE sessions; --", id="text-of-a-protocol"),
            pytest.param(bytes(range(255, -1, -1)) * 400, id="100-kilobytes"),
            pytest.param(bytes(range(256)) * 8192, id="2-megabytes"),
            pytest.param(b"\xff\xfe\x80 \xc3\x28", id="no-utf-8"),
            pytest.param(b" \t\n payload \0\0", id="blanks-and-zeros-around"),
        ],
    )
    def test_bytes_come_back_exactly(self, store: Store, key: str, payload: bytes) -> None:
        try:
            created = Entry(payload, store.create(key, payload, 60))
        except RecordTooLarge:
            # A store may have a limit; it must then store nothing, not even a part.
            assert store.load(key) is None
            return

        found = loaded(store, key)
        replaced = Entry(payload, store.replace(key, payload, 60, created.version))
        found_again = loaded(store, key)

        assert (found, found_again) == (created, replaced)
        assert type(found.payload) is bytes
        assert type(found_again.payload) is bytes

    def test_a_replace_that_is_refused_for_its_size_leaves_what_was_there(self, store: Store, key: str) -> None:
        version = store.create(key, b"old", 60)
        payload = bytes(range(256)) * 8192

        try:
            replaced = store.replace(key, payload, 60, version)
        except RecordTooLarge:
            assert store.load(key) == Entry(b"old", version)
        else:
            assert store.load(key) == Entry(payload, replaced)

    # Time

    def test_an_entry_stays_until_its_end(self, store: Store, key: str, clock: FakeClock) -> None:
        store.create(key, b"payload", 60)

        clock.advance(59)

        assert loaded(store, key).payload == b"payload"

    def test_an_entry_without_an_end_stays(self, store: Store, key: str, clock: FakeClock) -> None:
        version = store.create(key, b"payload", None)
        clock.advance(10 * YEAR)

        store.replace(key, b"changed", None, version)
        clock.advance(10 * YEAR)

        assert loaded(store, key).payload == b"changed"

    def test_a_replace_gives_a_new_end(self, store: Store, key: str, clock: FakeClock) -> None:
        version = store.create(key, b"payload", 60)
        clock.advance(50)

        version = store.replace(key, b"payload", 60, version)
        clock.advance(50)

        assert store.load(key) == Entry(b"payload", version)

    @pytest.mark.parametrize("ttl", [pytest.param(0.001, id="millisecond"), pytest.param(90.5, id="fraction")])
    def test_the_calls_agree_about_an_entry_past_its_end(
        self, store: Store, key: str, clock: FakeClock, ttl: float
    ) -> None:
        version = store.create(key, b"payload", ttl)
        clock.advance(ttl + 1)

        if store.load(key) is not None:
            # A server with a clock of its own may drop the entry between the two calls.
            with contextlib.suppress(Gone):
                store.replace(key, b"another", 60, version)
        if store.load(key) is None:
            store.create(key, b"another", 60)

        assert loaded(store, key).payload == b"another"

    def test_a_lifetime_of_years_is_taken(self, store: Store, key: str, clock: FakeClock) -> None:
        store.create(key, b"payload", 5 * YEAR)

        clock.advance(4 * YEAR)

        assert loaded(store, key).payload == b"payload"
