"""A store that is for one process alone, under a server that runs several, is one WARNING."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from support.constants import SECRET

from sessionware import Session, SessionManager
from sessionware.stores import KeyValueStore, MemoryStore, SQLiteStore


def opened(manager: SessionManager, **environ: Any) -> Session:
    return manager.open({"wsgi.url_scheme": "https", "wsgi.multiprocess": True, **environ})


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    return [line for line in lines if "multiprocess" in line]


@pytest.mark.parametrize(
    ("backend", "named"),
    [
        pytest.param("memory", "'memory'", id="memory"),
        pytest.param(MemoryStore(), "'memory'", id="a memory store"),
        pytest.param(KeyValueStore({}), "KeyValueStore", id="not atomic"),
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_it_is_told_once_at_the_first_touch(
    backend: Any, named: str, scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    manager = SessionManager(backend=backend, secret=SECRET)
    manager.commit(opened(manager))
    before = warnings(caplog)

    for _ in range(3):
        len(opened(manager, **{"wsgi.url_scheme": scheme}))

    assert before == []
    (warning,) = warnings(caplog)
    assert named in warning
    assert "several processes" in warning


@pytest.mark.parametrize("option", ["backend", "login_backend"])
def test_the_warning_names_the_option_that_has_named_the_store(option: str, caplog: pytest.LogCaptureFixture) -> None:
    len(opened(SessionManager({option: "memory", "secret": SECRET})))

    assert f"the {option} 'memory' keeps its sessions in one" in warnings(caplog)[0]


@pytest.mark.parametrize("value", [False, 0, None])
def test_one_process_is_told_nothing(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    len(opened(SessionManager(backend="memory"), **{"wsgi.multiprocess": value}))

    assert warnings(caplog) == []


def test_a_backend_for_many_processes_is_told_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for backend in ("cookie", SQLiteStore(tmp_path / "sessions.db")):
        len(opened(SessionManager(backend=backend, secret=SECRET)))

    assert warnings(caplog) == []


def test_a_filter_may_read_the_session_at_that_warning() -> None:
    session = opened(SessionManager(backend="memory"))
    seen: list[dict[str, Any]] = []

    def look(record: logging.LogRecord) -> bool:
        seen.append(dict(session))
        return True

    logger = logging.getLogger("sessionware")
    logger.addFilter(look)
    try:
        len(session)
    finally:
        logger.removeFilter(look)

    assert seen == [{}]
