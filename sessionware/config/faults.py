"""Collects the faults of a configuration, so that one error names them all."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable

from sessionware.conversions import cure_of
from sessionware.exceptions import ConfigError

#: The option as a fault names it, alone or before the name of a store's option.
_BACKEND = re.compile(r"(?<![\w.])backend(?=[.:])")


class Faults:
    """The faults found so far, a sentence each, and the first exception that caused one of them."""

    __slots__ = ("_cause", "_sample", "advised", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        #: The options of ours that the texts tell to write in place of others.
        self.advised: set[str] = set()
        self._cause: BaseException | None = None
        self._sample: list[str] = []

    def add(self, text: str, cause: BaseException | None = None) -> None:
        """Add the fault *text*; *cause* is the exception that a driver, an import or a store raised."""
        self.texts.append(text)
        self._cause = self._cause or cause

    def add_error(self, name: str, error: ValueError, *, given: object = None) -> None:
        """Add what a converter said of the option *name*, with the cause that it chained, and what to give instead."""
        cure = cure_of(given)
        self.add(f"{name}: {error}; {cure}" if cure else f"{name}: {error}", error.__cause__)

    def add_sample(self, lines: Iterable[str]) -> None:
        """Add lines of a configuration that may be pasted in place of what other packages' options were given."""
        self._sample += lines

    def raise_if_any(self) -> None:
        """Raise one ConfigError that names every fault, if there are any."""
        if not self.texts:
            return
        if len(self.texts) == 1:
            raise ConfigError(self.texts[0]) from self._cause
        message = f"the configuration has {len(self.texts)} faults:" + "".join(f"\n  - {text}" for text in self.texts)
        if self._sample:
            lines = "\n".join(self._sample)
            message += f"\nIn place of those of other packages write:\n\n{lines}\n"
        raise ConfigError(message) from self._cause


class RewordedFaults(Faults):
    """Adds what is found to *faults*, as *reword* says it."""

    __slots__ = ("_faults", "_reword")

    def __init__(self, faults: Faults, reword: Callable[[str], str]) -> None:
        super().__init__()
        self._faults = faults
        self._reword = reword

    def add(self, text: str, cause: BaseException | None = None) -> None:
        self._faults.add(self._reword(text), cause)


def of_logins(faults: Faults) -> Faults:
    """What is found at the option ``backend`` becomes what is wrong with ``login_backend``."""
    return RewordedFaults(faults, lambda text: _BACKEND.sub("login_backend", text))


def of_former(faults: Faults, name: str) -> Faults:
    """What is found in a former configuration becomes what is wrong with the option *name*."""
    return RewordedFaults(faults, lambda text: f"{name}: {text}")


def closest(written: str, known: Iterable[str], *, similarity: float = 0.6) -> str | None:
    """The one of *known* that a developer who wrote *written* probably meant; *similarity* is 1 for equal words."""
    found = difflib.get_close_matches(written, list(known), n=1, cutoff=similarity)
    return found[0] if found else None
