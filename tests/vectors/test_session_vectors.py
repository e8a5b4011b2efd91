"""Sessions that were sealed once, by a version of this package, and must be opened by every later one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup
from vectors.make_sessions import every_type

from sessionware import SessionManager
from sessionware.stores import KeyValueStore
from sessionware.testing import FakeClock

FILES = sorted(Path(__file__).parent.glob("sessions-*.json"))
NEW_SECRET = "a-newer-secret-7HkPz2mQ9vXc4RtYb1"


def frozen(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("way", ["cookie", "store"])
def test_a_frozen_session_opens_with_all_that_it_held(way: str, file: Path) -> None:
    vectors = frozen(file)
    entries = {key: bytes.fromhex(value) for key, value in vectors["store"]["entries"].items()}
    name = vectors[way]["cookie"].partition("=")[0]
    manager = SessionManager(
        secret=[NEW_SECRET, vectors["secret"]],
        backend=KeyValueStore(entries) if way == "store" else "cookie",
        clock=FakeClock(vectors["now"] + 60),
        **{"cookie.prefix": name.removesuffix("sid")},
    )

    session = manager.open({"wsgi.url_scheme": "https", "HTTP_COOKIE": vectors[way]["cookie"]})

    assert dict(session) == every_type()
    assert (session.user_id, session.id) == (42, vectors[way]["id"])
    assert session.created_at.timestamp() == vectors["now"]
    assert session.verify_csrf(vectors[way]["csrf token"])
    assert session.pop_flashes() == [("success", Markup("<b>saved</b>"))]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_frozen_index_lists_the_session(file: Path) -> None:
    vectors = frozen(file)
    entries = {key: bytes.fromhex(value) for key, value in vectors["store"]["entries"].items()}
    manager = SessionManager(
        secret=vectors["secret"], backend=KeyValueStore(entries), clock=FakeClock(vectors["now"] + 60)
    )

    [info] = manager.sessions_of("42")

    assert (info.id, info.user_id, info.label) == (vectors["store"]["id"], 42, "a phone")


def test_there_are_vectors() -> None:
    assert FILES
