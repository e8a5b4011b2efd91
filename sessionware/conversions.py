"""Turns what a person, an INI file or the environment wrote for an option into the option's value.

A converter takes an object, gives strings a meaning, takes other objects of its type as they are, and raises
ValueError with the cure for anything else. What it gave it takes again.
"""

from __future__ import annotations

import importlib
import math
import operator
import re
from collections.abc import Callable
from typing import Any

from sessionware.session.lifetimes import parse_duration

Converter = Callable[[object], Any]

BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}

MAX_SHOWN_CHARACTERS = 80

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_DOTTED_NAME = re.compile(f"{_NAME}:{_NAME}")


def shown(value: object) -> str:
    """*value* for a message: short, without the credentials that a URL may hold or the inside of an object."""
    if isinstance(value, str) and ("://" in value or "@" in value):
        return "a URL or an address"
    if value is None or isinstance(value, (str, int, float)):
        text = repr(value)
        return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"
    return f"an object of the type {type(value).__name__}"


def _word(value: object) -> str | None:
    return value.strip().lower() if isinstance(value, str) else None


def boolean(value: object) -> bool:
    """True or False; of strings only the usual words, so that "false" from an INI file is not truth."""
    found = value if isinstance(value, bool) else BOOLEANS.get(_word(value) or "")
    if found is None:
        raise ValueError(f"{shown(value)} is neither true nor false; give True or False, true, yes, on, false, no, off")
    return found


def integer(value: object) -> int:
    """A whole number; a bool is none."""
    try:
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass
    raise ValueError(f"{shown(value)} is no whole number")


def finite_number(value: object) -> float:
    """A number; neither a bool nor an infinity is one."""
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool) and math.isfinite(float(value)):
            return value if isinstance(value, (int, float)) else float(value)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{shown(value)} is no number")


def duration(value: object) -> float:
    """Seconds; see :func:`sessionware.session.lifetimes.parse_duration`."""
    try:
        return parse_duration(value)
    except (ValueError, OverflowError) as error:
        raise ValueError(str(error).replace(repr(value), shown(value))) from None


def text(value: object) -> str:
    """A string with something in it."""
    if not isinstance(value, str):
        raise ValueError(f"{shown(value)} is no text")
    if not value.strip():
        raise ValueError("it is empty; leave the option out, or give it a value")
    return value


def optional(convert: Converter) -> Converter:
    """``None``, also spelled "none"; else what *convert* makes of it."""

    def convert_unless_none(value: object) -> Any:
        return None if value is None or _word(value) == "none" else convert(value)

    return convert_unless_none


def one_of(*words: str) -> Converter:
    """One of *words*, compared without case."""
    canonical = {word.lower(): word for word in words}

    def choose(value: object) -> str:
        word = _word(value)
        found = None if word is None else canonical.get(word)
        if found is None:
            raise ValueError(f"{shown(value)} is none of {', '.join(map(repr, words))}")
        return found

    return choose


def is_dotted_name(value: object) -> bool:
    """Whether *value* names an object as ``pkg.mod:name``."""
    return isinstance(value, str) and _DOTTED_NAME.fullmatch(value.strip()) is not None


def imported(name: str) -> Any:
    """The object that ``pkg.mod:name`` names; the ValueError has the cause of a failed import in ``__cause__``."""
    if not is_dotted_name(name):
        raise ValueError(f"{shown(name)} names no object; write pkg.mod:name")
    module, _, attribute = name.strip().partition(":")
    try:
        return operator.attrgetter(attribute)(importlib.import_module(module))
    except Exception as error:  # an import runs code of others, which may raise anything
        raise ValueError(f"{name.strip()!r} cannot be imported: {type(error).__name__}: {error}") from error


def function(value: object) -> Callable[..., Any]:
    """A callable, or the name of one."""
    found: object = imported(value) if isinstance(value, str) else value
    if not callable(found):
        raise ValueError(f"{shown(value)} is not callable; give a callable, or its name as pkg.mod:name")
    return found


def functions(value: object) -> tuple[Callable[..., Any], ...]:
    """Callables: one, a list of them, or the names of either, separated by commas or lines; ``None`` for none."""
    if value is None or _word(value) == "none":
        return ()
    if isinstance(value, str):
        names = [name for name in re.split(r"[,\s]+", value) if name]
        if not names:
            raise ValueError("it is empty; leave the option out, or name a callable as pkg.mod:name")
        return tuple(found for name in names for found in _one_or_many(imported(name)))
    return _one_or_many(value)


def _one_or_many(value: object) -> tuple[Callable[..., Any], ...]:
    return tuple(map(function, value)) if isinstance(value, (list, tuple)) else (function(value),)
