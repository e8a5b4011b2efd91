"""An id that has ended stays so, however it is replayed, and whichever requests were under way when it ended."""

from __future__ import annotations

from typing import Any

import pytest
from security.tokens import fill, key_of
from support.actions import Action, then
from support.browser import Site, SiteMaker
from support.constants import COOKIE, SEEN
from support.stores import RecordingStore

from sessionware import Session, StoreUnavailable
from sessionware.stores import MemoryStore

SIGNED_IN: dict[str, list[Action]] = {
    "regenerate": [],
    "login": [],
    "relogin": [lambda session: session.login("owner")],
    "remember": [],
}


def _empty(session: Session) -> None:
    for key in list(session):
        del session[key]


ENDS: dict[str, Action] = {
    "invalidate": lambda session: session.invalidate(),
    "clear": lambda session: session.clear(),
    "emptied": _empty,
    "clear and write": then(lambda session: session.clear(), lambda session: session.update(new=1)),
    "clear and log in": then(lambda session: session.clear(), lambda session: session.login("somebody")),
}


@pytest.mark.parametrize("end", ENDS)
def test_an_id_that_was_ended_never_works_again(end: str, store: RecordingStore) -> None:
    """CVE-2018-1000519 (aiohttp-session): an emptied session stayed valid. CVE-2023-20862: clearing did not persist."""
    site = Site(backend=store)
    value = site.begin(fill)
    site.request(ENDS[end], value)

    replays = [site.read(value), site.request(fill, value), site.read(value)]

    assert [reply.has_no_session for reply in (replays[0], replays[2])] == [True, True]
    assert replays[1].cookie not in (None, value)
    assert store.inner.load(key_of(value)) is None


@pytest.mark.parametrize("end", ENDS)
def test_ending_deletes_exactly_our_cookie(end: str, site: Site) -> None:
    """CVE-2024-42447 (Airflow)."""
    value = site.begin(fill)

    reply = site.request(ENDS[end], header=f"other=1; {COOKIE}={value}")

    assert [line.partition("=")[0] for line in reply.set_cookies] == [COOKIE]
    assert reply.cookie != value


@pytest.mark.parametrize("end", ["invalidate", "clear", "emptied"])
def test_ending_deletes_with_the_attributes_of_setting(end: str, make_site: SiteMaker) -> None:
    """CVE-2026-28779 (Airflow): the path was always ``/``, so that the cookie stayed."""
    site = make_site(**{"cookie.path": "/app", "cookie.domain": "example.org"})
    begun = site.request(fill)
    value = begun.cookies.get("__Secure-sid")

    ended = site.request(ENDS[end], header=f"__Secure-sid={value}")

    def attributes(line: str) -> set[str]:
        return {part for part in line.split("; ")[1:] if not part.startswith(("Max-Age", "Expires"))}

    assert attributes(ended.set_cookies[0]) == attributes(begun.set_cookies[0])
    assert {"Path=/app", "Domain=example.org", "Secure", "HttpOnly"} <= attributes(ended.set_cookies[0])


@pytest.mark.parametrize("write", ["write", "alter", "forced", "save", "nested", "regenerate", "remember"])
def test_a_save_after_an_end_brings_nothing_back(write: str, store: RecordingStore) -> None:
    """CVE-2025-46336 (rack-session): A loads, B ends, A saves, and the session was there again."""
    site = Site(backend=store)
    value = site.begin(lambda session: session.update(kept="as it was", list=[]))
    writes: dict[str, Action] = {
        "write": lambda session: session.update(late=1),
        "alter": lambda session: session.alter("late", lambda _: 1),
        "forced": lambda session: setattr(session, "modified", True),
        "save": then(lambda session: session.update(late=1), lambda session: session.save()),
        "nested": lambda session: session["list"].append(1),
        "regenerate": lambda session: session.regenerate(),
        "remember": lambda session: session.remember("30d"),
    }

    def overtaken(session: Session) -> None:
        assert session["kept"]
        site.request(lambda other: other.invalidate(), value)
        writes[write](session)

    reply = site.request(overtaken, value)

    assert reply.status == 200
    assert reply.set_cookies == []
    assert store.held() == {}
    assert site.read(value).has_no_session


def test_a_renewal_after_an_end_brings_nothing_back(make_site: SiteMaker) -> None:
    """CVE-2025-46336; express-session#632: a touch was enough. A cookie session's renewal carries no data at all."""
    site = make_site()
    value = site.begin(fill)
    site.clock.advance(1800)

    def overtaken(session: Session) -> None:
        assert session["kept"]
        site.request(lambda other: other.invalidate(), value)

    reply = site.request(overtaken, value)

    assert reply.cookie is None
    # A cookie session's old cookie is dead only where it was deleted: in its own browser.
    assert not site.is_stored or site.read(value).has_no_session


def test_a_reader_under_way_never_answers_with_the_session_s_cookie(make_site: SiteMaker) -> None:
    """starlette#828, express-session#891: a slow answer that only read overwrote the cookie of a login."""
    site = make_site()
    value = site.begin(fill)
    names = set()
    for seconds in (0, 200, 1800):
        site.clock.advance(seconds)
        names |= {line.partition("=")[0] for line in site.request(dict, value).set_cookies}

    assert names <= {SEEN}


def test_an_end_that_could_not_be_deleted_is_told_as_revoked() -> None:
    class Stuck(MemoryStore):
        def delete(self, key: str) -> bool:
            raise StoreUnavailable("cannot delete")

    site = Site(backend=Stuck())
    value = site.begin(fill)
    ended = site.request(lambda session: session.invalidate(), value)
    site.events.clear()

    replay = site.read(value)

    assert ended.status == 200
    assert replay.has_no_session
    assert site.rejections() == ["revoked"]


@pytest.mark.parametrize(
    ("options", "seconds", "reason"),
    [
        pytest.param({}, 3600, "idle", id="idle"),
        pytest.param({"idle_timeout": None}, 86400, "too_old", id="absolute"),
        pytest.param({"absolute_timeout": "90s"}, 90, "too_old", id="absolute before idle"),
    ],
)
def test_an_expired_session_is_refused_at_its_limit_and_ever_after(
    make_site: SiteMaker, options: dict[str, Any], seconds: float, reason: str
) -> None:
    """tower-sessions 0.4.3, CVE-2024-35220 (@fastify/session): what had expired was served."""
    site = make_site(**options)
    value, still_alive = site.begin(fill), site.begin(fill)
    site.clock.advance(seconds - 1)
    assert site.read(still_alive).seen
    site.clock.advance(1)
    site.events.clear()

    at_its_limit = [site.read(value), site.request(lambda session: session.invalidate(), value)]
    site.clock.advance(10 * seconds)
    long_after = site.read(value)

    assert all(reply.has_no_session and reply.set_cookies == [] for reply in (*at_its_limit, long_after))
    assert site.rejections()[0] == reason
    assert set(site.rejections()) <= {reason, "too_old", "unknown_id"}


def test_no_use_keeps_a_session_beyond_its_absolute_end(make_site: SiteMaker) -> None:
    site = make_site()
    value: str | None = site.begin(fill)
    for step in range(24 * 2):
        site.clock.advance(1800)
        reply = site.request(lambda session: session.alter("n", lambda n: n + 1, 0) if session else None, value)
        value = reply.cookie or value
        assert reply.seen.get("n") == (step + 1 if step < 47 else None)


def test_a_setting_made_shorter_holds_for_sessions_there_are(make_site: SiteMaker) -> None:
    site = make_site(idle_timeout=None)
    value = site.begin(fill)
    site.clock.advance(601)

    strict = make_site(idle_timeout=None, absolute_timeout=600, clock=site.clock)

    assert strict.read(value).has_no_session
    assert strict.rejections() == ["too_old"]


@pytest.mark.parametrize("change", ["regenerate", "login", "relogin", "remember"])
def test_a_former_id_dies_with_its_grace(change: str, store: RecordingStore) -> None:
    changes: dict[str, Action] = {
        "regenerate": lambda session: session.regenerate(),
        "login": lambda session: session.login("somebody"),
        "relogin": lambda session: session.login("owner"),
        "remember": lambda session: session.remember("30d"),
    }
    site = Site(backend=store)
    value = site.begin(then(lambda session: session.update(old=1), *SIGNED_IN[change]))
    new = site.request(then(changes[change], lambda session: session.update(new=1)), value).cookie

    before, wrote = site.read(value), site.request(fill, value)
    site.clock.advance(10)
    after = site.read(value)

    assert before.seen == {"old": 1}
    assert before.set_cookies == []
    assert wrote.status == 409
    assert after.has_no_session
    assert site.read(new).seen == {"old": 1, "new": 1}


def test_a_former_id_of_a_session_that_ended_reads_nothing(store: RecordingStore) -> None:
    site = Site(backend=store)
    value = site.begin(fill)
    new = site.request(lambda session: session.regenerate(), value).cookie
    site.request(lambda session: session.invalidate(), new)

    assert site.read(value).has_no_session


def test_a_logout_by_a_former_id_ends_what_it_became(store: RecordingStore) -> None:
    """CVE-2023-40273, CVE-2024-42447 (Airflow): a logout left the session alive."""
    site = Site(backend=store)
    first = site.begin(fill)
    second = site.request(lambda session: session.regenerate(), first).cookie
    third = site.request(lambda session: session.regenerate(), second).cookie

    reply = site.request(lambda session: session.invalidate(), first)

    assert reply.cookie == ""
    assert [site.read(value).has_no_session for value in (first, second, third)] == [True] * 3


@pytest.mark.parametrize("count", [16, 1100])
def test_a_former_id_is_good_for_sixteen_changes_and_raises_nothing_after_a_thousand(count: int) -> None:
    """How often an id is replaced within the grace is up to the visitor, and what that costs is not."""
    site = Site(backend="memory", regenerate_grace="10m")
    first = value = site.begin(fill)
    for _ in range(count):
        value = site.request(lambda session: session.regenerate(), value).cookie or ""

    read = site.read(first)
    ended = site.request(lambda session: session.invalidate(), first)

    is_gone = count > 16
    assert read.seen == ({} if is_gone else {"kept": "as it was"})
    assert ended.cookie == (None if is_gone else "")
    assert site.read(value).has_no_session is not is_gone


def test_a_former_id_from_before_a_login_never_ends_the_login_nor_reads_it(store: RecordingStore) -> None:
    site = Site(backend=store)
    anonymous = site.begin(fill)
    value = site.request(
        then(lambda session: session.login("owner"), lambda session: session.update(private=1)), anonymous
    ).cookie

    read = site.read(anonymous)
    ended = site.request(lambda session: session.invalidate(), anonymous)

    assert read.seen == {"kept": "as it was"}
    assert read.user_id is None
    assert ended.set_cookies == []
    assert site.read(value).user_id == "owner"


@pytest.mark.parametrize("grace", ["10s", None])
def test_nothing_reads_a_session_over_which_another_has_logged_in(grace: str | None, store: RecordingStore) -> None:
    site = Site(backend=store, regenerate_grace=grace)
    value = site.begin(then(lambda session: session.login("owner"), fill))

    reply = site.request(lambda session: session.login("other"), value)

    assert site.read(value).has_no_session
    after = site.read(reply.cookie)
    assert (after.user_id, after.seen) == ("other", {})


def test_without_a_grace_a_former_id_is_over_at_once(store: RecordingStore) -> None:
    site = Site(backend=store, regenerate_grace=None)
    value = site.begin(fill)
    site.request(lambda session: session.regenerate(), value)

    assert site.read(value).has_no_session


@pytest.mark.parametrize("change", ["login", "relogin"])
def test_a_login_changes_the_id_against_fixation(change: str, make_site: SiteMaker) -> None:
    def log_in(session: Session) -> str:
        former = session.id
        session.login("owner")
        return former

    site = make_site()
    value = site.begin(then(fill, *SIGNED_IN[change]))

    reply = site.request(log_in, value)

    assert reply.cookie not in (None, value)
    assert site.request(lambda session: session.id, reply.cookie).result != reply.result


@pytest.mark.parametrize("grace", [None, "10s"])
def test_a_logout_under_way_while_the_id_changes_ends_what_the_session_became(grace: str | None) -> None:
    site = Site(backend="memory", regenerate_grace=grace)
    cookie = site.begin(lambda session: session.login("owner"))
    new: list[str | None] = []

    def log_out_slowly(session: Session) -> None:
        assert session.user_id == "owner"
        new.append(site.request(lambda other: other.regenerate(), cookie).cookie)
        site.clock.advance(15)
        session.invalidate()

    site.request(log_out_slowly, cookie)

    assert site.read(new[0]).user_id is None


def test_an_old_id_reads_nothing_beyond_the_end_of_what_it_held() -> None:
    site = Site(backend="memory", absolute_timeout=100, regenerate_grace="1h")
    cookie = site.begin(lambda session: session.update(before=1))
    site.clock.advance(95)
    site.request(lambda session: session.login("owner"), cookie)
    site.clock.advance(10)

    assert site.read(cookie).seen == {}
