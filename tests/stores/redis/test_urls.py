"""What a URL of Redis may say, and how others are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionware.exceptions import ConfigError
from sessionware.stores.redis.url import CLUSTER, SENTINEL, SERVER, SOCKET, RedisURL, read_url

LOCAL = (("localhost", 6379),)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("redis://", RedisURL(SERVER, False, LOCAL), id="nothing but the scheme"),
        pytest.param(" REDIS://h/ ", RedisURL(SERVER, False, (("h", 6379),)), id="host"),
        pytest.param("redis://h:7/2", RedisURL(SERVER, False, (("h", 7),), options={"db": 2}), id="port and database"),
        pytest.param("redis://h?db=2", RedisURL(SERVER, False, (("h", 6379),), options={"db": 2}), id="db"),
        pytest.param("redis://h/2?db=2", RedisURL(SERVER, False, (("h", 6379),), options={"db": 2}), id="db twice"),
        pytest.param("redis://[::1]:7", RedisURL(SERVER, False, (("::1", 7),)), id="IPv6"),
        pytest.param("rediss://[fe80::1]", RedisURL(SERVER, True, (("fe80::1", 6379),)), id="TLS"),
        pytest.param(
            "redis://u%40:p%2F%23%3A@h",
            RedisURL(SERVER, False, (("h", 6379),), username="u@", password="p/#:"),
            id="user and password",
        ),
        pytest.param("redis://:p@h", RedisURL(SERVER, False, (("h", 6379),), password="p"), id="password"),
        pytest.param(
            "unix:///r%20s.sock?db=1", RedisURL(SOCKET, False, path="/r s.sock", options={"db": 1}), id="socket"
        ),
        pytest.param(
            "redis+unix://:p@/r.sock", RedisURL(SOCKET, False, path="/r.sock", password="p"), id="its password"
        ),
        pytest.param(
            "redis+sentinel://:p@h1,h2:7/service/3?sentinel_password=q",
            RedisURL(
                SENTINEL,
                False,
                (("h1", 26379), ("h2", 7)),
                service="service",
                password="p",
                sentinel_password="q",
                options={"db": 3},
            ),
            id="Sentinel",
        ),
        pytest.param("rediss+sentinel://h/s", RedisURL(SENTINEL, True, (("h", 26379),), service="s"), id="its TLS"),
        pytest.param("redis+cluster://h1,h2:7/0", RedisURL(CLUSTER, False, (("h1", 6379), ("h2", 7))), id="Cluster"),
        pytest.param(
            "rediss+cluster://h?ssl_check_hostname=no&ssl_cert_reqs=None&client_name=x&max_connections=9",
            RedisURL(
                CLUSTER,
                True,
                (("h", 6379),),
                max_connections=9,
                options={"ssl_check_hostname": False, "ssl_cert_reqs": "none", "client_name": "x"},
            ),
            id="options",
        ),
    ],
)
def test_a_url_says_where_sessions_live(url: str, expected: RedisURL) -> None:
    assert read_url(url) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param(5, "expected a string", id="no text"),
        pytest.param("", "an empty one", id="empty"),
        pytest.param("http://h", "it begins with none of redis://", id="scheme"),
        pytest.param("redis://[::1", "it cannot be read", id="brackets"),
        pytest.param("redis://h?db", "it cannot be read", id="option without a value"),
        pytest.param("redis://:a#b@h", "within a password it is written %23", id="fragment"),
        pytest.param("redis://h1,h2", "several are redis+sentinel://", id="several servers"),
        pytest.param("redis://h:0", "name:port", id="port 0"),
        pytest.param("redis://h:99999", "name:port", id="port too high"),
        pytest.param("redis://h:x", "name:port", id="port of letters"),
        pytest.param("redis+cluster://h1,,h2", "name:port", id="no host"),
        pytest.param(f"redis://{'x' * 64}", "cannot be one", id="host too long"),
        pytest.param("redis://h/x", "expected a whole number", id="database of letters"),
        pytest.param("redis://h/-1", "-1 is less than 0", id="negative database"),
        pytest.param("redis://h/1?db=2", "two databases", id="two databases"),
        pytest.param("redis://h/1/2", "the number of a database", id="long path"),
        pytest.param("redis+cluster://h/1", "no databases", id="database in a Cluster"),
        pytest.param("redis+sentinel://h", "the name of a service", id="no service"),
        pytest.param("redis+sentinel://h/s/1/2", "the name of a service", id="long path to a service"),
        pytest.param("unix://r.sock", "three slashes", id="socket with two slashes"),
        pytest.param("unix://run/r.sock", "three slashes", id="socket on a host"),
        pytest.param("unix:///", "three slashes", id="no socket"),
        pytest.param("redis://h?max_connections=0", "max_connections: 0 is less than 1", id="no connections"),
        pytest.param("redis://h?db=1&db=1", "gives db twice", id="an option twice"),
        pytest.param("redis://h?timeout=1s", "backend.timeout", id="an option of the store"),
        pytest.param("redis://h?retry_on_timeout=1", "the unknown option", id="retries"),
        pytest.param("redis://h?ssl_ca_certs=/x", "the unknown option", id="certificates without TLS"),
        pytest.param("rediss://h?ssl_ca_certs=/no/such", "there is no file /no/such", id="no certificates"),
        pytest.param("rediss://h?ssl_ca_path=/no/such", "there is no directory /no/such", id="no directory"),
        pytest.param("redis+sentinel://h/s?sentinel_password=+", "sentinel_password: it is wrong", id="blank password"),
    ],
)
def test_a_url_that_says_nothing_of_use_is_a_fault_with_its_cure(url: Any, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_url(url)

    assert "the URL of the Redis store: " in str(caught.value)
    assert expected in str(caught.value)


def test_the_paths_of_certificates_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").touch()
    monkeypatch.chdir(tmp_path)

    options = read_url("rediss://h?ssl_ca_certs=ca.pem").options

    assert options == {"ssl_ca_certs": str(tmp_path / "ca.pem")}


@given(
    st.sampled_from(["redis", "rediss", "unix", "redis+sentinel", "redis+cluster"]),
    st.text(st.sampled_from("h12.:,@/?#[]=&%-\x00\n ü"), max_size=20),
)
def test_a_fault_never_shows_a_password(scheme: str, rest: str) -> None:
    try:
        found = read_url(f"{scheme}://user:MyPassword{rest}")
    except ConfigError as error:
        shown = f"{error!r}{error.__cause__!r}"
    else:
        shown = repr(found)

    assert "MyPassword" not in shown.partition("hosts=")[0]
