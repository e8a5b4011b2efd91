"""Sessions that Flask-KVSession itself has made are taken over."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import flask
import pytest
from flask_kvsession import KVSessionExtension  # type: ignore[import-untyped]
from importers.flask_site import FLASK_SECRET, FlaskWorker, flask_app
from importers.moves import MovingJar
from itsdangerous import Signer
from simplekv.memory import DictStore  # type: ignore[import-untyped]
from support.actions import call, member, put
from support.browser import Site
from support.constants import COOKIE
from support.fleet import Jar, Losses, OurWorker, run
from support.stores import RecordingStore

from sessionware.importers.kvsession import KVSessions
from sessionware.importers.pickled import PickledKVSessions
from sessionware.testing import FakeClock

DAY = 86400.0


class KVWorker(FlaskWorker):
    """One whose logout is that of Flask-KVSession."""

    def log_out(self, jar: Jar) -> None:
        self.send(jar, lambda session: session.destroy())


class Move:
    """A Flask application with Flask-KVSession, and a site that takes its sessions over."""

    def __init__(self, serialization: str, backend: Any, **importer: Any) -> None:
        self.clock = FakeClock(time.time())
        app, self.store = flask_app(), DictStore()
        KVSessionExtension(self.store, app)
        if serialization == "json":
            app.session_interface.serialization_method = json  # type: ignore[attr-defined]
            self.store.put = lambda key, data, put=self.store.put: put(key, data.encode())
        self.old = KVWorker(app)
        make = KVSessions if serialization == "json" else PickledKVSessions
        given = {"secret_key": FLASK_SECRET, "until": self.clock() + 60 * DAY, **importer}
        self.new = Site(backend, self.clock, import_from=make(self.store, **given))
        self.jar = MovingJar(self.new)
        self.browser, self.ask = self.jar.browser, self.jar.ask


Maker = Callable[..., Move]


@pytest.fixture(params=["pickle", "json"])
def make(request: pytest.FixtureRequest) -> Maker:
    return lambda backend=None, **importer: Move(request.param, backend or RecordingStore(), **importer)


@pytest.fixture
def move(make: Maker) -> Move:
    return make()


def test_a_session_comes_along_with_its_user_and_its_data(move: Move) -> None:
    values = {"list": [1, {"a": None}], "text": "žluť", "number": 1.5, "true": True}
    move.old.log_in(move.jar, "ada")
    move.old.send(move.jar, lambda session: session.update(values))

    move.browser().send(put(more=1))

    assert move.browser().data() == {"_user_id": "ada", "_fresh": True, **values, "more": 1}
    assert move.ask("user_id") == "ada"


def test_flashes_and_the_types_of_pickle_come_along() -> None:
    move = Move("pickle", RecordingStore())
    move.old.send(move.jar, lambda session: session.update(when=datetime(2026, 1, 2), tuple=(1, 2)))
    move.old.send(move.jar, lambda session: flask.flash("hello", "info"))

    found = {"when": datetime(2026, 1, 2), "tuple": (1, 2), "_flashes": [("info", "hello")]}
    assert move.browser().data() == found


def test_it_began_and_ends_with_the_time_in_its_id(move: Move) -> None:
    earliest = int(move.clock())
    move.old.log_in(move.jar, "ada")
    latest = time.time()
    move.clock.advance(timedelta(days=30, hours=23))

    assert earliest <= move.ask("created_at").timestamp() <= latest
    assert move.ask("user_id") == "ada"
    move.clock.advance(timedelta(hours=2))

    assert move.ask("user_id") is None
    assert move.new.rejections() == ["too_old"]


def test_a_former_secret_opens_a_cookie_and_another_one_does_not(make: Maker) -> None:
    move = make(secret_key=["a new key", FLASK_SECRET])
    move.old.log_in(move.jar, "ada")
    assert move.ask("user_id") == "ada"

    other = make(secret_key="a new key")

    assert other.new.ask(member("user_id"), move.jar.cookies).result is None
    assert other.new.rejections() == ["bad_signature"]


@pytest.mark.parametrize("value", ["", "x", "a_b.x", "é" * 40, "a" * 5000])
def test_what_flask_has_not_signed_is_rejected(move: Move, value: str) -> None:
    move.jar.cookies["session"] = value

    assert move.ask("user_id") is None
    assert move.new.rejections() == ["bad_signature"]


@pytest.mark.parametrize("sid", ["", "a", "A_1", "../x_1", "a_" + "f" * 20, "a_1_1"])
def test_what_is_signed_and_no_id_is_malformed(move: Move, sid: str) -> None:
    move.jar.cookies["session"] = Signer(FLASK_SECRET).sign(sid).decode()

    assert move.ask("user_id") is None
    assert move.new.rejections() == ["malformed"]


def test_a_record_that_cannot_be_read_is_malformed(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.store.d[next(iter(move.store.d))] = b"no record"

    assert move.ask("user_id") is None
    assert move.new.rejections() == ["malformed"]


def test_an_unknown_id_is_not_adopted(move: Move) -> None:
    move.jar.cookies["session"] = Signer(FLASK_SECRET).sign(f"abc_{int(time.time()):x}").decode()

    move.browser().send(put(more=1))

    assert list(move.jar.cookies) == [COOKIE]


def test_a_logout_at_a_new_worker_removes_the_record_and_both_cookies(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    move.browser().send(call("clear"))

    assert move.jar.cookies == {}
    assert move.store.d == {}


def test_a_logout_at_an_old_worker_holds_at_new_ones_and_so_does_the_next_login(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    move.old.log_out(move.jar)
    assert move.ask("user_id") is None
    move.old.log_in(move.jar, "grace")

    assert move.ask("user_id") == "grace"


def test_a_new_id_at_an_old_worker_stays_one_session(move: Move) -> None:
    move.old.log_in(move.jar, "ada")
    move.browser().send(put(more=1))

    move.old.send(move.jar, lambda session: session.regenerate())

    assert move.ask("user_id") == "ada"
    assert move.browser().data()["more"] == 1


def test_a_store_that_cannot_answer_is_a_503(move: Move) -> None:
    move.old.log_in(move.jar, "ada")

    def fail(key: str) -> bytes:
        raise OSError("hidden")

    move.store.get = fail

    assert move.browser().ask(member("user_id")).status == 503


@pytest.mark.parametrize("backend", ["cookie", "memory"])
def test_a_move_of_a_fleet_loses_nothing(make: Maker, backend: str) -> None:
    move = make(backend)

    losses = run(move.old, OurWorker(move.new), move.clock.advance, seed=1)

    assert losses == Losses()
