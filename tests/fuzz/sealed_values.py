"""Any cookie value or record: it is rejected, or it is authentic to the last bit."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from fuzz.choices import Choices
from support.constants import COOKIE, NEW_SECRET, SECRET

from sessionware.crypto.keys import Keyring, Purpose
from sessionware.crypto.sealing import CookieSealer, CookieSigner, Opened, RecordSealer, Rejected

_KEY = "KA0SH2hMlYq1GEOSjfVybYAoeoyWmLi860DentEniAY"
_OTHER_KEY = "LA0SH2hMlYq1GEOSjfVybYAoeoyWmLi860DentEniAY"
_Opens = Callable[[Any], Opened]


@functools.cache
def _openers() -> tuple[tuple[_Opens, dict[Any, bytes]], ...]:
    """What opens values of a kind, with all authentic ones and their payloads, of an older key among them."""
    both, older = (Keyring([secret.encode() for secret in secrets]) for secrets in ((NEW_SECRET, SECRET), (SECRET,)))
    payloads = (b"\x81\xa5theme\xa4dark", bytes(range(32)), b"\0")
    found: list[tuple[_Opens, dict[Any, bytes]]] = []
    for purpose in (Purpose.TOKEN_SIGN, Purpose.SEEN_SIGN):
        signers = [CookieSigner(keyring, purpose, COOKIE) for keyring in (both, older)]
        found.append((signers[0].open, {signer.sign(one): one for signer in signers for one in payloads}))
    sealers = [CookieSealer(keyring, COOKIE) for keyring in (both, older)]
    found.append((sealers[0].open, {sealer.seal(one): one for sealer in sealers for one in payloads}))
    records = [RecordSealer(keyring) for keyring in (both, older)]
    sealed = {record.seal(one, _KEY): one for record in records for one in payloads}
    found.append((lambda value: records[0].open(value, _KEY), sealed))
    found.append((lambda value: records[0].open(value, _OTHER_KEY), dict.fromkeys(sealed, b"")))
    return tuple(found)


def check(data: bytes) -> None:
    choices = Choices(data)
    opens, authentic = choices.one_of(_openers())
    value = _value(choices, list(authentic))
    try:
        opened = opens(value)
    except Rejected:
        assert not authentic.get(value)
        return
    assert opened.payload == authentic[value]


def _value(choices: Choices, authentic: list[Any]) -> Any:
    original = choices.one_of(authentic)
    if isinstance(original, bytes):
        return choices.edited(original)
    changed = choices.edited(original.encode()).decode("latin-1")
    return changed + choices.text() if choices.are_left else changed


def seeds() -> Iterable[bytes]:
    """Each authentic value as it is, with one bit less, one byte more and one byte fewer."""
    for kind in range(len(_openers())):
        for value in range(6):
            for edits in (b"\0", b"\1\4\x30\1", b"\1\1\x08\1A", b"\1\3\x14"):
                yield bytes([kind, value]) + edits
