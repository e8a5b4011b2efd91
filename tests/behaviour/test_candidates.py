"""What a client may send under our cookie's name: several, too many, forged, foreign; none of it raises anything."""

from __future__ import annotations

import base64
import json

import pytest
from support.actions import call, login, member, put, read
from support.browser import Browser, Site, SiteMaker, visitor
from support.companions import writes_partitioned
from support.constants import COOKIE, NEW_SECRET, PREFIX, SEEN

from sessionware.testing import FakeClock


def header(*values: str) -> str:
    return "; ".join(f"{COOKIE}={value}" for value in values)


def test_other_cookies_do_no_harm(browser: Browser) -> None:
    good = browser.cookies[COOKIE]

    for cookies in (
        f"a=b; {COOKIE}={good}; c=d",
        f'quoted="a;b"; {COOKIE}={good}',
        f"=nameless; ;;{COOKIE}={good};;",
        f"\xff\x00=\xff; {COOKIE}={good}",
        f"{COOKIE}x=1; x{COOKIE}=2; {COOKIE}={good}",
        f"bad\r\nname=x; {COOKIE} = {good} ",
    ):
        assert browser.site.ask(read, cookies).result == {"old": 1}


@pytest.mark.parametrize(
    "cookies", [f"={COOKIE}={{}}", f"{COOKIE.lower()}={{}}", "sid={}", "__Secure-sid={}", f"\xa0{COOKIE}={{}}"]
)
def test_only_the_full_name_is_read(browser: Browser, cookies: str) -> None:
    assert browser.site.ask(read, cookies.format(browser.cookies[COOKIE])).result == {}


def test_cookie_lines_that_a_server_joins_by_commas_are_a_warning_once(
    site: Site, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """A value may have commas, so that taking one for an end would let any other cookie bring ours."""
    header = f"theme=dark,{COOKIE}={browser.cookies[COOKIE]}"

    assert [site.read(header=header).seen for _ in range(2)] == [{}, {}]
    [record] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert f"{COOKIE!r} behind a comma" in record.getMessage()


@pytest.mark.parametrize("header", [f"a=1,x{COOKIE}=1", f"a=1, {COOKIE}2=1", f"a={COOKIE},b=1"])
def test_a_comma_before_another_name_is_no_warning(site: Site, header: str, caplog: pytest.LogCaptureFixture) -> None:
    site.read(header=header)

    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_second_cookie_with_our_name_does_no_harm(browser: Browser) -> None:
    good = browser.cookies[COOKIE]

    assert browser.site.ask(read, header("rubbish", good)).result == {"old": 1}
    assert browser.site.ask(read, header(good, "rubbish")).result == {"old": 1}
    assert browser.site.ask(read, header("", good)).result == {"old": 1}


def test_the_first_live_one_wins(site: Site) -> None:
    first, second = visitor(site, put(number=1)).cookies[COOKIE], visitor(site, put(number=2)).cookies[COOKIE]

    assert site.ask(read, header(first, second)).result == {"number": 1}
    assert site.ask(read, header(second, first)).result == {"number": 2}


def test_a_dead_one_in_front_does_no_harm(browser: Browser, clock: FakeClock) -> None:
    dead = browser.cookies[COOKIE]
    clock.advance(3600)
    live = visitor(browser.site, put(live=1)).cookies[COOKIE]

    assert browser.site.ask(read, header(dead, live)).result == {"live": 1}


def test_eight_are_looked_at(browser: Browser) -> None:
    good = browser.cookies[COOKIE]

    assert browser.site.ask(read, header(*map(str, range(7)), good)).result == {"old": 1}
    assert browser.site.ask(read, header(*map(str, range(8)), good)).result == {}


def test_an_empty_one_counts_among_the_eight(browser: Browser) -> None:
    good = browser.cookies[COOKIE]

    assert browser.site.ask(read, header("", *map(str, range(7)), good)).result == {}


def test_one_value_sent_many_times_counts_once(browser: Browser) -> None:
    good = browser.cookies[COOKIE]

    assert browser.site.ask(read, header(*["same"] * 50, good)).result == {"old": 1}


def dead_tokens(site: Site, count: int) -> list[str]:
    """Well-signed tokens of sessions that the store no longer holds."""
    tokens = []
    for _ in range(count):
        browser = visitor(site)
        tokens.append(browser.cookies[COOKIE])
        browser.send(call("clear"))
    site.store.calls.clear()
    return tokens


def test_four_reach_the_store(stored: Site) -> None:
    good = visitor(stored).cookies[COOKIE]
    dead = dead_tokens(stored, 4)

    assert stored.ask(read, header(*dead[:3], good)).result == {"old": 1}
    stored.store.calls.clear()
    assert stored.ask(read, header(*dead, good)).result == {}
    assert stored.store.calls == ["load"] * 4


def test_forged_ones_do_not_count_among_the_four(stored: Site) -> None:
    good = visitor(stored).cookies[COOKIE]
    dead = dead_tokens(stored, 3)

    assert stored.ask(read, header("a", "b", "c", "d", *dead, good)).result == {"old": 1}


def test_a_wrong_signature_never_reaches_the_store(stored: Site) -> None:
    good = visitor(stored).cookies[COOKIE]

    for position in range(len(good)):
        other = "A" if good[position] != "A" else "B"
        assert stored.ask(read, {COOKIE: good[:position] + other + good[position + 1 :]}).result == {}

    assert stored.store.calls == []


def test_a_cookie_with_any_bit_flipped_is_rejected(cookie_site: Site) -> None:
    good = visitor(cookie_site).cookies[COOKIE]

    for position in range(len(good)):
        for other in {"A", "_", ".", chr(ord(good[position]) ^ 1)} - {good[position]}:
            assert cookie_site.ask(read, {COOKIE: good[:position] + other + good[position + 1 :]}).result == {}


def test_a_cookie_has_one_spelling(browser: Browser) -> None:
    good = browser.cookies[COOKIE]

    for other in (
        f"{good}=",
        f"{good}.",
        f".{good}",
        f'""{good}""',
        f'"{good}',
        good.lower(),
        good.swapcase(),
        f"{good}%20",
    ):
        assert browser.site.ask(read, {COOKIE: other}).result == {}


def test_a_cookie_in_double_quotes_is_taken_without_them(browser: Browser) -> None:
    """RFC 6265 allows them around a value, and WebTest writes them."""
    assert browser.site.ask(read, f'{COOKIE}="{browser.cookies[COOKIE]}"').result == browser.data() != {}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


BAD = {
    "empty": "",
    "a dot": ".",
    "a word": "word",
    "json": json.dumps({"user": "admin"}),
    "base64 of json": b64(b'{"user": "admin"}'),
    "base64 of msgpack": b64(b"\x81\xa4user\xa5admin"),
    "a pickle": b64(b"cos\nsystem\n(S'false'\ntR."),
    "an itsdangerous token": "eyJ1c2VyIjoiYWRtaW4ifQ.ZVXXXw.AAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "a uuid": "0f9d1c2e-1111-2222-3333-444455556666",
    "a path": "../../../../etc/passwd",
    "NUL": "\x00",
    "CR LF": "a\r\nset key 0 0 1",
    "no ascii": "\xe4\xf6\xfc" * 20,
    "long": "A" * 100_000,
    "dots": "." * 1000,
    "the shape, not the rest": "A" * 60 + "." + "A" * 43,
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_cookie_gives_an_empty_new_session_and_an_event(light_site: Site, name: str) -> None:
    answer = light_site.ask(lambda session: (session.is_new, session.user_id, dict(session)), f"{COOKIE}={BAD[name]}")

    assert (answer.status, answer.result, answer.set_cookies) == (200, (True, None, {}), [])
    assert light_site.names() in (["rejected malformed"], ["rejected unknown_key"])
    assert not light_site.is_stored or light_site.store.calls == []


@pytest.mark.parametrize("name", BAD)
def test_a_visitor_with_a_bad_cookie_is_not_locked_out(light_site: Site, name: str) -> None:
    browser = Browser(light_site, {COOKIE: BAD[name]})

    browser.send(put(new=2))

    assert browser.data() == {"new": 2}


def test_a_cookie_of_another_secret_is_rejected(site: Site) -> None:
    foreign = visitor(site.like(secret=NEW_SECRET))

    assert site.ask(read, foreign.cookies).result == {}
    assert site.names() == ["rejected unknown_key"]


def test_a_cookie_of_another_name_is_rejected(site: Site) -> None:
    other = visitor(site.like(**{"cookie.name": "other"}))

    assert site.ask(read, {COOKIE: other.cookies[f"{PREFIX}other"]}).result == {}
    assert site.names() == ["rejected bad_signature"]


def test_a_cookie_of_another_backend_is_rejected(make_cookie: SiteMaker, make_memory: SiteMaker) -> None:
    one, two = visitor(make_cookie()), visitor(make_memory())

    assert one.site.ask(read, two.cookies).result == {}
    assert two.site.ask(read, one.cookies).result == {}


def test_a_session_of_http_is_not_found_on_https(make: SiteMaker) -> None:
    site = make()
    local = {"wsgi.url_scheme": "http", "HTTP_HOST": "localhost:8000"}
    cookies = site.ask(put(a=1), **local).cookies

    assert list(cookies) == ["sid"]
    assert site.ask(read, f"sid={cookies['sid']}", **local).result == {"a": 1}
    assert site.ask(read, f"{COOKIE}={cookies['sid']}").result == {}


def test_an_ended_id_never_works_again(stored: Site) -> None:
    browser = visitor(stored, login("ada"))
    copied = browser.twin()
    browser.send(call("clear"))

    copied.ask(put(new=2))

    assert browser.twin().ask(member("user_id")).result is None
    assert stored.ask(read, copied.cookies).result == {}


def test_a_record_copied_to_another_key_does_not_open(make_memory: SiteMaker) -> None:
    site = make_memory()
    thief, victim = visitor(site), visitor(site, login("ada"))
    inner = site.store.inner
    thief_key, victim_key = site.store.keys[0], site.store.keys[1]
    entry, own = inner.load(victim_key), inner.load(thief_key)
    assert entry is not None
    assert own is not None

    inner.replace(thief_key, entry.payload, None, own.version)

    assert thief.ask(member("user_id")).result is None
    assert site.names() == ["rejected undecryptable"]
    assert victim.ask(member("user_id")).result == "ada"


@pytest.mark.parametrize("payload", [b"", b"\x00", b"rubbish", b'{"user": "admin"}', b"\x80\x04." * 50])
def test_a_record_that_is_rubbish_gives_an_empty_new_session(stored: Site, payload: bytes) -> None:
    browser = visitor(stored)
    inner, key = stored.store.inner, stored.store.keys[0]
    entry = inner.load(key)
    assert entry is not None
    inner.replace(key, payload, None, entry.version)

    assert browser.data() == {}
    assert stored.names() == ["rejected malformed"]
    browser.send(put(new=2))
    assert browser.data() == {"new": 2}


# What is sent.


def attributes(line: str) -> list[str]:
    return line.split("; ")[1:]


def test_the_cookie_is_safe_by_itself(site: Site) -> None:
    (line,) = site.ask(put(a=1)).set_cookies

    assert line.startswith(f"{COOKIE}=")
    assert sorted(attributes(line)) == ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]


@pytest.mark.parametrize(
    ("options", "name"),
    [
        pytest.param({"cookie.path": "/app"}, "__Secure-sid", id="path"),
        pytest.param({"cookie.domain": "example.org"}, "__Secure-sid", id="domain"),
        pytest.param(
            {"cookie.samesite": "None", "cookie.partitioned": True}, COOKIE, id="partitioned", marks=writes_partitioned
        ),
        pytest.param({"cookie.httponly": False, "cookie.name": "x"}, "__Host-x", id="name"),
        pytest.param({"cookie.secure": False}, "sid", id="not secure"),
        pytest.param({"cookie.prefix": "__Secure-"}, "__Secure-sid", id="prefix"),
    ],
)
def test_deleting_uses_the_attributes_that_setting_used(make: SiteMaker, options: dict[str, object], name: str) -> None:
    browser = visitor(make(**options))
    (setting,) = browser.send(call("regenerate")).set_cookies
    (deletion,) = browser.send(call("clear")).set_cookies

    assert setting.startswith(f"{name}=")
    assert deletion.startswith(f"{name}=;")
    assert {part for part in attributes(deletion) if not part.startswith(("Max-Age", "Expires"))} == set(
        attributes(setting)
    )
    assert "Max-Age=0" in attributes(deletion)


def test_exactly_our_cookie_is_deleted(browser: Browser) -> None:
    browser.cookies["theirs"] = "1"
    browser.cookies[f"{COOKIE}2"] = "2"

    assert browser.send(call("clear")).cookies == {COOKIE: None}
    assert SEEN not in browser.cookies


def test_where_the_companion_is_deleted_too_the_last_line_is_that_of_the_cookie(cookie_site: Site) -> None:
    """Some gateways keep only the last Set-Cookie of an answer."""
    browser = visitor(cookie_site)
    browser.cookies[SEEN] = "whatever"

    lines = browser.send(call("clear")).set_cookies

    assert [line.partition("=")[0] for line in lines] == [SEEN, COOKIE]


@pytest.mark.parametrize(
    ("options", "environ", "said"),
    [
        pytest.param({"cookie.path": "/app"}, {"PATH_INFO": "/login"}, "outside cookie.path = '/app'", id="path"),
        pytest.param({"cookie.domain": "example.com"}, {}, "cookie.domain = 'example.com' does not cover", id="domain"),
    ],
)
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_session_written_where_its_cookie_does_not_reach_is_a_warning_once(
    make: SiteMaker,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, object],
    environ: dict[str, str],
    said: str,
    scheme: str,
) -> None:
    site = make(**options, **{"cookie.secure": True})

    for action in (read, put(a=1), put(a=2)):
        site.ask(action, **environ, **{"wsgi.url_scheme": scheme})

    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert said in record.getMessage()


def test_a_session_written_within_its_path_and_domain_is_no_warning(
    make: SiteMaker, caplog: pytest.LogCaptureFixture
) -> None:
    site = make(**{"cookie.path": "/app", "cookie.domain": "example.org"})

    site.ask(put(a=1), PATH_INFO="/app/page", HTTP_HOST="www.example.org:443")

    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_an_answer_with_our_cookie_is_private(browser: Browser) -> None:
    answer = browser.send(call("regenerate"))

    assert "private" in answer.lines("Cache-Control")[0]
