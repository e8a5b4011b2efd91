"""Reduces every spelling of a configuration to dotted names: nested dicts, prefixed names, environment variables."""

from __future__ import annotations

import configparser
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sessionware.config.advice import value_of
from sessionware.config.faults import Faults, closest
from sessionware.config.others import OTHERS, advise, canonical
from sessionware.config.table import GROUPS, OPTIONS, STORE_GROUPS, STORE_OPTIONS
from sessionware.conversions import Converter, boolean, duration, shown, string

#: Precedes the names of our options in a dict that has other keys too, such as a section of an INI file.
PREFIX = "session."
#: Precedes those of Beaker, which reads names with our prefix, too.
BEAKER_PREFIX = "beaker.session."
#: Taken for ours by who knows the prefix of the variables; nothing is read under it.
_NO_PREFIX = "sessionware."
#: A dict that has one of these belongs to several packages.
PREFIXES = (PREFIX, BEAKER_PREFIX, _NO_PREFIX)

#: Names in other packages that a misspelt one may be meant for.
OTHER_NAMES = {
    "timeout": "idle_timeout",
    "key": "cookie.name",
    "type": "backend",
    "store": "backend",
    "storage": "backend",
    "secret_key": "secret",
    "data_dir": "backend.path",
}

INTERPOLATION_FAILS = "the INI file's interpolation fails; write a '%' as '%%'"

#: What is said of a mapping that has more than options of sessions, by the module of its class.
_MAPPINGS_OF_OTHERS = {
    "flask.config": "the config of a Flask application has more than options of sessions: write Sessionware(app), "
    "which reads it (from sessionware.integrations.flask), or give a dict of the options here alone",
    "os": "os.environ has more than options of sessions: write Config.from_environ(os.environ), which reads the "
    "variables that begin with SESSIONWARE_",
}
_UNREADABLE = object()


class Spelling(NamedTuple):
    """How the developer writes: a name, and an option with its value."""

    name: Callable[[str], str]
    line: Callable[[str, object], str]


DOTTED = Spelling(lambda name: name, lambda name, value: f'"{name}": {value_of(value, in_python=True)},')
PREFIXED = Spelling(
    lambda name: PREFIX + name, lambda name, value: f"{PREFIX}{name} = {value_of(value, in_python=False)}"
)


def _variables(prefix: str) -> Spelling:
    def name_of(name: str) -> str:
        return prefix + name.upper().replace(".", "__")

    return Spelling(name_of, lambda name, value: f"{name_of(name)}={value_of(value, in_python=False)}")


def flatten(given: object, faults: Faults) -> dict[str, Any]:
    """The options in *given* by their dotted names, not yet converted."""
    if not isinstance(given, Mapping):
        # The object is not shown: a secret may have been given in place of the dict.
        faults.add(f"expected a dict or a Config as configuration, got an object of the type {type(given).__name__}")
        faults.advised.add("secret")  # which may be what was given
        return {}
    if type(given).__module__ in _MAPPINGS_OF_OTHERS:
        faults.add(_MAPPINGS_OF_OTHERS[type(given).__module__])
        faults.advised.add("secret")
        return {}
    prefixed = [name for name in given if isinstance(name, str) and name.startswith(PREFIXES)]
    dotted = _DottedOptions(faults, PREFIXED if prefixed else DOTTED)
    for name in prefixed or given:
        if not isinstance(name, str):
            faults.add(f"expected a string as the name of an option, got {shown(name)}")
            continue
        value = _get(given, name, faults)
        if value is _UNREADABLE:
            continue
        if name.startswith((BEAKER_PREFIX, _NO_PREFIX)):
            dotted.add_misplaced(name, value)
        else:
            dotted.add(name.removeprefix(PREFIX) if prefixed else name, value)
    dotted.advise()
    return dotted.options


def place_of_secret(given: object) -> str:
    """How a secret is given with the options of *given*, in the words of an error."""
    names = given if isinstance(given, Mapping) else ()
    if any(isinstance(name, str) and name.startswith(PREFIXES) for name in names):
        return f"as {PREFIX}secret"
    return "for example as os.environ['SESSION_SECRET']"


def from_environment(environ: Mapping[str, str], prefix: str, faults: Faults) -> dict[str, Any]:
    """The options in the variables that begin with *prefix*, by their dotted names: ``__`` stands for the dot."""
    if not isinstance(prefix, str):
        faults.add(f"expected a string as the prefix of the variables, got {shown(prefix)}")
        return {}
    if not isinstance(environ, Mapping) or not all(isinstance(name, str) for name in environ):
        faults.add("expected variables by their names, both strings; give os.environ, or a dict like it")
        return {}
    variables = sorted(name for name in environ if name.startswith(prefix))
    longer = f"{prefix}_"
    if prefix[-1:].isalnum() and any(name.startswith(longer) for name in variables):
        faults.add(f"write the prefix of the variables with its underscore, {longer!r}")
        return {}
    dotted = _DottedOptions(faults, _variables(prefix))
    for variable in variables:
        dotted.add(variable[len(prefix) :].lower().replace("__", "."), environ[variable])
    dotted.advise()
    return dotted.options


def _get(given: Mapping[Any, Any], name: str, faults: Faults) -> Any:
    try:
        return given[name]
    except configparser.InterpolationError:
        # Its message quotes the value, which may be a secret.
        faults.add(f"{name}: {INTERPOLATION_FAILS}")
        return _UNREADABLE


class _DottedOptions:
    """Collects options by their dotted names; *spelling* is the developer's, for messages."""

    __slots__ = ("_faults", "_of_others", "_spelling", "_written", "options")

    def __init__(self, faults: Faults, spelling: Spelling) -> None:
        self.options: dict[str, Any] = {}
        self._faults = faults
        self._spelling = spelling
        self._of_others: dict[str, Any] = {}
        #: The names of other packages' options as they were written.
        self._written: dict[str, str] = {}

    def add(self, name: str, value: object) -> None:
        """Add one option, or every option of a nested dict."""
        for dotted, single in self._unnested(name, value):
            self._add_one(dotted, single)

    def add_misplaced(self, written: str, value: object) -> None:
        """Add an option that was written with a prefix under which none is ours."""
        name = written.removeprefix(BEAKER_PREFIX).removeprefix(_NO_PREFIX)
        is_beakers = written.startswith(BEAKER_PREFIX)
        if canonical(name) in OTHERS and (is_beakers or name not in OPTIONS):
            self._add_of_others(written, name, value)
        elif name in OPTIONS:
            self._faults.add(f"{written}: unknown option; write {self._spelling.name(name)}")
            self._faults.advised.add(name)
        else:
            self._faults.add(self._unknown(name, value, written=written))

    def _add_of_others(self, written: str, name: str, value: object) -> None:
        self._of_others[canonical(name)] = value
        self._written[canonical(name)] = written

    def advise(self) -> None:
        """Add a fault for each of the other packages' options: what to write instead; and of several all together."""
        together: dict[str, object] = {}
        for name, advice in advise(self._of_others, has_secret="secret" in self.options).items():
            owner = OTHERS[name].owner
            whose = f" ({owner})" if owner else ""
            for option, value in advice.write.items():
                together.setdefault(option, value)
            written = " and ".join(self._line(option, value) for option, value in advice.write.items())
            cure = f"write {written}" if written else f"leave it out: {advice.why}"
            self._faults.add(f"{self._written[name]}: unknown option{whose}; {cure}")
        self._faults.advised |= together.keys()
        if len(self._of_others) > 1 and together:
            self._faults.add_sample([self._spelling.line(*item) for item in together.items()])

    def _line(self, option: str, value: object) -> str:
        return self._spelling.line(option, value).removesuffix(",")

    def _unnested(self, name: str, value: object) -> Iterator[tuple[str, object]]:
        if name not in GROUPS or not isinstance(value, Mapping) or (name in STORE_GROUPS and _may_be_a_store(value)):
            yield name, value
            return
        if not value and name in STORE_GROUPS:
            self._faults.add(
                f"{self._spelling.name(name)}: a dict is read as nested options, and this one is empty; "
                "to keep sessions in a dict or another key/value object, give KeyValueStore(obj)"
            )
        for key, single in value.items():
            if isinstance(key, str):
                yield f"{name}.{key}", single
            else:
                self._faults.add(
                    f"{self._spelling.name(name)}: expected a string as the name of an option, got {shown(key)}"
                )

    def _add_one(self, name: str, value: object) -> None:
        group, _, option = name.partition(".")
        if group in STORE_GROUPS and option == "type":
            name = group
        if name not in OPTIONS and not (group in STORE_GROUPS and option):
            if canonical(name) in OTHERS:
                self._add_of_others(self._spelling.name(name), name, value)
            else:
                self._faults.add(self._unknown(name, value))
        elif name in self.options and not _is_same(name, self.options[name], value):
            self._faults.add(f"{name}: it is given twice, with different values")
        else:
            self.options[name] = value

    def _unknown(self, name: str, value: object, *, written: str = "") -> str:
        written = written or self._spelling.name(name)
        if name in GROUPS:
            example = self._spelling.name("cookie.secure")
            return f"{written}: expected a dict of its options, or dotted names such as {example}"
        similar = suggestion(name)
        if similar is None and isinstance(value, Mapping):
            self._faults.advised.add("secret")  # which may be there
            return f"{written}: unknown option; its value is a dict of its own: give that alone as the configuration"
        hint = f"; did you mean {self._spelling.name(similar)}?" if similar else ""
        return f"{written}: unknown option{hint}"


def _may_be_a_store(value: Mapping[Any, Any]) -> bool:
    """Whether a mapping is more likely a store, or an object to keep entries in, than nested options."""
    return type(value) is not dict and "type" not in value


def _is_same(name: str, one: object, other: object) -> bool:
    """Whether two values of the option *name* mean the same, such as "1h" and 3600."""
    if one is other or (type(one) is type(other) and one == other):
        return True
    # A store's class, which knows the types of its options, is not found yet.
    converters = (OPTIONS[name].convert,) if name in OPTIONS else (duration, boolean, _path_text)
    return any(_converts_alike(convert, one, other) for convert in converters)


def _converts_alike(convert: Converter, one: object, other: object) -> bool:
    try:
        return bool(convert(one) == convert(other))
    except ValueError:
        return False


def _path_text(value: object) -> str:
    return str(value) if hasattr(value, "__fspath__") else string(value)


def suggestion(name: str) -> str | None:
    """The option that a developer who wrote *name* probably meant."""
    written = name.lower().replace("-", "_").replace(".", "_").removeprefix("session_")
    known = [*OPTIONS, *STORE_OPTIONS]
    spelled = {option.rpartition(".")[2]: option for option in reversed(known)}
    spelled |= OTHER_NAMES | {option.replace(".", "_"): option for option in known}
    meant = closest(written, spelled, similarity=0.7)
    return None if meant is None else spelled[meant]
