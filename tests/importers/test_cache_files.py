"""Sessions that Flask-Session has made in files and in cachelib, which pickles, and those of its old releases."""

from __future__ import annotations

import json
import pickle
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from hashlib import md5, sha256
from pathlib import Path
from typing import IO, Any

import flask
import pytest
from cachelib import FileSystemCache
from flask_session import Session  # type: ignore[import-untyped]
from importers.flask_site import FlaskWorker, flask_app
from importers.moves import MovingJar
from support.actions import call, member, put
from support.browser import Site
from support.fleet import Jar, Losses, OurWorker, run
from support.stores import RecordingStore

from sessionware.importers.cache_files import CacheFiles
from sessionware.importers.flask_session import StoredFlaskSessions
from sessionware.importers.pickled import PickledStoredFlaskSessions
from sessionware.importers.records import Record
from sessionware.testing import FakeClock

DAY = 86400.0
pytestmark = [
    pytest.mark.filterwarnings("ignore:FileSystemSessionInterface is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:'SESSION_FILE_DIR' is deprecated:DeprecationWarning"),
]

#: What Flask-Session 0.5.0 has written to Redis or a table, and to memcached, for which it took protocol 0.
OLD_RECORD = (
    b"\x80\x04\x95\t\x01\x00\x00\x00\x00\x00\x00}\x94(\x8c\n_permanent\x94\x88\x8c\x08_user_id\x94\x8c\x03ada\x94\x8c\x04"
    b"when\x94\x8c\x08datetime\x94\x8c\x08datetime\x94\x93\x94C\n\x07\xea\x01\x02\x00\x00\x00\x00\x00\x00\x94h\x05\x8c"
    b"\x08timezone\x94\x93\x94h\x05\x8c\ttimedelta\x94\x93\x94K\x00K\x00K\x00\x87\x94R\x94\x85\x94R\x94\x86\x94R\x94\x8c"
    b"\x03ids\x94\x8f\x94(K\x01K\x02\x90\x8c\x05price\x94\x8c\x07decimal\x94\x8c\x07Decimal\x94\x93\x94\x8c\x041.50\x94"
    b"\x85\x94R\x94\x8c\x01n\x94]\x94(K\x01J\xfe\xff\xff\xff\x8a\t\x00\x00\x00\x00\x00\x00\x00\x00@G?\xf8\x00\x00\x00\x00"
    b"\x00\x00\x88N\x8c\x06\xc5\xbelu\xc5\xa5\x94C\x01\x00\x94e\x8c\x08_flashes\x94]\x94\x8c\x04info\x94\x8c\x05hello\x94"
    b"\x86\x94au."
)
OLD_RECORD_OF_MEMCACHED = (
    b"(dp0\nV_permanent\np1\nI01\nsV_user_id\np2\nVada\np3\nsVwhen\np4\ncdatetime\ndatetime\np5\n(c_codecs\nencode\np6\n("
    b"V\x07\xea\x01\x02\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\np7\nVlatin1\np8\ntp9\nRp10\ncdatetime\ntimezone\np11\n("
    b"cdatetime\ntimedelta\np12\n(I0\nI0\nI0\ntp13\nRp14\ntp15\nRp16\ntp17\nRp18\nsVids\np19\nc__builtin__\nset\np20\n(("
    b"lp21\nI1\naI2\natp22\nRp23\nsVprice\np24\ncdecimal\nDecimal\np25\n(V1.50\np26\ntp27\nRp28\nsVn\np29\n(lp30\nI1\naI-2"
    b"\naL1180591620717411303424L\naF1.5\naI01\naNaV\\u017elu\\u0165\np31\nag6\n(V\\u0000\np32\ng8\ntp33\nRp34\nasV_flashes"
    b"\np35\n(lp36\n(Vinfo\np37\nVhello\np38\ntp39\nas."
)
OLD_DATA = {
    "_user_id": "ada",
    "when": datetime(2026, 1, 2, tzinfo=timezone.utc),
    "ids": {1, 2},
    "price": Decimal("1.50"),
    "n": [1, -2, 2**70, 1.5, True, None, "žluť", b"\x00"],
    "_flashes": [("info", "hello")],
}


class Move:
    """A Flask application with Flask-Session over files, and a site that takes its sessions over."""

    def __init__(self, config: dict[str, Any], directory: Path, backend: Any) -> None:
        self.clock = FakeClock(time.time())
        app = flask_app(**config)
        Session(app)
        self.old = FlaskWorker(app)
        importer = PickledStoredFlaskSessions(CacheFiles(directory), until=self.clock() + 60 * DAY)
        self.new = Site(backend, self.clock, import_from=importer)
        self.jar = MovingJar(self.new)
        self.browser, self.ask = self.jar.browser, self.jar.ask


Maker = Callable[..., Move]


@pytest.fixture(params=["filesystem", "cachelib", "cachelib before 0.17"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Maker:
    directory = tmp_path / "flask_session"
    config: dict[str, Any] = {"SESSION_TYPE": request.param.partition(" ")[0]}
    if request.param == "filesystem":
        config["SESSION_FILE_DIR"] = str(directory)
    else:
        hash_method = md5 if "before" in request.param else sha256
        config["SESSION_CACHELIB"] = FileSystemCache(str(directory), threshold=0, hash_method=hash_method)
    return lambda backend=None: Move(config, directory, backend or RecordingStore())


@pytest.fixture
def move(make: Maker) -> Move:
    return make()


def test_a_session_comes_along_with_the_types_of_pickle(move: Move) -> None:
    values = {"tuple": (1, 2), "set": {1}, "when": datetime(2026, 1, 2), "price": Decimal("1.50")}
    move.old.log_in(move.jar, "ada")
    move.old.send(move.jar, lambda session: session.update(values))
    move.old.send(move.jar, lambda session: flask.flash("hello"))

    move.browser().send(put(more=1))

    found = {"_user_id": "ada", "_fresh": True, "_flashes": [("message", "hello")], **values, "more": 1}
    assert move.browser().data() == found
    assert move.ask("user_id") == "ada"


def test_a_session_has_no_later_end_than_its_file(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.clock.advance(timedelta(days=30, hours=23))
    assert move.ask("user_id") == "ada"

    move.clock.advance(timedelta(hours=2))

    assert move.ask("user_id") is None


def test_a_logout_at_a_new_worker_removes_the_file_and_both_cookies(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    copy = move.jar.copy()
    move.browser().send(put(more=1))

    move.browser().send(call("clear"))

    assert move.jar.cookies == {}
    assert move.old.who(copy) is None


def test_a_logout_at_an_old_worker_holds_at_new_ones(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    move.old.log_out(move.jar)

    assert move.ask("user_id") is None


@pytest.mark.parametrize("protocol", [1, pickle.HIGHEST_PROTOCOL], ids=["before 0.5", "before 0.7"])
@pytest.mark.parametrize(("end", "seconds_left"), [(2_000_000_060, 60), (0, None)])
def test_a_file_in_which_the_end_is_pickled_too_is_read(
    tmp_path: Path, protocol: int, end: int, seconds_left: float | None
) -> None:
    """As cachelib before 0.7 has written it."""
    path = tmp_path / md5(b"session:id", usedforsecurity=False).hexdigest()
    path.write_bytes(pickle.dumps(end, protocol) + OLD_RECORD)

    assert CacheFiles(tmp_path).get("session:id", 2_000_000_000) == Record(OLD_RECORD, seconds_left)


def test_a_file_whose_pickled_end_has_passed_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / md5(b"session:id", usedforsecurity=False).hexdigest()
    path.write_bytes(pickle.dumps(2_000_000_000, 1) + OLD_RECORD)

    assert CacheFiles(tmp_path).get("session:id", 2_000_000_000) is None


@pytest.mark.parametrize("backend", ["cookie", "memory"])
def test_a_move_of_a_fleet_loses_nothing(make: Maker, backend: str) -> None:
    move = make(backend)

    losses = run(move.old, OurWorker(move.new), move.clock.advance, seed=1)

    assert losses == Losses()


def test_the_importer_without_pickles_refuses_a_file_with_one(move: Move, tmp_path: Path) -> None:
    move.old.log_in(move.jar, "ada")
    importer = StoredFlaskSessions(CacheFiles(tmp_path / "flask_session"), until=move.clock() + DAY)

    site = Site("memory", move.clock, import_from=importer)

    assert site.ask(member("user_id"), move.jar.cookies).result is None
    assert site.rejections() == ["malformed"]


class JSONSerializer:
    """What a cache may be given in the place of pickle."""

    def dump(self, value: Any, file: IO[bytes]) -> None:
        file.write(json.dumps(value).encode())

    def load(self, file: IO[bytes]) -> Any:
        return json.loads(file.read())


def test_a_cache_that_writes_json_needs_no_pickles(tmp_path: Path) -> None:
    cache, clock, jar = FileSystemCache(str(tmp_path), threshold=0), FakeClock(time.time()), Jar()
    cache.serializer = JSONSerializer()  # type: ignore[assignment]
    app = flask_app(SESSION_TYPE="cachelib", SESSION_CACHELIB=cache)
    Session(app)
    FlaskWorker(app).log_in(jar, "ada")

    importer = StoredFlaskSessions(CacheFiles(tmp_path), until=clock() + DAY)

    assert Site("memory", clock, import_from=importer).ask(member("user_id"), jar.cookies).result == "ada"


def test_a_file_without_an_end_has_none_and_one_that_is_cut_off_is_no_record(tmp_path: Path) -> None:
    FileSystemCache(str(tmp_path), threshold=0).set("forever", {"a": 1}, timeout=0)
    files = CacheFiles(tmp_path)

    record = files.get("forever", time.time() + 1000 * DAY)
    next(tmp_path.iterdir()).write_bytes(b"\x00\x00")

    assert record is not None
    assert record.seconds_left is None
    assert files.get("forever", time.time()) is None
    assert files.get("unknown", time.time()) is None


class OneRecord:
    """A store of Flask-Session that has one record."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload

    def get(self, key: str, now: float) -> Record | None:
        return Record(self.payload, None)

    def delete(self, key: str) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(OLD_RECORD, id="redis"),
        pytest.param(OLD_RECORD_OF_MEMCACHED, id="memcached"),
        pytest.param(b"!" + OLD_RECORD, id="the Redis cache of cachelib"),
    ],
)
def test_records_of_old_releases_are_read(payload: bytes) -> None:
    importer = PickledStoredFlaskSessions(OneRecord(payload), until=time.time() + DAY)
    site = Site("memory", FakeClock(time.time()), import_from=importer)

    assert site.ask(dict, {"session": "5e67b885-3995-4ae4-af36-7917379d71ef"}).result == OLD_DATA


@pytest.mark.parametrize("payload", [b'{"_user_id": "ada"}', b"\x81\xa8_user_id\xa3ada"], ids=["json", "msgpack"])
def test_records_of_new_releases_are_read_beside_pickled_ones(payload: bytes) -> None:
    importer = PickledStoredFlaskSessions(OneRecord(payload), until=time.time() + DAY)

    assert Site("memory", import_from=importer).ask(dict, {"session": "a" * 43}).result == {"_user_id": "ada"}


@pytest.mark.parametrize("payload", [b"", b"!", b"\x80\x04.", b"(d", OLD_RECORD[:-9]])
def test_what_is_no_record_is_malformed(payload: bytes) -> None:
    site = Site("memory", import_from=PickledStoredFlaskSessions(OneRecord(payload), until=time.time() + DAY))

    site.ask(member("user_id"), {"session": "a" * 43})

    assert site.rejections() == ["malformed"]


def test_a_directory_that_is_missing_is_told_at_start(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    CacheFiles(tmp_path)
    assert not caplog.messages

    CacheFiles(tmp_path / "flask_session")

    assert [line for line in caplog.messages if "CacheFiles: there is no directory" in line]
