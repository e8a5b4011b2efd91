"""A bad cookie is an empty new session and an event with its reason, and never an exception."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from security.tokens import encoded, fill, key_of, spellings, token_in
from support.browser import Answer, Site, SiteMaker
from support.constants import COOKIE, NEW_SECRET, PREFIX, SECRET, SEEN
from support.stores import LOCAL_STORES, RecordingStore, local_store

from sessionware import Session
from sessionware.crypto.identifiers import handle_of, session_id_of, store_key
from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSigner
from sessionware.session.formats import Formats
from sessionware.stores import MemoryStore
from sessionware.wire.serializer import Serializer

#: The head of another purpose, of the format's next version, and of a text of an unknown key.
FOREIGN_HEADS = ["AQNERERE", "AgFERERE", "AQdERERE"]
SIGNATURE = "A" * 43

MALFORMED = [
    pytest.param("", id="empty"),
    pytest.param(".", id="a dot"),
    pytest.param("x", id="one character"),
    pytest.param("a" * 100_000, id="oversized"),
    pytest.param(f"AQFERERE{'a' * 5000}.{SIGNATURE}", id="oversized and well-formed"),
    pytest.param("../../../etc/passwd", id="path"),
    pytest.param("..%2f..%2fetc%2fpasswd", id="quoted path"),
    pytest.param("/etc/passwd\0.txt", id="NUL"),
    pytest.param("a\r\nset x 0 0 1\r\n", id="line breaks"),
    pytest.param('"a\\015\\012set x 0 0 1\\015\\012"', id="quoted line breaks"),
    pytest.param("é" * 60, id="latin-1"),
    pytest.param("😀".encode().decode("latin-1"), id="UTF-8"),
    pytest.param("eyJ1c2VyIjoiYWRtaW4ifQ", id="base64 JSON"),
    pytest.param('{"user":"admin"}', id="plain JSON"),
    pytest.param("eyJ1c2VyIjoiYWRtaW4ifQ.Zx0aBQ.Rm9yZ2VkU2lnbmF0dXJlRm9yZ2Vk", id="Flask's"),
    pytest.param(encoded(pickle.dumps({"user": "admin"})), id="pickle"),
    pytest.param("0123456789abcdef" * 4, id="another system's id"),
    pytest.param(f"{FOREIGN_HEADS[1]}{'a' * 43}.{SIGNATURE}", id="a format to come"),
    pytest.param(f"{FOREIGN_HEADS[2]}{'a' * 43}.{SIGNATURE}", id="an unknown kind"),
]


@pytest.fixture
def loaders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The functions that were called to unpack a value."""
    called: list[str] = []
    for owner, name in ((Formats, "unpack"), (Serializer, "loads"), (pickle, "loads")):
        original: Any = getattr(owner, name)

        def noting(*arguments: Any, name: str = name, original: Any = original) -> Any:
            called.append(name)
            return original(*arguments)

        monkeypatch.setattr(owner, name, noting)
    return called


def check_rejected(reply: Answer, site: Site, reason: str) -> None:
    assert reply.status == 200
    assert reply.has_no_session
    assert reply.set_cookies == []  # The cookie stays: the next worker of a rolling deploy may know its key.
    assert ("Vary", "Cookie") in reply.headers
    assert site.rejections() == [reason]


@pytest.mark.parametrize("value", MALFORMED)
def test_a_malformed_cookie_is_rejected_and_no_loader_is_reached(site: Site, value: str, loaders: list[str]) -> None:
    """CVE-2026-39324 (rack-session): what could not be decrypted was given to the plain decoder."""
    reply = site.read(value)

    check_rejected(reply, site, "malformed")
    assert loaders == []


def test_every_truncation_is_rejected_and_no_loader_is_reached(site: Site, loaders: list[str]) -> None:
    value = site.begin(fill)
    loaders.clear()

    replies = [site.read(value[:size]) for size in range(len(value))]

    assert all(reply.has_no_session and reply.status == 200 and not reply.set_cookies for reply in replies)
    assert set(site.rejections()) <= {"malformed", "bad_signature"}
    assert len(site.rejections()) == len(value)
    assert loaders == []


def test_every_changed_character_is_rejected_and_no_loader_is_reached(site: Site, loaders: list[str]) -> None:
    """CVE-2012-3458 (Beaker): a token has one spelling, and no bit of it can be changed."""
    value = site.begin(fill)
    loaders.clear()

    replies = [site.read(spelling) for spelling in spellings(value)]

    assert all(reply.has_no_session and reply.status == 200 and not reply.set_cookies for reply in replies)
    assert set(site.rejections()) == {"malformed", "bad_signature", "unknown_key"}
    assert loaders == []


@pytest.mark.parametrize("around", ["{}=", "{}==", '""{}""', '"{}', "{}.", ".{}", "{} x", "%20{}", "{}\xa0", "{0}{0}"])
def test_another_spelling_of_a_good_cookie_is_rejected(site: Site, around: str) -> None:
    value = site.begin(fill)

    assert site.read(around.format(value)).has_no_session


def test_a_cookie_of_a_foreign_key_is_of_an_unknown_key(make_site: SiteMaker, loaders: list[str]) -> None:
    value = make_site(secret=NEW_SECRET).begin(fill)
    site = make_site()
    loaders.clear()

    reply = site.read(value)

    check_rejected(reply, site, "unknown_key")
    assert loaders == []


def test_a_forged_signature_is_a_bad_signature(site: Site, loaders: list[str]) -> None:
    value = site.begin(fill)
    loaders.clear()

    reply = site.read(f"{value.rpartition('.')[0]}.{SIGNATURE}")

    check_rejected(reply, site, "bad_signature")
    assert loaders == []


def test_what_is_signed_and_sealed_by_another_key_is_undecryptable(loaders: list[str]) -> None:
    site = Site()
    signed = CookieSigner(Keyring([SECRET.encode()]), Purpose.COOKIE_SIGN, COOKIE)

    reply = site.read(signed.sign(bytes(100)))

    check_rejected(reply, site, "undecryptable")
    assert loaders == []


def test_a_value_moved_between_cookie_names_is_rejected(make_site: SiteMaker, loaders: list[str]) -> None:
    """client-sessions#111: the cookie's name is authenticated."""
    value = make_site(**{"cookie.name": "admin"}).request(fill).cookies.get(f"{PREFIX}admin")
    site = make_site()
    loaders.clear()

    reply = site.read(value)

    check_rejected(reply, site, "bad_signature")
    assert loaders == []


def test_a_companion_is_no_session_and_a_session_no_companion() -> None:
    site = Site()
    value = site.begin(fill)
    site.clock.advance(1800)
    companion = site.read(value).cookies.get(SEEN)
    site.events.clear()

    as_session = site.read(companion)
    site.clock.advance(3000)
    as_companion = site.read(header=f"{COOKIE}={value}; {SEEN}={value}")

    assert as_session.has_no_session
    assert as_companion.has_no_session
    assert site.rejections() == ["malformed", "idle"]


def test_a_companion_serves_only_the_cookie_that_it_was_sent_for() -> None:
    site = Site()
    mine, theirs = site.begin(fill), site.begin(fill)
    site.clock.advance(3000)
    companion = site.read(theirs).cookies.get(SEEN)
    site.clock.advance(1000)

    assert site.read(header=f"{COOKIE}={theirs}; {SEEN}={companion}").seen
    assert site.read(header=f"{COOKIE}={mine}; {SEEN}={companion}").has_no_session


@pytest.mark.parametrize("make", [session_id_of, store_key], ids=["handle", "its hash"])
def test_neither_a_handle_nor_a_hash_of_it_opens_a_session(make: Callable[[bytes], str], store: RecordingStore) -> None:
    """CVE-2019-16782 (rack): the id was the look-up key, and later the hash itself worked as a cookie."""
    site = Site(backend=store)
    value = site.begin(fill)

    check_rejected(site.read(make(handle_of(token_in(value)))), site, "malformed")


def test_the_store_s_own_key_is_no_cookie_even_signed_by_us(store: RecordingStore) -> None:
    """CVE-2019-16782 (rack)."""
    site = Site(backend=store)
    value = site.begin(fill)
    signed = CookieSigner(Keyring([SECRET.encode()]), Purpose.TOKEN_SIGN, COOKIE)

    replies = [site.read(signed.sign(thief)) for thief in (key_of(value).encode(), handle_of(token_in(value)))]

    assert all(reply.has_no_session for reply in replies)
    assert site.rejections() == ["unknown_id"] * 2


def test_the_token_stands_nowhere_in_the_store(store: RecordingStore) -> None:
    site = Site(backend=store)
    value = site.begin(fill)
    token = token_in(value)

    held = store.held()

    assert list(held) == [key_of(value)]
    for spelling in (token, value.encode(), encoded(token).encode(), token.hex().encode(), handle_of(token)):
        assert all(spelling not in payload and spelling not in key.encode() for key, payload in held.items())


@pytest.mark.parametrize("value", MALFORMED)
def test_what_is_not_signed_by_us_never_reaches_a_store(value: str, store: RecordingStore, tmp_path: Path) -> None:
    """beaker#248, CVE-2024-3400 (gorilla/sessions), and CR LF in Flask-Session's memcached keys."""
    site = Site(backend=store)
    before = sorted(tmp_path.rglob("*"))

    site.request(fill, value)
    site.read(value)

    assert store.calls == ["create"]
    assert [path for path in sorted(tmp_path.rglob("*")) if "passwd" in path.name] == []
    assert [path for path in before if not path.exists()] == []


def test_at_most_four_of_many_cookies_reach_the_store(store: RecordingStore) -> None:
    site = Site(backend=store)
    values = [site.begin(fill) for _ in range(9)]
    for value in values:
        site.request(lambda session: session.clear(), value)
    store.calls.clear()

    reply = site.read(header="; ".join(f"{COOKIE}={value}" for value in values))

    assert reply.has_no_session
    assert store.calls == ["load"] * 4


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param("x", id="no name"),
        pytest.param("=x", id="an empty name"),
        pytest.param('other="unclosed', id="an open quote"),
        pytest.param("other=\xff\xfe", id="bytes that are no UTF-8"),
        pytest.param("oth er=x", id="a space in a name"),
        pytest.param(f"{COOKIE}=", id="an empty one of ours"),
        pytest.param(f"{COOKIE}=forged", id="a second one of ours"),
        pytest.param(f"{COOKIE}", id="our name alone"),
        pytest.param(f"=={COOKIE}=x", id="a nameless one that looks like ours"),
        pytest.param(f"{COOKIE.lower()}=x", id="our name in lower case"),
        pytest.param("a" * 100_000, id="a long one"),
        pytest.param(";;;; ;", id="nothing many times"),
        pytest.param("[bad]=1, other={x}", id="what no grammar knows"),
    ],
)
def test_no_cookie_beside_ours_hides_it(site: Site, beside: str) -> None:
    value = site.begin(fill)

    before = site.read(header=f"{beside}; {COOKIE}={value}")
    after = site.read(header=f"{COOKIE}={value}; {beside}")

    assert before.seen == after.seen == {"kept": "as it was"}


@pytest.mark.parametrize(
    "header", [f"={COOKIE}={{}}", f"=={COOKIE}={{}}", f"a={COOKIE}={{}}", f"x{COOKIE}={{}}", f"{COOKIE}x={{}}"]
)
def test_a_cookie_that_only_looks_like_ours_is_not_ours(site: Site, header: str) -> None:
    """CVE-2023-23934 (Werkzeug): ``=__Host-x=bad`` was read as a cookie called ``__Host-x``."""
    value = site.begin(fill)

    reply = site.read(header=header.format(value))

    assert reply.has_no_session
    assert site.rejections() == []


NAMES = st.sampled_from([COOKIE, SEEN, f" {COOKIE} ", f"={COOKIE}", COOKIE.lower(), "sid", ""])
LATIN_1 = st.text(st.characters(max_codepoint=255), max_size=60)
TEXT_LIKE = st.from_regex(r"AQ[EFI-M][A-Za-z0-9_-]{5,80}\.[A-Za-z0-9_-]{43}", fullmatch=True)
PIECES = st.tuples(NAMES, st.sampled_from(["=", "", " = ", "=="]), LATIN_1 | TEXT_LIKE).map("".join)
HEADERS = LATIN_1 | st.lists(PIECES | LATIN_1, max_size=20).map("; ".join)


@pytest.mark.parametrize("backend", ["cookie", "memory"])
@given(header=HEADERS)
def test_no_header_raises_or_opens_anything(backend: str, header: str) -> None:
    site = Site(backend=backend)

    reply = site.read(header=header)
    written = site.request(fill, header=header)

    assert reply.status == written.status == 200
    assert reply.has_no_session
    assert reply.set_cookies == []
    assert site.read(written.cookie).seen == {"kept": "as it was"}


@given(data=st.data())
def test_no_garbage_around_a_good_cookie_raises(data: st.DataObject) -> None:
    site = Site(backend=data.draw(st.sampled_from(["cookie", "memory"])))
    value = site.begin(fill)
    cut, garbage = data.draw(st.integers(0, len(value))), data.draw(LATIN_1)
    header = f"{COOKIE}={value[:cut]}{garbage}{value[cut:]}; {data.draw(HEADERS)}"

    reply = site.read(header=header)

    assert reply.status == 200
    assert reply.seen in ({}, {"kept": "as it was"})
    assert reply.set_cookies == []


@pytest.mark.parametrize("backend", LOCAL_STORES)
def test_an_unknown_id_is_never_adopted(backend: str, tmp_path: Path) -> None:
    """CVE-2024-38513 (Fiber), and Beaker: any id that a client sent became its session."""
    elsewhere = Site(backend=MemoryStore())
    value = elsewhere.begin(fill)
    spy = RecordingStore(local_store(backend, tmp_path))
    site = Site(backend=spy)

    read, written = site.read(value), site.request(fill, value)

    assert read.has_no_session
    assert read.set_cookies == []
    assert site.rejections() == ["unknown_id"] * 2
    assert written.cookie not in (None, value)
    assert key_of(value) not in spy.held()


def test_a_rejected_cookie_is_replaced_only_when_a_session_is_written(site: Site) -> None:
    def write(session: Session) -> None:
        session["new"] = 1

    forged = f"{site.begin(fill)[:-1]}!"

    assert site.read(forged).set_cookies == []
    assert site.request(lambda session: session.clear(), forged).set_cookies == []
    value = site.request(write, forged).cookie
    assert site.read(value).seen == {"new": 1}
