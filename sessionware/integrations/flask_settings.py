"""Reads Flask's settings, and the dict ``SESSIONWARE`` beside them, as options of sessionware."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from flask.sessions import SessionInterface

from sessionware.config.advice import value_of
from sessionware.config.faults import Faults
from sessionware.config.names import flatten
from sessionware.config.others import OTHERS, advise, canonical
from sessionware.config.settings import Config
from sessionware.config.table import OPTIONS, STORE_OPTIONS
from sessionware.cookies.header import split_prefix
from sessionware.crypto.keys import Keyring, read_secrets
from sessionware.events import logger

if TYPE_CHECKING:
    from flask import Flask

#: The name of the dict in ``app.config``.
OPTIONS_KEY = "SESSIONWARE"
#: What stands in the place of the defaults, for code that was written for Flask's own session: Flask-Login keeps the
#: user under this key.
_DEFAULTS = {"values": "lenient", "user_key": "_user_id"}
_FLASK_SESSION = "Flask-Session's"


#: The attributes of the cookie: the setting SESSION_COOKIE_NAME is the option cookie.name, and a session interface is
#: asked for it by get_cookie_name(). With each the value that counts as not given.
_COOKIE_ATTRIBUTES = {
    "name": None,
    "domain": None,
    "path": "/",
    "httponly": True,
    "secure": False,
    "samesite": None,
    "partitioned": False,
}
_FLASKS_NAME = "session"
_READ_IN_CONFIG = ("domain", "partitioned")

#: Where ours are not Flask's: named when they apply.
_SAFER = ("cookie.samesite", "cookie.secure", "idle_timeout", "absolute_timeout")


class FlaskSettings(NamedTuple):
    """The settings as they stand now, to be compared with those of a later request."""

    cookie: tuple[object, ...]
    secret_key: str | bytes | None
    fallbacks: tuple[str | bytes, ...]
    given: Any

    def __repr__(self) -> str:
        """No value: there are secrets among them."""
        return f"<{type(self).__name__}>"

    @property
    def has_secret(self) -> bool:
        """Whether there is to be a secret: without one there are no sessions, as in Flask; memory draws one.

        One of ours that is named, and empty, was forgotten, which the manager refuses.
        """
        if self.secret_key:
            return True
        options = written_options(self.given, Faults())
        return "secret" in options or options.get("backend") == "memory"


def settings_of(app: Flask, interface: SessionInterface) -> FlaskSettings:
    """What Flask's *app* is configured with; the *interface* may have other words about the cookie."""
    given = app.config.get(OPTIONS_KEY)
    fallbacks = app.config.get("SECRET_KEY_FALLBACKS") or ()
    return FlaskSettings(
        tuple(_cookie_value(app, interface, attribute) for attribute in _COOKIE_ATTRIBUTES),
        app.secret_key,
        (fallbacks,) if isinstance(fallbacks, (str, bytes)) else tuple(fallbacks),
        dict(given) if isinstance(given, Mapping) else {} if given is None else given,
    )


def _cookie_value(app: Flask, interface: SessionInterface, attribute: str) -> object:
    """What *interface* says of the cookie's *attribute*.

    Of two, Flask's own interface is not asked: before 2.3 it takes SERVER_NAME for the domain, and before 3.1 it does
    not know of Partitioned.
    """
    getter = f"get_cookie_{attribute}"
    is_flasks = getattr(type(interface), getter, None) is getattr(SessionInterface, getter, None)
    if attribute in _READ_IN_CONFIG and is_flasks:
        return app.config.get(_setting(attribute)) or _COOKIE_ATTRIBUTES[attribute]
    return getattr(interface, getter)(app)


def _setting(attribute: str) -> str:
    return f"SESSION_COOKIE_{attribute.upper()}"


def written_options(given: object, faults: Faults) -> dict[str, Any]:
    """The options in what ``SESSIONWARE`` is, by their dotted names."""
    if given is not None and not isinstance(given, (Config, Mapping)):
        faults.add(f"{OPTIONS_KEY}: expected a dict of options, got an object of the type {type(given).__name__}")
        return {}
    return dict(given.options) if isinstance(given, Config) else flatten({} if given is None else given, faults)


def options_of(settings: FlaskSettings) -> dict[str, Any]:
    """The options, by their dotted names. Raises ConfigError for contradictions, and for a weak SECRET_KEY."""
    faults = Faults()
    ours = written_options(settings.given, faults)
    options = {**_DEFAULTS, "cookie.name": _FLASKS_NAME, **ours}
    for setting, option, value in _said_of_cookie(settings):
        try:
            options[option] = OPTIONS[option].convert(value)
        except ValueError as error:
            faults.add_error(setting, error, given=value)
            continue
        if option in ours and _converted(option, ours[option]) != options[option]:
            faults.add(
                f"{setting}: {value!r} contradicts {option!r}: {ours[option]!r} in {OPTIONS_KEY}; leave one of them out"
            )
    if not ours.get("secret") and settings.secret_key:
        options["secret"] = _secrets(settings, faults)
    faults.raise_if_any()
    return options


def _said_of_cookie(settings: FlaskSettings) -> Iterator[tuple[str, str, object]]:
    """What Flask's settings say of the cookie: the setting, our option for it, and the value."""
    for (attribute, default), value in zip(_COOKIE_ATTRIBUTES.items(), settings.cookie, strict=True):
        setting, prefix = _setting(attribute), ""
        if attribute == "name" and isinstance(value, str):
            prefix, value = split_prefix(value)
        if prefix:
            yield setting, "cookie.prefix", prefix
        elif value == default or (attribute == "name" and value == _FLASKS_NAME):
            continue
        yield setting, f"cookie.{attribute}", value


def _converted(name: str, value: object) -> object:
    try:
        return OPTIONS[name].convert(value)
    except ValueError:
        return value


def _secrets(settings: FlaskSettings, faults: Faults) -> list[str | bytes | None]:
    secrets = [settings.secret_key, *settings.fallbacks]
    try:
        Keyring(read_secrets(secrets))
    except ValueError as error:
        names = (
            "SECRET_KEY (the first secret) and SECRET_KEY_FALLBACKS"
            if settings.fallbacks
            else "SECRET_KEY as the secret of sessions"
        )
        faults.add(
            f"{names}: {error}; or give {OPTIONS_KEY} a 'secret' of its own, which sessions are sealed with then"
        )
    return secrets


def tell_defaults(options: Mapping[str, Any]) -> None:
    """Say in one line which of Flask's defaults do not hold; those that were set here do."""
    safer = [f"{name}={OPTIONS[name].default!r}" for name in _SAFER if name not in options]
    if safer:
        logger.info(
            "Flask's defaults for its session count as unset, and sessionware's hold: %s; others are given in the dict "
            "%s of the configuration",
            ", ".join(safer),
            OPTIONS_KEY,
        )


def tell_flask_sessions_settings(app: Flask) -> None:
    """Say in one line which settings of Flask-Session stand in the configuration, and what to write for them."""
    found = {canonical(name): value for name, value in app.config.items() if _is_flask_sessions(name)}
    if not found:
        return
    advice = advise(found, has_secret=True)
    lines = {
        f"{name!r}: {value_of(value, in_python=True)}" for item in advice.values() for name, value in item.write.items()
    }
    logger.warning(
        "the settings %s are Flask-Session's, and not read: remove them, and write in the dict %s: %s",
        ", ".join(sorted(name.upper() for name in found)),
        OPTIONS_KEY,
        ", ".join(sorted(lines)) or "nothing in their place",
    )


def tell_unread_settings(app: Flask) -> None:
    """Say in one line which settings are named like variables of options, and are not in the dict."""
    given = written_options(app.config.get(OPTIONS_KEY), Faults())
    options = {name: _option_of(name) for name in app.config if isinstance(name, str)}
    unread = {name: option for name, option in options.items() if option and option not in given}
    if unread:
        logger.warning(
            "the settings %s are not read: write in the dict %s: %s",
            ", ".join(sorted(unread)),
            OPTIONS_KEY,
            ", ".join(repr(unread[name]) for name in sorted(unread)),
        )


def _option_of(name: str) -> str:
    """The option that a variable called *name* would give, or nothing."""
    option = name.removeprefix(f"{OPTIONS_KEY}_").lower().replace("__", ".")
    return option if name.startswith(f"{OPTIONS_KEY}_") and option in {*OPTIONS, *STORE_OPTIONS} else ""


def _is_flask_sessions(name: str) -> bool:
    other = OTHERS.get(canonical(name))
    return other is not None and other.owner == _FLASK_SESSION
