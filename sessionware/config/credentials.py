"""Tells whether what another package's store says in an error may show a credential that it was given."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from sessionware.conversions import texts_of

#: Names of options whose values no message repeats.
_SENSITIVE_NAME = re.compile(r"passw|pwd|secret|token|auth|credential|key", re.IGNORECASE)
#: A shorter piece is looked for as a word of its own: as a part of a word it would be found nearly everywhere.
_MIN_PART_CHARACTERS = 4


def is_sensitive(name: str) -> bool:
    """Whether an option with this name probably holds a credential."""
    return _SENSITIVE_NAME.search(name) is not None


def shows_credentials(error: BaseException, options: Mapping[str, Any]) -> bool:
    """Whether *error*, or one that it was raised from or after, may show a credential that stands in *options*."""
    pieces = {piece.casefold() for piece in _pieces(options)} - {""}
    if not pieces:
        return False
    try:
        texts = [text.casefold() for text in texts_of(error)]
    except Exception:  # noqa: BLE001 - another package's error may fail to say what it is
        return True
    texts += [unquote(text) for text in texts]
    return any(_stands_in(piece, text) for piece in pieces for text in texts)


def _stands_in(piece: str, text: str) -> bool:
    if len(piece) >= _MIN_PART_CHARACTERS:
        return piece in text
    return re.search(rf"(?<!\w){re.escape(piece)}(?!\w)", text) is not None


def _pieces(value: object, *, name: str = "") -> Iterator[str]:
    """The parts of *value* that may be credentials, as they are written and unquoted."""
    if isinstance(value, Mapping):
        for key, single in value.items():
            yield from _pieces(single, name=str(key) if is_sensitive(str(key)) else name)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for single in value:
            yield from _pieces(single, name=name)
    else:
        written = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for piece in (written,) if is_sensitive(name) else _pieces_of_url(written):
            yield from (piece, unquote(piece))


def _pieces_of_url(written: str) -> Iterator[str]:
    """What stands before the last ``@`` without the scheme, and what follows a ``?`` or a ``#``."""
    before, at, _ = written.rpartition("@")
    if at:
        credentials = before.partition("://")[2] or before
        yield credentials
        yield from re.split(r"[:/@,;]", credentials)
    if "://" in written:
        for option in re.split(r"[?#&]", written)[1:]:
            yield option.partition("=")[2] or option
