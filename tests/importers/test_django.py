"""Sessions that Django itself has made with signed cookies are taken over."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings  # type: ignore[import-untyped]
from django.contrib.sessions.middleware import SessionMiddleware  # type: ignore[import-untyped]
from django.core import signing  # type: ignore[import-untyped]
from django.http import HttpResponse  # type: ignore[import-untyped]
from django.test import RequestFactory  # type: ignore[import-untyped]
from support.actions import call, login, member, put
from support.browser import Browser, Site
from support.constants import COOKIE
from support.fleet import Jar, Losses, OurWorker, run
from support.stores import RecordingStore, local_store

from sessionware.importers.django import DjangoSessions
from sessionware.testing import FakeClock

DJANGO_SECRET = "the key of the Django project"
SALT = "django.contrib.sessions.backends.signed_cookies"
DAY = 86400.0

if not settings.configured:
    settings.configure(
        SECRET_KEY=DJANGO_SECRET, SESSION_ENGINE=SALT, ALLOWED_HOSTS=["*"], USE_TZ=True, CACHES={}, DATABASES={}
    )


class DjangoWorker:
    """One worker, which does with ``request.session`` what a request asks it to."""

    def send(self, jar: Jar, wanted: Callable[[Any], Any]) -> Any:
        """What *wanted* gives in a request with the cookies of *jar*, which takes those of the answer."""
        result: Any = None

        def view(request: Any) -> HttpResponse:
            nonlocal result
            result = wanted(request.session)
            return HttpResponse("ok")

        request = RequestFactory().get("/")
        request.COOKIES.update(jar.cookies)
        for name, morsel in SessionMiddleware(view)(request).cookies.items():
            if morsel.value:
                jar.cookies[name] = morsel.value
            else:
                jar.cookies.pop(name, None)
        return result

    def log_in(self, jar: Jar, user: str) -> None:
        self.send(jar, lambda session: session.update({"_auth_user_id": user}))

    def log_out(self, jar: Jar) -> None:
        self.send(jar, lambda session: session.flush())

    def write(self, jar: Jar) -> None:
        self.send(jar, lambda session: session.update({"visits": session.get("visits", 0) + 1}))

    def who(self, jar: Jar) -> str | None:
        found: str | None = self.send(jar, lambda session: session.get("_auth_user_id"))
        return found


class Move:
    """A Django worker, and a site that takes its sessions over."""

    def __init__(self, backend: Any, clock: FakeClock) -> None:
        self.clock = clock
        self.old = DjangoWorker()
        self.new = Site(backend, clock, import_from=[DjangoSessions(DJANGO_SECRET, until=clock() + 30 * DAY)])
        self.jar = Jar()

    def browser(self) -> Browser:
        """The same browser at a new worker."""
        browser = Browser(self.new)
        browser.cookies = self.jar.cookies
        return browser

    def ask(self, name: str) -> Any:
        return self.browser().ask(member(name)).result


@pytest.fixture(params=["cookie", "memory"])
def move(request: pytest.FixtureRequest, tmp_path: Path) -> Move:
    clock = FakeClock(time.time())
    backend = "cookie" if request.param == "cookie" else RecordingStore(local_store(request.param, tmp_path, clock))
    return Move(backend, clock)


def test_a_session_comes_along_with_its_user_and_its_data(move: Move) -> None:
    move.old.log_in(move.jar, "7")
    move.old.send(move.jar, lambda session: session.update({"cart": [1, {"a": None}], "text": "žluť" * 50}))

    move.browser().send(put(more=1))

    assert move.ask("user_id") == "7"
    found = {"_auth_user_id": "7", "cart": [1, {"a": None}], "text": "žluť" * 50, "more": 1}
    assert move.browser().data() == found
    assert move.old.who(move.jar) == "7"


def test_a_cookie_of_a_release_before_3_1_comes_along() -> None:
    """Django 2.2.28 has signed it, by SHA-1."""
    value = "eyJfYXV0aF91c2VyX2lkIjoiNyIsIngiOlsxLCJhIl19:1xXP6q:wDZiHuHN_J4HBnkqgbA1M6nFPmc"
    clock = FakeClock(1_795_898_100)
    importer = DjangoSessions("old-secret-of-django", until=clock() + DAY)
    browser = Browser(Site("memory", clock, import_from=importer), {"sessionid": value})

    assert browser.ask(member("user_id")).result == "7"
    assert browser.data() == {"_auth_user_id": "7", "x": [1, "a"]}


def test_a_fallback_of_the_key_opens_a_cookie_and_another_key_does_not(move: Move) -> None:
    move.old.log_in(move.jar, "7")
    until = move.clock() + DAY

    rotated = move.new.like(import_from=DjangoSessions(["a new key", DJANGO_SECRET], until=until))
    other = move.new.like(import_from=DjangoSessions("a new key", until=until))

    assert rotated.ask(member("user_id"), move.jar.cookies).result == "7"
    assert other.ask(member("user_id"), move.jar.cookies).result is None


@pytest.mark.parametrize("value", ["x", "a:b:c", "::", "é:1:x", "a" * 5000])
def test_what_django_has_not_signed_is_rejected(move: Move, value: str) -> None:
    move.jar.cookies["sessionid"] = value

    assert move.ask("user_id") is None
    assert move.new.rejections() == ["bad_signature"]


@pytest.mark.parametrize("payload", [[1], "text", 5])
def test_what_is_signed_and_no_session_is_malformed(move: Move, payload: Any) -> None:
    move.jar.cookies["sessionid"] = signing.dumps(payload, salt=SALT)

    assert move.ask("user_id") is None
    assert move.new.rejections() == ["malformed"]


def test_a_cookie_that_would_expand_without_a_bound_is_malformed(move: Move) -> None:
    move.jar.cookies["sessionid"] = signing.dumps({"a": "a" * (1 << 21)}, salt=SALT, compress=True)

    assert move.ask("user_id") is None
    assert move.new.rejections() == ["malformed"]


def test_a_lifetime_of_the_sessions_own_holds(move: Move) -> None:
    def begin(session: Any) -> None:
        session["_auth_user_id"] = "7"
        session.set_expiry(1800)

    move.old.send(move.jar, begin)
    move.browser().send(put(more=1))

    assert "_session_expiry" not in move.browser().data()
    move.clock.advance(1700)
    assert move.ask("user_id") == "7"
    move.clock.advance(200)
    assert move.ask("user_id") is None


@pytest.mark.parametrize("expiry", [10**25, 10**400], ids=["an int of no 64 bits", "an int that is no float"])
def test_an_end_that_no_record_can_hold_fails_no_request(move: Move, expiry: int) -> None:
    move.jar.cookies["sessionid"] = signing.dumps({"_auth_user_id": "7", "_session_expiry": expiry}, salt=SALT)

    answer = move.browser().send(put(more=1))

    assert answer.status == 200
    assert move.browser().data()["more"] == 1


def test_a_logout_at_a_new_worker_deletes_both_cookies(move: Move) -> None:
    move.old.log_in(move.jar, "7")
    move.browser().send(put(more=1))

    move.browser().send(call("clear"))

    assert move.jar.cookies == {}


def test_a_logout_or_another_login_at_an_old_worker_holds_at_new_ones(move: Move) -> None:
    move.old.log_in(move.jar, "7")
    move.browser().send(put(more=1))

    move.old.log_in(move.jar, "8")
    assert move.ask("user_id") == "8"
    move.old.log_out(move.jar)

    assert move.ask("user_id") is None


def test_a_login_as_another_user_deletes_the_cookie_of_django(move: Move) -> None:
    move.old.log_in(move.jar, "7")

    move.browser().send(login("8"))

    assert list(move.jar.cookies) == [COOKIE]


def test_a_move_of_a_fleet_loses_nothing(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    # Its cookies differ by the second in which they were signed.
    monkeypatch.setattr(signing.TimestampSigner, "timestamp", lambda signer: signing.b62_encode(int(move.clock())))

    losses = run(move.old, OurWorker(move.new), move.clock.advance, seed=1)

    assert losses == Losses()
