"""What the stores without a server say when their medium fails, and what a crash report shows of it."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diskcache  # type: ignore[import-untyped]
import minimalkv.fs
import pytest
from support.stores import local_store

from sessionware import StoreUnavailable
from sessionware.stores import Conflict, Gone, KeyValueStore, Store

KEY, PAYLOAD = "k" * 43, b"a-payload-of-a-session"


def broken_file_store(directory: Path) -> tuple[Store, str]:
    (directory / "sessions").mkdir()
    (directory / "sessions" / KEY[0]).write_text("a file where a directory should be")
    return local_store("file", directory), f"the file store at {directory}/sessions: "


def broken_sqlite_store(directory: Path) -> tuple[Store, str]:
    store = local_store("sqlite", directory)
    (directory / "sessions.db").write_bytes(b"this is not a database" * 100)
    return store, f"the SQLite store at {directory}/sessions.db: "


class Broken(dict[str, bytes]):
    """Its errors quote what it was asked."""

    def get(self, *arguments: Any) -> Any:
        raise RuntimeError(arguments)


def broken_key_value_store(directory: Path) -> tuple[Store, str]:
    return KeyValueStore(Broken()), "the key/value store over a Broken: "


CALLS: dict[str, Callable[[Store], object]] = {
    "load": lambda store: store.load(KEY),
    "create": lambda store: store.create(KEY, PAYLOAD, 60),
    "replace": lambda store: store.replace(KEY, PAYLOAD, 60, (1, None)),
    "delete": lambda store: store.delete(KEY),
}


def shown_frames(error: BaseException) -> str:
    """What a crash report shows below this test: every frame with its locals."""
    stack = traceback.TracebackException.from_exception(error, capture_locals=True).stack
    return str([(frame.name, frame.locals) for frame in stack if frame.filename != __file__])


@pytest.mark.parametrize("make", [broken_file_store, broken_sqlite_store, broken_key_value_store])
@pytest.mark.parametrize("call", list(CALLS))
def test_a_failure_says_which_store_and_where_and_shows_no_key_and_no_payload(
    make: Callable[[Path], tuple[Store, str]], call: str, tmp_path: Path
) -> None:
    store, place = make(tmp_path)

    with pytest.raises(StoreUnavailable) as caught:
        CALLS[call](store)

    shown = f"{caught.value}{caught.value.__cause__!r}{shown_frames(caught.value)}"
    assert str(caught.value).startswith(place)
    assert " failed: " in str(caught.value)
    assert caught.value.__context__ is None
    assert KEY not in shown
    assert PAYLOAD.decode() not in shown


@pytest.mark.parametrize("backend", ["file", "sqlite", "keyvalue"])
@pytest.mark.parametrize(("version", "answer"), [(None, Gone), ((1, None), Conflict)])
def test_an_answer_shows_no_key_and_no_payload(
    backend: str, version: Any, answer: type[Exception], tmp_path: Path
) -> None:
    store = local_store(backend, tmp_path)
    if answer is Conflict:
        store.create(KEY, PAYLOAD, 60)

    with pytest.raises(answer) as caught:
        store.replace(KEY, PAYLOAD, 60, version)

    assert KEY not in shown_frames(caught.value)
    assert PAYLOAD.decode() not in shown_frames(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("kind", [minimalkv.fs.FilesystemStore, diskcache.Cache])
def test_a_key_value_object_over_files_is_told_with_its_directory(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    obj = kind(str(tmp_path))
    for method in ("get", "__getitem__"):
        monkeypatch.setattr(kind, method, Broken.get, raising=False)

    with pytest.raises(StoreUnavailable, match=rf"over a {kind.__name__} at {tmp_path}: load failed: RuntimeError"):
        KeyValueStore(obj).load(KEY)
    getattr(obj, "close", lambda: None)()
