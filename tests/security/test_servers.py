"""The advisories that concern stores, over those that are servers: no test beside them asks a store by its own name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from security.dice import Dice
from security.tokens import fill, key_of, token_in
from support.actions import Action, call, put, then
from support.browser import Site
from support.places import in_places, store_in
from support.stores import RecordingStore

from sessionware import Session
from sessionware.crypto.identifiers import handle_of, session_id_of

PLACES = ("redis", "memcached", "postgresql", "mariadb")
everywhere = in_places(*PLACES)
CREATE = call("save")


@pytest.fixture
def server_site(place: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A site over the server."""
    site = Site(RecordingStore(store_in(place, tmp_path, request)))
    yield site
    site.manager.close()


@everywhere
@pytest.mark.parametrize("end", ["invalidate", "clear"])
def test_an_id_that_was_ended_never_works_again(server_site: Site, end: str) -> None:
    """CVE-2018-1000519 (aiohttp-session), CVE-2023-20862 (Spring Security)."""
    value = server_site.begin(fill)

    server_site.request(call(end), value)

    assert server_site.read(value).has_no_session
    assert server_site.store.inner.load(key_of(value)) is None
    assert server_site.request(fill, value).cookie not in (None, value)


@everywhere
@pytest.mark.parametrize(
    "write",
    [put(late=1), call("alter", "late", lambda _: 1), call("regenerate"), then(put(late=1), call("save"))],
    ids=["write", "alter", "regenerate", "save"],
)
def test_a_save_after_an_end_brings_nothing_back(server_site: Site, write: Action) -> None:
    """CVE-2025-46336 (rack-session)."""
    value = server_site.begin(fill)

    def overtaken(session: Session) -> None:
        assert session["kept"]
        server_site.request(call("invalidate"), value)
        write(session)

    reply = server_site.request(overtaken, value)

    assert reply.set_cookies == []
    assert server_site.read(value).has_no_session
    assert server_site.store.held() == {}


@everywhere
def test_what_the_store_is_asked_for_opens_nothing(server_site: Site) -> None:
    """CVE-2019-16782 (rack)."""
    value = server_site.begin(fill)
    handle = handle_of(token_in(value))

    assert set(server_site.store.keys) == {key_of(value)}
    assert token_in(value) not in server_site.store.held()[key_of(value)]
    assert all(server_site.read(thief).has_no_session for thief in (key_of(value), session_id_of(handle)))


@everywhere
def test_an_unknown_id_is_never_adopted(server_site: Site) -> None:
    """CVE-2024-38513 (Fiber)."""
    value = server_site.begin(fill)
    server_site.request(call("invalidate"), value)

    reply = server_site.request(put(new=1), value)

    assert reply.cookie not in (None, value)
    assert server_site.read(reply.cookie).seen == {"new": 1}


@everywhere
@pytest.mark.parametrize(
    "change", [CREATE, call("regenerate"), call("login", "owner")], ids=["create", "regenerate", "login"]
)
def test_a_collision_leaves_the_victim_intact(
    server_site: Site, change: Action, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tower-sessions 0.12."""
    victim = server_site.begin(put(kept="the victim's"))
    own = None if change is CREATE else server_site.begin(fill)
    dice = Dice(monkeypatch, token_in(victim))

    reply = server_site.request(then(put(attack=1), change), own)

    assert dice.is_spent
    assert reply.cookie not in (None, victim)
    assert server_site.read(victim).seen == {"kept": "the victim's"}


@everywhere
def test_an_expired_session_is_refused_though_the_store_has_it(server_site: Site) -> None:
    """tower-sessions 0.4.3, CVE-2024-35220 (@fastify/session)."""
    value = server_site.begin(fill)
    server_site.clock.advance(3600)

    assert server_site.read(value).has_no_session
    assert server_site.store.inner.load(key_of(value)) is not None
    assert server_site.rejections() == ["idle"]


@everywhere
@pytest.mark.parametrize("evil", ["x\r\nflush_all\r\n", "x\r\n*1\r\n$8\r\nFLUSHALL\r\n", "'; DROP TABLE sessions; --"])
@pytest.mark.parametrize("spelling", ["{}", '"{}"'], ids=["bare", "quoted"])
def test_no_id_with_a_line_break_reaches_a_server(server_site: Site, evil: str, spelling: str) -> None:
    """Flask-Session with memcached: such a line was a command."""
    value = server_site.begin(fill)
    server_site.store.calls.clear()

    replies = [server_site.read(spelling.format(text)) for text in (evil, value + evil, evil + value)]

    assert all(reply.has_no_session for reply in replies)
    assert server_site.store.calls == []
    assert server_site.read(value).seen == {"kept": "as it was"}
