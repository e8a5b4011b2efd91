"""Any Cookie header: found is what the grammar says, in linear time, and what is not authentic opens nothing."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from fuzz.choices import Choices
from fuzz.kit import ClosedSite, requested_site
from support.actions import put
from support.constants import COOKIE, SEEN
from support.cookies import cookies_by_grammar

from sessionware.cookies.header import find

NAMES = (COOKIE, "sid", SEEN)
#: Of what a request may be asked for; between them stands what is the fuzzer's own.
_PIECES = (*NAMES, f"{COOKIE}=", f"{SEEN}=", "=", ";", "; ", " ", "\t", '"', "\\", ",", "\xa0", "\x00", "__Host-")
#: Steps for each character of the header: it is searched for the name and for the ends of cookies, and each cookie is
#: copied and compared.
_STEPS_FOR_A_CHARACTER = 24
_MAX_HEADER_CHARACTERS = 1 << 16


class _Counted(str):
    """A header that counts the characters which a search in it has passed and a slice of it has copied."""

    steps = 0

    def find(self, *arguments: Any) -> int:
        found = super().find(*arguments)
        self.steps += 1 + (len(self) if found < 0 else found + 1) - arguments[1] if len(arguments) > 1 else len(self)
        return found

    def __getitem__(self, index: Any) -> str:
        part = super().__getitem__(index)
        self.steps += 1 + len(part)
        return part


@functools.cache
def _sites() -> tuple[ClosedSite, ...]:
    return tuple(ClosedSite(backend, put(kept="by the visitor")) for backend in ("cookie", "memory"))


def check(data: bytes) -> None:
    choices = Choices(data)
    site = choices.one_of(_sites())
    name = choices.one_of(NAMES)
    times = 1 << choices.below(12)
    header = _header(choices, site.value)
    _check_found(header, name)
    _check_time(header * times, name)
    _check_opened(header, site)


def _header(choices: Choices, authentic: str) -> str:
    pieces = []
    while choices.are_left:
        kind = choices.below(4)
        if kind <= 1:
            pieces.append(choices.one_of(_PIECES))
        elif kind == 2:
            pieces.append(choices.edited(authentic.encode()).decode("latin-1"))
        else:
            pieces.append(choices.some_bytes().decode("latin-1"))
    return "".join(pieces)


def _check_found(header: str, name: str) -> None:
    assert find(header, name) == cookies_by_grammar(header, name)


def _check_time(header: str, name: str) -> None:
    counted = _Counted(header[:_MAX_HEADER_CHARACTERS])
    find(counted, name)
    assert counted.steps <= _STEPS_FOR_A_CHARACTER * (len(counted) + 1)


def _check_opened(header: str, site: ClosedSite) -> None:
    answer, events = requested_site(site, header)
    candidates = find(header, COOKIE)
    assert answer.status == 200
    assert answer.set_cookies == []
    if site.value in candidates:
        assert answer.seen == {"kept": "by the visitor"}
        assert [event.name for event in events].count("loaded") == 1
    else:
        assert answer.has_no_session
        assert [event.name for event in events] == ["rejected"] * len(candidates)


def seeds() -> Iterable[bytes]:
    """An authentic cookie alone, between others, quoted, and after a forged one."""
    name, equals, semicolon, quote = (bytes([_PIECES.index(piece)]) for piece in (COOKIE, "=", "; ", '"'))
    ours = b"\0" + name + b"\0" + equals + b"\2\0"
    for site in (0, 1):
        head = bytes([site, 0, 0])
        yield head + ours
        yield head + b"\3\4a=b;" + ours + b"\0" + semicolon + b"\3\3c=d"
        yield head + ours[:4] + b"\0" + quote + b"\2\0\0" + quote
        yield head + ours[:4] + b"\2\1\4\0\1\0" + b"\0" + semicolon + ours
