"""The cookies of one request: what is read under which name, and what is sent with which attributes."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.companions import writes_partitioned
from support.constants import COOKIE, SEEN
from support.cookies import cookie_settings

from sessionware.cookies.request import CookieContext, Cookies, is_loopback
from sessionware.exceptions import CookieTooLarge

#: A client on this machine, as servers tell it.
CURL = {"REMOTE_ADDR": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_USER_AGENT": "curl/8.0"}
BROWSER = {**CURL, "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64) Firefox/148.0"}
DAY = 86_400
LOOPBACK = {"wsgi.url_scheme": "http", "HTTP_HOST": "localhost:8000"}
OTHER_HOST = {"wsgi.url_scheme": "http", "HTTP_HOST": "example.com"}
HTTPS = {"wsgi.url_scheme": "https", "HTTP_HOST": "example.com"}


def opened(environ: dict[str, Any], header: str = "", **options: Any) -> CookieContext[str]:
    return Cookies(cookie_settings(**options), str.upper).open(header, environ)


def is_secure(context: CookieContext[str]) -> bool:
    return "; Secure" in context.set("token", None)


class TestLoopback:
    @pytest.mark.parametrize(
        "host",
        [
            "localhost",
            "LocalHost",
            "localhost:8000",
            "localhost:",
            "localhost.",
            "localhost.:8000",
            "app.localhost",
            "a.b.localhost:80",
            "127.0.0.1",
            "127.0.0.1:8000",
            "127.0.0.1.",
            "127.255.255.254",
            "[::1]",
            "[::1]:8000",
        ],
    )
    def test_browsers_trust_this_host_without_tls(self, host: str) -> None:
        assert is_loopback(host)

    @pytest.mark.parametrize(
        "host",
        [
            "",
            ":8000",
            ".localhost",
            "localhost..",
            "localhost.example.com",
            "notlocalhost",
            "localhost:80:80",
            "localhost:http",
            "localhost ",
            "localhost\n",
            "LOCALHO\u017fT",
            "127.1",
            "127.0.0",
            "127.0.0.256",
            "127.0.0.01",
            "127.0.0.\u0661",
            "127.0.0.1.2",
            "127.0.0.1.example.com",
            "127.1.evil.com",
            "1127.0.0.1",
            "0.0.0.0",
            "::1",
            "[::2]",
            "[::1",
            "[::1].localhost",
            "[::1]x:80",
            "192.168.0.1",
            "example.com",
            "10.127.0.0.1",
        ],
    )
    def test_browsers_do_not_trust_this_host_without_tls(self, host: str) -> None:
        assert not is_loopback(host)


class TestSecure:
    @pytest.mark.parametrize(
        "more",
        [
            pytest.param({}, id="nothing else"),
            pytest.param({"REMOTE_ADDR": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.1"}, id="a browser"),
            pytest.param({"REMOTE_ADDR": "127.0.0.1"}, id="an address and no protocol"),
            pytest.param({"SERVER_PROTOCOL": "HTTP/1.0"}, id="WebTest, HTTP/1.0 without an address"),
            pytest.param({"HTTP_X_FORWARD": "x", "HTTP_X_REAL": "x"}, id="headers of similar names"),
            pytest.param({"REMOTE_ADDR": "127.0.0.1", "SERVER_PROTOCOL": "HTTP/1.0"}, id="HTTP/1.0 alone, as curl -0"),
            pytest.param({**CURL, "HTTP_CONNECTION": "close"}, id="a client that is no browser, which closes"),
            pytest.param({**BROWSER, "HTTP_CONNECTION": "keep-alive"}, id="a browser's keep-alive"),
            pytest.param({**BROWSER, "HTTP_CONNECTION": "foo, Keep-Alive"}, id="keep-alive among others"),
            pytest.param({**BROWSER, "HTTP_CONNECTION": "Upgrade"}, id="a browser's WebSocket"),
            pytest.param({**BROWSER, "SERVER_PROTOCOL": "HTTP/2"}, id="a browser by HTTP/2, which has no Connection"),
            pytest.param({"HTTP_USER_AGENT": "Mozilla/5.0"}, id="a browser and no protocol"),
            pytest.param({"HTTP_ORIGIN": "http://localhost:3000"}, id="a page on this machine"),
            pytest.param({"HTTP_REFERER": "http://[::1]:8000/a?b=https://c"}, id="a page at an address"),
            pytest.param({"HTTP_ORIGIN": "null", "HTTP_REFERER": ""}, id="a page that does not tell"),
            pytest.param({"HTTP_REFERER": "about:blank"}, id="a page without a host"),
            pytest.param({"SERVER_NAME": "example.com"}, id="the Host header wins"),
            pytest.param({"wsgi.url_scheme": "ws"}, id="a WebSocket in the clear"),
            pytest.param({object: 1}, id="a key that is no text"),
        ],
    )
    def test_auto_leaves_secure_out_on_loopback_without_a_proxy(self, more: dict[Any, Any]) -> None:
        context = opened({**LOOPBACK, **more})

        assert not is_secure(context)
        assert context.full_name == "sid"

    @pytest.mark.parametrize(
        "more",
        [
            pytest.param({"HTTP_FORWARDED": "for=192.0.2.1"}, id="Forwarded"),
            pytest.param({"HTTP_X_FORWARDED_FOR": "192.0.2.1"}, id="X-Forwarded-For"),
            pytest.param({"HTTP_X_FORWARDED_PROTO": ""}, id="X-Forwarded-Proto, empty"),
            pytest.param({"HTTP_X_FORWARDED_ANYTHING": "x"}, id="X-Forwarded-Anything"),
            pytest.param({"HTTP_X_REAL_IP": "192.0.2.1"}, id="X-Real-IP"),
            pytest.param({"HTTP_VIA": "1.1 proxy"}, id="Via"),
            pytest.param({"REMOTE_ADDR": ""}, id="a unix socket"),
            pytest.param({"SERVER_PROTOCOL": "HTTP/1.0", "HTTP_CONNECTION": "close"}, id="nginx before 1.29.7"),
            pytest.param({"SERVER_PROTOCOL": "HTTP/1.0", "HTTP_CONNECTION": "TE , Close"}, id="close among others"),
            pytest.param(BROWSER, id="nginx since 1.29.7"),
            pytest.param({**BROWSER, "HTTP_CONNECTION": ""}, id="an empty Connection"),
            pytest.param({**BROWSER, "HTTP_CONNECTION": "close"}, id="nginx before, with HTTP/1.1"),
            pytest.param({**BROWSER, "HTTP_CONNECTION": "keep-alives"}, id="a word that contains keep-alive"),
            pytest.param({**BROWSER, "SERVER_PROTOCOL": "HTTP/1.0"}, id="nginx since, with HTTP/1.0"),
            pytest.param({"HTTP_ORIGIN": "https://localhost"}, id="a page over TLS"),
            pytest.param({"HTTP_ORIGIN": "http://shop.example"}, id="a page elsewhere"),
            pytest.param({"HTTP_REFERER": "HTTPS://LOCALHOST/"}, id="the page before, over TLS"),
            pytest.param({"HTTP_REFERER": "http://shop.example:80/a"}, id="the page before, elsewhere"),
            pytest.param({"HTTP_REFERER": "http://localhost@shop.example/"}, id="a user called localhost"),
            pytest.param({"wsgi.url_scheme": "https"}, id="https"),
            pytest.param({"wsgi.url_scheme": "wss"}, id="wss"),
            pytest.param({"HTTP_HOST": "example.com"}, id="another host"),
            pytest.param({"HTTP_HOST": "0.0.0.0:8000"}, id="0.0.0.0"),
        ],
    )
    def test_auto_sends_secure_otherwise(self, more: dict[str, str]) -> None:
        context = opened({**LOOPBACK, **more})

        assert is_secure(context)
        assert context.full_name == COOKIE

    @pytest.mark.parametrize(
        ("environ", "expected"),
        [
            pytest.param({}, True, id="empty"),
            pytest.param({"HTTP_HOST": "localhost"}, False, id="host without scheme"),
            pytest.param({"SERVER_NAME": "localhost", "SERVER_PORT": "80"}, False, id="the server's name"),
            pytest.param({"SERVER_NAME": "::1"}, True, id="an address that is no host"),
            pytest.param({"wsgi.url_scheme": "http"}, True, id="scheme without host"),
        ],
    )
    def test_a_bare_environ_will_do(self, environ: dict[str, str], expected: bool) -> None:
        assert is_secure(opened(environ)) is expected

    @pytest.mark.parametrize("environ", [LOOPBACK, OTHER_HOST, HTTPS, {}])
    @pytest.mark.parametrize(
        ("secure", "full_name"), [pytest.param(True, COOKIE, id="on"), pytest.param(False, "sid", id="off")]
    )
    def test_an_explicit_choice_holds_for_every_request(
        self, environ: dict[str, str], secure: bool, full_name: str
    ) -> None:
        context = opened(environ, secure=secure)

        assert is_secure(context) is secure
        assert context.full_name == full_name

    @pytest.mark.parametrize(
        ("options", "full_name"),
        [
            pytest.param({"prefix": "__Host-"}, "__Host-sid", id="__Host-"),
            pytest.param({"prefix": "__Secure-"}, "__Secure-sid", id="__Secure-"),
            pytest.param({"prefix": "__Host-Http-"}, "__Host-Http-sid", id="__Host-Http-"),
            pytest.param({"prefix": "__Http-"}, "__Http-sid", id="__Http-"),
            pytest.param({"samesite": "None"}, COOKIE, id="SameSite=None"),
            pytest.param({"partitioned": True}, COOKIE, id="Partitioned", marks=writes_partitioned),
            pytest.param(
                {"partitioned": True, "path": "/app"},
                "__Secure-sid",
                id="Partitioned with a path",
                marks=writes_partitioned,
            ),
        ],
    )
    def test_what_browsers_reject_otherwise_is_secure_on_loopback_too(
        self, options: dict[str, Any], full_name: str
    ) -> None:
        context = opened(LOOPBACK, **options)

        assert is_secure(context)
        assert context.full_name == full_name

    def test_without_a_prefix_both_ways_share_one_name(self) -> None:
        cookies = Cookies(cookie_settings(prefix=""), str.upper)

        names = [cookies.open("", environ).full_name for environ in (LOOPBACK, HTTPS)]

        assert names == ["sid", "sid"]


class TestKeys:
    def test_keys_belong_to_the_full_name(self) -> None:
        cookies = Cookies(cookie_settings(), lambda full_name: f"keys of {full_name}")

        keys = [cookies.open("", environ).keys for environ in (LOOPBACK, HTTPS)]

        assert keys == ["keys of sid", f"keys of {COOKIE}"]

    @pytest.mark.parametrize(
        ("options", "names"),
        [
            pytest.param({}, {COOKIE, "sid"}, id="both ways"),
            pytest.param({"prefix": ""}, {"sid"}, id="one name for both"),
            pytest.param({"secure": True}, {COOKIE}, id="always secure"),
            pytest.param({"secure": False}, {"sid"}, id="never secure"),
        ],
    )
    def test_keys_are_made_once_for_each_name_in_use(self, options: dict[str, Any], names: set[str]) -> None:
        made: list[str] = []
        cookies = Cookies(cookie_settings(**options), made.append)

        for environ in (LOOPBACK, HTTPS, OTHER_HOST, LOOPBACK, HTTPS):
            cookies.open("", environ)

        assert sorted(made) == sorted(names)


class TestCandidates:
    def test_only_the_name_for_this_request_is_read(self) -> None:
        header = f"sid=plain; {COOKIE}=one; {COOKIE}=two; __Secure-sid=other; ={COOKIE}=forged"

        context = opened(HTTPS, header)

        assert context.candidates() == ["one", "two"]

    def test_the_companion_is_read_under_its_own_name(self) -> None:
        context = opened(LOOPBACK, f"sid=main; sid-seen=seen; {SEEN}=other")

        assert context.candidates() == ["main"]
        assert context.seen_candidates() == ["seen"]

    def test_what_was_set_is_read_by_the_next_request(self) -> None:
        first = opened(HTTPS)
        pairs = [line.partition(";")[0] for line in (first.set("a.b", None), first.set_seen("c.d", None))]

        second = opened(HTTPS, "; ".join(pairs))

        assert (second.candidates(), second.seen_candidates()) == (["a.b"], ["c.d"])


class TestLifetime:
    def test_a_cookie_ends_with_the_browser_unless_asked_otherwise(self) -> None:
        line = opened(HTTPS).set("token", None)

        assert line == f"{COOKIE}=token; Secure; HttpOnly; Path=/; SameSite=Lax"

    def test_a_cookie_that_outlives_the_browser_is_given_its_seconds(self) -> None:
        context = opened(HTTPS)

        assert "; Max-Age=86400;" in context.set("token", DAY)
        assert "; Max-Age=86400;" in context.set_seen("token", DAY)

    def test_the_companion_has_the_attributes_of_the_cookie(self) -> None:
        context = opened(HTTPS, domain="example.com", path="/app", samesite="None")

        line, seen = context.set("token", None), context.set_seen("token", None)

        assert seen == line.replace("__Secure-sid=", "__Secure-sid-seen=")

    def test_a_value_too_large_is_refused(self) -> None:
        with pytest.raises(CookieTooLarge):
            opened(HTTPS).set("A" * 4096, None)


class TestDelete:
    def test_deletes_the_cookie_alone_where_no_companion_came(self) -> None:
        [line] = opened(HTTPS, f"{COOKIE}=token; sid-seen=other").delete()

        assert line == (
            f"{COOKIE}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Secure; HttpOnly; Path=/; SameSite=Lax"
        )

    def test_deletes_the_companion_that_came_with_it_and_the_cookie_last(self) -> None:
        """Some gateways keep only the last Set-Cookie of an answer."""
        lines = opened(LOOPBACK, "sid=token; sid-seen=").delete()

        assert [line.partition("=")[0] for line in lines] == ["sid-seen", "sid"]
        assert all("; Max-Age=0;" in line and "; Secure" not in line for line in lines)

    def test_deletes_under_the_path_of_setting_cve_2026_28779(self) -> None:
        lines = opened(HTTPS, "__Secure-sid-seen=x", path="/app").delete()

        assert all("; Path=/app;" in line for line in lines)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "sessionware")
    return caplog


class TestLog:
    def test_leaving_secure_out_is_said_once(self, log: pytest.LogCaptureFixture) -> None:
        cookies = Cookies(cookie_settings(), str.upper)

        for _ in range(3):
            cookies.open("", LOOPBACK)

        [record] = log.records
        assert (record.name, record.levelname) == ("sessionware", "WARNING")
        assert "without Secure" in record.getMessage()
        assert "In production, set cookie.secure = True" in record.getMessage()

    @pytest.mark.parametrize(
        ("environ", "evidence"),
        [
            pytest.param(OTHER_HOST, "'example.com'", id="another host"),
            pytest.param({**LOOPBACK, "HTTP_X_FORWARDED_FOR": "192.0.2.1"}, "'X-Forwarded-For'", id="X-Forwarded-For"),
            pytest.param({**LOOPBACK, "HTTP_X_REAL_IP": "192.0.2.1"}, "'X-Real-IP'", id="X-Real-IP"),
            pytest.param({**LOOPBACK, "HTTP_FORWARDED": "for=192.0.2.1"}, "'Forwarded'", id="Forwarded"),
            pytest.param({**LOOPBACK, "HTTP_VIA": "1.1 proxy"}, "'Via'", id="Via"),
            pytest.param({**LOOPBACK, "REMOTE_ADDR": ""}, "REMOTE_ADDR", id="a unix socket"),
            pytest.param(
                {**LOOPBACK, "SERVER_PROTOCOL": "HTTP/1.0", "HTTP_CONNECTION": "close"}, "HTTP/1.0", id="HTTP/1.0"
            ),
            pytest.param({**LOOPBACK, **BROWSER}, "HTTP/1.1 from a browser without", id="HTTP/1.1"),
            pytest.param(
                {**LOOPBACK, "HTTP_ORIGIN": "https://shop.example"}, "'Origin', which names 'https://shop.", id="Origin"
            ),
            pytest.param(
                {**LOOPBACK, "HTTP_REFERER": "https://shop.example/?token=x"}, "'https://shop.example'", id="Referer"
            ),
        ],
    )
    def test_sending_secure_over_plain_http_is_explained_once_with_its_evidence(
        self, log: pytest.LogCaptureFixture, environ: dict[str, str], evidence: str
    ) -> None:
        cookies = Cookies(cookie_settings(), str.upper)

        for _ in range(3):
            cookies.open("", environ)

        [record] = log.records
        assert (record.name, record.levelname) == ("sessionware", "WARNING")
        message = record.getMessage()
        cures = (
            "X-Forwarded-Proto",
            "ProxyFix",
            "forwarded_allow_ips",
            "cookie.secure = True",
            "cookie.secure = False",
        )
        for words in (evidence, "proxy", *cures):
            assert words in message

    def test_each_kind_of_request_is_explained(self, log: pytest.LogCaptureFixture) -> None:
        cookies = Cookies(cookie_settings(), str.upper)

        for environ in (LOOPBACK, OTHER_HOST, {**LOOPBACK, "HTTP_VIA": "1.1 proxy"}) * 2:
            cookies.open("", environ)

        assert len(log.records) == 3

    @pytest.mark.parametrize(
        "environ",
        [
            pytest.param({"HTTP_HOST": "a\nERROR forged"}, id="host"),
            pytest.param({**LOOPBACK, "HTTP_X_FORWARDED_\nERROR": "forged"}, id="name of a header"),
            pytest.param({**LOOPBACK, "HTTP_REFERER": "http://a\nERROR forged"}, id="page"),
        ],
    )
    def test_what_a_client_sends_cannot_forge_a_line_of_the_log(
        self, log: pytest.LogCaptureFixture, environ: dict[str, str]
    ) -> None:
        Cookies(cookie_settings(), str.upper).open("", environ)

        assert len(log.records) == 1
        assert "\n" not in log.text.rstrip("\n")

    @pytest.mark.parametrize(
        ("environ", "options"),
        [
            pytest.param(HTTPS, {}, id="https"),
            pytest.param(OTHER_HOST, {"secure": True}, id="chosen on"),
            pytest.param(OTHER_HOST, {"secure": False}, id="chosen off"),
            pytest.param(LOOPBACK, {"secure": False}, id="chosen off on loopback"),
            pytest.param(LOOPBACK, {"samesite": "None"}, id="secure on loopback"),
        ],
    )
    def test_nothing_is_said_where_nothing_is_odd(
        self, log: pytest.LogCaptureFixture, environ: dict[str, str], options: dict[str, Any]
    ) -> None:
        Cookies(cookie_settings(**options), str.upper).open("", environ)

        assert log.records == []

    def test_plain_http_is_explained_for_a_cookie_that_is_always_secure(self, log: pytest.LogCaptureFixture) -> None:
        Cookies(cookie_settings(prefix="__Host-"), str.upper).open("", OTHER_HOST)

        assert [record.levelname for record in log.records] == ["WARNING"]


class TestReach:
    """What is said of a cookie that cannot come back to where it was set."""

    @pytest.mark.parametrize(
        ("options", "environ", "said"),
        [
            pytest.param(
                {"path": "/app"}, {"PATH_INFO": "/login"}, "'/login', outside cookie.path = '/app'", id="another path"
            ),
            pytest.param(
                {"path": "/app"}, {"SCRIPT_NAME": "/shop", "PATH_INFO": "/app"}, "'/shop/app'", id="mounted elsewhere"
            ),
            pytest.param(
                {"domain": "example.org"},
                {"PATH_INFO": "/"},
                "'example.com', which cookie.domain = 'example.org' does not cover",
                id="another host",
            ),
        ],
    )
    def test_a_session_written_where_its_cookie_does_not_reach_is_a_warning_once(
        self, log: pytest.LogCaptureFixture, options: dict[str, Any], environ: dict[str, str], said: str
    ) -> None:
        cookies = Cookies(cookie_settings(**options), str.upper)

        for _ in range(3):
            cookies.open("", {**HTTPS, **environ}).set("token", None)

        [record] = log.records
        assert (record.name, record.levelname) == ("sessionware", "WARNING")
        assert said in record.getMessage()

    @pytest.mark.parametrize(
        ("options", "environ"),
        [
            pytest.param({"path": "/app"}, {"PATH_INFO": "/app/page"}, id="within the path"),
            pytest.param({"path": "/app"}, {"SCRIPT_NAME": "/app", "PATH_INFO": ""}, id="mounted there"),
            pytest.param({"path": "/app"}, {}, id="no path known"),
            pytest.param({"domain": ".Example.com"}, {"HTTP_HOST": "WWW.example.com.:443"}, id="within the domain"),
            pytest.param({"domain": "example.com"}, {"HTTP_HOST": ""}, id="no host known"),
        ],
    )
    def test_nothing_is_said_where_it_reaches_or_nothing_can_be_told(
        self, log: pytest.LogCaptureFixture, options: dict[str, Any], environ: dict[str, str]
    ) -> None:
        Cookies(cookie_settings(**options), str.upper).open("", {**HTTPS, **environ}).set("token", None)

        assert log.records == []

    def test_nothing_is_said_of_a_request_that_only_reads(self, log: pytest.LogCaptureFixture) -> None:
        context = Cookies(cookie_settings(path="/app"), str.upper).open("", {**HTTPS, "PATH_INFO": "/login"})

        context.candidates()
        context.set_seen("token", None)
        context.delete()

        assert log.records == []
