"""Reads a configuration that was written for Beaker, and turns it into one of ours by the table of other options."""

from __future__ import annotations

import configparser
import warnings
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from sessionware.config.advice import Advice, meant_by, truth
from sessionware.config.names import BEAKER_PREFIX, INTERPOLATION_FAILS, PREFIX
from sessionware.config.others import OTHERS, advise, canonical
from sessionware.config.table import OPTIONS
from sessionware.conversions import boolean, optional, shown
from sessionware.events import logger
from sessionware.exceptions import ConfigError
from sessionware.session.lifetimes import parse_duration

#: What is not a session's option is left to others if it begins so: Beaker's caches have options, too.
_PREFIXES = (BEAKER_PREFIX, PREFIX)
_DEPRECATED_PREFIX = "session_"

#: What Beaker takes for an option that is not given.
DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(("type", "data_dir", "secret", "encrypt_key", "validate_key", "cookie_domain")),
    **dict.fromkeys(("timeout", "webtest_varname", "log_file", "lock_dir", "session_class", "namespace_class")),
    **dict.fromkeys(("auto", "secure", "httponly"), False),
    **dict.fromkeys(("cookie_expires", "save_accessed_time", "invalidate_corrupt", "use_cookies"), True),
    "key": "beaker.session.id",
    "cookie_path": "/",
    "samesite": "Lax",
    "data_serializer": "pickle",
    "encrypt_nonce_bits": 128,
    "crypto_type": "default",
}

#: What the drop-in sets unless the configuration says otherwise: values as pickle and JSON would have kept them.
OWN_DEFAULTS: Mapping[str, Any] = {"values": "lenient"}

#: Options of which an application may notice that nothing takes their place, and the values that make no difference.
_NOTICED: Mapping[str, tuple[object, ...]] = {
    "data_serializer": ("json",),
    "crypto_type": ("default", "cryptography"),
    "use_cookies": (True,),
    **dict.fromkeys(("id", "session_class", "namespace_class", "sa_opts", "dbmmodule"), ()),
}
_CURES = {
    "data_serializer": "Pickle is never loaded; a value of another type raises SessionDataError where it is set",
    "use_cookies": "Write environ['beaker.get_session']() for a session without a cookie",
}
#: The key that encrypts is the one to go on with, if there is no other.
_ORDER = {"encrypt_key": 0, "validate_key": 1}


def of_beaker(name: str) -> bool:
    """Whether *name*, without a prefix, is an option of Beaker, of those who build on it, or ours with that meaning."""
    other = OTHERS.get(canonical(name))
    return name not in OPTIONS and other is not None and other.owner == "Beaker's"


def unprefixed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options in *config* that have one of Beaker's prefixes, without it."""
    found = {}
    for name in _names(config):
        prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)
        if prefix is not None:
            found[name.removeprefix(prefix)] = _get(config, name)
        elif name.startswith(_DEPRECATED_PREFIX) and of_beaker(name.removeprefix(_DEPRECATED_PREFIX)):
            warnings.warn(f"{name}: write session. instead of session_", DeprecationWarning, stacklevel=5)
            found[name.removeprefix(_DEPRECATED_PREFIX)] = _get(config, name)
    return found


def _names(config: Mapping[Any, Any]) -> list[str]:
    return [name for name in config if isinstance(name, str)]


def _get(config: Mapping[str, Any], name: str) -> Any:
    try:
        return config[name]
    except configparser.InterpolationError:
        # Its message quotes the value, which may be a secret.
        fault = ConfigError(f"{name}: {INTERPOLATION_FAILS}")
    raise fault


def read_options(config: Mapping[str, Any] | None, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """The options in *config*, and in *keywords*, where they need no prefix, by their names without one.

    A *config* without any prefix is taken whole if it is one of sessions, as Beaker's manual says.
    """
    config = {} if config is None else config
    if not hasattr(config, "keys"):  # what frameworks give need not be a Mapping
        # It is not shown, by a crash report neither: a secret may have been given in place of the dict.
        kind = type(config).__name__
        del config, keywords
        raise ConfigError(f"expected a dict as configuration, got an object of the type {kind}")
    options = unprefixed(config)
    if not options and not keywords and any(of_beaker(name) or name in OPTIONS for name in _names(config)):
        options = {name: _get(config, name) for name in _names(config)}
    prefixed = unprefixed(keywords)
    bare = {name: value for name, value in keywords.items() if not name.startswith((*_PREFIXES, _DEPRECATED_PREFIX))}
    return coerced({**options, **bare, **prefixed})


def coerced(options: Mapping[str, Any]) -> dict[str, Any]:
    """*options* with their values as Beaker reads them from texts."""
    return {name: _coerced(name, value) for name, value in options.items()}


def _coerced(name: str, value: Any) -> Any:
    convert = _CONVERTERS.get(name)
    if convert is None or not isinstance(value, (str, int)):
        return value
    try:
        return convert(value)
    except ValueError:
        return value


def _expires(value: object) -> bool | timedelta:
    is_until_the_end = truth(value)
    return timedelta(seconds=parse_duration(value)) if is_until_the_end is None else is_until_the_end


def _seconds(value: object) -> int | float:
    seconds = parse_duration(value)
    return int(seconds) if seconds == int(seconds) else seconds


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        (
            "auto",
            "secure",
            "httponly",
            "save_accessed_time",
            "invalidate_corrupt",
            "use_cookies",
            "cookie_on_exception",
        ),
        boolean,
    ),
    "cookie_expires": _expires,
    "timeout": optional(_seconds),
}


class Translation(NamedTuple):
    """What becomes of the options of a configuration of Beaker's."""

    #: For each option of Beaker's that was given, what to write instead.
    advice: Mapping[str, Advice]
    #: Our options by their dotted names, as they are shown; those that were given among Beaker's win.
    options: Mapping[str, Any]
    #: What is lost, by Beaker's name: a sentence of why, and one of what to do.
    losses: Mapping[str, str]
    #: Why there can be no sessions with this configuration.
    fault: str | None


def translate(options: Mapping[str, Any]) -> Translation:
    """What becomes of *options* of Beaker's and of ours, by their names without a prefix."""
    ours = {name: value for name, value in options.items() if not of_beaker(name)}
    if not ours.get("secret"):
        ours.pop("secret", None)
    theirs = {canonical(name): value for name, value in options.items() if _says_something(name, value)}
    theirs = dict(sorted(theirs.items(), key=lambda item: _ORDER.get(item[0], 0)))
    # The type alone says where sessions are, if it is not to be seen from the rest.
    advice = advise({"type": None, **theirs}, has_secret="secret" in ours)
    written: dict[str, Any] = {}
    for single in advice.values():
        for name, value in single.write.items():
            written.setdefault(name, value)
    fault = None
    if "backend" in ours:
        written = {name: value for name, value in written.items() if name.partition(".")[0] != "backend"}
    else:
        fault = _fault_of_backend(written, theirs, advice["type"])
    if "type" not in theirs:
        advice.pop("type")
    return Translation(advice, written | ours, _losses(theirs, advice), _fault_of_values(theirs) or fault)


def translated(options: Mapping[str, Any]) -> dict[str, Any]:
    """Our options for *options* of Beaker's and of ours, by their dotted names, with their values.

    Raises :exc:`ConfigError` where there is no store like Beaker's; warns of what is lost.
    """
    translation = translate(options)
    if translation.fault is not None:
        raise ConfigError(translation.fault)
    for name, text in translation.losses.items():
        logger.warning("the option %s of Beaker has no effect: %s", name, text)
    return {**OWN_DEFAULTS, **{name: meant_by(value) for name, value in translation.options.items()}}


def _says_something(name: str, value: object) -> bool:
    """Whether *value* is one that was given: who builds on Beaker passes its defaults on."""
    return of_beaker(name) and (value is not None or name == "timeout") and value != ""


def _fault_of_backend(written: Mapping[str, Any], given: Mapping[str, Any], advice: Advice) -> str | None:
    if "backend" not in written:
        return f"type: {advice.why}"
    if written["backend"] == "file" and not {"data_dir", "file_dir", "dbm_dir"} & given.keys():
        return f"type: {given.get('type')!r} needs the option data_dir, the directory of the sessions"
    if written["backend"] == "sqlalchemy" and meant_by(written["backend.engine"]) is None:
        return "type: 'ext:sqla' needs the option bind, an engine of SQLAlchemy"
    return None


def _fault_of_values(given: Mapping[str, Any]) -> str | None:
    """What is wrong with the first option whose value is a text still, which :func:`coerced` could not read."""
    for name, convert in _CONVERTERS.items():
        value = given.get(name)
        if isinstance(value, str):
            try:
                convert(value)
            except ValueError as error:
                return f"{name}: {error}" if shown(value) in str(error) else f"{name}: {error}, got {shown(value)}"
    return None


def _losses(given: Mapping[str, Any], advice: Mapping[str, Advice]) -> dict[str, str]:
    return {
        name: f"{advice[name].why}. {_CURES.get(name, 'Leave it out')}"
        for name, harmless in _NOTICED.items()
        if name in given and given[name] not in harmless
    }
