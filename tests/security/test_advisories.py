"""What went wrong in other packages, and the pitfalls that no other module covers."""

from __future__ import annotations

import ast
import re
import secrets
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from security.dice import Dice
from security.tokens import fill, key_of, token_in
from support.actions import Action, then
from support.browser import Site, SiteMaker
from support.constants import COOKIE, KEY, NEW_SECRET, SECRET
from support.stores import LOCAL_STORES, RecordingStore, local_store

from sessionware import CookieTooLarge, Session
from sessionware.stores import MemoryStore
from sessionware.testing import FakeClock


def package_sources() -> list[Path]:
    spec = find_spec("sessionware")
    assert spec is not None
    assert spec.origin is not None
    return sorted(Path(spec.origin).parent.rglob("*.py"))


# Nothing dangerous is imported.


@pytest.mark.parametrize("path", package_sources(), ids=lambda path: path.name)
def test_nothing_can_unpickle_or_decompress(path: Path) -> None:
    """CVE-2013-7489 (Beaker); itsdangerous#26: CRIME and BREACH by zlib."""
    dangerous = {"pickle", "_pickle", "cPickle", "copyreg", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle"}
    dangerous |= {"zlib", "gzip", "bz2", "lzma"}

    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }

    # Flask, Django and Beaker compress their sessions, which are expanded up to a bound, once a signature is verified.
    allowed = {"zlib"} if path.parent.name == "importers" and path.name == "compression.py" else set()
    assert imported & dangerous <= allowed


def test_nothing_is_compressed() -> None:
    """itsdangerous#26: the length of what is compressed tells of its content."""
    site = Site()

    def write(text: str) -> Action:
        return lambda session: session.update(a=text)

    lengths = [len(site.begin(write(text))) for text in ("a" * 999, "ab1-" * 250)]

    assert min(lengths) > 1300
    assert max(lengths) - min(lengths) < 4


@pytest.mark.parametrize("backend", ["cookie", *LOCAL_STORES])
def test_no_token_against_forged_requests_stands_in_two_pages(backend: str, tmp_path: Path) -> None:
    """BREACH: the length of compressed pages tells of a secret that stands in each of them."""
    site = Site("cookie" if backend == "cookie" else local_store(backend, tmp_path))
    value = site.begin(lambda session: session.csrf_token)

    tokens = [site.request(lambda session: session.csrf_token, value).result for _ in range(50)]

    pieces = [{token[place : place + 8] for place in range(len(token) - 7)} for token in tokens]
    assert all(one.isdisjoint(other) for one in pieces for other in pieces if one is not other)
    assert site.request(lambda session: all(map(session.verify_csrf, tokens)), value).result


def test_equal_data_gives_unrelated_cookies() -> None:
    """CVE-2012-3458 (Beaker): encryption leaked parts of the payload."""
    site = Site()
    one, other = (token_in(site.begin(fill)) for _ in range(2))

    assert len(one) == len(other)
    assert sum(a == b for a, b in zip(one, other, strict=True)) < len(one) / 4
    assert b"as it was" not in one


# Visitors who store nothing leave no record.


def test_random_ids_and_logouts_leave_no_record(store: RecordingStore) -> None:
    """CVE-2015-5143, CVE-2015-5963, CVE-2015-5964 (Django): empty sessions filled the store; Beaker left 355 inodes."""
    site = Site(backend=store)
    signer = Site(backend=MemoryStore())
    values = [signer.begin(fill) for _ in range(250)]

    for number, value in enumerate(values):
        replies = [
            site.read(value),
            site.request(lambda session: session.clear(), value),
            site.request(lambda session: session.invalidate()),
            site.request(dict, f"{number:043}"),
        ]
        assert all(reply.set_cookies == [] for reply in replies)

    assert set(store.calls) == {"load"}
    assert store.held() == {}


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(lambda session: session.update({}), id="nothing set"),
        pytest.param(then(lambda session: session.update(a=1), lambda session: session.pop("a")), id="set and removed"),
        pytest.param(lambda session: session.regenerate(), id="regenerated"),
        pytest.param(lambda session: session.remember("30d"), id="remembered"),
        pytest.param(then(lambda session: session.update(a=1), lambda session: session.revert()), id="reverted"),
        pytest.param(lambda session: setattr(session, "modified", True), id="forced"),
        pytest.param(then(lambda session: session.update(a=1), lambda session: session.clear()), id="cleared"),
        pytest.param(lambda session: session.save(), id="saved"),
    ],
)
def test_an_empty_session_is_no_session(action: Action, store: RecordingStore) -> None:
    site = Site(backend=store)

    reply = site.request(action)

    assert reply.set_cookies == []
    assert store.calls == []


@pytest.mark.parametrize("backend", LOCAL_STORES)
def test_what_has_expired_is_purged_and_nothing_else(backend: str, tmp_path: Path) -> None:
    """ckan#5294, flask-session PR#117: 40 million rows, because nothing ever removed what had expired."""
    clock = FakeClock()
    store = local_store(backend, tmp_path, clock)
    site = Site(backend=store, clock=clock)
    over = [site.begin(fill) for _ in range(3)]
    clock.advance(3599)
    alive = site.begin(fill)
    assert site.manager.purge() == 0
    clock.advance(1)

    removed = site.manager.purge()

    assert removed == 3
    assert [store.load(key_of(value)) for value in over] == [None] * 3
    assert site.read(alive).seen
    site.manager.close()


# Ids.


CHANGES: dict[str, Action] = {
    "regenerate": lambda session: session.regenerate(),
    "login": lambda session: session.login("owner"),
    "remember": lambda session: session.remember("30d"),
}


def test_a_collision_on_create_leaves_the_victim_intact(store: RecordingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """tower-sessions 0.12: a collision of ids overwrote a live session."""
    site = Site(backend=store)
    victim = site.begin(lambda session: session.update(secret="the victim's"))
    before = store.held()[key_of(victim)]
    dice = Dice(monkeypatch, token_in(victim), token_in(victim))

    reply = site.request(lambda session: session.update(attack=1))

    assert dice.is_spent
    assert reply.cookie not in (None, victim)
    assert store.held()[key_of(victim)] == before
    assert site.read(victim).seen == {"secret": "the victim's"}
    assert site.read(reply.cookie).seen == {"attack": 1}


def test_a_collision_with_an_id_shown_in_advance_leaves_the_victim_intact(
    store: RecordingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(backend=store)
    victim = site.begin(lambda session: session.update(secret="the victim's"))
    dice = Dice(monkeypatch, token_in(victim))

    reply = site.request(then(lambda session: session.id, lambda session: session.update(attack=1)))

    assert dice.is_spent
    assert reply.cookie not in (None, victim)
    assert site.read(victim).seen == {"secret": "the victim's"}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("whose", ["victim", "own"])
def test_a_collision_on_a_change_of_id_leaves_the_victim_intact(
    whose: str, change: str, store: RecordingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tower-sessions 0.12."""
    site = Site(backend=store)
    victim = site.begin(lambda session: session.update(secret="the victim's"))
    own = site.begin(fill)
    before = store.held()[key_of(victim)]
    dice = Dice(monkeypatch, token_in(victim if whose == "victim" else own))

    reply = site.request(CHANGES[change], own)

    assert dice.is_spent
    assert reply.cookie not in (None, victim, own)
    assert store.held()[key_of(victim)] == before
    assert site.read(reply.cookie).seen == {"kept": "as it was"}


def test_a_random_source_that_repeats_itself_is_a_503_and_overwrites_nothing(
    store: RecordingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(backend=store)
    victim = site.begin(fill)
    Dice(monkeypatch, *[token_in(victim)] * 1000)

    reply = site.request(lambda session: session.update(attack=1))

    assert reply.status == 503
    assert reply.set_cookies == []
    assert site.read(victim).seen == {"kept": "as it was"}


@pytest.mark.parametrize("change", ["create", *CHANGES])
@pytest.mark.parametrize("failing", [12, 16, 32], ids=["nonces", "handles", "tokens"])
def test_a_failing_random_source_fails_the_request(
    change: str, failing: int, make_site: SiteMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2025-66630 (Fiber): a failing random source gave an id of zeros."""
    source = secrets.token_bytes
    asked: list[int] = []

    def fail(size: int) -> bytes:
        asked.append(size)
        if size == failing:
            raise NotImplementedError("no source of randomness")
        return source(size)

    site = make_site()
    value = None if change == "create" else site.begin(fill)
    with monkeypatch.context() as patch:
        patch.setattr("secrets.token_bytes", fail)
        try:
            site.request({"create": fill, **CHANGES}[change], value)
        except NotImplementedError:
            has_failed = True
        else:
            has_failed = False

    # A cookie session draws no token, a stored one no handle.
    assert has_failed is (failing in asked)
    if value is not None and has_failed:
        assert site.read(value).seen == {"kept": "as it was"}


def test_ids_are_unlike_each_other_and_never_of_the_visitor_s_choice() -> None:
    site = Site(backend="memory")
    tokens = {token_in(site.begin(fill)) for _ in range(200)}

    assert len(tokens) == 200
    assert {len(token) for token in tokens} == {32}


# Keys.


def test_the_first_key_signs_and_all_open(make_site: SiteMaker) -> None:
    """GHSA-4grg-w6v8-c28g (Flask): with several keys the oldest one signed."""
    value = make_site(secret=NEW_SECRET).begin(fill)
    both = make_site(secret=[SECRET, NEW_SECRET])

    read, written = (
        both.read(value),
        both.request(then(lambda session: session.update(a=1), lambda session: session.regenerate()), value),
    )

    assert read.seen == {"kept": "as it was"}
    assert any(re.fullmatch("old_key [0-9a-f]{8}", event.reason or "") for event in both.events)
    assert make_site(secret=SECRET).read(written.cookie).seen == {"kept": "as it was", "a": 1}
    assert make_site(secret=NEW_SECRET).read(written.cookie).has_no_session


def test_reading_never_seals_anew(make_site: SiteMaker) -> None:
    value = make_site(secret=NEW_SECRET).begin(fill)
    both = make_site(secret=[SECRET, NEW_SECRET])

    assert both.read(value).set_cookies == []
    assert make_site(secret=NEW_SECRET).read(value).seen


# Saving, and what is sent.


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda session: session["cart"].append(1), id="append"),
        pytest.param(lambda session: session["deep"]["er"]["est"].update(a=1), id="deep inside"),
        pytest.param(lambda session: session.__ior__({"kept": 2}), id="update in place"),
        pytest.param(lambda session: session.popitem(), id="popitem"),
        pytest.param(lambda session: session.pop("kept"), id="pop"),
        pytest.param(lambda session: session.setdefault("new", []).append(1), id="setdefault"),
        pytest.param(lambda session: next(iter(session.values())).append(1), id="values"),
        pytest.param(lambda session: dict(session.items())["cart"].append(1), id="items"),
        pytest.param(lambda session: session.get("cart").append(1), id="get"),
        pytest.param(lambda session: session["set"].add(1), id="a set"),
        pytest.param(lambda session: session["pair"][0].append(1), id="a list in a tuple"),
        pytest.param(lambda session: [session[key].append(1) for key in session if key == "cart"], id="iteration"),
        pytest.param(lambda session: session | {"a": session["cart"].append(1)}, id="or"),
    ],
)
def test_every_kind_of_change_is_saved(change: Action, make_site: SiteMaker) -> None:
    """flask#1983, pyramid#2694, starlette PR#3436: nested changes, ``popitem`` and ``|=`` were lost."""
    site = make_site()
    value = site.begin(
        lambda session: session.update(cart=[], kept=1, deep={"er": {"est": {}}}, set=set(), pair=([],), last=1)
    )
    seen = site.read(value).seen

    reply = site.request(change, value)

    after = site.read(reply.cookie or value).seen
    assert after == reply.seen
    assert after != seen


@pytest.mark.parametrize("action", [dict, len, bool, lambda session: "kept" in session, lambda session: session.id])
def test_reading_writes_nothing_and_sends_nothing(action: Action, store: RecordingStore) -> None:
    site = Site(backend=store)
    value = site.begin(fill)
    store.calls.clear()

    reply = site.request(action, value)

    assert store.calls == ["load"]
    assert reply.headers == [("Content-Type", "text/plain"), ("Vary", "Cookie")]


def test_a_renewal_varies_too(make_site: SiteMaker) -> None:
    """CVE-2023-30861 (Flask): an answer that renewed the session had no Vary, so caches gave its cookie to others."""
    site = make_site()
    value = site.begin(fill)
    site.clock.advance(1800)

    reply = site.read(value)

    assert ("Vary", "Cookie") in reply.headers
    assert not reply.set_cookies or ("Cache-Control", "private") in reply.headers


@pytest.mark.parametrize(
    "touch",
    [
        pytest.param(lambda session: "kept" in session, id="in"),
        pytest.param(len, id="len"),
        pytest.param(bool, id="bool"),
        pytest.param(list, id="iteration"),
        pytest.param(lambda session: session == {}, id="equality"),
        pytest.param(lambda session: session.get("kept"), id="get"),
        pytest.param(lambda session: session.user_id, id="user_id"),
        pytest.param(lambda session: session.is_new, id="is_new"),
        pytest.param(lambda session: session.created_at, id="created_at"),
        pytest.param(lambda session: session.keys().__contains__("kept"), id="keys"),
    ],
)
def test_every_touch_of_no_session_varies_too(touch: Action, make_site: SiteMaker) -> None:
    """CVE-2026-27205 (Flask): ``in`` and ``len`` were not counted as access."""
    site = make_site()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        touch(environ[KEY])
        start_response("200 OK", [])
        return []

    assert site.exchange(app).run().headers == [("Vary", "Cookie")]


def test_a_cookie_too_large_is_an_error_before_anything_is_sent() -> None:
    """werkzeug PR#780, and Starlette: browsers drop such a cookie without a word, and the session with it."""
    site = Site()
    value = site.begin(fill)

    with pytest.raises(CookieTooLarge, match="blob"):
        site.request(lambda session: session.update(blob="x" * 4000), value)

    assert site.read(value).seen == {"kept": "as it was"}


def test_the_cookie_is_safe_as_it_comes(site: Site) -> None:
    """Beaker set neither HttpOnly nor Secure."""
    reply = site.request(fill)

    name, _, attributes = reply.set_cookies[0].partition("=")
    assert name == COOKIE
    assert set(attributes.split("; ")[1:]) == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}
    assert ("Cache-Control", "private") in reply.headers


def test_every_decision_is_told(site: Site) -> None:
    """Too big, wrong key, expired and corrupt all looked like "logged out" elsewhere."""
    value = site.request(fill).cookie
    value = site.request(lambda session: session.update(a=1), value).cookie or value
    value = site.request(lambda session: session.regenerate(), value).cookie or value
    value = site.request(lambda session: session.login("owner"), value).cookie or value
    other = site.request(lambda session: session.login("other"), value).cookie
    site.request(lambda session: session.invalidate(), other)

    told = [(event.name, event.reason) for event in site.events if event.name != "loaded"]

    assert told == [
        ("created", None),
        ("saved", None),
        ("regenerated", "regenerate"),
        ("regenerated", "login"),
        ("ended", "login"),
        ("created", "login"),
        ("ended", "invalidated"),
    ]


def test_a_user_s_data_never_reaches_the_next_one_on_the_same_browser(make_site: SiteMaker) -> None:
    def swap(session: Session) -> dict[str, Any]:
        session["cart"] = ["the owner's"]
        session.login("other")
        return dict(session)

    site = make_site()
    value = site.begin(
        then(lambda session: session.login("owner"), lambda session: session.update(private="the owner's", cart=[]))
    )

    reply = site.request(swap, value)

    assert reply.result == {}
    after = site.read(reply.cookie)
    assert (after.user_id, after.seen) == ("other", {})
