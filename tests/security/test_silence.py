"""Neither a log, a repr, an event nor a traceback holds a token, a key, a secret or a value of a session."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import logging
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from security.tokens import fill, key_of, spellings, token_in
from support.actions import Action, then
from support.browser import Site, SiteMaker
from support.constants import COOKIE, KEY, NEW_SECRET, SECRET
from support.stores import LOCAL_STORES, RecordingStore, local_store

from sessionware import Config, ConfigError, Session, SessionManager, StoreUnavailable
from sessionware.crypto.identifiers import handle_of
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSealer, CookieSigner, RecordSealer
from sessionware.stores import FileStore, KeyValueStore, MemoryStore, SQLiteStore

VALUE = "a-value-nobody-may-see"
PASSWORD = "hunter2hunter2"


def leaks(*cookies: str | None) -> list[str]:
    """What no text may hold: of each cookie its value, its token in every usual spelling, and its store key."""
    found = [VALUE, SECRET, NEW_SECRET, PASSWORD]
    for cookie in filter(None, cookies):
        token = token_in(cookie)
        found += [cookie, cookie.rpartition(".")[2], token.hex(), base64.b64encode(token).decode(), repr(token)[2:-1]]
        found += [base64.urlsafe_b64encode(token).decode().rstrip("="), key_of(cookie), repr(handle_of(token))[2:-1]]
    return found


def check_silent(text: str, *cookies: str | None) -> None:
    told = [number for number, leak in enumerate(leaks(*cookies)) if leak in text]
    assert told == [], text


def put(session: Session) -> None:
    session["private"] = VALUE
    session["box"] = [VALUE]


LIFE: list[Action] = [
    put,
    dict,
    lambda session: session["box"].append(VALUE),
    lambda session: session.alter("count", lambda count: count + 1, default=0),
    lambda session: session.regenerate(),
    lambda session: session.login("owner", label=VALUE),
    lambda session: session.remember("30d"),
    then(lambda session: session.login("other"), put),
    lambda session: repr(session),
    lambda session: session.update(late=VALUE),
    lambda session: session.invalidate(),
]


def test_the_log_of_a_whole_life_tells_nothing(make_site: SiteMaker, caplog: pytest.LogCaptureFixture) -> None:
    """CVE-2023-20866 (Spring Session): ids stood in the log."""
    caplog.set_level(logging.DEBUG)
    site = make_site()
    value: str | None = None
    known = []
    for action in LIFE:
        site.clock.advance(400)
        value = site.request(action, value).cookie or value
        known.append(value)
    for cookie in known:
        site.read(cookie)
        for spelling in spellings(cookie or ""):
            site.read(spelling)

    assert len(caplog.records) > 100
    check_silent(caplog.text + repr([vars(record) for record in caplog.records]), *known)
    check_silent(repr(site.events), *known)
    check_silent(repr([dataclasses.astuple(event) for event in site.events]), *known)


def test_the_log_of_a_store_that_fails_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def fail() -> None:
        raise StoreUnavailable("switched off")

    known: list[str | None] = []
    for operation in ("load", "create", "replace", "delete"):
        for action in (*LIFE, then(lambda session: session.clear(), put)):
            store = RecordingStore(MemoryStore())
            site = Site(backend=store)
            value = site.begin(put)
            store.before[operation].append(fail)
            site.clock.advance(2000)
            known += [value, site.request(action, value).cookie]

    assert "store_failed" in caplog.text
    check_silent(caplog.text + repr([vars(record) for record in caplog.records]), *known)


def test_a_listener_that_fails_does_not_make_the_log_tell_anything(caplog: pytest.LogCaptureFixture) -> None:
    def listener(event: object) -> None:
        raise ValueError("a bug in the listener")

    site = Site(backend="memory", on_event=listener)

    value = site.begin(put)

    assert "a bug in the listener" in caplog.text
    check_silent(caplog.text, value)


@contextlib.contextmanager
def raised() -> Iterator[list[str]]:
    """The formatted traceback of what the block raises, with all its causes and contexts, and its text."""
    told: list[str] = []
    try:
        yield told
    except Exception as error:  # noqa: BLE001 - any error must be silent
        told += traceback.TracebackException.from_exception(error, capture_locals=False).format()
        shown: BaseException | None = error
        while shown is not None:
            told += [str(shown), repr(shown), repr(shown.args)]
            shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)
    assert told, "nothing was raised"


class Unsupported:
    def __repr__(self) -> str:
        return VALUE


FAULTS: dict[str, Action] = {
    "a type": lambda session: session.update(private=Unsupported()),
    "a nested type": lambda session: session.update(private={"a": [Unsupported(), VALUE]}),
    "a key": lambda session: session.update(private={Unsupported(): VALUE}),
    "a surrogate": lambda session: session.update(private=VALUE + "\udc80"),
    "a nested change": lambda session: session["box"].append(Unsupported()),
    "a nested surrogate": lambda session: session["box"].append(VALUE + "\udc80"),
    "a user": lambda session: session.login(Unsupported()),  # type: ignore[arg-type]
    "a user's text": lambda session: session.login(VALUE * 100),
    "a label": lambda session: session.login("owner", label=VALUE * 100),
    "alter": lambda session: session.alter("private", lambda value: Unsupported()),
    "size": lambda session: session.update(private=VALUE * 400),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_refusal_of_data_shows_a_value(fault: str) -> None:
    site = Site()
    value = site.begin(put)

    with raised() as told:
        site.request(FAULTS[fault], value)

    check_silent("".join(told), value)


@pytest.mark.parametrize("backend", LOCAL_STORES)
@pytest.mark.parametrize("operation", ["load", "create", "replace"])
def test_no_failure_of_a_store_shows_what_it_was_asked(
    operation: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = local_store(backend, tmp_path)
    site = Site(backend=store, on_store_failure="raise")
    value = site.begin(put)
    spoil(store, tmp_path, value, monkeypatch)
    actions: dict[str, Action] = {"load": dict, "create": put, "replace": put}

    with raised() as told:
        site.request(actions[operation], None if operation == "create" else value)

    check_silent("".join(told).replace(str(tmp_path), ""), value)
    site.manager.close()


def spoil(store: object, directory: Path, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break what is below a store."""
    if isinstance(store, SQLiteStore):
        store.close()
        for path in directory.glob("sessions.db*"):
            path.unlink()
        (directory / "sessions.db").write_bytes(b"no database at all" * 100)
    elif isinstance(store, FileStore):
        key = key_of(value)
        path = directory / "sessions" / key[0] / key[1] / key
        path.unlink()
        path.mkdir()
        monkeypatch.setattr("os.mkdir", _refuse)
    else:
        monkeypatch.setattr(type(store), "load", _refuse)
        monkeypatch.setattr(type(store), "create", _refuse)


def _refuse(*arguments: object, **options: object) -> None:
    raise StoreUnavailable("broken") from OSError(5, "Input/output error")


def test_the_errors_of_sqlite_have_no_parameters(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "sessions.db")
    site = Site(backend=store, on_store_failure="raise")
    value = site.begin(put)
    with contextlib.closing(sqlite3.connect(tmp_path / "sessions.db")) as connection:
        connection.execute("DROP TABLE sessionware_sessions")

    with raised() as told:
        site.request(put, value)

    assert "no such table" in "".join(told)
    check_silent("".join(told), value)
    store.close()


class BrokenMapping(dict[str, bytes]):
    """A mapping that takes nothing."""

    def __setitem__(self, key: str, value: bytes) -> None:
        raise RuntimeError("broken")


def test_no_failure_of_a_mapping_shows_its_keys() -> None:
    site = Site(backend=KeyValueStore(BrokenMapping()), on_store_failure="raise")

    with raised() as told:
        site.request(put)

    check_silent("".join(told))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"secret": PASSWORD}, id="short"),
        pytest.param({"secret": [SECRET, SECRET]}, id="twice"),
        pytest.param({"secret": [SECRET, PASSWORD, NEW_SECRET]}, id="one of several"),
        pytest.param({"secret": SECRET, "secrett": NEW_SECRET}, id="misspelt"),
        pytest.param({"secret": SECRET, "cookie": PASSWORD}, id="not nested"),
        pytest.param({"secret": SECRET, "backend": f"redis://u:{PASSWORD}@host/0?prefixx=1"}, id="a password in a URL"),
        pytest.param({"secret": SECRET, "backend": f"sqlite://{PASSWORD}@host/x.db"}, id="a password in another URL"),
        pytest.param({"secret": SECRET, "backend": "sqlite", "backend.pathh": PASSWORD}, id="a store's option"),
        pytest.param({"secret": {PASSWORD: SECRET}}, id="a mapping"),
        pytest.param({"secret": SECRET + "\udc80"}, id="no UTF-8"),
    ],
)
def test_no_fault_of_the_configuration_shows_a_secret(options: dict[str, Any]) -> None:
    with raised() as told:
        SessionManager(options)

    assert ConfigError.__name__ in "".join(told)
    check_silent("".join(told))


def test_no_repr_tells_anything(make_site: SiteMaker, tmp_path: Path) -> None:
    site = make_site()
    value = site.begin(put)
    keyring = Keyring([SECRET.encode(), NEW_SECRET.encode()])
    seen: list[str] = []

    def look(session: Session) -> None:
        for _ in range(2):
            seen.extend([repr(session), str(session), f"{session}", ascii(session)])
            session["more"] = VALUE

    site.request(look, value)
    objects = [
        site.app,
        site.manager,
        site.events,
        keyring,
        CookieSigner(keyring, Purpose.TOKEN_SIGN, COOKIE),
        CookieSealer(keyring, COOKIE),
        RecordSealer(keyring),
        Config({"secret": SECRET, "backend": "sqlite:///x.db", "cookie.secure": True}),
        *(local_store(kind, tmp_path / kind if kind == "file" else tmp_path) for kind in LOCAL_STORES),
    ]

    check_silent("".join([*seen, *map(repr, objects), *map(str, objects)]), value)


def test_the_environ_tells_nothing_but_the_header_itself() -> None:
    """``wsgiref.validate``, loggers and debuggers format all of environ."""
    site = Site(backend="memory")
    value = site.begin(put)
    told: list[str] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        dict(environ[KEY])
        told.append(repr({name: item for name, item in environ.items() if name != "HTTP_COOKIE"}))
        start_response("200 OK", [])
        return []

    site.exchange(app, {COOKIE: value}).run()

    check_silent(told[0], value)


def test_the_answers_of_a_failure_are_fixed_texts() -> None:
    class Telling(MemoryStore):
        def load(self, key: str) -> None:
            raise StoreUnavailable(f"cannot load {key}")

    site = Site(backend=Telling())
    value = Site(backend="memory", secret=SECRET).begin(fill)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        return [repr(dict(environ[KEY])).encode()]

    body = site.exchange(app, {COOKIE: value}).run().body

    assert b"store" in body
    check_silent(body.decode(), value)
