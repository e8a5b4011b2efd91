"""What all importers are given: the cookie, the end of the move, and how long their sessions live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sessionware.conversions import duration, moment
from sessionware.cookies.header import CookieSettings, faults_of, split_prefix
from sessionware.exceptions import ConfigError

#: The secrets of another package: one, or several of which each may have signed.
Secrets = str | bytes | Sequence[str | bytes]


def cookie_settings(name: str, domain: str | None, path: str) -> CookieSettings:
    """The cookie of another package, which has no prefix but what is in its *name*.

    Raises :exc:`ConfigError` for what is no name, domain or path of a cookie.
    """
    given = {"cookie_name": name, "cookie_domain": "" if domain is None else domain, "cookie_path": path}
    for parameter, value in given.items():
        if not isinstance(value, str):
            raise ConfigError(f"{parameter}: expected a str, got an object of the type {type(value).__name__}")
    settings = CookieSettings(
        name=name,
        domain=domain,
        path=path,
        secure=False,
        httponly=True,
        samesite="Lax",
        partitioned=False,
        prefix="",
        persistent=False,
    )
    _, bare_name = split_prefix(name)
    faults = faults_of(replace(settings, name=bare_name))
    if faults:
        raise ConfigError("; ".join(fault.replace("cookie.", "cookie_", 1) for fault in faults))
    return settings


def moment_of(importer: str, until: object) -> float:
    """The end of the move; raises :exc:`ConfigError` for what is no moment."""
    return _converted(importer, "until", moment, until)


def seconds_of(importer: str, name: str, value: object) -> float:
    """A duration in seconds; raises :exc:`ConfigError` for what is none."""
    return _converted(importer, name, duration, value)


def _converted(importer: str, name: str, convert: Callable[[object], Any], value: object) -> float:
    try:
        return float(convert(value))
    except ValueError as error:
        failure = ConfigError(f"{importer}: {name}: {error}")
    raise failure


def secrets_of(importer: str, given: Secrets) -> list[bytes]:
    """The secrets, at least one; raises :exc:`ConfigError`. Another package may have weaker ones than this takes."""
    # None is what a variable gives that is not set.
    found: list[Any] = list(given or ()) if given is None or isinstance(given, (list, tuple)) else [given]
    if not all(isinstance(secret, (str, bytes, type(None))) for secret in found):
        raise ConfigError(f"{importer}: the secret must be str or bytes, or a list of them")
    secrets = [secret.encode() if isinstance(secret, str) else secret for secret in found]
    if not secrets or not all(secrets):
        raise ConfigError(
            f"{importer}: the secret is missing; give the one that the former application has signed with"
        )
    return secrets
