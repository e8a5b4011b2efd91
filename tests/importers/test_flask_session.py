"""Sessions that Flask-Session itself has made, in each of its stores, are taken over."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pymemcache  # type: ignore[import-untyped]
import pytest
import redis
from flask_session import Session  # type: ignore[import-untyped]
from flask_sqlalchemy import SQLAlchemy
from importers.flask_site import FLASK_SECRET, FlaskWorker, flask_app
from sqlalchemy import create_engine
from support.actions import call, login, member, put
from support.browser import Browser, Site
from support.constants import COOKIE
from support.databases import closing_connections
from support.fleet import Jar, Losses, OurWorker, run
from support.stores import RecordingStore

from sessionware import ConfigError
from sessionware.importers.flask_session import StoredFlaskSessions
from sessionware.importers.records import MemcachedRecords, RedisRecords, SQLRecords
from sessionware.testing import FakeClock

DAY = 86400.0
PLACES = ["redis", "memcached", "database"]


class Move:
    """A Flask application with Flask-Session, and a site that takes its sessions over."""

    def __init__(self, config: dict[str, Any], records: Any, backend: Any, **importer: Any) -> None:
        self.clock = FakeClock(time.time())
        app = flask_app(**config)
        if config["SESSION_TYPE"] == "sqlalchemy":
            app.config["SESSION_SQLALCHEMY"] = SQLAlchemy(app)
        Session(app)
        self.old = FlaskWorker(app)
        self.records = records
        sessions = StoredFlaskSessions(records, until=self.clock() + 30 * DAY, **importer)
        self.new = Site(backend, self.clock, import_from=[sessions])
        self.jar = Jar()

    def browser(self) -> Browser:
        """The same browser at a new worker."""
        browser = Browser(self.new)
        browser.cookies = self.jar.cookies
        return browser

    def ask(self, name: str) -> Any:
        return self.browser().ask(member(name)).result

    @property
    def key(self) -> str:
        return f"session:{self.jar.cookies['session']}"


def _place(request: pytest.FixtureRequest, name: str, directory: Path) -> tuple[dict[str, Any], Any]:
    """The settings of Flask-Session for a store, and what reads that."""
    if name == "redis":
        client = redis.Redis.from_url(request.getfixturevalue("redis_server").url)
        request.addfinalizer(client.close)
        return {"SESSION_TYPE": "redis", "SESSION_REDIS": client}, RedisRecords(client)
    if name == "memcached":
        host = request.getfixturevalue("memcached_server").url.partition("://")[2]
        client = pymemcache.Client(host, no_delay=True)
        request.addfinalizer(client.close)
        return {"SESSION_TYPE": "memcached", "SESSION_MEMCACHED": client}, MemcachedRecords(client)
    engine = create_engine(f"sqlite:///{directory}/former.db")
    request.addfinalizer(engine.dispose)
    return {"SESSION_TYPE": "sqlalchemy", "SQLALCHEMY_DATABASE_URI": str(engine.url)}, SQLRecords(engine)


Maker = Callable[..., Move]


@pytest.fixture(autouse=True)
def closed_databases() -> Iterator[None]:
    with closing_connections():
        yield


@pytest.fixture(params=PLACES)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Maker:
    config, records = _place(request, request.param, tmp_path)

    def make_move(more: dict[str, Any] | None = None, backend: Any = None, **importer: Any) -> Move:
        return Move({**config, **(more or {})}, records, backend or RecordingStore(), **importer)

    return make_move


@pytest.fixture
def move(make: Maker) -> Move:
    return make()


def test_a_session_comes_along_with_its_user_and_its_flashes(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.old.send(move.jar, lambda session: flask.flash("hello"))

    found = move.browser().data()

    assert found == {"_user_id": "ada", "_fresh": True, "_flashes": [["message", "hello"]]}
    assert move.ask("user_id") == "ada"


@pytest.mark.parametrize("serialization", ["msgpack", "json"])
def test_both_serializations_are_read(make: Maker, serialization: str) -> None:
    move = make({"SESSION_SERIALIZATION_FORMAT": serialization})
    values = {"list": [1, {"a": None}], "text": "žluť", "number": 1.5, "true": True}

    move.old.send(move.jar, lambda session: session.update(values))
    move.browser().send(put(more=1))

    assert move.browser().data() == {**values, "more": 1}


@pytest.mark.filterwarnings("ignore:The 'use_signer' option")
def test_signed_ids_are_read_and_others_are_not(make: Maker) -> None:
    move = make({"SESSION_USE_SIGNER": True}, secret_key=["a new key", FLASK_SECRET])
    move.old.log_in(move.jar, "ada")

    assert move.ask("user_id") == "ada"
    move.jar.cookies["session"] = move.jar.cookies["session"].partition(".")[0]
    assert move.ask("user_id") is None


@pytest.mark.parametrize("value", ["", "x", "../../etc/passwd", "a" * 500, "a b" * 20, "é" * 40])
def test_what_is_no_id_is_rejected_and_not_looked_for(move: Move, value: str) -> None:
    move.jar.cookies["session"] = value

    assert move.ask("user_id") is None
    assert move.new.rejections() == ["malformed"]


def test_an_unknown_id_is_not_adopted(move: Move) -> None:
    move.jar.cookies["session"] = "a" * 43

    move.browser().send(put(more=1))

    assert list(move.jar.cookies) == [COOKIE]


def test_a_pickled_record_is_refused(move: Move, request: pytest.FixtureRequest) -> None:
    move.old.log_in(move.jar, "ada")
    _plant(move, pickle.dumps({"_user_id": "eve"}))

    assert move.ask("user_id") is None
    assert move.new.rejections() == ["malformed"]


def _plant(move: Move, payload: bytes) -> None:
    """Put *payload* in the place of the record of the session."""
    config = move.old.app.config
    if config["SESSION_TYPE"] == "redis":
        config["SESSION_REDIS"].set(move.key, payload)
    elif config["SESSION_TYPE"] == "memcached":
        config["SESSION_MEMCACHED"].set(move.key, payload)
    else:
        database = move.old.app.extensions["sqlalchemy"]
        with move.old.app.app_context(), database.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE sessions SET data = ? WHERE session_id = ?", (payload, move.key))


def test_old_workers_find_the_record_until_the_end_of_the_move(move: Move) -> None:
    move.old.log_in(move.jar, "ada")

    move.browser().send(put(more=1))

    assert move.old.who(move.jar) == "ada"


def test_a_logout_at_a_new_worker_removes_the_record_and_both_cookies(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    copy = Jar()
    copy.cookies = dict(move.jar.cookies)
    key = move.key
    move.browser().send(put(more=1))

    move.browser().send(call("clear"))

    assert move.jar.cookies == {}
    assert move.records.get(key, move.clock()) is None
    assert move.old.who(copy) is None


def test_a_record_that_a_slow_old_worker_writes_again_does_not_bring_back_a_session(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    copy = Jar()
    copy.cookies = dict(move.jar.cookies)
    tab = Browser(move.new, move.jar.cookies)

    def log_out_meanwhile(session: Any) -> None:
        session["late"] = 1
        tab.send(put(more=1))
        tab.send(call("clear"))

    move.old.send(copy, log_out_meanwhile)

    assert move.old.who(copy) == "ada"
    assert move.new.ask(member("user_id"), copy.cookies).result is None


def test_a_logout_at_an_old_worker_holds_at_new_ones_and_so_does_the_next_login(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    move.old.log_out(move.jar)
    assert move.ask("user_id") is None
    move.old.log_in(move.jar, "ada")

    assert move.ask("user_id") == "ada"


def test_a_record_that_an_old_worker_has_removed_ends_the_session(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    move.records.delete(move.key)

    assert move.ask("user_id") is None


def test_revoking_a_user_removes_the_record(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    assert move.new.manager.revoke_user("ada") == 1

    assert move.records.get(move.key, move.clock()) is None
    assert move.ask("user_id") is None


def test_a_login_at_an_old_worker_beats_what_was_taken_over(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    move.old.log_in(move.jar, "grace")

    assert move.ask("user_id") == "grace"


def test_a_login_at_a_new_worker_over_a_visitors_record_stands(move: Move) -> None:
    move.old.send(move.jar, lambda session: session.update(cart=["tea"]))

    move.browser().send(login("ada"))
    move.old.write(move.jar)

    assert move.ask("user_id") == "ada"


def test_a_session_whose_beginning_is_not_known_is_refused_where_not_before_is_set(move: Move) -> None:
    move.old.log_in(move.jar, "ada")

    late = move.new.like(not_before=move.clock() - 1)

    assert late.ask(member("user_id"), move.jar.cookies).result is None


@pytest.mark.parametrize(
    ("records", "broken"),
    [
        (lambda: RedisRecords("redis://:hidden@127.0.0.1:1/0"), "Redis at 127.0.0.1:1"),
        (lambda: MemcachedRecords("127.0.0.1:1"), "memcached at 127.0.0.1:1"),
        (lambda: SQLRecords("sqlite:////nowhere/former.db"), "SQLite at /nowhere/former.db"),
    ],
)
def test_a_store_that_cannot_answer_is_a_503_that_shows_no_credential(
    records: Callable[[], Any], broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    new = Site("memory", clock, import_from=StoredFlaskSessions(records(), until=clock() + DAY))

    answer = new.ask(member("user_id"), {"session": "a" * 43})

    assert answer.status == 503
    assert str(new.event("store_failed").reason) in caplog.text
    assert f"{broken} does not give a former session" in caplog.text
    assert "hidden" not in caplog.text


def test_a_client_that_may_unpickle_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected 'host:port', or a client of pymemcache"):
        MemcachedRecords(object())


@pytest.mark.parametrize(
    "records", ["redis://localhost:6379/0", redis.Redis(), {}, RedisRecords], ids=["url", "client", "dict", "class"]
)
def test_what_is_no_place_of_records_is_refused_at_start_with_the_cure(records: Any) -> None:
    with pytest.raises(ConfigError, match=r"StoredFlaskSessions: expected the place of .* RedisRecords\(\.\.\.\)"):
        StoredFlaskSessions(records, until="2030-01-31T00:00:00Z")


@pytest.mark.parametrize("backend", ["cookie", "memory"])
def test_a_move_of_a_fleet_loses_nothing(make: Maker, backend: str) -> None:
    move = make(backend=backend)

    losses = run(move.old, OurWorker(move.new), move.clock.advance, seed=1)

    assert losses == Losses()
