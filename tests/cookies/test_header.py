"""The Cookie header that comes in, the lines of Set-Cookie that go out, and the names and attributes in them."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.companions import writes_no_partitioned, writes_partitioned
from support.constants import COOKIE
from support.cookies import cookie_settings, cookies_by_grammar
from werkzeug.http import dump_cookie

from sessionware.cookies.header import (
    MAX_HEADER_BYTES,
    CookieLines,
    CookieSettings,
    faults_of,
    find,
    max_age_until,
)
from sessionware.exceptions import CookieTooLarge

NOW = 1_700_000_000.0
DAY = 86400
OUR_ALPHABET = string.ascii_letters + string.digits + "-_."
our_values = st.text(OUR_ALPHABET, max_size=3000)
latin_1 = st.text(st.characters(max_codepoint=255))


class TestFind:
    @pytest.mark.parametrize(
        ("header", "values"),
        [
            pytest.param("", [], id="empty header"),
            pytest.param("sid=a", ["a"], id="alone"),
            pytest.param("theme=dark; sid=a; lang=en", ["a"], id="among others"),
            pytest.param("sid=a;sid=b", ["a", "b"], id="no space between"),
            pytest.param("sid=b; sid=a", ["b", "a"], id="in the order of the header"),
            pytest.param("sid=a; sid=b; sid=a", ["a", "b"], id="each value once"),
            pytest.param("sid=", [""], id="an empty value counts"),
            pytest.param("sid=a=b==", ["a=b=="], id="equals signs in the value"),
            pytest.param(" \t sid \t=\t a \t;", ["a"], id="spaces and tabs around"),
            pytest.param("\xa0sid=a; \x0bsid=b; sid\x85=c", [], id="no other white space is trimmed"),
            pytest.param("sid=\xa0a\x0c", ["\xa0a\x0c"], id="nor from the value"),
            pytest.param('sid="a"', ["a"], id="quotes around the value (RFC 6265, WebTest)"),
            pytest.param('sid =\t"a" ; sid=a', ["a"], id="a value with and without quotes is one"),
            pytest.param('sid=""', [""], id="quotes around nothing"),
            pytest.param('sid=""a""; sid=" b "', ['"a"', " b "], id="one pair of quotes and nothing within"),
            pytest.param('sid="; sid="a; sid=b"', ['"', '"a', 'b"'], id="a quote without its other one"),
            pytest.param("sid='a'", ["'a'"], id="no other quotes"),
            pytest.param('sid="a\\054b"', ["a\\054b"], id="escapes are taken as they are"),
            pytest.param("SID=a; Sid=b", [], id="another case"),
            pytest.param(f"{COOKIE}=a; xsid=b; sidx=c; sid-seen=d", [], id="names that contain ours"),
            pytest.param("theme=sid; other=sid=a", [], id="our name in a value"),
            pytest.param("theme=a sid=b", [], id="behind a space in a value"),
            pytest.param("theme=a;; sid=b", ["b"], id="behind an empty cookie"),
            pytest.param("sid", [], id="our name without a value"),
            pytest.param("=sid", [], id="our name as a nameless value"),
            pytest.param(';;=;==; =; a; \x00=\xff; [b]=1; c,d=2; {"e": 1}; sid=a', ["a"], id="malformed before"),
            pytest.param('open="never closed; sid=a; also"', ["a"], id="an open quote hides nothing"),
            pytest.param("sid=a; \xff\xfe=\xc3; \xe9", ["a"], id="no UTF-8 behind"),
            pytest.param("sid=\xff\xfe", ["\xff\xfe"], id="no UTF-8 in it"),
            pytest.param("$Version=1; sid=a; $Path=/", ["a"], id="RFC 2965"),
        ],
    )
    def test_finds_the_values_of_exactly_our_name(self, header: str, values: list[str]) -> None:
        assert find(header, "sid") == values

    @pytest.mark.parametrize(
        "header",
        [
            pytest.param(f"={COOKIE}=forged", id="nameless with equals"),
            pytest.param(f"=={COOKIE}=forged", id="two equals"),
            pytest.param(f" ={COOKIE}=forged", id="space before"),
            pytest.param(COOKIE, id="no equals"),
        ],
    )
    def test_a_nameless_cookie_is_never_taken_for_ours_cve_2023_23934(self, header: str) -> None:
        assert find(f"{header}; {COOKIE}=true", COOKIE) == ["true"]

    def test_stops_at_eight_distinct_values_of_which_an_empty_one_counts(self) -> None:
        header = "; ".join(["sid=", "sid=0", "sid=0", *(f"sid={number}" for number in range(1, 1000))])

        assert find(header, "sid") == ["", "0", "1", "2", "3", "4", "5", "6"]

    @pytest.mark.parametrize("unit", ["sid;", "sid=a;", "xsid=a;", "sid", "sid ;", ";sid =a"])
    def test_a_header_of_nothing_but_the_name_is_read_in_linear_time(self, unit: str) -> None:
        # Copying the remainder at each occurrence would copy hundreds of gigabytes, which takes a minute.
        assert len(find(unit * 500_000, "sid")) <= 1

    @given(header=st.text() | latin_1, name=st.sampled_from(["sid", COOKIE, "__Secure-sid-seen"]))
    def test_no_header_raises_anything(self, header: str, name: str) -> None:
        values = find(header, name)

        assert len(values) <= 8

    @given(before=latin_1, value=our_values, after=latin_1)
    def test_nothing_beside_a_cookie_hides_it(self, before: str, value: str, after: str) -> None:
        values = find(f"{before}; sid={value}; {after}", "sid")

        assert value in values or len(values) == 8

    @given(header=st.lists(st.sampled_from(["sid", "=", ";", " ", "\t", '"', "a", "\xa0", "__Host-"])).map("".join))
    def test_finds_what_the_grammar_of_cookies_says(self, header: str) -> None:
        values = find(header, "sid")

        assert values == cookies_by_grammar(header, "sid")

    @given(value=our_values)
    def test_what_was_set_is_found_again(self, value: str) -> None:
        pair = CookieLines(cookie_settings(), COOKIE, secure=True).set(value, max_age=60).partition(";")[0]

        assert find(f"a=b; {pair}; c=d", COOKIE) == [value]


SETTINGS = [
    pytest.param({}, id="defaults"),
    pytest.param({"samesite": "Strict", "httponly": False}, id="Strict, open to scripts"),
    pytest.param({"samesite": "None", "partitioned": True}, id="None, Partitioned", marks=writes_partitioned),
    pytest.param({"domain": "example.com", "path": "/app"}, id="domain and path"),
    pytest.param({"domain": ".Example.com", "path": "/Max-Age=0/%20"}, id="odd domain and path"),
]


def rendered(settings: CookieSettings, **more: Any) -> str:
    """The reference: what Werkzeug makes of the same attributes."""
    if settings.partitioned:
        more["partitioned"] = True
    return dump_cookie(
        "sid",
        domain=settings.domain,
        path=settings.path,
        httponly=settings.httponly,
        samesite=settings.samesite,
        sync_expires=False,
        max_size=0,
        **more,
    )


def attributes_of(line: str) -> list[str]:
    return [piece for piece in line.split("; ")[1:] if not piece.startswith(("Max-Age=", "Expires="))]


class TestCookieLines:
    def test_the_default_cookie_is_as_safe_as_a_cookie_can_be(self) -> None:
        line = CookieLines(cookie_settings(), COOKIE, secure=True).set("token", max_age=None)

        assert line == f"{COOKIE}=token; Secure; HttpOnly; Path=/; SameSite=Lax"

    def test_max_age_comes_without_expires(self) -> None:
        line = CookieLines(cookie_settings(), "sid", secure=False).set("token", max_age=3600)

        assert line == "sid=token; Max-Age=3600; HttpOnly; Path=/; SameSite=Lax"

    @pytest.mark.parametrize("options", SETTINGS)
    @given(value=our_values, max_age=st.none() | st.integers(0, 34_560_000), secure=st.booleans())
    def test_a_line_is_what_werkzeug_renders(
        self, options: dict[str, Any], value: str, max_age: int | None, secure: bool
    ) -> None:
        settings = cookie_settings(**options)

        line = CookieLines(settings, "sid", secure=secure).set(value, max_age=max_age)

        assert line == rendered(settings, value=value, max_age=max_age, secure=secure)

    @pytest.mark.parametrize("secure", [True, False])
    @pytest.mark.parametrize("max_age", [None, 60])
    @pytest.mark.parametrize("options", SETTINGS)
    def test_deleting_uses_the_attributes_of_setting(
        self, options: dict[str, Any], max_age: int | None, secure: bool
    ) -> None:
        lines = CookieLines(cookie_settings(**options), "sid", secure=secure)

        assert attributes_of(lines.deletion) == attributes_of(lines.set("token", max_age=max_age))

    def test_deleting_empties_the_cookie_and_ends_it_in_both_ways(self) -> None:
        line = CookieLines(cookie_settings(), "sid", secure=True).deletion

        assert line.startswith("sid=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; ")

    def test_the_path_holds_when_setting_and_when_deleting_cve_2026_28779(self) -> None:
        lines = CookieLines(cookie_settings(path="/app"), "sid", secure=True)

        assert "; Path=/app;" in lines.set("token", max_age=None)
        assert "; Path=/app;" in lines.deletion

    @pytest.mark.parametrize("max_age", [None, 3600])
    def test_a_header_of_exactly_4096_bytes_goes_out(self, max_age: int | None) -> None:
        lines = CookieLines(cookie_settings(), "sid", secure=True)
        room = MAX_HEADER_BYTES - len("Set-Cookie: " + lines.set("", max_age=max_age))

        line = lines.set("A" * room, max_age=max_age)

        assert len(f"Set-Cookie: {line}".encode("latin-1")) == 4096

    @pytest.mark.parametrize("max_age", [None, 3600])
    def test_a_header_of_4097_bytes_is_refused_without_showing_the_value(self, max_age: int | None) -> None:
        lines = CookieLines(cookie_settings(), "sid", secure=True)
        room = MAX_HEADER_BYTES - len("Set-Cookie: " + lines.set("", max_age=max_age))

        with pytest.raises(CookieTooLarge, match="4097 bytes") as caught:
            lines.set("A" * (room + 1), max_age=max_age)

        assert "AAAA" not in str(caught.value)


class TestFullName:
    @pytest.mark.parametrize(
        ("options", "secure", "full_name"),
        [
            pytest.param({}, True, "__Host-Http-sid", id="secure, one host, all paths, hidden from scripts"),
            pytest.param({"httponly": False}, True, "__Host-sid", id="the same, open to scripts"),
            pytest.param({"domain": "example.com"}, True, "__Secure-sid", id="secure with a domain"),
            pytest.param({"path": "/app"}, True, "__Secure-sid", id="secure with a path"),
            pytest.param({}, False, "sid", id="not secure"),
            pytest.param({"prefix": ""}, True, "sid", id="no prefix wanted"),
            pytest.param({"prefix": ""}, False, "sid", id="no prefix wanted, not secure"),
            pytest.param({"prefix": "__Secure-"}, True, "__Secure-sid", id="the weaker prefix wanted"),
            pytest.param({"prefix": "__Host-"}, True, "__Host-sid", id="a stronger one wanted"),
            pytest.param({"prefix": "__Http-"}, True, "__Http-sid", id="only what keeps scripts out wanted"),
            pytest.param({"prefix": "__Host-Http-"}, True, "__Host-Http-sid", id="the strongest wanted"),
        ],
    )
    def test_the_name_has_the_strongest_prefix_that_fits(
        self, options: dict[str, Any], secure: bool, full_name: str
    ) -> None:
        assert cookie_settings(**options).full_name(secure=secure) == full_name


class TestReach:
    @pytest.mark.parametrize(
        ("path", "request_path"),
        [
            pytest.param("/", "/anything", id="all paths"),
            pytest.param("/app", "/app", id="the path itself"),
            pytest.param("/app", "/app/", id="a slash behind"),
            pytest.param("/app", "/app/page", id="below it"),
            pytest.param("/app/", "/app/page", id="below one that ends with a slash"),
            pytest.param("/caf%C3%A9", "/caf\xc3\xa9/menu", id="decoded, as servers do"),
        ],
    )
    def test_a_path_covers_itself_and_what_is_below(self, path: str, request_path: str) -> None:
        assert cookie_settings(path=path).covers_path(request_path)

    @pytest.mark.parametrize(
        ("path", "request_path"),
        [
            pytest.param("/app", "/", id="above it"),
            pytest.param("/app", "/application", id="a longer name"),
            pytest.param("/app/", "/app", id="without the slash"),
            pytest.param("/app", "/App", id="another case"),
        ],
    )
    def test_a_path_covers_nothing_else(self, path: str, request_path: str) -> None:
        assert not cookie_settings(path=path).covers_path(request_path)

    @pytest.mark.parametrize("domain", ["example.com", ".Example.com", None])
    @pytest.mark.parametrize("host", ["example.com", "a.example.com", "a.b.example.com"])
    def test_a_domain_covers_itself_and_what_is_below(self, domain: str | None, host: str) -> None:
        assert cookie_settings(domain=domain).covers_host(host)

    @pytest.mark.parametrize("host", ["com", "myexample.com", "example.com.evil.org", "localhost", "127.0.0.1"])
    def test_a_domain_covers_nothing_else(self, host: str) -> None:
        assert not cookie_settings(domain="example.com").covers_host(host)

    def test_a_domain_of_one_label_covers_only_itself(self) -> None:
        """As a public suffix does (RFC 6265, 5.3), which every last label is."""
        settings = cookie_settings(domain="localhost")

        assert settings.covers_host("localhost")
        assert not settings.covers_host("app.localhost")


class TestFaults:
    @pytest.mark.parametrize(
        "options",
        [
            pytest.param({}, id="defaults"),
            pytest.param({"secure": True}, id="always secure"),
            pytest.param({"secure": False}, id="never secure"),
            pytest.param({"secure": False, "prefix": ""}, id="never secure, no prefix"),
            pytest.param({"prefix": "__Host-"}, id="__Host-"),
            pytest.param({"prefix": "__Secure-", "domain": "example.com", "path": "/app"}, id="__Secure-"),
            pytest.param({"prefix": "__Host-Http-"}, id="__Host-Http-"),
            pytest.param({"prefix": "__Http-", "domain": "example.com", "path": "/app"}, id="__Http-"),
            pytest.param({"httponly": False}, id="open to scripts"),
            pytest.param({"samesite": "None"}, id="SameSite=None"),
            pytest.param({"partitioned": True}, id="Partitioned needs Secure", marks=writes_partitioned),
            pytest.param(
                {"partitioned": True, "samesite": "Strict", "domain": "a.example"},
                id="Partitioned, Strict",
                marks=writes_partitioned,
            ),
            pytest.param({"domain": ".example.com"}, id="a leading dot means nothing"),
            pytest.param({"domain": "localhost"}, id="one label"),
            pytest.param({"domain": "xn--bcher-kva.example"}, id="international"),
            pytest.param({"domain": ".".join(["a" * 63] * 3 + ["b" * 61])}, id="the longest domain"),
            pytest.param({"path": "/a-b_c.d~e/%20%3B/f=g@h:i"}, id="a path with all kinds of characters"),
            pytest.param({"path": "/" + "a" * 1023}, id="the longest path"),
            pytest.param({"name": "!#$%&'*+-.^_`|~09azAZ"}, id="a name with all kinds of characters"),
            pytest.param({"name": "a" * 255}, id="the longest name"),
            pytest.param({"name": "__sid"}, id="underscores alone are no prefix"),
            pytest.param({"name": "http-sid"}, id="__Host-Http- with HttpOnly"),
            pytest.param({"name": "http-sid", "httponly": False, "prefix": "__Secure-"}, id="__Secure-http-"),
            pytest.param({"name": "http-sid", "httponly": False, "path": "/app"}, id="__Secure-http- by itself"),
        ],
    )
    def test_what_browsers_take_is_no_fault(self, options: dict[str, Any]) -> None:
        assert faults_of(cookie_settings(**options)) == []

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            pytest.param({"name": ""}, "cookie.name: '' is not", id="empty name"),
            pytest.param({"name": "my sid"}, "cookie.name: 'my sid' is not", id="space in the name"),
            pytest.param({"name": "a=b"}, "cookie.name", id="equals in the name"),
            pytest.param({"name": "a;b"}, "cookie.name", id="semicolon in the name"),
            pytest.param({"name": "sid\n"}, "cookie.name", id="line end in the name"),
            pytest.param({"name": "s\xefd"}, "cookie.name", id="non-ASCII name"),
            pytest.param({"name": "a" * 256}, "cookie.name: 256 characters", id="long name"),
            pytest.param({"name": "__Host-sid"}, "cookie.prefix", id="prefix in the name"),
            pytest.param({"name": "__host-sid"}, "cookie.prefix", id="prefix in lower case"),
            pytest.param({"name": "__SECURE-sid"}, "cookie.prefix", id="prefix in upper case"),
            pytest.param({"name": "__Http-sid"}, "cookie.prefix", id="__Http-"),
            pytest.param({"name": "__Host-Http-sid"}, "cookie.prefix", id="__Host-Http-"),
            pytest.param({"name": "Http-sid", "httponly": False}, "'__Host-Http-'", id="__Host-Http- put together"),
            pytest.param({"domain": ""}, "cookie.domain: it is empty", id="empty domain"),
            pytest.param({"domain": "a.example; Path=/x"}, "cookie.domain", id="semicolon in the domain"),
            pytest.param({"domain": "a.example\r\nX: y"}, "cookie.domain", id="line end in the domain"),
            pytest.param({"domain": "b\xfccher.example"}, "xn--", id="non-ASCII domain"),
            pytest.param({"domain": "a.example:8000"}, "cookie.domain", id="port in the domain"),
            pytest.param({"domain": "https://a.example"}, "cookie.domain", id="scheme in the domain"),
            pytest.param({"domain": "a..example"}, "cookie.domain", id="empty label"),
            pytest.param({"domain": "a.example."}, "cookie.domain", id="trailing dot"),
            pytest.param({"domain": "a" * 64 + ".example"}, "cookie.domain", id="long label"),
            pytest.param({"domain": ".".join(["a" * 49] * 6)}, "cookie.domain", id="long domain"),
            pytest.param({"path": ""}, "cookie.path: '' does not begin with '/'", id="empty path"),
            pytest.param({"path": "app"}, "cookie.path: 'app' does not begin with '/'", id="relative path"),
            pytest.param({"path": "/a;b"}, "cookie.path", id="semicolon in the path"),
            pytest.param({"path": "/a\x00"}, "cookie.path", id="control character in the path"),
            pytest.param({"path": "/a\n"}, "cookie.path", id="line end behind the path"),
            pytest.param({"path": "/caf\xe9"}, "percent-encode it", id="non-ASCII path"),
            pytest.param({"path": "/a b"}, "percent-encode it", id="space in the path"),
            pytest.param({"path": "/a?b"}, "cookie.path", id="query in the path"),
            pytest.param({"path": "/caf%c3%a9"}, "write '/caf%C3%A9'", id="escapes in lower case in the path"),
            pytest.param({"path": "/%7Eada/%2f"}, "write '/~ada/%2F'", id="needless escapes in the path"),
            pytest.param({"path": "/" + "a" * 1024}, "cookie.path: browsers ignore a path of 1025", id="long path"),
            pytest.param({"prefix": "__Host-", "domain": "a.example"}, "remove cookie.domain", id="__Host-, domain"),
            pytest.param({"prefix": "__Host-", "path": "/app"}, "remove cookie.path", id="__Host-, path"),
            pytest.param({"prefix": "__Host-", "secure": False}, "'__Host-' needs Secure", id="__Host-, not secure"),
            pytest.param({"prefix": "__Secure-", "secure": False}, "'__Secure-' needs", id="__Secure-, not secure"),
            pytest.param({"prefix": "__Http-", "secure": False}, "'__Http-' needs Secure", id="__Http-, not secure"),
            pytest.param({"prefix": "__Host-Http-", "secure": False}, "needs Secure", id="__Host-Http-, not secure"),
            pytest.param({"prefix": "__Host-Http-", "domain": "a.example"}, "remove cookie.domain", id="with a domain"),
            pytest.param({"prefix": "__Host-Http-", "path": "/app"}, "remove cookie.path", id="with a path"),
            pytest.param({"prefix": "__Host-Http-", "httponly": False}, "use '__Host-'", id="open to scripts"),
            pytest.param({"prefix": "__Http-", "httponly": False}, "use '__Secure-'", id="__Http-, open to scripts"),
            pytest.param({"samesite": "None", "secure": False}, "SameSite=None needs", id="None, not secure"),
            pytest.param(
                {"partitioned": True, "secure": False},
                "Partitioned needs",
                id="Partitioned, not secure",
                marks=writes_partitioned,
            ),
            pytest.param(
                {"partitioned": True}, "upgrade it to 3.1", id="Partitioned, old Werkzeug", marks=writes_no_partitioned
            ),
        ],
    )
    def test_what_browsers_reject_is_one_fault_with_its_cure(self, options: dict[str, Any], said: str) -> None:
        [fault] = faults_of(cookie_settings(**options))

        assert said in fault

    def test_all_faults_are_named_together(self) -> None:
        settings = cookie_settings(
            name="__host-;", domain="", path="x", secure=False, samesite="None", prefix="__Host-"
        )

        faults = faults_of(settings)

        assert len(faults) == 8

    @given(
        domain=st.none() | st.from_regex(r"[a-z.;:\x00-\x20é-]{0,8}", fullmatch=True),
        path=st.text(max_size=6) | st.text(max_size=6).map("/".__add__),
        name=st.text(max_size=6),
    )
    def test_settings_without_faults_make_one_clean_line(self, domain: str | None, path: str, name: str) -> None:
        settings = cookie_settings(domain=domain, path=path, name=name)
        if faults_of(settings):
            return

        line = CookieLines(settings, settings.full_name(secure=True), secure=True).set("token", max_age=None)

        assert line.isascii()
        assert line.isprintable()
        assert line.count(";") == 4 + (domain is not None)
        assert f"; Path={path};" in line


@pytest.mark.parametrize("option", ["name", "domain", "path"])
def test_a_fault_repeats_no_password_of_a_url_that_was_given_by_mistake(option: str) -> None:
    faults = faults_of(cookie_settings(**{option: "redis://user:pa55word@host/0"}))

    assert faults
    assert "pa55word" not in " ".join(faults)


@pytest.mark.parametrize(
    ("ends_at", "max_age"),
    [
        pytest.param(NOW + DAY, DAY, id="to the end"),
        pytest.param(NOW + 0.5, 1, id="at least a second"),
        pytest.param(NOW + 59.25, 60, id="not before the session"),
        pytest.param(NOW, 1, id="at the end"),
        pytest.param(NOW - DAY, 1, id="never a deletion"),
        pytest.param(NOW + 400 * DAY, 400 * DAY, id="400 days"),
        pytest.param(NOW + 401 * DAY, 400 * DAY, id="beyond 400 days"),
        pytest.param(None, 400 * DAY, id="no end"),
    ],
)
def test_a_persistent_cookie_lasts_to_the_end_of_the_session(ends_at: float | None, max_age: int) -> None:
    assert max_age_until(ends_at, NOW) == max_age
