"""Merges a session's headers into a response so that no cache gives one visitor's page to another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from operator import itemgetter

Headers = list[tuple[str, str]]

#: One element of a comma-separated list; a comma inside a quoted string separates nothing (RFC 9110, 5.6.1 and 5.6.4).
_ELEMENT = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*(?:"|\\?\Z))+', re.DOTALL)
_CLOSED = re.compile(r'(?:[^"]|"(?:[^"\\]|\\.)*")*', re.DOTALL)
#: Headers that a cache in front of the application obeys rather than Cache-Control. RFC 9213 defines those that end in
#: ``CDN-Cache-Control``, each CDN with a prefix of its own.
_CACHE_OVERRIDES = ("surrogate-control", "x-accel-expires")
_NAME_OF = itemgetter(0)
_CDN_OVERRIDE_SUFFIX = "cdn-cache-control"
#: What is added to the response of a request that only reads its session, as most do.
VARY = ("Vary", "Cookie")
_ONLY_VARY = [VARY]
_PRIVATE = ("Cache-Control", "private")


def merge_headers(headers: Sequence[tuple[str, str]], pairs: Iterable[tuple[str, str]]) -> Headers:
    """A new list of *headers* with a session's *pairs* merged in; all other headers keep their values and places.

    ``Vary`` is joined to the application's, ``Cache-Control`` replaces the application's, and a ``Set-Cookie`` keeps
    shared caches from storing the response (RFC 9111, 7.3).
    """
    # Most responses have no header that matters here, which one search through all names together shows.
    names = "\n".join(map(_NAME_OF, headers)).lower()
    added = [*pairs]
    if "vary" not in names:
        if added == _ONLY_VARY:
            return [*headers, VARY]
        sets_one_cookie = len(added) == 2 and added[0] == VARY and added[1][0] == "Set-Cookie"
        has_caching = "cache-control" in names or "surrogate-control" in names or "x-accel-expires" in names
        if sets_one_cookie and not has_caching:
            return [*headers, *added, _PRIVATE]
    merged = [*headers]
    _add_each(merged, added)
    if any(name.lower() == "set-cookie" for name, _ in added):
        _make_private(merged)
    return merged


def _add_each(headers: Headers, pairs: Headers) -> None:
    """Add each of *pairs* to *headers*, of which one may take its place or join it."""
    for pair in pairs:
        name = pair[0].lower()
        if name == "vary":
            _vary(headers, pair[1])
        elif name == "cache-control":
            _override(headers, pair[1])
        else:
            headers.append(pair)


def _vary(headers: Headers, field: str) -> None:
    """Add *field* to the last Vary line, unless one line has it already, or has ``*``."""
    lines = _lines(headers, "vary")
    known = {element.strip(" \t").lower() for index in lines for element in headers[index][1].split(",")}
    if field.lower() in known or "*" in known:
        return
    if not lines:
        headers.append(("Vary", field))
        return
    name, value = headers[lines[-1]]
    headers[lines[-1]] = (name, f"{value}, {field}" if value.strip(" \t") else field)


def _override(headers: Headers, directives: str) -> None:
    """Replace all directives: a ``must-understand`` that stayed would allow storing again (RFC 9111, 5.2.2.3)."""
    _drop_overrides(headers)
    _join_cache_control(headers, directives)


def _make_private(headers: Headers) -> None:
    """Keep shared caches from storing a response that has a Set-Cookie."""
    _drop_overrides(headers)
    directives = [element for index in _lines(headers, "cache-control") for element in _elements(headers[index][1])]
    if any(directive.lower() in ("no-store", "private") for directive in directives):
        return
    kept = [directive for directive in directives if _name(directive) not in ("public", "s-maxage", "private")]
    # A quoted string that is never closed would swallow what follows it, so it goes last.
    kept = sorted([*kept, "private"], key=lambda directive: not _CLOSED.fullmatch(directive))
    _join_cache_control(headers, ", ".join(kept))


def _drop_overrides(headers: Headers) -> None:
    headers[:] = [pair for pair in headers if not _is_override(pair[0].lower())]


def _is_override(name: str) -> bool:
    return name in _CACHE_OVERRIDES or name.endswith(_CDN_OVERRIDE_SUFFIX)


def _join_cache_control(headers: Headers, directives: str) -> None:
    """Write *directives* in place of the first Cache-Control line, and remove the others."""
    lines = _lines(headers, "cache-control")
    if not lines:
        headers.append(("Cache-Control", directives))
        return
    headers[lines[0]] = (headers[lines[0]][0], directives)
    for index in reversed(lines[1:]):
        del headers[index]


def _lines(headers: Headers, name: str) -> list[int]:
    return [index for index, pair in enumerate(headers) if pair[0].lower() == name]


def _elements(value: str) -> list[str]:
    stripped = (element.strip(" \t") for element in _ELEMENT.findall(value))
    return [element for element in stripped if element]


def _name(directive: str) -> str:
    return directive.partition("=")[0].strip(" \t").lower()
