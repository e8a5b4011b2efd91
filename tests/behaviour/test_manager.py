"""The manager without WSGI, and what stands in environ."""

from __future__ import annotations

from typing import Any

import pytest
from support.actions import put, read
from support.browser import Browser, Site, SiteMaker, visitor
from support.constants import COOKIE, KEY, SECRET
from support.stores import RecordingStore
from werkzeug import Request

from sessionware import (
    ConfigError,
    HeadersSent,
    Session,
    SessionManager,
    SessionMiddleware,
    StoreUnavailable,
    get_session,
)  # fmt: skip
from sessionware.stores import MemoryStore
from sessionware.testing import FakeClock

SECURE = {"wsgi.url_scheme": "https"}


def with_cookie(browser: Browser) -> dict[str, Any]:
    return {**SECURE, "HTTP_COOKIE": f"{COOKIE}={browser.cookies[COOKIE]}"}


def test_a_manager_has_no_public_members_but_those_of_the_reference(site: Site) -> None:
    members = {name for name in dir(site.manager) if not name.startswith("_")}

    of_requests = {"open", "commit", "merge_headers", "cookie_name"}
    assert members == of_requests | {"sessions_of", "revoke", "revoke_user", "purge", "ping", "close"}


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        pytest.param(SECURE, COOKIE, id="https"),
        pytest.param({"wsgi.url_scheme": "http", "HTTP_HOST": "localhost:8000"}, "sid", id="a browser on this machine"),
        pytest.param({"wsgi.url_scheme": "http", "HTTP_HOST": "example.org"}, COOKIE, id="plain http elsewhere"),
        pytest.param({"HTTP_HOST": "localhost", "HTTP_VIA": "1.1 proxy"}, COOKIE, id="behind a proxy"),
        pytest.param({}, COOKIE, id="nothing known"),
    ],
)
def test_the_manager_tells_the_name_of_the_cookie_that_a_request_reads_and_sets(
    site: Site, environ: dict[str, Any], name: str
) -> None:
    manager = site.manager
    session = manager.open(environ)
    session["a"] = 1

    [line] = [value for header, value in manager.commit(session) if header == "Set-Cookie"]

    assert manager.cookie_name(environ) == name
    assert line.startswith(f"{name}=")
    assert manager.open({**environ, "HTTP_COOKIE": line.partition(";")[0]}) == {"a": 1}


def test_asking_for_the_name_of_the_cookie_warns_of_nothing(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.manager.cookie_name({"HTTP_HOST": "localhost"})

    assert caplog.records == []


def test_open_of_a_request_asks_for_its_environ() -> None:
    with pytest.raises(ConfigError, match=r"environ is an object of the type Request: write manager.open\(environ\)"):
        SessionManager({"secret": SECRET}).open(Request({}))  # type: ignore[arg-type]


def test_open_and_commit_need_no_server(site: Site) -> None:
    session = site.manager.open(SECURE)
    session["a"] = 1
    pairs = site.manager.commit(session)

    assert [name for name, _ in pairs] == ["Vary", "Set-Cookie"]
    cookie = pairs[1][1].partition(";")[0]
    assert site.manager.open({**SECURE, "HTTP_COOKIE": cookie}) == {"a": 1}


def test_a_bare_environ_is_enough(site: Site) -> None:
    session = site.manager.open({})

    assert dict(session) == {}
    assert site.manager.commit(session) == [("Vary", "Cookie")]


def test_an_untouched_session_commits_to_nothing(browser: Browser) -> None:
    manager = browser.site.manager

    assert manager.commit(manager.open(with_cookie(browser))) == []


def test_a_second_commit_of_a_touched_session_is_refused(browser: Browser) -> None:
    manager = browser.site.manager
    session = manager.open(with_cookie(browser))
    len(session)
    manager.commit(session)

    with pytest.raises(HeadersSent):
        manager.commit(session)


def test_commit_takes_the_status(make: SiteMaker) -> None:
    browser = visitor(make(save_on_error=False))
    manager = browser.site.manager
    session = manager.open(with_cookie(browser))
    session["new"] = 2
    manager.commit(session, status=500)

    assert browser.data() == {"old": 1}


def test_commit_raises_what_the_store_raises(make_stored: SiteMaker) -> None:
    browser = visitor(make_stored())
    manager = browser.site.manager
    session = manager.open(with_cookie(browser))
    session["new"] = 2

    with browser.site.store.down("replace"), pytest.raises(StoreUnavailable):
        manager.commit(session)


def test_modified_is_false_after_the_commit(browser: Browser) -> None:
    manager = browser.site.manager
    session = manager.open(with_cookie(browser))
    session["new"] = 2
    manager.commit(session)

    assert session.modified is False


def test_the_environ_given_to_open_is_not_changed(browser: Browser) -> None:
    environ = with_cookie(browser)
    before = dict(environ)
    session = browser.site.manager.open(environ)
    session["new"] = 2
    browser.site.manager.commit(session)

    assert environ == before


def test_merge_headers_lays_the_pairs_in(site: Site) -> None:
    headers = [("Content-Type", "text/plain"), ("Vary", "Accept"), ("Cache-Control", "public, max-age=60")]
    given = list(headers)

    merged = site.manager.merge_headers(given, [("Vary", "Cookie"), ("Set-Cookie", "a=b")])

    assert given == headers
    assert ("Vary", "Accept, Cookie") in merged
    assert ("Set-Cookie", "a=b") in merged
    assert ("Cache-Control", "max-age=60, private") in merged


def test_ping_of_a_store_that_works_is_nothing(site: Site) -> None:
    site.manager.ping()

    assert not site.is_stored or site.store.calls == ["load"]
    assert site.events == []


def test_ping_of_a_store_that_is_down_raises(stored: Site) -> None:
    with stored.store.down(), pytest.raises(StoreUnavailable):
        stored.manager.ping()


def test_ping_asks_for_a_key_that_a_store_accepts(stored: Site) -> None:
    stored.manager.ping()

    assert len(stored.store.keys[0]) == 43


def test_purge_and_close_of_a_cookie_backend_are_nothing(cookie_site: Site) -> None:
    cookie_site.manager.close()

    assert cookie_site.manager.purge() == 0


def test_a_closed_store_opens_again(stored: Site) -> None:
    browser = visitor(stored)

    stored.manager.close()
    stored.manager.close()

    assert browser.data() == {"old": 1}


class Bare:
    """A store with the four operations and nothing else."""

    def __init__(self, inner: MemoryStore) -> None:
        self.load, self.create, self.replace, self.delete = inner.load, inner.create, inner.replace, inner.delete


def test_a_store_without_further_powers_can_be_purged_and_closed(clock: FakeClock) -> None:
    manager = SessionManager(backend=Bare(MemoryStore(clock=clock)), secret=SECRET)

    manager.close()

    assert manager.purge() == 0


def test_a_clock_is_looked_up_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    manager = SessionManager(backend="memory")
    monkeypatch.setattr("time.time", lambda: 1_000_000.0)

    assert manager.open(SECURE).created_at.timestamp() == 1_000_000


def test_memory_needs_no_secret(clock: FakeClock) -> None:
    app = SessionMiddleware(lambda environ, start_response: [], backend="memory", clock=clock)

    session = app.manager.open(SECURE)
    session["a"] = 1
    assert len(app.manager.commit(session)) == 2


def test_every_other_backend_needs_one(tmp_path: Any) -> None:
    for backend in ("cookie", "file", "sqlite"):
        options = {} if backend == "cookie" else {"backend.path": str(tmp_path / backend)}
        with pytest.raises(ConfigError, match="secret"):
            SessionManager({"backend": backend, **options})


def test_a_backend_may_be_named_with_its_path(tmp_path: Any, clock: FakeClock) -> None:
    for backend in (f"file://{tmp_path}/files", f"sqlite:///{tmp_path}/sessions.db"):
        site = Site(backend, clock)
        browser = Browser(site)
        browser.send(put(a=1))

        assert browser.data() == {"a": 1}
        site.manager.close()


def test_two_managers_over_one_store_see_the_same_sessions(stored: Site) -> None:
    browser = visitor(stored)

    assert browser.twin(stored.like()).data() == {"old": 1}


def test_the_session_and_its_manager_stand_in_environ(site: Site) -> None:
    environ: dict[str, Any] = {}

    def app(given: dict[str, Any], start_response: Any) -> list[bytes]:
        environ.update(given)
        return []

    site.app.app = app
    site.app({**SECURE, "REQUEST_METHOD": "GET"}, lambda *given: lambda chunk: None)

    assert isinstance(environ[KEY], Session)
    assert environ["sessionware.manager"] is site.app.manager
    assert get_session(environ) is environ[KEY]


@pytest.mark.parametrize("environ", [{}, {KEY: {}}, {KEY: None}], ids=["empty", "a dict", "None"])
def test_get_session_without_a_middleware_names_the_cure(environ: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="SessionMiddleware"):
        get_session(environ)


def test_a_store_that_is_no_object_of_ours_serves(clock: FakeClock) -> None:
    site = Site(RecordingStore(Bare(MemoryStore(clock=clock))), clock)
    browser = visitor(site)

    assert browser.ask(read).result == {"old": 1}


# A look at the store: for health checks, and before a deploy.


def test_ping_asks_for_something_that_is_not_there(stored: Site) -> None:
    stored.manager.ping()

    assert stored.store.calls == ["load"]


def test_ping_with_write_leaves_nothing_behind(stored: Site) -> None:
    stored.manager.ping(write=True)

    assert stored.store.calls == ["load", "create", "replace", "delete"]
    assert stored.store.held() == {}
    assert {len(key) for key in stored.store.keys} == {43}


def test_ping_of_a_cookie_session_has_nothing_to_ask(cookie_site: Site) -> None:
    cookie_site.manager.ping()
    cookie_site.manager.ping(write=True)


@pytest.mark.parametrize("operation", ["create", "replace", "delete"])
def test_ping_with_write_finds_a_store_that_can_only_be_read(memory: Site, operation: str) -> None:
    memory.store.failure = StoreUnavailable("the disk is read-only")
    with memory.store.down(operation):
        memory.manager.ping()
        with pytest.raises(StoreUnavailable, match="read-only"):
            memory.manager.ping(write=True)


def test_ping_with_write_finds_a_store_that_keeps_nothing(clock: FakeClock) -> None:
    inner = MemoryStore(clock=clock)
    store = Bare(inner)
    store.replace = lambda key, payload, ttl, version: MemoryStore().replace(key, payload, ttl, version)
    manager = SessionManager(backend=store, secret=SECRET)

    with pytest.raises(StoreUnavailable, match="does not keep what is written: it answered Gone") as caught:
        manager.ping(write=True)
    assert caught.value.__context__ is None
