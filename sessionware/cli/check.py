"""The command ``sessionware check``: what a move from Beaker changes, and the configuration to write for it."""

from __future__ import annotations

import configparser
import textwrap
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sessionware.cli.takeover import importer_lines
from sessionware.config.advice import ITS_VALUE, SECRET, Expression, repeated
from sessionware.config.beaker import Translation, coerced, of_beaker, translate, unprefixed
from sessionware.config.faults import closest
from sessionware.config.names import PREFIXED, suggestion
from sessionware.config.others import BEAKER_OPTIONS
from sessionware.config.table import GROUPS, OPTIONS
from sessionware.crypto.keys import Keyring, read_secrets

#: A section of PasteDeploy that makes Beaker's middleware; its options have no prefix.
_FILTER = "#beaker_session"
#: What PasteDeploy itself reads of a section, or gives to it.
_OF_PASTE = ("use", "paste.filter_factory", "paste.filter_app_factory", "next", "here", "__file__", "debug")
_WIDTH = 100
#: A name or an address is not broken.
_WHOLE: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}

_NEW_COOKIE = (
    "The cookie is HttpOnly and, wherever the browser sees https, Secure, with a prefix before its name, as "
    "{name}. Unless cookie.name says otherwise it is sid."
)
_NEW_SESSIONS = (
    "Beaker's sessions are not read unless an importer takes them over; without it every user signs in once more."
)
_NO_SESSIONS = "Beaker's sessions are not read: every user signs in once more."
_IMPORTER = (
    "So that no user is signed out, write in a module of yours, and set session.import_from = your_module:sessions:"
)
_NEW_SAVING = (
    "With sessionware.SessionMiddleware what is changed is saved by itself. With "
    "sessionware.integrations.beaker.SessionMiddleware, which reads the old options, too, save() is needed as before, "
    "unless auto is true."
)
_NEW_TIMEOUTS = {
    "idle_timeout": "A session ends after an hour without a request that uses it; see idle_timeout.",
    "absolute_timeout": "A session ends a day after it began, or after the last login; see absolute_timeout.",
}


def add_check(commands: Any) -> None:
    """Add the subcommand to those of the command line."""
    parser: ArgumentParser = commands.add_parser(
        "check",
        help="tell what a move from Beaker changes",
        description="Tell what a move from Beaker changes, and print the new configuration. The exit status is 1 "
        "where something of the old one cannot be kept.",
    )
    parser.add_argument("--beaker", metavar="FILE", required=True, help="an INI file with the options of Beaker")
    parser.set_defaults(run=check, parser=parser)


def check(arguments: Namespace) -> int:
    """Print what becomes of Beaker's options in the file, section by section."""
    try:
        found = dict(_sections(Path(arguments.beaker)))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # The text of a parser's error quotes the line, which may be that of the secret.
        reason = error.strerror if isinstance(error, OSError) else type(error).__name__
        if isinstance(error, configparser.MissingSectionHeaderError):
            reason = f"{reason}: write a line such as [app:main] above its options"
        arguments.parser.error(f"{arguments.beaker} cannot be read: {reason}")
    if not found:
        arguments.parser.error(f"{arguments.beaker} has no section with options of Beaker's sessions")
    texts, are_kept = [], True
    for section, options in found.items():
        report = _Report(section, options)
        texts.append("\n".join(report.lines()))
        are_kept = are_kept and not report.cannot
    print("\n\n".join(texts))
    return 0 if are_kept else 1


def _sections(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The sections that have options of Beaker's, by their names without a prefix; each set of them once."""
    directory = str(path.parent.absolute())
    parser = configparser.ConfigParser({"here": directory, "__file__": str(path.absolute())}, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    # Editors of Windows begin a file with a byte order mark.
    with path.open(encoding="utf-8-sig") as file:
        parser.read_file(file)
    seen: list[dict[str, Any]] = []
    for section in (*parser.sections(), parser.default_section):
        items = {name: _value(parser, section, name) for name in parser[section]}
        if items.get("use", "").endswith(_FILTER):
            options = coerced({name: value for name, value in items.items() if name not in _OF_PASTE})
        else:
            options = coerced(unprefixed(items))
        if any(map(of_beaker, options)) and options not in seen:
            seen.append(options)
            yield section, options


def _value(parser: configparser.ConfigParser, section: str, name: str) -> str:
    try:
        return parser.get(section, name)
    except configparser.InterpolationError:
        return parser.get(section, name, raw=True)


class _Report:
    """What becomes of the *options* of a *section*."""

    def __init__(self, section: str, options: Mapping[str, Any]) -> None:
        self._section = section
        self._translation: Translation = translate(options)
        self._importer = list(importer_lines(options))
        self._unknown = [name for name in self._translation.options if not _is_known(name)]
        #: What cannot be kept, a sentence each.
        self.cannot = [
            *([self._translation.fault] if self._translation.fault else []),
            *(f"{name}: {text}." for name, text in self._translation.losses.items()),
            *(f"{name}: unknown option; {_hint(name)}" for name in self._unknown),
        ]

    def lines(self) -> Iterator[str]:
        yield f"[{self._section}]"
        yield from _listed("What changes:", self._changes())
        yield from _listed("What is new:", self._news())
        yield from _listed("What cannot be kept:", self.cannot)
        yield from ("", "The new configuration:", "")
        for name, value in self._shown().items():
            yield PREFIXED.line(name, value)
        if self._importer:
            yield from ("", _IMPORTER, "", *self._importer)

    def _changes(self) -> Iterator[str]:
        for name, advice in self._translation.advice.items():
            if name in self._translation.losses:
                continue
            written = " and ".join(PREFIXED.line(*item) for item in advice.write.items())
            yield f"{name}: write {written}." if written else f"{name}: leave it out: {advice.why}."
        if self._shown()["secret"] is SECRET and "secret" in self._translation.options:
            yield f"secret: write {PREFIXED.line('secret', SECRET)}: a new one, strong enough to encrypt with."

    def _news(self) -> Iterator[str]:
        options = self._translation.options
        for name, text in _NEW_TIMEOUTS.items():
            if name not in options:
                yield text
        prefix, name = options.get("cookie.prefix", "__Host-Http-"), options.get("cookie.name", "sid")
        yield _NEW_COOKIE.format(name=f"{prefix}{name}" if isinstance(name, str) else f"{prefix}…")
        yield _NEW_SAVING
        yield _NEW_SESSIONS if self._importer else _NO_SESSIONS

    def _shown(self) -> dict[str, object]:
        """The new configuration, without a secret; a weak one is not to be taken over."""
        shown = {name: _masked(name, value) for name, value in self._translation.options.items() if _is_known(name)}
        return {**shown, "secret": shown.get("secret", SECRET)}


def _masked(name: str, value: object) -> object:
    if isinstance(value, Expression):
        return value
    if name == "secret":
        return ITS_VALUE if _is_strong(value) else SECRET
    return repeated(value) if isinstance(value, str) else value


def _is_strong(secret: object) -> bool:
    try:
        Keyring(read_secrets(secret))
    except ValueError:
        return False
    return True


def _is_known(name: str) -> bool:
    group, _, option = name.partition(".")
    return name in OPTIONS or (group in GROUPS and group != "cookie" and bool(option))


def _hint(name: str) -> str:
    similar = closest(name, BEAKER_OPTIONS, similarity=0.7) or suggestion(name)
    return f"did you mean {similar}?" if similar else "Beaker hands it to its backend."


def _listed(head: str, sentences: Any) -> Iterator[str]:
    items = [
        textwrap.fill(sentence, _WIDTH, initial_indent="- ", subsequent_indent="  ", **_WHOLE) for sentence in sentences
    ]
    if items:
        yield from ("", head, "", *items)
