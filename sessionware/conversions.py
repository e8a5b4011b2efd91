"""Converts what a person, an INI file or the environment wrote for an option into the option's value.

A converter parses strings, returns other objects of its type unchanged, and raises ValueError, whose message says what
it expected, for anything else. Converting its result again changes nothing.
"""

from __future__ import annotations

import enum
import importlib
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from inspect import Signature, iscoroutinefunction, signature
from typing import Any

from sessionware.session.lifetimes import parse_duration

Converter = Callable[[object], Any]

BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}

MAX_SHOWN_CHARACTERS = 80
#: Follows the type of an error whose own text may repeat a credential.
WITHHELD = ", whose text is not shown, because it may repeat a credential"

_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
#: As seconds since the epoch, a date without hyphens would be a day of the year 1970.
_DATE_DIGITS = re.compile(r"(19|20)[0-9]{2}(0[1-9]|1[0-2])([0-2][0-9]|3[01])", re.ASCII)
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
_COMMENT = re.compile(r"\s[;#]")
_DOTTED_NAME = re.compile(f"{_NAME}:{_NAME}")
#: The secrets of pydantic and the URLs of SQLAlchemy, of urllib and of others, by a member of their class.
_CURES_BY_MEMBER = {
    "get_secret_value": "give what its get_secret_value() returns",
    "render_as_string": "give its text, render_as_string(hide_password=False)",
    "geturl": "give its text, geturl()",
    "scheme": "give its text, str(url)",
}


def shown(value: object) -> str:
    """*value* as a message may show it: short, without credentials that a URL may hold, of an object only its type."""
    if isinstance(value, str) and ("://" in value or "@" in value):
        return "a URL or an address"
    if value is None or isinstance(value, (str, int, float)):
        text = repr(value)
        return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"
    return f"an object of the type {type(value).__name__}"


def cure_of(value: object) -> str | None:
    """What to give instead of *value*, which was refused, where the way in which it is written or wrapped tells that.

    It does not repeat the value.
    """
    kind = type(value)
    if isinstance(value, enum.Enum):
        return "give its .value"
    if isinstance(value, str):
        return _cure_of_text(value)
    return next((cure for name, cure in _CURES_BY_MEMBER.items() if hasattr(kind, name)), None)


def _cure_of_text(value: str) -> str | None:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return "leave out the quotes around it, which INI files and docker --env-file keep"
    if _COMMENT.search(value):
        return "leave out the comment behind it, which an INI file takes for a part of the value"
    return None


def expected(wanted: str, value: object) -> ValueError:
    """The error of a converter that wants *wanted* and was given *value*."""
    return ValueError(f"expected {wanted}, got {shown(value)}")


def either(values: Iterable[object]) -> str:
    """*values* as a message lists them: ``'a', 'b' or 'c'``."""
    *first, last = map(repr, values)
    return f"{', '.join(first)} or {last}" if first else last


def _word(value: object) -> str | None:
    return value.strip().lower() if isinstance(value, str) else None


def boolean(value: object) -> bool:
    """True or False; a string must be one of :data:`BOOLEANS`, because ``bool("false")`` is true."""
    found = value if isinstance(value, bool) else BOOLEANS.get(_word(value) or "")
    if found is None:
        raise expected(f"True, False, {either(BOOLEANS)}", value)
    return found


def integer(value: object) -> int:
    """A whole number, but no bool."""
    try:
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            return int(value)
    except ValueError:
        pass
    raise expected("a whole number such as 10", value)


def finite_number(value: object) -> float:
    """A finite number, but no bool."""
    try:
        if isinstance(value, (int, float, str)) and not isinstance(value, bool) and math.isfinite(float(value)):
            return value if isinstance(value, (int, float)) else float(value)
    except (ValueError, OverflowError):
        pass
    raise expected("a number such as 2.5", value)


def duration(value: object) -> float:
    """A duration in seconds; see :func:`sessionware.session.lifetimes.parse_duration`."""
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ValueError(f"{error}, got {shown(value)}") from None


def duration_or_none(*, none_means: str) -> Converter:
    """The converter that gives ``None`` for ``None`` and "none", and a duration in seconds for all else.

    *none_means* tells who has written 0, as other packages have it, what to write here.
    """

    def convert(value: object) -> float | None:
        try:
            return duration(value)
        except ValueError as error:
            raise ValueError(f"{error}; None means {none_means}") from None

    return optional(convert)


def moment(value: object) -> float:
    """Seconds since the epoch from an aware datetime, from its ISO text, or from a number of them."""
    written = value.strip() if isinstance(value, str) else value
    if isinstance(written, str) and not _SECONDS.fullmatch(written):
        return _moment_in(written)
    if isinstance(written, datetime):
        return _seconds_of(written)
    if not isinstance(written, (str, int, float)) or isinstance(written, bool):
        raise _no_moment(value)
    seconds = float(finite_number(written))
    if _DATE_DIGITS.fullmatch(f"{seconds:.0f}"):
        raise ValueError(f"{written} would be seconds since the epoch, in 1970; write a date as 2026-01-31T00:00:00Z")
    return seconds


def _moment_in(text: str) -> float:
    # Python 3.10 does not know Z.
    iso = f"{text[:-1]}+00:00" if text[-1:] in ("Z", "z") else text
    try:
        found = datetime.fromisoformat(iso)
    except ValueError:
        raise _no_moment(text) from None
    return _seconds_of(found)


def _seconds_of(found: datetime) -> float:
    if found.utcoffset() is None:
        raise ValueError(
            f"{found} has no zone, so it is another moment on another machine; append Z for UTC, or give a datetime "
            "with tzinfo=timezone.utc"
        )
    return found.timestamp()


def _no_moment(value: object) -> ValueError:
    return expected(
        "a moment (a datetime with a zone, a text such as '2026-01-31T12:00:00Z', or seconds since the epoch)", value
    )


def string(value: object) -> str:
    """A string, the empty one included."""
    if not isinstance(value, str):
        raise expected("a string", value)
    return value


def nonempty_string(value: object) -> str:
    """A string that is not only white space."""
    found = string(value)
    if not found.strip():
        raise ValueError("expected a string, got an empty one; leave the option out, or give it a value")
    return found


def optional(convert: Converter) -> Converter:
    """The converter that gives ``None`` for ``None`` and "none", and what *convert* gives for all else."""

    def convert_unless_none(value: object) -> Any:
        return None if value is None or _word(value) == "none" else convert(value)

    return convert_unless_none


def one_of(*words: str) -> Converter:
    """The converter to one of *words*, compared without case."""
    canonical = {word.lower(): word for word in words}

    def choose(value: object) -> str:
        word = _word(value)
        found = None if word is None else canonical.get(word)
        if found is None:
            raise expected(either(words), value)
        return found

    return choose


def is_dotted_name(value: object) -> bool:
    """Whether *value* names an object as ``pkg.mod:name``."""
    return isinstance(value, str) and _DOTTED_NAME.fullmatch(value.strip()) is not None


def imported(name: str) -> Any:
    """The object that ``pkg.mod:name`` names; the cause of a failed import is the ValueError's ``__cause__``."""
    if not is_dotted_name(name):
        raise expected("the name of an object, written as pkg.mod:name", name)
    module, _, attribute = name.strip().partition(":")
    try:
        return operator.attrgetter(attribute)(importlib.import_module(module))
    except Exception as error:  # noqa: BLE001 - an import runs a module's code, which may raise anything
        failure = import_failure(repr(name.strip()), error)
    raise failure


def import_failure(what: str, error: Exception) -> ValueError:
    """The error to raise, after the handler of *error*, where *what* cannot be imported.

    A module may connect while it is imported, so what the error, or one behind it, says of a URL is not repeated.
    """
    said = f"{what} cannot be imported: {type(error).__name__}"
    if any(mark in text for text in texts_of(error) for mark in ("://", "@")):
        return ValueError(said + WITHHELD)
    failure = ValueError(f"{said}: {error}")
    failure.__cause__ = error
    return failure


def texts_of(error: BaseException) -> Iterator[str]:
    """All that *error* and those behind it say, in any way that a log or a debugger may show."""
    waiting, seen = [error], set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        # The text that a class makes of itself need not have all: so the arguments, the notes and the attributes, too.
        yield f"{current} {current!r} {current.args!r} {vars(current)!r}"
        grouped = getattr(current, "exceptions", ())
        behind = (current.__cause__, current.__context__, *(grouped if isinstance(grouped, tuple) else ()))
        waiting += [one for one in behind if isinstance(one, BaseException)]


def function(value: object) -> Callable[..., Any]:
    """A callable, or the name of one."""
    found: object = imported(value) if isinstance(value, str) else value
    if not callable(found):
        raise expected("a callable, or its name as pkg.mod:name", value)
    return found


def function_of(*arguments: str) -> Converter:
    """The converter to a callable that can be called with *arguments*, by their order, or from the name of one.

    What does not tell its parameters, as many that are written in C, is taken as it is.
    """

    def convert(value: object) -> Callable[..., Any]:
        found = function(value)
        if is_async(found):
            raise ValueError(f"expected a plain function, and {_named(found)} is async, which nothing would await")
        parameters = _parameters_of(found)
        if parameters is not None and not _takes(parameters, len(arguments)):
            wanted = f"the argument {', '.join(arguments)}" if arguments else "no argument"
            names = ", ".join(parameters.parameters)
            raise ValueError(f"expected a callable that takes {wanted}, and {_named(found)} takes ({names})")
        return found

    return convert


def is_async(found: Callable[..., Any]) -> bool:
    """Whether a call of *found* gives a coroutine, which must be awaited."""
    return iscoroutinefunction(found) or iscoroutinefunction(getattr(found, "__call__", None))  # noqa: B004


def _parameters_of(found: Callable[..., Any]) -> Signature | None:
    try:
        return signature(found)
    except Exception:  # noqa: BLE001 - an object may tell its parameters by code of its own
        return None


def _takes(parameters: Signature, count: int) -> bool:
    try:
        parameters.bind(*(None,) * count)
    except TypeError:
        return False
    return True


def _named(found: object) -> str:
    return str(getattr(found, "__qualname__", None) or f"an object of the type {type(found).__qualname__}")


def functions_of(*arguments: str) -> Converter:
    """The converter to callables of *arguments*: one, a list, or names, separated by commas or lines.

    ``None`` and "none" give ().
    """
    convert_one = function_of(*arguments)

    def one_or_many(value: object) -> tuple[Callable[..., Any], ...]:
        return tuple(map(convert_one, value)) if isinstance(value, (list, tuple)) else (convert_one(value),)

    def convert(value: object) -> tuple[Callable[..., Any], ...]:
        if value is None or _word(value) == "none":
            return ()
        if not isinstance(value, str):
            return one_or_many(value)
        names = [name for name in re.split(r"[,\s]+", value) if name]
        if not names:
            raise ValueError(
                "expected the name of a callable, got an empty string; leave the option out, or write pkg.mod:name"
            )
        return tuple(found for name in names for found in one_or_many(imported(name)))

    return convert
