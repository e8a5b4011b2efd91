"""Sessions that Beaker itself has made are taken over, from each of its stores and from its data cookie."""

from __future__ import annotations

import hmac
import pickle
import time
import zlib
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import beaker.crypto.noencryption  # type: ignore[import-untyped]
import beaker.session  # type: ignore[import-untyped]
import pymemcache  # type: ignore[import-untyped]
import pytest
import redis
from importers.moves import MovingJar
from support.actions import call, login, member, put
from support.browser import Browser, Site
from support.constants import COOKIE
from support.fleet import Jar, Losses, OurWorker, run
from support.former_beaker import BEAKER_SECRET, USER_KEY, BeakerWorker
from support.places import IS_SOAK
from support.stores import RecordingStore

from sessionware import ConfigError
from sessionware.importers.beaker import BeakerCookieSessions, StoredBeakerSessions
from sessionware.importers.beaker_files import BeakerDBM, BeakerFiles
from sessionware.importers.pickled import PickledBeakerCookieSessions, PickledStoredBeakerSessions
from sessionware.importers.records import MemcachedRecords, Record, RedisRecords, SQLRecords
from sessionware.testing import FakeClock

# Beaker's own calls of redis-py.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

DAY = 86400.0
VALIDATE_KEY = "a key that has validated"
ENCRYPT_KEY = "a key that has encrypted"
STORED = ["file", "dbm", "redis", "memcached", "database"]
#: A kind of sessions, and the serializer.
KINDS = [
    *((kind, "json") for kind in STORED),
    ("cookie", "json"),
    *((kind, "pickle") for kind in STORED),
    ("cookie", "pickle"),
]
#: What concerns a fleet is the same with each store: whether there is a record, and an id in the cookie.
FLEETS = KINDS if IS_SOAK else [("file", "json"), ("redis", "pickle"), ("cookie", "json")]


class Kind(NamedTuple):
    """One kind of Beaker's sessions: its options, what reads its records, and its importer."""

    options: dict[str, Any]
    records: Any
    importer: Callable[..., Any]


class Move:
    """A worker of Beaker's, and a site that takes its sessions over."""

    def __init__(self, kind: Kind, backend: Any, **importer: Any) -> None:
        self.clock = FakeClock(time.time())
        self.old = BeakerWorker(kind.options)
        self.records = kind.records
        self.importer = kind.importer(until=self.clock() + 30 * DAY, user_key=USER_KEY, **importer)
        self.new = Site(backend, self.clock, import_from=[self.importer])
        self.jar = MovingJar(self.new)
        self.browser, self.ask = self.jar.browser, self.jar.ask


def _kind(request: pytest.FixtureRequest, name: str, serializer: str, directory: Path) -> Kind:
    options = {"data_serializer": serializer, "auto": False}
    if name == "cookie":
        cookies = BeakerCookieSessions if serializer == "json" else PickledBeakerCookieSessions
        return Kind(
            {**options, "type": "cookie", "validate_key": VALIDATE_KEY},
            None,
            lambda **named: cookies(VALIDATE_KEY, **named),
        )
    stored = StoredBeakerSessions if serializer == "json" else PickledStoredBeakerSessions
    own, records = _place(request, name, directory)
    return Kind(
        {**options, **own, "secret": BEAKER_SECRET},
        records,
        lambda **named: stored(records, secret=BEAKER_SECRET, **named),
    )


def _place(request: pytest.FixtureRequest, name: str, directory: Path) -> tuple[dict[str, Any], Any]:
    """The options of Beaker for a store, and what reads that."""
    if name == "redis":
        client = redis.Redis.from_url(request.getfixturevalue("redis_server").url)
        request.addfinalizer(client.close)
        return {"type": "ext:redis", "url": client}, RedisRecords(client)
    if name == "memcached":
        host = request.getfixturevalue("memcached_server").url.partition("://")[2]
        client = pymemcache.Client(host, no_delay=True)
        request.addfinalizer(client.close)
        own = {"type": "ext:memcached", "url": host, "memcache_module": "memcache", "lock_dir": str(directory)}
        return own, MemcachedRecords(client)
    if name == "database":
        url = f"sqlite:///{directory}/former.db"
        records = SQLRecords(url, "beaker_cache", key="namespace", end=None)
        request.addfinalizer(records._engine.dispose)
        return {"type": "ext:database", "url": url, "lock_dir": str(directory)}, records
    own = {"type": name, "data_dir": str(directory)}
    return own, BeakerFiles(directory) if name == "file" else BeakerDBM(directory)


Maker = Callable[..., Move]


@pytest.fixture(params=KINDS, ids="-".join)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Maker:
    name, serializer = request.param
    kind = _kind(request, name, serializer, tmp_path)

    def make_move(more: dict[str, Any] | None = None, backend: Any = None, **importer: Any) -> Move:
        return Move(kind._replace(options={**kind.options, **(more or {})}), backend or RecordingStore(), **importer)

    return make_move


@pytest.fixture
def move(make: Maker) -> Move:
    return make()


def test_a_session_comes_along_with_its_user_and_its_data_and_without_beakers_own_keys(move: Move) -> None:
    values = {"user": "ada", "list": [1, {"a": None}], "text": "žluť", "number": 1.5, "true": True}
    move.old.put(move.jar, **values)

    move.browser().send(put(more=1))

    assert move.browser().data() == {**values, "more": 1}
    assert move.ask("user_id") == "ada"


def test_it_began_when_it_began_with_beaker(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    _set_clock(monkeypatch, move.clock)
    began_at = move.clock()
    move.old.log_in(move.jar, "ada")
    move.clock.advance(1000)
    move.old.write(move.jar)

    move.browser().send(put(more=1))

    assert move.ask("created_at").timestamp() == pytest.approx(began_at, abs=1)


def _set_clock(monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    monkeypatch.setattr(beaker.session, "time", SimpleNamespace(time=clock, strftime=time.strftime))


def test_what_beaker_would_find_expired_is_not_taken_over(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    move = make({"timeout": 1000}, timeout=1000)
    _set_clock(monkeypatch, move.clock)
    move.old.log_in(move.jar, "ada")
    move.clock.advance(900)
    assert move.old.who(move.jar) == "ada"

    move.clock.advance(900)
    assert move.ask("user_id") == "ada"
    move.clock.advance(200)

    assert move.ask("user_id") is None
    assert move.new.rejections() == ["idle"]
    assert move.old.who(move.jar) is None


@pytest.mark.parametrize("nonce_bits", [48, 128])
def test_encrypted_sessions_are_read_and_those_of_another_key_are_not(make: Maker, nonce_bits: int) -> None:
    keys = {"validate_key": VALIDATE_KEY, "encrypt_key": ENCRYPT_KEY}
    move = make({**keys, "encrypt_nonce_bits": nonce_bits}, **_importers(make, keys, nonce_bits))
    move.old.log_in(move.jar, "ada")

    assert move.ask("user_id") == "ada"
    other = make({**keys}, **_importers(make, {**keys, "encrypt_key": "another key"}, nonce_bits))

    assert other.new.ask(member("user_id"), move.jar.cookies).result is None
    assert other.new.rejections() == ["undecryptable"]


def _importers(make: Maker, keys: dict[str, str], nonce_bits: int) -> dict[str, Any]:
    """The parameters of the importer: one of data cookies has its validate_key already."""
    is_cookie = isinstance(make().importer, BeakerCookieSessions)
    given = {"encrypt_key": keys["encrypt_key"]} if is_cookie else dict(keys)
    return {**given, "encrypt_nonce_bits": nonce_bits}


def test_what_beaker_has_encrypted_with_pycryptodome_is_read() -> None:
    """A cookie that Beaker 1.14.1 and pycryptodome have made, which is not installed beside the tests."""
    value = (
        "53649bdc478b67513742cfcb954821036c9ba479pFgNWoyuSEIe0rkbsNikHQ==8GohZfAhF+MzoL8L2rh47JNLjeVuFP9LqtwTfNQwrKPQ"
        "qbx9ZKoLUCAvjRtHYRZdZXw4bi+HBwK7O2DipR8WXnpM2YM6ubK1j/dKEKTsKbNYEImEH7BJtNjH1nHAkG9HL5H41PTDVqyWo7TCHvE1VedM"
        "ea/MgKT8opJn75SOgqieiNrLlQ=="
    )
    importer = BeakerCookieSessions(
        VALIDATE_KEY, encrypt_key=ENCRYPT_KEY, crypto_type="pycryptodome", until=time.time() + DAY, user_key=None
    )

    data = Site("memory", import_from=importer).ask(dict, {"beaker.session.id": f'"{value}"'}).result

    assert data == {"user": "ada", "n": [1, 2]}


def test_what_beaker_could_not_encrypt_is_read_where_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(beaker.crypto.CRYPTO_MODULES, "default", beaker.crypto.noencryption)
    keys: dict[str, Any] = {"validate_key": VALIDATE_KEY, "encrypt_key": ENCRYPT_KEY}
    old, jar = BeakerWorker({"data_dir": str(tmp_path), "data_serializer": "json", **keys}), Jar()
    old.log_in(jar, "ada")

    importer = StoredBeakerSessions(
        BeakerFiles(tmp_path), **keys, crypto_type="none", until=time.time() + DAY, user_key=None
    )

    assert Site("memory", import_from=importer).ask(dict, jar.cookies).result == {"user": "ada"}


@pytest.mark.parametrize("value", ["", "x", "0" * 40, "a" * 72, "é" * 50, "ž" * 50, "a" * 5000, '"'])
def test_what_beaker_has_not_signed_is_rejected(move: Move, value: str) -> None:
    move.jar.cookies["beaker.session.id"] = value

    assert move.ask("user_id") is None
    assert move.new.rejections() == ["bad_signature"]


def test_a_fallback_of_the_secret_opens_a_cookie_and_another_one_does_not(tmp_path: Path) -> None:
    files, until = BeakerFiles(tmp_path), time.time() + DAY
    old, jar = BeakerWorker({"data_dir": str(tmp_path), "secret": BEAKER_SECRET, "data_serializer": "json"}), Jar()
    old.log_in(jar, "ada")

    def user_with(secret: Any) -> Any:
        importer = StoredBeakerSessions(files, secret=secret, until=until, user_key=USER_KEY)
        return Site("memory", import_from=importer).ask(member("user_id"), jar.cookies).result

    assert user_with(["a new secret", BEAKER_SECRET]) == "ada"
    assert user_with("a new secret") is None


@pytest.mark.parametrize("value", ["../../etc/passwd", "a" * 31, "A" * 32, "a" * 65, "a/" * 20, "é" * 32])
def test_what_is_no_id_is_rejected_and_not_looked_for(tmp_path: Path, value: str) -> None:
    importer = StoredBeakerSessions(BeakerFiles(tmp_path), until=time.time() + DAY, user_key=None)
    site = Site("memory", import_from=importer)

    site.ask(member("user_id"), {"beaker.session.id": value})

    assert site.rejections() == ["malformed"]


def test_an_id_without_a_signature_is_read_where_beaker_had_no_secret(tmp_path: Path) -> None:
    old, jar = BeakerWorker({"data_dir": str(tmp_path), "data_serializer": "json"}), Jar()
    old.log_in(jar, "ada")

    importer = StoredBeakerSessions(BeakerFiles(tmp_path), until=time.time() + DAY, user_key=USER_KEY)

    assert Site("memory", import_from=importer).ask(member("user_id"), jar.cookies).result == "ada"


def test_an_unknown_id_is_not_adopted(tmp_path: Path) -> None:
    site = Site(
        "memory", import_from=StoredBeakerSessions(BeakerFiles(tmp_path), until=time.time() + DAY, user_key=None)
    )
    browser = Browser(site, {"beaker.session.id": "a" * 32})

    browser.send(put(more=1))

    assert list(browser.cookies) == [COOKIE]
    assert site.names()[0] == "rejected unknown_id"


def test_old_workers_find_their_session_until_the_end_of_the_move(move: Move) -> None:
    move.old.log_in(move.jar, "ada")

    move.browser().send(put(more=1))

    assert move.old.who(move.jar) == "ada"


def test_a_logout_at_a_new_worker_removes_the_record_and_both_cookies(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    copy = move.jar.copy()
    move.browser().send(put(more=1))

    move.browser().send(call("clear"))

    assert move.jar.cookies == {}
    assert move.new.ask(member("user_id"), copy.cookies).result is None
    if move.records is not None:
        assert move.old.who(copy) is None


def test_a_logout_at_an_old_worker_holds_at_new_ones_and_so_does_the_next_login(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    copy = move.jar.copy()
    move.browser().send(put(more=1))

    move.old.log_out(move.jar)
    assert move.ask("user_id") is None
    if move.records is not None:
        assert move.new.ask(member("user_id"), copy.cookies).result is None
    move.old.log_in(move.jar, "ada")

    assert move.ask("user_id") == "ada"


def test_a_logout_by_a_new_id_at_an_old_worker_holds_though_beaker_leaves_the_record(make: Maker) -> None:
    """``session.invalidate()``, which is the logout in Pyramid."""

    move = make()

    def log_out(session: Any) -> None:
        session.invalidate()
        if move.records is None:
            session.save()

    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    move.old.send(move.jar, log_out)

    assert move.old.who(move.jar) is None
    assert move.ask("user_id") is None
    assert "more" not in move.browser().data()


def test_a_login_at_an_old_worker_beats_what_was_taken_over(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    move.old.log_in(move.jar, "grace")

    assert move.ask("user_id") == "grace"


def test_a_login_with_a_new_id_at_an_old_worker_stays_one_session(move: Move) -> None:
    def log_in(session: Any) -> None:
        if hasattr(session._session(), "namespace_class"):
            session.regenerate_id()
        session["user"] = "ada"
        session.save()

    move.old.put(move.jar, cart=["tea"])
    move.browser().send(put(more=1))
    move.old.send(move.jar, log_in)

    assert move.ask("user_id") == "ada"
    assert move.browser().data() == {"user": "ada", "cart": ["tea"]}


@pytest.mark.parametrize(("seconds", "user"), [(-100, "grace"), (100, "ada")])
def test_of_two_logins_the_later_one_counts(
    move: Move, monkeypatch: pytest.MonkeyPatch, seconds: int, user: str
) -> None:
    _set_clock(monkeypatch, move.clock)
    former = Jar()
    move.clock.advance(1000 + seconds)
    move.old.log_in(former, "ada")
    move.clock.advance(-seconds)
    move.browser().send(login("grace"))
    move.clock.advance(500)

    move.jar.cookies.update(former.cookies)

    assert move.ask("user_id") == user


@pytest.mark.parametrize("make", [("cookie", "json"), ("cookie", "pickle")], ids="-".join, indirect=True)
def test_a_cookie_that_an_old_worker_has_written_again_is_of_the_same_session(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    early = move.jar.copy()
    move.old.write(move.jar)

    Browser(move.new, early.cookies).send(put(theme="dark"))
    move.browser().send(put(lang="fr"))

    assert move.browser().data() == {"user": "ada", "theme": "dark", "lang": "fr"}


def test_a_login_at_a_new_worker_over_a_visitors_session_stands(move: Move) -> None:
    move.old.put(move.jar, cart=["tea"])

    move.browser().send(login("ada"))
    move.old.write(move.jar)

    assert move.ask("user_id") == "ada"


def test_a_record_that_cannot_be_read_is_malformed(tmp_path: Path) -> None:
    old, jar = BeakerWorker({"data_dir": str(tmp_path), "data_serializer": "json"}), Jar()
    old.log_in(jar, "ada")
    (path,) = tmp_path.rglob("*.cache")
    site = Site(
        "memory", import_from=StoredBeakerSessions(BeakerFiles(tmp_path), until=time.time() + DAY, user_key=None)
    )

    for payload in (b"", b"x", b"\x80\x04.", b"\x80\x04}.", path.read_bytes()[:-9], b"\x80\x04N."):
        path.write_bytes(payload)
        site.ask(member("user_id"), jar.cookies)

    assert set(site.rejections()) == {"malformed", "unknown_id"}


@pytest.mark.parametrize("payload", [b"[1]", b"{", b"\xff", b"[" * 100_000, b"1" * 5000])
def test_what_is_signed_and_no_session_is_malformed(payload: bytes) -> None:
    text = b64encode(zlib.compress(payload)).decode()
    value = hmac.new(VALIDATE_KEY.encode(), text.encode(), "sha1").hexdigest() + text
    until = time.time() + DAY
    site = Site("memory", import_from=BeakerCookieSessions(VALIDATE_KEY, until=until, user_key=None))

    site.ask(member("user_id"), {"beaker.session.id": value})

    assert site.rejections() == ["malformed"]


@pytest.mark.parametrize(
    ("key", "written"),
    [
        *((key, number) for key in ("_creation_time", "_accessed_time") for number in ("NaN", "-1e300", "9" * 400)),
        ("_id", r'"\ud800"'),
        ("_csrft_", r'"\ud800"'),
        ("_f_", r'["\ud800"]'),
    ],
)
def test_what_no_record_can_hold_fails_no_request(key: str, written: str) -> None:
    text = b64encode(zlib.compress(f'{{"{key}": {written}, "auth": "ada"}}'.encode())).decode()
    value = hmac.new(VALIDATE_KEY.encode(), text.encode(), "sha1").hexdigest() + text
    importer = BeakerCookieSessions(VALIDATE_KEY, until=time.time() + DAY, user_key="auth")
    browser = Browser(Site("memory", import_from=importer), {"beaker.session.id": value})

    answer = browser.send(put(more=1))

    assert answer.status == 200
    assert browser.data()["more"] == 1


def test_a_record_that_an_old_worker_has_made_unreadable_ends_no_session(tmp_path: Path) -> None:
    old, jar = BeakerWorker({"data_dir": str(tmp_path), "data_serializer": "json"}), Jar()
    old.log_in(jar, "ada")
    importer = StoredBeakerSessions(BeakerFiles(tmp_path), until=time.time() + DAY, user_key=USER_KEY)
    browser = Browser(Site("memory", import_from=importer), jar.cookies)
    browser.send(put(more=1))

    next(tmp_path.rglob("*.cache")).write_bytes(b"no record")

    assert browser.ask(member("user_id")).result == "ada"


def test_a_pickle_is_refused_by_the_importer_for_json(tmp_path: Path) -> None:
    old, jar = BeakerWorker({"data_dir": str(tmp_path)}), Jar()
    old.log_in(jar, "ada")
    site = Site(
        "memory", import_from=StoredBeakerSessions(BeakerFiles(tmp_path), until=time.time() + DAY, user_key=None)
    )

    assert site.ask(member("user_id"), jar.cookies).result is None
    assert site.rejections() == ["malformed"]


class OneRecord:
    """A place in which each id leads to one record."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def get(self, key: str, now: float) -> Record:
        return Record(self.payload, None)

    def delete(self, key: str) -> None: ...


#: What Beaker before 1.12 has kept of a session: in a file or a database, in Redis, and in memcached.
UNSERIALIZED = {
    "file": lambda data: pickle.dumps({"session": data}, 4),
    "redis": lambda data: pickle.dumps(data, 4),
    "memcached": lambda data: pickle.dumps(data, 0),
}


def unserialized(kind: str, **data: Any) -> OneRecord:
    own = {"_creation_time": time.time(), "_accessed_time": time.time(), "_domain": None, "_path": "/"}
    return OneRecord(UNSERIALIZED[kind]({**own, **data}))


@pytest.mark.parametrize("kind", UNSERIALIZED)
def test_a_session_of_a_release_that_did_not_serialize_it_comes_along(kind: str) -> None:
    data = {"user": "ada", "when": datetime(2026, 1, 2, tzinfo=timezone.utc), "session": "a key like another"}
    records = unserialized(kind, **data)
    importer = PickledStoredBeakerSessions(records, until=time.time() + DAY, user_key="user")
    browser = Browser(Site("memory", import_from=importer), {"beaker.session.id": "a" * 32})

    browser.send(put(more=1))

    assert browser.data() == {**data, "more": 1}
    assert browser.ask(member("user_id")).result == "ada"


@pytest.mark.parametrize("kind", UNSERIALIZED)
def test_the_importer_for_json_refuses_it(kind: str) -> None:
    importer = StoredBeakerSessions(unserialized(kind, user="ada"), until=time.time() + DAY, user_key="user")
    site = Site("memory", import_from=importer)

    assert site.ask(member("user_id"), {"beaker.session.id": "a" * 32}).result is None
    assert site.rejections() == ["malformed"]


def test_a_session_that_began_before_not_before_is_refused(move: Move) -> None:
    move.old.log_in(move.jar, "ada")

    move.clock.advance(200)
    late, early = (move.new.like(not_before=move.clock() - seconds) for seconds in (100, 300))

    assert late.ask(member("user_id"), move.jar.cookies).result is None
    assert early.ask(member("user_id"), move.jar.cookies).result == "ada"


@pytest.mark.parametrize("records", [BeakerFiles, BeakerDBM])
def test_a_directory_that_cannot_be_read_is_a_503(tmp_path: Path, records: Any) -> None:
    (tmp_path / "container_file").write_bytes(b"")
    (tmp_path / "container_dbm").mkdir()
    broken = tmp_path / "container_dbm" / "a" / "aa"
    broken.mkdir(parents=True)
    (broken / f"{'a' * 32}.dbm").write_bytes(b"no database")

    site = Site("memory", import_from=StoredBeakerSessions(records(tmp_path), until=time.time() + DAY, user_key=None))

    assert site.ask(member("user_id"), {"beaker.session.id": "a" * 32}).status == 503


@pytest.mark.parametrize(
    ("make_importer", "message"),
    [
        (lambda until: BeakerFiles(), "BeakerFiles: expected the directory that Beaker's option data_dir has"),
        (
            lambda until: StoredBeakerSessions(BeakerFiles("x"), until=until, encrypt_key="x", user_key=None),
            "StoredBeakerSessions: encrypt_key needs the validate_key that Beaker had, too",
        ),
        (
            lambda until: BeakerCookieSessions("x", until=until, crypto_type="nss", user_key=None),
            "crypto_type: expected one of cryptography, pycryptodome, none",
        ),
        (
            lambda until: BeakerCookieSessions("x", until=until, pyramid_keys="yes", user_key=None),  # type: ignore[arg-type]
            "pyramid_keys: expected 'move' or 'keep'",
        ),
        (
            lambda until: BeakerCookieSessions("", until=until, user_key=None),
            "BeakerCookieSessions: the secret is missing",
        ),
    ],
)
def test_what_an_importer_cannot_work_with_is_a_fault(make_importer: Callable[[float], Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_importer(time.time() + DAY)


@pytest.mark.parametrize("backend", ["cookie", "memory"])
@pytest.mark.parametrize("make", FLEETS, ids="-".join, indirect=True)
def test_a_move_of_a_fleet_loses_nothing(make: Maker, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    move = make(backend=backend)
    _set_clock(monkeypatch, move.clock)

    losses = run(move.old, OurWorker(move.new), move.clock.advance, seed=1)

    assert losses == Losses()
