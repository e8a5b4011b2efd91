"""The headers of a session are merged into those of a response, and no shared cache stores it with a cookie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessionware.cookies.caching import merge_headers

VARY = ("Vary", "Cookie")
SET_COOKIE = ("Set-Cookie", "sid=token; Path=/")
NO_STORE = ("Cache-Control", "no-store")


def cache_control(*lines: str) -> list[str]:
    """The Cache-Control lines of a response that sets our cookie."""
    merged = merge_headers([("Cache-Control", line) for line in lines], [VARY, SET_COOKIE])
    return [value for name, value in merged if name == "Cache-Control"]


def test_pairs_come_after_the_headers_of_the_application() -> None:
    headers = [("Content-Type", "text/plain"), ("Set-Cookie", "theirs=1")]

    merged = merge_headers(headers, [VARY, SET_COOKIE])

    assert merged == [*headers, VARY, SET_COOKIE, ("Cache-Control", "private")]


def test_the_given_list_is_never_modified() -> None:
    headers = [("Vary", "Accept"), ("Cache-Control", "public"), ("Surrogate-Control", "max-age=60")]
    before = list(headers)

    merge_headers(headers, [VARY, SET_COOKIE, NO_STORE])

    assert headers == before


def test_without_pairs_the_headers_are_copied() -> None:
    headers = [("Vary", "Accept")]

    merged = merge_headers(headers, [])

    assert merged == headers
    assert merged is not headers


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], ["Cookie"], id="none"),
        pytest.param(["Accept"], ["Accept, Cookie"], id="one"),
        pytest.param(["Accept", "Origin"], ["Accept", "Origin, Cookie"], id="joins the last line"),
        pytest.param(["Accept,  cookie"], ["Accept,  cookie"], id="there already, in other letters"),
        pytest.param(["Cookie", "Origin"], ["Cookie", "Origin"], id="there already, in another line"),
        pytest.param(["*"], ["*"], id="everything"),
        pytest.param(["Accept, *"], ["Accept, *"], id="everything, in a list"),
        pytest.param(["X-Cookie"], ["X-Cookie, Cookie"], id="a longer name"),
        pytest.param([""], ["Cookie"], id="an empty line"),
        pytest.param([" \t"], ["Cookie"], id="a blank line"),
    ],
)
def test_vary_joins_the_last_line(lines: list[str], expected: list[str]) -> None:
    merged = merge_headers([("VARY", line) for line in lines], [VARY])

    assert [value for name, value in merged if name.lower() == "vary"] == expected


def test_vary_keeps_the_name_and_the_place_that_the_application_gave_it() -> None:
    merged = merge_headers([("vary", "Accept"), ("X-After", "1")], [VARY])

    assert merged == [("vary", "Accept, Cookie"), ("X-After", "1")]


def test_vary_alone_leaves_caching_to_the_application() -> None:
    headers = [("Cache-Control", "public, max-age=60"), ("CDN-Cache-Control", "max-age=600")]

    merged = merge_headers(headers, [VARY])

    assert merged == [*headers, VARY]


@pytest.mark.parametrize(
    "name",
    [
        "Surrogate-Control",
        "X-Accel-Expires",
        "CDN-Cache-Control",
        "Cloudflare-CDN-Cache-Control",
        "vercel-cdn-cache-control",
    ],
)
@pytest.mark.parametrize("pair", [pytest.param(SET_COOKIE, id="set-cookie"), pytest.param(NO_STORE, id="no-store")])
def test_what_overrules_cache_control_goes(name: str, pair: tuple[str, str]) -> None:
    merged = merge_headers([("X-Before", "1"), (name, "max-age=600"), ("X-After", "1")], [VARY, pair])

    assert name not in dict(merged)
    assert merged[:2] == [("X-Before", "1"), ("X-After", "1")]


@pytest.mark.parametrize("name", ["Surrogate-Capability", "X-Accel-Buffering", "CDN-Cache-Control-Info", "Expires"])
def test_what_overrules_nothing_stays(name: str) -> None:
    merged = merge_headers([(name, "1")], [SET_COOKIE])

    assert (name, "1") in merged


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], ["private"], id="none"),
        pytest.param([""], ["private"], id="an empty line"),
        pytest.param(["public, max-age=60"], ["max-age=60, private"], id="public"),
        pytest.param(["PUBLIC , S-MaxAge=9,max-age=60"], ["max-age=60, private"], id="in other letters"),
        pytest.param(["s-maxage = 9"], ["private"], id="blanks around the sign"),
        pytest.param(["max-age=60", "public, no-cache"], ["max-age=60, no-cache, private"], id="lines become one"),
        pytest.param(['private="x-a, no-store", max-age=1'], ["max-age=1, private"], id="private for some fields only"),
        pytest.param(["private=x"], ["private"], id="private for one field only"),
        pytest.param(['ext="private, no-store"'], ['ext="private, no-store", private'], id="within a string"),
        pytest.param([r'ext="\", private", public'], [r'ext="\", private", private'], id="an escaped quote"),
        pytest.param(
            ['max-age=1, ext="open, private'], ['max-age=1, private, ext="open, private'], id="an open string"
        ),
        pytest.param(['ext="open\\'], ['private, ext="open\\'], id="an open string that ends in a backslash"),
        pytest.param(["no-store=1"], ["no-store=1, private"], id="no-store never has a value"),
        pytest.param(["Private, s-maxage=9"], ["Private, s-maxage=9"], id="private already"),
        pytest.param(["public", "no-store"], ["public", "no-store"], id="no-store already"),
    ],
)
def test_a_response_with_our_cookie_is_private(lines: list[str], expected: list[str]) -> None:
    assert cache_control(*lines) == expected


def test_the_joined_line_stands_where_the_first_one_stood() -> None:
    headers = [("A", "1"), ("cache-control", "max-age=1"), ("B", "1"), ("Cache-Control", "public"), ("C", "1")]

    merged = merge_headers(headers, [SET_COOKIE])

    assert merged == [("A", "1"), ("cache-control", "max-age=1, private"), ("B", "1"), ("C", "1"), SET_COOKIE]


def test_the_cookie_of_the_application_changes_nothing() -> None:
    headers = [("Set-Cookie", "theirs=1"), ("Cache-Control", "public")]

    merged = merge_headers(headers, [VARY])

    assert merged == [*headers, VARY]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="none"),
        pytest.param(["public, max-age=60"], id="public"),
        pytest.param(["must-understand, no-store"], id="no-store that a cache may pass over"),
        pytest.param(["private", "max-age=60"], id="two lines"),
    ],
)
def test_no_store_takes_the_place_of_what_the_application_said(lines: list[str]) -> None:
    merged = merge_headers([("Cache-Control", line) for line in lines], [VARY, NO_STORE])

    assert [value for name, value in merged if name == "Cache-Control"] == ["no-store"]


@pytest.mark.parametrize("pairs", [[NO_STORE, SET_COOKIE], [VARY, NO_STORE, SET_COOKIE], [SET_COOKIE, NO_STORE]])
def test_what_no_cache_may_store_is_not_called_private_besides(pairs: list[tuple[str, str]]) -> None:
    assert merge_headers([("X-Other", "1")], pairs) == [("X-Other", "1"), *pairs]


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([VARY, SET_COOKIE, SET_COOKIE], id="two cookies"),
        pytest.param([SET_COOKIE, VARY], id="another order"),
        pytest.param([VARY, ("set-cookie", "sid=token")], id="another case"),
        pytest.param([("Vary", "Accept"), SET_COOKIE], id="another vary"),
    ],
)
def test_a_cookie_makes_private_whatever_stands_beside_it(pairs: list[tuple[str, str]]) -> None:
    assert merge_headers([("X-Other", "1")], pairs) == [("X-Other", "1"), *pairs, ("Cache-Control", "private")]


def test_two_pairs_without_a_cookie_make_nothing_private() -> None:
    pairs = [VARY, ("X-Added", "1")]

    assert merge_headers([("X-Other", "1")], pairs) == [("X-Other", "1"), *pairs]


_names = st.sampled_from(
    ["Vary", "vary", "Cache-Control", "CACHE-CONTROL", "Set-Cookie", "X-Other", "Surrogate-Control"]
)
_values = st.text(st.sampled_from('abpublic private,no-store="\\ \t=*'), max_size=30)
_headers = st.lists(st.tuples(_names, _values), max_size=8)


@given(_headers)
def test_everything_else_stays_in_its_order(headers: list[tuple[str, str]]) -> None:
    def others(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [pair for pair in pairs if pair[0] in ("Set-Cookie", "X-Other")]

    merged = merge_headers(headers, [VARY, SET_COOKIE])

    assert others(merged) == [*others(headers), SET_COOKIE]


@given(_headers)
def test_merging_twice_is_merging_once(headers: list[tuple[str, str]]) -> None:
    once = merge_headers(headers, [VARY, SET_COOKIE])

    twice = merge_headers(once, [VARY, SET_COOKIE])

    assert twice == [*once, SET_COOKIE]
