"""Settles a configuration: every fault in one error, or settings to work with."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

from sessionware.clock import Clock, current_time
from sessionware.config.backend import find_backend
from sessionware.config.faults import Faults
from sessionware.config.names import flatten, from_environment
from sessionware.config.table import OPTIONS, STORE_GROUPS, OnStoreFailure
from sessionware.cookies.header import CookieSettings, faults_of
from sessionware.crypto.keys import Keyring
from sessionware.crypto.sealing import check_ciphers
from sessionware.events import Listener
from sessionware.session.lifetimes import Lifetimes
from sessionware.stores.contract import Store
from sessionware.stores.memory import MemoryStore
from sessionware.wire.serializer import Serializer

__all__ = ["Config", "OnStoreFailure", "Settings", "manager_key_of", "settle"]

#: A session that is read now and then must not write each time, yet lose little of its idle timeout.
REFRESHES_PER_IDLE_TIMEOUT = 10

_MISSING_SECRET = (
    "secret: it is missing; make a good one with 'sessionware secret' (or 'python -m sessionware secret'), "
    "keep it out of the source, and give it from there, e.g. os.environ['SESSION_SECRET']"
)


class Config:
    """Options that were checked one by one, to be given to a middleware.

    Raises ConfigError for unknown options and bad values, all together. A missing secret and bad combinations are
    reported by the middleware, which may be given further options.
    """

    __slots__ = ("_options",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        faults = Faults()
        self._options = _checked(flatten({} if options is None else options, faults), faults)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], prefix: str = "SESSIONWARE_") -> Config:
        """The options in environment variables: ``SESSIONWARE_COOKIE__SECURE=true`` is ``cookie.secure``.

        A double underscore stands for the dot. A variable with the prefix that names no option is a fault.
        """
        faults = Faults()
        config = cls()
        config._options = _checked(from_environment(environ, prefix, faults), faults)
        return config

    @property
    def options(self) -> Mapping[str, Any]:
        """The given options by their dotted names, converted; the secret is among them."""
        return MappingProxyType(self._options)

    def __eq__(self, other: object) -> bool:
        return self._options == other._options if isinstance(other, Config) else NotImplemented

    def __repr__(self) -> str:
        """The names of the options, without a value: a secret or a URL's password may be among them."""
        return f"<Config of {', '.join(sorted(self._options)) or 'no options'}>"


def _checked(given: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    values = _converted(given, faults)
    if "backend" in values:
        backend = find_backend(values["backend"], _store_options(given), faults)
        if backend is not None:
            values |= {
                f"backend.{name}": backend.options[name] for name in _store_options(given).keys() & backend.options
            }
    else:
        values |= {f"backend.{name}": value for name, value in _store_options(given).items()}
    faults.raise_if_any()
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a manager works with. Times are seconds; ``store`` is ``None`` for the cookie backend."""

    store: Store | None
    keyring: Keyring
    serializer: Serializer
    lifetimes: Lifetimes
    regenerate_grace: float | None
    on_store_failure: OnStoreFailure
    save_on_error: bool
    cookie: CookieSettings
    listeners: tuple[Listener, ...]
    clock: Clock
    environ_key: str
    manager_key: str


def settle(config: Mapping[str, Any] | Config | None, options: Mapping[str, Any]) -> Settings:
    """The settings that *config* and *options* make, which win; raises one ConfigError that names every fault.

    No fault tells a secret, a password in a URL, or the value of an option that does not exist.
    """
    faults = Faults()
    given = _merged(_flat(config, faults), flatten(options, faults))
    good = _converted(given, faults)
    failed = given.keys() - good.keys()
    values = {name: option.convert(option.default) for name, option in OPTIONS.items()} | good
    clock = values["clock"] or current_time
    cookie = CookieSettings(**{name[7:]: value for name, value in values.items() if name.startswith("cookie.")})
    for fault in faults_of(cookie):
        faults.add(fault)
    backend = None if "backend" in failed else find_backend(values["backend"], _store_options(given), faults)
    store = None if backend is None else backend.make(clock, faults)
    keyring = None if "secret" in failed else _keyring(values["secret"], store, faults)
    lifetimes = _lifetimes(values, failed, faults)
    without_ciphers = check_ciphers()
    if without_ciphers:
        faults.add(without_ciphers)
    faults.raise_if_any()
    return Settings(
        store=store,
        keyring=cast(Keyring, keyring),
        serializer=Serializer(values["types"]),
        lifetimes=lifetimes,
        regenerate_grace=values["regenerate_grace"],
        on_store_failure=values["on_store_failure"],
        save_on_error=values["save_on_error"],
        cookie=cookie,
        listeners=values["on_event"],
        clock=clock,
        environ_key=values["environ_key"],
        manager_key=manager_key_of(values["environ_key"]),
    )


def manager_key_of(environ_key: str) -> str:
    """Where the manager stands in ``environ``: beside the session."""
    return f"{environ_key.removesuffix('.session')}.manager"


def _flat(config: Mapping[str, Any] | Config | None, faults: Faults) -> dict[str, Any]:
    if isinstance(config, Config):
        return dict(config.options)
    return flatten({} if config is None else config, faults)


def _merged(config: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """A backend among *options* replaces that of *config*, the options of its store included."""
    replaced = tuple(f"{group}." for group in STORE_GROUPS if group in options)
    return {name: value for name, value in config.items() if not name.startswith(replaced)} | options


def _converted(given: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """The values of the table's options among *given*; those with a fault are left out."""
    values = {}
    for name, value in given.items():
        try:
            if name in OPTIONS:
                values[name] = OPTIONS[name].convert(value)
            elif name.startswith("login_backend."):
                OPTIONS["login_backend"].convert(value)
        except ValueError as error:
            faults.add_error(name, error)
    return values


def _store_options(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name.removeprefix("backend."): value for name, value in given.items() if name.startswith("backend.")}


def _keyring(given: tuple[bytes, ...] | None, store: Store | None, faults: Faults) -> Keyring | None:
    """What is kept in this process alone may be sealed with a secret that nobody needs to know."""
    if given is None and isinstance(store, MemoryStore):
        given = (secrets.token_bytes(32),)
    if given is None:
        faults.add(_MISSING_SECRET)
        return None
    try:
        return Keyring(given)
    except ValueError as error:
        faults.add_error("secret", error)
        return None


def _lifetimes(values: Mapping[str, Any], failed: set[str], faults: Faults) -> Lifetimes:
    idle, refresh_after = values["idle_timeout"], values["refresh_after"]
    if refresh_after is None and idle is not None:
        refresh_after = idle / REFRESHES_PER_IDLE_TIMEOUT
    elif idle is not None and refresh_after >= idle and "idle_timeout" not in failed:
        faults.add(
            f"refresh_after: {refresh_after:g} seconds are no less than the idle_timeout of {idle:g}, so a session "
            "that is only read would never be renewed; leave it out for a tenth of idle_timeout"
        )
    return Lifetimes(idle=idle, absolute=values["absolute_timeout"], refresh_after=refresh_after)
