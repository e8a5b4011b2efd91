"""Stores of other packages under the shipped suite: the example, and some that break the contract."""

from __future__ import annotations

import inspect
import itertools
import pathlib
import secrets
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
import webtest

import sessionware.testing
from examples.custom_store import TableStore
from sessionware import SessionMiddleware, get_session
from sessionware.exceptions import RecordTooLarge
from sessionware.stores import AlreadyExists, Conflict, Entry, FileStore, Gone, MemoryStore, Store, Version
from sessionware.testing import FakeClock, StoreConformance
from sessionware.testing.conformance.fixtures import in_children, together
from sessionware.testing.conformance.suite import CAPABILITIES, new_key

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class TestTableStore(StoreConformance):
    without = ("purge", "close")

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: pathlib.Path) -> None:
        self.path = tmp_path / "visits.db"

    def make_store(self, clock: FakeClock) -> TableStore:
        return TableStore(str(self.path))


class FrugalStore(MemoryStore):
    """Takes no more than a kilobyte."""

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        if len(payload) > 1000:
            raise RecordTooLarge("too large")
        return super().create(key, payload, ttl)


class TestFrugalStore(StoreConformance):
    without = ("close", "reopen", "processes")

    def make_store(self, clock: FakeClock) -> FrugalStore:
        return FrugalStore(clock=clock)

    def test_a_reader_never_sees_half_a_payload(self, store: Store, key: str) -> None:
        """Its payloads are too large for this store."""


class PunctualStore(MemoryStore):
    """Never shows an entry past its end, as a server that removes them by itself."""

    def load(self, key: str) -> Entry | None:
        self.purge()
        return super().load(key)


class TestPunctualStore(StoreConformance):
    without = ("close", "reopen", "processes")

    def make_store(self, clock: FakeClock) -> PunctualStore:
        return PunctualStore(clock=clock)


class UpsertingStore(MemoryStore):
    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        try:
            return super().create(key, payload, ttl)
        except AlreadyExists:
            return super().replace(key, payload, ttl, self._entries[key].version)


class ForgivingStore(MemoryStore):
    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        entry = self.load(key)
        if entry is None:
            return super().create(key, payload, ttl)
        return super().replace(key, payload, ttl, entry.version)


class CountingStore(MemoryStore):
    """Its versions are small numbers, which begin again when a key is created again."""

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        super().create(key, payload, ttl)
        self._entries[key] = Entry(payload, 1)
        return 1


class MutableBytesStore(MemoryStore):
    def load(self, key: str) -> Entry | None:
        entry = super().load(key)
        return None if entry is None else Entry(bytearray(entry.payload), entry.version)  # type: ignore[arg-type]


class StrippingStore(MemoryStore):
    """Keeps no blanks and zeros at the end, as a column of a fixed width."""

    def load(self, key: str) -> Entry | None:
        entry = super().load(key)
        return None if entry is None else Entry(entry.payload.rstrip(b" \0"), entry.version)


class CuttingStore(MemoryStore):
    """Cuts off what is too long without a word, as some databases do."""

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        return super().replace(key, payload[:65535], ttl, version)


class CountingForItselfStore:
    """Between processes, but with versions that every object counts from 0."""

    def __init__(self, path: pathlib.Path) -> None:
        self.files = FileStore(path)
        self.numbers = itertools.count()

    def load(self, key: str) -> Entry | None:
        entry = self.files.load(key)
        return None if entry is None else Entry(entry.payload[1:], entry.payload[0])

    def create(self, key: str, payload: bytes, ttl: float | None) -> Version:
        number = next(self.numbers)
        self.files.create(key, bytes([number]) + payload, ttl)
        return number

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        entry = self.files.load(key)
        if entry is None:
            raise Gone
        if entry.payload[0] != version:
            raise Conflict
        number = next(self.numbers)
        self.files.replace(key, bytes([number]) + payload, ttl, entry.version)
        return number

    def delete(self, key: str) -> bool:
        return self.files.delete(key)


def test_the_suite_finds_a_store_whose_versions_come_back_in_another_process(tmp_path: pathlib.Path) -> None:
    def open_store() -> Store:
        return CountingForItselfStore(tmp_path / "files")

    with pytest.raises(pytest.fail.Exception, match="Conflict"):
        StoreConformance().test_a_version_never_comes_back_in_another_process(open_store(), new_key(), open_store)


class HastyStore(MemoryStore):
    """Loads what has expired, and does not replace it."""

    def replace(self, key: str, payload: bytes, ttl: float | None, version: Any) -> Version:
        expires_at = self._expiries.get(key)
        if expires_at is not None and expires_at <= self._clock():
            raise Gone
        return super().replace(key, payload, ttl, version)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        pytest.param(UpsertingStore, "test_create_never_overwrites", id="upsert"),
        pytest.param(ForgivingStore, "test_a_stale_version_never_replaces", id="stale-version"),
        pytest.param(ForgivingStore, "test_replace_never_brings_back_what_was_deleted", id="resurrection"),
        pytest.param(CountingStore, "test_a_version_never_comes_back_after_delete_and_create", id="version-again"),
        pytest.param(CountingStore, "test_the_version_of_a_former_life_does_not_replace", id="former-life"),
        pytest.param(MutableBytesStore, "test_bytes_come_back_exactly", id="not-bytes"),
        pytest.param(StrippingStore, "test_bytes_come_back_exactly", id="stripped"),
        pytest.param(CuttingStore, "test_a_replace_that_is_refused_for_its_size_leaves_what_was_there", id="cut-off"),
        pytest.param(HastyStore, "test_the_calls_agree_about_an_entry_past_its_end", id="calls-disagree"),
    ],
)
def test_the_suite_finds_a_store_that_breaks_the_contract(broken: type[MemoryStore], test: str) -> None:
    clock = FakeClock()
    store = broken(clock=clock)
    check = getattr(StoreConformance(), test)
    known = {"store": store, "clock": clock, "key": new_key(), "payload": b"payload \0", "ttl": 60.0}
    arguments = {name: known[name] for name in inspect.signature(check).parameters}

    with pytest.raises((AssertionError, AlreadyExists, Gone, pytest.fail.Exception)):
        check(**arguments)


def test_the_suite_names_what_it_skips(tmp_path: pathlib.Path) -> None:
    suite = """
        from sessionware.stores import MemoryStore
        from sessionware.testing import StoreConformance

        class TestMemory(StoreConformance):
            def make_store(self, clock):
                return MemoryStore(clock=clock)
    """
    (tmp_path / "test_memory.py").write_text(textwrap.dedent(suite))
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "."]

    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)

    assert result.returncode == 0, result.stdout
    assert all(CAPABILITIES[name] in result.stdout for name in ("close", "reopen", "processes"))
    assert CAPABILITIES["purge"] not in result.stdout


def test_a_suite_without_a_store_says_what_it_needs() -> None:
    with pytest.raises(NotImplementedError, match="make_store"):
        StoreConformance().make_store(FakeClock())


def test_the_suite_reports_what_fails_in_a_thread_or_a_child(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("in vain")

    with pytest.raises(ValueError, match="in vain"):
        together([fail])

    assert in_children([fail, str]) == [1, 0]
    assert "in vain" in capfd.readouterr().err


def test_the_clock_needs_no_pytest() -> None:
    script = "import sys, sessionware.testing as t; t.FakeClock().advance(1); sys.exit('pytest' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=200).returncode == 0


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="StoreConformity"):
        sessionware.testing.StoreConformity  # noqa: B018


def test_the_middleware_finds_the_example_by_its_dotted_path(tmp_path: pathlib.Path) -> None:
    def count_visits(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        get_session(environ).alter("visits", lambda number: number + 1, default=0)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d" % get_session(environ)["visits"]]

    config = {"backend": "examples.custom_store:TableStore", "backend.path": str(tmp_path / "visits.db")}
    browser = webtest.TestApp(SessionMiddleware(count_visits, config, secret=secrets.token_urlsafe(32)))

    bodies = [browser.get("/").body for _ in range(3)]

    assert bodies == [b"1", b"2", b"3"]
    assert (tmp_path / "visits.db").exists()
