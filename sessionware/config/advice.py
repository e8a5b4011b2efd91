"""Advice on one option of another package: what to write in its place, or why it is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from sessionware.config.credentials import is_sensitive

_MANY_CHARACTERS = 80
_TRUE = ("true", "yes", "on", "y", "t", "1")
_FALSE = ("false", "no", "off", "n", "f", "0")


@dataclass(frozen=True, slots=True)
class Expression:
    """A value that is not repeated, because it is secret or an object: what is written for it in a file, in Python."""

    in_file: str
    in_python: str
    #: The value that was given, for who takes it over; never shown.
    value: object = field(default=None, repr=False, compare=False)

    def of(self, value: object) -> Expression:
        """This for the *value* that was given."""
        return Expression(self.in_file, self.in_python, value)


#: Pasted as it stands, it is too short to be taken for a secret.
SECRET = Expression("(run: sessionware secret)", 'os.environ["SESSION_SECRET"]')
ITS_VALUE = Expression("(its value)", "...")


@dataclass(frozen=True)
class Advice:
    """The options to write, by their dotted names here; without any, why the option is left out."""

    write: Mapping[str, object] = field(default_factory=dict)
    why: str = ""


class Given(NamedTuple):
    """The options of other packages that were given together, by their names in lower case."""

    options: Mapping[str, object]
    #: Whether there is a secret of ours beside them.
    has_secret: bool

    def text(self, *names: str) -> str:
        """The value of the first of *names* that was given, as a text; a list's items are separated by commas."""
        for name in names:
            value = self.options.get(name)
            if value not in (None, "", [], ()):
                return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value).strip()
        return ""


Rule = Callable[[object, Given], Advice]


class Other(NamedTuple):
    """An option of another package; ``owner`` says whose."""

    owner: str
    rule: Rule


def same(name: str) -> Rule:
    """The same value under our *name*."""
    return lambda value, given: Advice({name: repeated(value)})


def repeated(value: object) -> object:
    """*value*, if it may stand in a message."""
    is_plain = isinstance(value, str) and "://" not in value and "@" not in value and len(value) < _MANY_CHARACTERS
    return value if is_plain else ITS_VALUE.of(value)


def meant_by(value: object) -> object:
    """What *value* of an :class:`Advice` stands for."""
    return value.value if isinstance(value, Expression) else value


def value_of(value: object, *, in_python: bool) -> str:
    """*value* as it is written in Python, or in a file."""
    if isinstance(value, Expression):
        return value.in_python if in_python else value.in_file
    if in_python:
        return repr(value)
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return str(value)


# Rules for a value that has the same meaning here.


def left_out(why: str) -> Rule:
    """No option here, for the reason *why*."""
    return lambda value, given: Advice(why=why)


def unless_empty(name: str) -> Rule:
    """The same value under our *name*; None, False and an empty text are our default."""

    def rule(value: object, given: Given) -> Advice:
        is_default = not value or str(value).strip().lower() in ("none", "false")
        return Advice(why="that is the default") if is_default else Advice({name: repeated(value)})

    return rule


def switch(name: str, *, default: bool, otherwise: str = "") -> Rule:
    """A switch like ours called *name*. *otherwise* is why the value that is not our *default* is not advised."""

    def rule(value: object, given: Given) -> Advice:
        if truth(value) in (default, None):
            return Advice(why="that is the default")
        return Advice(why=otherwise) if otherwise else Advice({name: not default})

    return rule


def truth(value: object) -> bool | None:
    """*value* as the words of other packages mean it; ``None`` if it is none of them."""
    word = str(value).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


# Addresses.


def server_url(kind: str, written: str) -> str | Expression:
    """The URL of a server or a database as it is written here, shown without the credentials in *written*.

    *written* may be a URL, or hosts with ports; nothing stands for the host and the port that are usual.
    """
    first, separator, rest = written.partition("://")
    hosts = rest if separator else written
    # Of several servers each may have been written as a URL.
    rest = ",".join(re.split(r"[;,\s]+(?:[\w+.-]+://)?", hosts.strip(";, "))) or _USUAL_HOSTS.get(kind, "localhost")
    scheme = _scheme(first.lower()) if separator and not kind.endswith("+cluster") else kind
    _, at, place = rest.rpartition("@")
    place, question, query = place.partition("?")
    url = f"{scheme}://{rest}"
    shown = f"{scheme}://{'***@' if at else ''}{place}{question}{'***' if is_sensitive(query) else query}"
    return url if shown == url else Expression(shown, repr(shown), url)


_USUAL_HOSTS = {
    "redis": "localhost:6379/0",
    "redis+cluster": "localhost:6379",
    "memcached": "localhost:11211",
    "sqlite": "/sessions.db",
}


def _scheme(scheme: str) -> str:
    kind = scheme.partition("+")[0]
    if kind in ("postgres", "postgresql"):
        return "postgresql+psycopg"
    return f"{kind}+pymysql" if kind in ("mysql", "mariadb") else scheme
