"""Whether another site has caused a request: what browsers tell, what proxies hide, and what nothing real sends."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sessionware.cookies.origin import OtherSites, needed_of, read_origins

NONE_TRUSTED = OtherSites(())
MAX_SHOWN_CHARACTERS = 200


def post(**headers: str) -> dict[str, Any]:
    """A POST to shop.example with *headers*, whose names are written as ``Sec_Fetch_Site``."""
    named = {f"HTTP_{name.upper()}": value for name, value in headers.items()}
    return {"REQUEST_METHOD": "POST", "HTTP_HOST": "shop.example", **named}


def origin_of(environ: dict[str, Any], *trusted: str) -> str | None:
    return OtherSites(read_origins(list(trusted))).origin_of(environ)


FOREIGN = {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"}


class TestMethods:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
    def test_what_changes_nothing_may_come_from_anywhere(self, method: str) -> None:
        assert origin_of({**post(**FOREIGN), "REQUEST_METHOD": method}) is None

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "get", "MKCOL", ""])
    def test_every_other_method_is_judged(self, method: str) -> None:
        assert origin_of({**post(**FOREIGN), "REQUEST_METHOD": method}) == "https://evil.example"

    def test_an_environ_without_a_method_is_of_no_request(self) -> None:
        environ = post(**FOREIGN)
        del environ["REQUEST_METHOD"]

        assert origin_of(environ) is None


class TestSecFetchSite:
    @pytest.mark.parametrize("site", ["same-origin", "none", " same-origin "])
    def test_a_page_of_this_origin_and_a_typed_address_pass(self, site: str) -> None:
        assert origin_of(post(Sec_Fetch_Site=site, Origin="https://behind-a-proxy.example")) is None

    @pytest.mark.parametrize("site", ["same-site", "cross-site", "Same-Origin", "near-site", "same-origin, cross-site"])
    def test_every_other_word_is_refused_even_if_the_host_is_the_same(self, site: str) -> None:
        assert origin_of(post(Sec_Fetch_Site=site, Origin="https://shop.example")) == "https://shop.example"

    def test_without_an_origin_the_word_stands_in_its_place(self) -> None:
        assert origin_of(post(Sec_Fetch_Site="cross-site")) == "Sec-Fetch-Site: cross-site"

    def test_it_is_refused_where_a_proxy_hides_the_host_too(self) -> None:
        assert origin_of(post(**FOREIGN, Host="127.0.0.1:8000")) == "https://evil.example"


def test_what_sends_neither_header_is_no_browser() -> None:
    assert origin_of(post()) is None


def test_empty_headers_count_as_none() -> None:
    assert origin_of(post(Sec_Fetch_Site="", Origin="")) is None


class TestOriginAgainstHost:
    @pytest.mark.parametrize(
        ("origin", "host"),
        [
            ("https://shop.example", "shop.example"),
            pytest.param("http://shop.example", "shop.example", id="schemes are not compared"),
            ("https://shop.example:443", "shop.example"),
            ("https://shop.example", "shop.example:443"),
            ("http://shop.example", "shop.example:80"),
            pytest.param("https://shop.example", "shop.example:80", id="a proxy tells its own port"),
            ("https://shop.example:8443", "shop.example:8443"),
            ("https://shop.example", "shop.example:"),
            ("https://shop.example", "SHOP.Example"),
            ("HTTPS://SHOP.example", "shop.example"),
            ("https://shop.example.", "shop.example"),
            ("https://shop.example", "shop.example."),
            ("https://shop.example", "shop.example.:443"),
            ("http://[::1]:8000", "[::1]:8000"),
            ("https://[2001:db8::1]", "[2001:DB8:0:0::1]:443"),
            ("http://192.0.2.7:8000", "192.0.2.7:8000"),
            ("http://intranet", "intranet"),
            ("https://a_b.example", "a_b.example"),
            ("https://xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("http://localhost:8000", "localhost:8000"),
        ],
    )
    def test_the_same_host_and_port_pass(self, origin: str, host: str) -> None:
        assert origin_of(post(Origin=origin, Host=host)) is None

    @pytest.mark.parametrize(
        ("origin", "host"),
        [
            ("https://evil.example", "shop.example"),
            ("https://sibling.shop.example", "shop.example"),
            ("https://shop.example", "sibling.shop.example"),
            ("https://evil-shop.example", "shop.example"),
            ("https://shop.example.evil.example", "shop.example"),
            ("https://shop.example:8443", "shop.example"),
            ("https://shop.example", "shop.example:8443"),
            ("https://shop.example:0", "shop.example"),
            ("http://localhost:3000", "localhost:8000"),
            ("http://localhost:8000", "127.0.0.1:8000"),
            ("http://[::1]:8000", "[::2]:8000"),
            pytest.param("http://localhost", "shop.example", id="a page on the visitor's own machine"),
            pytest.param("moz-extension://shop.example", "shop.example", id="no scheme of a site"),
        ],
    )
    def test_another_host_or_port_is_refused(self, origin: str, host: str) -> None:
        assert origin_of(post(Origin=origin, Host=host)) == origin

    @pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]", "app.localhost"])
    def test_where_a_proxy_hides_the_host_nothing_can_be_told(self, host: str) -> None:
        assert origin_of(post(Origin="https://shop.example", Host=host)) is None

    @pytest.mark.parametrize("host", ["shop.example", "localhost:8000"])
    @pytest.mark.parametrize(
        "origin",
        [
            "null",
            "shop.example",
            "//shop.example",
            "https://",
            "https:///",
            "https://shop.example/",
            "https://shop.example/path",
            "https://user@shop.example",
            "https://shop.example@evil.example",
            "https://shop.example:port",
            "https://shop.example:123456",
            "https://shop.example,https://shop.example",
            "https://shop.example https://shop.example",
            "https://*.example",
            "https://[::1",
            "https://shop.exam\u017fple",
            "https://shop.example\x00",
        ],
    )
    def test_what_is_no_origin_is_refused(self, origin: str, host: str) -> None:
        assert origin_of(post(Origin=origin, Host=host)) is not None

    @pytest.mark.parametrize(
        "host", ["shop.example, shop.example", "shop.example/", "me@shop.example", "shop example", "::1", "x:y"]
    )
    def test_what_is_no_host_is_that_of_no_origin(self, host: str) -> None:
        assert origin_of(post(Origin="https://shop.example", Host=host)) == "https://shop.example"

    @pytest.mark.parametrize(
        ("origin", "name", "port"),
        [
            ("http://shop.example:8000", "shop.example", "8000"),
            ("https://shop.example", "shop.example", "443"),
            ("http://[2001:db8::1]:8000", "2001:db8::1", "8000"),
            pytest.param("https://shop.example", "localhost", "8000", id="a proxy hides it"),
        ],
    )
    def test_without_a_host_header_the_servers_own_name_is_gone_by(self, origin: str, name: str, port: str) -> None:
        environ = {"REQUEST_METHOD": "POST", "HTTP_ORIGIN": origin, "SERVER_NAME": name, "SERVER_PORT": port}

        assert origin_of(environ) is None

    def test_without_any_host_an_origin_is_refused(self) -> None:
        assert origin_of({"REQUEST_METHOD": "POST", "HTTP_ORIGIN": "http://shop.example"}) == "http://shop.example"


class TestTrusted:
    @pytest.mark.parametrize(
        ("trusted", "origin"),
        [
            ("https://idp.example", "https://idp.example"),
            ("https://idp.example", "https://idp.example:443"),
            ("https://idp.example:443", "https://idp.example"),
            ("HTTPS://IDP.Example", "https://idp.example"),
            ("https://idp.example.", "https://idp.example"),
            ("http://idp.example:8080", "http://idp.example:8080"),
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]"),
            ("https://*.example.com", "https://a.example.com"),
            ("https://*.example.com", "https://a.b.c.example.com"),
            ("https://*.example.com:8443", "https://a.example.com:8443"),
            ("chrome-extension://abcdefghij", "chrome-extension://abcdefghij"),
        ],
    )
    @pytest.mark.parametrize("site", ["", "cross-site", "same-site"])
    def test_it_passes(self, trusted: str, origin: str, site: str) -> None:
        assert origin_of(post(Origin=origin, Sec_Fetch_Site=site), trusted) is None

    @pytest.mark.parametrize(
        ("trusted", "origin"),
        [
            ("https://idp.example", "http://idp.example"),
            ("https://idp.example", "https://idp.example:8443"),
            ("https://idp.example", "https://a.idp.example"),
            ("https://*.example.com", "https://example.com"),
            ("https://*.example.com", "https://.example.com"),
            ("https://*.example.com", "https://evil-example.com"),
            ("https://*.example.com", "https://a.example.com.evil.example"),
            ("https://*.example.com", "http://a.example.com"),
            ("https://*.example.com", "https://a.example.com:8443"),
            ("https://*.example.com", "null"),
        ],
    )
    def test_nothing_like_it_passes(self, trusted: str, origin: str) -> None:
        assert origin_of(post(Origin=origin, Sec_Fetch_Site="cross-site"), trusted) == origin


class TestReadOrigins:
    @pytest.mark.parametrize(
        ("written", "read"),
        [
            (None, ()),
            ("", ()),
            (" none ", ()),
            ([], ()),
            ("https://a.example", ("https://a.example",)),
            ("https://a.example,https://b.example", ("https://a.example", "https://b.example")),
            ("\n  https://a.example\n  https://b.example,\n", ("https://a.example", "https://b.example")),
            (["https://A.example:443", " http://*.B.example:8080 "], ("https://a.example", "http://*.b.example:8080")),
            (("https://[2001:DB8:0::1]:8443",), ("https://[2001:db8::1]:8443",)),
        ],
    )
    def test_they_are_read_as_browsers_write_them_and_twice_is_the_same(self, written: Any, read: Any) -> None:
        assert read_origins(written) == read
        assert read_origins(read) == read

    @pytest.mark.parametrize(
        ("written", "cure"),
        [
            ("idp.example", "write 'https://idp.example'"),
            ("https:/idp.example", "expected an origin such as 'https://idp.example'"),
            ("idp.example:8443/x", "write 'https://idp.example:8443'"),
            ("//idp.example", "such as 'https://idp.example'"),
            ("https://idp.example/", "no path; write 'https://idp.example'"),
            ("https://idp.example/callback?token=hidden", "no path; write 'https://idp.example'"),
            ("https://idp.example#x", "no path; write 'https://idp.example'"),
            ("*", "cross_site = 'allow'"),
            ("https://*", "cross_site = 'allow'"),
            ("null", "cannot be trusted"),
            ("https://*.", "'*.' stands for"),
            ("https://*example.com", "'*.' stands for"),
            ("https://a.*.example.com", "'*.' stands for"),
            ("https://*.[::1]", "'*.' stands for"),
            ("*://idp.example", "such as 'https://idp.example'"),
            ("https://", "such as 'https://idp.example'"),
            ("https://idp.example:port", "such as 'https://idp.example'"),
            ("https://b\u00fccher.example", "in ASCII"),
            ("https://me:hidden@idp.example", "no user and no password"),
            (["https://a.example https://b.example"], "such as 'https://idp.example'"),
            (["https://a.example", 5], "got 5"),
            ([""], "such as 'https://idp.example'"),
            (True, "got True"),
            ({"https://a.example": 1}, "as a list or as a text"),
        ],
    )
    def test_what_is_no_origin_is_a_fault_that_tells_the_cure(self, written: Any, cure: str) -> None:
        with pytest.raises(ValueError, match=re.escape(cure)) as caught:
            read_origins(written)

        assert "hidden" not in str(caught.value)


class TestWhatIsShown:
    def test_it_is_cut(self) -> None:
        shown = origin_of(post(Origin="https://" + "x" * 5000))

        assert shown is not None
        assert len(shown) == MAX_SHOWN_CHARACTERS
        assert shown.startswith("https://xxx")

    def test_it_breaks_no_line_of_a_log(self) -> None:
        assert origin_of(post(Origin="https://evil\r\n.ex\x1bample\xe9")) == "https://evil??.ex?ample?"


ODD = st.text(alphabet=st.sampled_from("htps:/.@[]*,-0123 \x00\xe9\u0660\u017f%"), max_size=20)
HOSTS = st.one_of(st.just("shop.example"), st.just("localhost:8000"), st.text(max_size=30), ODD)
ORIGINS = st.one_of(st.text(max_size=30), ODD, ODD.map("https://".__add__))


@given(origin=ORIGINS, host=HOSTS, site=st.sampled_from(["", "cross-site", "\x00"]), name=ODD, port=ODD)
@example(origin="https://[::ffff:1.2.3.4.5]", host="[:::]", site="", name="::", port="")
def test_nothing_that_a_client_sends_raises_and_what_is_shown_is_short(
    origin: str, host: str, site: str, name: str, port: str
) -> None:
    environ = {**post(Origin=origin, Host=host, Sec_Fetch_Site=site), "SERVER_NAME": name, "SERVER_PORT": port}

    shown = OtherSites(("https://*.example.com",)).origin_of(environ)

    assert shown is None or (len(shown) <= MAX_SHOWN_CHARACTERS and shown.isascii() and shown.isprintable())


@given(origin=ORIGINS, host=HOSTS)
def test_what_is_kept_for_a_late_look_gives_the_same(origin: str, host: str) -> None:
    environ = {**post(Origin=origin, Host=host), "wsgi.input": object(), "HTTP_COOKIE": "sid=1"}

    kept = needed_of(environ)

    assert NONE_TRUSTED.origin_of(kept) == NONE_TRUSTED.origin_of(environ)
    assert kept.keys() == {"REQUEST_METHOD", "HTTP_ORIGIN", "HTTP_HOST"}


@given(written=st.one_of(ODD, ODD.map("https://".__add__), st.lists(ODD)))
def test_reading_origins_gives_origins_or_a_fault(written: Any) -> None:
    try:
        read = read_origins(written)
    except ValueError:
        return

    assert read_origins(read) == read
    OtherSites(read)
