"""Turns a configuration into the settings of a manager, or into one error that names every fault."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Any, cast

from sessionware.clock import Clock, current_time
from sessionware.config.backend import URL, Backend, find_backend
from sessionware.config.faults import Faults, of_former, of_logins
from sessionware.config.names import flatten, from_environment, place_of_secret
from sessionware.config.table import OPTIONS, STORE_GROUPS, OnStoreFailure
from sessionware.conversions import moment
from sessionware.cookies.header import CookieSettings, faults_of
from sessionware.cookies.origin import OtherSites
from sessionware.crypto.keys import KEY_BYTES, SECRET_CURE, Keyring
from sessionware.events import ContextSource, Listener
from sessionware.exceptions import hiding_arguments
from sessionware.session.lifetimes import Lifetimes
from sessionware.stores.contract import Store
from sessionware.stores.memory import MemoryStore
from sessionware.wire.serializer import Serializer

__all__ = ["Config", "OnStoreFailure", "Settings", "make_settings", "manager_key_of"]

#: The default of ``refresh_after`` is this fraction of ``idle_timeout``: few reads write, and little of it is lost.
REFRESHES_PER_IDLE_TIMEOUT = 10

#: The two that end a session.
TIMEOUTS = ("idle_timeout", "absolute_timeout")

_MISSING_SECRET = f"secret: it is missing; {SECRET_CURE}, keep it out of the source code, and pass it in, "

#: The settings that are an option's value.
_SAME = (
    *("regenerate_grace", "max_sessions_per_user", "on_store_failure", "save_on_error", "clear_site_data"),
    *("environ_key", "user_key", "import_from"),
)

#: What says where sessions are taken over from.
_FORMERS = {"previous", "import_from"}
#: How the end of a move is written in a former configuration.
_UNTIL = ("until", "session.until")

_LIMIT_OF_COOKIES = (
    "max_sessions_per_user: sessions in cookies cannot be counted, because the browsers alone hold them; set backend "
    "to a store, or login_backend to one for signed-in sessions"
)


class Config:
    """Options that were checked one by one, to be given to a middleware.

    Raises one :exc:`ConfigError` for all unknown options and bad values. The middleware, which may be given further
    options, reports a missing secret and bad combinations.
    """

    __slots__ = ("_options", "_place_of_secret")
    __hash__ = None  # type: ignore[assignment]

    @hiding_arguments
    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        faults = Faults()
        self._options: dict[str, Any] = {}
        #: How a secret is given, in the words of an error.
        self._place_of_secret = place_of_secret(options)
        self._options = _checked(flatten({} if options is None else options, faults), faults)

    @classmethod
    @hiding_arguments
    def from_environ(cls, environ: Mapping[str, str], prefix: str = "SESSIONWARE_") -> Config:
        """The options in environment variables: ``SESSIONWARE_COOKIE__SECURE=true`` is ``cookie.secure``.

        A double underscore stands for the dot. Raises :exc:`ConfigError` as the class does, also for a variable that
        begins with *prefix* and names no option.
        """
        faults = Faults()
        config = cls()
        config._options = _checked(from_environment(environ, prefix, faults), faults)
        config._place_of_secret = f"as the variable {prefix}SECRET"
        return config

    @property
    def options(self) -> Mapping[str, Any]:
        """The given options by their dotted names, converted. The secret is among them: do not log them."""
        return MappingProxyType(self._options)

    def __eq__(self, other: object) -> bool:
        return self._options == other._options if isinstance(other, Config) else NotImplemented

    def __repr__(self) -> str:
        """Only the names of the options: a value may be a secret, or a URL with a password."""
        return f"<Config of {', '.join(sorted(self._options)) or 'no options'}>"


def _checked(given: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    values = _converted(given, faults)
    for group in STORE_GROUPS:
        values |= _checked_store(group, values.get(group), _group(group, given), faults)
    faults.raise_if_any()
    return values


def _checked_store(group: str, backend: object, given: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """The options that a store is *given*, converted if it is known which *backend* that is."""
    if backend is None:
        return {f"{group}.{name}": value for name, value in given.items()}
    found = find_backend(backend, given, faults if group == "backend" else of_logins(faults))
    if found is None:
        return {}
    # Options that a store reads from its URL must not stand beside it when the Config is read again.
    converted = {**found.options, URL: given.get(URL)}
    return {f"{group}.{name}": converted[name] for name in given.keys() & converted.keys()}


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerSettings:
    """What is needed of a former configuration, whose sessions are taken over until ``until``."""

    store: Store | None
    is_store_for_logins: bool
    keyring: Keyring
    cookie: CookieSettings
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a manager works with. Times are seconds; ``store`` is ``None`` where all sessions are in cookies.

    It ``is_store_for_logins`` where those of visitors are in cookies. ``other_sites`` is ``None`` where no request is
    refused for the site that has caused it.
    """

    store: Store | None
    is_store_for_logins: bool
    keyring: Keyring
    previous: tuple[FormerSettings, ...]
    import_from: tuple[Any, ...]
    serializer: Serializer
    lifetimes: Lifetimes
    regenerate_grace: float | None
    max_sessions_per_user: int | None
    on_store_failure: OnStoreFailure
    save_on_error: bool
    clear_site_data: tuple[str, ...]
    other_sites: OtherSites | None
    cookie: CookieSettings
    listeners: tuple[Listener, ...]
    event_context: ContextSource | None
    clock: Clock
    environ_key: str
    manager_key: str
    user_key: str | None


def make_settings(config: Mapping[str, Any] | Config | None, options: Mapping[str, Any]) -> Settings:
    """The settings that *config* and *options* give; *options* win.

    Raises one :exc:`ConfigError` that names every fault, and that repeats no secret, no password of a URL and no value
    of an option that does not exist.
    """
    faults = Faults()
    given = _merged(_flat(config, faults), flatten(options, faults))
    values, failed = _values(given, faults)
    clock = values["clock"] or current_time
    cookie = CookieSettings(**_group("cookie", values))
    backend, logins = _backends(values, given, failed, faults)
    store = _store(backend, logins, clock, faults, limit=values["max_sessions_per_user"])
    keyring = None if "secret" in failed else _keyring(values["secret"], backend, config, faults)
    lifetimes = _lifetimes(values, given, failed, faults)
    _check(cookie, lifetimes, clock, faults)
    previous = _previous(values["previous"], keyring, clock, faults)
    faults.raise_if_any()
    return Settings(
        store=store,
        is_store_for_logins=logins is not None,
        keyring=cast(Keyring, keyring),
        previous=previous,
        serializer=Serializer(values["types"], values=values["values"]),
        lifetimes=lifetimes,
        other_sites=OtherSites(values["trusted_origins"]) if values["cross_site"] == "refuse" else None,
        cookie=cookie,
        listeners=values["on_event"],
        event_context=None if values["event_context"] is None else ContextSource(values["event_context"]),
        clock=clock,
        manager_key=manager_key_of(values["environ_key"]),
        **{name: values[name] for name in _SAME},
    )


def _previous(
    given: tuple[Mapping[str, Any], ...], keyring: Keyring | None, clock: Clock, faults: Faults
) -> tuple[FormerSettings, ...]:
    found = []
    for number, former in enumerate(given, 1):
        name = "previous" if len(given) == 1 else f"previous, configuration {number}"
        found.append(_former(former, keyring, clock, of_former(faults, name)))
    return tuple(former for former in found if former is not None)


def _former(given: Mapping[str, Any], present: Keyring | None, clock: Clock, faults: Faults) -> FormerSettings | None:
    """The settings of one former configuration; its timeouts and all else but these give way to the present ones."""
    until = _until(given, faults)
    flat = flatten({name: value for name, value in given.items() if name not in _UNTIL}, faults)
    for name in sorted(_FORMERS & flat.keys()):
        faults.add(f"{name}: what came before a former configuration is given beside it, in the list of {name} itself")
    values, failed = _values(flat, faults)
    cookie = CookieSettings(**_group("cookie", values))
    backend, logins = _backends(values, flat, failed, faults)
    keyring = present
    if values["secret"] is not None and "secret" not in failed:
        keyring = _keyring(values["secret"], backend, None, faults)
    for fault in faults_of(cookie):
        faults.add(fault)
    store = _store(backend, logins, clock, faults, limit=None)
    if until is None or keyring is None or backend is None:
        return None
    return FormerSettings(
        store=store, is_store_for_logins=logins is not None, keyring=keyring, cookie=cookie, until=until
    )


def _until(given: Mapping[str, Any], faults: Faults) -> float | None:
    written = next((given[name] for name in _UNTIL if name in given), None)
    if written is None:
        faults.add(
            "until: it is missing; give the moment from which former sessions are no longer looked for, as "
            "'2026-01-31T00:00:00Z': after the last old worker has gone, and their longest lifetime later"
        )
        return None
    try:
        return moment(written)
    except ValueError as error:
        faults.add_error("until", error)
        return None


def _values(given: Mapping[str, Any], faults: Faults) -> tuple[dict[str, Any], set[str]]:
    """The value of each option, which is its default where it was not *given*; and the options that have a fault."""
    good = _converted(given, faults)
    return {name: option.convert(option.default) for name, option in OPTIONS.items()} | good, given.keys() - good.keys()


def _backends(
    values: Mapping[str, Any], given: Mapping[str, Any], failed: set[str], faults: Faults
) -> tuple[Backend | None, Backend | None]:
    """The backend of all sessions, or of visitors' alone where there is another one for those that are signed in."""
    backend = None if "backend" in failed else find_backend(values["backend"], _group("backend", given), faults)
    logins = None if "login_backend" in failed else _login_backend(values["login_backend"], given, backend, faults)
    return backend, logins


def _store(
    backend: Backend | None, logins: Backend | None, clock: Clock, faults: Faults, *, limit: int | None
) -> Store | None:
    """The store of all sessions, or of those that are signed in, which a *limit* of a user's sessions needs."""
    if backend == Backend() and logins is None and limit is not None:
        faults.add(_LIMIT_OF_COOKIES)
    store = None if backend is None else backend.make(clock, faults)
    return store if logins is None else logins.make(clock, of_logins(faults))


def _login_backend(named: object, given: Mapping[str, Any], backend: Backend | None, faults: Faults) -> Backend | None:
    """The backend of signed-in sessions that the option names, or ``None``."""
    options = _group("login_backend", given)
    if named is None:
        for name in options:
            faults.add(f"login_backend.{name}: name a store by login_backend (nested: type)")
        return None
    found = find_backend(named, options, of_logins(faults))
    if found == Backend():
        faults.add("login_backend: 'cookie' is no store; name one, as 'sqlite' or a URL, or leave the option out")
    elif backend is not None and backend != Backend():
        faults.add(
            "login_backend: it is for the cookie backend; signed-in sessions are in the store of the option backend "
            "already, so leave it out, or leave backend out to keep visitors' sessions in the cookie"
        )
    return found


def manager_key_of(environ_key: str) -> str:
    """The manager's key in ``environ``, which follows from the session's."""
    return f"{environ_key.removesuffix('.session')}.manager"


def _flat(config: Mapping[str, Any] | Config | None, faults: Faults) -> dict[str, Any]:
    if isinstance(config, Config):
        return dict(config.options)
    return flatten({} if config is None else config, faults)


def _merged(config: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """*config* with *options* laid over it; a backend in *options* also replaces all ``backend.*`` of *config*."""
    replaced = tuple(f"{group}." for group in STORE_GROUPS if group in options)
    return {name: value for name, value in config.items() if not name.startswith(replaced)} | options


def _converted(given: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """The converted values of the table's options in *given*, without those that have a fault."""
    values = {}
    for name, value in given.items():
        try:
            if name in OPTIONS:
                values[name] = OPTIONS[name].convert(value)
        except ValueError as error:
            faults.add_error(name, error, given=value)
    return values


def _group(group: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of *group*, by their names without it."""
    prefix = f"{group}."
    return {name.removeprefix(prefix): value for name, value in options.items() if name.startswith(prefix)}


def _keyring(
    given: tuple[bytes, ...] | None, backend: Backend | None, config: Mapping[str, Any] | Config | None, faults: Faults
) -> Keyring | None:
    """The keyring; for a memory store without a secret, a random one, since its sessions end with the process."""
    if given is None and backend is not None and issubclass(backend.store_class or type(backend.store), MemoryStore):
        given = (secrets.token_bytes(KEY_BYTES),)
    if given is None:
        if "secret" not in faults.advised:
            place = config._place_of_secret if isinstance(config, Config) else place_of_secret(config)
            faults.add(_MISSING_SECRET + place)
        return None
    try:
        return Keyring(given)
    except ValueError as error:
        faults.add_error("secret", error)
        return None


def _lifetimes(values: Mapping[str, Any], given: Mapping[str, Any], failed: set[str], faults: Faults) -> Lifetimes:
    idle, absolute, refresh_after = values["idle_timeout"], values["absolute_timeout"], values["refresh_after"]
    if idle is not None and absolute is not None and idle > absolute and not failed & {*TIMEOUTS}:
        if "idle_timeout" in given:
            faults.add(
                f"idle_timeout: {_told('idle_timeout', values, given)} could never be reached, because the "
                f"absolute_timeout is {_told('absolute_timeout', values, given)}; set absolute_timeout to None, or to "
                "the idle_timeout or longer"
            )
        idle = absolute
    if refresh_after is None and idle is not None:
        refresh_after = idle / REFRESHES_PER_IDLE_TIMEOUT
    elif idle is not None and refresh_after >= idle and "idle_timeout" not in failed:
        faults.add(
            f"refresh_after: {refresh_after:.15g} seconds is not less than the idle_timeout of {idle:.15g} seconds, so "
            "a session that is only read would never be renewed; leave it out for a tenth of idle_timeout"
        )
    return Lifetimes(idle=idle, absolute=absolute, refresh_after=refresh_after, not_before=values["not_before"])


def _check(cookie: CookieSettings, lifetimes: Lifetimes, clock: Clock, faults: Faults) -> None:
    """Note what no option alone can tell."""
    for fault in faults_of(cookie):
        faults.add(fault)
    now = clock()
    if isinstance(now, date):
        faults.add("clock: expected seconds since the epoch, as time.time gives them, got a date")
        return
    ahead = 0 if lifetimes.not_before is None else lifetimes.not_before - now
    if ahead > 0:
        faults.add(
            f"not_before: the moment is {math.ceil(ahead)} seconds in the future, so every session would be over as "
            "soon as it begins; give one that has passed (in seconds, not milliseconds, and with the right zone)"
        )


def _told(name: str, values: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """The duration *name* as it was written, in seconds too."""
    written, seconds = given.get(name, OPTIONS[name].default), f"{values[name]:.15g} seconds"
    return f"{written.strip()} ({seconds})" if isinstance(written, str) else seconds
